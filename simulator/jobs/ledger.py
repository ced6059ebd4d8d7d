"""Every execution, and all that follows when one changes: order, counters, deadlines, effects.

Rule 1: executions change only through ``queue``, ``change``, ``restart_step_timer`` and ``delete``.
Rule 2: notify goes out when an execution joins or leaves a thing's pending list, notify-next when
        another execution becomes the head of that list, in this order (DG:jobs-comm-notifications);
        QUEUED → IN_PROGRESS of the head changes neither, hence is silent.
Rule 3: ties are broken by ``sequence``, a counter; nothing iterates over a set.
Rule 4: work that grows with a job (rollout, cancel) is done in steps by ``expire``.

Subtleness ahead: a step timer moves with every progress report, but the heap is not touched then.
An execution has one live entry in the heap, ``execution.scheduled``; when that comes up and the
deadline has meanwhile moved away, the entry is put back where the deadline now is.
"""

from bisect import bisect_left
from heapq import heappop, heappush, heapreplace
from typing import Final

from simulator.errors import ResourceNotFound
from simulator.jobs import rollout
from simulator.jobs.execution import AWS, Actor, Dialect, advance, set_step_timer
from simulator.jobs.messages import (
    Effect,
    JobEnded,
    JobExecutionData,
    JobExecutionSummary,
    Notify,
    NotifyNext,
)
from simulator.jobs.model import PENDING, Job, JobExecution, Status
from simulator.jobs.registry import Registry

REPORTED: Final = 10
"""How many pending executions AWS reports at most (DG:job-limits)."""


def _order(execution: JobExecution) -> tuple[bool, int]:
    """IN_PROGRESS before QUEUED, each in order of creation (DG:jobs-mqtt-api)."""
    return (execution.status != "IN_PROGRESS", execution.sequence)


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
        execution.job.document if document else None,
    )


class Ledger:
    """The state behind both planes of the service.

    ``effects`` collects what must be told; whoever owns the service takes it from there.
    """

    def __init__(self, registry: Registry, dialect: Dialect = AWS) -> None:
        self.registry = registry
        self.dialect = dialect
        self._transitions = dialect.transitions  # at hand: every update asks them
        self.jobs: dict[str, Job] = {}
        self.effects: list[Effect] = []
        self._pending: dict[str, list[JobExecution]] = {}
        self._agenda: list[tuple[float, int, Job | JobExecution]] = []
        self._sequence = 0

    # --------------------------------------------------------------------------- questions

    def pending(self, thing_name: str) -> list[JobExecution]:
        """A thing's pending executions in order; the first is ``$next``. Not to be changed."""
        return self._pending.get(thing_name, [])

    def job(self, job_id: str) -> Job:
        """The job of that id; raise ResourceNotFound where there is none."""
        job = self.jobs.get(job_id)
        if job is None:
            raise ResourceNotFound(f"Job {job_id} not found")
        return job

    def execution(self, thing_name: str, job_id: str, number: int | None = None) -> JobExecution:
        """The newest execution of a job on a thing.

        Raises:
            ResourceNotFound: there is none, or ``number`` is not its execution number.
        """
        job = self.jobs.get(job_id)
        found = None if job is None else job.latest.get(thing_name)
        if found is None or (number is not None and number != found.execution_number):
            which = "" if number is None else f" with execution number {number}"
            raise ResourceNotFound(
                f"Job execution of job {job_id} on thing {thing_name}{which} not found"
            )
        return found

    @property
    def timers(self) -> int:
        """How many entries wait on the agenda, those out of date included."""
        return len(self._agenda)

    # --------------------------------------------------------------------------- changes

    def queue(self, job: Job, thing_name: str, now: float) -> JobExecution:
        """Give a thing a new execution of ``job``, QUEUED."""
        previous = job.latest.get(thing_name)
        number = 1 if previous is None else previous.execution_number + 1
        execution = JobExecution(job, thing_name, number, self._next(), now, previous)
        job.latest[thing_name] = execution
        job.executions.append(execution)
        job.counts["QUEUED"] += 1
        pending = self._pending.get(thing_name)
        if pending is None:
            self._pending[thing_name] = [execution]
        else:
            pending.append(execution)  # the newest QUEUED is always last
        self._tell_pending(thing_name)
        if pending is None:
            self._tell_next(thing_name, now)
        return execution

    def change(self, execution: JobExecution, to: Status, actor: Actor, now: float) -> None:
        """Move an execution to another status, and all that depends on it.

        Raises:
            InvalidStateTransition: it may not go there; nothing changed.
        """
        before, transitions = execution.status, self._transitions
        if to == before or before not in PENDING:
            advance(execution, to, actor, now, transitions)  # progress, or refused: no list changes
            return
        at = self._position(execution)
        advance(execution, to, actor, now, transitions)
        job, thing_name = execution.job, execution.thing_name
        job.counts[before] -= 1
        job.counts[to] += 1
        pending = self._pending[thing_name]
        head = pending[0]
        del pending[at]
        if to in PENDING:
            pending.insert(bisect_left(pending, _order(execution), key=_order), execution)
            self._watch(execution)
        else:
            self._left(thing_name, pending)
            self._settle(job, now)
        if head is not (pending[0] if pending else None):
            self._tell_next(thing_name, now)

    def restart_step_timer(self, execution: JobExecution, minutes: int | None, now: float) -> None:
        """Apply a request's ``stepTimeoutInMinutes``."""
        if minutes is not None:
            set_step_timer(execution, minutes, now)
            self._watch(execution)

    def delete(self, execution: JobExecution, now: float) -> None:
        """Forget an execution; an earlier attempt, if any, becomes the newest again."""
        job, thing_name = execution.job, execution.thing_name
        job.counts[execution.status] -= 1
        execution.deleted = True
        self._unlink(execution)
        if execution.status in PENDING:
            pending = self._pending[thing_name]
            head = pending[0]
            del pending[self._position(execution)]
            execution.in_progress_deadline = execution.step_deadline = None
            self._left(thing_name, pending)
            if head is execution:
                self._tell_next(thing_name, now)
        self._settle(job, now)

    # --------------------------------------------------------------------------- time

    def agenda(self, job: Job, when: float) -> None:
        """Have ``expire`` work on a job at ``when``."""
        heappush(self._agenda, (when, self._next(), job))

    def next_deadline(self) -> float | None:
        """When ``expire`` next has something to do (maybe in the past), or None."""
        agenda = self._agenda
        while agenda:
            when, sequence, item = agenda[0]
            if isinstance(item, Job):
                return when
            due = item.deadline if item.scheduled == when else None
            if due == when:
                return when
            if due is None:
                heappop(agenda)
                if item.scheduled == when:
                    item.scheduled = None
            else:
                item.scheduled = due
                heapreplace(agenda, (due, sequence, item))
        return None

    def expire(self, now: float, limit: int = 1000) -> int:
        """Do what is due by ``now``, at most ``limit`` steps; return how many were done."""
        steps = 0
        while steps < limit:
            when = self.next_deadline()
            if when is None or when > now:
                break
            item = heappop(self._agenda)[2]
            if isinstance(item, Job):
                steps += max(1, self.work(item, now, limit - steps))
            else:
                item.scheduled = None
                self.change(item, "TIMED_OUT", "service", now)
                steps += 1
        return steps

    def work(self, job: Job, now: float, limit: int) -> int:
        """Release or cancel up to ``limit`` executions of a job; return how many."""
        steps = 0
        if job.status == "IN_PROGRESS":
            steps = min(limit, rollout.allowed(job, now) - job.released)
            for name in job.things[job.released : job.released + steps]:
                self.queue(job, name, now)
            job.released += steps
            self._settle(job, now)
            again = rollout.next_release(job)
            if again is not None:
                self.agenda(job, again)
        elif job.canceled is not None:
            steps = self._cancel(job, now, limit)
        return steps

    # --------------------------------------------------------------------------- inside

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _cancel(self, job: Job, now: float, limit: int) -> int:
        """End what a cancel reaches: QUEUED, and IN_PROGRESS when forced (DG:manage-job-cli)."""
        start = job.canceled or 0
        part = job.executions[start : start + limit]
        for execution in part:
            if execution.deleted:
                continue
            if execution.status == "QUEUED":
                self.change(execution, "CANCELED", "service", now)
            elif execution.status == "IN_PROGRESS" and job.force_canceled:
                execution.force_canceled = True
                self.change(execution, "CANCELED", "force", now)
        job.canceled = start + len(part)
        if job.canceled < len(job.executions):
            self.agenda(job, now)
        else:
            job.canceled = None
        return len(part)

    def _position(self, execution: JobExecution) -> int:
        return bisect_left(self._pending[execution.thing_name], _order(execution), key=_order)

    def _left(self, thing_name: str, pending: list[JobExecution]) -> None:
        """One execution has left a pending list: an empty list is not kept."""
        if not pending:
            del self._pending[thing_name]
        self._tell_pending(thing_name)

    def _unlink(self, execution: JobExecution) -> None:
        """Take an execution out of its thing's chain of attempts."""
        job, name = execution.job, execution.thing_name
        newer = job.latest[name]
        if newer is execution:
            if execution.previous is None:
                del job.latest[name]
            else:
                job.latest[name] = execution.previous
            return
        while newer.previous is not execution:
            assert newer.previous is not None  # the chain holds every attempt
            newer = newer.previous
        newer.previous = execution.previous

    def _settle(self, job: Job, now: float) -> None:
        """Complete a SNAPSHOT job once it is rolled out and nothing is pending."""
        if (
            job.status == "IN_PROGRESS"
            and job.target_selection == "SNAPSHOT"
            and job.rolled_out
            and not job.pending
        ):
            job.status = "COMPLETED"
            job.completed_at = job.last_updated_at = now
            self.effects.append(JobEnded(job.job_id, job.status))

    def _watch(self, execution: JobExecution) -> None:
        """Make sure that the agenda looks at an execution no later than its deadline."""
        due = execution.deadline
        if due is not None and (execution.scheduled is None or due < execution.scheduled):
            execution.scheduled = due
            heappush(self._agenda, (due, self._next(), execution))

    def _tell_pending(self, thing_name: str) -> None:
        reported = self.pending(thing_name)[:REPORTED]
        in_progress = [summary(e) for e in reported if e.status == "IN_PROGRESS"]
        queued = [summary(e) for e in reported if e.status == "QUEUED"]
        self.effects.append(Notify(thing_name, in_progress, queued))

    def _tell_next(self, thing_name: str, now: float) -> None:
        pending = self.pending(thing_name)
        head = describe(pending[0], now) if pending else None
        self.effects.append(NotifyNext(thing_name, head))
