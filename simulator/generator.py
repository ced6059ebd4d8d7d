"""How the generator itself is doing: the lag of its loop, the slip of its schedule, its CPU.

Rule 1: measured once a second in every process that has things, whatever the service does. A slow
        service makes responses slow; a slow generator makes the whole run a lie, and only this
        tells them apart.
Rule 2: a timer in the fleet's own loop is late by as much as everything else there is. What it
        finds is read from another thread: one number, taken and set to nothing.
Rule 3: slip is of what had a time to begin at: an exchange that simply follows another has none.
        What is waited on purpose, for a token or for a free thing, is no slip (``pacing.py``).
"""

import time
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.results import Records

EVERY_S: Final = 1.0
"""How often a reading is taken."""

TICK_S: Final = 0.05
"""How often the loop's timer looks."""

STARVED: Final = 0.25
"""The share of the time without a core from which on others slow the run down."""

BUSY: Final = 0.9
"""The share of a core from which on a process may well be what slows the run down."""

Slips = NDArray[np.float64]


class Reading(NamedTuple):
    """One second of one process."""

    at_s: float
    """Wall seconds since the run began."""
    worker: str
    """Whose it is; nobody's where there are no workers."""
    loop_lag_ms: float
    """The largest of that second."""
    slip_p99_ms: float
    cpu: float
    """Share of one core."""
    connected: int
    turns: int
    """How many updates of the schedule its things have taken on since the run began."""
    starved: float = 0.0
    """For how much of the time its threads could have run and had no core: others had it."""


class LoopLag:
    """A timer of a loop that notices how late it is."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        """Start it; to be called in the loop."""
        self._loop = loop
        self._largest = 0.0
        self._timer: TimerHandle
        self._set()

    def take(self) -> float:
        """The largest lag, in seconds, since this was last asked."""
        largest, self._largest = self._largest, 0.0
        return largest

    def close(self) -> None:
        """Look no more; to be called in the loop."""
        self._timer.cancel()

    def _set(self) -> None:
        self._expected = time.perf_counter() + TICK_S
        self._timer = self._loop.call_later(TICK_S, self._look)

    def _look(self) -> None:
        self._largest = max(self._largest, time.perf_counter() - self._expected)
        self._set()


class Meter:
    """One process's readings."""

    def __init__(self, paced: list[float] | None = None) -> None:
        """``paced`` is where pacing puts the slips that it measures, if there is any."""
        self._paced = paced
        self._fresh: list[Slips] = []
        self._at = time.perf_counter()
        self._cpu = time.process_time()
        self._starved = _waited_for_a_core()

    @property
    def due(self) -> bool:
        """Whether it is time for another reading."""
        return time.perf_counter() - self._at >= EVERY_S

    def take(self, records: Records) -> None:
        """Find the slip of fresh records."""
        if self._paced is not None:
            count = len(self._paced)  # another thread adds to it: both steps are atomic
            self._fresh.append(np.array(self._paced[:count]))
            del self._paced[:count]
        elif len(records):
            self._fresh.append(slips_of(records))

    def read(self, at_s: float, lag_s: float, connected: int, turns: int) -> tuple[Reading, Slips]:
        """A reading, and every slip since the last one."""
        now, cpu = time.perf_counter(), time.process_time()
        share = (cpu - self._cpu) / max(1e-3, now - self._at)
        starved = _waited_for_a_core()
        waited = max(0.0, starved - self._starved) / max(1e-3, now - self._at)
        self._at, self._cpu, self._starved = now, cpu, starved
        fresh, self._fresh = self._fresh, []
        slips = np.concatenate(fresh) if fresh else np.empty(0)
        reading = Reading(
            round(at_s, 3),
            "",
            _ms(lag_s),
            _ms(p99(slips)),
            round(share, 3),
            connected,
            turns,
            round(waited, 3),
        )
        return reading, slips


class Log:
    """The readings of all processes of a run, until it ends.

    To end it costs time as well: users and things are stopped by the thousand, and whatever is due
    meanwhile is late. That is no lag of the run's.
    """

    def __init__(self) -> None:
        self.until = float("inf")
        """When the run ended, in wall seconds since its start."""
        self.readings: list[Reading] = []
        self._slips: list[Slips] = []
        self._latest: dict[str, Reading] = {}

    def take(self, reading: Reading, slips: Slips) -> None:
        """Another reading."""
        self._latest[reading.worker] = reading
        if reading.at_s <= self.until:
            self.readings.append(reading)
            self._slips.append(slips)

    def close(self, now: float) -> float:
        """The run ends ``now``, which is returned, unless it has ended already."""
        self.until = min(self.until, now)
        return now

    @property
    def slips(self) -> Slips:
        """Every slip that came with a reading."""
        return np.concatenate(self._slips) if self._slips else np.empty(0)

    @property
    def turns(self) -> int:
        """How many updates of the schedule were taken on."""
        return sum(one.turns for one in self._latest.values())

    def lag(self, now: float) -> Reading:
        """The worst of each number over the processes that were heard of just now."""
        fresh = [one for one in self._latest.values() if now - one.at_s < 3 * EVERY_S]
        return Reading(
            now,
            "",
            max((one.loop_lag_ms for one in fresh), default=0.0),
            max((one.slip_p99_ms for one in fresh), default=0.0),
            max((one.cpu for one in fresh), default=0.0),
            sum(one.connected for one in fresh),
            self.turns,
        )


def slips_of(records: Records, until: float = float("inf")) -> Slips:
    """How late exchanges began that had a time to begin at, in seconds.

    An exchange that simply follows another one (``due`` is ``sent``) has none and does not count:
    else the more a run retries, the better its schedule would look. A timer's resolution is a
    millisecond, so an exchange may begin a little early; that is no slip. Nor is what comes after
    ``until``, the run's end: who had not begun by then is as late as that.
    """
    due = records["due"]
    late: Slips = np.minimum(records["sent"], until) - due
    scheduled: Slips = late[(late != 0) & (due <= until)]
    return scheduled


def p99(slips: Slips) -> float:
    """The 99th percentile, in seconds; 0 where nothing was scheduled."""
    return max(0.0, float(np.percentile(slips, 99))) if len(slips) else 0.0


def as_csv(readings: Iterable[Reading]) -> str:
    """``generator.csv``: a row for each process and second."""
    rows = ["at_s,worker,loop_lag_ms,slip_p99_ms,cpu,connected,starved"]
    rows += [
        f"{one.at_s:.3f},{one.worker},{one.loop_lag_ms:.3f},{one.slip_p99_ms:.3f},{one.cpu:.3f},"
        f"{one.connected},{one.starved:.3f}"
        for one in readings
    ]
    return "\n".join(rows) + "\n"


def _waited_for_a_core() -> float:
    """Seconds that this process's threads were ready to run and did not; 0 where nobody counts."""
    waited = 0
    for thread in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):  # one that has ended just now
            waited += int(thread.read_text().split()[1])
    return waited / 1e9


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
