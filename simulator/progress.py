"""How far a rehearsal is, and when it will be over.

The share that is done is that of executions that ended, of all that there are and will be; or that
of the time until the run ends at the latest, where that is more (things that hang may wait for it).
What is still to come is taken to go as fast as what has been, once ``WARM_S`` seconds are seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from simulator.jobs.model import STATUSES, Job, Status

WARM_S: Final = 1.0
"""Seconds of wall time before anything is said of the end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a rehearsal; times in seconds."""

    virtual_s: float
    until_s: float
    wall_s: float
    executions: dict[Status, int]
    """By status, those that are not zero, in the usual order."""
    to_come: int
    """Targets that have no execution yet."""

    @classmethod
    def of(cls, jobs: Iterable[Job], virtual_s: float, until_s: float, wall_s: float) -> "Progress":
        """Look at the jobs that there are now."""
        counts, to_come = dict.fromkeys(STATUSES, 0), 0
        for job in jobs:
            for status, count in job.counts.items():
                counts[status] += count
            if job.status in ("IN_PROGRESS", "SCHEDULED"):
                to_come += len(job.things) - job.released
        found = {status: count for status, count in counts.items() if count}
        return cls(virtual_s, until_s, wall_s, found, to_come)

    @property
    def done(self) -> float:
        """The share that is done, from 0 to 1."""
        there = sum(self.executions.values())
        pending = self.executions.get("QUEUED", 0) + self.executions.get("IN_PROGRESS", 0)
        ended = (there - pending) / (there + self.to_come) if there + self.to_come else 0.0
        return min(1.0, max(ended, self.virtual_s / self.until_s))

    @property
    def left_s(self) -> float | None:
        """Seconds of wall time until it is over, or None while nobody can tell."""
        if self.wall_s < WARM_S or not self.done:
            return None
        return self.wall_s * (1 - self.done) / self.done
