"""An event loop in a thread of somebody's test, in which one service lives after the other."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from simulator.errors import UsageError

T = TypeVar("T")


class ServiceThread:
    """An event loop in a thread, for one test's service after the other."""

    def __init__(self) -> None:
        """Start it."""
        import uvloop

        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self.failures: list[str] = []
        self.loop.set_exception_handler(self._failed)
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="jobfleet service", daemon=True
        )
        self._thread.start()

    def call(self, what: Callable[[], T]) -> T:
        """Call something in the thread, and wait for it."""
        if threading.get_ident() == self._thread.ident:
            return what()

        async def called() -> T:
            return what()

        return self.run(called())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread, and wait for it.

        Raises:
            UsageError: the caller is that thread, which cannot wait for itself.
        """
        if threading.get_ident() == self._thread.ident:
            work.close()
            raise UsageError("a condition cannot wait or advance time: it is asked in between")
        running = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return running.result()
        except BaseException:  # an interrupt, say: nothing goes on behind the caller's back
            running.cancel()
            raise

    def close(self) -> None:
        """End it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        if not self._thread.is_alive():
            self.loop.close()

    def _failed(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context['message']}{'' if error is None else f': {error!r}'}")
