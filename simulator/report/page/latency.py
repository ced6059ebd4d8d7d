"""Response and service time: over time, side by side, and as HDR curves up to the last request.

Service time is from an exchange's sending to its answer, response time from when it was due: what
lies between them is what a generator that waits for answers would not tell (coordinated omission).
Both are of answered exchanges.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.finished_run import FinishedRun
from simulator.report.page.bins import percentiles, percentiles_by
from simulator.report.page.drawing import (
    LOOKS,
    Cell,
    Chart,
    Figure,
    Plot,
    Table,
    TimeAxis,
    figure,
    line,
    log_axis,
    moment,
)
from simulator.report.page.rollout import end_of, width_for
from simulator.results import Records

KINDS: Final = (("Response time", "due"), ("Service time", "sent"))
_OVER_TIME: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
_CURVE: Final = (
    *(at / 100 for at in range(5, 90, 5)), 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999,
    0.9995, 0.9998, 0.9999, 0.99995, 0.9999, 0.99999, 0.999999,
)  # fmt: skip
_TICKS: Final = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


class Answered:
    """Answered exchanges by operation, their columns picked once."""

    def __init__(self, records: Records, time_scale: float) -> None:
        """``time_scale`` makes scenario time of the run's clock."""
        operation, outcome = records["operation"], records["outcome"]
        silent = (outcome == results.NO_REPLY) | (outcome == results.DISCONNECTED)
        counts = np.bincount(operation[~silent], minlength=len(results.OPERATIONS))
        self.operations = [one for one in (results.UPDATE, *range(len(counts) - 1)) if counts[one]]
        """Those with any, UpdateJobExecution first."""
        self._records = records
        self._silent = silent
        self._scale = time_scale

    def of(self, operation: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """When each was sent (scenario time), its response time and its service time (seconds)."""
        mine = np.flatnonzero((self._records["operation"] == operation) & ~self._silent)
        sent, done = self._records["sent"][mine], self._records["done"][mine]
        return sent * self._scale, done - self._records["due"][mine], done - sent


def over_time(run: FinishedRun, answered: Answered) -> Chart:
    """Percentiles of the operation that counts, in at most 200 buckets."""
    if not answered.operations:
        return Chart("latency", "How long did requests take, over time?", "Nothing was answered.")
    operation = answered.operations[0]
    name = results.OPERATIONS[operation]
    sent, *spans = answered.of(operation)
    end = max(end_of(run), float(sent.max()))
    width = width_for(end, len(sent))
    count = max(1, int(np.ceil(round(end / width, 9))))
    bucket = np.minimum((sent / width).astype(np.int64), count - 1)
    shares = np.array([share for _, share in _OVER_TIME])
    tables = [percentiles_by(one, bucket, count, shares) for one in spans]
    axis = TimeAxis(end)
    some = np.flatnonzero(~np.isnan(tables[0][:, 0]))
    x = axis.at((some + 0.5) * width)
    least = min(float(np.nanmin(table)) for table in tables)
    most = max(float(np.nanmax(table)) for table in tables)
    plots = []
    for (kind, _), table in zip(KINDS, tables, strict=True):
        lines = [
            line(percentile, x, table[some, at], LOOKS[at])
            for at, (percentile, _) in enumerate(_OVER_TIME)
        ]
        made = figure(lines, axis.layout(), {"rangemode": "normal", **log_axis("", least, most)})
        plots.append(Plot(made, kind))
    columns = [f"{kind.split()[0].lower()} {p}, ms" for kind, _ in KINDS for p, _ in _OVER_TIME]
    rows: list[tuple[Cell, ...]] = [
        (moment(at * width), *(_ms(value) for table in tables for value in table[at]))
        for at in some.tolist()
    ]
    return Chart(
        "latency",
        f"How long did {name} take, over time?",
        _waits(run, *spans),
        Table(("from", *columns), rows),
        tuple(plots),
    )


def _ms(seconds: float) -> float:
    """Milliseconds to three digits, which is how much a bin knows."""
    return float(f"{seconds * 1000:.3g}")


def _waits(run: FinishedRun, response: NDArray[Any], service: NDArray[Any]) -> str:
    """The finding: both, and what lies between them."""
    found = [percentiles(one, np.array([0.5, 0.99])) for one in (response, service)]
    told = [f"p50 {_ms(p50):,g} ms, p99 {_ms(p99):,g} ms" for p50, p99 in found]
    text = f"Response time {told[0]}; service time {told[1]}. "
    waited = float(found[0][1] - found[1][1])
    if waited > 0.05 * found[1][1]:
        text += f"Requests waited to be sent: at p99, the two lie {_ms(waited):,g} ms apart. "
    else:
        text += "Requests were sent when they were due. "
    load = run.summary.open_load
    if load is not None:
        text += (
            f"Of {load.due:,} updates that the schedule asked for, {load.begun:,} began; "
            f"{load.waiting:,} were still waiting for a free thing and are in no latency. "
        )
    return text + (
        "The network is the real one, in wall time."
        if run.live
        else "The network is the scenario's, in virtual time."
    )


# ------------------------------------------------------------------------------- the HDR curve


def curve(answered: Answered) -> Chart:
    """Response and service time by percentile, for each operation."""
    title = "What does the slowest request in so many take?"
    if not answered.operations:
        return Chart("hdr", title, "Nothing was answered.")
    shares = np.unique(_CURVE)
    rows: list[tuple[Cell, ...]] = []
    found: dict[str, list[tuple[str, NDArray[Any], NDArray[Any]]]] = {k: [] for k, _ in KINDS}
    for operation in answered.operations:
        name = results.OPERATIONS[operation]
        _, *spans = answered.of(operation)
        told = shares[shares <= 1 - 1 / max(2, len(spans[0]))]
        values = [percentiles(one, np.append(told, 1.0)) for one in spans]
        # the longest stands where the next request, had there been one more, would
        x = 1 / (1 - np.append(told, 1 - 0.5 / max(1, len(spans[0]))))
        for (kind, _), value in zip(KINDS, values, strict=True):
            found[kind].append((name, x, value))
        for at, share in enumerate([*told.tolist(), 1.0]):
            percentile = "max" if share == 1 else f"{share * 100:.6g}"
            rows.append((name, percentile, *(_ms(value[at]) for value in values)))
    every = np.concatenate([value for one in found.values() for _, _, value in one])
    furthest = max(float(x[-1]) for one in found.values() for _, x, _ in one)
    axis = _percentiles(furthest)
    plots = []
    for kind, curves in found.items():
        lines = [
            line(name, [float(f"{one:.6g}") for one in x], value, LOOKS[at], mode="lines")
            for at, (name, x, value) in enumerate(curves)
        ]
        y = {"rangemode": "normal", **log_axis("", float(every.min()), float(every.max()))}
        plots.append(Plot(figure(lines, axis, y), kind))
    columns = ("operation", "percentile", "response, ms", "service, ms")
    return Chart("hdr", title, _slowest(found), Table(columns, rows), tuple(plots))


def _percentiles(furthest: float) -> Figure:
    """The axis of an HDR plot: each step is ten times as rare."""
    ticks = [share for share in _TICKS if 1 / (1 - share) <= furthest * 1.5]
    return {
        "type": "log", "title": {"text": "percentile"},
        "range": [0, float(np.log10(max(2.0, furthest) * 1.1))],
        "tickvals": [1 / (1 - share) for share in ticks],
        "ticktext": [f"{share * 100:.6g} %" for share in ticks],
    }  # fmt: skip


def _slowest(found: dict[str, list[tuple[str, NDArray[Any], NDArray[Any]]]]) -> str:
    parts = [f"{name} {_ms(value[-1]):,g} ms" for name, _, value in found["Response time"]]
    return f"The longest response: {', '.join(parts)}. Right to one part in a thousand."
