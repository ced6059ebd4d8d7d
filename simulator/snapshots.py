"""One look at a live run while it goes on: what a terminal, Locust's page and Prometheus show.

Rule 1: a snapshot is plain values; whoever shows it computes nothing but differences.
Rule 2: counts are since the run began. What the service says (executions) is as old as the last
        look at it; what the things did is of all records that have come.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator import results
from simulator.results import Records

KEPT: Final = 3_600
"""Snapshots of a run, one a second: the last hour."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the generator is behind, in the second before a snapshot."""

    slip_p99_ms: float = 0.0
    """From when an exchange was due to when it began."""
    loop_lag_ms: float = 0.0
    """The largest delay of a timer in a fleet's loop."""
    cpu: float = 0.0
    """Share of one core, of the busiest process with things."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. ``wall_s`` and ``scenario_s`` are seconds since it began."""

    wall_s: float
    scenario_s: float
    until_s: float
    """Scenario seconds at which it ends at the latest."""
    things: int
    connected: int
    executions: Mapping[str, int]
    """By status, as the service counts them; those that are not zero."""
    released: int
    """Executions that there are."""
    to_come: int
    """Targets that have no execution yet."""
    requests: int
    updates: int
    failures: int
    """Requests that were rejected or never answered."""
    no_reply: int
    conflicts: Mapping[str, int]
    """By cause; those that are not zero."""
    lag: Lag


class Tally:
    """Counts over records as they come."""

    def __init__(self) -> None:
        self.requests = self.updates = self.failures = self.no_reply = 0
        self._causes = np.zeros(len(results.CAUSES), np.int64)

    def take(self, fresh: Records) -> None:
        """Count fresh records."""
        outcome = fresh["outcome"]
        self.requests += len(fresh)
        self.updates += int(np.count_nonzero(fresh["operation"] == results.UPDATE))
        self.failures += int(np.count_nonzero(outcome != results.ACCEPTED))
        silent = (outcome == results.NO_REPLY) | (outcome == results.DISCONNECTED)
        self.no_reply += int(np.count_nonzero(silent))
        caused = fresh["cause"][fresh["cause"] > 0]
        self._causes += np.bincount(caused, minlength=len(results.CAUSES))

    @property
    def conflicts(self) -> dict[str, int]:
        """VersionMismatch rejections by cause."""
        pairs = zip(results.CAUSES, self._causes.tolist(), strict=True)
        return {cause: count for cause, count in pairs if count}


def history() -> deque[Snapshot]:
    """An empty run's snapshots, oldest first."""
    return deque(maxlen=KEPT)
