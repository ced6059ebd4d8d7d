"""The transport without a network: a thing calls a host in the same process.

The default of rehearsals and tests. Notices go straight to the things that they concern.
"""

import asyncio
from collections.abc import Awaitable, Callable

from simulator.host import Host
from simulator.jobs.messages import DataReply, DataRequest, Effect, Notify, NotifyNext
from simulator.thing import Thing


class MemoryBroker:
    """Who hears what: thing name → thing, for the notices of one host."""

    def __init__(
        self, host: Host, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """``sleep`` is the world's."""
        self.host = host
        self.sleep = sleep
        self.subscribers: dict[str, Thing] = {}
        self.seconds: dict[str, Thing] = {}
        """The second agents of some things."""
        self.readers: dict[Thing, str] = {}
        """Those who hear of ``notify``, too."""
        host.listeners.append(self._deliver)

    def _deliver(self, effect: Effect, _now: float) -> None:
        if type(effect) is NotifyNext:
            thing = self.subscribers.get(effect.thing_name)
            if thing is not None:
                thing.notified(effect)
            if self.seconds:
                second = self.seconds.get(effect.thing_name)
                if second is not None:
                    second.notified(effect)
        elif self.readers and type(effect) is Notify:
            for reader in (self.subscribers, self.seconds):
                thing = reader.get(effect.thing_name)
                if thing is not None and thing.reads_lists:
                    thing.listed(effect)


class MemoryLink:
    """One agent's link to a host."""

    __slots__ = ("_broker", "_name", "_thing", "connected", "fault")

    def __init__(self, broker: MemoryBroker, name: str, thing: Thing) -> None:
        self._broker = broker
        self._name = name
        self._thing = thing
        self.connected = False
        self.fault = 0

    async def connect(self) -> None:
        """Subscribe to the thing's notices."""
        broker, thing = self._broker, self._thing
        (broker.seconds if thing.second else broker.subscribers)[self._name] = thing
        if thing.reads_lists:
            broker.readers[thing] = self._name
        self.connected = True

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask the host; raises Rejection."""
        if after:
            await self._broker.sleep(after)
        host = self._broker.host
        try:
            return host.handle(self._name, job_id, request)
        finally:
            host.publish()

    def close(self) -> None:
        """Hear no more."""
        broker, thing = self._broker, self._thing
        (broker.seconds if thing.second else broker.subscribers).pop(self._name, None)
        broker.readers.pop(thing, None)
        self.connected = False
