"""The transport without a network: a thing calls a host in the same process.

The default of rehearsals and tests. Notices go straight to the thing that they concern.
"""

import asyncio

from simulator.host import Host
from simulator.jobs.messages import DataReply, DataRequest, Effect, NotifyNext
from simulator.thing import Thing


class MemoryBroker:
    """Who hears what: thing name → thing, for the notices of one host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.subscribers: dict[str, Thing] = {}
        host.listeners.append(self._deliver)

    def _deliver(self, effect: Effect, _now: float) -> None:
        if type(effect) is NotifyNext:
            thing = self.subscribers.get(effect.thing_name)
            if thing is not None:
                thing.notified(effect)


class MemoryLink:
    """One thing's link to a host."""

    __slots__ = ("_broker", "_name", "_thing", "connected", "fault")

    def __init__(self, broker: MemoryBroker, name: str, thing: Thing) -> None:
        self._broker = broker
        self._name = name
        self._thing = thing
        self.connected = False
        self.fault = 0

    async def connect(self) -> None:
        """Subscribe to the thing's notices."""
        self._broker.subscribers[self._name] = self._thing
        self.connected = True

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask the host; raises Rejection."""
        if after:
            await asyncio.sleep(after)
        host = self._broker.host
        try:
            return host.handle(self._name, job_id, request)
        finally:
            host.publish()

    def close(self) -> None:
        """Hear no more."""
        self._broker.subscribers.pop(self._name, None)
        self.connected = False
