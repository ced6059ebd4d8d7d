"""Rehearsals in which time would not move: refused, noticed, or ended by whoever waits."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.cli.app import exit_code
from simulator.errors import TimeStandsStill, UsageError
from simulator.report.summary import INTERRUPTED
from simulator.run import Rehearsal, Resolved
from simulator.scenario import load, loads


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def rehearsal(work: str, things: int = 2, more: str = "") -> Rehearsal:
    text = (
        f"fleet: [{{cohort: g, things: {things}, work: {{{work}}}}}]\n"
        f"job: {{document: {{}}}}\nload: {{until: 1h}}\n{more}"
    )
    return Rehearsal(Resolved.of(loads(text, "x.yaml"), None, None))


def test_what_can_only_be_run_live_says_so() -> None:
    resolved = Resolved.of(load(Path("scenarios/saturate.yaml")), None, 5)
    with pytest.raises(UsageError, match="saturate can only be run live") as caught:
        Rehearsal(resolved)
    assert "'writers' report 1,000,000,000 steps without work or latency" in str(caught.value)


def test_no_work_is_fine_where_it_ends_or_where_the_network_takes_time() -> None:
    summary = rehearsal("duration: 0s, steps: 300").run().summary
    assert (summary.executions, summary.elapsed_s) == ({"SUCCEEDED": 2}, 0.0)
    assert summary.requests["UpdateJobExecution"].accepted == 600
    endless = "duration: 0s, steps: 1000000000"
    for network in (
        "latency: 40ms", "jitter: 1ms", "lost_replies: 10%", "lost_requests: 10%", "reordered: 10%",
    ):  # fmt: skip
        rehearsal(endless, more=f"network: {{{network}}}\n")
        rehearsal(endless + f"}}, network: {{{network}")  # the cohort's own
    with pytest.raises(UsageError, match="can only be run live"):
        rehearsal(endless, more="network: {duplicated: 10%}\n")


def test_steps_of_next_to_no_time_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.standstill.PATIENCE", 5_000)
    none = "{distribution: uniform, low: 0s, high: 1ms}"
    for work in ("duration: 1ms, steps: 1000000000", f"duration: {none}, steps: 1000000000"):
        with pytest.raises(TimeStandsStill, match=r"busy: .*Thing\._live") as caught:
            rehearsal(work).run()
        assert exit_code(caught.value) == 2


def test_an_interrupt_ends_what_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real signal in the midst of exchanges that never wait."""
    running = rehearsal("duration: 1ms, steps: 1000000000")
    signal.signal(signal.SIGINT, lambda *_: running.interrupt())
    calls = 0
    from simulator.host import Host

    handle = Host.handle

    def counted(self: Host, *args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 1000:
            signal.raise_signal(signal.SIGINT)
        return handle(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Host, "handle", counted)
    summary = running.run().summary
    assert (summary.ended, summary.executions) == (INTERRUPTED, {"IN_PROGRESS": 2})
    assert calls < 1200
    with pytest.raises(KeyboardInterrupt):
        running.interrupt()  # asked twice: at once


def test_a_fleet_without_work_or_latency_that_starts_at_once_is_no_standstill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulator.standstill.PATIENCE", 0)
    summary = rehearsal("duration: 0s", things=1000).run().summary
    assert summary.executions == {"SUCCEEDED": 1000}


def test_a_hundred_years_in_which_nothing_happens_pass_quickly() -> None:
    text = (
        "fleet: [{cohort: g, things: 1, work: {duration: 1s}, outcome: {hang: 100%}}]\n"
        "job: {document: {}}\nload: {until: 36525d}\n"
    )
    finished = Rehearsal(Resolved.of(loads(text), None, None)).run()
    assert finished.summary.elapsed_s == 36_525 * 86_400
    assert finished.wakeups < 1000
