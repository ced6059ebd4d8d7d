"""A coroutine that a virtual loop drives itself: a task without what no thing needs.

Rule 1: an errand waits for a number of seconds, for a future, or for its next turn, and for nothing
        else. It has no name, no context and no result, and is not asyncio's ``current_task``.
Rule 2: what it raises ends the run; its end, like a task's, is told to callbacks in a turn of its
        own.
Rule 3: nobody cancels the errand that is running.
"""

from asyncio import CancelledError, Future
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from types import coroutine
from typing import Any


@coroutine
def nap(seconds: float) -> Generator[float | None, None, None]:
    """Sleep, within an errand; for who may be anything else there is ``VirtualLoop.sleep``."""
    yield seconds + 0.0 if seconds > 0 else None


class Errand:
    """One coroutine under way."""

    __slots__ = (
        "_callbacks",
        "_cancelled",
        "_coroutine",
        "_done",
        "_future",
        "_ready",
        "due",
        "send",
    )

    def __init__(self, coroutine: Coroutine[Any, Any, None], ready: "deque[Any]") -> None:
        """``ready`` is the loop's queue of what has its turn next."""
        self.send: Callable[[None], object] = coroutine.send
        """Let it go on until it waits; raise what it raises, and StopIteration at its end."""
        self.due: float | None = None
        """When its sleep ends, while it sleeps: an entry of another time is out of date."""
        self._coroutine = coroutine
        self._ready = ready
        self._future: Future[Any] | None = None
        self._callbacks: list[Callable[[Errand], object]] = []
        self._done = self._cancelled = False
        ready.append(self)

    @property
    def what(self) -> str:
        """Its coroutine's name."""
        return getattr(self._coroutine, "__qualname__", "a coroutine")

    @property
    def waiting(self) -> bool:
        """Whether it sleeps or waits for a future, instead of for its turn."""
        return self.due is not None or self._future is not None

    def wait_for(self, future: Any) -> None:
        """Wait for the future that the coroutine awaits, or, given None, for its next turn."""
        if future is None:
            self._ready.append(self)
            return
        future._asyncio_future_blocking = False  # so much for "was it awaited?"
        self._future = future
        future.add_done_callback(self._resume)

    def _resume(self, _future: object) -> None:
        self._future = None
        self._ready.append(self)

    def cancel(self) -> None:
        """Raise CancelledError in it when it has its turn; one that is done is left alone."""
        if self._done:
            return
        if self._future is not None and self._future.cancel():
            return  # which wakes it; one that is done already wakes it as well
        self.send = self._throw
        if self.due is not None:
            self.due = None
            self._ready.append(self)

    def _throw(self, _value: None) -> object:
        self.send = self._coroutine.send
        return self._coroutine.throw(CancelledError())

    def finish(self, end: BaseException) -> list[Callable[["Errand"], object]]:
        """It is done; return who wants to be told."""
        self._done = True
        self._cancelled = isinstance(end, CancelledError)  # kept itself, it would tie a knot
        return self._callbacks

    def close(self) -> None:
        """Drop it where it is."""
        self._coroutine.close()

    # ----------------------------------------------------------------------- as of a task

    def add_done_callback(self, callback: Callable[["Errand"], object]) -> None:
        """Have ``callback`` told of the end."""
        self._callbacks.append(callback)

    def done(self) -> bool:
        """Whether it came to its end."""
        return self._done

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled

    def result(self) -> None:
        """Nothing: what it raised has ended the run already."""


def counted(errands: Iterable[Errand]) -> list[str]:
    """How many errands there are of each kind: they have no names."""
    by_kind = Counter(errand.what for errand in errands)
    return [f"{count:,} times {what}" for what, count in sorted(by_kind.items())]
