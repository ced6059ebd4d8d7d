"""Open load, budgets and jobs that arrive, rehearsed."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simulator import results
from simulator.errors import ScenarioError, UsageError
from simulator.jobs.messages import DataReply, DataRequest
from simulator.live_options import settled
from simulator.report.text import render
from simulator.run import Finished, Rehearsal, Resolved
from simulator.scenario import dump, loads
from simulator.transports.memory import MemoryLink

OPEN = """\
fleet:
  - {cohort: g, things: 20, work: {duration: 0s, steps: 1000000}}
network: {latency: 40ms}
job: {document: {}}
load: {until: 2m, updates: {arrivals: poisson, rate: 50/s, from: 10s}}
"""
CLOSED = """\
fleet:
  - {cohort: g, things: 20, work: {duration: 100h, steps: 1000000}}
network: {latency: 40ms}
job: {document: {}}
load: {until: 2m}
"""


def rehearsed(text: str) -> Finished:
    return Rehearsal(Resolved.of(loads(text), None, None)).run()


def updates(finished: Finished) -> Any:
    records = finished.records
    return records[records["operation"] == results.UPDATE]


def test_updates_begin_when_they_are_due_whoever_sends_them() -> None:
    finished = rehearsed(OPEN)
    records, due = updates(finished), loads(OPEN).scenario.update_times()
    assert due is not None
    assert (np.sort(records["due"]) == due[: len(records)]).all()
    assert np.allclose(records["sent"], records["due"])
    shares = np.bincount(records["thing"])
    assert shares.max() - shares.min() <= 1  # one after the other
    load = finished.summary.open_load
    assert load is not None
    assert (load.due, load.waiting) == (len(due), 0)
    again = rehearsed(OPEN)
    assert (again.records == finished.records).all()


def stalled(monkeypatch: pytest.MonkeyPatch, begin: float, end: float) -> None:
    """The service does not answer for a while, and then all at once."""
    ask = MemoryLink.call

    async def late(
        self: MemoryLink, job_id: str | None, request: DataRequest, after: float = 0.0
    ) -> DataReply:
        now = asyncio.get_running_loop().time()
        if begin <= now < end:
            await asyncio.sleep(end - now)
        return await ask(self, job_id, request, after)

    monkeypatch.setattr(MemoryLink, "call", late)
    monkeypatch.setattr(MemoryLink, "prompt", None)


def test_a_stall_that_a_closed_loop_hides_is_seen_in_the_response_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten seconds without an answer: 20 requests wait in flight, and 480 more were due."""
    stalled(monkeypatch, 60, 70)
    closed = rehearsed(CLOSED).summary.requests["UpdateJobExecution"]
    assert closed.latency_ms["p95"] == closed.response_ms["p95"] < 1_000
    finished = rehearsed(OPEN)
    found = finished.summary.requests["UpdateJobExecution"]
    assert found.latency_ms["p95"] < 100  # only those in flight were slow to be answered
    assert found.response_ms["p95"] > 5_000
    assert found.response_ms["max"] == pytest.approx(10_100, abs=300)
    assert "response, from when it was due" in render(finished.summary)
    records = updates(finished)
    waited = np.count_nonzero(records["done"] - records["due"] > 1)
    assert waited == pytest.approx(500, abs=60)
    assert np.count_nonzero(records["done"] - records["sent"] > 1) <= 20


def test_what_no_thing_was_free_for_is_told() -> None:
    text = OPEN.replace("rate: 50/s", "rate: 1000/s").replace("2m", "30s")
    finished = rehearsed(text)
    load = finished.summary.open_load
    assert load is not None
    assert load.begun == pytest.approx(20 * 20 / 0.04, rel=0.02)  # 20 things, 40 ms each
    assert load.waiting == load.due - load.begun > 9_000
    text = text.replace("30s", "11s") + 'expect: {"open_load.waiting": 0}\n'
    assert not rehearsed(text).summary.verdict.passed


def test_open_load_goes_on_when_connections_break() -> None:
    text = OPEN.replace("latency: 40ms", "latency: 40ms, disconnects: 7s")
    finished = rehearsed(text)
    load, faults = finished.summary.open_load, finished.summary.faults
    assert load is not None
    assert faults["disconnect"] > 200
    assert load.waiting < 5
    assert finished.summary.requests["Connect"].sent > 200


def test_steps_end_by_the_schedule_and_jobs_with_them() -> None:
    text = OPEN.replace("steps: 1000000", "steps: 5").replace("rate: 50/s", "rate: 10/s")
    finished = rehearsed(text)
    assert finished.summary.executions == {"SUCCEEDED": 20}
    assert finished.summary.elapsed_s == pytest.approx(20, abs=2)  # 100 updates from 10 s on


@pytest.mark.parametrize("trouble", ["", ", lost_replies: 2%", ", disconnects: 9s"])
def test_a_budget_holds_all_requests_and_the_response_time_shows_it(trouble: str) -> None:
    text = OPEN.replace("latency: 40ms", f"latency: 40ms{trouble}, reply_timeout: 1s")
    text = text.replace("load: {", "load: {budget: 30/s, ")
    finished = rehearsed(text)
    asked = finished.records[finished.records["operation"] != results.CONNECT]
    reached = asked[asked["outcome"] != results.DISCONNECTED]
    counts = np.bincount(asked["sent"].astype(int))
    assert counts.max() <= 31
    assert len(asked) > 3_000 or trouble
    found = finished.summary.requests["UpdateJobExecution"]
    assert found.latency_ms["p50"] == pytest.approx(40)
    assert found.response_ms["p99"] > 10_000
    assert (reached["sent"] >= reached["due"] - 1e-9).all()


def test_a_budget_nobody_feels_changes_nothing() -> None:
    text = OPEN.replace("rate: 50/s", "rate: 10/s").replace("load: {", "load: {ramp: 5/s, ")
    plain, held = rehearsed(text), rehearsed(text.replace("load: {", "load: {budget: 1000/s, "))
    assert held.summary.requests == plain.summary.requests


def test_jobs_arrive_over_time_each_for_its_share() -> None:
    text = """\
fleet:
  - {cohort: g, things: 40, work: {duration: 60s, steps: 2}}
job: {jobId: soak, document: {}}
load: {until: 1d, jobs: {arrivals: constant, rate: 1/h, until: 12h, share: 50%}}
"""
    resolved = Resolved.of(loads(text), None, None)
    assert resolved.scenario.job_ids == tuple(f"soak-{number}" for number in range(1, 13))
    assert [plan.at for plan in resolved.scenario.jobs()] == [3600.0 * n for n in range(12)]
    finished = Rehearsal(resolved).run()
    summary = finished.summary
    assert summary.ended == "job completed"
    assert {job.status for job in summary.jobs.values()} == {"COMPLETED"}
    assert summary.executions == {"SUCCEEDED": sum(job.targets for job in summary.jobs.values())}
    sizes = [job.targets for job in summary.jobs.values()]
    assert len(set(sizes)) > 1
    assert sizes[0] == sizes[8]  # drawn eight times, then again
    assert loads(dump(resolved.scenario)).scenario.jobs() == resolved.scenario.jobs()


def test_a_schedule_is_replayed_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("who,at\na,0.25\nb,3s\nc,1.5\n")
    replay = "{arrivals: replay, file: times.csv, column: at, from: 10s}"
    text = OPEN.replace("{arrivals: poisson, rate: 50/s, from: 10s}", replay)
    loaded = loads(text, "s.yaml", tmp_path)
    assert loads(dump(loaded.scenario)).scenario == loaded.scenario  # and no file is needed
    records = updates(Rehearsal(Resolved.of(loaded, None, None)).run())
    assert records["due"].tolist() == [10.25, 11.5, 13.0]


@pytest.mark.parametrize(
    ("updates", "words"),
    [
        ("{arrivals: sine, rate: 5/s, to: 9/s}", "load.updates: sine arrivals need period"),
        ("{arrivals: poisson}", "poisson arrivals need rate"),
        ("{arrivals: replay}", "replay arrivals need file (or times)"),
        ("{arrivals: constant, rate: 1/s, over: 3s}", "over says nothing of constant arrivals"),
        ("{arrivals: sine, rate: 1/s, to: 3/s, period: 1m}", "from rate up to twice of it"),
        ("{arrivals: spike, to: 9/s, at: 1s, lasts: 9s, every: 5s}", "every is below lasts"),
        ("{arrivals: constant, rate: 1/s, from: 2m}", "load: no updates arrive before"),
        ("{arrivals: constant, rate: 1000000/s}", "updates arrive until load.until; at most"),
        ("{arrivals: constant, rate: 1/s, from: 9s, until: 8s}", "until is not after from"),
        ("{arrivals: replay, times: [2s, soon]}", "'soon' is no duration"),
        ("{arrivals: replay, file: none.csv}", "none.csv cannot be read"),
        ("{arrivals: sinus, rate: 1/s}", "Did you mean 'sine'?"),
        ("{arrivals: poisson, rate: 1/s, budgt: 2}", "updates.budgt: unknown key"),
    ],
)
def test_a_wrong_schedule_is_told_with_its_line(updates: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=r"scenario\.yaml:5: load") as told:
        loads(OPEN.replace("{arrivals: poisson, rate: 50/s, from: 10s}", updates))
    assert words in str(told.value)


def test_more_jobs_than_a_run_can_bear_and_none_are_refused() -> None:
    jobs = "load: {until: 1d, jobs: {arrivals: constant, rate: RATE}}"
    base = OPEN[: OPEN.index("load:")]
    with pytest.raises(ScenarioError, match=r"86,400 jobs arrive until load\.until; at most 1,000"):
        loads(base + jobs.replace("RATE", "1/s"))
    rare = loads(base + jobs.replace("constant, rate: RATE", "poisson, rate: 0.001/h"))
    with pytest.raises(UsageError, match=r"with seed 1, no job of load\.jobs arrives"):
        Resolved.of(rare, 1, None)


# ------------------------------------------------------------------------------- what holds a run


def options(tmp_path: Path, **given: Any) -> Any:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(OPEN)
    known: dict[str, Any] = {
        "scenario": str(scenario), "seed": None, "budget": None, "target": None, "control": None,
        "i_own_this_target": None, "account": None,
    }  # fmt: skip
    return SimpleNamespace(**{**known, **given})


def test_locusts_options_go_through_the_interlock_and_its_ceiling_is_a_budget(
    tmp_path: Path,
) -> None:
    away = "mqtt://192.0.2.7:1883"
    with pytest.raises(UsageError, match=r"say --i-own-this-target 192\.0\.2\.7"):
        settled(options(tmp_path, target=away))
    mine = {"target": away, "i_own_this_target": ["192.0.2.7"]}
    assert settled(options(tmp_path, **mine)).scenario.load.budget == 1000
    assert settled(options(tmp_path, **mine, budget="50/s")).scenario.load.budget == 50
    assert settled(options(tmp_path, target="mqtt://127.0.0.1:1")).scenario.load.budget is None
    with pytest.raises(UsageError, match="name the account"):
        settled(options(tmp_path, target="mqtts://x-ats.iot.eu-west-1.amazonaws.com"))
    with pytest.raises(UsageError, match="--budget: '3' is no rate"):
        settled(options(tmp_path, budget="3"))
