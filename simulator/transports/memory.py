"""The transport without a network: a thing calls a host in the same process.

The default of rehearsals and tests. Notices go straight to the thing that they concern. What
befalls requests at the service (``host.py``) is met here as at its other doors.
"""

import asyncio
from collections.abc import Container

from simulator.errors import Disconnected, NoReply, Rejection, RequestThrottled
from simulator.host import OPERATIONS, THROTTLED, Exchange, Host, Stage
from simulator.jobs.messages import (
    DataReply,
    DataRequest,
    Effect,
    NotifyNext,
    UpdateJobExecutionRequest,
)
from simulator.thing import Thing


class MemoryBroker:
    """Who hears what: thing name → link, for the notices of one host."""

    def __init__(self, host: Host, reply_timeout: float = 10.0) -> None:
        """``reply_timeout`` is how long a thing waits for what the service does not answer."""
        self.host = host
        self.reply_timeout = reply_timeout
        self.subscribers: dict[str, MemoryLink] = {}
        host.listeners.append(self._deliver)
        host.disconnects.append(self._disconnect)

    def _deliver(self, effect: Effect, _now: float) -> None:
        if type(effect) is NotifyNext:
            link = self.subscribers.get(effect.thing_name)
            if link is not None:
                link.thing.notified(effect)

    def _disconnect(self, names: Container[str]) -> int:
        found = [link for name, link in self.subscribers.items() if name in names]
        for link in found:
            link.lost()
        return len(found)


class MemoryLink:
    """One thing's link to a host."""

    __slots__ = ("_broker", "_name", "_waiting", "connected", "fault", "thing")

    def __init__(self, broker: MemoryBroker, name: str, thing: Thing) -> None:
        self._broker = broker
        self._name = name
        self.thing = thing
        self._waiting: asyncio.Future[DataReply] | None = None
        """For a reply that does not come."""
        self.connected = False
        self.fault = 0

    async def connect(self) -> None:
        """Subscribe to the thing's notices."""
        self._broker.subscribers[self._name] = self
        self.connected = True

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask the host; raises Rejection."""
        if after:
            await asyncio.sleep(after)
        if not self.connected:
            raise Disconnected("not connected")
        host = self._broker.host
        if host.stage is not None:
            return await self._call_on_stage(host.stage, job_id, request)
        try:
            return host.handle(self._name, job_id, request)
        finally:
            host.publish()

    def close(self) -> None:
        """Hear no more."""
        self._broker.subscribers.pop(self._name, None)
        self.connected = False

    def lost(self) -> None:
        """The service ends the connection."""
        self.close()
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_exception(Disconnected("the connection was lost"))
        self.thing.disconnected()

    async def _call_on_stage(
        self, stage: Stage, job_id: str | None, request: DataRequest
    ) -> DataReply:
        """Ask where something may befall the request; raises what the thing then meets."""
        host, fault = self._broker.host, stage.befall(self._name)
        update = request if type(request) is UpdateJobExecutionRequest else None
        outcome, reply, refused = "accepted", None, None
        if fault in ("outage", "lose-request"):
            update, outcome = None, ""
        else:
            try:
                if fault == "throttle":
                    raise RequestThrottled(THROTTLED)
                reply = host.handle(self._name, job_id, request)
            except Rejection as rejection:
                outcome, refused = rejection.code, rejection
        operation = OPERATIONS[type(request)]
        exchange = Exchange(self._name, job_id, operation, update, outcome, fault)
        stage.saw(exchange)
        host.publish()
        if not exchange.answered:
            return await self._wait()
        if reply is None:
            assert refused is not None  # one of both there is
            raise refused
        return reply

    async def _wait(self) -> DataReply:
        """Wait in vain; raises NoReply, or Disconnected where the connection ends meanwhile."""
        loop, seconds = asyncio.get_running_loop(), self._broker.reply_timeout
        waiting: asyncio.Future[DataReply] = loop.create_future()
        self._waiting = waiting
        timer = loop.call_later(
            seconds, _give_up, waiting, NoReply(f"no reply within {seconds:g} s")
        )
        try:
            return await waiting
        finally:
            timer.cancel()
            self._waiting = None


def _give_up(waiting: asyncio.Future[DataReply], why: NoReply) -> None:
    if not waiting.done():
        waiting.set_exception(why)
