"""How executions ended: how long it took, whether timeouts were right, what retries were worth."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from simulator.finished_run import FinishedRun
from simulator.report.executions import IN_PROGRESS, Executions
from simulator.report.page.drawing import (
    GREY,
    LOOKS,
    PURPLE,
    RED,
    STATUS_LOOKS,
    Cell,
    Chart,
    Figure,
    Look,
    Plot,
    Table,
    bars,
    count_axis,
    figure,
    line,
    listed,
    log_axis,
    lying,
    percent,
    plain,
    several,
)
from simulator.report.summary import Timeouts
from simulator.report.text import duration

MOST_COHORTS: Final = len(LOOKS)
"""In a plot; the table has all."""
_SHARES: Final = np.concatenate([np.linspace(0, 1, 101), [0.995, 0.999]])
_SHARES.sort()
_TOLD: Final = (10, 50, 90, 99)


# ------------------------------------------------------------------------------- time to terminal


def time_to_terminal(run: FinishedRun, table: Executions | None) -> Chart:
    """For each cohort, the share of its targets that had ended after so long."""
    title = "How long from queued to the end?"
    key = "time-to-terminal"
    if table is None:
        return Chart(key, title, "The run does not know: it wrote no executions.")
    over = table[table["last"] & (table["status"] > IN_PROGRESS)]
    lines: list[Figure] = []
    rows: list[tuple[Cell, ...]] = []
    most, least = 0.0, np.inf
    start = 0
    largest = _largest(run)
    for name, cohort in run.summary.cohorts.items():
        mine = (over["thing"] >= start) & (over["thing"] < start + cohort.things)
        start += cohort.things
        spans = np.sort(over["ended"][mine] - over["since"][mine])
        if not len(spans):
            rows.append((name, cohort.targets, 0, *(None for _ in _TOLD), None))
            continue
        at = np.ceil(_SHARES * len(spans)).astype(np.int64).clip(1) - 1
        told = [duration(float(np.percentile(spans, share))) for share in _TOLD]
        rows.append((name, cohort.targets, len(spans), *told, duration(float(spans[-1]))))
        if name not in largest:
            continue
        x = np.maximum(spans[at], 1e-3)
        least, most = min(least, float(x[0])), max(most, float(x[-1]))
        y = (at + 1) / max(len(spans), cohort.targets) * 100
        look = LOOKS[len(lines)]
        lines.append(line(name, [float(f"{one:.6g}") for one in x], y, look, mode="lines"))
    if not lines:
        return Chart(key, title, "Nothing had ended when the run did.")
    drawn = figure(
        lines,
        log_axis("time from queued to the end (log scale)", least, most),
        {"title": {"text": "% of targets"}, "range": [0, 101]},
    )
    columns = ("cohort", "targets", "ended", *(f"p{share}" for share in _TOLD), "longest")
    return Chart(key, title, _took(run, len(lines)), Table(columns, rows), (Plot(drawn),))


def _largest(run: FinishedRun) -> set[str]:
    cohorts = run.summary.cohorts
    return set(sorted(cohorts, key=lambda name: -cohorts[name].things)[:MOST_COHORTS])


def _took(run: FinishedRun, drawn: int) -> str:
    spans, cohorts = run.summary.time_to_terminal_s, run.summary.cohorts
    text = "Of all that ended: " + ", ".join(
        f"{'longest' if name == 'max' else name} {duration(span)}" for name, span in spans.items()
    ) + "."  # fmt: skip
    known = {n: c.time_to_terminal_s["p50"] for n, c in cohorts.items() if c.time_to_terminal_s}
    if len(known) > 1:
        slow = max(known, key=known.__getitem__)
        text += f" The slowest cohort is {slow}, with a median of {duration(known[slow])}."
    if len(cohorts) > drawn:
        text += f" The plot has {drawn} of {len(cohorts)} cohorts; the table has all."
    unfinished = sum(run.summary.unfinished.values()) + run.summary.not_rolled_out
    if unfinished:
        text += " A curve that ends below 100 % is of a cohort that was not done."
    return text


# ------------------------------------------------------------------------------- timeouts

_KINDS: Final = {
    "true: hung or vanished": Look("#009e73", "", "solid"),
    "false: still at work": Look(RED, "x", "dash"),
    "false: done, not yet reported": Look("#a97c0c", "/", "dot"),
    "false: away": Look(PURPLE, "\\", "dashdot"),
    "missed: hung, never timed out": Look(GREY, ".", "longdash"),
}


def timeouts(run: FinishedRun) -> Chart:
    """Timeouts held against the truth, by cohort."""
    title = "Were the timeouts right?"
    whole, cohorts = run.summary.timeouts, run.summary.cohorts
    text = _right(run)
    kinds = _by_kind(whole)
    if not any(kinds):
        return Chart("timeouts", title, text)
    told = {name: _by_kind(cohort.timeouts) for name, cohort in cohorts.items()}
    some = [name for name in sorted(told, key=lambda n: -sum(told[n])) if any(told[name])]
    drawn = some[: 2 * MOST_COHORTS][::-1]
    across = [plain(name) for name in drawn]
    series = [
        lying(bars(kind, across, [told[name][at] for name in drawn], look))
        for at, (kind, look) in enumerate(_KINDS.items())
        if kinds[at]
    ]
    made = figure(
        series,
        {**count_axis("executions", max(sum(told[name]) for name in drawn)), "rangemode": "tozero"},
        {"type": "category", "rangemode": "normal"},
        hovermode="closest",
    )
    made["layout"]["bargap"] = 0.35
    plot = Plot(made, height=9 + 1.6 * len(drawn))
    rows: list[tuple[Cell, ...]] = [(name, *by_kind) for name, by_kind in told.items()]
    if len(rows) > 1:
        rows.append(("all", *kinds))
    return Chart("timeouts", title, text, Table(("cohort", *_KINDS), rows), (plot,))


def _by_kind(timeouts: Timeouts) -> list[int]:
    at_work = timeouts.false_ - timeouts.unreported - timeouts.away
    return [timeouts.true_, at_work, timeouts.unreported, timeouts.away, timeouts.missed]


def _right(run: FinishedRun) -> str:
    timeouts = run.summary.timeouts
    gone = timeouts.true_ + timeouts.false_
    text = f"{several(gone, 'execution')} timed out. " if gone else "Nothing timed out. "
    if gone:
        text += (
            f"{timeouts.true_:,} really hung or had vanished; {timeouts.false_:,} were still at "
            "work, done but unreported, or away. "
        )
    if timeouts.missed:
        return f"{text}{timeouts.missed:,} hung and were never caught."
    return f"{text}No hung thing was missed."


# ------------------------------------------------------------------------------- retries


def retries(run: FinishedRun) -> Chart:
    """What became of first, second, … attempts."""
    title = "What were retries worth?"
    attempts = run.summary.attempts
    if not run.summary.retries.count:
        return Chart("retries", title, "No execution was retried.")
    names = [s for s in STATUS_LOOKS if any(s in one.by_status for one in attempts.values())]
    x = [f"attempt {number} ({one.executions:,})" for number, one in attempts.items()]
    series = [
        bars(name, x, [one.by_status.get(name, 0) for one in attempts.values()],
             STATUS_LOOKS[name]) for name in names
    ]  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (number, one.executions, *(one.by_status.get(name, 0) for name in names), one.conflicts)
        for number, one in attempts.items()
    ]
    made = figure(series, {"type": "category"}, {"title": {"text": "% of the attempt"}})
    made["layout"] |= {"barnorm": "percent", "bargap": 0.3}
    return Chart(
        "retries",
        title,
        " ".join(_worth(run)),
        Table(("attempt", "executions", *names, "conflicts"), rows),
        (Plot(made),),
    )


def _worth(run: FinishedRun) -> Iterator[str]:
    retries, attempts = run.summary.retries, run.summary.attempts
    yield (
        f"{several(retries.things, 'thing')} had {several(retries.count, 'retry', 'retries')}, up "
        f"to attempt {max(map(int, attempts))}."
    )
    parts = [
        f"{percent(one.by_status.get('SUCCEEDED', 0), one.executions)} of attempt {number}"
        for number, one in list(attempts.items())[:4]
    ]
    yield f"There succeeded {listed(parts)}."
