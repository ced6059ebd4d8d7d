"""One live run: the fleet on an event loop in a thread of its own, driven from Locust's greenlets.

Rule 1: the loop's thread is a native one: Locust has patched ``threading``, and asyncio on
        gevent's selector is seven times slower.
Rule 2: between the two sides pass only plain values: callables into the loop, records out of it.
        No lock is shared: a greenlet must never wait where only a native thread can wake it.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

import uvloop

from simulator.errors import JobfleetError, TargetError, UsageError
from simulator.fleet import Fates, Fleet
from simulator.jobs.wire import Wire
from simulator.results import Recorder
from simulator.run import Resolved
from simulator.thing import Thing
from simulator.transports.aiomqtt import AiomqttLink, AiomqttNetwork
from simulator.transports.mqtt import MqttLink, MqttNetwork
from simulator.transports.weather import Weather
from simulator.world import Link, Listener, World

T = TypeVar("T")
TransportName = Literal["mqtt", "aiomqtt"]
StartThread = Callable[[Callable[[], None], tuple[()]], int]


class _PlainLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, without threads.

    aiomqtt connects in an executor's thread. Under gevent that would be a greenlet of this same
    thread: it buys nothing, and the interpreter waits for it forever when it ends.
    """

    def run_in_executor(  # type: ignore[override]
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
        self._make = uvloop.new_event_loop if transport == "mqtt" else _PlainLoop
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
        return result  # type: ignore[return-value]

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
        address: tuple[str, int],
        transport: TransportName,
    ) -> None:
        """Build it; the open files for it are the caller's to see to (``open_files.py``)."""
        self.recorder = Recorder()
        self._resolved = resolved
        self._thread = thread
        self._address = address
        self._transport: TransportName = transport
        self._fleet: Fleet
        self._world: World
        self._weather: Weather
        self._network: MqttNetwork | AiomqttNetwork
        self._start = 0.0
        thread.wait(self._build(), within=30)

    def begin(self, elapsed: float = 0.0) -> None:
        """Let the run's clock start now, or say that so many seconds are over already."""
        self._start = time.perf_counter() - elapsed
        self._thread.post(self._weather.begin)

    def start(self, index: int) -> None:
        """Bring a thing to life."""
        self._thread.post(self._fleet.start, index)

    def now(self) -> float:
        """Wall seconds since the run began."""
        return time.perf_counter() - self._start

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
        wire = Wire(scenario.epoch_s)
        kind = MqttNetwork if self._transport == "mqtt" else AiomqttNetwork
        self._network = network = kind(*self._address, wire, world.network.reply_timeout)

        self._weather = weather = resolved.weather(world)

        def make_link(index: int, name: str, thing: Thing) -> Link:
            def real(listener: Listener) -> Link:
                if isinstance(network, MqttNetwork):
                    return MqttLink(network, name, listener, thing.ways)
                return AiomqttLink(network, name, listener, thing.ways)

            return weather.around(index, thing, real, second=thing.second)

        self._fleet = Fleet(world.work.names(), world, make_link)

    async def _stop(self) -> Fates:
        fates = self._fleet.fates()
        self._weather.close()
        self._fleet.stop()
        await self._network.close()
        return fates


def check_target(
    target: str | None, control: str | None, time_scale: float
) -> tuple[tuple[str, int], tuple[str, int]] | None:
    """MQTT and HTTP address of a foreign target; None where the service is to be embedded.

    Raises:
        UsageError: half of it is missing, or its timers would have to be scaled.
    """
    if target is None:
        if control is not None:
            raise UsageError("--control needs --target mqtt://HOST:PORT, too")
        return None
    if time_scale != 1:
        raise UsageError(
            f"load.time_scale is {time_scale:g}: the timers of a target that is not embedded "
            "run in real time; set it to 1, or leave out --target"
        )
    if control is None:
        raise UsageError("--target needs --control http://HOST:PORT to create the job at")
    return parse_target(target), parse_target(control)


def parse_target(text: str) -> tuple[str, int]:
    """Host and port of ``mqtt://HOST:PORT`` or ``http://HOST:PORT``.

    Raises:
        UsageError: it is no such address.
    """
    scheme, _, rest = text.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme not in ("mqtt", "http") or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text!r} is no target; write mqtt://HOST:PORT and http://HOST:PORT")
    return host, int(port)


def unreachable(address: tuple[str, int]) -> TargetError:
    """No thing could connect."""
    host, port = address
    return TargetError(f"no thing could connect to mqtt://{host}:{port}")
