"""The things' network: latency, losses, disconnects, partitions, storms, and its chance.

Rule 1: each fault has a name (``FAULTS`` in ``results.py``), and the exchange that it befell is
        recorded with it: nobody has to guess afterwards.
Rule 2: what a protocol waits for (latency, jitter, reply timeout, backoff) is network time, never
        scaled by ``time_scale``. What happens to the world (disconnects, partitions, storms)
        happens in scenario time, which is: as many befall a job live as in its rehearsal.
Rule 3: chance is a mix of (seed, kind, thing, ordinal): who else asks, and when, changes nothing.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from simulator.behaviour.distributions import Distribution
from simulator.behaviour.mixing import TABLE, mix, mix_all
from simulator.behaviour.selections import Selection

Trouble = Literal["lost_request", "lost_reply", "duplicated", "reordered"]
"""What a network may do to an exchange; their names are those of ``FAULTS`` in ``results.py``."""

AHEAD: Final = 8
"""So many exchanges of each thing are worked out together, where that was asked for: as many as an
execution takes, as a rule."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The selected things cannot reach the service from ``at`` on, for ``lasts`` seconds.

    Meanwhile connects are refused, requests time out and notices are lost. A connection that it
    finds is dead: the thing learns that when the partition ends, and comes back.
    """

    name: str
    where: Selection
    at: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Storm:
    """The selected things lose their connections at ``at``, all within ``within`` seconds."""

    name: str
    where: Selection
    at: float
    within: float = 0.0


@dataclass(frozen=True, slots=True)
class Network:
    """What lies between things and service, and how things wait and come back.

    Shares are from 0 to 1, of exchanges. In one exchange the first four troubles exclude each
    other: a request is lost; else its reply is; else it arrives twice, one right after the other,
    and the second reply is dropped; else it is reordered: it arrives right after the next one of
    the same thing, or ``reply_timeout`` late, when nobody waits for it any more, where none comes
    before.

    ``jitter`` is added to each round trip. ``disconnects`` draws how long a connection lives.

    ``clock_skew`` is drawn once a thing, as is (a fair coin) whether its clock is ahead of the
    service's or behind it by so much. It is an offset, no drift: an agent's waits are elapsed time
    and all timeouts of a job are measured by the service's clock, so it shows in one place only:
    the timestamps that the agent itself puts into its reports (``reportedAt`` in statusDetails,
    which an agent adds where its network has a skew).
    """

    latency: Distribution = field(default_factory=lambda: Distribution("constant", 0.0))
    lost_replies: float = 0.0
    lost_requests: float = 0.0
    reply_timeout: float = 10.0
    backoff_base: float = 1.0
    backoff_maximum: float = 60.0
    jitter: Distribution | None = None
    duplicated: float = 0.0
    reordered: float = 0.0
    disconnects: Distribution | None = None
    clock_skew: Distribution | None = None
    partitions: tuple[Partition, ...] = ()
    storms: tuple[Storm, ...] = ()

    @property
    def takes_no_time(self) -> bool:
        """Whether no exchange takes any, whatever befalls it."""
        waits = self.lost_requests or self.lost_replies or self.reordered
        trips = (self.latency, self.jitter)
        return not waits and all(trip is None or trip.takes_no_time for trip in trips)


class NetworkChance:
    """What a network does to its things.

    One mix decides about exchange ``ordinal`` of a thing: its low 16 bits pick the latency, the
    other 48 what befalls it.
    """

    def __init__(self, network: Network, seed: int) -> None:
        self.network = network
        self._latencies = _table(network.latency, seed, 0x6E65) or [0.0] * TABLE
        self._jitters = _table(network.jitter, seed, 0x6A69)
        self._lifetimes = _table(network.disconnects, seed, 0x6C69)
        self._skews = _table(network.clock_skew, seed, 0x736B)
        self._exchange_key, self._backoff_key, self._jitter_key, self._connection_key, \
            self._skew_key = (mix(seed, kind, 0) for kind in (1, 2, 3, 4, 5))  # fmt: skip
        lost = network.lost_requests + (1 - network.lost_requests) * network.lost_replies
        twice = lost + (1 - lost) * network.duplicated
        troubled = twice + (1 - twice) * network.reordered
        self._lost_requests, self._lost, self._twice, self._troubled = (
            int(share * 2**48) for share in (network.lost_requests, lost, twice, troubled)
        )
        self.quiet = not troubled and not any(self._latencies) and not self._jitters
        """Whether nothing ever happens to an exchange: then nobody needs to ask."""
        self.takes_no_time = network.takes_no_time
        """At hand: every thing's link asks it."""
        self.breaks = network.disconnects is not None
        """Whether connections end by themselves."""
        self._foreseen = 0
        self._ahead: list[array[int] | None] = [None] * (AHEAD + 1)
        """By ordinal: each thing's place among the latencies; ``TABLE`` where something befalls the
        exchange."""
        self._foretold: list[float | None] = [*self._latencies, None]

    def foresee(self, things: int) -> None:
        """Work out the exchanges of so many things together, a tenth as dear as one by one."""
        if not self._jitters:
            self._foreseen = things

    def _look_ahead(self, ordinal: int) -> "array[int]":
        drawn = mix_all(self._exchange_key, self._foreseen, ordinal)
        places = (drawn & np.uint64(TABLE - 1)).astype(np.uint32)
        places[drawn >> np.uint64(16) < np.uint64(self._troubled)] = TABLE
        self._ahead[ordinal] = found = array("I", places.tobytes())
        return found

    def untroubled(self, thing: int, ordinal: int) -> float | None:
        """The round trip of an exchange that nothing befalls; None for every other one."""
        if thing < self._foreseen and ordinal <= AHEAD:
            return self._foretold[(self._ahead[ordinal] or self._look_ahead(ordinal))[thing]]
        latency, trouble = self.exchange(thing, ordinal)
        return latency if trouble is None else None

    def exchange(self, thing: int, ordinal: int) -> tuple[float, Trouble | None]:
        """The round trip in seconds, and what befalls the exchange."""
        drawn = mix(self._exchange_key, thing, ordinal)
        latency = self._latencies[drawn & 0xFFFF]
        if self._jitters:
            latency += self._jitters[mix(self._jitter_key, thing, ordinal) & 0xFFFF]
        luck = drawn >> 16
        if luck >= self._troubled:
            return latency, None
        if luck < self._lost:
            return latency, "lost_request" if luck < self._lost_requests else "lost_reply"
        return latency, "duplicated" if luck < self._twice else "reordered"

    def jitter(self, thing: int, ordinal: int) -> float:
        """Of a wait before another try: a number from 0 up to 1, rounded to a thousandth."""
        return (mix(self._backoff_key, thing, ordinal) >> 40) % 1000 / 1000

    def lifetime(self, thing: int, connection: int) -> float:
        """How long a thing's connection (its first, second, …) lives, in scenario seconds."""
        if not self._lifetimes:
            return float("inf")
        return self._lifetimes[mix(self._connection_key, thing, connection) & 0xFFFF]

    def skew(self, thing: int) -> float:
        """What a thing's clock is ahead of the service's, in seconds; behind it below 0."""
        if not self._skews:
            return 0.0
        drawn = mix(self._skew_key, thing, 0)
        skew = self._skews[drawn & 0xFFFF]
        return -skew if drawn >> 63 else skew


def _table(distribution: Distribution | None, seed: int, kind: int) -> list[float]:
    """Draws in seconds; none where there is nothing to draw."""
    if distribution is None:
        return []
    rng = np.random.Generator(np.random.PCG64([seed, kind]))
    seconds: list[float] = (distribution.draw(rng, TABLE) / 1000).tolist()
    return seconds


def chances(shared: NetworkChance, own: Iterable[Network | None], seed: int) -> list[NetworkChance]:
    """The chance of each cohort's network: its ``own``, or the one that the others share."""
    return [shared if one is None else NetworkChance(one, seed) for one in own]


class StormChance:
    """When, within a storm, each thing loses its connection."""

    def __init__(self, storm: Storm, number: int, seed: int) -> None:
        self._within_ms = round(storm.within * 1000)
        self._key = mix(seed, 6, number)

    def offset(self, thing: int) -> float:
        """Seconds after the storm's beginning, in whole milliseconds."""
        return mix(self._key, thing, 0) % (self._within_ms + 1) / 1000
