"""What waits for each thing, in order, and the notices that tell of it.

Rule 1: notify goes out when an execution joins or leaves a thing's pending list, notify-next when
        another execution becomes the head of that list, in this order (DG:jobs-comm-notifications);
        QUEUED → IN_PROGRESS of the head changes neither, hence is silent.
Rule 2: IN_PROGRESS stands before QUEUED, each in order of creation (DG:jobs-mqtt-api); ties are
        broken by ``sequence``, a counter.
"""

from bisect import bisect_left
from typing import Final

from simulator.jobs.messages import (
    Effect,
    JobExecutionData,
    JobExecutionSummary,
    Notify,
    NotifyNext,
)
from simulator.jobs.model import JobExecution

REPORTED: Final = 10
"""How many pending executions AWS reports at most (DG:job-limits)."""

WINDOWED: Final = 5
"""How many more of jobs with maintenance windows."""


def order(execution: JobExecution) -> tuple[bool, int]:
    """IN_PROGRESS before QUEUED, each in order of creation."""
    return (execution.status != "IN_PROGRESS", execution.sequence)


def reported(pending: list[JobExecution]) -> list[JobExecution]:
    """As much of a pending list as AWS reports: ten, and five of jobs with maintenance windows."""
    if len(pending) <= REPORTED:
        return pending
    shown, plain, windowed = [], 0, 0
    for execution in pending:
        timetable = execution.job.timetable
        if timetable is not None and timetable.windows:
            windowed += 1
            if windowed <= WINDOWED:
                shown.append(execution)
        else:
            plain += 1
            if plain <= REPORTED:
                shown.append(execution)
        if plain >= REPORTED and windowed >= WINDOWED:
            break
    return shown


def summary(execution: JobExecution) -> JobExecutionSummary:
    """What a pending list says of an execution."""
    return JobExecutionSummary(
        execution.job.job_id,
        execution.queued_at,
        execution.last_updated_at,
        execution.version,
        execution.execution_number,
        execution.started_at,
    )


def describe(execution: JobExecution, now: float, document: bool = True) -> JobExecutionData:
    """All that the data plane says of an execution."""
    deadline = execution.deadline
    return JobExecutionData(
        execution.job.job_id,
        execution.thing_name,
        execution.status,
        execution.queued_at,
        execution.last_updated_at,
        execution.version,
        execution.execution_number,
        execution.status_details,
        execution.started_at,
        None if deadline is None else max(0, int(deadline - now)),
        execution.job.document_at(now) if document else None,
    )


class Board:
    """Every thing's pending list.

    ``effects`` collects what must be told; whoever owns the service takes it from there. Where
    nobody hears ``notify``, no list is told: it costs as much as the change that it tells of.
    """

    def __init__(self, notify: bool = True) -> None:
        self.notify = notify
        """Whether lists are told; may be set at any time."""
        self.effects: list[Effect] = []
        self._pending: dict[str, list[JobExecution]] = {}

    def pending(self, thing_name: str) -> list[JobExecution]:
        """A thing's pending executions in order; the first is ``$next``. Not to be changed."""
        return self._pending.get(thing_name, [])

    def head(self, thing_name: str) -> JobExecution | None:
        """A thing's ``$next``."""
        pending = self._pending.get(thing_name)
        return pending[0] if pending else None

    def position(self, execution: JobExecution) -> int:
        """Where a listed execution stands; to be asked before its status changes."""
        pending = self._pending[execution.thing_name]
        return 0 if len(pending) == 1 else bisect_left(pending, order(execution), key=order)

    def put(self, execution: JobExecution) -> None:
        """Let an execution join its thing's list at its place; nothing is told."""
        pending = self._pending.setdefault(execution.thing_name, [])
        pending.insert(bisect_left(pending, order(execution), key=order), execution)

    def move(self, execution: JobExecution, at: int) -> None:
        """Let a listed execution, whose status has changed, go from ``at`` to its place."""
        pending = self._pending[execution.thing_name]
        del pending[at]
        pending.insert(bisect_left(pending, order(execution), key=order), execution)

    def take(self, thing_name: str, at: int) -> None:
        """Take an execution off its thing's list; nothing is told. An empty list is not kept."""
        pending = self._pending[thing_name]
        if len(pending) == 1:
            del self._pending[thing_name]
        else:
            del pending[at]

    def tell_pending(self, thing_name: str) -> None:
        """Tell a thing's list as it now is."""
        if not self.notify:
            return
        shown = reported(self.pending(thing_name))
        in_progress = [summary(e) for e in shown if e.status == "IN_PROGRESS"]
        queued = [summary(e) for e in shown if e.status == "QUEUED"]
        self.effects.append(Notify(thing_name, in_progress, queued))

    def tell_next(self, thing_name: str, now: float) -> None:
        """Tell what is now next for a thing."""
        head = self.head(thing_name)
        self.effects.append(NotifyNext(thing_name, None if head is None else describe(head, now)))
