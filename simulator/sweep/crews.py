"""Who rehearses: processes of this machine, or a Dask cluster, through one executor interface.

Rule 1: a rehearsal is a function of its task alone, so that its numbers are the same whoever does
        it, and when.
Rule 2: a rehearsal that fails, or whose process dies, is an answer too, and ends nobody else's.
Rule 3: a process ends with the one that started it, even with a killed one: it holds one end of a
        pipe, and leaves when the other is gone.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from simulator.errors import JobfleetError, TargetError, UsageError
from simulator.report.summary import as_json
from simulator.run import Resolved, rehearse
from simulator.scenario import loads

Answer = dict[str, Any]
"""``{"summary": …}`` as in summary.json, or ``{"error": "why not"}``."""

LOOK_EVERY_S: Final = 0.2
"""How soon an interrupt is heard."""


class Task(NamedTuple):
    """One rehearsal: of which cell, with which seed, and all that it takes."""

    cell: int
    seed: int
    text: str
    name: str
    folder: str
    things: int | None


def rehearse_task(task: Task) -> Answer:
    """Rehearse, wherever this is; what goes wrong is the answer then."""
    try:
        loaded = loads(task.text, task.name, Path(task.folder))
        finished = rehearse(Resolved.of(loaded, task.seed, task.things))
    except JobfleetError as error:
        return {"error": str(error)}
    except Exception as error:  # a fault of ours: told with its cell, and the others go on
        return {"error": f"{type(error).__name__}: {error}"}
    return {"summary": as_json(finished.summary)}


class Crew(Protocol):
    """Who does tasks."""

    size: int
    """How many it does at a time."""

    def executor(self) -> Executor:
        """The executor to submit to, a new one after ``renew``."""

    def renew(self) -> None:
        """Replace an executor that broke."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Processes:
    """Processes of this machine."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool: ProcessPoolExecutor | None = None
        self._held: Connection | None = None

    def executor(self) -> Executor:
        """The pool, made at first use."""
        if self._pool is None:
            leave, self._held = multiprocessing.Pipe(duplex=False)
            # Neither inherits what this process holds open; a fork server has imported all once.
            methods = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context(
                "forkserver" if "forkserver" in methods else "spawn"
            )
            if context.get_start_method() == "forkserver":
                context.set_forkserver_preload([__name__])
            self._pool = ProcessPoolExecutor(self.size, context, _begin, (leave,))
        return self._pool

    def renew(self) -> None:
        """Let go of the processes, whatever they are at."""
        if self._held is not None:
            self._held.close()  # they leave
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._held = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.renew()


def _begin(leave: Connection) -> None:
    """In each process: a Ctrl-C is for the one that started it, and with that one it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_when_alone, args=(leave,), daemon=True).start()


def _leave_when_alone(leave: Connection) -> None:
    with suppress(EOFError, OSError):
        leave.recv_bytes()
    os._exit(0)


class Dask:
    """A Dask cluster, through its client's executor interface."""

    def __init__(self, address: str, connect_within_s: float = 10.0) -> None:
        """Connect.

        Raises:
            UsageError: ``distributed`` is not installed.
            TargetError: nobody answers at the address.
        """
        try:
            from distributed import Client
        except ImportError:
            raise UsageError(
                "--dask needs Dask's distributed here and on the cluster: "
                "pip install 'jobfleet[dask]'"
            ) from None
        try:
            self._client = Client(address, timeout=connect_within_s, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise TargetError(f"no Dask scheduler answers at {address}: {error}") from None
        self._executor = self._client.get_executor(pure=False)
        self.size = max(1, sum(self._client.nthreads().values()))

    def executor(self) -> Executor:
        """The client as an executor."""
        executor: Executor = self._executor
        return executor

    def renew(self) -> None:
        """A scheduler replaces its workers itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()


def rehearse_all(
    tasks: Iterable[Task], crew: Crew, stopping: Callable[[], bool]
) -> Iterator[tuple[Task, Answer]]:
    """Each task's answer as it comes, until all are there or ``stopping()``.

    Raises:
        TargetError: the cluster was lost.
    """
    todo, suspects = deque(tasks), deque[Task]()
    flying: dict[Future[Answer], Task] = {}
    while (todo or suspects or flying) and not stopping():
        # After a process died, what flew then is tried one by one: so the culprit is found.
        room = 1 if suspects else 2 * crew.size
        while len(flying) < room and (suspects or todo):
            task = (suspects or todo).popleft()
            try:
                flying[crew.executor().submit(rehearse_task, task)] = task
            except BrokenExecutor:
                (suspects if suspects else todo).appendleft(task)
                break
        done, _ = wait(flying, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
        broken = []
        for future in sorted(done, key=lambda one: flying[one][:2]):
            task = flying.pop(future)
            try:
                yield task, future.result()
            except BrokenExecutor:
                broken.append(task)
            except CancelledError:
                raise TargetError("the Dask cluster was lost; the sweep can be resumed") from None
            except Exception as error:  # what a scheduler says of a worker that died, say
                yield task, {"error": f"{type(error).__name__}: {error}"}
        if broken:
            broken += flying.values()
            flying.clear()
            crew.renew()
            if len(broken) == 1:
                yield broken[0], {"error": "its process died (out of memory?)"}
            else:
                suspects.extend(sorted(broken, key=lambda one: one[:2]))
