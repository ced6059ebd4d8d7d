"""The top of the page: whether the run kept its promises, and what it was, in a few words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from simulator.finished_run import FinishedRun
from simulator.report.page.drawing import Cell, Table, percent, several
from simulator.report.summary import INTERRUPTED
from simulator.report.text import duration

_LOST, _LATE, _INTERRUPTED = 3, 4, 130


@dataclass(frozen=True, slots=True)
class Banner:
    """The verdict. ``kind`` is passed, failed or nothing (where nothing was expected)."""

    kind: str
    word: str
    sentence: str
    doubts: list[str]
    """Why it is to be taken with care, if it is."""


_WORDS: Final = {"passed": "Passed", "failed": "Failed", "nothing": "No expectations"}


def banner(run: FinishedRun) -> Banner:
    """The verdict in one sentence, and what casts doubt on it."""
    verdict = run.summary.verdict
    wrong = [one for one in verdict.expectations if not one.passed]
    every = len(verdict.expectations)
    if not every:
        kind, sentence = "nothing", "The scenario expects nothing, so there is nothing to fail."
    elif not wrong:
        kind, sentence = "passed", f"All {several(every, 'expectation')} hold."
        if every == 1:
            sentence = "The one expectation holds."
    else:
        first = wrong[0]
        kind = "failed"
        sentence = f"{len(wrong)} of {several(every, 'expectation')} " + (
            "does not hold: " if len(wrong) == 1 else "do not hold, first of all "
        )
        sentence += f"{first.name} {first.expected}, observed {first.observed}."
    return Banner(kind, _WORDS[kind], sentence, list(_doubts(run)))


def _doubts(run: FinishedRun) -> Iterator[str]:
    machine, summary = run.machine, run.summary
    code = machine.get("exit_code")
    if summary.ended == INTERRUPTED or code == _INTERRUPTED:
        yield "The run was interrupted: the verdict is of what was seen until then."
    if code == _LOST:
        yield f"The target was lost ({summary.ended}): counts are the last that it gave."
    if code == _LATE:
        slip = machine.get("p99_schedule_slip_ms", 0)
        yield (
            f"The generator could not keep its own schedule (p99 slip {slip:g} ms): these results "
            "are not to be trusted."
        )
    if not summary.requests:
        yield "Nothing happened: not one request was sent."


def at_a_glance(run: FinishedRun) -> list[tuple[str, str, str]]:
    """The few numbers that everybody asks for first: name, value, what stands beside it."""
    summary = run.summary
    done, spans = summary.executions.get("SUCCEEDED", 0), summary.time_to_terminal_s
    timeouts, peak, quota = summary.timeouts, summary.budget.writes.peak_per_s, "AWS takes "
    updates = summary.requests.get("UpdateJobExecution")
    unfinished = sum(summary.unfinished.values()) + summary.not_rolled_out
    return [
        ("Succeeded", percent(done, summary.targets), f"{done:,} of {summary.targets:,} targets"),
        ("Queued to the end", duration(spans.get("p50")) or "–",
         f"median; p99 {duration(spans.get('p99'))}" if spans else "nothing ended"),
        ("False timeouts", f"{timeouts.false_:,}",
         f"beside {timeouts.true_:,} true, {timeouts.missed:,} missed"),
        ("Version conflicts", f"{summary.conflicts.rate:.2%}",
         f"{summary.conflicts.count:,} of {updates.sent if updates else 0:,} updates"),
        ("Peak writes", f"{peak:,.0f}/s", f"{quota}{summary.budget.writes.quota}/s"),
        ("Unfinished", f"{unfinished:,}", f"when it ended: {summary.ended}"),
    ]  # fmt: skip


def facts(run: FinishedRun) -> list[tuple[str, str]]:
    """What ran, where, when, with which versions."""
    summary, machine = run.summary, run.machine
    how = (
        f"live over {summary.transport}, at {summary.time_scale:g} times its speed"
        if run.live
        else "rehearsed in virtual time"
    )
    versions = machine.get("versions", {})
    wall = machine.get("wall_s")
    return [
        ("Things", f"{summary.things:,}"),
        ("Targets", f"{summary.targets:,}"),
        ("How", how),
        ("Seed", str(summary.seed)),
        ("Scenario time", duration(summary.elapsed_s)),
        ("Wall time", "–" if wall is None else duration(wall)),
        ("Ended", summary.ended),
        ("Started", str(machine.get("started", "–"))),
        ("Machine", f"{machine.get('platform', '–')}, Python {machine.get('python', '–')}"),
        ("Peak memory", f"{machine.get('peak_memory_mib', 0):,.0f} MiB"),
        ("Versions", ", ".join(f"{name} {of}" for name, of in versions.items())),
    ]


def requests(run: FinishedRun) -> Table:
    """Every operation's exchanges."""
    rows: list[tuple[Cell, ...]] = [
        (name, one.sent, one.accepted, sum(one.rejected.values()), one.no_reply, one.per_s,
         *_ms(one.latency_ms), *_ms(one.response_ms))
        for name, one in run.summary.requests.items()
    ]  # fmt: skip
    columns = ("operation", "sent", "accepted", "rejected", "no reply", "per s",
               "service p50, ms", "p99", "max", "response p50, ms", "p99", "max")  # fmt: skip
    return Table(columns, rows)


def _ms(latency: dict[str, float]) -> Iterator[float | None]:
    for name in ("p50", "p99", "max"):
        yield round(latency[name], 1) if name in latency else None
