"""Every number of two runs beside each other, with its test where there is one.

Which test, and why: shares and rates by their scores for each thing (McNemar's where the things are
the same ones), medians by Mann-Whitney (Wilcoxon's), higher percentiles by the share above the
common percentile, intervals by the bootstrap. ``docs/compare.md`` says it at length.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.compare import statistics
from simulator.compare.limits import LEAST_MS, LEAST_S, Limits
from simulator.compare.samples import Things, only
from simulator.compare.statistics import Ratio, Spread, Test
from simulator.jobs.model import STATUSES

Unit = Literal["share", "seconds", "ms", "count", "rate"]

_TIMES: Final = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0))
_LATENCIES: Final = (("p50", 50.0), ("p95", 95.0), ("p99", 99.0))
MOST: Final = 12
"""Cohorts that are compared one by one."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of both runs. None where a run has none."""

    group: str
    name: str
    unit: Unit
    a: float | None
    b: float | None
    worse: Literal[-1, 0, 1] = 0
    """More is worse (1), less is (−1), or neither."""
    limit: float | None = None
    """As a fraction: of one for a share, else of ``a``."""
    least: float = 0.0
    """A smaller difference is none."""
    test: Test | None = None
    interval: tuple[float, float] | None = None
    """Of the difference, at the level 1 − alpha."""

    @property
    def difference(self) -> float | None:
        """B less A."""
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def ratio(self) -> float | None:
        """The difference as a fraction of A; infinite from nothing."""
        if self.difference is None:
            return None
        if not self.difference:
            return 0.0
        return self.difference / abs(self.a) if self.a else math.copysign(math.inf, self.difference)

    @property
    def beyond(self) -> bool:
        """Whether the difference is larger than its limit, to the worse or to the better."""
        if self.limit is None or self.difference is None:
            return False
        of = self.difference if self.unit == "share" else self.ratio
        assert of is not None
        return abs(of) > self.limit + 1e-12 and abs(self.difference) > self.least


class Measuring:
    """Two runs' things side by side."""

    def __init__(
        self, a: Things, b: Things, limits: Limits, *, paired: bool, latencies: bool
    ) -> None:
        """``paired``: they are the same things; ``latencies``: their clocks are of one kind."""
        self.a, self.b, self.limits = a, b, limits
        self.paired, self._with_latencies = paired, latencies
        self._wide = statistics.normal_quantile(1 - limits.alpha)

    def all(self) -> Iterator[Measure]:
        """Every measure, in the order in which they are shown."""
        yield from self._executions()
        yield from self._times("Time from queued to the end", None)
        yield from self._conflicts()
        yield from self._requests()
        if self._with_latencies:
            yield from self._latencies()
        yield from self._single()
        yield from self._cohorts()

    # ----------------------------------------------------------------------- parts

    def _executions(self) -> Iterator[Measure]:
        group, a, b = "Executions, share of targets", self.a.summary, self.b.summary
        for status in STATUSES:
            counts = a.executions.get(status, 0), b.executions.get(status, 0)
            if any(counts):
                yield self._share(group, status, *counts, -1 if status == "SUCCEEDED" else 1,
                                  lambda of, s=status: of.with_status(s))  # fmt: skip
        counts = a.not_rolled_out, b.not_rolled_out
        if any(counts):
            yield self._share(group, "(no execution yet)", *counts, 1)
        counts = a.retries.count, b.retries.count
        if any(counts):
            yield self._share(group, "retries", *counts, 1, Things.retried)
        for name, worse in (("true", 0), ("false", 1), ("missed", 1)):
            member = f"{name}_" if name != "missed" else name
            counts = getattr(a.timeouts, member), getattr(b.timeouts, member)
            if any(counts):
                yield self._share(group, f"timeouts: {name}", *counts, worse)

    def _share(
        self,
        group: str,
        name: str,
        count_a: int,
        count_b: int,
        worse: Any,
        sample: Callable[[Things], Ratio | None] | None = None,
    ) -> Measure:
        """A count of targets; by things where the runs kept them, else by the counts alone."""
        of_a, of_b = self.a.summary.targets, self.b.summary.targets
        both = (sample(self.a), sample(self.b)) if sample is not None else (None, None)
        if both[0] is not None and both[1] is not None:
            return self._ratio(group, name, "share", both[0], both[1], worse, self.limits.share)
        shares = (count_a / of_a if of_a else None), (count_b / of_b if of_b else None)
        if shares[0] is None or shares[1] is None or count_a > of_a or count_b > of_b:
            return Measure(group, name, "share", *shares, worse)
        test = Test(statistics.fisher(count_a, of_a, count_b, of_b), "Fisher")
        spread = self._wide * math.sqrt(
            shares[0] * (1 - shares[0]) / of_a + shares[1] * (1 - shares[1]) / of_b
        )
        off = shares[1] - shares[0]
        return Measure(group, name, "share", *shares, worse, self.limits.share, 0.0, test,
                       (off - spread, off + spread))  # fmt: skip

    def _ratio(
        self, group: str, name: str, unit: Unit, a: Ratio, b: Ratio, worse: Any, limit: float
    ) -> Measure:
        paired = self.paired and len(a.events) == len(b.events)
        test = statistics.compare_ratios(a, b, paired=paired)
        return Measure(
            group, name, unit, a.value, b.value, worse, limit, 0.0, test,
            statistics.interval(a, b, self._wide, paired=paired),
        )  # fmt: skip

    def _conflicts(self) -> Iterator[Measure]:
        group, limit = "Version conflicts, share of updates", self.limits.conflicts
        yield self._ratio(group, "all", "share", self.a.conflicts(), self.b.conflicts(), 1, limit)
        for cause in results.CAUSES[1:]:
            pair = self.a.conflicts(cause), self.b.conflicts(cause)
            if any(one.events.any() for one in pair):
                yield self._ratio(group, cause, "share", *pair, 1, limit)

    def _requests(self) -> Iterator[Measure]:
        group, limits = "Requests", self.limits
        yield self._ratio(group, "for each thing", "rate", self.a.requests(), self.b.requests(),
                          1, limits.requests)  # fmt: skip
        for name, sample in (("no reply", Things.unanswered), ("rejected", Things.rejected)):
            pair = sample(self.a), sample(self.b)
            if any(one.events.any() for one in pair):
                yield self._ratio(group, f"{name}, share", "share", *pair, 1, limits.share)
        for name in results.OPERATIONS:
            found = [of.summary.requests.get(name) for of in (self.a, self.b)]
            counts = [0 if one is None else one.sent for one in found]
            if any(counts):
                yield Measure(group, name, "count", *map(float, counts))

    def _latencies(self) -> Iterator[Measure]:
        late = self.a.scheduled() or self.b.scheduled()
        for name in results.OPERATIONS:
            for kind, since in (("service", "sent"), ("response", "due"))[: 1 + late]:
                pair = self.a.latencies(name, since), self.b.latencies(name, since)
                group = f"{name}, {kind} time"
                yield from self._spread(group, "ms", *pair, _LATENCIES, self.limits.latency)

    def _times(self, group: str, cohort: str | None) -> Iterator[Measure]:
        pair = self.a.times, self.b.times
        if pair[0] is None or pair[1] is None:
            if cohort is None:
                a, b = self.a.summary.time_to_terminal_s, self.b.summary.time_to_terminal_s
                for name, _ in _TIMES:
                    if name in a or name in b:
                        yield Measure(group, name, "seconds", a.get(name), b.get(name), 1)
            return
        if cohort is not None:
            pair = only(pair[0], self.a.cohorts[cohort]), only(pair[1], self.b.cohorts[cohort])
        yield from self._spread(group, "seconds", *pair, _TIMES, self.limits.time)

    def _spread(
        self,
        group: str,
        unit: Unit,
        a: Spread,
        b: Spread,
        shown: tuple[tuple[str, float], ...],
        limit: float,
    ) -> Iterator[Measure]:
        ended = [Spread(one.of[there], one.values[there], one.things)
                 for one in (a, b) for there in [np.isfinite(one.values)]]  # fmt: skip
        percents = tuple(percent for _, percent in shown)
        values = [np.percentile(one.values, percents) if len(one.values) else None for one in ended]
        if values[0] is None and values[1] is None:
            return
        paired = self.paired and a.things == b.things
        intervals: list[Any] = [None] * len(shown)
        both = values[0] is not None and values[1] is not None
        if both:
            intervals = statistics.bootstrap(*ended, percents, 1 - self.limits.alpha, paired=paired)
        for at, (name, percent) in enumerate(shown):
            test = self._test(a, b, percent, paired=paired) if both else None
            yield Measure(
                group, name, unit,
                *(None if one is None else round(float(one[at]), 6) for one in values),
                1, limit, LEAST_MS if unit == "ms" else LEAST_S, test, intervals[at],
            )  # fmt: skip

    def _test(self, a: Spread, b: Spread, percent: float, *, paired: bool) -> Test | None:
        if percent != 50:
            if min(len(a.values), len(b.values)) < 5 / (1 - percent / 100):
                return None  # not five values beyond it are to be expected
            return statistics.compare_percentile(a, b, percent, paired=paired)
        middles = a.middles(), b.middles()
        # what took for ever took longer than all else
        most = max(float(np.max(one.values[np.isfinite(one.values)])) for one in (a, b))
        middles = tuple(np.where(np.isinf(one), 2 * most + 1, one) for one in middles)  # type: ignore[assignment]  # two of two
        if paired:
            there = ~np.isnan(middles[0]) & ~np.isnan(middles[1])
            return statistics.wilcoxon(middles[0][there], middles[1][there])
        return statistics.mann_whitney(*(one[~np.isnan(one)] for one in middles))

    def _single(self) -> Iterator[Measure]:
        """What is one number for each run: no test."""
        a, b, group = self.a.summary, self.b.summary, "Of the whole run (no test)"
        yield Measure(group, "duration", "seconds", a.elapsed_s, b.elapsed_s, 1,
                      self.limits.elapsed)  # fmt: skip
        for name in ("writes", "reads", "connects"):
            uses = [getattr(one.budget, name) for one in (a, b)]
            if any(use.requests for use in uses):
                yield Measure(group, f"peak {name}/s (of {uses[0].quota})", "rate",
                              *(float(use.peak_per_s) for use in uses), 1,
                              self.limits.peak)  # fmt: skip
        for name, words in (
            ("over_for_s", "beyond AWS's budget"),
            ("throttled_for_s", "throttled"),
        ):
            pair = [float(getattr(one.budget, name)) for one in (a, b)]
            if any(pair):
                yield Measure(group, f"seconds {words}", "seconds", *pair, 1, self.limits.peak)

    def _cohorts(self) -> Iterator[Measure]:
        """By cohort, where both runs have several, of the same names."""
        names = [name for name in self.a.cohorts if name in self.b.cohorts]
        if len(names) < 2:
            return
        for name in names[:MOST]:
            group = f"Cohort {name}"
            things = self.a.cohorts[name], self.b.cohorts[name]
            pair = self.a.with_status("SUCCEEDED"), self.b.with_status("SUCCEEDED")
            if pair[0] is not None and pair[1] is not None:
                yield self._ratio(group, "SUCCEEDED", "share", *_both(pair[0], pair[1], things),
                                  -1, self.limits.share)  # fmt: skip
            yield self._ratio(
                group, "conflicts", "share",
                *_both(self.a.conflicts(), self.b.conflicts(), things), 1, self.limits.conflicts,
            )  # fmt: skip
            yield from self._times(group, name)


def _both(
    a: Ratio, b: Ratio, things: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[Ratio, Ratio]:
    return a.take(things[0]), b.take(things[1])
