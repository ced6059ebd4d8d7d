"""The work plans of a fleet, drawn ahead per cohort in tables indexed by (thing, attempt).

Rule 1: nothing here depends on the order in which tasks happen to run.
Rule 2: what nearly every attempt needs (how long, how it ends, in which step) is a column with an
        entry for each thing; what few need (a reason, how long a thing is gone) is drawn by a mix
        of (seed, thing, attempt, job), out of a table where it is a duration.

Columns are read through memoryviews, whose items are Python numbers: numpy's own cost three times
as much. A column takes 8 bytes a thing for the duration (of each step, where steps have their own),
1 for the outcome and 4 for the step.
"""

from bisect import bisect_right
from enum import IntEnum
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from simulator.behaviour.cohorts import Batch, Cohort, Fate, JobPlan, Outcomes, Work
from simulator.behaviour.distributions import Distribution, weighted
from simulator.behaviour.mixing import TABLE, mix
from simulator.behaviour.selections import Selection


class Outcome(IntEnum):
    """How one attempt at a job ends, or what befalls it."""

    SUCCEED = 0
    FAIL = 1
    REJECT = 2
    HANG = 3
    VANISH = 4
    REBOOT = 5


_SLOW: Final = 6
"""Only in the columns: a plan says SUCCEED, and takes longer."""

_OUTCOMES: Final = (*Outcome, Outcome.SUCCEED)
_KINDS: Final = np.array([1, 2, 3, 4, 5, _SLOW, 0], np.int8)
"""In the order of ``_fates``; the rest succeeds."""

FOR_EVER: Final = float("inf")

# What chance is about, in the seeds of generators and in mixes.
_JOB, _ATTRIBUTE, _SHARE, _AWAY, _REASON = 0x6A6F62, 0x617474, 0x736861, 0x617761, 0x726561


class WorkPlan(NamedTuple):
    """What one thing will do in one attempt; a fault happens in step ``fault_step`` (from 1)."""

    outcome: Outcome
    step_s: float
    """Seconds of each step, where ``each`` is None."""
    steps: int
    fault_step: int
    step_timeout_minutes: int | None
    each: tuple[float, ...] | None = None
    """Seconds by step."""
    timeouts: tuple[int | None, ...] | None = None
    """Step timeouts in minutes by step, where steps have their own; each begins with its step."""
    reason: str | None = None
    """Of a failure or a rejection."""
    away_s: float = FOR_EVER
    """How long a thing that hangs, vanishes or reboots is gone."""
    duplicated: float = 0.0
    out_of_order: float = 0.0
    """Shares of its progress reports."""


class _Ways:
    """One mapping of outcomes with the work that it befalls: what all its plans have in common."""

    def __init__(self, work: Work, outcomes: Outcomes, seed: int) -> None:
        self.outcomes = outcomes
        self.steps = len(work.each) or work.steps
        self.fates = dict(zip((1, 2, 3, 4, 5, _SLOW), _fates(outcomes), strict=True))
        self.timeout = work.step_timeout_minutes
        self.timeouts: tuple[int | None, ...] | None = None
        if work.each:
            timeouts = tuple(step.timeout_minutes for step in work.each)
            self.timeout, self.timeouts = timeouts[0], timeouts if any(timeouts) else None
        self.each = bool(work.each)
        self.plain = not (self.each or outcomes.duplicated or outcomes.out_of_order)
        """Whether a plan that succeeds has nothing to say but its duration."""
        self._seed = seed
        self._away: dict[int, list[float]] = {}

    def away_s(self, kind: int, luck: int) -> float:
        """How long a thing is gone."""
        table = self._away.get(kind)
        if table is None:
            table = self._away[kind] = _away_table(self.fates[kind].away, self._seed, kind)
        return table[luck & (TABLE - 1)] if table else FOR_EVER

    def reason(self, kind: int, luck: int) -> str | None:
        """The reason of a failure or a rejection."""
        reasons = self.fates[kind].reasons
        if not reasons:
            return None
        left = (luck >> 11) / 2**53 * sum(weight for _, weight in reasons)
        for reason, weight in reasons:
            left -= weight
            if left < 0:
                return reason
        return reasons[-1][0]


class _Columns(NamedTuple):
    """The draws of one attempt at one job, an entry for each thing."""

    durations: Any
    """Milliseconds of the whole job."""
    outcomes: Any
    faults: Any
    each: tuple[Any, ...]
    """By cohort: milliseconds by thing and step, where steps have durations of their own."""


class WorkTable:
    """The work plans of a whole fleet, a table of draws per cohort, job and attempt.

    A thing in a batch has the outcomes of the first one that it is in; else those of the job, if it
    has any; else its cohort's.
    """

    def __init__(
        self,
        cohorts: tuple[Cohort, ...],
        seed: int,
        batches: tuple[Batch, ...] = (),
        jobs: tuple[JobPlan, ...] = (),
    ) -> None:
        self.cohorts = cohorts
        self._seed = seed
        self._batches = batches
        self._jobs = jobs
        self._starts: list[int] = [0]
        for cohort in cohorts:
            self._starts.append(self._starts[-1] + cohort.things)
        self._columns: dict[tuple[int, int], _Columns] = {}
        self._ways: dict[int, tuple[tuple[_Ways, ...], ...]] = {}
        self._single = len(cohorts) == 1
        self._attributes: dict[tuple[int, str], NDArray[np.int64]] = {}
        self._batch_of: Any = self._in_batches()
        self._luck_key = mix(seed, _AWAY, _REASON)
        self._names: list[str] = []

    def __len__(self) -> int:
        return self._starts[-1]

    def names(self) -> list[str]:
        """Every thing's name, in order: ``{cohort}-{number within the cohort}``. Not to be changed.

        The same strings each time: a look-up by the very string that is the key is the fastest.
        """
        if not self._names:
            self._names = [
                f"{cohort.name}-{i:06d}" for cohort in self.cohorts for i in range(cohort.things)
            ]
        return self._names

    def cohort_of(self, thing: int) -> int:
        """The index of a thing's cohort."""
        return 0 if self._single else bisect_right(self._starts, thing) - 1

    # ----------------------------------------------------------------------- which things

    def attributes_of(self, thing: int) -> dict[str, str]:
        """A thing's attributes, its cohort's name among them."""
        at = self.cohort_of(thing)
        cohort = self.cohorts[at]
        found = {"cohort": cohort.name}
        for name, values in cohort.attributes.items():
            chosen = self._values(at, name)[thing - self._starts[at]] if len(values) > 1 else 0
            found[name] = values[int(chosen)][0]
        return found

    def select(self, selection: Selection) -> NDArray[np.bool_]:
        """Which things are meant, as a mask over all of them."""
        chosen = np.ones(len(self), np.bool_)
        for name, wanted in selection.where:
            for at in range(len(self.cohorts)):
                part = slice(self._starts[at], self._starts[at + 1])
                chosen[part] &= self._have(at, name, wanted)
        if selection.share < 1:
            rng = _generator(self._seed, _SHARE, crc32(selection.salt.encode()))
            chosen &= rng.random(len(self)) < selection.share
        return chosen

    def _have(self, at: int, name: str, wanted: tuple[str, ...]) -> NDArray[np.bool_] | bool:
        """Which things of a cohort have one of the wanted values of an attribute."""
        cohort = self.cohorts[at]
        if name == "cohort":
            return cohort.name in wanted
        values = cohort.attributes.get(name, ())
        fitting = np.array([value in wanted for value, _ in values], np.bool_)
        if not fitting.any():
            return False
        return bool(fitting[0]) if len(values) == 1 else fitting[self._values(at, name)]

    def _values(self, at: int, name: str) -> NDArray[np.int64]:
        """By thing of a cohort: which of an attribute's values it has."""
        drawn = self._attributes.get((at, name))
        if drawn is None:
            cohort = self.cohorts[at]
            of_what = crc32(f"{cohort.name}\0{name}".encode())
            luck = _generator(self._seed, _ATTRIBUTE, of_what).random(cohort.things)
            weights = tuple(weight for _, weight in cohort.attributes[name])
            drawn = self._attributes[at, name] = weighted(weights, luck)
        return drawn

    def _in_batches(self) -> Any:
        """By thing: the batch that it is in, from 1; None where there are no batches."""
        if not self._batches:
            return None
        found = np.zeros(len(self), np.int16)
        for number in range(len(self._batches), 0, -1):
            found[self.select(self._batches[number - 1].where)] = number
        return _column(found)

    # ----------------------------------------------------------------------- what they do

    def plan(self, thing: int, attempt: int, job: int = 0) -> WorkPlan:
        """What thing ``thing`` does in its attempt ``attempt`` (from 1) at one of the jobs."""
        columns = self._columns.get((job, attempt))
        if columns is None:
            columns = self._columns[job, attempt] = self._draw(attempt, job)
        at = 0 if self._single else bisect_right(self._starts, thing) - 1
        by_batch = self._ways[job][at]
        ways = by_batch[0 if self._batch_of is None else self._batch_of[thing]]
        kind = columns.outcomes[thing]
        step_s = columns.durations[thing] / (1000 * ways.steps)
        if ways.plain and not kind:
            return WorkPlan(
                Outcome.SUCCEED, step_s, ways.steps, columns.faults[thing], ways.timeout,
                None, ways.timeouts,
            )  # fmt: skip
        slower = ways.outcomes.slow_factor if kind == _SLOW else 1
        each = None
        if ways.each:
            begin = (thing - self._starts[at]) * ways.steps
            drawn = columns.each[at][begin : begin + ways.steps]
            each = tuple(milliseconds * slower / 1000 for milliseconds in drawn)
        luck = mix(self._luck_key, thing, (job << 32) + attempt) if 0 < kind < _SLOW else 0
        outcomes = ways.outcomes
        return WorkPlan(
            _OUTCOMES[kind],
            step_s * slower,
            ways.steps,
            columns.faults[thing],
            ways.timeout,
            each,
            ways.timeouts,
            ways.reason(kind, luck) if kind in (1, 2) else None,
            ways.away_s(kind, luck) if kind in (3, 4, 5) else FOR_EVER,
            outcomes.duplicated,
            outcomes.out_of_order,
        )

    def _draw(self, attempt: int, job: int) -> _Columns:
        """The columns of one attempt at one job."""
        if job not in self._ways:
            self._ways[job] = self._ways_of(job)
        total = len(self)
        durations = np.empty(total, np.int64)
        outcomes = np.empty(total, np.int8)
        faults = np.empty(total, np.int32)
        each: list[Any] = []
        for at, cohort in enumerate(self.cohorts):
            part = slice(self._starts[at], self._starts[at + 1])
            work = self._work_of(cohort, job)
            entropy = [self._seed, at, attempt]
            rng = _generator(*entropy, *([_JOB, job] if job else []))
            if work.each:
                drawn = np.stack([step.duration.draw(rng, cohort.things) for step in work.each], 1)
                durations[part] = drawn.sum(1)
                each.append(_column(drawn.reshape(-1)))
            else:
                durations[part] = work.duration.draw(rng, cohort.things)
                each.append(None)
            luck = rng.random(cohort.things)
            steps = len(work.each) or work.steps
            anywhere = rng.integers(1, steps, cohort.things, np.int32, endpoint=True)
            outcomes[part], faults[part] = self._befall(at, job, attempt, luck, anywhere)
        return _Columns(_column(durations), _column(outcomes), _column(faults), tuple(each))

    def _befall(
        self, at: int, job: int, attempt: int, luck: NDArray[Any], anywhere: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Outcomes and faulty steps of a cohort's things, each by the batch that it is in."""
        kinds, faults = _outcomes(self._ways[job][at][0], attempt, luck, anywhere)
        if self._batch_of is not None:
            batch_of = np.asarray(self._batch_of)[self._starts[at] : self._starts[at + 1]]
            for number in range(1, len(self._batches) + 1):
                things = np.flatnonzero(batch_of == number)
                if len(things):
                    ways = self._ways[job][at][number]
                    drawn = _outcomes(ways, attempt, luck[things], anywhere[things])
                    kinds[things], faults[things] = drawn
        return kinds, faults

    def _ways_of(self, job: int) -> tuple[tuple[_Ways, ...], ...]:
        """By cohort and batch (0: none)."""
        plan = self._jobs[job] if job < len(self._jobs) else None
        own = None if plan is None else plan.outcome
        by_cohort = []
        for at, cohort in enumerate(self.cohorts):
            work = self._work_of(cohort, job)
            several = [own or cohort.outcome, *(batch.outcome for batch in self._batches)]
            by_cohort.append(
                tuple(
                    _Ways(work, outcomes, mix(self._seed, at, (job << 32) + number))
                    for number, outcomes in enumerate(several)
                )
            )
        return tuple(by_cohort)

    def _work_of(self, cohort: Cohort, job: int) -> Work:
        plan = self._jobs[job] if job < len(self._jobs) else None
        return cohort.work if plan is None or plan.work is None else plan.work


def _fates(outcomes: Outcomes) -> tuple[Fate, ...]:
    """In the order of the columns' numbers."""
    return (
        outcomes.fail,
        outcomes.reject,
        outcomes.hang,
        outcomes.vanish,
        outcomes.reboot,
        outcomes.slow,
    )


def _outcomes(
    ways: _Ways, attempt: int, luck: NDArray[Any], anywhere: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What befalls things with such luck, and in which step."""
    edges = np.cumsum([fate.share(attempt) for fate in ways.fates.values()])
    kinds = _KINDS[np.searchsorted(edges, luck, side="right")]
    faults = anywhere.copy()
    for kind, fate in ways.fates.items():
        if fate.step is not None:
            faults[kinds == kind] = fate.step
    return kinds, faults


def _away_table(away: Distribution | None, seed: int, kind: int) -> list[float]:
    """Draws of how long a thing is gone, in seconds; none where it is for ever."""
    if away is None:
        return []
    drawn: list[float] = (away.draw(_generator(seed, _AWAY, kind), TABLE) / 1000).tolist()
    return drawn


def _column(drawn: NDArray[Any]) -> Any:
    """Items of a memoryview are Python numbers."""
    return drawn.data


def _generator(*entropy: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(list(entropy)))
