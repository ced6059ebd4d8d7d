"""Version conflicts by cause over time, and the edges on which they came about."""

from typing import Any

from simulator.finished_run import FinishedRun
from simulator.report.page.drawing import (
    LOOKS,
    Cell,
    Chart,
    Plot,
    Table,
    TimeAxis,
    bars,
    count_axis,
    figure,
    moment,
    percent,
    several,
)
from simulator.report.page.rollout import end_of
from simulator.report.text import duration
from simulator.results import CAUSES


def over_time(run: FinishedRun) -> Chart:
    """Conflicts by cause, bucket by bucket."""
    title = "When did versions conflict, and why?"
    timeline, conflicts = run.summary.timeline, run.summary.conflicts
    if not conflicts.count:
        sent = run.summary.requests.get("UpdateJobExecution")
        asked = f" in {several(sent.sent, 'update')}" if sent else ": no update was sent"
        return Chart("conflicts", title, f"No version conflict{asked}.")
    axis, width = TimeAxis(end_of(run)), timeline.bucket_s
    x = axis.at([end - width / 2 for end in timeline.end_s])
    look = dict(zip(CAUSES[1:], LOOKS, strict=False))
    found = timeline.conflicts
    wide = 0.96 * width / axis.unit_s
    series = [
        bars(cause, x, found[cause], look[cause], width=wide)
        for cause in CAUSES[1:]
        if cause in found
    ]
    rows: list[tuple[Cell, ...]] = [
        (moment(end), *by_cause, updates, percent(sum(by_cause), updates))
        for end, updates, *by_cause in zip(
            timeline.end_s, timeline.updates, *found.values(), strict=True
        )
    ]
    most = max(map(sum, zip(*found.values(), strict=True)))
    made = figure(series, axis.layout(), count_axis(f"conflicts in {duration(width)}", most))
    return Chart(
        "conflicts",
        title,
        _why(run),
        Table(("until", *found, "updates", "conflict rate"), rows),
        (Plot(made),),
    )


def _why(run: FinishedRun) -> str:
    conflicts = run.summary.conflicts
    causes = {cause: n for cause, n in conflicts.by_cause.items() if n}
    told = ", ".join(
        f"{count:,} {cause}" for cause, count in sorted(causes.items(), key=lambda one: -one[1])
    )
    text = f"{several(conflicts.count, 'conflict')}, {conflicts.rate:.2%} of updates: {told}."
    width, ends = run.summary.timeline.bucket_s, run.summary.timeline.end_s
    sums: list[Any] = [sum(counts) for counts in zip(*run.summary.timeline.conflicts.values(),
                                                     strict=True)]  # fmt: skip
    if sums:
        top = max(range(len(sums)), key=sums.__getitem__)
        text += f" Most in the {duration(width)} until {moment(ends[top])}: {sums[top]:,}."
    return text


def by_edge(run: FinishedRun) -> Chart | None:
    """From the status found to the status wanted, by cause; where there was any."""
    edges = run.summary.conflicts.by_edge
    if not edges:
        return None
    causes = [cause for cause in CAUSES[1:] if any(cause in by for by in edges.values())]
    order = sorted(edges, key=lambda edge: -sum(edges[edge].values()))
    rows: list[tuple[Cell, ...]] = [
        (edge, *(edges[edge].get(cause, 0) for cause in causes)) for edge in order
    ]
    text = f"Most often an execution was {order[0].replace(' → ', ' and should have become ')}."
    return Chart("edges", "On which step?", text, Table(("found → wanted", *causes), rows))
