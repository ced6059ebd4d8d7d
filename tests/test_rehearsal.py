"""Whole rehearsals: the same bytes for a seed, the truth about timeouts, no silent end."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from simulator import results
from simulator.generator import p99, slips_of
from simulator.report.counts import count_requests
from simulator.report.summary import Judged, Summary, as_json
from simulator.report.text import render
from simulator.report.verdict import judge
from simulator.run import Finished, Resolved, RunDirectory, rehearse
from simulator.scenario import load, loads
from simulator.scenario.expecting import parse_expectation
from simulator.today import utc_now

SHIPPED = [p for p in sorted(Path("scenarios").glob("*.yaml")) if p.stem != "saturate"]
"""saturate.yaml asks what a machine carries: it has no end but the wall clock's."""

SMALLER = {"million": 20_000}
"""Of what takes a minute as it stands, a fleet of so many things is rehearsed."""

GOLDEN = Path(__file__).parent / "golden"


def run(text: str, seed: int | None = None, things: int | None = None) -> Finished:
    return rehearse(Resolved.of(loads(text), seed, things))


def scenario(work: str = "duration: 90s, steps: 3", network: str = "{}", **more: str) -> str:
    job = more.get("job", "{document: {}}")
    return (
        f"fleet:\n  - cohort: g\n    things: 20\n    work: {{{work}}}\n"
        f"    outcome: {more.get('outcome', '{}')}\n"
        f"network: {network}\njob: {job}\nload: {more.get('load', '{until: 2h}')}\n"
        f"expect: {more.get('expect', '{}')}\n"
    )


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_gives_its_golden_summary(path: Path) -> None:
    """After a change that was meant: ``make golden``."""
    finished = rehearse(Resolved.of(load(path), None, SMALLER.get(path.stem)))
    golden = GOLDEN / f"{path.stem}.json"
    assert as_json(finished.summary) == json.loads(golden.read_text())
    assert finished.summary.verdict.passed


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        finished = rehearse(Resolved.of(load(Path("scenarios/timeouts.yaml")), 5, 100))
        RunDirectory(tmp_path / name, "x").write(finished, utc_now())
    for file in ("summary.json", "records.npz", "scenario.yaml"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    other = rehearse(Resolved.of(load(Path("scenarios/timeouts.yaml")), 6, 100))
    assert (
        as_json(other.summary)["requests"]
        != json.loads((tmp_path / "one" / "summary.json").read_text())["requests"]
    )
    machine = json.loads((tmp_path / "one" / "machine.json").read_text())
    assert {"wall_s", "peak_memory_mib", "versions", "started"} <= set(machine)
    records = np.load(tmp_path / "one" / "records.npz")["records"]
    assert len(records) == len(finished.records)


def test_a_plain_run_takes_the_exchanges_that_it_should() -> None:
    summary = run(scenario()).summary
    requests = summary.requests
    assert summary.executions == {"SUCCEEDED": 20}
    assert requests["UpdateJobExecution"].accepted == 60
    assert requests["StartNextPendingJobExecution"].accepted == 20
    assert (summary.elapsed_s, summary.ended) == (90.0, "job completed")
    assert summary.conflicts.count == 0


def test_hung_things_are_true_timeouts() -> None:
    job = "{document: {}, timeoutConfig: {inProgressTimeoutInMinutes: 10}}"
    summary = run(scenario(outcome="{hang: 100%}", job=job)).summary
    assert summary.executions == {"TIMED_OUT": 20}
    assert (summary.timeouts.true_, summary.timeouts.false_) == (20, 0)
    assert (summary.timeouts.missed, summary.ended) == (0, "job completed")


def test_slow_things_are_false_timeouts_and_find_out() -> None:
    job = "{document: {}, timeoutConfig: {inProgressTimeoutInMinutes: 1}}"
    finished = run(scenario(job=job, expect='{false_timeouts: "== 0"}'))
    summary = finished.summary
    assert (summary.timeouts.true_, summary.timeouts.false_) == (0, 20)
    assert not summary.verdict.passed
    updates = summary.requests["UpdateJobExecution"]
    assert updates.rejected == {"VersionMismatch": 20}
    assert summary.conflicts.by_cause["service"] == 20


def test_hung_things_without_a_timer_are_missed_and_named() -> None:
    summary = run(scenario(outcome="{hang: 100%}", expect='{unfinished: "== 0"}')).summary
    assert (summary.timeouts.missed, summary.unfinished) == (20, {"IN_PROGRESS": 20})
    assert (summary.ended, summary.elapsed_s) == ("until reached", 7200)
    assert "unfinished: 20 IN_PROGRESS" in render(summary)
    assert not summary.verdict.passed


def test_a_step_timer_catches_a_hang_in_a_later_step() -> None:
    work = "duration: 90s, steps: 3, step_timeout: 5m"
    summary = run(scenario(work, outcome="{hang: 100%}", load="{until: 1h}")).summary
    assert summary.timeouts.true_ == summary.executions["TIMED_OUT"]
    assert summary.timeouts.missed == summary.executions.get("IN_PROGRESS", 0)
    assert summary.timeouts.true_ + summary.timeouts.missed == 20


def test_rejects_and_fails() -> None:
    summary = run(scenario(outcome="{reject: 50%, fail: 50%}")).summary
    assert summary.executions.keys() == {"FAILED", "REJECTED"}
    assert summary.requests["UpdateJobExecution"].rejected == {}


def test_every_lost_reply_to_an_update_is_a_conflict_with_that_cause() -> None:
    network = "{latency: 50ms, lost_replies: 30%, reply_timeout: 2s}"
    finished = run(scenario(network=network), things=200)
    summary = finished.summary
    assert summary.executions == {"SUCCEEDED": 200}
    lost = summary.conflicts.by_cause["lost_reply"]
    assert lost == summary.conflicts.count
    rows = finished.records[finished.records["operation"] == results.UPDATE]
    # Each thing's first lost reply leads to one mismatch; a mismatch may itself be lost.
    assert 0 < lost <= int((rows["outcome"] == results.NO_REPLY).sum())
    assert (rows["cause"][rows["outcome"] == results.VERSION_MISMATCH] > 0).all()


def test_a_lost_request_is_no_conflict() -> None:
    network = "{latency: 50ms, lost_requests: 30%, reply_timeout: 2s}"
    summary = run(scenario(network=network)).summary
    assert summary.executions == {"SUCCEEDED": 20}
    assert summary.conflicts.count == 0
    assert summary.requests["UpdateJobExecution"].no_reply > 0


def test_a_rollout_that_until_cuts_off_says_how_many_wait() -> None:
    job = "{document: {}, jobExecutionsRolloutConfig: {maximumPerMinute: 5}}"
    summary = run(scenario(job=job, load="{until: 130s}")).summary
    assert (summary.ended, summary.not_rolled_out) == ("until reached", 5)
    assert sum(summary.executions.values()) == 15


def test_expectations_see_what_was_observed() -> None:
    expect = (
        '{succeeded: "== 100%", failed: "== 0", completes_within: "<= 2m", elapsed: "< 100s",'
        ' updates_per_s: "> 0.5", p99_latency: "<= 60ms", no_reply: "== 0", conflicts: "== 0",'
        ' true_timeouts: "== 0%", missed_timeouts: "== 0", conflict_rate: "== 0%"}'
    )
    summary = run(scenario(network="{latency: 50ms}", expect=expect)).summary
    assert summary.verdict.passed, summary.verdict
    observed = {one.name: one.observed for one in summary.verdict.expectations}
    assert observed["succeeded"] == "100.00%"
    assert observed["p99_latency"] == "0.050s"
    late = run(scenario(load="{until: 10s}", expect='{completes_within: "<= 2m"}')).summary
    assert late.verdict.expectations[0].observed == "nothing measured"
    assert not late.verdict.passed


def test_a_run_directory_is_fresh_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [str(RunDirectory(None, "x").path) for _ in range(2)] == ["runs/x-001", "runs/x-002"]


def test_schedule_slip_is_of_what_had_a_time_to_begin_at() -> None:
    def slip(*pairs: tuple[float, float]) -> float:
        rows = [(0, results.UPDATE, 0, 0, 1, 0, 0, 0, due, sent, sent + 0.1) for due, sent in pairs]
        return p99(slips_of(np.array(rows, results.DTYPE)))

    assert slip() == 0
    assert slip((1, 1), (2, 2)) == 0
    assert slip((1.0005, 1)) == 0
    assert slip((1, 1.5)) == pytest.approx(0.5)
    assert slip((1, 1.5), *[(2, 2)] * 1000) == pytest.approx(0.5)
    assert slip((1, 1.5), *[(2, 2.001)] * 999) == pytest.approx(0.001)


def test_a_conflict_after_lost_requests_is_the_services() -> None:
    """No reply was ever lost: what the things did not know of is that they had been timed out."""
    finished = run(
        scenario(
            "duration: 50s, steps: 2, step_timeout: 1m",
            "{lost_requests: 40%, reply_timeout: 20s, backoff: {base: 10s, maximum: 20s}}",
            load="{until: 10m}",
        ),
        things=200,
    )
    causes = finished.summary.conflicts.by_cause
    assert causes["service"] == finished.summary.conflicts.count > 10


@pytest.mark.parametrize(
    ("duration", "outcome", "unreported"),
    [("59s", "{}", 20), ("61s", "{}", 0), ("59s", "{fail: 100%}", 20)],
)
def test_a_false_timeout_is_unreported_if_the_work_was_done_in_time(
    duration: str, outcome: str, unreported: int
) -> None:
    """Each reply takes 5 s, so a report of what was done after 59 s comes after the minute."""
    finished = run(
        scenario(
            f"duration: {duration}",
            "{latency: 5s}",
            job="{document: {}, timeoutConfig: {inProgressTimeoutInMinutes: 1}}",
            outcome=outcome,
        )
    )
    timeouts = finished.summary.timeouts
    assert (timeouts.true_, timeouts.false_, timeouts.unreported) == (0, 20, unreported)


def judged(summary: Summary, name: str, text: str) -> Judged:
    return judge([parse_expectation(name, text)], summary).expectations[0]


def test_a_share_at_the_border_is_what_it_is() -> None:
    """In floats, 7 of 1 000 is more than 0.7 %."""
    whole = run(scenario()).summary
    for failed in range(1001):
        summary = msgspec.structs.replace(whole, targets=1000, executions={"FAILED": failed})
        share = f"{failed // 10}.{failed % 10}%"
        for symbol in ("<=", ">=", "=="):
            assert judged(summary, "failed", f"{symbol} {share}").passed, (symbol, share)
        for symbol in ("<", ">", "!="):
            assert not judged(summary, "failed", f"{symbol} {share}").passed, (symbol, share)


def test_conflicts_latencies_and_times_are_held_exactly_too() -> None:
    summary = run(scenario(network="{latency: 50ms}")).summary
    updates = msgspec.structs.replace(
        summary.requests["UpdateJobExecution"], sent=3000, per_s=0.3, latency_ms={"p99": 0.7}
    )
    summary = msgspec.structs.replace(
        summary,
        requests={"UpdateJobExecution": updates},
        conflicts=msgspec.structs.replace(summary.conflicts, count=21, rate=0.007),
        elapsed_s=4.1,
    )
    for name, value in (
        ("conflict_rate", "0.7%"),
        ("updates_per_s", "0.3"),
        ("p99_latency", "0.7ms"),
        ("elapsed", "4.1s"),
        ("completes_within", "4s100ms"),
    ):
        assert judged(summary, name, f"== {value}").passed, name
        assert not judged(summary, name, f"< {value}").passed, name


def test_what_is_shown_does_not_contradict_the_verdict() -> None:
    whole = run(scenario()).summary
    summary = msgspec.structs.replace(whole, targets=1_000_000, executions={"FAILED": 7_001})
    assert judged(summary, "failed", "<= 0.7%").observed == "0.7001%"
    assert judged(summary, "failed", "<= 0.8%").observed == "0.70%"
    third = msgspec.structs.replace(whole, targets=3, executions={"FAILED": 1})
    assert judged(third, "failed", "> 33.3333333333333%").observed.startswith("33.3333333")


def test_what_was_not_measured_fails() -> None:
    names = {"conflict_rate": "< 1%", "p99_latency": "< 1s", "updates_per_s": "< 1"}
    expect = ", ".join(f'{name}: "{text}"' for name, text in names.items())
    empty = run(scenario(network="{lost_requests: 100%}", expect=f"{{{expect}}}")).summary
    assert "UpdateJobExecution" not in empty.requests
    assert [one.observed for one in empty.verdict.expectations] == ["nothing measured"] * 3
    assert not any(one.passed for one in empty.verdict.expectations)
    unanswered = count_requests(records((results.UPDATE, results.NO_REPLY, 0.5)), 1.0)
    summary = msgspec.structs.replace(empty, requests=unanswered)
    assert judged(summary, "p99_latency", "< 1s").observed == "nothing measured"
    assert judged(summary, "conflict_rate", "< 1%").passed


def records(*rows: tuple[int, int, float]) -> results.Records:
    whole = [(0, op, outcome, 0, 1, 0, 0, 0, sent, sent, sent + 0.1) for op, outcome, sent in rows]
    return np.array(whole, results.DTYPE)


def test_a_rate_is_of_what_began_until_the_end() -> None:
    updates = [(results.UPDATE, results.ACCEPTED, at) for at in (0.5, 1.0, 2.0, 2.5, 9.0)]
    numbers = count_requests(records(*updates), 2.0)["UpdateJobExecution"]
    assert (numbers.sent, numbers.accepted, numbers.per_s) == (5, 5, 1.5)
    assert count_requests(records(*updates), 0.0)["UpdateJobExecution"].per_s == 0


def test_a_second_over_700_steps_takes_a_second() -> None:
    summary = run(scenario("duration: 1s, steps: 700")).summary
    assert summary.elapsed_s == 1.0
