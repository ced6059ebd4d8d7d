"""What is to be expected of a scenario before anything runs: arithmetic beside a small rehearsal.

Rule 1: nothing is changed or written; the same scenario and seed say the same.
Rule 2: what the arithmetic leaves out (lost messages, presence, incidents, several jobs) is said,
        and the rehearsal, which has it, stands beside it.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from simulator.explain.findings import NOTICEABLE, Findings, find, in_words
from simulator.explain.small import Small, rehearse_small
from simulator.jobs.quotas import DATA_PLANE_PER_S
from simulator.run import Resolved
from simulator.scenario.units import format_duration
from simulator.sweep.grid import read_source

__all__ = ["Explained", "as_json", "explain", "render"]


@dataclass(frozen=True, slots=True)
class Explained:
    """All there is to say."""

    resolved: Resolved
    findings: Findings
    small: Small
    always_there: Small | None
    """The same rehearsal with every thing always there; None where they are."""
    left_out: tuple[str, ...]
    """What the arithmetic leaves out."""


def explain(path: Path, seed: int | None = None, things: int | None = None) -> Explained:
    """Explain a scenario file.

    Raises:
        ScenarioError: it is wrong.
        UsageError: it can only be run live.
    """
    source = read_source(path)
    resolved = Resolved.of(source.loaded, seed, things)
    small = rehearse_small(source, resolved)
    findings = find(resolved.scenario, resolved.seed)
    away = any(cohort.presence.kind != "always" for cohort in resolved.scenario.cohorts())
    there = rehearse_small(source, resolved, "presence") if away else None
    return Explained(
        resolved=resolved,
        findings=findings if there is None else with_presence(findings, small, there),
        small=small,
        always_there=there,
        left_out=tuple(_left_out(source.mapping, resolved)),
    )


def with_presence(findings: Findings, small: Small, there: Small) -> Findings:
    """The bottleneck again, where two rehearsals tell what absence costs."""
    took, saves_s = small.summary.elapsed_s, small.summary.elapsed_s - there.summary.elapsed_s
    if not (small.whole and there.whole) or saves_s <= max(findings.saves_s, NOTICEABLE * took):
        return findings
    why = f"if every thing were always there, {in_words(saves_s, took)}"
    return replace(findings, bottleneck="presence", why=why, saves_s=saves_s)


def _left_out(mapping: dict[str, Any], resolved: Resolved) -> Iterator[str]:
    network = resolved.scenario.network_values()
    if network.lost_replies or network.lost_requests:
        yield "lost messages, which cost reply timeouts and conflicts"
    for key, what in (
        ("batches", "batches with outcomes of their own"),
        ("service", "incidents of the service"),
        ("jobs", "all jobs but the first, and their targets"),
    ):
        if mapping.get(key):
            yield what
    load = resolved.scenario.load
    for given, what in (
        (load.jobs, "all jobs but the first that arrives (load.jobs)"),
        (load.updates, "the schedule of updates (load.updates)"),
        (load.budget, "the budget of requests (load.budget)"),
    ):
        if given is not None:
            yield what
    if resolved.scenario.quotas == "aws":
        yield "AWS's throttling (quotas: aws), which the rehearsal has of a whole fleet only"
    if any(cohort.presence.kind != "always" for cohort in resolved.scenario.cohorts()):
        yield "presence: here every thing is always there"


# ------------------------------------------------------------------------------- as text

_STATUSES: Final = ("SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT", "CANCELED", "QUEUED",
                    "IN_PROGRESS")  # fmt: skip


def render(explained: Explained) -> str:
    """For a terminal."""
    return "\n".join(_lines(explained)) + "\n"


def _lines(explained: Explained) -> Iterator[str]:
    findings, resolved = explained.findings, explained.resolved
    now = findings.forecast
    yield f"{resolved.name}: {now.things:,} things, seed {resolved.seed}; nothing is changed"
    yield ""
    away = explained.always_there is not None
    yield "How long, if every thing were always there" if away else "How long"
    yield f"  the fleet is there after           {_time(now.up_s)}"
    yield f"  the last execution is released at  {_time(now.rolled_out_s)}"
    yield f"  the last one that ends by itself   {_time(now.worked_s)}"
    spread = (
        f"  ({_time(findings.low_s)} to {_time(findings.high_s)} over {findings.seeds} seeds)"
        if findings.high_s - findings.low_s >= 1
        else ""
    )
    yield f"  the job ends at                    {_time(now.ends_s)}{spread}"
    if away:
        seen = explained.small.summary
        yield f"  as things are there, rehearsed     {_time(seen.elapsed_s)} ({seen.ended})"
    if now.elapsed_s < now.ends_s and now.aborts_s is None:
        yield f"  load.until ends the run before, at {_time(now.elapsed_s)}"
    if now.aborts_s is not None:
        yield f"  it aborts itself at                {_time(now.aborts_s)}"
    yield ""
    yield from _requests(explained)
    yield ""
    yield from _ends(explained)
    yield ""
    yield from _abort(findings)
    yield ""
    yield from _changes(findings)
    yield ""
    yield from _beside(explained)


def _requests(explained: Explained) -> Iterator[str]:
    now = explained.findings.forecast
    yield f"Requests at the peak, of AWS's {DATA_PLANE_PER_S} writes and {DATA_PLANE_PER_S} reads/s"
    at = f" at {_time(now.writes_at_s)}" if explained.findings.seeds == 1 else ""
    for what, peak in (("writes", now.writes_per_s), ("reads", now.reads_per_s)):
        over = ""
        if peak > DATA_PLANE_PER_S:
            over = f": AWS throttles it; it needs {peak / DATA_PLANE_PER_S:.1f} s instead of one"
        yield f"  {what:<7} {peak:>8,.0f}/s{at if what == 'writes' else ''}{over}"


def _ends(explained: Explained) -> Iterator[str]:
    now = explained.findings.forecast
    yield "How attempts end (share of things that make it)"
    for number, attempt in enumerate(now.attempts, 1):
        ways = ", ".join(
            f"{_words(name)} {_share(attempt[name])}" for name in _STATUSES if name in attempt
        )
        yield f"  attempt {number} ({_share(attempt['share'])}): {ways}"
    if now.over_step_timer is not None:
        yield f"  a step lasts longer than its timer: {_share(now.over_step_timer)} of steps"
    if now.over_in_progress_timer is not None:
        yield (
            "  work lasts longer than the in-progress timer: "
            f"{_share(now.over_in_progress_timer)} of attempts"
        )
    yield f"  timeouts of things that still work (false ones): {_share(now.false_timeouts)}"
    if now.stuck:
        yield f"  never end: {_share(now.stuck)} of things"


def _abort(findings: Findings) -> Iterator[str]:
    yield "Abort"
    if not findings.aborts:
        yield "  no abortConfig: however many fail, the job goes on"
    for one in findings.aborts:
        yield (
            f"  {one.failure_type} ≥ {one.threshold:g} % of at least {one.minimum:,} ended: "
            f"{_share(one.expected)} are expected, the chance that it holds at the "
            f"{one.minimum:,}th is {_share(one.at_the_minimum)}"
        )
    if findings.aborts:
        yield (
            f"  it comes to hold at some time in {_share(findings.abort_chance)} of "
            f"{findings.seeds} forecasts"
        )
        if findings.abort_chance > max(one.at_the_minimum for one in findings.aborts) + 0.1:
            yield (
                "  (failures end sooner than successes, and it is looked at again with each end: "
                "early on, their share is larger than it will be)"
            )


def _changes(findings: Findings) -> Iterator[str]:
    yield f"Bottleneck: {findings.bottleneck} ({findings.why})"
    yield f"  {'if it were':<22} {'now':>14} {'doubled':>22} {'halved':>22}"
    for one in findings.what_ifs:
        yield f"  {one.setting:<22} {one.now:>14} " + " ".join(
            f"{_time(other.ends_s) + _false(other.false_timeouts):>22}"
            for other in (one.doubled, one.halved)
        )


def _false(share: float) -> str:
    return f", {share:.1%} false" if share >= 0.0005 else ""


def _beside(explained: Explained) -> Iterator[str]:
    now, small = explained.findings.forecast, explained.small
    summary = small.summary
    of = "all of them" if small.share == 1 else "rates scaled with the fleet"
    yield f"{'':<24} {'arithmetic':>14} {'rehearsal':>14}   ({small.things:,} things, {of})"
    yield f"  {'elapsed':<22} {_time(now.elapsed_s):>14} {_time(summary.elapsed_s):>14}"
    if now.not_rolled_out or summary.not_rolled_out:
        rehearsed = summary.not_rolled_out / summary.things
        yield f"  {'not rolled out':<22} {_share(now.not_rolled_out):>14} {_share(rehearsed):>14}"
    for status in _STATUSES:
        rehearsed = summary.executions.get(status, 0) / max(1, sum(summary.executions.values()))
        if status in now.shares or rehearsed:
            yield (
                f"  {_words(status):<22} {_share(now.shares.get(status, 0.0)):>14} "
                f"{_share(rehearsed):>14}"
            )
    yield f"  {'peak writes/s':<22} {now.writes_per_s:>14,.0f} {small.writes_per_s:>14,.0f}"
    yield f"  {'peak reads/s':<22} {now.reads_per_s:>14,.0f} {small.reads_per_s:>14,.0f}"
    yield f"  {'conflicts':<22} {'–':>14} {_share(summary.conflicts.rate):>14}"
    if not small.whole:
        yield "  (the rehearsal was ended where it was: it took too long)"
    if explained.always_there is not None:
        there = explained.always_there.summary
        yield (
            f"  presence: {_time(summary.elapsed_s)}, and {_time(there.elapsed_s)} if every thing "
            "were always there"
        )
    if explained.left_out:
        yield f"The arithmetic leaves out: {'; '.join(explained.left_out)}"


def _words(status: str) -> str:
    return status.lower().replace("_", " ")


def _share(share: float) -> str:
    return (
        "0 %" if not share else f"{share:.1%}".replace("%", " %") if share >= 0.001 else "< 0.1 %"
    )


def _time(seconds: float) -> str:
    """``1h 3m``: two units are enough to plan with."""
    if math.isinf(seconds):
        return "never"
    whole = round(seconds)
    if whole < 60:
        return (
            f"{seconds:.0f}s"
            if seconds >= 10 or not seconds
            else format_duration(round(seconds, 1))
        )
    for size, unit, below, small in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size}{unit}" + (f" {rest}{small}" if rest else "")
    raise AssertionError(seconds)


# ------------------------------------------------------------------------------- as JSON


def as_json(explained: Explained) -> dict[str, Any]:
    """For a program: the same numbers."""
    small = explained.small
    return {
        "scenario": explained.resolved.name,
        "seed": explained.resolved.seed,
        "quota_per_s": DATA_PLANE_PER_S,
        **_finite(asdict(explained.findings)),
        "rehearsal": _small_as_json(small),
        "rehearsal_always_there": None
        if explained.always_there is None
        else _small_as_json(explained.always_there),
        "left_out": list(explained.left_out),
    }


def _finite(value: Any) -> Any:
    """JSON has no infinity: what never ends has no end, which is null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def _small_as_json(small: Small) -> dict[str, Any]:
    return {
        "things": small.things,
        "share": small.share,
        "whole": small.whole,
        "elapsed_s": small.summary.elapsed_s,
        "ended": small.summary.ended,
        "executions": small.summary.executions,
        "writes_per_s": small.writes_per_s,
        "reads_per_s": small.reads_per_s,
        "conflict_rate": small.summary.conflicts.rate,
    }
