"""A summary as text for a terminal."""

from collections.abc import Iterator

from simulator.report.summary import Summary


def render(summary: Summary, wall_s: float | None = None) -> str:
    """The whole summary, some thirty lines."""
    return "\n".join(_lines(summary, wall_s)) + "\n"


def _lines(summary: Summary, wall_s: float | None) -> Iterator[str]:
    took = "" if wall_s is None else f" in {wall_s:.1f} s of wall time"
    clock = "rehearsed in virtual time" if summary.clock == "virtual" else "live"
    yield ""
    yield f"{summary.scenario}: {summary.things:,} things, seed {summary.seed}, {clock}"
    yield f"{summary.elapsed_s:,.0f} s of scenario time{took}; ended: {summary.ended}"
    yield ""
    yield "Executions"
    total = max(1, sum(summary.executions.values()))
    for status, count in summary.executions.items():
        yield f"  {status:<12} {count:>10,}  {count / total:>7.2%}"
    if summary.not_rolled_out:
        yield f"  {'(no execution yet)':<18} {summary.not_rolled_out:>4,}"
    timeouts = summary.timeouts
    yield (
        f"  timeouts: {timeouts.true_} true, {timeouts.false_} false "
        f"({timeouts.unreported} unreported), {timeouts.missed} missed"
    )
    if summary.unfinished or summary.not_rolled_out:
        waiting = [f"{count:,} {status}" for status, count in summary.unfinished.items()]
        if summary.not_rolled_out:
            waiting.append(f"{summary.not_rolled_out:,} not rolled out")
        yield f"  unfinished: {', '.join(waiting)}"
    yield ""
    yield from _requests(summary)
    yield ""
    conflicts = summary.conflicts
    yield f"Version conflicts: {conflicts.count:,} ({conflicts.rate:.2%} of updates)"
    for cause, count in conflicts.by_cause.items():
        if count:
            yield f"  {cause:<14} {count:>8,}"
    yield ""
    yield from _verdict(summary)


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
        for code, count in numbers.rejected.items():
            yield f"    {code:<26} {count:>32,}"


def _verdict(summary: Summary) -> Iterator[str]:
    verdict = summary.verdict
    for one in verdict.expectations:
        mark = "ok    " if one.passed else "FAILED"
        yield f"  {mark} {one.name} {one.expected}: observed {one.observed}"
    if not verdict.expectations:
        yield "  the scenario expects nothing"
    yield f"Verdict: {'passed' if verdict.passed else 'FAILED'}"
