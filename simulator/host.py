"""The one owner of a Jobs service on an event loop: it keeps its time and carries its effects.

Rule 1: the service's ``now`` is scenario time: loop seconds since the start, times ``time_scale``.
        So timers and the rollout minute are scaled, and nothing on the network is.
Rule 2: whoever calls the service calls ``publish`` after it has written the reply: accepted comes
        before notify, notify before notify-next.
Rule 3: long work is sliced: after ``SLICE`` steps of a rollout or a cancel the loop gets its turn.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from simulator.jobs import JobsService
from simulator.jobs.messages import DataReply, DataRequest, Effect

log = logging.getLogger(__name__)

SLICE: Final = 500
"""Steps of ``service.expire`` between two turns of the loop (about 5 ms)."""

Listener = Callable[[Effect, float], None]


class Host:
    """A service, the loop's time, and those who listen to its effects."""

    def __init__(
        self, service: JobsService, loop: asyncio.AbstractEventLoop, time_scale: float = 1.0
    ) -> None:
        self.service = service
        self.time_scale = time_scale
        self.listeners: list[Listener] = []
        self.effects_told = 0
        self._loop = loop
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
        service = self.service
        if service.effects:
            effects, service.effects = service.effects, []
            self.effects_told += len(effects)
            now = self.now()
            for effect in effects:
                for listener in self.listeners:
                    listener(effect, now)
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

    def _arm(self) -> None:
        """Have ``_expire`` called at the service's next deadline, if not sooner already."""
        deadline = self.service.next_deadline()
        if deadline is None or (self._armed is not None and self._armed <= deadline):
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
        self.service.expire(max(self.now(), armed or 0.0), SLICE)
        self.publish()
