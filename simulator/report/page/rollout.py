"""The rollout over time: what stood where, how fast it was released, what AWS had to take."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.finished_run import FinishedRun
from simulator.jobs.rollout import DEFAULT_PER_MINUTE
from simulator.report.budget import writes_by_second
from simulator.report.executions import Executions, table_of
from simulator.report.page.drawing import (
    BLUE,
    LOOKS,
    STATUS_LOOKS,
    TO_COME,
    Cell,
    Chart,
    Look,
    Plot,
    Table,
    TimeAxis,
    area,
    bars,
    count_axis,
    figure,
    limit,
    line,
    moment,
    percent,
    several,
)
from simulator.report.summary import Budget
from simulator.report.text import duration
from simulator.report.timeline import BUCKETS, WIDTHS

_MINUTE: Final = 60
ENOUGH: Final = 100
"""Samples from which on a 99th percentile says something."""


def settled(run: FinishedRun) -> Executions | None:
    """The run's executions as the report counts them, where it wrote them."""
    if run.executions is None:
        return None
    return table_of(run.executions, run.loaded.scenario.job_ids)


def end_of(run: FinishedRun) -> float:
    """Where charts over time end, in scenario seconds."""
    timeline = run.summary.timeline
    return max(run.summary.elapsed_s, timeline.end_s[-1] if timeline.end_s else 0.0)


def width_for(end: float, samples: int) -> float:
    """Seconds of a bucket such that most have enough samples for a percentile."""
    buckets = min(BUCKETS, max(20, samples // ENOUGH))
    return next((width for width in WIDTHS if width * buckets >= end), WIDTHS[-1])


# ------------------------------------------------------------------------------- the funnel


def funnel(run: FinishedRun, table: Executions | None) -> Chart:
    """Executions by status over time, stacked."""
    summary, timeline = run.summary, run.summary.timeline
    title = "Where did the rollout stand, and when?"
    if not summary.executions:
        return Chart("funnel", title, "No execution was created.")
    stock = dict(timeline.executions)
    if table is not None and summary.targets:
        stock[TO_COME] = _to_come(table, timeline.end_s, summary.targets)
    names = [name for name in STATUS_LOOKS if name in stock and any(stock[name])]
    axis, ends = TimeAxis(end_of(run)), [0.0, *timeline.end_s]
    begin = {name: summary.targets if name == TO_COME else 0 for name in names}
    x = axis.at(ends)
    layers = [area(name, x, [begin[name], *stock[name]], STATUS_LOOKS[name]) for name in names]
    rows = zip(map(moment, ends), *([begin[name], *stock[name]] for name in names), strict=True)
    return Chart(
        "funnel",
        title,
        _stood(run),
        Table(("by", *names), list(rows)),
        (Plot(figure(layers, axis.layout(), count_axis("executions", summary.targets))),),
    )


def _to_come(table: Executions, ends: list[float], targets: int) -> list[int]:
    first = np.sort(table["queued"][table["number"] == 1])
    left = targets - np.searchsorted(first, np.array(ends) + 1e-9, side="right")
    return [max(0, one) for one in left.tolist()]


def _stood(run: FinishedRun) -> str:
    summary = run.summary
    total = sum(summary.executions.values())
    ended = {s: n for s, n in summary.executions.items() if s not in summary.unfinished}
    parts = [f"{count:,} {status} ({percent(count, total)})" for status, count in ended.items()]
    text = f"Of {several(total, 'execution')}: " + (", ".join(parts) or "none has ended") + "."
    waiting = [f"{count:,} {status}" for status, count in summary.unfinished.items()]
    if summary.not_rolled_out:
        waiting.append(f"{summary.not_rolled_out:,} not released")
    if waiting:
        text += f" Unfinished when the run ended: {', '.join(waiting)}."
    if summary.aborted:
        text += " A job's abort threshold was met."
    return text


# ------------------------------------------------------------------------------- release rate


def release(run: FinishedRun, table: Executions | None) -> Chart:
    """Executions created per minute, beside what the jobs allow."""
    title = "How fast were executions released, against the configured rate?"
    if table is None or not len(table):
        return Chart("release", title, "No execution was created, or the run does not know when.")
    end = max(end_of(run), float(table["queued"].max()) + 1)
    width = _width(end, _MINUTE)
    count = int(end // width) + 1
    again = table["number"] > 1
    released, peaks = _per_minute(table["queued"][~again], width, count)
    retried, _ = _per_minute(table["queued"][again], width, count)
    axis = TimeAxis(end)
    x = axis.at((np.arange(count) + 0.5) * width)
    wide = 0.96 * width / axis.unit_s
    mean = "" if width == _MINUTE else f", mean of {duration(width)}"
    columns: dict[str, NDArray[Any]] = {f"first executions a minute{mean}": released}
    series = [bars(f"first executions{mean}", x, released, LOOKS[0], width=wide)]
    if retried.any():
        columns[f"retries a minute{mean}"] = retried
        series.append(bars(f"retries{mean}", x, retried, LOOKS[1], width=wide))
    if mean:
        columns["first executions in its peak minute"] = peaks
        series.append(line("first executions, peak minute", x, peaks, LOOKS[2]))
    configured = list(_configured(run))
    series += [limit(name, axis, rate) for name, rate in configured]
    rows: list[tuple[Cell, ...]] = [
        (moment(at * width), *row)
        for at, row in enumerate(zip(*(one.tolist() for one in columns.values()), strict=True))
    ]
    peak, highest = int(peaks.argmax()), max(rate for _, rate in configured)
    text = (
        f"At most {peaks[peak]:,.0f} in a minute, {'from' if mean else 'at'} "
        f"{moment(peak * width)}{' on' if mean else ''}: {percent(float(peaks[peak]), highest)} of "
        "the highest rate that is configured "
        f"({' · '.join(f'{name}: {rate:,}' for name, rate in configured)})."
    )
    if retried.any():
        text += f" Retries come on top: {several(int(again.sum()), 'execution')}."
    return Chart(
        "release",
        title,
        text,
        Table(("from", *columns), rows),
        (Plot(figure(series, axis.layout(), count_axis("executions a minute", highest))),),
    )


def _per_minute(
    queued: NDArray[Any], width: float, count: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of each bucket, the mean of its minutes and the most of one."""
    each = int(width) // _MINUTE
    minute = np.minimum((queued // _MINUTE).astype(np.int64), count * each - 1)
    minutes = np.bincount(minute, minlength=count * each).reshape(count, each)
    return np.round(minutes.mean(axis=1), 3), minutes.max(axis=1)


def _configured(run: FinishedRun) -> Iterator[tuple[str, int]]:
    """Rates per minute by name; the same one of several jobs once."""
    seen: set[tuple[str, int]] = set()
    for request in run.loaded.scenario.requests:
        rollout = request.get("jobExecutionsRolloutConfig") or {}
        exponential = rollout.get("exponentialRate")
        if exponential:
            seen.add(("baseRatePerMinute", int(exponential["baseRatePerMinute"])))
        maximum = rollout.get("maximumPerMinute")
        name = "maximumPerMinute" if maximum else "AWS's default"
        seen.add((name, int(maximum or DEFAULT_PER_MINUTE)))
    yield from sorted(seen, key=lambda pair: pair[1])


def _width(end: float, least: float) -> float:
    """Seconds of a bucket, whole minutes where that is the least."""
    return next(
        (one for one in WIDTHS if one >= least and one % least == 0 and one * BUCKETS >= end),
        WIDTHS[-1],
    )


# ------------------------------------------------------------------------------- AWS's budget


def writes(run: FinishedRun) -> Chart:
    """Writes per second, mean and peak of each bucket, beside AWS's quota."""
    title = "Would AWS have taken it?"
    budget = run.summary.budget
    second, counts = writes_by_second(run.records, run.summary.time_scale)
    if not len(second):
        return Chart("writes", title, "No write was asked of the service.")
    end = max(end_of(run), float(second[-1] + 1))
    width = _width(end, 1)
    count = int((end - 1e-9) // width) + 1
    bucket = np.clip((second // width).astype(np.int64), 0, count - 1)
    peak = np.zeros(count, np.int64)
    np.maximum.at(peak, bucket, counts)
    mean = np.bincount(bucket, counts, count) / width
    axis = TimeAxis(end)
    x = axis.at((np.arange(count) + 0.5) * width)
    quota = budget.writes.quota
    series = [
        line("peak second", x, peak, Look(BLUE, "", "solid"), fill="tozeroy",
             fillcolor="rgba(47,127,193,.18)"),
        line("mean", x, mean, LOOKS[2]),
        limit(f"AWS's quota, {quota} a second", axis, quota),
    ]  # fmt: skip
    series[0]["mode"] = "lines"
    rows = [(moment(at * width), int(peak[at]), round(float(mean[at]), 3)) for at in range(count)]
    return Chart(
        "writes",
        title,
        _taken(budget),
        Table(("from", "writes in its peak second", "writes a second, mean"), rows),
        (Plot(figure(series, axis.layout(), count_axis("writes a second", quota))),),
    )


def _taken(budget: Budget) -> str:
    """The finding about AWS's rates."""
    writes, reads = budget.writes, budget.reads
    text = (
        f"Peak {writes.peak_per_s:,.0f} writes a second, "
        f"{percent(writes.peak_per_s, writes.quota)} of AWS's {writes.quota}"
    )
    text += f", at {moment(writes.peak_at_s)}. " if writes.peak_at_s is not None else ". "
    if reads.requests:
        text += f"Peak {reads.peak_per_s:,.0f} reads a second of {reads.quota}. "
    if budget.in_force:
        return text + (
            f"The quotas were in force: {several(budget.throttled, 'request')} answered "
            f"RequestThrottled, in {several(int(budget.throttled_for_s), 'second')}."
        )
    if not budget.over_for_s:
        if writes.peak_per_s > writes.quota or reads.peak_per_s > reads.quota:
            text += "That is within what its bucket, full before, lets through: "
        return text + "AWS would not throttle this rollout."
    over = [
        several(use.over, name) for name, use in (("write", writes), ("read", reads)) if use.over
    ]
    return text + (
        f"AWS would throttle at least {' and '.join(over)}, in "
        f"{several(int(budget.over_for_s), 'second')}."
    )
