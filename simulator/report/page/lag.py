"""How far the generator itself was behind: without this, nobody knows whom a latency is of.

From records: how late exchanges began that had a time to begin at. From ``generator.csv``, where a
live run wrote one: the lag of its loops and their CPU, second by second.
"""

import csv
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UsageError
from simulator.finished_run import FinishedRun
from simulator.report.counts import schedule_slip
from simulator.report.page.bins import percentiles_by
from simulator.report.page.drawing import (
    LOOKS,
    Cell,
    Chart,
    Plot,
    Table,
    TimeAxis,
    figure,
    limit,
    line,
    moment,
)
from simulator.report.page.rollout import end_of, width_for

FILE: Final = "generator.csv"
_SHOWN: Final = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
_COLUMNS: Final = ("at_s", "loop_lag_ms", "cpu")


def slip(run: FinishedRun) -> Chart:
    """From when an exchange was due to when it began, over time."""
    title = "Did the generator keep its own schedule?"
    if not run.live:
        return Chart("slip", title, "The run was rehearsed in virtual time: there is no lag.")
    records, scale = run.records, run.summary.time_scale
    late = records["sent"] - records["due"]
    mine = np.flatnonzero(late != 0)
    if not len(mine):
        return Chart("slip", title, "Nothing was scheduled: each request followed another.")
    at = records["sent"][mine] * scale
    end = max(end_of(run), float(at.max()))
    width = width_for(end, len(mine))
    count = max(1, int(np.ceil(round(end / width, 9))))
    bucket = np.minimum((at / width).astype(np.int64), count - 1)
    shares = np.array([share for _, share in _SHOWN])
    table = percentiles_by(np.maximum(late[mine], 0), bucket, count, shares) * 1000
    some = np.flatnonzero(~np.isnan(table[:, 0]))
    allowed = run.loaded.scenario.load.max_slip * 1000
    axis = TimeAxis(end)
    x = axis.at((some + 0.5) * width)
    lines = [line(name, x, table[some, at], LOOKS[at]) for at, (name, _) in enumerate(_SHOWN)]
    lines.append(limit(f"load.max_slip, {allowed:g} ms", axis, allowed))
    rows: list[tuple[Cell, ...]] = [
        (moment(at * width), *(float(f"{value:.4g}") for value in table[at]))
        for at in some.tolist()
    ]
    p99 = schedule_slip(records) * 1000
    kept = "kept" if p99 <= allowed else "NOT kept: do not trust these results"
    return Chart(
        "slip",
        title,
        f"The 99th percentile of the slip is {p99:,.3g} ms, of {allowed:g} ms that are allowed: "
        f"the schedule was {kept}.",
        Table(("from", *(f"slip {name}, ms" for name, _ in _SHOWN)), rows),
        (Plot(figure(lines, axis.layout(), {"title": {"text": "slip, ms"}})),),
    )


# ------------------------------------------------------------------------------- its own clock


def loops(run: FinishedRun) -> Chart | None:
    """The lag of the loops and their CPU, the worst process of each second; if it was measured."""
    found = _measured(run)
    if found is None:
        return None
    at, lag, cpu = found
    axis = TimeAxis(max(end_of(run), float(at[-1])))
    x = axis.at(at)
    plots = [
        Plot(
            figure([line(name, x, values, look)], axis.layout(),
                   {"title": {"text": unit}}, showlegend=False),
            name,
        )
        for name, values, unit, look in (
            ("Loop lag", lag, "ms", LOOKS[0]),
            ("CPU of the busiest process", 100 * cpu, "% of a core", LOOKS[1]),
        )
    ]  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (moment(one), float(f"{ms:.4g}"), float(f"{100 * share:.3g}"))
        for one, ms, share in zip(at.tolist(), lag.tolist(), cpu.tolist(), strict=True)
    ]
    busiest = 100 * float(cpu.max())
    text = f"Largest loop lag {lag.max():,.3g} ms; the busiest process took {busiest:.0f} % of a "
    text += "core at most."
    if busiest >= 90:
        text += " The generator was a bottleneck: what it measured may be its own."
    return Chart("loops", "Was the generator itself the bottleneck?", text,
                 Table(("at", "loop lag, ms", "CPU, % of a core"), rows), tuple(plots))  # fmt: skip


def _measured(run: FinishedRun) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None:
    """Scenario time, loop lag and CPU: the worst of a second's processes; None without a file."""
    path = run.folder / FILE
    if not path.exists():
        return None
    worst: dict[int, tuple[float, float]] = {}
    try:
        for at, lag, cpu in _rows(path.read_text(encoding="utf-8")):
            before = worst.get(int(at), (0.0, 0.0))
            worst[int(at)] = max(before[0], lag), max(before[1], cpu)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not worst:
        return None
    table = np.array([(at, *worst[at]) for at in sorted(worst)], np.float64)
    return table[:, 0] * run.summary.time_scale, table[:, 1], table[:, 2]


def _rows(text: str) -> Iterator[tuple[float, float, float]]:
    for row in csv.DictReader(text.splitlines()):
        at, lag, cpu = (float(row[name] or 0) for name in _COLUMNS)
        yield at, lag, cpu
