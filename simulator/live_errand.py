"""A coroutine that the callbacks of a real loop drive: a task without what no thing needs.

Rule 1: it waits for a reply (``Awaited``), for a future, or for its next turn. It has no name, no
        context and no result, and is not asyncio's ``current_task``: what asks for that, such as
        ``asyncio.timeout``, is awaited as a task of its own.
Rule 2: it is cancelled as a task is: where it waits, or where it waits next.
Rule 3: what it raises is told to the loop's exception handler.
"""

import asyncio
from asyncio import CancelledError
from collections.abc import Coroutine
from typing import Any

from simulator.awaited import Awaited


class LiveErrand:
    """One coroutine under way."""

    __slots__ = ("_cancel", "_coroutine", "_loop", "_waits")

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
    ) -> None:
        """It begins in the loop's next turn."""
        self._coroutine = coroutine
        self._loop = loop
        self._waits: Any = None
        """What it waits for, or has waited for last."""
        self._cancel = False
        """Whether it is to be cancelled as soon as it waits."""
        loop.call_soon(self.go_on)

    def go_on(self, _done: object = None) -> None:
        """Let it run until it waits again; what it waited for is done, and has the outcome."""
        try:
            if self._cancel:
                self._cancel = False
                if isinstance(_done, asyncio.Future) and not _done.cancelled():
                    _done.exception()  # else it is told that nobody asked
                waits: Any = self._coroutine.throw(CancelledError())
            else:
                waits = self._coroutine.send(None)
        except (StopIteration, CancelledError):
            self._waits = None
        except Exception as error:
            self._waits = None
            context = {"message": "an errand failed", "exception": error}
            self._loop.call_exception_handler(context)
        else:
            if type(waits) is Awaited:  # as ``add_done_callback`` would
                waits.wake = self.go_on
                self._waits = waits
            elif waits is None:
                self._waits = None
                self._loop.call_soon(self.go_on)
            else:
                waits._asyncio_future_blocking = False  # so much for "was it awaited?"
                self._waits = waits
                waits.add_done_callback(self.go_on)
            if self._cancel and waits is not None and waits.cancel():
                self._cancel = False

    def cancel(self) -> None:
        """Raise CancelledError in it; one that is done is left alone."""
        if self._waits is None or not self._waits.cancel():
            self._cancel = True
