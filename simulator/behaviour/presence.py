"""When a thing is there: always, by the hour of its day, by a schedule, or on and off by chance.

Presence is about the connection: a thing that is away loses it and comes back with it. Its work
goes on meanwhile, and what it has to report waits.

Rule 1: whether a thing is there depends on the thing and the moment only. What is remembered (the
        turn that an on-off thing was last in, the offset of a time zone) makes the same answer
        cheaper, and no other.
Rule 2: a day is the local day of the cohort's time zone, with its summer time: ``08:00`` is when
        the clock on the wall says so, and some days have 23 hours.

The subtlety is the hour that a clock shows twice, or never: what begins in one that it shows twice
begins at the first, and what begins in one that it never shows begins an hour later.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

import numpy as np

from simulator.behaviour.distributions import Distribution
from simulator.behaviour.mixing import TABLE, mix

FOR_EVER: Final = float("inf")
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Presence:
    """A pattern; exactly the fields of its ``kind`` matter.

    ``daily``: from ``start`` to ``end``, seconds of the local day, each thing shifted by up to
    ``spread`` seconds, earlier or later; an ``end`` before ``start`` is the next day's. ``hourly``:
    24 shares of things that are there, by the local hour; a thing is there in every hour whose
    share is above its own fixed number. ``schedule``: (from, until) in scenario seconds.
    ``on-off``: draws of ``on`` and ``off`` in turns, begun at a random phase.
    """

    kind: Literal["always", "daily", "hourly", "schedule", "on-off"] = "always"
    start: float = 0.0
    end: float = DAY
    spread: float = 0.0
    hours: tuple[float, ...] = ()
    intervals: tuple[tuple[float, float], ...] = ()
    on: Distribution | None = None
    off: Distribution | None = None


ALWAYS = Presence()

Answer = tuple[bool, float]
"""Whether a thing is there, and until when that stays so, in scenario seconds."""


class Zone:
    """A time zone's clock on the wall, by scenario seconds."""

    def __init__(self, name: str, epoch: float) -> None:
        self._zone = ZoneInfo(name)
        self._epoch = epoch
        self._offsets: dict[int, float] = {}
        self._moments: dict[tuple[int, float], float] = {}

    def local(self, now: float) -> float:
        """The wall's seconds since 1970 began on it."""
        at = self._epoch + now
        quarter = int(at // 900)  # offsets change at quarters of an hour only
        offset = self._offsets.get(quarter)
        if offset is None:
            moment = datetime.fromtimestamp(quarter * 900, UTC).astimezone(self._zone)
            offset = self._offsets[quarter] = _seconds(moment.utcoffset())
        return at + offset

    def at(self, day: int, seconds: float) -> float:
        """When the wall shows a time of a local day (counted since 1970), in scenario seconds."""
        moment = self._moments.get((day, seconds))
        if moment is None:
            wall = _FIRST_DAY + timedelta(days=day, seconds=seconds)
            offset = _seconds(wall.replace(tzinfo=self._zone).utcoffset())
            since = (wall - _FIRST_DAY).total_seconds()
            moment = self._moments[day, seconds] = since - offset - self._epoch
        return moment


_FIRST_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def _seconds(offset: timedelta | None) -> float:
    assert offset is not None  # only naive times have none
    return offset.total_seconds()


# ------------------------------------------------------------------------------- patterns


class _Daily:
    """From one local time until another, each thing shifted by a number of its own."""

    def __init__(self, presence: Presence, zone: Zone, key: int) -> None:
        self._start, self._end = presence.start, presence.end
        if self._end <= self._start:
            self._end += DAY
        self._spread = presence.spread
        self._zone = zone
        self._key = key

    def at(self, thing: int, now: float) -> Answer:
        shift = 0.0
        if self._spread:
            luck = (mix(self._key, thing, 0) >> 11) / 2**53
            shift = round((2 * luck - 1) * self._spread, 3)
        moment = now - shift
        at = self._zone.at
        day = int(self._zone.local(moment) // DAY) - 2
        # Where the clock skips all of the interval, a day has none.
        while at(day, self._end) <= max(moment, at(day, self._start)):
            day += 1
        begin, until = at(day, self._start), at(day, self._end)
        if moment < begin:
            return False, round(begin + shift, 3)
        for _ in range(_SEVERAL):  # where one day's end is the next one's beginning
            day += 1
            if at(day, self._start) > until:
                return True, round(until + shift, 3)
            until = max(until, at(day, self._end))
        return True, FOR_EVER


_SEVERAL: Final = 8
"""Days in a row without a gap mean that there is none."""


class _Hourly:
    """There in each local hour whose share is above the thing's own number."""

    def __init__(self, presence: Presence, zone: Zone, key: int) -> None:
        self._hours = presence.hours
        self._zone = zone
        self._key = key

    def at(self, thing: int, now: float) -> Answer:
        own = (mix(self._key, thing, 0) >> 11) / 2**53
        there = [share > own for share in self._hours]
        if all(there) or not any(there):
            return there[0], FOR_EVER
        local = self._zone.local(now)
        present = there[int(local // 3600) % 24]
        until = now
        for _ in range(_HOURS):
            until = round(until + 3600 - local % 3600, 3)
            local = self._zone.local(until)
            if there[int(local // 3600) % 24] != present:
                break
        return present, until


_HOURS: Final = 60
"""More than there are in any two days."""


class _Scheduled:
    """There in intervals of scenario time, which stand in order."""

    def __init__(self, presence: Presence) -> None:
        merged: list[tuple[float, float]] = []
        for begin, until in presence.intervals:
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(until, merged[-1][1]))
            else:
                merged.append((begin, until))
        self._edges = [edge for interval in merged for edge in interval]

    def at(self, _thing: int, now: float) -> Answer:
        past = bisect_right(self._edges, now)
        until = self._edges[past] if past < len(self._edges) else FOR_EVER
        return past % 2 == 1, until


class _OnOff:
    """Turns of chance. The first one begins before the scenario does, at a random moment of it."""

    def __init__(self, presence: Presence, key: int, seed: int) -> None:
        assert presence.on is not None
        assert presence.off is not None
        self._on = _turns(presence.on, seed, 1)
        self._off = _turns(presence.off, seed, 2)
        self._key = key
        self._last: dict[int, tuple[int, float]] = {}
        """By thing: the cycle that it was last asked for, and when that began."""

    def at(self, thing: int, now: float) -> Answer:
        cycle, begin = self._last.get(thing, (0, FOR_EVER))
        if begin > now:
            cycle, on, off = 0, *self._cycle(thing, 0)
            luck = (mix(self._key, thing, -1) >> 11) / 2**53
            begin = -round(luck * (on + off), 3)
        while True:
            on, off = self._cycle(thing, cycle)
            end = round(begin + on + off, 3)
            if now < end:
                break
            cycle, begin = cycle + 1, end
        self._last[thing] = (cycle, begin)
        leaves = round(begin + on, 3)
        return (True, leaves) if now < leaves else (False, end)

    def _cycle(self, thing: int, cycle: int) -> tuple[float, float]:
        drawn = mix(self._key, thing, cycle)
        return self._on[drawn & (TABLE - 1)], self._off[(drawn >> 16) & (TABLE - 1)]


def _turns(distribution: Distribution, seed: int, which: int) -> list[float]:
    """Draws in seconds; a turn takes a millisecond at least, so that turns come to an end."""
    rng = np.random.Generator(np.random.PCG64([seed, 0x707265, which]))
    drawn: list[float] = (np.maximum(distribution.draw(rng, TABLE), 1) / 1000).tolist()
    return drawn


# ------------------------------------------------------------------------------- a fleet


class Present(Protocol):
    """What a table needs to know of a cohort."""

    @property
    def things(self) -> int:
        """How many things it has."""

    @property
    def presence(self) -> Presence:
        """Their pattern."""

    @property
    def time_zone(self) -> str:
        """An IANA name."""


class PresenceTable:
    """When every thing of a fleet is there; ``epoch`` is the scenario's, in Unix seconds."""

    def __init__(self, cohorts: Sequence[Present], seed: int, epoch: float) -> None:
        self._starts = [0]
        for cohort in cohorts:
            self._starts.append(self._starts[-1] + cohort.things)
        zones: dict[str, Zone] = {}
        self._patterns: list[_Daily | _Hourly | _Scheduled | _OnOff | None] = []
        for at, cohort in enumerate(cohorts):
            zone = zones.get(cohort.time_zone)
            if zone is None:
                zone = zones[cohort.time_zone] = Zone(cohort.time_zone, epoch)
            self._patterns.append(_pattern(cohort.presence, zone, mix(seed, 0x707265, at), seed))
        self.everywhere = not any(self._patterns)
        """Whether all things are always there: then nobody needs to ask."""

    def always(self, thing: int) -> bool:
        """Whether a thing is always there."""
        return self.everywhere or self._pattern(thing) is None

    def at(self, thing: int, now: float) -> Answer:
        """Whether a thing is there at a moment of the scenario, and until when that stays so.

        ``inf`` where it never changes. Asked at that moment, the answer is the other one.
        """
        pattern = None if self.everywhere else self._pattern(thing)
        return (True, FOR_EVER) if pattern is None else pattern.at(thing, now)

    def _pattern(self, thing: int) -> "_Daily | _Hourly | _Scheduled | _OnOff | None":
        return self._patterns[bisect_right(self._starts, thing) - 1]


def _pattern(
    presence: Presence, zone: Zone, key: int, seed: int
) -> _Daily | _Hourly | _Scheduled | _OnOff | None:
    match presence.kind:
        case "always":
            return None
        case "daily":
            return _Daily(presence, zone, key)
        case "hourly":
            return _Hourly(presence, zone, key)
        case "schedule":
            return _Scheduled(presence)
        case "on-off":
            return _OnOff(presence, key, mix(key, seed, 3))
