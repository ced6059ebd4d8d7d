"""What a run left behind, and the part of it that is of a cohort, of a job, or of a window of time.

Every number of a report is a fold over an ``Evidence``; a number of a cohort or of a window is the
same fold over less. Windows are scenario time, from their first instant up to and without their
last.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.report.executions import IN_PROGRESS, NEVER, QUEUED, Executions, Outcome
from simulator.results import Records


@dataclass(frozen=True, slots=True)
class Evidence:
    """Records and executions, with what is needed to understand them."""

    records: Records
    settled: Executions
    """Executions whose status counts: all of them; in a window, those that ended in it and, as
    they stood at its end, those that were pending then."""
    created: Executions
    """Executions that were created: all of them, or those of the window."""
    targets: NDArray[np.int32]
    """One entry for each thing that a job is for, over all jobs."""
    not_rolled_out: int
    things: range
    clock_s: float
    """When the run (or the window) ended, on the run's clock; ``begin_s`` likewise."""
    time_scale: float
    begin_s: float = 0.0

    def of_things(self, things: range) -> "Evidence":
        """What is of the things from the first to the last of a range (a cohort)."""
        created = self.created[_within(self.created["thing"], things)]
        settled = self.settled[_within(self.settled["thing"], things)]
        targets = self.targets[_within(self.targets, things)]
        return replace(
            self,
            records=self.records[_within(self.records["thing"], things)],
            settled=settled,
            created=created,
            targets=targets,
            not_rolled_out=_waiting(targets, created) if self.not_rolled_out else 0,
            things=things,
        )

    def between(self, begin: float, end: float) -> "Evidence":
        """What happened from ``begin`` on and before ``end``."""
        scale = self.time_scale
        sent = self.records["sent"] * scale if scale != 1 else self.records["sent"]
        every = self.settled
        ended, waits = every["ended"], every["status"] <= IN_PROGRESS
        pending = (every["queued"] < end) & (waits | (ended >= end))
        ended_in = ~waits & (ended >= begin) & (ended < end)
        settled = every[pending | ended_in]
        then = pending[pending | ended_in]
        running = settled["started"] < end  # not a number is not
        settled["status"][then & running] = IN_PROGRESS
        settled["status"][then & ~running] = QUEUED
        settled["truth"][then] = 0
        settled["ended"][then] = NEVER
        queued = self.created["queued"]
        return replace(
            self,
            records=self.records[(sent >= begin) & (sent < end)],
            settled=settled,
            created=self.created[(queued >= begin) & (queued < end)],
            not_rolled_out=_waiting(self.targets, every[every["queued"] < end]),
            begin_s=begin / scale,
            clock_s=min(self.clock_s, end / scale),
        )


def gather(
    records: Records,
    outcome: Outcome,
    things: int,
    clock_s: float,
    time_scale: float,
) -> Evidence:
    """Everything that a run left behind."""
    targets = [end.targets for end in outcome.jobs]
    return Evidence(
        records,
        outcome.executions,
        outcome.executions,
        np.concatenate(targets) if targets else np.empty(0, np.int32),
        sum(end.not_rolled_out for end in outcome.jobs),
        range(things),
        clock_s,
        time_scale,
    )


def _within(things: NDArray[Any], wanted: range) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (things >= wanted.start) & (things < wanted.stop)
    return inside


def _waiting(targets: NDArray[np.int32], created: Executions) -> int:
    """Targets without an execution."""
    return max(0, len(targets) - int(np.count_nonzero(created["number"] == 1)))
