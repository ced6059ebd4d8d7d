"""Durations: what they may be distributed like, and how they are drawn with numpy.

Rule 1: every duration is rounded to a whole millisecond at once, so that platforms agree.
Rule 2: no draw is longer than ``LONGEST_S``: the far tail of a wide lognormal ends there.
Rule 3: bounds cut a distribution off and do not pile it up: what falls outside is drawn again, at
        most ``ROUNDS`` times, and only what is then still outside goes to the bound.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

LONGEST_S: Final = 36_525 * 86_400
"""100 years: the longest duration there is. Far beyond any rollout, and far from where whole
milliseconds overflow 64 bits, which numpy does in silence."""

ROUNDS: Final = 1000
"""With one draw in a hundred inside the bounds, 4 in 100 000 are left after so many."""

SAMPLE: Final = 65_536
"""Draws that stand for a distribution where its mean or its tail is asked for."""

Kind = Literal[
    "constant",
    "uniform",
    "lognormal",
    "gamma",
    "weibull",
    "exponential",
    "triangular",
    "empirical",
    "histogram",
    "mixture",
]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of durations, in seconds; what ``a``, ``b`` and ``c`` are depends on its kind.

    ``constant(a)``; ``uniform(a, b)`` from low to high; ``lognormal(a, b)`` by median and sigma;
    ``gamma(a, b)`` by mean and shape; ``weibull(a, b)`` by scale and shape; ``exponential(a)`` by
    mean; ``triangular(a, b, c)`` by low, mode and high. ``empirical``: any of ``values``, equally
    likely. ``histogram``: ``values`` are the upper edges of bins that begin at 0, with ``weights``;
    within a bin, all is equally likely. ``mixture``: one of ``parts``, by ``weights``.
    """

    kind: Kind
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0
    values: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    parts: tuple["Distribution", ...] = ()
    minimum: float = 0.0
    maximum: float = LONGEST_S

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """``n`` durations in whole milliseconds."""
        seconds = self._unbounded(rng, n)
        if self.bounded:
            seconds = self._within(seconds, rng)
        seconds = np.clip(seconds, 0.0, LONGEST_S)
        milliseconds: NDArray[np.int64] = np.rint(seconds * 1000).astype(np.int64)
        return milliseconds

    @property
    def bounded(self) -> bool:
        """Whether bounds cut it off."""
        return self.minimum > 0 or self.maximum < LONGEST_S

    @property
    def takes_no_time(self) -> bool:
        """Whether every draw is 0."""
        if self.bounded:
            return self.maximum == 0
        match self.kind:
            case "uniform":
                return not self.b
            case "triangular":
                return not self.c
            case "empirical":
                return not any(self.values)
            case "histogram":
                weighed = zip(self.values, self.weights, strict=True)
                return not any(edge for edge, weight in weighed if weight)
            case "mixture":
                weighed_parts = zip(self.parts, self.weights, strict=True)
                return all(part.takes_no_time for part, weight in weighed_parts if weight)
            case _:
                return not self.a

    def mean_s(self) -> float:
        """Its mean in seconds, where there are no bounds but those of every duration: exactly so
        for all but the widest; else of a sample.
        """
        if not self.bounded and self.kind in ("constant", "exponential", "gamma", "uniform"):
            return (self.a + self.b) / 2 if self.kind == "uniform" else self.a
        return float(self.sample().mean()) / 1000

    def survival(self, seconds: float) -> float:
        """The share of draws that are longer than ``seconds``, by a sample."""
        return float((self.sample() > seconds * 1000).mean())

    def quantile(self, share: float) -> float:
        """The duration in seconds that a ``share`` of draws stays below, by a sample."""
        return float(np.quantile(self.sample(), share, method="inverted_cdf")) / 1000

    def sample(self) -> NDArray[np.int64]:
        """``SAMPLE`` draws in milliseconds, always the same."""
        return self.draw(np.random.Generator(np.random.PCG64(1)), SAMPLE)

    def share_within(self) -> float:
        """The share of its draws that its bounds leave, by a sample."""
        seconds = replace(self, minimum=0.0, maximum=float(LONGEST_S)).sample() / 1000
        return float(((seconds >= self.minimum) & (seconds <= self.maximum)).mean())

    def _within(
        self, seconds: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw again what lies outside the bounds."""
        outside = np.flatnonzero((seconds < self.minimum) | (seconds > self.maximum))
        for _ in range(ROUNDS):
            if not len(outside):
                break
            again = self._unbounded(rng, len(outside))
            seconds[outside] = again
            outside = outside[(again < self.minimum) | (again > self.maximum)]
        cut: NDArray[np.float64] = np.clip(seconds, self.minimum, self.maximum)
        return cut

    def _unbounded(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """``n`` draws in seconds, as the family gives them."""
        match self.kind:
            case "constant":
                return np.full(n, self.a)
            case "uniform":
                return rng.uniform(self.a, self.b, n)
            case "lognormal":
                return self.a * np.exp(self.b * rng.standard_normal(n))
            case "gamma":
                return rng.gamma(self.b, self.a / self.b, n)
            case "weibull":
                return self.a * rng.weibull(self.b, n)
            case "exponential":
                return rng.exponential(self.a, n)
            case "triangular":
                if self.a == self.c:
                    return np.full(n, self.a)
                return rng.triangular(self.a, self.b, self.c, n)
            case "empirical":
                measured = np.array(self.values)
                return measured[rng.integers(0, len(measured), n)]
            case "histogram":
                bins = self._pick(rng, n)
                edges = np.array([0.0, *self.values])
                low: NDArray[np.float64] = edges[bins]
                return low + rng.random(n) * (edges[bins + 1] - low)
            case "mixture":
                chosen = self._pick(rng, n)
                seconds = np.empty(n)
                for at, part in enumerate(self.parts):
                    of_part = np.flatnonzero(chosen == at)
                    seconds[of_part] = part.draw(rng, len(of_part)) / 1000
                return seconds

    def _pick(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """``n`` indices into ``weights``, each as often as its weight says."""
        return weighted(self.weights, rng.random(n))


def weighted(weights: tuple[float, ...], luck: NDArray[np.float64]) -> NDArray[np.int64]:
    """The index into ``weights`` that each number from 0 up to 1 falls on."""
    edges = np.cumsum(weights) / sum(weights)
    picked: NDArray[np.int64] = np.searchsorted(edges[:-1], luck, side="right")
    return picked
