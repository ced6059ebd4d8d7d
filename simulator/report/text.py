"""A summary as text for a terminal."""

from collections.abc import Iterator
from typing import Final

from simulator.report.summary import Budget, Judged, QuotaUse, Summary, Timeouts

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
MOST = 12
"""Cohorts or jobs in a table; the others are in ``summary.json``."""


def render(summary: Summary, wall_s: float | None = None) -> str:
    """The whole summary, some forty lines."""
    return "\n".join(_lines(summary, wall_s)) + "\n"


def _lines(summary: Summary, wall_s: float | None) -> Iterator[str]:
    took = "" if wall_s is None else f" in {wall_s:.1f} s of wall time"
    clock = "rehearsed in virtual time" if summary.clock == "virtual" else "live"
    yield ""
    yield f"{summary.scenario}: {summary.things:,} things, seed {summary.seed}, {clock}"
    yield f"{summary.elapsed_s:,.0f} s of scenario time{took}; ended: {summary.ended}"
    yield ""
    yield from _executions(summary)
    yield ""
    if len(summary.cohorts) > 1:
        yield from _cohorts(summary)
        yield ""
    if summary.jobs:
        yield from _jobs(summary)
        yield ""
    yield from _requests(summary)
    yield ""
    yield from _conflicts(summary)
    yield from _budget(summary.budget)
    yield ""
    yield from _verdict(summary)


def _executions(summary: Summary) -> Iterator[str]:
    yield "Executions"
    total = max(1, sum(summary.executions.values()))
    for status, count in summary.executions.items():
        yield f"  {status:<12} {count:>10,}  {count / total:>7.2%}"
    if summary.not_rolled_out:
        yield f"  {'(no execution yet)':<18} {summary.not_rolled_out:>4,}"
    if summary.retries.count:
        retries, attempts = summary.retries, max(map(int, summary.attempts), default=1)
        yield f"  retries: {retries.count:,} on {retries.things:,} things; up to attempt {attempts}"
    yield f"  timeouts: {_timeouts(summary.timeouts)}"
    times = summary.time_to_terminal_s
    if times:
        spans = ", ".join(f"{name} {duration(seconds)}" for name, seconds in times.items())
        yield f"  from queued to the end: {spans}"
    if summary.unfinished or summary.not_rolled_out:
        waiting = [f"{count:,} {status}" for status, count in summary.unfinished.items()]
        if summary.not_rolled_out:
            waiting.append(f"{summary.not_rolled_out:,} not rolled out")
        yield f"  unfinished: {', '.join(waiting)}"
    if summary.aborted:
        yield "  aborted: a job's abort threshold was met"


def _timeouts(timeouts: Timeouts) -> str:
    away = f", {timeouts.away} away" if timeouts.away else ""
    return (
        f"{timeouts.true_} true, {timeouts.false_} false "
        f"({timeouts.unreported} unreported{away}), {timeouts.missed} missed"
    )


def _cohorts(summary: Summary) -> Iterator[str]:
    yield (
        f"{'Cohorts':<22} {'things':>9} {'succeeded':>10} {'failed':>8} {'timed out':>10} "
        f"{'(false)':>8} {'retries':>8} {'conflicts':>10} {'p50 to end':>11} {'p99 to end':>11}"
    )
    for name, cohort in list(summary.cohorts.items())[:MOST]:
        executions, times = cohort.executions, cohort.time_to_terminal_s
        yield (
            f"  {name[:20]:<20} {cohort.things:>9,} {executions.get('SUCCEEDED', 0):>10,} "
            f"{executions.get('FAILED', 0):>8,} {executions.get('TIMED_OUT', 0):>10,} "
            f"{cohort.timeouts.false_:>8,} {cohort.retries.count:>8,} {cohort.conflicts:>10,} "
            f"{duration(times.get('p50')):>11} {duration(times.get('p99')):>11}"
        )
    yield from _more(len(summary.cohorts), "cohorts")


def _jobs(summary: Summary) -> Iterator[str]:
    yield f"{'Jobs':<42} {'targets':>9} {'succeeded':>10} {'failed':>8} {'timed out':>10} status"
    for name, job in list(summary.jobs.items())[:MOST]:
        executions = job.executions
        yield (
            f"  {name[:40]:<40} {job.targets:>9,} {executions.get('SUCCEEDED', 0):>10,} "
            f"{executions.get('FAILED', 0):>8,} {executions.get('TIMED_OUT', 0):>10,} "
            f"{job.status}{' (aborted)' if job.aborted else ''}"
        )
    yield from _more(len(summary.jobs), "jobs")


def _more(count: int, what: str) -> Iterator[str]:
    if count > MOST:
        yield f"  and {count - MOST:,} more {what} (summary.json)"


def _requests(summary: Summary) -> Iterator[str]:
    yield (
        f"{'Requests':<30} {'sent':>10} {'accepted':>10} {'rejected':>9} {'no reply':>9} "
        f"{'per s':>10} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}"
    )
    for name, numbers in summary.requests.items():
        latency = numbers.latency_ms
        yield (
            f"  {name:<28} {numbers.sent:>10,} {numbers.accepted:>10,} "
            f"{sum(numbers.rejected.values()):>9,} {numbers.no_reply:>9,} {numbers.per_s:>10,.1f} "
            f"{latency.get('p50', 0):>8.1f} {latency.get('p99', 0):>8.1f} "
            f"{latency.get('max', 0):>8.1f}"
        )
        response = numbers.response_ms
        if any(_apart(latency[one], response[one]) for one in ("p50", "p99", "max") if latency):
            yield (
                f"    {'response, from when it was due':<81}{response['p50']:>8.1f} "
                f"{response['p99']:>8.1f} {response['max']:>8.1f}"
            )
        for code, count in numbers.rejected.items():
            yield f"    {code:<26} {count:>32,}"

    if summary.open_load is not None:
        load = summary.open_load
        yield (
            f"Open load: {load.due:,} updates were due, {load.begun:,} began"
            + (f", {load.waiting:,} still waited for a free thing" if load.waiting else "")
        )


def _apart(service_ms: float, response_ms: float) -> bool:
    """Whether a response time tells more than its service time: a millisecond and a tenth."""
    return response_ms - service_ms > max(1.0, service_ms / 10)


def _conflicts(summary: Summary) -> Iterator[str]:
    conflicts = summary.conflicts
    yield f"Version conflicts: {conflicts.count:,} ({conflicts.rate:.2%} of updates)"
    for cause, count in conflicts.by_cause.items():
        if count:
            yield f"  {cause:<14} {count:>8,}{_edges(summary, cause)}"
    if summary.faults:
        faults = ", ".join(f"{count:,} {name}" for name, count in summary.faults.items())
        yield f"Faults of the things' network: {faults}"


def _edges(summary: Summary, cause: str) -> str:
    """The edge on which most conflicts of a cause came about."""
    edges = {edge: by.get(cause, 0) for edge, by in summary.conflicts.by_edge.items()}
    edge = max(edges, key=edges.__getitem__, default="")
    return f"  mostly {edge}" if edges.get(edge) else ""


# ------------------------------------------------------------------------------- AWS's budget


_QUOTAS: Final = {
    "writes": "writes",
    "reads": "reads",
    "connects": "connects",
    "connects_per_client": "connects of one thing",
    "publishes_per_connection": "requests of one thing",
    "publishes_in": "messages in",
    "publishes_out": "messages out",
}


def _budget(budget: Budget) -> Iterator[str]:
    if budget.throttled:
        whose = "AWS's quotas" if budget.in_force else "The service"
        yield (
            f"{whose} throttled {budget.throttled:,} requests"
            f"{_when(budget.throttled_for_s, budget.first_throttled_s, budget.last_throttled_s)}"
        )
    sentences = list(would_throttle(budget))
    if not sentences and not budget.throttled:
        sentences = ["AWS would not throttle this rollout"]
    yield from sentences
    yield (
        f"  peaks: {budget.writes.peak_per_s:,.0f} writes/s of {budget.writes.quota}, "
        f"{budget.reads.peak_per_s:,.0f} reads/s of {budget.reads.quota}, "
        f"{budget.connects.peak_per_s:,.0f} connects/s of {budget.connects.quota:,}; "
        f"{budget.writes.peak_per_minute:,} writes in a minute"
    )


def would_throttle(budget: Budget) -> Iterator[str]:
    """What AWS would do, a sentence for each quota that was exceeded and not in force."""
    for name, noun in _QUOTAS.items():
        use: QuotaUse = getattr(budget, name)
        if use.seconds_over and not (budget.in_force and name in ("writes", "reads")):
            yield (
                f"AWS would throttle this rollout"
                f"{_when(use.seconds_over, use.first_over_s, use.last_over_s)} "
                f"(peak {use.peak_per_s:,.0f} {noun}/s against {use.quota:,}; "
                f"{use.share_over:.1%} of them)"
            )


def _when(seconds: float, first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return ""
    exact = last - first < 10 * _MINUTE
    return f" for {duration(seconds)}, from {clock(first, exact)} to {clock(last, exact)}"


def clock(seconds: float, exact: bool) -> str:
    """An instant of scenario time: hours, minutes and, if ``exact``, seconds; days if any."""
    days, rest = divmod(round(seconds), _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    day = f"{days}d " if days else ""
    return f"{day}{hours:02d}:{minutes:02d}" + (f":{rest:02d}" if exact else "")


def duration(seconds: float | None) -> str:
    """A span of time in the two units that say most, as ``14 min`` or ``1 h 20 min``."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.3g} s"
    left = round(seconds)
    parts = []
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


# ------------------------------------------------------------------------------- verdict


def _verdict(summary: Summary) -> Iterator[str]:
    verdict = summary.verdict
    for one in verdict.expectations:
        mark = "ok    " if one.passed else "FAILED"
        yield f"  {mark} {one.name} {one.expected}: observed {one.observed}{_margin(one)}"
    if not verdict.expectations:
        yield "  the scenario expects nothing"
    yield f"Verdict: {'passed' if verdict.passed else 'FAILED'}"


def _margin(one: Judged) -> str:
    if not one.margin or not one.spare:
        return ""
    words = "to spare" if one.spare > 0 else "short"
    return f" ({one.margin.removeprefix('-')} {words})"
