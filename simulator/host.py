"""The one owner of a Jobs service on an event loop: it keeps its time and carries its effects.

Rule 1: the service's ``now`` is scenario time: loop seconds since the start, times ``time_scale``.
        So timers and the rollout minute are scaled, and nothing on the network is.
Rule 2: whoever calls the service calls ``publish`` after it has written the reply: accepted comes
        before notify, notify before notify-next.
Rule 3: long work (a rollout, a cancel, timers that fire together) is done in turns, and between two
        turns the loop serves everybody else. Virtual time does not move while something is worked
        on, so there a turn is a count, ``VIRTUAL_TURN`` steps. Where a ``stopwatch`` is given, a
        turn is ``TURN_S`` seconds of it, looked at after every ``STEPS`` steps: what a step costs
        depends on who listens, and on the machine.
Rule 4: effects leave in the order in which they came about, whatever the turns: they are told
        after every batch of steps, and that too is the turn's time.
Rule 5: what befalls requests on their way, and who watches them, is a ``Stage``. A door that has
        one asks it before each data plane request, does to the request what it says, and tells it
        what came of it. Without one nobody is asked: that costs a door one look.
"""

import asyncio
import logging
from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, get_args

from simulator.jobs import JobsService
from simulator.jobs.messages import DataReply, DataRequest, Effect, UpdateJobExecutionRequest

if TYPE_CHECKING:
    from simulator.jobs.rest import Request, Response, Rest

log = logging.getLogger(__name__)

VIRTUAL_TURN: Final = 500
"""Steps of ``service.expire`` between two turns of a virtual loop."""

STEPS: Final = 16
"""Steps between two looks at the stopwatch: a fraction of a millisecond's work."""

NEVER: Final = float("inf")
TURN_S: Final = 0.002
"""Seconds of work after which a real loop gets its turn."""

Listener = Callable[[Effect, float], None]

Fault = Literal["outage", "throttle", "lose-request", "lose-reply", "duplicate-reply"]
"""What befalls a request at the service's side. ``outage`` and ``lose-request``: the service never
sees it. ``throttle``: it is answered RequestThrottled. ``lose-reply``: it is done, and not
answered. ``duplicate-reply``: it is answered twice."""


class Exchange(NamedTuple):
    """One data plane request as a door saw it, for whoever watches."""

    thing_name: str
    job_id: str | None
    operation: str
    update: UpdateJobExecutionRequest | None
    """The request where it is an update, was read and came in."""
    outcome: str
    """``accepted``, the code of the rejection, or nothing where the request was lost."""
    fault: Fault | None

    @property
    def answered(self) -> bool:
        """Whether the client was sent the outcome."""
        return self.fault not in ("outage", "lose-request", "lose-reply")


class Stage(Protocol):
    """Decides what befalls requests, and watches them."""

    counts: dict[str, int]
    """By name: how often each incident did something to somebody."""

    def befall(self, thing_name: str, *, twice: bool = True) -> Fault | None:
        """What befalls the thing's next request; asked once for each.

        ``twice`` is whether the door could answer it twice.
        """

    def saw(self, exchange: Exchange) -> None:
        """A request was dealt with."""


OPERATIONS: Final[dict[type[DataRequest], str]] = {
    kind: kind.__name__.removesuffix("Request") for kind in get_args(DataRequest)
}
"""AWS's name of what each request asks."""

THROTTLED: Final = "Rate exceeded"
"""The message of a request that was throttled by an incident."""


class Timer(Protocol):
    """What is set, and can be taken back."""

    def cancel(self) -> object:
        """Let it not come."""


class Timepiece(Protocol):
    """What a host asks of its loop: its time, and to be called at a time. A loop is one."""

    def time(self) -> float:
        """Seconds."""

    def call_soon(self, callback: Callable[[], object], /) -> Timer:
        """Call it in the next turn."""

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call it when ``time`` has come so far."""


Disconnect = Callable[[Container[str]], int]
"""Closes the connections of things with these names, and says how many."""


class Host:
    """A service, the loop's time, and those who listen to its effects."""

    def __init__(
        self,
        service: JobsService,
        loop: Timepiece,
        time_scale: float = 1.0,
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        """``stopwatch`` reads seconds that pass while work is done; None on a virtual loop.

        ``loop`` is the event loop, or another timepiece on it.
        """
        self.service = service
        self.time_scale = time_scale
        self.listeners: list[Listener] = []
        self.stage: Stage | None = None
        self.disconnects: list[Disconnect] = []
        """One per door that has connections."""
        self.connected: list[Callable[[], Iterable[str]]] = []
        """One per such door: the client ids of those that are connected."""
        self.effects_told = 0
        self._loop = loop
        self._stopwatch = stopwatch
        self._start = loop.time()
        self._hinted: dict[str, None] = {}
        self._armed = NEVER
        """When ``_expire`` is called next."""
        self._timer: Timer | None = None

    def now(self) -> float:
        """Seconds of scenario time since the service began."""
        return (self._loop.time() - self._start) * self.time_scale

    def go_on(self, elapsed: float) -> None:
        """It is this scenario time now, and not 0: the service was there before."""
        self._start = self._loop.time() - elapsed / self.time_scale
        self.publish()  # what was due meanwhile is due now

    def handle(
        self, thing_name: str, job_id: str | None, request: DataRequest, now: float | None = None
    ) -> DataReply:
        """Ask the data plane; raises ``Rejection``. ``publish`` must follow.

        ``now`` is what ``now()`` said just before, where the caller knows.
        """
        at = self.now() if now is None else now
        return self.service.handle(thing_name, job_id, request, at)

    def respond(self, rest: "Rest", request: "Request") -> "Response":
        """Answer an HTTP request. ``publish`` must follow."""
        return rest.respond(request, self.now())

    def exchange(self, thing_name: str, job_id: str | None, request: DataRequest) -> DataReply:
        """``handle`` and then ``publish``, for who gets the reply at once."""
        try:
            return self.handle(thing_name, job_id, request)
        finally:
            service = self.service
            if service.effects or not service.nothing_before(self._armed):
                self.publish()

    def publish(self) -> None:
        """Fan out what the service left to be told, and see to its next deadline."""
        service = self.service
        if service.effects:
            self._tell()
        if not service.nothing_before(self._armed):
            self._arm()

    def hint(self, hint: str | None) -> None:
        """Log what a rejection means for whoever runs the service: each hint once, not a flood."""
        if hint is not None and hint not in self._hinted:
            self._hinted[hint] = None
            log.warning("refused: %s", hint)

    async def until(self, now: float) -> None:
        """Wait for an instant of scenario time."""
        await asyncio.sleep(max(0.0, now - self.now()) / self.time_scale)

    def disconnect(self, names: Container[str]) -> int:
        """Close the connections of these things, at every door; how many there were."""
        return sum(disconnect(names) for disconnect in self.disconnects)

    def close(self) -> None:
        """Set no further timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        service = self.service
        effects, service.effects = service.effects, []
        self.effects_told += len(effects)
        now = self.now()
        for effect in effects:
            for listener in self.listeners:
                listener(effect, now)

    def _arm(self) -> None:
        """Have ``_expire`` called at the service's next deadline, if not sooner already."""
        deadline = self.service.next_deadline()
        if deadline is None or self._armed <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = deadline
        when = self._start + deadline / self.time_scale
        if when <= self._loop.time():
            self._timer = self._loop.call_soon(self._expire)
        else:
            self._timer = self._loop.call_at(when, self._expire)

    def _expire(self) -> None:
        armed, self._armed, self._timer = self._armed, NEVER, None
        # Rounding must not let a timer fire a moment before its own deadline.
        now = max(self.now(), armed)
        if self._stopwatch is None:
            self._step(now, VIRTUAL_TURN)
        else:
            self._work(now, self._stopwatch)
        self.publish()

    def _work(self, now: float, stopwatch: Callable[[], float]) -> None:
        """Expire what is due by ``now`` until nothing is, or the turn is over."""
        service, enough = self.service, stopwatch() + TURN_S
        while self._step(now, STEPS) >= STEPS:
            if service.effects:
                self._tell()
            if stopwatch() >= enough:
                break

    def _step(self, now: float, limit: int) -> int:
        """Expire at most ``limit`` steps of what is due; return how many there were."""
        return self.service.expire(now, limit)
