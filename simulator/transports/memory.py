"""The transport without a network: a thing calls a host in the same process.

The default of rehearsals and tests. Notices go straight to the things that they concern.
"""

import asyncio
from collections.abc import Awaitable, Callable

from simulator.host import Host
from simulator.jobs.messages import DataReply, DataRequest, Effect, Notify, NotifyNext
from simulator.world import Listener

Reader = Callable[[Notify], object]


class MemoryBroker:
    """Who hears what: thing name → who listens for it, for the notices of one host."""

    def __init__(
        self, host: Host, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """``sleep`` is the world's."""
        self.host = host
        self.sleep = sleep
        self.subscribers: dict[str, Listener] = {}
        self.others: dict[str, list[Listener]] = {}
        """Those who listen for a thing that has a subscriber already: second agents."""
        self.readers: dict[str, list[Reader]] = {}
        """Who hears of ``notify``, too."""
        host.listeners.append(self._deliver)

    def subscribe(self, name: str, listener: Listener, reader: Reader | None) -> None:
        """Let somebody hear what is said to a thing."""
        if name in self.subscribers:
            self.others.setdefault(name, []).append(listener)
        else:
            self.subscribers[name] = listener
        if reader is not None:
            self.host.service.notify = True
            self.readers.setdefault(name, []).append(reader)

    def leave(self, name: str, listener: Listener, reader: Reader | None) -> None:
        """Tell it no more."""
        if reader is not None:
            self.readers[name].remove(reader)
        if name in self.others:
            self.others[name] = [one for one in self.others[name] if one is not listener]
        if self.subscribers.get(name) is listener:
            del self.subscribers[name]
            if self.others.get(name):
                self.subscribers[name] = self.others[name].pop(0)

    def _deliver(self, effect: Effect, _now: float) -> None:
        if type(effect) is NotifyNext:
            listener = self.subscribers.get(effect.thing_name)
            if listener is not None:
                listener.notified(effect)
            if self.others:
                for other in self.others.get(effect.thing_name, ()):
                    other.notified(effect)
        elif self.readers and type(effect) is Notify:
            for reader in self.readers.get(effect.thing_name, ()):
                reader(effect)


class MemoryLink:
    """One agent's link to a host."""

    __slots__ = ("_broker", "_listener", "_name", "_reader", "connected", "fault")

    def __init__(
        self, broker: MemoryBroker, name: str, listener: Listener, reader: Reader | None = None
    ) -> None:
        """``reader`` is told of the thing's pending list."""
        self._broker = broker
        self._name = name
        self._listener = listener
        self._reader = reader
        self.connected = False
        self.fault = 0

    async def connect(self) -> None:
        """Subscribe to the thing's notices."""
        self._broker.subscribe(self._name, self._listener, self._reader)
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
        if self.connected:
            self._broker.leave(self._name, self._listener, self._reader)
            self.connected = False
