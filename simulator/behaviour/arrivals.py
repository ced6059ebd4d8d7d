"""When what is scheduled begins: arrival processes as plain values, drawn ahead as times.

Rule 1: a rate over time is integrated and inverted: arrival number n comes when n of them were
        due. Evenly spaced, n counts 0, 1, 2, …; at random (Poisson), n goes on by exponential
        steps, so any rate over time may be Poisson.
Rule 2: times are rounded to whole microseconds at once, as whatever is drawn is rounded.
Rule 3: a schedule does not know how fast anybody answers: that is the point of it.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["constant", "poisson", "ramp", "step", "spike", "sine", "replay"]
Spacing = Literal["even", "poisson"]
Times = NDArray[np.float64]

MOST: Final = 20_000_000
"""Arrivals of one schedule: 160 MB, a day of 200 a second."""

_MOST_PIECES: Final = 1_000_000
_SINE_KNOTS: Final = 4096
"""Of one period; between two of them the integral is straight to a millionth of an arrival."""

_CHANCE: Final = 0x617272


@dataclass(frozen=True, slots=True)
class Arrivals:
    """An arrival process. Times are seconds, rates are per second, both of scenario time.

    ``ramp`` goes from ``rate`` to ``to`` in ``over`` seconds and stays there; ``step`` does it in
    ``steps`` equal stairs. ``spike`` is ``rate``, and ``to`` from ``at`` on for ``lasts`` seconds,
    again ``every`` so many. ``sine`` swings around ``rate``, up to ``to``, in ``period`` seconds.
    """

    kind: Kind
    rate: float = 0.0
    to: float = 0.0
    over: float = 0.0
    steps: int = 1
    at: float = 0.0
    lasts: float = 0.0
    every: float | None = None
    period: float = 0.0
    spacing: Spacing = "even"
    times: tuple[float, ...] = ()
    """Of ``replay``: offsets from ``since`` on, in order."""
    since: float = 0.0
    until: float = float("inf")

    def expected(self, end: float) -> float:
        """How many arrivals are to be expected before ``end``."""
        lasts = max(0.0, min(end, self.until) - self.since)
        if self.kind == "replay":
            return float(np.searchsorted(self.times, lasts))
        return float(self._curve(lasts)[1][-1]) if lasts else 0.0

    def due(self, end: float, seed: int, salt: int = 0) -> Times:
        """Every arrival's time before ``end``, in order.

        Raises:
            ValueError: they are more than ``MOST``.
        """
        lasts = min(end, self.until) - self.since
        if lasts <= 0:
            return np.empty(0)
        if self.kind == "replay":
            offsets = np.array(self.times)
            return np.round(self.since + offsets[offsets < lasts], 6)
        knots, integral, slopes = self._curve(lasts)
        whole = float(integral[-1])
        if whole > MOST:
            raise ValueError(f"{whole:,.0f} arrivals are too many; at most {MOST:,}")
        at_random = "poisson" in (self.kind, self.spacing)
        even = np.arange(int(np.ceil(whole)), dtype=np.float64)
        counts = _random(whole, seed, salt) if at_random else even
        times: Times = np.round(self.since + _inverted(counts, knots, integral, slopes), 6)
        return times[times < self.since + lasts]

    def _curve(self, lasts: float) -> tuple[Times, Times, Times]:
        """Knots in time, arrivals due until each of them, and the rate from each to the next.

        The rate's second row is at the end of each piece, which is straight in between.
        """
        if self.kind == "sine":
            return self._sine(lasts)
        knots, begin, end = self._pieces(lasts)
        width = np.diff(knots)
        integral = np.concatenate([[0.0], np.cumsum((begin + end) / 2 * width)])
        return knots, integral, np.stack([begin, end])

    def _pieces(self, lasts: float) -> tuple[Times, Times, Times]:
        """The rate as straight pieces: where they begin and end, and the rate there."""
        match self.kind:
            case "ramp":
                edges = np.array([0.0, self.over, np.inf])
                begin, end = np.array([self.rate, self.to]), np.array([self.to, self.to])
                if lasts < self.over:
                    end[0] = self.rate + (self.to - self.rate) * lasts / self.over
            case "step":
                stairs = np.arange(self.steps + 1) / self.steps
                edges = np.append(np.append(0.0, stairs[1:] * self.over), np.inf)
                begin = end = self.rate + (self.to - self.rate) * stairs
            case "spike":
                edges, begin = self._spikes(lasts)
                end = begin
            case _:
                edges, begin, end = (
                    np.array([0.0, np.inf]),
                    np.array([self.rate]),
                    np.array([self.rate]),
                )
        inside = np.flatnonzero(edges[:-1] < lasts)
        knots = np.append(edges[inside], lasts)
        return knots, begin[inside], end[inside]

    def _spikes(self, lasts: float) -> tuple[Times, Times]:
        repeats = 1 if self.every is None else max(1, int((lasts - self.at) // self.every) + 1)
        if repeats > _MOST_PIECES:
            raise ValueError(f"{repeats:,} spikes are too many; at most {_MOST_PIECES:,}")
        starts = self.at + np.arange(repeats) * (self.every or 0.0)
        edges = np.concatenate(
            [[0.0], np.stack([starts, starts + self.lasts], 1).ravel(), [np.inf]]
        )
        return edges, np.append(np.tile([self.rate, self.to], repeats), self.rate)

    def _sine(self, lasts: float) -> tuple[Times, Times, Times]:
        count = int(min(lasts / self.period * _SINE_KNOTS, _MOST_PIECES)) + 2
        knots = np.linspace(0.0, lasts, count)
        turn = 2 * np.pi / self.period
        swing = (self.to - self.rate) / turn * (1 - np.cos(turn * knots))
        integral = self.rate * knots + swing
        mean = np.diff(integral) / np.diff(knots)
        return knots, integral, np.stack([mean, mean])


def _random(whole: float, seed: int, salt: int) -> Times:
    """A Poisson process of rate 1 until ``whole``."""
    rng = np.random.Generator(np.random.PCG64([seed, _CHANCE, salt]))
    reached, drawn = 0.0, []
    while reached < whole:
        more = reached + np.cumsum(rng.exponential(size=int(whole - reached) + 64))
        drawn.append(more)
        reached = float(more[-1])
    counts = np.concatenate(drawn) if drawn else np.empty(0)
    return counts[counts < whole]


def _inverted(counts: Times, knots: Times, integral: Times, rates: Times) -> Times:
    """When the integral reaches each count; within a piece the rate is straight."""
    piece = np.clip(np.searchsorted(integral, counts, side="right") - 1, 0, len(knots) - 2)
    begin, end, width = rates[0][piece], rates[1][piece], (knots[1:] - knots[:-1])[piece]
    missing = counts - integral[piece]
    slope = (end - begin) / width
    root = begin + np.sqrt(np.maximum(begin * begin + 2 * slope * missing, 0.0))
    into = np.divide(2 * missing, root, out=np.zeros_like(missing), where=root > 0)
    found: Any = knots[piece] + np.minimum(into, width)
    return np.asarray(found, np.float64)


def share_of(number: NDArray[np.int64], things: int) -> NDArray[np.int64]:
    """Which thing's share each arrival is of, by its number.

    Every range of things has its part of any stretch of arrivals: steps of the golden ratio lie
    evenly wherever one looks.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    mixed = (number.astype(np.uint64) * golden) >> np.uint64(32)
    return ((mixed * np.uint64(things)) >> np.uint64(32)).astype(np.int64)
