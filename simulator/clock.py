"""The virtual event loop: asyncio code runs unchanged, and waiting costs nothing.

Rule 1: time starts at 0.0 seconds and moves only when nothing is ready to run, and then straight
        to the next timer. (A loop that started at a Unix timestamp would lose resolution.)
Rule 2: what is due at the same time runs in the order in which it was asked for: a counter
        breaks ties, so a run repeats to the byte.
Rule 3: when every task waits and no timer is set, the loop raises ``NothingCanHappen`` instead of
        hanging.
Rule 4: when time stands still while tasks go on and on, the loop raises ``TimeStandsStill`` after
        ``patience`` callbacks at one instant. It counts by rounds, as many as were ready at once,
        so the count costs a callback nothing. Between two callbacks a signal handler may resolve a
        future or call ``stop``, and is heard.

Subtleness ahead! ``asyncio.sleep`` makes a future and asks ``call_later`` to resolve it. The loop
knows that setter and parks the future itself among its timers, without a handle around it; a
cancelled sleeper is skipped when its time comes.

Timers wait in ``timers.py``.
With the garbage collector at rest (``garbage.py``) the cost of a sleep hardly grows with their
number.

A task costs more than most of what a thing does with it. So the loop drives an ``Errand`` itself:
it sends into the coroutine, and what comes out is a number of seconds to sleep, a future to wait
for, or nothing (until its next turn). All run in the order in which tasks would.
"""

import asyncio
from asyncio import AbstractEventLoop, Future, Task, TimerHandle, events, futures
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextvars import Context, copy_context
from heapq import heappop
from itertools import repeat
from typing import Any, Final, NoReturn, TypeVar

from simulator.errand import Errand, counted, nap
from simulator.errors import NothingCanHappen, TimeStandsStill
from simulator.timers import PARKED, ParkedSleep, Timers

T = TypeVar("T")

_SLEEP_SETTER: Final = futures._set_result_unless_cancelled  # type: ignore[attr-defined]
"""What ``asyncio.sleep`` hands to ``call_later``; a test holds that it still does."""


PATIENCE: Final = 1_000_000
"""Callbacks at one instant after which time is said to stand still. It takes a few seconds to get
there, so that who made the mistake still sits there. A run adds to it by the size of its fleet: a
million sleepers that are due at once need some four million."""

INSTANT_S: Final = 0.001
"""What counts as one instant: durations are whole milliseconds, and a billionth of one as a step of
work would be no progress either."""

NAMED: Final = 10
"""How many tasks a message names."""


class _Ready:
    """A callback that waits for its turn: asyncio's ``Handle`` without its debugging.

    Named as there, so that timers, which are asyncio's own handles, can wait in the same queue.
    """

    __slots__ = ("_args", "_callback", "_cancelled", "_context")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = context
        self._cancelled = False

    def cancel(self) -> None:
        """Do not run it."""
        self._cancelled = True


class VirtualLoop(AbstractEventLoop):
    """An event loop whose time is a number. No sockets, no threads, no signals."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self.patience = patience
        self._turns = 0
        """Callbacks at this instant, but for the round that runs."""
        self._next_instant = 0.0
        self._now = 0.0
        self._ready: deque[Any] = deque()
        self._timers = Timers()
        self._stopping = False
        self._running = False
        self._closed = False
        self._failure: BaseException | None = None
        self._errands: set[Errand] = set()
        """Those that are not done."""
        self._in_errand = False
        """Whether what runs is one of them, and no task or other callback."""
        self.wakeups = 0
        """How many timers have fired: what a rehearsal's cost is counted in."""

    # ----------------------------------------------------------------------- time

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def call_soon(  # type: ignore[override]  # Any where typeshed counts arguments
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Ready:
        """Run ``callback`` before time moves."""
        handle = _Ready(callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]  # as call_soon
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> TimerHandle | ParkedSleep:
        """Run ``callback`` in ``delay`` virtual seconds."""
        when = self._now + delay
        if callback is _SLEEP_SETTER:
            self._timers.put(when, args[0])
            return PARKED
        return self.call_at(when, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as call_soon
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> TimerHandle:
        """Run ``callback`` at virtual time ``when``; a time that has passed means at once."""
        handle = TimerHandle(when, callback, args, self, context)
        self._timers.put(when if when > self._now else self._now, handle)
        return handle

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """A cancelled handle stays where it waits and is skipped when its time comes."""

    # ----------------------------------------------------------------------- running

    def run_until_complete(self, future: Any) -> Any:
        """Run until ``future`` is done; return its result or raise what it raised.

        Raises:
            NothingCanHappen: every task waits and no timer is set.
            TimeStandsStill: there is work without end at one instant.
        """
        task = asyncio.ensure_future(future, loop=self)
        task.add_done_callback(self._stop)
        try:
            self.run_forever()
        finally:
            task.remove_done_callback(self._stop)
        return task.result()

    def run_forever(self) -> None:
        """Run until ``stop``."""
        if events._get_running_loop() is not None:
            raise RuntimeError("a virtual loop cannot run inside another loop")
        self._stopping = False
        self._running = True
        events._set_running_loop(self)
        try:
            while not self._stopping:
                self._run_ready()
                if not self._stopping and not self._ready:
                    self._advance()
                if self._failure is not None:
                    failure, self._failure = self._failure, None
                    raise failure
        finally:
            self._running = False
            events._set_running_loop(None)

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            count = len(ready)
            for _ in repeat(None, count):
                if self._stopping:
                    return
                item = ready.popleft()
                if item.__class__ is Errand:
                    self._in_errand = True
                    send = item.send  # a method looked up in one step would be twice as slow
                    try:
                        waits = send(None)
                    except BaseException as end:
                        self._finish(item, end)
                    else:
                        if waits.__class__ is float:
                            item.due = when = self._now + waits
                            self._timers.put(when, item)
                        else:
                            item.wait_for(waits)
                    continue
                if item._cancelled:
                    continue
                self._in_errand = False
                try:
                    item._context.run(item._callback, *item._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.call_exception_handler({"message": "in a callback", "exception": error})
            self._turns = turns = self._turns + count
            if turns > self.patience:
                self._stand_still()

    def _advance(self) -> None:
        """Move time from instant to instant, until there is something to do for ``_run_ready``.

        Where a single errand is due, as a rule, it has its turn here.
        """
        timers, ready = self._timers, self._ready
        while True:
            if not timers.instants and not timers.next_second():
                self._nothing_can_happen()
            self._now = when = heappop(timers.instants)
            if when >= self._next_instant:
                self._next_instant = when + INSTANT_S
                self._turns = 0
            item = timers.due.pop(when)
            if item.__class__ is not Errand:
                self._wake(item if item.__class__ is list else (item,), when)
                return
            if item.due != when:
                continue
            item.due = None
            self.wakeups += 1
            self._turns += 1
            self._in_errand = True
            send = item.send
            try:
                waits = send(None)
            except BaseException as end:
                self._finish(item, end)
            else:
                if waits.__class__ is float:
                    item.due = due = when + waits
                    timers.put(due, item)
                else:
                    item.wait_for(waits)
            if ready or self._stopping or self._failure is not None:
                return
            if self._turns > self.patience:
                self._stand_still()

    def _wake(self, due: Iterable[Any], when: float) -> None:
        """Wake all that is due at an instant, in order."""
        for item in due:
            if item.__class__ is Errand:
                if item.due == when:
                    item.due = None
                    self.wakeups += 1
                    self._ready.append(item)
            elif item.__class__ is TimerHandle:
                if not item._cancelled:
                    self.wakeups += 1
                    self._ready.append(item)
            elif not item.done():
                self.wakeups += 1
                item.set_result(None)

    def _nothing_can_happen(self) -> NoReturn:
        """Say who waits in vain."""
        waiting = sorted(task.get_name() for task in asyncio.all_tasks(self))
        waiting += counted(self._errands)
        raise NothingCanHappen(
            f"at {self._now:.3f} s every task waits and no timer is set; waiting: "
            + (", ".join(waiting[:NAMED]) or "nothing but the run itself")
        )

    def _stand_still(self) -> None:
        """Say who goes on at an instant that does not end."""
        if self._stopping:
            return
        tasks = asyncio.all_tasks(self)
        ready = [task for task in tasks if _is_ready(task)]
        going = [errand for errand in self._errands if not errand.waiting]
        if not ready and not going:  # those that sleep for no time
            ready, going = list(tasks), list(self._errands)
        busy = sorted(_name(task) for task in ready) + counted(going)
        more = f" and {len(busy) - NAMED} more" if len(busy) > NAMED else ""
        raise TimeStandsStill(
            f"at {self._now:.3f} s time stands still: after {self._turns} callbacks there is still "
            f"something to do at this instant; busy: " + (", ".join(busy[:NAMED]) + more)
        )

    def _stop(self, _future: object) -> None:
        self._stopping = True

    def stop(self) -> None:
        """Return from ``run_forever`` after the callback that is running."""
        self._stopping = True

    # ----------------------------------------------------------------------- errands

    def errand(self, coroutine: Coroutine[Any, Any, None]) -> Errand:
        """Set a coroutine going, like ``create_task``, at a fraction of the price."""
        errand = Errand(coroutine, self._ready)
        self._errands.add(errand)
        return errand

    def sleep(self, seconds: float) -> Awaitable[None]:
        """``asyncio.sleep``, within an errand at a fraction of the price."""
        return nap(seconds) if self._in_errand else asyncio.sleep(seconds)

    def _finish(self, errand: Errand, end: BaseException) -> None:
        """An errand has come to its end."""
        good = end.__class__ is StopIteration  # as a rule
        if not good and isinstance(end, (SystemExit, KeyboardInterrupt)):
            raise end
        self._errands.discard(errand)
        for callback in errand.finish(end):
            self.call_soon(callback, errand)
        if not good and not isinstance(end, (StopIteration, asyncio.CancelledError)):
            self.call_exception_handler({"message": "in an errand", "exception": end})

    # ----------------------------------------------------------------------- the rest of a loop

    def create_future(self) -> Future[Any]:
        """A future on this loop."""
        return Future(loop=self)

    def create_task(  # type: ignore[override]  # no eager tasks
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> Task[T]:
        """A task on this loop."""
        return Task(coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Fail the run: in a simulation nobody is there to read a log line."""
        error = context.get("exception")
        if self._failure is None:
            self._failure = (
                error if isinstance(error, BaseException) else RuntimeError(context["message"])
            )

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """As ``call_exception_handler``."""
        self.call_exception_handler(context)

    def is_running(self) -> bool:
        """Whether it runs now."""
        return self._running

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def get_debug(self) -> bool:
        """Never in debug mode: wall-clock warnings mean nothing here."""
        return False

    async def shutdown_asyncgens(self) -> None:
        """Nothing to do: the loop hooks no generators."""

    def close(self) -> None:
        """Forget what is left; tasks that still wait are dropped without a warning."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own
            _close(task)
        for errand in self._errands:
            errand.close()
        self._errands.clear()
        self._timers.clear()
        self._ready.clear()
        self._closed = True


def _is_ready(task: Task[Any]) -> bool:
    """Whether a task waits for its turn only, and for no future."""
    return getattr(task, "_fut_waiter", None) is None


def _name(task: Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"{task.get_name()} ({getattr(coroutine, '__qualname__', 'a coroutine')})"


def _close(task: Task[Any]) -> None:
    coroutine = task.get_coro()
    if coroutine is not None:
        coroutine.close()
