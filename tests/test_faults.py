"""What networks and agents do to a rollout, each fault alone: counts and causes, exactly."""

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator import results
from simulator.results import CAUSES, FAULTS, OPERATIONS, OUTCOMES, Records, edge_name
from simulator.run import Resolved, rehearse
from simulator.scenario import loads
from tests.processes import JOBFLEET, ROOT

UPDATE, CONNECT = results.UPDATE, results.CONNECT


def run(
    network: str, things: int = 10, agent: str = "{}", outcome: str = "{}", seed: int = 1
) -> Records:
    """Ten things with five steps of a minute each; all of them succeed in the end."""
    text = (
        f"fleet:\n  - cohort: g\n    things: {things}\n    work: {{duration: 5m, steps: 5}}\n"
        f"    agent: {agent}\n    outcome: {outcome}\n"
        f"network: {network}\njob: {{document: {{}}}}\nload: {{until: 4h}}\n"
    )
    finished = rehearse(Resolved.of(loads(text), seed, None))
    assert finished.summary.executions == {"SUCCEEDED": things}
    return finished.records


def counts(records: Records, column: str, names: tuple[str, ...]) -> dict[str, int]:
    return {names[at]: n for at, n in Counter(records[column].tolist()).items() if at}


def of(records: Records, operation: int) -> Records:
    chosen: Records = records[records["operation"] == operation]
    return chosen


def reports(records: Records) -> list[list[Any]]:
    """The tries of each report: silent ones, and the one that was answered."""
    groups: list[list[Any]] = []
    for thing in np.unique(records["thing"]):
        tries: list[Any] = []
        for row in of(records[records["thing"] == thing], UPDATE):
            tries.append(row)
            if row["outcome"] != results.NO_REPLY:
                groups.append(tries)
                tries = []
        assert not tries
    return groups


def test_a_quiet_network_has_no_faults() -> None:
    records = run("{}")
    assert counts(records, "fault", FAULTS) == counts(records, "cause", CAUSES) == {}
    assert len(of(records, UPDATE)) == 50


@pytest.mark.parametrize(("network", "fault", "cause"), [
    ("{latency: 50ms, lost_replies: 20%}", "lost_reply", "lost_reply"),
    ("{latency: 50ms, reordered: 20%}", "reordered", "reordered"),
])  # fmt: skip
def test_what_was_applied_without_an_answer_is_one_conflict(
    network: str, fault: str, cause: str
) -> None:
    """Exactly one for each report, however often its answer was lost."""
    groups = reports(run(network))
    assert len(groups) == 50
    for *silent, last in groups:
        assert {FAULTS[row["fault"]] for row in silent} <= {fault}
        assert OUTCOMES[last["outcome"]] == ("VersionMismatch" if silent else "accepted")
        assert CAUSES[last["cause"]] == (cause if silent else "")
        assert edge_name(last["edge"]) in (
            ("IN_PROGRESS → IN_PROGRESS", "SUCCEEDED → SUCCEEDED") if silent else ("",)
        )
    assert sum(len(tries) > 1 for tries in groups) > 3


def test_a_lost_request_is_sent_again_and_no_conflict() -> None:
    records = run("{latency: 50ms, lost_requests: 20%}")
    assert counts(records, "cause", CAUSES) == {}
    lost = records[records["outcome"] == results.NO_REPLY]
    assert set(counts(records, "fault", FAULTS)) == {"lost_request"}
    assert len(lost) == counts(records, "fault", FAULTS)["lost_request"] > 5
    assert len(of(records, UPDATE)) == 50 + len(of(lost, UPDATE))


def test_the_cause_is_exact_where_everything_is_lost_at_times() -> None:
    """A lost request before or after the lost reply does not hide it."""
    network = "{latency: 50ms, lost_requests: 30%, lost_replies: 15%, reordered: 15%}"
    seen = Counter()  # type: Counter[str]
    for *silent, last in reports(run(network, things=40)):
        faults = [FAULTS[row["fault"]] for row in silent]
        applied = [fault for fault in faults if fault != "lost_request"]
        first = applied[0] if applied else ""
        assert CAUSES[last["cause"]] == first, faults
        seen[first] += 1
    assert set(seen) == {"", "lost_reply", "reordered"}


def test_a_duplicated_request_harms_nobody_who_names_a_version() -> None:
    records = run("{duplicated: 100%}")
    assert len(of(records, UPDATE)) == 50
    assert (records["fault"] == results.DUPLICATED).sum() == len(records) - 10  # connects are none
    assert counts(records, "cause", CAUSES) == {}


def test_a_report_that_the_agent_sends_twice_is_a_conflict_with_that_cause() -> None:
    records = run("{}", outcome="{duplicated: 100%}")
    assert counts(records, "cause", CAUSES) == {"duplicate": 40}
    assert counts(records, "fault", FAULTS) == {"duplicated": 40}


def test_reports_out_of_order_are_conflicts_with_that_cause() -> None:
    records = run("{}", outcome="{out_of_order: 100%}")
    causes = counts(records, "cause", CAUSES)
    held = counts(records, "fault", FAULTS)["reordered"]
    assert causes == {"reordered": 2 * held}  # the one that came too early, and the one too late
    assert held == 20


def test_two_agents_on_a_thing_are_second_writers_to_each_other() -> None:
    records = run("{latency: 50ms}", agent="{second: 100%}")
    causes = counts(records, "cause", CAUSES)
    assert set(causes) == {"second_writer"}
    assert causes["second_writer"] == (records["outcome"] == results.VERSION_MISMATCH).sum()
    mixed = run("{latency: 50ms, lost_replies: 10%}", agent="{second: 100%}")
    assert set(counts(mixed, "cause", CAUSES)) == {"second_writer", "lost_reply"}


def test_a_storm_costs_each_thing_one_connect() -> None:
    storm = "storms: [{name: tower, at: 150s, within: 10s}]"
    records = run(f"{{latency: 100ms, {storm}}}")
    connects = of(records, CONNECT)
    assert counts(connects, "fault", FAULTS) == {"storm": 10}
    again = connects[connects["fault"] == results.STORM]
    assert (again["sent"] >= 150).all()
    assert (again["sent"] < 162).all()  # and up to the backoff's base
    assert sorted(again["thing"]) == list(range(10))
    assert len(set(again["sent"])) > 5
    assert counts(records, "cause", CAUSES) == {}
    assert len(of(records, results.DESCRIBE)) == 10  # each looks what became of its execution


def test_a_partition_befalls_its_things_only_and_work_goes_on() -> None:
    text = """\
fleet:
  - {cohort: eu, things: 5, attributes: {region: eu}, work: {duration: 5m, steps: 5}}
  - {cohort: us, things: 5, attributes: {region: us}, work: {duration: 5m, steps: 5}}
network: {latency: 100ms, partitions: [{name: eu-down, where: {region: eu}, at: 90s, lasts: 10m}]}
job: {document: {}}
load: {until: 4h}
"""
    finished = rehearse(Resolved.of(loads(text), 1, None))
    assert finished.summary.executions == {"SUCCEEDED": 10}
    records = finished.records
    faulty = records[records["fault"] > 0]
    assert set(counts(records, "fault", FAULTS)) == {"partition"}
    assert set(faulty["thing"]) == set(range(5))
    assert (faulty["done"] > 90).all()
    assert not (faulty["outcome"] == results.ACCEPTED)[faulty["operation"] == UPDATE].any()
    ended = [records[records["thing"] == thing]["done"].max() for thing in range(10)]
    assert min(ended[:5]) > 690 > max(ended[5:])
    # It was four steps behind when the partition ended; their work was done meanwhile.
    assert max(ended[:5]) < 690 + 120
    assert counts(records, "cause", CAUSES) == {}


def test_connections_that_end_by_themselves() -> None:
    records = run("{latency: 100ms, disconnects: 70s}")
    connects = of(records, CONNECT)
    lost = counts(connects, "fault", FAULTS)
    assert set(lost) == {"disconnect"}
    assert len(connects) == 10 + lost["disconnect"]
    assert 40 <= lost["disconnect"] <= 60  # in five minutes and a bit
    assert counts(records, "cause", CAUSES) == {}


def test_a_cohort_may_have_a_network_of_its_own() -> None:
    text = """\
fleet:
  - {cohort: wired, things: 5, work: {duration: 5m, steps: 5}, network: {lost_requests: 0%}}
  - {cohort: radio, things: 5, work: {duration: 5m, steps: 5}}
  - {cohort: far, things: 5, work: {duration: 5m, steps: 5}, network: {latency: 2s}}
network: {latency: 50ms, lost_requests: 40%}
job: {document: {}}
load: {until: 4h}
"""
    records = rehearse(Resolved.of(loads(text), 1, None)).records
    faulty = set(records["thing"][records["fault"] > 0])
    assert faulty <= set(range(5, 15))
    assert {thing // 5 for thing in faulty} == {1, 2}
    took = np.round(records["done"] - records["sent"], 3)[records["outcome"] == results.ACCEPTED]
    slow = records["thing"][records["outcome"] == results.ACCEPTED] >= 10
    assert set(took[slow]) == {2.0}
    assert set(took[~slow]) == {0.05}


EVERYTHING = """\
fleet:
  - cohort: a
    things: 60
    work: {duration: {distribution: lognormal, median: 3m, sigma: 0.7}, steps: 5}
    outcome: {fail: 5%, duplicated: 5%, out_of_order: 5%}
    agent: {second: 20%}
    attributes: {region: {eu: 1, us: 1}}
  - cohort: b
    things: 40
    work: {duration: 2m, steps: 3}
    network: {latency: 1s, lost_requests: 10%}
network:
  latency: {distribution: lognormal, median: 100ms, sigma: 0.7}
  jitter: {distribution: uniform, low: 0s, high: 50ms}
  lost_requests: 5%
  lost_replies: 5%
  duplicated: 5%
  reordered: 5%
  disconnects: {distribution: exponential, mean: 5m}
  clock_skew: {distribution: uniform, low: 0s, high: 10m}
  partitions: [{name: eu, where: {region: eu}, share: 50%, at: 2m, lasts: 1m}]
  storms: [{name: tower, at: 4m, within: 5s, share: 70%}]
job:
  document: {}
  timeoutConfig: {inProgressTimeoutInMinutes: 20}
  jobExecutionsRetryConfig: {criteriaList: [{failureType: ALL, numberOfRetries: 2}]}
load: {until: 4h}
"""


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    path = tmp_path / "everything.yaml"
    path.write_text(EVERYTHING)
    left = []
    for hash_seed, seed in (("0", "1"), ("1", "1"), ("4242", "1"), ("0", "2")):
        out = tmp_path / f"{hash_seed}-{seed}"
        command = [*JOBFLEET, "rehearse", str(path), "--seed", seed, "--out", str(out)]
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=ROOT, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        left.append([(out / name).read_bytes() for name in ("records.npz", "summary.json")])
    assert left[0] == left[1] == left[2]
    assert left[0][0] != left[3][0]
    records = np.load(tmp_path / "0-1" / "records.npz")["records"]
    assert set(counts(records, "fault", FAULTS)) == {
        "lost_request", "lost_reply", "duplicated", "reordered", "disconnect", "partition", "storm",
    }  # fmt: skip
    assert {OPERATIONS[at] for at in set(records["operation"])} > {"Connect"}
    assert "unknown" not in counts(records, "cause", CAUSES)
