"""What surrounds a thing: its link to a Jobs service, and what all things of a run share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from simulator.behaviour import Network, NetworkChance, WorkTable
from simulator.jobs.messages import DataReply, DataRequest
from simulator.results import Recorder


class Link(Protocol):
    """A thing's own connection to a Jobs service, whatever it is made of."""

    @property
    def connected(self) -> bool:
        """Whether ``call`` can be used."""

    async def connect(self) -> None:
        """Connect and subscribe; raise Disconnected where that fails."""

    async def call(self, job_id: str | None, request: DataRequest) -> DataReply:
        """Ask and wait for the answer; raise Rejection, NoReply or Disconnected."""

    def close(self) -> None:
        """End the connection."""


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
