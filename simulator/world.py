"""What surrounds a thing: its link to a Jobs service, and what all things of a run share."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

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


class Going(Protocol):
    """A coroutine under way."""

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None:
        """Have ``callback`` told of the end."""

    def cancel(self) -> object:
        """Raise CancelledError in it."""

    def cancelled(self) -> bool:
        """Whether it ended so."""

    def result(self) -> None:
        """Raise what it raised."""


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
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits so many seconds on the loop: handed in like ``now``, since a virtual loop knows a
    cheaper way than asyncio's."""
    spawn: Callable[[Coroutine[Any, Any, None]], Going] = asyncio.create_task
    """Sets a coroutine going on the loop: a task, or what a virtual loop has instead."""
    unreported: list[tuple[int, tuple[str, int], float]] = field(default_factory=list)
    """(thing, execution, when its work was done) of every end that a thing reported in vain."""
