"""How far the generator itself was behind: without this, nobody knows whom a latency is of.

From ``generator.csv``, in which a live run writes every second what each process with things found:
how late what was scheduled began, how late a timer of the loop was, and the CPU it took. Of several
processes a chart shows the worst.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UsageError
from simulator.finished_run import FinishedRun
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
    several,
)
from simulator.report.page.rollout import end_of

FILE: Final = "generator.csv"
_COLUMNS: Final = ("at_s", "slip_p99_ms", "loop_lag_ms", "cpu")
_BUSY: Final = 90


@dataclass(frozen=True, slots=True)
class Readings:
    """Second by second, the worst of all processes; ``at`` is scenario time."""

    at: NDArray[Any]
    slip_ms: NDArray[Any]
    lag_ms: NDArray[Any]
    cpu: NDArray[Any]
    """Percent of a core."""
    processes: int


def charts(run: FinishedRun) -> list[Chart]:
    """What is to be said of the generator."""
    title = "Did the generator keep its own schedule?"
    if not run.live:
        return [Chart("slip", title, "The run was rehearsed in virtual time: there is no lag.")]
    found = _readings(run)
    if found is None:
        return [Chart("slip", title, f"The run does not know: it wrote no {FILE}.")]
    axis = TimeAxis(max(end_of(run), float(found.at[-1])))
    return [_slip(run, found, axis, title), _loops(found, axis)]


def _slip(run: FinishedRun, found: Readings, axis: TimeAxis, title: str) -> Chart:
    """From when an exchange was due to when it began."""
    allowed = run.loaded.scenario.load.max_slip * 1000
    whole = run.summary.generator
    text = ""
    if whole is not None:
        kept = "the schedule was kept"
        if not whole.kept:
            kept = "the schedule was NOT kept, and these results are not to be trusted"
        text = (
            f"Over the whole run, the 99th percentile of the slip is {whole.slip_p99_ms:,g} ms of "
            f"{allowed:,g} ms that are allowed, and the largest {whole.slip_max_ms:,g} ms: {kept}."
        )
    lines = [
        line("slip, p99 of each second", axis.at(found.at), found.slip_ms, LOOKS[0]),
        limit(f"load.max_slip, {allowed:g} ms", axis, allowed),
    ]
    return Chart(
        "slip",
        title,
        text,
        _table(found, (("slip p99, ms", found.slip_ms),)),
        (Plot(figure(lines, axis.layout(), {"title": {"text": "slip, ms"}})),),
    )


def _loops(found: Readings, axis: TimeAxis) -> Chart:
    """The lag of the loops, and their CPU."""
    x = axis.at(found.at)
    parts = (
        ("Loop lag", found.lag_ms, "ms", LOOKS[0]),
        ("CPU of the busiest process", found.cpu, "% of a core", LOOKS[1]),
    )
    plots = [
        Plot(
            figure(
                [line(name, x, values, look)],
                axis.layout(),
                {"title": {"text": unit}},
                showlegend=False,
            ),
            name,
        )
        for name, values, unit, look in parts
    ]
    busiest, busy = float(found.cpu.max()), int(np.count_nonzero(found.cpu >= _BUSY))
    text = (
        f"Of {several(found.processes, 'process', 'processes')} with things, the busiest took "
        f"{busiest:.0f} % of a core at most; the largest loop lag was {found.lag_ms.max():,.3g} ms."
    )
    if busy:
        text += (
            f" {several(busy, 'second')} had {_BUSY} % or more: then the generator may be what "
            "was slow."
        )
    table = _table(found, (("loop lag, ms", found.lag_ms), ("CPU, % of a core", found.cpu)))
    return Chart("loops", "Was the generator itself the bottleneck?", text, table, tuple(plots))


def _table(found: Readings, columns: tuple[tuple[str, NDArray[Any]], ...]) -> Table:
    values = [column.tolist() for _, column in columns]
    rows: list[tuple[Cell, ...]] = [
        (moment(at), *row)
        for at, row in zip(found.at.tolist(), zip(*values, strict=True), strict=True)
    ]
    return Table(("at", *(name for name, _ in columns)), rows)


def _readings(run: FinishedRun) -> Readings | None:
    """What the run wrote; None where it wrote nothing.

    Raises:
        UsageError: the file is damaged.
    """
    path = run.folder / FILE
    if not path.exists():
        return None
    worst: dict[int, tuple[float, ...]] = {}
    processes: set[str] = set()
    try:
        for worker, (at, *values) in _rows(path.read_text(encoding="utf-8")):
            before = worst.get(round(at), (0.0, 0.0, 0.0))
            worst[round(at)] = tuple(map(max, before, values))
            processes.add(worker)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not worst:
        return None
    table = np.array([(at, *worst[at]) for at in sorted(worst)], np.float64)
    at, slip, lag, cpu = table.T
    return Readings(at * run.summary.time_scale, slip, lag, np.round(100 * cpu, 1), len(processes))


def _rows(text: str) -> Iterator[tuple[str, list[float]]]:
    for row in csv.DictReader(text.splitlines()):
        yield row["worker"], [float(row[name] or 0) for name in _COLUMNS]
