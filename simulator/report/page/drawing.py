"""What a chart of the report is: a question, a finding in words, plots, and the table behind them.

Rule 1: a plot is a figure of plotly's as plain JSON; its Python objects would take a second to
        import and are never made.
Rule 2: nothing is told by colour alone: areas and bars have patterns, lines have dashes, and all of
        them names. The colours are told apart by colour-blind readers, and stand out three to one
        from white and from the dark page; what is neither (text, grid) is the style sheet's.
Rule 3: what a plot shows stands in the chart's table, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from simulator.report.text import clock, duration

Cell = str | int | float | None
Figure = dict[str, Any]

_HOUR, _DAY = 3600, 86_400
DIGITS: Final = 5
"""Significant ones, of a number in a plot."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under their columns' names; the first cell of a row names it."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure, and what it is called where a chart has several."""

    figure: Figure
    name: str = ""
    height: float = 21
    """In the page's letters."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One question of the report. Where nothing is to be drawn there are no plots."""

    key: str
    title: str
    finding: str
    table: Table | None = None
    plots: tuple[Plot, ...] = ()


class Look(NamedTuple):
    """How a series is told from its neighbours."""

    colour: str
    pattern: str
    dash: str


GREEN, RED, PURPLE, OCHRE, BLUE, GREY, BROWN, VIOLET, CRIMSON = (
    "#009e73", "#d55e00", "#b5649a", "#a97c0c", "#2f7fc1", "#7f868c", "#9c5a34", "#7771d1",
    "#d6336c",
)  # fmt: skip
LOOKS: Final = (
    Look(BLUE, "", "solid"),
    Look(RED, "/", "dash"),
    Look(GREEN, "x", "dot"),
    Look(PURPLE, "\\", "dashdot"),
    Look(OCHRE, "-", "longdash"),
    Look(GREY, ".", "longdashdot"),
    Look(BROWN, "|", "8px,3px"),
    Look(VIOLET, "+", "2px,6px"),
)
LIMIT: Final = Look(CRIMSON, "", "10px,5px")
"""Of what must not be exceeded."""
TO_COME: Final = "not released"
STATUS_LOOKS: Final[Mapping[str, Look]] = {
    "SUCCEEDED": Look(GREEN, "", "solid"),
    "FAILED": Look(RED, "x", "dash"),
    "TIMED_OUT": Look(PURPLE, "\\", "dot"),
    "REJECTED": Look(OCHRE, "-", "dashdot"),
    "CANCELED": Look(BROWN, "+", "longdash"),
    "REMOVED": Look(VIOLET, "|", "longdashdot"),
    "IN_PROGRESS": Look(BLUE, "/", "solid"),
    "QUEUED": Look(GREY, ".", "dot"),
    TO_COME: Look("#b9bec3", "", "dot"),
}
"""In the order in which they are stacked: what has ended lies at the bottom."""


# ------------------------------------------------------------------------------- numbers


def numbers(values: Iterable[float]) -> list[float | int | None]:
    """Values for a plot: short, and none where there is no number."""
    return [
        None
        if value != value
        else value
        if isinstance(value, int)
        else float(f"{value:.{DIGITS}g}")
        for value in (np.asarray(values).tolist())
    ]


def plain(text: str) -> str:
    """Text for a plot, whose own markup it shall not be."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class TimeAxis:
    """An axis of scenario time, in the unit that reads best up to its end."""

    def __init__(self, end_s: float) -> None:
        units = ((180, 1, "seconds"), (3 * _HOUR, 60, "minutes"), (4 * _DAY, _HOUR, "hours"))
        _, self.unit_s, self.unit = next(
            (unit for unit in units if end_s <= unit[0]), (0, _DAY, "days")
        )
        self.end_s = end_s

    def at(self, seconds: Iterable[float]) -> list[float | int | None]:
        """Instants as places on the axis."""
        return numbers(np.asarray(seconds, np.float64) / self.unit_s)

    def layout(self) -> Figure:
        """For ``figure``."""
        return {
            "title": {"text": f"scenario time, {self.unit}"},
            "range": [0, round(self.end_s / self.unit_s, 6) or 1],
        }


# ------------------------------------------------------------------------------- series


def area(name: str, x: list[Any], y: Iterable[float], look: Look) -> Figure:
    """A layer of a stack."""
    return {
        "type": "scatter", "mode": "lines", "name": plain(name), "x": x, "y": numbers(y),
        "stackgroup": "one", "line": {"width": 1, "color": look.colour},
        "fillcolor": look.colour,
        "fillpattern": {"shape": look.pattern, "fgcolor": "#ffffff", "fgopacity": 0.55,
                        "fillmode": "overlay", "size": 9, "solidity": 0.2},
    }  # fmt: skip


def bars(name: str, x: list[Any], y: Iterable[float], look: Look, **more: Any) -> Figure:
    """Bars of a stack; ``width`` is theirs, on the axis."""
    return {
        "type": "bar", "name": plain(name), "x": x, "y": numbers(y),
        "marker": {"color": look.colour, "line": {"width": 0},
                   "pattern": {"shape": look.pattern, "fgcolor": "#ffffff", "fgopacity": 0.6,
                               "fillmode": "overlay", "size": 7, "solidity": 0.25}},
        **more,
    }  # fmt: skip


def lying(upright: Figure) -> Figure:
    """Bars that lie on their side: there is room for long names."""
    return {**upright, "orientation": "h", "x": upright["y"], "y": upright["x"]}


def line(name: str, x: list[Any], y: Iterable[float], look: Look, **more: Any) -> Figure:
    """A line; with few points, those are marked."""
    return {
        "type": "scatter", "mode": "lines+markers" if len(x) <= 40 else "lines",
        "name": plain(name), "x": x, "y": numbers(y), "marker": {"size": 5},
        "line": {"width": 2.5, "color": look.colour, "dash": look.dash}, **more,
    }  # fmt: skip


def limit(name: str, axis: TimeAxis, value: float) -> Figure:
    """A level that is not to be exceeded, from one end to the other."""
    made = line(name, axis.at([0, axis.end_s]), [value, value], LIMIT)
    return {**made, "mode": "lines", "line": {**made["line"], "width": 2}}


def figure(data: list[Figure], x: Figure, y: Figure, **more: Any) -> Figure:
    """Series on two axes."""
    font = {"family": "system-ui, sans-serif", "size": 13}
    axis = {"automargin": True, "zeroline": False}
    return {
        "data": data,
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": font,
            "margin": {"l": 48, "r": 12, "t": 8, "b": 44},
            "hovermode": "x unified",
            "hoverlabel": {"bgcolor": "#1f2328", "font": {**font, "color": "#ffffff"}},
            "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "barmode": "stack",
            "bargap": 0.04,
            "xaxis": {**axis, **_titled(x)},
            "yaxis": {**axis, "rangemode": "tozero", **_titled(y)},
            **more,
        },
    }


def _titled(axis: Figure) -> Figure:
    title = {"font": {"size": 12}, "standoff": 6, **axis.get("title", {"text": ""})}
    return {**axis, "title": title}


def count_axis(title: str, most: float) -> Figure:
    """An axis of whole numbers up to ``most``."""
    few = {"dtick": 1} if most <= 5 else {}
    return {"title": {"text": title}, "tickformat": ",d" if most < 10_000 else "~s", **few}


_COARSE: Final = (0.001, 0.01, 0.1, 1, 10, 60, 600, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 365 * _DAY)
_FINE: Final = (
    *(m * 10.0**e for e in range(-4, 0) for m in (1, 2, 5)), 1, 2, 5, 10, 20, 30,
    *(60 * m for m in (1, 2, 5, 10, 20, 30)), *(_HOUR * h for h in (1, 2, 3, 6, 12)),
    *(_DAY * d for d in (1, 2, 4, 7, 14, 28, 90, 365)),
)  # fmt: skip


def log_axis(title: str, least: float, most: float) -> Figure:
    """A logarithmic axis of seconds, whose ticks a person reads."""
    low, high = max(least, 1e-4) / 1.3, max(most, least, 1e-4) * 1.3
    if high < 5 * low:  # room for a second tick
        low, high = low / 2, high * 2
    ticks = [at for at in _COARSE if low <= at <= high]
    if len(ticks) < 4:
        ticks = [at for at in _FINE if low <= at <= high]
    return {
        "type": "log", "title": {"text": title},
        "range": [float(np.log10(low)), float(np.log10(high))],
        "tickvals": ticks,
        "ticktext": [duration(at) if at >= 1 else f"{at * 1000:g} ms" for at in ticks],
        "tickformat": "",
    }  # fmt: skip


# ------------------------------------------------------------------------------- words


def percent(part: float, whole: float) -> str:
    """A share in words, without pretending that some is none."""
    if not whole:
        return "0 %"
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f} %"
    if 0 < share < 0.01:
        return "under 0.01 %"
    if share >= 100:
        return f"{share:,.0f} %"
    return f"{share:.2f} %" if share < 10 else f"{share:.1f} %"


def several(count: int, one: str, many: str = "") -> str:
    """A count and its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def moment(seconds: float) -> str:
    """An instant of scenario time, with tenths where it is no whole second."""
    if seconds == int(seconds):
        return clock(seconds, exact=True)
    return f"{seconds:,.1f} s"
