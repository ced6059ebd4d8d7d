"""What things wait for beside their work: their turn to report, and a token of the fleet's budget.

Rule 1: a schedule (``Desk``) does not care how fast anybody answers. An arrival goes to the thing
        that has been free for longest; where none is free it waits for one, and its ``due`` stays
        what it was, so that the response time shows the wait.
Rule 2: a budget (``Budget``) is of requests of all things of this process together. Whoever waits
        for a token has its turn in the order in which it asked.
Rule 3: with workers, each has the part of both that belongs to its things, by their numbers: of
        arrivals every so many, of the budget a share. Things that go over to another worker take
        their part with them.
Rule 4: the generator's own slip is measured here, apart from what is waited on purpose: how late an
        arrival was noticed, and how late a request began to ask for its token.
"""

from asyncio import AbstractEventLoop, CancelledError, Future, TimerHandle
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.behaviour import share_of
from simulator.clock import VirtualLoop

BURST_S: Final = 0.01
"""So many seconds' worth of tokens may be saved up, or one: no second sees a percent more."""

LATE_S: Final = 0.1
"""While somebody waits, no token is lost because a timer is late, up to so many seconds' worth."""

GRAIN_S: Final = 0.0005
"""Half of what a live loop's timer can tell apart: what is due by then is due now."""

_EXACT: Final = 1e-9


class Desk:
    """Hands out the turns of a schedule."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        now: Callable[[], float],
        due: NDArray[np.float64],
        things: int,
    ) -> None:
        """``due`` are all arrivals of the run, in order, on its clock, which ``now`` tells."""
        self._loop = loop
        self._now = now
        self._every = due
        self._things = things
        self._grain = _EXACT if isinstance(loop, VirtualLoop) else GRAIN_S
        self._mine = np.zeros(0, np.int64)
        """Arrivals that are this process's and still to come, by number."""
        self._due: Any = due[:0].data
        """When they are due: items of a memoryview are Python numbers."""
        self._at = 0
        self._free: deque[Future[float]] = deque()
        self._waiting: deque[tuple[float, float]] = deque()
        """Arrivals for which no thing was free: due, and how late that was noticed."""
        self._timer: TimerHandle | None = None
        self._begun = False
        self.taken = 0
        """Arrivals that a thing has taken on."""
        self.slips: list[float] = []
        """Seconds by which arrivals were late of our own; those that were not late are not here."""

    def own(self, things: range, since: float = 0.0) -> None:
        """From now on, these things are here: what is due for them since then is ours."""
        numbers = np.arange(np.searchsorted(self._every, since), len(self._every))
        homes = share_of(numbers, self._things)
        fresh = numbers[(homes >= things.start) & (homes < things.stop)]
        self._mine = np.sort(np.concatenate([self._mine[self._at :], fresh]))
        self._due, self._at = self._every[self._mine].data, 0
        if self._begun:
            self._serve()

    def begin(self) -> None:
        """The run's clock goes."""
        self._begun = True
        self._serve()

    def close(self) -> None:
        """Nothing arrives any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._begun = False

    @property
    def waiting(self) -> int:
        """Arrivals that no thing has taken on yet, though their time has come."""
        return len(self._waiting)

    async def turn(self) -> float:
        """Wait for an arrival and take it on; return when it was due."""
        if self._waiting:
            due, late = self._waiting.popleft()
        else:
            turn: Future[float] = self._loop.create_future()
            self._free.append(turn)
            try:
                due = await turn
            except CancelledError:
                if turn.done() and not turn.cancelled():  # it goes to somebody else
                    self._waiting.appendleft((turn.result(), 0.0))
                    self._serve()
                raise
            late = self._now() - due
        self.taken += 1
        if late > 0:
            self.slips.append(late)
        return due

    def _serve(self) -> None:
        """Hand out what is due, and wake up for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now, due, at, count = self._now(), self._due, self._at, len(self._due)
        free, waiting = self._free, self._waiting
        while waiting and free:
            turn = free.popleft()
            if not turn.done():
                turn.set_result(waiting.popleft()[0])
        soon = now + self._grain
        while at < count and due[at] <= soon:
            # A timer that is early by less than it can tell moves the arrival by as much.
            arrival = min(due[at], now)
            at += 1
            while free and free[0].done():
                free.popleft()
            if free:
                free.popleft().set_result(arrival)
            else:
                waiting.append((arrival, now - arrival))
        self._at = at
        if at < count:
            self._timer = self._loop.call_later(due[at] - now, self._serve)


class Budget:
    """A token bucket for the requests of all things of this process."""

    def __init__(self, loop: AbstractEventLoop, now: Callable[[], float], per_s: float) -> None:
        self._loop = loop
        self._now = now
        self._whole = self._per_s = per_s
        self._left = self._most
        self._at = now()
        self._queue: deque[Future[None]] = deque()
        self._timer: TimerHandle | None = None

    @property
    def _most(self) -> float:
        return max(1.0, self._per_s * BURST_S)

    def share(self, part: float) -> None:
        """This process has so large a part of the whole budget, from 0 to 1."""
        self._fill()
        self._per_s = self._whole * part
        self._serve()

    async def take(self) -> float:
        """Wait for a token; return for how long, in seconds."""
        if not self._queue:
            self._fill()
            if self._left >= 1:
                self._left -= 1
                return 0.0
        since = self._now()
        token: Future[None] = self._loop.create_future()
        self._queue.append(token)
        if self._timer is None:
            self._serve()
        try:
            await token
        except CancelledError:
            if token.done() and not token.cancelled():
                self._left += 1
                self._serve()
            raise
        return self._now() - since

    def close(self) -> None:
        """Nobody asks any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _fill(self) -> None:
        now = self._now()
        passed = max(0.0, now - self._at)  # the run's clock may begin only now
        most = max(self._most, self._per_s * LATE_S) if self._queue else self._most
        self._left = min(most, self._left + passed * self._per_s)
        self._at = now

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._fill()
        queue = self._queue
        while queue and self._left >= 1 - _EXACT:
            token = queue.popleft()
            if not token.done():
                token.set_result(None)
                self._left -= 1
        if queue and self._per_s > 0:
            wait = max(_EXACT, (1 - self._left) / self._per_s)
            self._timer = self._loop.call_later(wait, self._serve)
