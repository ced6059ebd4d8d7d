"""A reply that one task waits for, and that takes it on at once.

asyncio's own future asks the loop to wake the task in its next round: one more callback per reply,
and until then the thing cannot say what its acknowledgement could travel with. This one speaks the
protocol by which tasks wait for futures, and wakes the task, or the errand, within ``answer``.

Rule 1: ``answer`` is called by the loop itself (a protocol's ``data_received``), never by a task:
        two tasks cannot run at once.
Rule 2: every other end (silence, a lost connection, a cancellation) wakes the task in the loop's
        next round, as a future would: whoever brings it about may be a task, and goes on first.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from simulator.errors import Disconnected, NoReply, Rejection
from simulator.jobs.messages import DataReply


class Awaited:
    """One reply under way; to be awaited by one task, right after it was made."""

    __slots__ = ("_asyncio_future_blocking", "_loop", "_outcome", "deadline", "wake")

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        """``deadline`` is the loop's time after which nobody waits any more; others look at it."""
        self.deadline = deadline
        self._loop = loop  # by this name a task looks for it, too
        self.wake: Callable[[Any], object] | None = None
        """Wakes the task; None before it waits, and once it was told."""
        self._outcome: DataReply | BaseException

    def answer(self, outcome: DataReply | Rejection) -> None:
        """The service has answered: the task goes on, here and now."""
        wake = self.wake
        if wake is not None:
            self.wake, self._outcome = None, outcome
            wake(self)

    def fail(self, error: Disconnected | NoReply | asyncio.CancelledError) -> bool:
        """There will be no answer; whether anybody was waiting for it."""
        wake, self.wake = self.wake, None
        if wake is None:
            return False
        self._outcome = error
        self._loop.call_soon(wake, self)
        return True

    # ----------------------------------------------------------------------- for the task

    def __await__(self) -> Generator["Awaited", None, DataReply]:
        """Wait for the reply; raise what there is in its place."""
        self._asyncio_future_blocking = True
        yield self
        outcome = self._outcome
        if isinstance(outcome, BaseException):
            try:
                raise outcome
            finally:  # it knows this frame, and the frame would know it
                del self._outcome, outcome
        return outcome

    def add_done_callback(self, wake: Callable[[Any], object], *, context: object = None) -> None:
        """Learn how to wake the task."""
        self.wake = wake

    def result(self) -> None:
        """Asked by the task before it goes on; it learns the outcome where it waits."""

    def cancel(self, msg: object = None) -> bool:
        """Whoever waits is to do so no more."""
        return self.fail(asyncio.CancelledError())
