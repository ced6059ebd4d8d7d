"""The things' network: latency, losses, disconnects, partitions, storms, and its chance.

Rule 1: each fault has a name (``FAULTS`` in ``results.py``), and the exchange that it befell is
        recorded with it: nobody has to guess afterwards.
Rule 2: these are network times, never scaled by ``time_scale``; partitions and storms happen at
        scenario times, which are.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from simulator.behaviour.distributions import Distribution
from simulator.behaviour.mixing import TABLE, mix
from simulator.behaviour.selections import Selection

Loss = Literal["request", "reply"]
"""What a network may lose of an exchange."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The selected things cannot reach the service from ``at`` on, for ``lasts`` seconds."""

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

    Shares are from 0 to 1, of exchanges. ``jitter`` is added to each round trip. ``duplicated``
    requests arrive twice; ``reordered`` ones arrive after the next one of the same thing, or
    ``reply_timeout`` late. ``disconnects`` draws the time between two losses of a connection.
    ``clock_skew`` is drawn once a thing: what its own clock is ahead of (or behind) the service's.
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


class NetworkChance:
    """What the network does to exchange ``ordinal`` of a thing.

    One mix decides it all: its low 16 bits pick the latency, the other 48 whether something is
    lost.
    """

    def __init__(self, network: Network, seed: int) -> None:
        rng = np.random.Generator(np.random.PCG64([seed, 0x6E65]))
        self._latencies: list[float] = (network.latency.draw(rng, TABLE) / 1000).tolist()
        self._exchange_key, self._jitter_key = mix(seed, 1, 0), mix(seed, 2, 0)
        lost = network.lost_requests + (1 - network.lost_requests) * network.lost_replies
        self._lost_requests = int(network.lost_requests * 2**48)
        self._lost = int(lost * 2**48)
        self.quiet = not lost and not any(self._latencies)
        """Whether nothing ever happens: then nobody needs to ask."""

    def exchange(self, thing: int, ordinal: int) -> tuple[float, Loss | None]:
        """The round trip in seconds, and what of the exchange is lost on the way."""
        drawn = mix(self._exchange_key, thing, ordinal)
        luck = drawn >> 16
        if luck >= self._lost:
            return self._latencies[drawn & 0xFFFF], None
        return self._latencies[drawn & 0xFFFF], "request" if luck < self._lost_requests else "reply"

    def jitter(self, thing: int, ordinal: int) -> float:
        """A number from 0 up to 1, rounded to a thousandth."""
        return (mix(self._jitter_key, thing, ordinal) >> 40) % 1000 / 1000
