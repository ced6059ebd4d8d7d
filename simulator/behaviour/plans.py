"""The work plans of a fleet, drawn ahead per cohort in tables indexed by (thing, attempt).

Rule 1: nothing here depends on the order in which tasks happen to run.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.behaviour.cohorts import Cohort


class Outcome(IntEnum):
    """How one attempt at a job ends, or what befalls it."""

    SUCCEED = 0
    FAIL = 1
    REJECT = 2
    HANG = 3
    VANISH = 4
    REBOOT = 5


_OUTCOMES: Final = tuple(Outcome)


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
    """Step timeouts in minutes by step, where they differ."""
    reason: str | None = None
    """Of a failure or a rejection."""
    away_s: float = float("inf")
    """How long a thing that hangs, vanishes or reboots is gone."""
    duplicated: float = 0.0
    out_of_order: float = 0.0
    """Shares of its progress reports."""


class WorkTable:
    """The work plans of a whole fleet, a table of draws per cohort and attempt."""

    def __init__(self, cohorts: tuple[Cohort, ...], seed: int) -> None:
        self.cohorts = cohorts
        self._seed = seed
        self._starts = np.cumsum([0, *(cohort.things for cohort in cohorts)])
        self._attempts: dict[int, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = {}
        self._single = len(cohorts) == 1

    def __len__(self) -> int:
        return int(self._starts[-1])

    def names(self) -> list[str]:
        """Every thing's name, in order: ``{cohort}-{number within the cohort}``."""
        return [f"{cohort.name}-{i:06d}" for cohort in self.cohorts for i in range(cohort.things)]

    def cohort_of(self, thing: int) -> int:
        """The index of a thing's cohort."""
        if self._single:
            return 0
        return int(np.searchsorted(self._starts, thing, side="right")) - 1

    def plan(self, thing: int, attempt: int, job: int = 0) -> WorkPlan:
        """What thing ``thing`` does in its attempt ``attempt`` (from 1) at the scenario's job."""
        table = self._attempts.get(attempt)
        if table is None:
            table = self._attempts[attempt] = self._draw(attempt)
        durations, outcomes, faults = table
        cohort = self.cohorts[self.cohort_of(thing)]
        return WorkPlan(
            _OUTCOMES[outcomes[thing]],
            int(durations[thing]) / (1000 * cohort.work.steps),
            cohort.work.steps,
            int(faults[thing]),
            cohort.work.step_timeout_minutes,
        )

    def _draw(self, attempt: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """One table row per thing: duration (ms), outcome, faulty step."""
        total = len(self)
        durations = np.empty(total, np.int64)
        outcomes = np.empty(total, np.int8)
        faults = np.empty(total, np.int32)
        for at, cohort in enumerate(self.cohorts):
            part = slice(int(self._starts[at]), int(self._starts[at + 1]))
            rng = np.random.Generator(np.random.PCG64([self._seed, at, attempt]))
            durations[part] = cohort.work.duration.draw(rng, cohort.things)
            shares = cohort.outcome
            edges = np.cumsum(
                [fate.share(attempt) for fate in (shares.fail, shares.reject, shares.hang)]
            )
            kinds = np.array([Outcome.FAIL, Outcome.REJECT, Outcome.HANG, Outcome.SUCCEED], np.int8)
            luck = rng.random(cohort.things)
            outcomes[part] = kinds[np.searchsorted(edges, luck, side="right")]
            faults[part] = rng.integers(
                1, cohort.work.steps, cohort.things, np.int32, endpoint=True
            )
        return durations, outcomes, faults
