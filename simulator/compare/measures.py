"""Every number of two runs beside each other, with its test where there is one.

Which test, and why: shares and rates by their scores for each thing (McNemar's where the things are
the same ones), medians by Mann-Whitney (Wilcoxon's), higher percentiles by the share above the
common percentile, intervals by the bootstrap. ``docs/compare.md`` says it at length.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.compare import statistics
from simulator.compare.limits import LEAST_MS, LEAST_S, Limits
from simulator.compare.samples import Things, only
from simulator.compare.statistics import Answer, Ratio, Spread
from simulator.jobs.model import STATUSES
from simulator.report.timeouts import AWAY, MISSED, TRUE, UNREPORTED, WORKING

Unit = Literal["share", "seconds", "ms", "count", "rate"]

_TIMES: Final = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0))
_LATENCIES: Final = (("p50", 50.0), ("p95", 95.0), ("p99", 99.0))
_TRUTHS: Final[dict[str, tuple[str, Literal[0, 1], tuple[int, ...]]]] = {
    "true": ("true_", 0, (TRUE,)),
    "false": ("false_", 1, (WORKING, UNREPORTED, AWAY)),
    "missed": ("missed", 1, (MISSED,)),
}
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
    test: Answer | None = None
    interval: tuple[float, float] | None = None
    """Of the difference, at the level 1 − alpha."""
    alone: bool = False
    """One number of each run: judged by its limit alone."""

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


@dataclass(frozen=True, slots=True)
class Curve:
    """Two distributions as their percentiles from 0 to 100, to be drawn."""

    title: str
    unit: Unit
    a: tuple[float, ...]
    b: tuple[float, ...]


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

    def curves(self) -> Iterator[Curve]:
        """What can be drawn of both."""
        pairs: list[tuple[str, Unit, Spread | None, Spread | None]] = [
            ("From queued to the end", "seconds", self.a.times, self.b.times)
        ]
        if self._with_latencies:
            update = results.OPERATIONS[results.UPDATE]
            late = self.a.latencies(update, "due"), self.b.latencies(update, "due")
            pairs.append((f"{update}, response time", "ms", late[0], late[1]))
        for title, unit, a, b in pairs:
            if a is not None and b is not None:
                drawn = [_percentiles(one.values) for one in (a, b)]
                if drawn[0] and drawn[1]:
                    yield Curve(title, unit, drawn[0], drawn[1])

    # ----------------------------------------------------------------------- parts

    def _executions(self) -> Iterator[Measure]:
        group, a, b = "Executions, share of targets", self.a.summary, self.b.summary
        for status in STATUSES:
            counts = a.executions.get(status, 0), b.executions.get(status, 0)
            if any(counts):
                yield self._share(group, status, *counts, -1 if status == "SUCCEEDED" else 1,
                                  partial(Things.with_status, status=status))  # fmt: skip
        counts = a.not_rolled_out, b.not_rolled_out
        if any(counts):
            yield self._share(group, "(no execution yet)", *counts, 1)
        counts = a.retries.count, b.retries.count
        if any(counts):
            yield self._share(group, "retries", *counts, 1, Things.retried)
        for name, (member, worse, truths) in _TRUTHS.items():
            counts = getattr(a.timeouts, member), getattr(b.timeouts, member)
            if any(counts):
                yield self._share(
                    group,
                    f"timeouts: {name}",
                    *counts,
                    worse,
                    partial(Things.timed_out, truths=truths),
                )

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
        test = Answer(statistics.fisher(count_a, of_a, count_b, of_b), "Fisher")
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
        yield self._ratio(
            group, "requests of a thing", "rate", self.a.requests(), self.b.requests(), 1,
            limits.requests,
        )  # fmt: skip
        for name, sample in (("no reply", Things.unanswered), ("rejected", Things.rejected)):
            pair = sample(self.a), sample(self.b)
            if any(one.events.any() for one in pair):
                yield self._ratio(group, f"{name}, share", "share", *pair, 1, limits.share)
        for name in results.OPERATIONS:
            found = [of.summary.requests.get(name) for of in (self.a, self.b)]
            sent = [0 if one is None else one.sent for one in found]
            if any(sent):
                yield Measure(group, name, "count", float(sent[0]), float(sent[1]))

    def _latencies(self) -> Iterator[Measure]:
        late = self.a.scheduled() or self.b.scheduled()
        for name in results.OPERATIONS:
            for kind, since in (("service", "sent"), ("response", "due"))[: 1 + late]:
                pair = self.a.latencies(name, since), self.b.latencies(name, since)
                group = f"{name}, {kind} time"
                yield from self._spread(group, "ms", *pair, _LATENCIES, self.limits.latency)

    def _times(self, group: str, cohort: str | None) -> Iterator[Measure]:
        a, b = self.a.times, self.b.times
        if a is None or b is None:
            if cohort is None:
                told = self.a.summary.time_to_terminal_s, self.b.summary.time_to_terminal_s
                for name, _ in _TIMES:
                    if name in told[0] or name in told[1]:
                        found = told[0].get(name), told[1].get(name)
                        yield Measure(group, name, "seconds", found[0], found[1], 1)
            return
        if cohort is not None:
            a, b = only(a, self.a.cohorts[cohort]), only(b, self.b.cohorts[cohort])
        yield from self._spread(group, "seconds", a, b, _TIMES, self.limits.time)

    def _spread(
        self,
        group: str,
        unit: Unit,
        a: Spread,
        b: Spread,
        shown: tuple[tuple[str, float], ...],
        limit: float,
    ) -> Iterator[Measure]:
        of_a, of_b = _ended(a), _ended(b)
        percents = tuple(percent for _, percent in shown)
        found_a, found_b = _at(of_a, percents), _at(of_b, percents)
        both = bool(len(of_a.values) and len(of_b.values))
        paired = self.paired and a.things == b.things
        intervals: list[tuple[float, float]] = []
        if both:
            level = 1 - self.limits.alpha
            intervals = statistics.bootstrap(of_a, of_b, percents, level, paired=paired)
        for at, (name, percent) in enumerate(shown):
            if found_a[at] is None and found_b[at] is None:
                continue
            test = self._test(a, b, percent, paired=paired) if both else None
            least = LEAST_MS if unit == "ms" else LEAST_S
            yield Measure(
                group, name, unit, found_a[at], found_b[at], 1, limit, least, test,
                intervals[at] if both else None,
            )  # fmt: skip

    def _test(self, a: Spread, b: Spread, percent: float, *, paired: bool) -> Answer | None:
        if percent != 50:
            if min(len(a.values), len(b.values)) < 5 / (1 - percent / 100):
                return None  # not five values beyond it are to be expected
            return statistics.compare_percentile(a, b, percent, paired=paired)
        # what took for ever took longer than all else
        most = 1 + 2 * max(float(_ended(one).values.max()) for one in (a, b))
        of_a, of_b = (np.where(np.isinf(one), most, one) for one in (a.middles(), b.middles()))
        if paired:
            there = ~np.isnan(of_a) & ~np.isnan(of_b)
            return statistics.wilcoxon(of_a[there], of_b[there])
        return statistics.mann_whitney(of_a[~np.isnan(of_a)], of_b[~np.isnan(of_b)])

    def _single(self) -> Iterator[Measure]:
        """What is one number for each run: no test."""
        a, b, limits = self.a.summary, self.b.summary, self.limits

        def single(name: str, unit: Unit, of_a: float, of_b: float, limit: float | None) -> Measure:
            group = "Of the whole run (no test)"
            return Measure(group, name, unit, of_a, of_b, 1, limit, alone=True)

        yield single("duration", "seconds", a.elapsed_s, b.elapsed_s, limits.elapsed)
        for name in ("writes", "reads", "connects"):
            use, other = getattr(a.budget, name), getattr(b.budget, name)
            if use.requests or other.requests:
                what = f"peak {name}/s (of {use.quota})"
                yield single(what, "rate", use.peak_per_s, other.peak_per_s, limits.peak)
        for name, words in (("over_for_s", "over budget"), ("throttled_for_s", "throttled")):
            spans = getattr(a.budget, name), getattr(b.budget, name)
            if any(spans):
                yield single(f"seconds {words}", "seconds", spans[0], spans[1], limits.peak)

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


def _ended(spread: Spread) -> Spread:
    """Without what took for ever."""
    there = np.isfinite(spread.values)
    return Spread(spread.of[there], spread.values[there], spread.things)


def _at(spread: Spread, percents: tuple[float, ...]) -> list[float | None]:
    if not len(spread.values):
        return [None] * len(percents)
    return [round(float(one), 6) for one in np.percentile(spread.values, percents)]


def _percentiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    """From 0 to 100, of what is finite; nothing of nothing."""
    ended = values[np.isfinite(values)]
    if not len(ended):
        return ()
    found: list[float] = np.percentile(ended, range(101)).tolist()
    return tuple(found)
