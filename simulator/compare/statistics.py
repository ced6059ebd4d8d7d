"""Tests of two samples, in numpy: ranks, ratios, percentiles, intervals, and many at once.

Law 1: the unit is a thing. Exchanges of one thing resemble each other, so a test counts things, not
       exchanges: a thing has one value, or one pair of counts (events, opportunities).
Law 2: p-values are two-sided. Where numbers are small they are exact, or the larger of two.
Law 3: what chance there is (the bootstrap) is seeded: the same samples give the same answer.

The subtlety: two samples may be *paired*, the same thing in both. Then a test looks at each thing's
difference, and what things have in common falls out.
"""

import math
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

FEW: Final = 25
"""Below so many things with an event, the normal approximation is not believed alone."""
RESAMPLES: Final = 400
DRAWN: Final = 2_000
"""Things that a bootstrap draws from."""
_SEED: Final = 20_260_101


class Answer(NamedTuple):
    """What a test says."""

    p: float
    method: str
    effect: float | None = None
    """How often a value of B is above one of A (ties count half): 0.5 is no shift."""


class Ratio(NamedTuple):
    """Events and opportunities of things, each a column with one row for each thing."""

    events: Numbers
    chances: Numbers

    @property
    def value(self) -> float:
        """The share, or the mean count."""
        chances = float(self.chances.sum())
        return float(self.events.sum()) / chances if chances else 0.0

    def take(self, things: NDArray[Any]) -> "Ratio":
        """The rows of some things."""
        return Ratio(self.events[things], self.chances[things])


class Spread(NamedTuple):
    """Values of things, any number of each: (thing, value) columns, things from 0 on."""

    of: NDArray[Any]
    values: Numbers
    things: int

    def share(self, chosen: NDArray[np.bool_]) -> Ratio:
        """How many of each thing's values are chosen, and how many there are."""
        counts = [np.bincount(of, minlength=self.things) for of in (self.of[chosen], self.of)]
        return Ratio(*(one.astype(np.float64) for one in counts))

    def middles(self) -> Numbers:
        """Each thing's median; not a number of those without a value."""
        order = np.lexsort((self.values, self.of))
        counts = np.bincount(self.of, minlength=self.things)
        first = np.cumsum(counts) - counts
        found = np.full(self.things, np.nan)
        there = np.flatnonzero(counts)
        values = self.values[order]
        low = values[first[there] + (counts[there] - 1) // 2]
        found[there] = (low + values[first[there] + counts[there] // 2]) / 2
        return found


def two_sided(z: float) -> float:
    """How probable so large a normal deviate is, in either direction."""
    return math.erfc(abs(z) / math.sqrt(2))


def normal_quantile(level: float) -> float:
    """How many standard deviations an interval of this level is wide to each side."""
    low, high = 0.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle) > 1 - level else (low, middle)
    return low


# ------------------------------------------------------------------------------- ranks


def _ranks(values: Numbers) -> tuple[Numbers, float]:
    """Mid-ranks from 1, and the sum of t³ − t over ties of t."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts - 1) / 2
    sizes = counts.astype(np.float64)
    return middle[inverse], float((sizes**3 - sizes).sum())


def mann_whitney(a: Numbers, b: Numbers) -> Answer | None:
    """Whether values of B tend to lie above or below those of A (normal approximation, ties)."""
    n, m = len(a), len(b)
    if min(n, m) < 8:
        return None
    ranks, ties = _ranks(np.concatenate([a, b]))
    above = float(ranks[n:].sum()) - m * (m + 1) / 2
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    effect = above / (n * m)
    if variance <= 0:
        return Answer(1.0, "Mann-Whitney", effect)
    off = max(0.0, abs(above - n * m / 2) - 0.5)
    return Answer(two_sided(off / math.sqrt(variance)), "Mann-Whitney", effect)


def wilcoxon(a: Numbers, b: Numbers) -> Answer | None:
    """Whether the same things' values rose or fell (signed ranks, ties; no change is left out)."""
    if len(a) < 8:
        return None
    differences = np.round(b - a, 9)
    changed = differences[differences != 0]
    n = len(changed)
    effect = float((np.count_nonzero(changed > 0) + (len(a) - n) / 2) / len(a))
    if n < 8:
        return Answer(sign_test(int(np.count_nonzero(changed > 0)), n), "Wilcoxon", effect)
    ranks, ties = _ranks(np.abs(changed))
    up = float(ranks[changed > 0].sum())
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    off = max(0.0, abs(up - n * (n + 1) / 4) - 0.5)
    return Answer(two_sided(off / math.sqrt(variance)), "Wilcoxon", effect)


# ------------------------------------------------------------------------------- ratios


def sign_test(ups: int, n: int) -> float:
    """How probable it is that of ``n`` changes so many, or as odd a number, go up."""
    if not n:
        return 1.0
    tail = min(ups, n - ups)
    logs = [_log_choose(n, k) - n * math.log(2) for k in range(tail + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def fisher(a: int, of_a: int, b: int, of_b: int) -> float:
    """Fisher's exact test of two shares: the sum over tables that are no more probable."""
    total, events = of_a + of_b, a + b
    if not events or events == total:
        return 1.0
    if min(events, total - events) * min(of_a, of_b) / total > 1000:
        share = events / total
        return two_sided(
            (b / of_b - a / of_a) / math.sqrt(share * (1 - share) * (1 / of_a + 1 / of_b))
        )
    whole = _log_choose(total, events)

    def log_of(k: int) -> float:
        return _log_choose(of_a, k) + _log_choose(of_b, events - k) - whole

    here = log_of(a) + 1e-7
    tables = (log_of(k) for k in range(max(0, events - of_b), min(events, of_a) + 1))
    return min(1.0, math.fsum(math.exp(one) for one in tables if one <= here))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def compare_ratios(a: Ratio, b: Ratio, *, paired: bool) -> Answer:
    """Whether two ratios differ, counting things: by their scores, events less those expected.

    With few things that had an event the answer is the more cautious one of this and an exact test
    of how many things had any.
    """
    chances_a, chances_b = float(a.chances.sum()), float(b.chances.sum())
    events = float(a.events.sum() + b.events.sum())
    if not chances_a or not chances_b or not events:
        return Answer(1.0, "things")
    expected = events / (chances_a + chances_b)
    scores_a = (a.events - expected * a.chances) / chances_a
    scores_b = (b.events - expected * b.chances) / chances_b
    off = float(scores_b.sum() - scores_a.sum())
    if paired:
        variance = float(((scores_b - scores_a) ** 2).sum())
        rose = int(np.count_nonzero(b.events > a.events))
        changed = rose + int(np.count_nonzero(b.events < a.events))
        few, exact, method = changed < FEW, partial(sign_test, rose, changed), "McNemar"
    else:
        variance = float((scores_a**2).sum() + (scores_b**2).sum())
        had_a, had_b = (int(np.count_nonzero(one.events)) for one in (a, b))
        rare = min(had_a + had_b, len(a.events) + len(b.events) - had_a - had_b)
        counts = had_a, len(a.events), had_b, len(b.events)
        few, exact, method = rare < FEW, partial(fisher, *counts), "things"
    p = two_sided(off / math.sqrt(variance)) if variance > 0 else 1.0
    return Answer(max(p, exact()), f"{method}, exact") if few else Answer(p, method)


def interval(a: Ratio, b: Ratio, wide: float, *, paired: bool) -> tuple[float, float]:
    """Of the difference of two ratios, B less A; ``wide`` is in standard deviations."""
    sides = [
        (one.events - one.value * one.chances) / max(1.0, float(one.chances.sum()))
        for one in (a, b)
    ]
    if paired:
        variance = float(((sides[1] - sides[0]) ** 2).sum())
    else:
        variance = float(sum((side**2).sum() for side in sides))
    off, half = b.value - a.value, wide * math.sqrt(variance)
    return off - half, off + half


# ------------------------------------------------------------------------------- percentiles


def compare_percentile(a: "Spread", b: "Spread", percent: float, *, paired: bool) -> Answer:
    """Whether a percentile differs: which share of either lies above that of both together.

    Where many values are the same as the percentile, the share above it may hide a difference that
    the share from it on shows: then both are looked at, and the smaller p counts twice.
    """
    pooled = np.concatenate([a.values, b.values])
    at = float(np.percentile(pooled, percent, method="inverted_cdf"))
    tests = [
        compare_ratios(a.share(over(a.values, at)), b.share(over(b.values, at)), paired=paired)
        for over in (np.greater, np.greater_equal)
    ]
    tied = int(np.count_nonzero(pooled == at))
    if tied <= 1 + len(pooled) // 1000:
        return tests[0]._replace(method=f"quantile, {tests[0].method}")
    least = min(tests)
    return Answer(min(1.0, 2 * least.p), f"quantile, {least.method}")


def bootstrap(
    a: "Spread", b: "Spread", percents: tuple[float, ...], level: float, *, paired: bool
) -> list[tuple[float, float]]:
    """Intervals of the differences of percentiles, B less A: things are drawn, with what is theirs.

    Of a large fleet ``DRAWN`` things are drawn from, and the spread is scaled to the fleet's size
    (m out of n). Returns a (low, high) for each percentile.
    """
    rng = np.random.default_rng(_SEED)
    sides = [_Sorted(a, percents, rng)]
    sides.append(_Sorted(b, percents, rng, sides[0].chosen if paired else None))
    found = np.empty((RESAMPLES, len(percents)))
    for row in range(RESAMPLES):
        first = sides[0].draw(rng)
        second = first if paired else sides[1].draw(rng)
        found[row] = sides[1].percentiles(second) - sides[0].percentiles(first)
    scale = math.sqrt(min(one.size / max(1, one.fleet) for one in sides))
    middle = sides[1].here - sides[0].here
    found = (sides[1].whole - sides[0].whole) + (found - middle) * scale
    if np.isnan(found).all():
        return [(math.nan, math.nan)] * len(percents)
    tail = (1 - level) / 2 * 100
    low, high = np.nanpercentile(found, [tail, 100 - tail], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


class _Sorted:
    """A sample whose percentiles are found again and again, under other weights of its things."""

    def __init__(
        self,
        spread: "Spread",
        percents: tuple[float, ...],
        rng: np.random.Generator,
        chosen: NDArray[Any] | None = None,
    ) -> None:
        self._shares = np.array(percents) / 100
        self.fleet = spread.things
        self.size = min(self.fleet, DRAWN)
        every = np.arange(self.fleet)
        if chosen is None:
            chosen = every if self.size == self.fleet else rng.choice(every, self.size, False)
        self.chosen = chosen
        self._sort(spread.of, spread.values)
        self.whole = self.percentiles(np.ones(self.fleet))
        place = np.full(self.fleet, -1)
        place[chosen] = np.arange(len(chosen))
        kept = place[spread.of] >= 0
        self._sort(place[spread.of[kept]], spread.values[kept])
        self.here = self.percentiles(np.ones(self.size))

    def _sort(self, of: NDArray[Any], values: Numbers) -> None:
        order = np.argsort(values, kind="stable")
        self._of, self._values = of[order], values[order]

    def draw(self, rng: np.random.Generator) -> Numbers:
        """How often each thing is drawn."""
        drawn = rng.integers(0, self.size, self.size)
        return np.bincount(drawn, minlength=self.size).astype(np.float64)

    def percentiles(self, weights: Numbers) -> Numbers:
        """Percentiles where each thing counts so often."""
        reached = np.cumsum(weights[self._of])
        if not len(reached) or not reached[-1]:
            return np.full(len(self._shares), np.nan)
        places = np.searchsorted(reached, self._shares * reached[-1], "left")
        found: Numbers = self._values[np.minimum(places, len(self._values) - 1)]
        return found


# ------------------------------------------------------------------------------- many at once


def holm(ps: list[float]) -> list[float]:
    """p-values after Holm: below alpha for those that stand, all of them together."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted, worst = [1.0] * len(ps), 0.0
    for rank, at in enumerate(order):
        worst = max(worst, min(1.0, ps[at] * (len(ps) - rank)))
        adjusted[at] = worst
    return adjusted
