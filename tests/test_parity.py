"""A live run and a rehearsal of the same scenario and seed, held against each other.

A fault depends on which exchange of a thing it is, not on when it happens, so where nothing else
depends on network timing, every exchange of every thing comes out the same over real sockets, at
sixty times the speed, as it does in memory.

What does depend on it, and how far the two may differ:

- how often a request is sent into a partition: the reply timeout is wall time, the partition is
  scenario time; only who is befallen is compared;
- how many connections end by themselves: each new connection begins when the thing is back, so
  their number may differ by a tenth.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator import results
from simulator.results import FAULTS, OPERATIONS, Records
from tests.processes import jobfleet, summary

SCENARIO = """\
# Question: does a live run count what its rehearsal counts?
fleet:
  - cohort: steady
    things: 40
    work: {duration: {distribution: lognormal, median: 4m, sigma: 0.3}, steps: 4}
    outcome: {fail: [30%, 0%], reject: 5%, duplicated: 10%, out_of_order: 10%}
    network: {lost_requests: 6%, lost_replies: 6%, duplicated: 6%, reordered: 6%}
  - cohort: hanging
    things: 10
    work: {duration: 2m, steps: 4}
    outcome: {hang: {share: 50%, step: 2}}
  - cohort: stormy
    things: 30
    work: {duration: 8m, steps: 4}
  - cohort: dropping
    things: 20
    work: {duration: 8m, steps: 4}
    network: {disconnects: {distribution: exponential, mean: 3m}}
network:
  reply_timeout: 2s
  backoff: {base: 50ms, maximum: 200ms}
  storms: [{name: tower, where: {cohort: stormy}, share: 70%, at: 3m30s, within: 20s}]
  partitions: [{name: eu, where: {cohort: stormy}, share: 50%, at: 6m20s, lasts: 100s}]
job:
  document: {}
  timeoutConfig: {inProgressTimeoutInMinutes: 20}
  jobExecutionsRetryConfig: {criteriaList: [{failureType: FAILED, numberOfRetries: 2}]}
load: {time_scale: 60, until: 40m, ramp: 100/s}
"""

STEADY, HANGING, STORMY, DROPPING = range(40), range(40, 50), range(50, 80), range(80, 100)


def exchanges(records: Records, thing: int) -> list[tuple[int, ...]]:
    """All that happened to a thing, but for when."""
    columns = ["operation", "outcome", "cause", "attempt", "edge", "fault", "job"]
    return [tuple(map(int, row)) for row in records[records["thing"] == thing][columns].tolist()]


def faults(records: Records, things: range) -> Counter[tuple[str, str]]:
    """Faults of some things by operation and name."""
    chosen = records[np.isin(records["thing"], things) & (records["fault"] > 0)]
    pairs = zip(chosen["operation"].tolist(), chosen["fault"].tolist(), strict=True)
    return Counter((OPERATIONS[operation], FAULTS[fault]) for operation, fault in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["mqtt", "aiomqtt"])
def test_a_live_run_and_its_rehearsal_agree_exchange_by_exchange(
    transport: str, tmp_path: Path
) -> None:
    scenario = tmp_path / "parity.yaml"
    scenario.write_text(SCENARIO)
    live, virtual = tmp_path / "live", tmp_path / "virtual"
    done = jobfleet("run", scenario, "--out", live, "--transport", transport)
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobfleet("rehearse", scenario, "--out", virtual).returncode == 0
    real, rehearsed = summary(live), summary(virtual)
    for number in ("executions", "timeouts", "unfinished", "not_rolled_out", "ended"):
        assert real[number] == rehearsed[number]
    assert real["conflicts"]["by_cause"] == rehearsed["conflicts"]["by_cause"]
    assert sum(real["conflicts"]["by_cause"].values()) > 20

    one, other = records(live), records(virtual)
    for thing in (*STEADY, *HANGING):
        assert exchanges(one, thing) == exchanges(other, thing)
    assert len(faults(one, STEADY)) == 8  # four troubles, in questions and in reports
    for fault in ("storm", "partition"):
        befallen = [
            {int(row["thing"]) for row in run if FAULTS[row["fault"]] == fault}
            for run in (one, other)
        ]
        assert befallen[0] == befallen[1]
        assert befallen[0] <= set(STORMY)
        assert len(befallen[0]) >= 10
        reconnects = [faults(run, STORMY)["Connect", fault] for run in (one, other)]
        assert reconnects == [len(befallen[0])] * 2
    ended = [faults(run, DROPPING)["Connect", "disconnect"] for run in (one, other)]
    assert ended[1] > 50
    assert abs(ended[0] - ended[1]) <= ended[1] / 10
    accepted = [Counter(attempts(run)) for run in (one, other)]
    assert accepted[0] == accepted[1]


def attempts(records: Records) -> list[tuple[Any, Any]]:
    """Of each accepted or refused update: its attempt, and which of the two it was."""
    answered = (records["operation"] == results.UPDATE) & ~np.isin(
        records["outcome"], [results.NO_REPLY, results.DISCONNECTED]
    )
    rows = records[answered][["attempt", "outcome"]].tolist()
    return [(attempt, outcome) for attempt, outcome in rows]


def records(directory: Path) -> Records:
    """What a run left behind."""
    read: Records = np.load(directory / "records.npz")["records"]
    return read
