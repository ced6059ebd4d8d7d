"""What is to be expected of a rollout, as numbers, and the mean of several such expectations."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.jobs.model import STATUSES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Scale:
    """What of a scenario is changed for a what-if: factors of what it says."""

    rate: float = 1.0
    ramp: float = 1.0
    work: float = 1.0
    in_progress_timeout: float = 1.0
    step_timeout: float = 1.0


AS_IT_IS: Final = Scale()


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected. Times in seconds, shares from 0 to 1 (of things or attempts)."""

    things: int
    rolled_out_s: float
    """When the last execution is released."""
    up_s: float
    """When the last thing is there."""
    worked_s: float
    """When the last attempt that ends by its own report does."""
    ends_s: float
    """When the job ends by itself, however long that takes; ``inf``: never."""
    elapsed_s: float
    """When the run ends: with the job, or at ``load.until``."""
    completes: bool
    aborts_s: float | None
    """When an abort criterion first holds."""
    shares: dict[str, float]
    """Of executions when the run ends, by their status."""
    not_rolled_out: float
    """Share of things that have no execution then."""
    attempts: tuple[dict[str, float], ...]
    """By attempt: ``share`` of things that make it, and of those each way in which it ends."""
    false_timeouts: float
    """Share of attempts that are ended by a timer while the thing still works."""
    over_step_timer: float | None
    """Share of timed steps that last longer than their timer; None without one."""
    over_in_progress_timer: float | None
    """Share of attempts whose work lasts longer than that timer; None without one."""
    stuck: float
    """Share of things whose execution never ends: they hang, and no timer is set."""
    writes: float
    """In all, until the run ends."""
    writes_per_s: float
    reads_per_s: float
    """Peaks in any whole second."""
    writes_at_s: float


class Told:
    """What became of each sampled thing's last execution, and of every attempt."""

    def __init__(self, n: int) -> None:
        self.ends: Floats = np.full(n, NEVER)
        self.status: Ints = np.full(n, _QUEUED)
        self._history: list[tuple[Floats, Floats, Ints]] = []

    def keep(self, who: Ints, begins: Floats, ends: Floats, status: Ints) -> None:
        """Take one attempt of some things."""
        self.ends[who], self.status[who] = ends, status
        self._history.append((begins.copy(), ends, status))

    def all_attempts(self) -> tuple[Floats, Floats, Ints]:
        """Begin, end and status of every attempt."""
        begins, ends, status = (np.concatenate(part) for part in zip(*self._history, strict=True))
        return begins, ends, status

    def shares(self, end: float, aborted: bool) -> dict[str, float]:
        """Of the executions that there are at the end of the run, by their status then."""
        begins, ends, status = self.all_attempts()
        there = begins <= end
        final = np.where(ends <= end, status, STATUSES.index("IN_PROGRESS"))[there]
        waiting = int(np.count_nonzero(self.status == _QUEUED))  # retries of what is gone
        counts = np.bincount(final, minlength=len(STATUSES))
        counts[STATUSES.index("CANCELED") if aborted else _QUEUED] += waiting
        total = max(1, int(counts.sum()))
        return {STATUSES[at]: int(counts[at]) / total for at in np.flatnonzero(counts)}

    def by_attempt(self, things: int) -> list[dict[str, float]]:
        """Each attempt's share of things, and how it ends."""
        told = []
        for _, _, status in self._history:
            counts = np.bincount(status, minlength=len(STATUSES))
            shares = {STATUSES[at]: int(counts[at]) / len(status) for at in np.flatnonzero(counts)}
            told.append({"share": len(status) / things} | shares)
        return told


_QUEUED: Final = STATUSES.index("QUEUED")


def middle(forecasts: list[Forecast]) -> Forecast:
    """Medians of times, means of shares: of those that abort, or of those that do not.

    Whichever are more: between the two there is nothing that could be expected.
    """
    aborting = [one for one in forecasts if one.aborts_s is not None]
    if 2 * len(aborting) > len(forecasts):
        forecasts = aborting
    elif aborting:
        forecasts = [one for one in forecasts if one.aborts_s is None]
    numbers: dict[str, Any] = {
        name: float(np.median([getattr(one, name) for one in forecasts])) for name in _TIMES
    }
    numbers |= {name: float(np.mean([getattr(one, name) for one in forecasts])) for name in _MEANS}
    for name in ("over_step_timer", "over_in_progress_timer"):
        known = [value for one in forecasts if (value := getattr(one, name)) is not None]
        numbers[name] = sum(known) / len(known) if known else None
    aborts = [one.aborts_s for one in forecasts if one.aborts_s is not None]
    most = max(len(one.attempts) for one in forecasts)
    none = {"share": 0.0}
    padded = [[*one.attempts, *[none] * (most - len(one.attempts))] for one in forecasts]
    return replace(
        forecasts[0],
        **numbers,
        completes=sum(one.completes for one in forecasts) * 2 > len(forecasts),
        aborts_s=float(np.median(aborts)) if aborts else None,
        shares=_mean_by_name([one.shares for one in forecasts]),
        attempts=tuple(_mean_by_name(list(same)) for same in zip(*padded, strict=True)),
    )


_TIMES: Final = ("rolled_out_s", "up_s", "worked_s", "ends_s", "elapsed_s", "writes_at_s")
_MEANS: Final = (
    "not_rolled_out",
    "false_timeouts",
    "stuck",
    "writes",
    "writes_per_s",
    "reads_per_s",
)


def _mean_by_name(shares: list[dict[str, float]]) -> dict[str, float]:
    means: dict[str, float] = {}
    for name in dict.fromkeys(name for one in shares for name in one):
        means[name] = sum(one.get(name, 0.0) for one in shares) / len(shares)
    return means
