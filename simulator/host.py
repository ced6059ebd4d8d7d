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
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from simulator.jobs import JobsService
from simulator.jobs.messages import DataReply, DataRequest, Effect

log = logging.getLogger(__name__)

VIRTUAL_TURN: Final = 500
"""Steps of ``service.expire`` between two turns of a virtual loop."""

STEPS: Final = 16
"""Steps between two looks at the stopwatch: a fraction of a millisecond's work."""

TURN_S: Final = 0.002
"""Seconds of work after which a real loop gets its turn."""

Listener = Callable[[Effect, float], None]


class Host:
    """A service, the loop's time, and those who listen to its effects."""

    def __init__(
        self,
        service: JobsService,
        loop: asyncio.AbstractEventLoop,
        time_scale: float = 1.0,
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        """``stopwatch`` reads seconds that pass while work is done; None on a virtual loop."""
        self.service = service
        self.time_scale = time_scale
        self.listeners: list[Listener] = []
        self.effects_told = 0
        self._loop = loop
        self._stopwatch = stopwatch
        self._start = loop.time()
        self._hinted: dict[str, None] = {}
        self._armed: float | None = None
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    def now(self) -> float:
        """Seconds of scenario time since the host was made."""
        return (self._loop.time() - self._start) * self.time_scale

    def handle(self, thing_name: str, job_id: str | None, request: DataRequest) -> DataReply:
        """Ask the data plane; raises ``Rejection``. ``publish`` must follow."""
        return self.service.handle(thing_name, job_id, request, self.now())

    def publish(self) -> None:
        """Fan out what the service left to be told, and see to its next deadline."""
        service, armed = self.service, self._armed
        if service.effects:
            self._tell()
            armed = self._armed
        if armed is None or not service.nothing_before(armed):
            self._arm()

    def hint(self, hint: str | None) -> None:
        """Log what a rejection means for whoever runs the service: each hint once, not a flood."""
        if hint is not None and hint not in self._hinted:
            self._hinted[hint] = None
            log.warning("refused: %s", hint)

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
        armed, deadline = self._armed, self.service.next_deadline()
        if deadline is None or (armed is not None and armed <= deadline):
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
        armed, self._armed, self._timer = self._armed, None, None
        # Rounding must not let a timer fire a moment before its own deadline.
        now = max(self.now(), armed or 0.0)
        if self._stopwatch is None:
            self.service.expire(now, VIRTUAL_TURN)
        else:
            self._work(now, self._stopwatch)
        self.publish()

    def _work(self, now: float, stopwatch: Callable[[], float]) -> None:
        """Expire what is due by ``now`` until nothing is, or the turn is over."""
        service, enough = self.service, stopwatch() + TURN_S
        while service.expire(now, STEPS) >= STEPS:
            if service.effects:
                self._tell()
            if stopwatch() >= enough:
                break
