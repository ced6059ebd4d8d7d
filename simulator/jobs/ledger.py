"""Every execution, and all that follows when one changes: order, counters, deadlines, effects.

Rule 1: executions change only through ``queue``, ``change``, ``hide``, ``show``,
        ``restart_step_timer`` and ``delete``.
Rule 2: what follows the end of an execution comes in this order: notify, abort, retry,
        notify-next, completion of the job.
Rule 3: nothing here iterates over a job's executions: such work is a ``Sweep`` (``lifecycle.py``).
"""

from bisect import bisect_left, insort

from simulator.errors import ResourceNotFound
from simulator.jobs import rollout
from simulator.jobs.agenda import Agenda
from simulator.jobs.board import Board
from simulator.jobs.events import EventConfigurations, execution_event, job_event
from simulator.jobs.execution import Actor, advance, set_step_timer
from simulator.jobs.messages import JobEnded
from simulator.jobs.model import (
    JOB_STATUSES,
    PENDING,
    Job,
    JobExecution,
    JobStatus,
    Status,
    Sweep,
    SweepKind,
)
from simulator.jobs.registry import Registry
from simulator.jobs.settings import Settings

ABORTED = "ABORT_CANCEL"
"""The reason code of a job that aborted itself."""


def _age(item: Job | JobExecution) -> int:
    return item.sequence


class Ledger(Board):
    """The state behind both planes of the service."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        super().__init__(settings.notify)
        self.registry = registry
        self.settings = settings
        self.quotas = settings.quotas
        self.events = EventConfigurations()
        self._transitions = settings.dialect.transitions  # at hand: every update asks them
        self.jobs: dict[str, Job] = {}
        self.by_status: dict[JobStatus, list[Job]] = {status: [] for status in JOB_STATUSES}
        """Jobs of each status in order of creation."""
        self.followers: dict[str, dict[str, Job]] = {}
        """thing group → the continuous jobs that have it as a target."""
        self._agenda = Agenda()
        self.nothing_before = self._agenda.nothing_before
        """Whether it is plain to see that ``next_deadline`` is not before some time."""
        self._sequence = 0

    # --------------------------------------------------------------------------- questions

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

    def history(self, thing_name: str) -> list[JobExecution]:
        """All of a thing's executions in order of creation.

        Gathered from the jobs for who asks: kept, it would be a list and a look-up per thing.
        """
        found: list[JobExecution] = []
        for job in self.jobs.values():
            execution = job.latest.get(thing_name)
            while execution is not None:
                found.append(execution)
                execution = execution.previous
        found.sort(key=_age)
        return found

    @property
    def timers(self) -> int:
        """How many entries wait on the agenda, those out of date included."""
        return len(self._agenda)

    # --------------------------------------------------------------------------- executions

    def queue(self, job: Job, thing_name: str, now: float, retry: int = 0) -> JobExecution:
        """Give a thing a new execution of ``job``, QUEUED; the ``retry``-th try after the first."""
        execution = self._enqueue(job, thing_name, now, retry)
        if self.head(thing_name) is execution:
            self.tell_next(thing_name, now)
        return execution

    def change(
        self,
        execution: JobExecution,
        to: Status,
        actor: Actor,
        now: float,
        details: dict[str, str] | None = None,
    ) -> None:
        """Move an execution to another status, and all that depends on it.

        ``details``, where given, replace its statusDetails.

        Raises:
            InvalidStateTransition: it may not go there; nothing changed.
        """
        before, transitions = execution.status, self._transitions
        if to == before or before not in PENDING:
            # progress, or refused: no list changes
            advance(execution, to, actor, now, transitions)
            if details is not None:
                execution.status_details = details
            return
        job, thing_name = execution.job, execution.thing_name
        pending = self.pending(thing_name)
        head, alone = (pending[0] if pending else None), len(pending) == 1
        at = None if execution.hidden else 0 if alone else self.position(execution)
        advance(execution, to, actor, now, transitions)
        if details is not None:
            execution.status_details = details
        counts = job.counts
        counts[before] -= 1
        counts[to] += 1
        if to in PENDING:
            if at is not None:
                if alone:  # as a rule: no list changes, nobody is told
                    self._watch(execution)
                    return
                self.move(execution, at)
            else:
                execution.hidden = False
                self.put(execution)
                self.tell_pending(thing_name)
            self._watch(execution)
            if head is not self.head(thing_name):
                self.tell_next(thing_name, now)
            return
        if at is not None:
            self.take(thing_name, at)
            self.tell_pending(thing_name)
        self._ended(execution, now)
        if head is not self.head(thing_name):
            self.tell_next(thing_name, now)
        if job.status == "IN_PROGRESS" and not (counts["QUEUED"] or counts["IN_PROGRESS"]):
            self.settle(job, now)

    def hide(self, execution: JobExecution, now: float) -> None:
        """Take a QUEUED execution off its thing's list until ``show``."""
        thing_name, head = execution.thing_name, self.head(execution.thing_name)
        self.take(thing_name, self.position(execution))
        execution.hidden = True
        self.tell_pending(thing_name)
        if head is execution:
            self.tell_next(thing_name, now)

    def show(self, execution: JobExecution, now: float) -> None:
        """Put a hidden execution back into its thing's list."""
        thing_name, head = execution.thing_name, self.head(execution.thing_name)
        execution.hidden = False
        self.put(execution)
        self.tell_pending(thing_name)
        if head is not self.head(thing_name):
            self.tell_next(thing_name, now)

    def restart_step_timer(self, execution: JobExecution, minutes: int, now: float) -> None:
        """Apply a request's ``stepTimeoutInMinutes``."""
        set_step_timer(execution, minutes, now)
        self._watch(execution)

    def delete(self, execution: JobExecution, now: float) -> None:
        """Forget an execution; an earlier attempt, if any, becomes the newest again."""
        job, thing_name = execution.job, execution.thing_name
        job.counts[execution.status] -= 1
        execution.deleted = True
        self._unlink(execution)
        if execution.status in PENDING and not execution.hidden:
            head = self.head(thing_name)
            self.take(thing_name, self.position(execution))
            execution.in_progress_deadline = execution.step_deadline = None
            self.tell_pending(thing_name)
            if head is execution:
                self.tell_next(thing_name, now)
        if self.events.executions:
            arn = self.registry.thing_arn(thing_name)
            self.effects.append(execution_event(execution, "deleted", arn))
        self.settle(job, now)

    # --------------------------------------------------------------------------- jobs

    def set_status(self, job: Job, status: JobStatus, now: float) -> None:
        """Move a job to another status, and from one list of jobs to another."""
        jobs = self.by_status[job.status]
        del jobs[bisect_left(jobs, job.sequence, key=_age)]
        job.status = status
        job.last_updated_at = now
        insort(self.by_status[status], job, key=_age)

    def sweep(self, job: Job, kind: SweepKind, now: float) -> None:
        """Have something done to all executions of a job; what undoes what it does is dropped.

        A deletion makes all else pointless, a cancellation all but that: a forced one stays forced.
        """
        if kind in ("CANCEL", "FORCE_CANCEL", "DELETE"):
            if any(s.kind == "FORCE_CANCEL" for s in job.sweeps) and kind == "CANCEL":
                kind = "FORCE_CANCEL"
            job.sweeps.clear()
            job.backlog.clear()
        elif kind in ("HIDE", "SHOW"):
            job.sweeps[:] = [s for s in job.sweeps if s.kind not in ("HIDE", "SHOW")]
        job.sweeps.append(Sweep(kind))
        self.plan(job, now)

    def cancel(self, job: Job, force: bool, now: float) -> None:
        """Begin to cancel a job; ``sweep`` does the rest."""
        job.force_canceled = force
        self.set_status(job, "CANCELED", now)
        self.tell_job(job, "cancellation_in_progress")
        self.sweep(job, "FORCE_CANCEL" if force else "CANCEL", now)

    def settle(self, job: Job, now: float) -> None:
        """Complete a job that is rolled out (or past its end) once nothing is pending."""
        if job.status != "IN_PROGRESS" or job.pending or job.backlog or job.sweeps:
            return
        if job.phase == "ENDED" or (job.target_selection == "SNAPSHOT" and job.rolled_out):
            self.set_status(job, "COMPLETED", now)
            job.completed_at = now
            self.tell_job(job, "completed")
            self.effects.append(JobEnded(job.job_id, "COMPLETED"))

    def tell_job(self, job: Job, operation: str) -> None:
        """Tell an event of a job, where that is enabled."""
        if self.events.jobs:
            self.effects.append(job_event(job, operation, self.registry.job_arn(job.job_id)))

    # --------------------------------------------------------------------------- time

    def plan(self, job: Job, when: float) -> None:
        """Have ``expire`` work on a job at ``when``, if it would not sooner."""
        if job.planned is None or when < job.planned:
            job.planned = when
            self._agenda.enter(when, self.next_sequence(), job)

    def next_deadline(self) -> float | None:
        """When ``expire`` next has something to do (maybe in the past), or None."""
        return self._agenda.next_deadline()

    def next_due(self, now: float) -> Job | JobExecution | None:
        """Take what is due by ``now`` off the agenda, or None where nothing is."""
        return self._agenda.next_due(now)

    def next_sequence(self) -> int:
        """A number larger than all before."""
        self._sequence += 1
        return self._sequence

    # --------------------------------------------------------------------------- inside

    def _enqueue(self, job: Job, thing_name: str, now: float, retry: int) -> JobExecution:
        """A new execution in its thing's list; notify is told, notify-next is the caller's."""
        previous = job.latest.get(thing_name)
        number = 1 if previous is None else previous.execution_number + 1
        self._sequence = sequence = self._sequence + 1
        execution = JobExecution(job, thing_name, number, sequence, now, previous, retry)
        job.latest[thing_name] = execution
        job.executions.append(execution)
        job.counts["QUEUED"] += 1
        pending = self._pending.get(thing_name)
        if pending is None:
            self._pending[thing_name] = [execution]
        else:
            pending.append(execution)  # the newest QUEUED is always last
        self.tell_pending(thing_name)
        return execution

    def _ended(self, execution: JobExecution, now: float) -> None:
        """An execution has ended: its event, abort, retry."""
        job, thing_name = execution.job, execution.thing_name
        execution.hidden = False
        if self.events.executions:
            arn = self.registry.thing_arn(thing_name)
            self.effects.append(execution_event(execution, execution.status.lower(), arn))
        if job.abort is not None and job.status in ("IN_PROGRESS", "SCHEDULED"):
            self._abort(job, now)
        if (
            job.retry is not None
            and rollout.retries_left(execution)
            and self.wanted(job, thing_name)
        ):
            if job.phase == "OPEN":
                self._enqueue(job, thing_name, now, execution.retry_attempt + 1)
            elif job.phase == "CLOSED":
                job.backlog.append(execution)

    def _abort(self, job: Job, now: float) -> None:
        """Cancel a job whose abort criteria hold."""
        found = rollout.aborting(job)
        if found is not None:
            criterion, failed, ended = found
            job.reason_code = ABORTED
            job.comment = (
                f"Abort criteria met: {failed} of {ended} executions ended as "
                f"{criterion.failure_type}, threshold {criterion.threshold_percentage:g}%"
            )
            self.cancel(job, False, now)

    def wanted(self, job: Job, thing_name: str) -> bool:
        """Whether a job may still give a thing an execution: a target, of a job going on."""
        if job.status not in ("IN_PROGRESS", "SCHEDULED") or thing_name not in self.registry.things:
            return False
        return job.target_selection == "SNAPSHOT" or self.registry.is_target(
            thing_name, job.targets
        )

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

    def _watch(self, execution: JobExecution) -> None:
        """Make sure that the agenda looks at an execution no later than its deadline."""
        due = execution.deadline
        if due is not None and (execution.scheduled is None or due < execution.scheduled):
            execution.scheduled = due
            self._agenda.enter(due, self.next_sequence(), execution)
