"""A set of scenarios as one gate of a CI job: all checked, all rehearsed, within a budget of time.

Rule 1: a wrong file is told with all its faults before anything is rehearsed.
Rule 2: a scenario is rehearsed as it is or not at all: what holds for fewer things need not hold
        for all of them. Whoever wants fewer says so (``most``), and it stands beside the verdict.
Rule 3: when the budget is used up, what is under way is cut off and the rest is not begun; either
        is told, and neither is a pass. Small scenarios go first, so that most are done by then.
Rule 4: what can only be run live is skipped, and told.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from simulator.errors import JobfleetError, ScenarioError, TimeStandsStill, UsageError
from simulator.report.junit import as_single_case, merged
from simulator.report.summary import INTERRUPTED, Summary
from simulator.run import Rehearsal, Resolved, RunDirectory
from simulator.run_directory import Folder
from simulator.scenario import load
from simulator.standstill import check_that_time_passes
from simulator.sweep.crews import LOOK_EVERY_S, Processes
from simulator.today import utc_now

Outcome = Literal["passed", "failed", "wrong", "died", "cut off", "not run", "skipped"]

GRACE_S: Final = 10.0
"""So long after the budget, who was cut off may take to write what it saw."""

CODES: Final[dict[Outcome, int]] = {"wrong": 2, "died": 1, "failed": 1, "cut off": 5, "not run": 5}
"""The exit code that an outcome asks for; the others are content with 0."""

ORDER: Final = (2, 1, 5)
"""Which exit code wins where several are asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A scenario on the list."""

    path: Path
    name: str
    """Of its run directory: the file's, numbered where two have the same."""
    things: int
    was: int
    """As many as the file says."""
    seed: int | None
    live_only: str = ""
    """Why it cannot be rehearsed."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one."""

    entry: Entry
    outcome: Outcome
    note: str = ""
    summary: Summary | None = None
    wall_s: float = 0.0


class _Task(NamedTuple):
    entry: Entry
    folder: Path
    left_s: float | None


def entries(paths: Sequence[Path], seed: int | None, most: int | None) -> list[Entry]:
    """Check all files; raises ScenarioError with the faults of all, or UsageError."""
    if most is not None and most < 1:
        raise UsageError(f"--max-things {most}: a fleet has at least one thing")
    faults, found, names = [], [], dict[str, int]()
    for path in paths:
        try:
            loaded = load(path)
        except ScenarioError as error:
            faults.append(str(error))
            continue
        was = loaded.scenario.things
        things = was if most is None else min(was, most)
        resolved = Resolved.of(loaded, seed, things)
        try:
            cohorts, network = resolved.scenario.cohorts(), resolved.scenario.network_values()
            check_that_time_passes(loaded.name, cohorts, network)
            why = ""
        except UsageError as error:
            why = str(error)
        names[loaded.name] = count = names.get(loaded.name, 0) + 1
        name = loaded.name if count == 1 else f"{loaded.name}-{count}"
        found.append(Entry(path, name, things, was, seed, why))
    if faults:
        raise ScenarioError("\n".join(faults))
    return found


class Gate:
    """Rehearses what is on a list."""

    def __init__(
        self, listed: Sequence[Entry], out: Path | None, budget_s: float | None, jobs: int
    ) -> None:
        """Make the folder of all; ``jobs`` is how many are rehearsed at a time.

        Raises:
            UsageError: the folder cannot be made, or there would be nobody to rehearse.
        """
        if jobs < 1:
            raise UsageError(f"--jobs {jobs}: at least one process is needed")
        self.folder = Folder(out, "ci")
        self._listed = listed
        self._budget_s = budget_s
        self._jobs = jobs
        self._began = time.perf_counter()

    @property
    def wall_s(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._began

    @property
    def _left_s(self) -> float | None:
        return None if self._budget_s is None else self._budget_s - self.wall_s

    def results(self, stopping: Callable[[], bool]) -> Iterator[Result]:
        """Each scenario's result as it comes; fewer than all only where ``stopping()``."""
        todo = sorted((e for e in self._listed if not e.live_only), key=lambda e: e.things)
        for entry in self._listed:
            if entry.live_only:
                yield Result(entry, "skipped", "can only be run live")
        flying: dict[Future[Result], Entry] = {}
        with Processes(max(1, min(self._jobs, len(todo)))) as crew:
            while (todo or flying) and not stopping():
                left = self._left_s
                while todo and (left is not None and left <= 0):
                    yield Result(todo.pop(0), "not run", self._used_up())
                while todo and len(flying) < crew.size:
                    entry = todo.pop(0)
                    task = _Task(entry, self.folder.path / entry.name, left)
                    flying[crew.executor().submit(_rehearse, task)] = entry
                if left is not None and left < -GRACE_S:
                    crew.renew()
                    yield from (Result(e, "cut off", self._used_up()) for e in flying.values())
                    return
                yield from self._landed(flying, crew)

    def _landed(self, flying: dict[Future[Result], Entry], crew: Processes) -> Iterator[Result]:
        """Who has come to an end in the next moment."""
        done, _ = wait(flying, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
        for future in sorted(done, key=lambda one: flying[one].name):
            entry = flying.pop(future)
            try:
                yield future.result()
            except BrokenExecutor:
                beside = "".join(
                    f", or that of {other.name} beside it" for other in flying.values()
                )
                yield Result(entry, "died", f"its process died (out of memory?){beside}")
                yield from (
                    Result(other, "died", f"its process died, or that of {entry.name} beside it")
                    for other in flying.values()
                )
                flying.clear()
                crew.renew()
                return

    def _used_up(self) -> str:
        return f"the budget of {self._budget_s:g} s was used up"

    def junit(self, results: Sequence[Result]) -> bytes:
        """One ``junit.xml`` of all, in the order of the list."""
        return merged(self._junit(result) for result in results)

    def _junit(self, result: Result) -> bytes:
        if result.summary is not None and result.outcome in ("passed", "failed"):
            with suppress(OSError):  # it was there a moment ago
                return (self.folder.path / result.entry.name / "junit.xml").read_bytes()
        tag: Literal["error", "skipped"] = "skipped" if result.outcome == "skipped" else "error"
        return as_single_case(result.entry.name, tag, f"{result.outcome}: {result.note}")


def code_of(results: Sequence[Result]) -> int:
    """The exit code: the first of ``ORDER`` that any outcome asks for, else 0."""
    asked = {CODES.get(result.outcome, 0) for result in results}
    return next((code for code in ORDER if code in asked), 0)


def _rehearse(task: _Task) -> Result:
    """Rehearse one, in a process of a crew; whatever goes wrong is its result."""
    entry, began = task.entry, time.perf_counter()
    try:
        result = _rehearsed(task)
    except TimeStandsStill as error:
        result = Result(entry, "wrong", str(error))
    except JobfleetError as error:
        result = Result(entry, "died", str(error))
    except KeyboardInterrupt:  # cut off before it had begun
        result = Result(entry, "cut off", "the budget was used up, and nothing summed up")
    except Exception as error:  # a fault of ours: told with its scenario, and the others go on
        result = Result(entry, "died", f"{type(error).__name__}: {error}")
    finally:
        _ring_in(None)
    return replace(result, wall_s=time.perf_counter() - began)


def _rehearsed(task: _Task) -> Result:
    entry = task.entry
    resolved = Resolved.of(load(entry.path), entry.seed, entry.things)
    directory = RunDirectory(task.folder, resolved.name)
    rehearsal = Rehearsal(resolved)
    signal.signal(signal.SIGALRM, lambda *_: rehearsal.interrupt())
    _ring_in(task.left_s)
    started = utc_now()
    finished = rehearsal.run()
    _ring_in(None)
    directory.write(finished, started)
    directory.report()
    summary = finished.summary
    note = "" if entry.things == entry.was else f"at {entry.things:,} of {entry.was:,} things"
    if summary.ended == INTERRUPTED:
        note = f"the budget was used up after {summary.elapsed_s:,.0f} s of virtual time"
        return Result(entry, "cut off", note, summary)
    return Result(entry, "passed" if summary.verdict.passed else "failed", note, summary)


def _ring_in(seconds: float | None) -> None:
    """Have SIGALRM sent, or not."""
    signal.setitimer(signal.ITIMER_REAL, 0 if seconds is None else max(0.001, seconds))


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
