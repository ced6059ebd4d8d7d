"""What surrounds a thing: its link to a Jobs service, and what all things of a run share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from simulator.behaviour import Network, NetworkChance, WorkTable
from simulator.jobs.messages import DataReply, DataRequest
from simulator.results import Recorder


class Link(Protocol):
    """A thing's own connection to a Jobs service, whatever it is made of.

    Rule 1: in virtual time, work and the round trip that follows are one sleep: ``call`` takes the
            seconds of work as ``after`` and sends its request when they are over. A live link is
            always asked with ``after`` 0.
    Rule 2: what the network does to the request depends on when it is sent, not on when ``call``
            was called.
    Rule 3: a call is cancelled when something comes between: the connection is lost while the work
            goes on, say. Then nothing was sent, unless the time to send had come.
    Rule 4: a link that loses its connection sets ``connected`` to False and calls the thing's
            ``disconnected``; calls under way raise Disconnected, at the latest when they wake up.
    """

    fault: int
    """What the network did to the last exchange: an index into ``results.FAULTS``."""

    @property
    def connected(self) -> bool:
        """Whether ``call`` can be used."""

    async def connect(self) -> None:
        """Connect and subscribe; raise Disconnected where that fails."""

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask, ``after`` seconds from now, and wait for the answer.

        Raises:
            Rejection: the service said no.
            NoReply: it did not answer in time.
            Disconnected: there is no connection (any more).
        """

    def close(self) -> None:
        """End the connection; ``disconnected`` is not called."""


@dataclass(slots=True)
class World:
    """What all things of a run share."""

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    """Seconds on the run's clock since it began: what records are stamped with. Not always the
    loop's own time, which uvloop keeps in whole milliseconds."""
    work: WorkTable
    network: Network
    chance: NetworkChance
    recorder: Recorder
    time_scale: float = 1.0
    unreported: list[tuple[int, tuple[str, int], float]] = field(default_factory=list)
    """(thing, execution, when its work was done) of every end that a thing reported in vain."""
