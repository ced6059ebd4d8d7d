"""What the things of a finished run did: for each thing its values, or its events and chances.

Rule: what a live run does not keep (executions one by one) is None, and then only counts are
compared.
"""

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.behaviour import WorkTable
from simulator.compare.statistics import Numbers, Ratio, Spread
from simulator.finished_run import FinishedRun
from simulator.jobs.model import PENDING, STATUSES

_PENDING: Final = [at for at, status in enumerate(STATUSES) if status in PENDING]


class Things:
    """A run's things, in the fleet's order."""

    def __init__(self, run: FinishedRun) -> None:
        self.run = run
        self.summary = run.summary
        scenario = run.loaded.scenario
        self.work = WorkTable(scenario.cohorts(), run.summary.seed)
        self.count = len(self.work)
        ends = np.cumsum([0, *(cohort.things for cohort in self.work.cohorts)]).tolist()
        self.cohorts = {
            cohort.name: np.arange(ends[at], ends[at + 1])
            for at, cohort in enumerate(self.work.cohorts)
        }
        self._records = run.records
        self._thing = self._records["thing"]

    # ----------------------------------------------------------------------- executions

    @functools.cached_property
    def targets(self) -> Numbers:
        """How many jobs each thing is meant by."""
        found = np.zeros(self.count)
        for plan in self.run.loaded.scenario.jobs():
            found += self.work.select(plan.targets)
        return found

    def with_status(self, status: str) -> Ratio | None:
        """Executions with a status, of targets."""
        found = self.run.executions
        if found is None:
            return None
        have = found.columns["status"] == STATUSES.index(status)
        return Ratio(self._counted(found.columns["thing"][have]), self.targets)

    def timed_out(self, truths: tuple[int, ...]) -> Ratio | None:
        """Executions with a truth about their timeout, of targets."""
        found = self.run.executions
        if found is None:
            return None
        have = np.isin(found.columns["truth"], truths)
        return Ratio(self._counted(found.columns["thing"][have]), self.targets)

    def retried(self) -> Ratio | None:
        """Executions beyond the first, of targets."""
        found = self.run.executions
        if found is None:
            return None
        beyond = found.columns["number"] > 1
        return Ratio(self._counted(found.columns["thing"][beyond]), self.targets)

    @functools.cached_property
    def times(self) -> Spread | None:
        """From the first execution queued to the last one's end, for each thing and job.

        What had not ended when the run did took for ever: it stands above all that ended.
        """
        found = self.run.executions
        if found is None or not len(found):
            return None
        columns = found.columns
        key = columns["thing"].astype(np.int64) * len(found.jobs) + columns["job"]
        order = np.lexsort((columns["number"], key))
        key = key[order]
        first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
        last = np.r_[first[1:], len(key)] - 1
        taken = columns["updated"][order][last] - columns["queued"][order][first]
        waits = np.isin(columns["status"][order][last], _PENDING)
        of = columns["thing"][order][first].astype(np.int64)
        return Spread(of, np.where(waits, np.inf, np.round(taken, 6)), self.count)

    # ----------------------------------------------------------------------- exchanges

    @functools.cached_property
    def _requests(self) -> Numbers:
        return self._counted(self._thing)

    @functools.cached_property
    def _updates(self) -> Numbers:
        return self._counted(self._thing[self._records["operation"] == results.UPDATE])

    def requests(self) -> Ratio:
        """Exchanges of a thing."""
        return Ratio(self._requests, np.ones(self.count))

    def unanswered(self) -> Ratio:
        """Exchanges without a reply, of all."""
        outcome = self._records["outcome"]
        silent = (outcome == results.NO_REPLY) | (outcome == results.DISCONNECTED)
        return Ratio(self._counted(self._thing[silent]), self._requests)

    def rejected(self) -> Ratio:
        """Exchanges that were rejected for another reason than their version, of all."""
        outcome = self._records["outcome"]
        refused = (outcome > results.DISCONNECTED) & (outcome != results.VERSION_MISMATCH)
        return Ratio(self._counted(self._thing[refused]), self._requests)

    def conflicts(self, cause: str = "") -> Ratio:
        """VersionMismatch rejections (of one cause), of updates."""
        found = self._records["outcome"] == results.VERSION_MISMATCH
        if cause:
            found = found & (self._records["cause"] == results.CAUSES.index(cause))
        return Ratio(self._counted(self._thing[found]), self._updates)

    def latencies(self, operation: str, since: str) -> Spread:
        """Milliseconds from ``sent`` or ``due`` to the answer, of what was answered."""
        outcome = self._records["outcome"]
        mine = (self._records["operation"] == results.OPERATIONS.index(operation)) & (
            (outcome != results.NO_REPLY) & (outcome != results.DISCONNECTED)
        )
        took = self._records["done"][mine] - self._records[since][mine]
        return Spread(self._thing[mine].astype(np.int64), np.round(took * 1000, 3), self.count)

    def scheduled(self) -> bool:
        """Whether any exchange began at another time than it was due at."""
        return bool((self._records["due"] != self._records["sent"]).any())

    def _counted(self, things: NDArray[np.int32]) -> Numbers:
        return np.bincount(things, minlength=self.count).astype(np.float64)


def only(spread: Spread, things: NDArray[np.int64]) -> Spread:
    """What is of some things that follow each other (a cohort), counted from the first of them."""
    if not len(things):
        return Spread(spread.of[:0], spread.values[:0], 0)
    kept = (spread.of >= things[0]) & (spread.of <= things[-1])
    return Spread(spread.of[kept] - things[0], spread.values[kept], len(things))
