"""What happens to connections by time: disconnects, storms, partitions.

Rule 1: it happens in scenario time, as often live as in a rehearsal.
Rule 2: who is meant is settled by seed and attributes before anything begins; when, by a mix of
        (seed, what, thing): no task's turn matters.
Rule 3: a link without it costs nothing: only who can lose a connection has an ``ExposedLink``.
Rule 4: what broke a connection is named on the exchange that it befell (``fault``), and on the
        first Connect after it. A Connect that a partition refuses names the partition.

The subtlety is the exchange that is under way. What a connection loses before half of the round
trip is over never arrived; what it loses later did, and its reply did not: the thing cannot tell.
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.behaviour import (
    Network,
    NetworkChance,
    Partition,
    Selection,
    Storm,
    StormChance,
    chances,
)
from simulator.errors import Disconnected, NoReply, Rejection
from simulator.jobs.messages import DataReply, DataRequest, NotifyNext
from simulator.transports.lossy import LossyLink
from simulator.transports.stamped import StampedLink
from simulator.world import Link, Listener, Prompt, World

SECOND: Final = 2**32
"""Added to a thing's index where chance is about the second agent on it."""

MakeLink = Callable[[Listener], Link]
Select = Callable[[Selection], NDArray[np.bool_]]


class Weather:
    """The partitions and storms of a run, and the links that stand in them."""

    def __init__(self, world: World, seed: int, select: Select, epoch_s: float = 0.0) -> None:
        """``select`` says of each thing whether a selection means it."""
        self._epoch_s = epoch_s
        network = world.network
        self._world = world
        self.sleep = world.sleep
        self._partitions = [(one, select(one.where)) for one in network.partitions]
        self._storms = [
            (one, select(one.where), StormChance(one, number, seed))
            for number, one in enumerate(network.storms)
        ]
        own = [cohort.network for cohort in world.work.cohorts]
        self._chances = chances(world.chance, own, seed) if any(own) else []
        if world.virtual:
            for chance in (world.chance, *self._chances):
                chance.foresee(len(world.work))
        self._links: list[ExposedLink] = []
        self._tasks: list[asyncio.Task[None]] = []

    def around(
        self, index: int, listener: Listener, make: MakeLink, *, second: bool = False
    ) -> Link:
        """A thing's link with its network around it, as far as it has one to speak of.

        ``second``: of the second agent on the thing, which has luck of its own.
        """
        chance = self.chance_of(index)
        link = self._around(index, index + SECOND if second else index, listener, make, chance)
        skew = chance.skew(index)
        if not skew:
            return link
        ahead = self._epoch_s + skew
        return StampedLink(link, lambda: ahead + self.now(), self._world.time_scale)

    def _around(
        self, index: int, number: int, listener: Listener, make: MakeLink, chance: NetworkChance
    ) -> Link:
        timeout = self._world.agent_of(index).reply_timeout or chance.network.reply_timeout
        if chance.breaks or self._partitions or self._storms:
            exposed = ExposedLink(make, listener, index, number, chance, timeout, self)
            self._links.append(exposed)
            return exposed
        link = make(listener)
        if chance.quiet:
            return link
        return LossyLink(link, number, chance, timeout, self.sleep)

    def chance_of(self, index: int) -> NetworkChance:
        """The chance of a thing's network: its cohort's own, or the scenario's."""
        world = self._world
        return self._chances[world.work.cohort_of(index)] if self._chances else world.chance

    def network_of(self, index: int) -> Network:
        """A thing's network."""
        return self.chance_of(index).network

    # ----------------------------------------------------------------------- time

    def now(self) -> float:
        """Scenario seconds since the run began."""
        return self._world.now() * self._world.time_scale

    def scaled(self, network_s: float) -> float:
        """Seconds of the network (or of work, as a link hears of it) in scenario time."""
        return network_s * self._world.time_scale

    def wall(self, seconds: float) -> float:
        """Scenario seconds on the run's clock."""
        return seconds / self._world.time_scale

    def begin(self) -> None:
        """Let its time start, with the run's."""
        create = self._world.loop.create_task
        for partition, meant in self._partitions:
            self._tasks.append(create(self._heal(partition, meant), name=partition.name))
        for storm, meant, chance in self._storms:
            self._tasks.append(create(self._blow(storm, meant, chance), name=storm.name))

    def close(self) -> None:
        """Nothing more happens."""
        for task in self._tasks:
            task.cancel()
        self._links.clear()  # each of them knows its weather

    def cuts(self, index: int, since: float, until: float) -> bool:
        """Whether a partition keeps a thing from the service at any time of an interval."""
        return any(
            meant[index] and partition.at <= until and since < partition.at + partition.lasts
            for partition, meant in self._partitions
        )

    async def _until(self, at: float) -> None:
        wait = self.wall(at - self.now())
        if wait > 0:
            await asyncio.sleep(wait)

    async def _heal(self, partition: Partition, meant: NDArray[np.bool_]) -> None:
        """When it ends, the connections that it found are noticed to be dead."""
        await self._until(partition.at + partition.lasts)
        for link in self._links:
            if meant[link.index]:
                link.drop(results.PARTITION)

    async def _blow(self, storm: Storm, meant: NDArray[np.bool_], chance: StormChance) -> None:
        await self._until(storm.at)
        struck = [link for link in self._links if meant[link.index]]
        for link in sorted(struck, key=lambda link: chance.offset(link.index)):
            await self._until(storm.at + chance.offset(link.index))
            link.drop(results.STORM)


class _Flight:
    """A wait that the loss of the connection ends; times are scenario seconds."""

    __slots__ = ("arrives", "broken_by", "landed", "sent")

    def __init__(self, sent: float, arrives: float) -> None:
        self.sent = sent
        self.arrives = arrives
        self.broken_by = 0
        self.landed: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        """None: all went well. Else the connection was lost; whether the request had arrived."""


class ExposedLink(LossyLink):
    """A lossy link whose connection can be lost; each connection is a new link beneath."""

    __slots__ = (
        "_broken_by", "_connections", "_down", "_end", "_flights", "_listener", "_make", "_weather",
        "index",
    )  # fmt: skip

    def __init__(
        self,
        make: MakeLink,
        listener: Listener,
        index: int,
        number: int,
        chance: NetworkChance,
        reply_timeout: float,
        weather: Weather,
    ) -> None:
        super().__init__(make(self), number, chance, reply_timeout, weather.sleep)
        self.index = index
        """Its thing's."""
        self._make = make
        self._listener = listener
        self._weather = weather
        self._connections = 0
        self._down = False
        """Its connection is lost, though the link beneath may not know it yet."""
        self._broken_by = 0
        """What broke the last connection, until it is told."""
        self._flights: list[_Flight] = []
        self._end: asyncio.TimerHandle | None = None

    # ----------------------------------------------------------------------- for the thing

    @property
    def prompt(self) -> Prompt | None:
        """None: it may be lost while it waits."""
        return None

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as the thing knows."""
        return not self._down and self._link.connected

    async def connect(self) -> None:
        """Connect, one round trip late; raise Disconnected in a partition."""
        weather, began = self._weather, self._weather.now()
        latency, _ = self._next()
        if latency:
            await asyncio.sleep(latency)
        if weather.cuts(self.index, began, weather.now()):
            self.fault = results.PARTITION
            raise Disconnected("a partition lies between")
        if self._connections:
            self._link = self._make(self)
        fault, self._broken_by = self._broken_by, 0
        try:
            await self._link.connect()
        finally:
            self.fault = fault
        self._down = False
        self._connections += 1
        if self._chance.breaks:
            lives = weather.wall(self._chance.lifetime(self._number, self._connections))
            loop = asyncio.get_running_loop()
            self._end = loop.call_later(lives, self.drop, results.DISCONNECT)

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask through the bad network; raise NoReply or Disconnected where that ends it."""
        if not self.connected:
            raise self._lost(self._broken_by)
        weather, link = self._weather, self._link
        latency, trouble = self._next()
        sent = weather.now() + weather.scaled(after)
        if after or latency:
            flight = _Flight(sent, sent + weather.scaled(latency / 2))
            arrived = await self._fly(flight, after + latency)
            if arrived is not None:
                if arrived and trouble != "lost_request":
                    if not weather.cuts(self.index, sent, weather.now()):
                        await _deliver(link, job_id, request)
                    link.close()
                raise self._lost(flight.broken_by)
            if not self.connected:  # lost while the work went on
                raise self._lost(self._broken_by)
        if weather.cuts(self.index, sent, weather.now()):
            try:
                await self._silence(self._timeout - latency, applied=False)
            finally:
                self.fault = results.PARTITION
        if trouble is not None:
            return await self._befallen(trouble, latency, job_id, request)
        fault = 0
        try:
            return await self._arrive(job_id, request)
        except Disconnected:
            fault = self._broken_by
            raise
        finally:
            self.fault = fault

    def close(self) -> None:
        """Close the link beneath."""
        if self._end is not None:
            self._end.cancel()
        self._link.close()

    # ----------------------------------------------------------------------- from outside

    def drop(self, fault: int) -> None:
        """The connection is lost, if there is one."""
        if not self.connected:
            return
        self._down, self._broken_by, self.fault = True, fault, fault
        if self._end is not None:
            self._end.cancel()
        now, arrived = self._weather.now(), False
        for flight in self._flights:
            if now >= flight.sent and not flight.landed.done():
                arrived = arrived or now >= flight.arrives
                flight.broken_by = fault
                flight.landed.set_result(now >= flight.arrives)
        for held in self._held:
            if not held.done():
                held.set_exception(Disconnected("the connection was lost"))
                held.exception()  # it counts as seen, should nobody wait for it any more
        if not arrived:  # else who arrived closes it
            self._link.close()
        self._listener.disconnected()

    def notified(self, notice: NotifyNext) -> None:
        """A notice came through, where no partition keeps it."""
        now = self._weather.now()
        if not self._weather.cuts(self.index, now, now):
            self._listener.notified(notice)

    def disconnected(self) -> None:
        """The link beneath lost its connection by itself."""
        if self._end is not None:
            self._end.cancel()
        self._listener.disconnected()

    # ----------------------------------------------------------------------- waiting

    async def _fly(self, flight: _Flight, seconds: float) -> bool | None:
        """Wait, until the connection is lost at the most; see ``_Flight.landed``."""
        timer = asyncio.get_running_loop().call_later(seconds, _land, flight.landed)
        self._flights.append(flight)
        try:
            return await flight.landed
        finally:
            timer.cancel()
            self._flights.remove(flight)

    async def _pause(self, seconds: float) -> None:
        flight = _Flight(-inf, inf)
        if await self._fly(flight, seconds) is not None:
            raise self._lost(flight.broken_by)

    def _lost(self, fault: int) -> Disconnected:
        self.fault = fault
        return Disconnected("the connection was lost")


def _land(landed: "asyncio.Future[bool | None]") -> None:
    if not landed.done():
        landed.set_result(None)


async def _deliver(link: Link, job_id: str | None, request: DataRequest) -> None:
    """Let a request arrive whose reply nobody will get."""
    try:
        await link.call(job_id, request)
    except (Rejection, NoReply, Disconnected):
        pass
