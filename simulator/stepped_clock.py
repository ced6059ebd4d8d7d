"""Time that stands still until somebody moves it, for what lives on a real loop.

A service on it answers real sockets, and its week passes in milliseconds: ``advance`` goes from one
timer to the next, each at its own instant, and lets the loop serve everybody in between.

Rule 1: only what asks this clock is moved. The loop's own timers, and with them keep-alives and
        whatever else belongs to the network, stay with the wall clock.
Rule 2: what is due at one instant comes in the order in which it was set.
Rule 3: ``advance`` is over when nothing that it set off has anything left to do at that instant.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Final

from simulator.errors import UsageError

TURNS: Final = 6
"""Turns of the loop after which an instant in which nothing more came up is taken to be over: more
than any chain of tasks that wake each other takes."""


class Due:
    """Something that is to be called, unless it is cancelled."""

    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Let it not come."""
        self.cancelled = True


class SteppedClock:
    """A timepiece for a host, and sleep for things (``World.sleep``)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """It starts at 0."""
        self._loop = loop
        self._now = 0.0
        self._timers: list[tuple[float, int, Due]] = []
        self._sequence = count()
        self._waking = False
        self._called = 0
        self._moving = False

    def time(self) -> float:
        """Seconds that were advanced so far."""
        return self._now

    def call_soon(self, callback: Callable[[], object], /) -> Due:
        """Call it in the loop's next turn, without any time passing."""
        return self.call_at(self._now, callback)

    def call_at(self, when: float, callback: Callable[[], object], /) -> Due:
        """Call it once time has been moved so far."""
        due = Due(callback)
        heappush(self._timers, (when, next(self._sequence), due))
        if when <= self._now:
            self._wake()
        return due

    async def sleep(self, seconds: float) -> None:
        """Wait until so many seconds were advanced."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        over: asyncio.Future[None] = self._loop.create_future()
        due = self.call_at(self._now + seconds, partial(_end, over))
        try:
            await over
        finally:
            due.cancel()

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass.

        Raises:
            UsageError: it is being advanced already: time has one master.
        """
        if self._moving:
            raise UsageError("time is being advanced already, by somebody else")
        self._moving = True
        try:
            until = round(self._now + seconds, 6)
            await self.settle()
            while (when := self._next()) is not None and when <= until:
                self._now = max(self._now, when)
                self._wake()
                await self.settle()
            self._now = until
        finally:
            self._moving = False

    async def settle(self) -> None:
        """Let everybody do what there is to do now."""
        called = -1
        while self._waking or called != self._called:
            called = self._called
            for _ in range(TURNS):
                await asyncio.sleep(0)

    def _next(self) -> float | None:
        """When the next timer is due."""
        timers = self._timers
        while timers and timers[0][2].cancelled:
            heappop(timers)
        return timers[0][0] if timers else None

    def _wake(self) -> None:
        if not self._waking:
            self._waking = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Call what is due now; what that makes due is for the next turn, so that others have one.

        A callback that raises is the loop's to tell, as with any callback, and the others still
        come.
        """
        self._waking = False
        timers, due = self._timers, []
        while timers and timers[0][0] <= self._now:
            due.append(heappop(timers)[2])
        try:
            while due:
                one = due.pop(0)
                if not one.cancelled:
                    self._called += 1
                    one.callback()
        finally:
            for left in due:
                heappush(timers, (self._now, next(self._sequence), left))
            if timers and timers[0][0] <= self._now:
                self._wake()


def _end(sleep: asyncio.Future[None]) -> None:
    if not sleep.done():
        sleep.set_result(None)
