"""One live run: the fleet on an event loop in a thread of its own, driven from Locust's greenlets.

Rule 1: the loop's thread is a native one: Locust has patched ``threading``, and asyncio on
        gevent's selector is seven times slower.
Rule 2: between the two sides pass only plain values: callables into the loop, records out of it.
        No lock is shared: a greenlet must never wait where only a native thread can wake it.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from simulator import results
from simulator.errors import JobfleetError, TargetError
from simulator.fleet import Fates, Fleet
from simulator.generator import LoopLag
from simulator.jobs.wire import Wire
from simulator.live_errand import LiveErrand
from simulator.results import Recorder, pack
from simulator.run import Resolved
from simulator.targets import Target, TransportName
from simulator.thing import Thing
from simulator.transports.aiomqtt import AiomqttLink, AiomqttNetwork
from simulator.transports.http import HttpLink, HttpNetwork, Looked
from simulator.transports.mqtt import MqttLink, MqttNetwork
from simulator.transports.paced import Pace
from simulator.transports.weather import Weather
from simulator.world import Link, Listener, World

T = TypeVar("T")
StartThread = Callable[[Callable[[], None], tuple[()]], int]


class _PlainLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, without threads.

    aiomqtt connects in an executor's thread. Under gevent that would be a greenlet of this same
    thread: it buys nothing, and the interpreter waits for it forever when it ends.
    """

    def run_in_executor(  # type: ignore[override]  # no awaitable
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call ``func`` here and now."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class LoopThread:
    """An event loop in a native thread."""

    def __init__(
        self,
        start_thread: StartThread,
        pause: Callable[[float], object],
        transport: TransportName,
    ) -> None:
        """Start it; ``pause`` lets the caller's other greenlets run meanwhile."""
        self._pause = pause
        self.loop: asyncio.AbstractEventLoop
        self.failures: list[BaseException] = []
        self.ended = False
        # aiomqtt hangs at connect on uvloop in such a thread, and connects on a plain loop. A
        # loop is made in its thread: gevent's selector, which that plain loop gets, belongs to
        # the thread in which it was made.
        self._make = uvloop.new_event_loop if transport != "aiomqtt" else _PlainLoop
        self._running = False
        start_thread(self._run, ())
        while not self._running:
            pause(0.005)

    def post(self, callback: Callable[..., object], *args: object) -> None:
        """Have something called in the loop, without waiting.

        Raises:
            JobfleetError: the loop has ended.
        """
        try:
            self.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            raise JobfleetError("the fleet's loop has ended") from None

    def wait(self, work: Coroutine[Any, Any, T], within: float) -> T:
        """Run a coroutine in the loop and wait for its result.

        Raises:
            JobfleetError: it was not done in time; or whatever it raised.
        """
        box: list[tuple[T | None, BaseException | None]] = []

        async def boxed() -> None:
            try:
                box.append((await work, None))
            except BaseException as error:
                box.append((None, error))

        coroutine = boxed()
        try:
            self.post(lambda: self.loop.create_task(coroutine))
        except JobfleetError:
            coroutine.close()
            work.close()
            raise
        deadline = time.perf_counter() + within
        while not box:
            if time.perf_counter() > deadline:
                raise JobfleetError(f"the fleet's loop did not answer within {within:g} s")
            self._pause(0.005)
        result, error = box[0]
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # it is a T

    def stop(self) -> None:
        """End the loop and wait until its thread is done."""
        if not self.ended:
            self.post(self.loop.stop)
        while not self.ended:
            self._pause(0.005)

    def _run(self) -> None:
        self.loop = self._make()
        self.loop.set_exception_handler(self._failed)
        self.loop.call_soon(setattr, self, "_running", True)
        try:
            self.loop.run_forever()
        except BaseException as error:  # whatever it was: the run must hear of it
            self.failures.append(error)
        finally:
            self.loop.close()
            self.ended = True

    def _failed(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(
            error if isinstance(error, BaseException) else RuntimeError(str(context["message"]))
        )


class LiveFleet:
    """The things of a live run over real connections."""

    def __init__(
        self,
        resolved: Resolved,
        thread: LoopThread,
        target: Target,
        transport: TransportName,
    ) -> None:
        """Build it; the open files for it are the caller's to see to (``open_files.py``)."""
        self.recorder = Recorder()
        self._resolved = resolved
        self._thread = thread
        self._target = target
        self._transport: TransportName = transport
        self._fleet: Fleet
        self._world: World
        self._weather: Weather
        self._network: MqttNetwork | AiomqttNetwork | HttpNetwork
        self._pace: Pace | None
        self._lag: LoopLag
        self._owned = 0
        self._start = 0.0
        thread.wait(self._build(), within=30)

    def begin(self, elapsed: float = 0.0) -> None:
        """Let the run's clock start now, or say that so many seconds are over already."""
        self._start = time.perf_counter() - elapsed
        self._thread.post(self._weather.begin)
        if self._world.desk is not None:
            self._thread.post(self._world.desk.begin)

    def own(self, things: range, since: float = 0.0) -> None:
        """These things are this process's from now on, with what was due for them since then."""
        self._thread.post(self._own, things, since)

    def _own(self, things: range, since: float) -> None:
        self._owned += len(things)
        if self._pace is not None:
            self._pace.budget.share(self._owned / len(self.names))
        if self._world.desk is not None:
            self._world.desk.own(things, since)

    def start(self, index: int) -> None:
        """Bring a thing to life."""
        self._thread.post(self._fleet.start, index)

    def now(self) -> float:
        """Wall seconds since the run began."""
        return time.perf_counter() - self._start

    @property
    def slips(self) -> list[float] | None:
        """Where pacing puts the slips that it measures; None: nothing is paced."""
        desk, pace = self._world.desk, self._pace
        return desk.slips if desk is not None else None if pace is None else pace.slips

    @property
    def turns(self) -> int:
        """How many updates of the schedule its things have taken on."""
        return 0 if self._world.desk is None else self._world.desk.taken

    def lag(self) -> float:
        """The largest lag of the loop, in seconds, since this was last asked."""
        return self._lag.take()

    @property
    def names(self) -> list[str]:
        """The things' names."""
        return self._fleet.names

    @property
    def connected(self) -> int:
        """How many things have a connection."""
        return sum(thing.link.connected for thing in list(self._fleet.things.values()))

    @property
    def active(self) -> int:
        """How many things are doing something."""
        return sum(thing.active for thing in list(self._fleet.things.values()))

    def settle(self, within: float) -> None:
        """Let things finish what they are at, at most so many seconds."""
        self._thread.wait(self._fleet.settle(within, poll=0.05), within + 10)

    def stop(self) -> Fates:
        """End every thing, and say what became of them."""
        return self._thread.wait(self._stop(), within=60)

    async def _build(self) -> None:
        resolved, loop = self._resolved, asyncio.get_running_loop()
        scenario = resolved.scenario
        clock = time.perf_counter
        self._world = world = resolved.world(
            loop, lambda: clock() - self._start, self.recorder, scenario.load.time_scale
        )
        wire, timeout, target = Wire(scenario.epoch_s), world.network.reply_timeout, self._target
        target.check(world.work.names())
        network: MqttNetwork | AiomqttNetwork | HttpNetwork
        if self._transport == "http":
            network = HttpNetwork(target, wire, timeout)
        else:
            kind = MqttNetwork if self._transport == "mqtt" else AiomqttNetwork
            network = kind(*target.address, wire, timeout, target=target)
        if isinstance(network, MqttNetwork):
            world.spawn = lambda life: LiveErrand(life, loop)
        self._network = network
        self._weather = weather = resolved.weather(world)
        self._lag = LoopLag(loop)
        self._pace = pace = resolved.pace(world)
        if pace is not None:
            pace.budget.share(0.0)  # until it has things
            if isinstance(network, HttpNetwork):
                network.pace = pace.budget.take

        def make_link(index: int, name: str, thing: Thing) -> Link:
            def real(listener: Listener) -> Link:
                if isinstance(network, MqttNetwork):
                    return MqttLink(network, name, listener, thing.ways)
                if isinstance(network, HttpNetwork):
                    return HttpLink(network, name, listener, thing.ways, self._looked(index))
                return AiomqttLink(network, name, listener, thing.ways)

            link = weather.around(index, thing, real, second=thing.second)
            return link if pace is None else pace.around(link, world.sleep)

        self._fleet = Fleet(world.work.names(), world, make_link)

    def _looked(self, index: int) -> Looked:
        """Record a link's own look for what is next."""
        world = self._world

        def look(outcome: int, sent: float, done: float) -> None:
            now = world.now()
            at = now - (done - sent)
            world.recorder.add(pack(index, results.DESCRIBE, outcome, 0, 0, 0, 0, 0, at, at, now))

        return look

    @property
    def refusal(self) -> str:
        """Why the last connection did not come about."""
        return self._network.refusal

    @property
    def oddities(self) -> dict[str, int]:
        """What came that no thing could use, and how often."""
        network = self._network
        found = {
            "replies that cannot be read": network.unreadable,
            "replies that nobody waited for": network.strays,
        }
        return {what: count for what, count in found.items() if count}

    async def _stop(self) -> Fates:
        fates = self._fleet.fates()
        self._lag.close()
        self._weather.close()
        if self._world.desk is not None:
            self._world.desk.close()
        if self._pace is not None:
            self._pace.budget.close()
        self._fleet.stop()
        await self._network.close()
        return fates


def unreachable(target: Target, why: str = "") -> TargetError:
    """No thing could connect."""
    return TargetError(f"no thing could connect to {target}{f': {why}' if why else ''}")
