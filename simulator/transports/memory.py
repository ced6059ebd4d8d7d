"""The transport without a network: a thing calls a host in the same process.

The default of rehearsals and tests. Notices go straight to the things that they concern. What
befalls requests at the service (``host.py``) is met here as at its other doors.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container

from simulator.errors import Disconnected, NoReply, Rejection, RequestThrottled
from simulator.host import OPERATIONS, THROTTLED, Exchange, Host, Stage
from simulator.jobs.messages import (
    DataReply,
    DataRequest,
    Effect,
    Notify,
    NotifyNext,
    UpdateJobExecutionRequest,
)
from simulator.world import Listener, Prompt

Reader = Callable[[Notify], object]


class MemoryBroker:
    """Who hears what: thing name → the link of who listens for it, for the notices of one host."""

    def __init__(
        self,
        host: Host,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        reply_timeout: float = 10.0,
    ) -> None:
        """``sleep`` is the world's; ``reply_timeout`` is how long a thing waits for nothing."""
        self.host = host
        self.sleep = sleep
        self.reply_timeout = reply_timeout
        self.subscribers: dict[str, MemoryLink] = {}
        self.others: dict[str, list[MemoryLink]] = {}
        """Those who listen for a thing that has a subscriber already: second agents."""
        self.readers: dict[str, list[Reader]] = {}
        """Who hears of ``notify``, too."""
        host.listeners.append(self._deliver)
        host.disconnects.append(self._disconnect)

    def subscribe(self, name: str, link: "MemoryLink", reader: Reader | None) -> None:
        """Let somebody hear what is said to a thing."""
        if name in self.subscribers:
            self.others.setdefault(name, []).append(link)
        else:
            self.subscribers[name] = link
        if reader is not None:
            self.host.service.notify = True
            self.readers.setdefault(name, []).append(reader)

    def leave(self, name: str, link: "MemoryLink", reader: Reader | None) -> None:
        """Tell it no more."""
        if reader is not None:
            self.readers[name].remove(reader)
        if name in self.others:
            self.others[name] = [one for one in self.others[name] if one is not link]
        if self.subscribers.get(name) is link:
            del self.subscribers[name]
            if self.others.get(name):
                self.subscribers[name] = self.others[name].pop(0)

    def _deliver(self, effect: Effect, _now: float) -> None:
        if type(effect) is NotifyNext:
            link = self.subscribers.get(effect.thing_name)
            if link is not None:
                link.listener.notified(effect)
            if self.others:
                for other in self.others.get(effect.thing_name, ()):
                    other.listener.notified(effect)
        elif self.readers and type(effect) is Notify:
            for reader in self.readers.get(effect.thing_name, ()):
                reader(effect)

    def _disconnect(self, names: Container[str]) -> int:
        """Every link of these things is lost, in the order in which they came."""
        found = [link for name, link in self.subscribers.items() if name in names]
        found += [link for name, links in self.others.items() if name in names for link in links]
        for link in found:
            link.lost()
        return len(found)


class MemoryLink:
    """One agent's link to a host."""

    __slots__ = (
        "_broker", "_cut", "_name", "_reader", "_waiting", "connected", "fault",
        "listener",
    )  # fmt: skip

    def __init__(
        self, broker: MemoryBroker, name: str, listener: Listener, reader: Reader | None = None
    ) -> None:
        """``reader`` is told of the thing's pending list."""
        self.listener = listener
        self._broker = broker
        self._name = name
        self._reader = reader
        self._waiting: asyncio.Future[DataReply] | None = None
        """For a reply that does not come."""
        self.connected = self._cut = False
        self.fault = 0

    async def connect(self) -> None:
        """Subscribe to the thing's notices."""
        self._broker.subscribe(self._name, self, self._reader)
        self.connected, self._cut = True, False

    @property
    def prompt(self) -> Prompt | None:
        """Itself, unless requests may be befallen at the service."""
        return self if self._broker.host.stage is None else None

    def after(self, seconds: float) -> float | None:
        """As ``Prompt`` says."""
        return seconds

    def ask(self, job_id: str | None, request: DataRequest) -> DataReply:
        """As ``Prompt`` says."""
        if self._cut:
            raise Disconnected("the connection was lost")
        return self._broker.host.exchange(self._name, job_id, request)

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask the host; raises Rejection."""
        if after:
            await self._broker.sleep(after)
        if self._cut:
            raise Disconnected("the connection was lost")
        host = self._broker.host
        if host.stage is not None:
            return await self._call_on_stage(host.stage, job_id, request)
        return host.exchange(self._name, job_id, request)

    def close(self) -> None:
        """Hear no more."""
        if self.connected:
            self._broker.leave(self._name, self, self._reader)
            self.connected = False

    def lost(self) -> None:
        """The service ends the connection."""
        self.close()
        self._cut = True
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_exception(Disconnected("the connection was lost"))
        self.listener.disconnected()

    # ----------------------------------------------------------------------- incidents

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
            return await self._wait(applied=fault == "lose-reply")
        if reply is None:
            assert refused is not None  # one of both there is
            raise refused
        return reply

    async def _wait(self, *, applied: bool) -> DataReply:
        """Wait in vain; raises NoReply, or Disconnected where the connection ends meanwhile."""
        loop, seconds = asyncio.get_running_loop(), self._broker.reply_timeout
        silence = NoReply(f"no reply within {seconds:g} s")
        silence.applied = applied
        waiting: asyncio.Future[DataReply] = loop.create_future()
        self._waiting = waiting
        timer = loop.call_later(seconds, _give_up, waiting, silence)
        try:
            return await waiting
        finally:
            timer.cancel()
            self._waiting = None


def _give_up(waiting: asyncio.Future[DataReply], why: NoReply) -> None:
    if not waiting.done():
        waiting.set_exception(why)
