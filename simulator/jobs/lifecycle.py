"""The life of a job: what it does as time passes, in slices.

Rule 1: work that grows with a job (rollout, cancel, delete, windows that open or close) is done in
        steps by ``expire``; between two steps everything is consistent but for how far it is.
Rule 2: a job's next turn is ``_wake``: it is computed anew after each turn and planned once.
Rule 3: a job's phase is what its timetable says; on a change of phase exactly the entry of
        ``_enter`` happens.

Sources: DG:iot-jobs-lifecycle, DG:jobs-configurations-details, docs/fidelity.md.
"""

from collections.abc import Callable
from typing import Final

from simulator.jobs import quotas, rollout
from simulator.jobs.ledger import Ledger
from simulator.jobs.messages import JobEnded
from simulator.jobs.model import Job, JobExecution, Sweep, SweepKind
from simulator.jobs.schedule import Phase

GOING_ON: Final = ("IN_PROGRESS", "SCHEDULED")
"""A job in one of these may still create executions."""

LET_GO: Final = 1_000
"""So many deleted executions at once leave the memory: a millisecond's work."""


class Lifecycle(Ledger):
    """Rollout, sweeps and schedule of every job."""

    def expire(self, now: float, limit: int = 1000) -> int:
        """Do what is due by ``now``, at most ``limit`` steps; return how many were done."""
        steps = 0
        while steps < limit:
            item = self.next_due(now)
            if item is None:
                break
            if isinstance(item, Job):
                steps += max(1, self.work(item, now, limit - steps))
            else:
                self.change(item, "TIMED_OUT", "service", now)
                steps += 1
        return steps

    def work(self, job: Job, now: float, limit: int) -> int:
        """Do up to ``limit`` steps of what a job has to do by now; return how many."""
        if job.timetable is not None and job.status in GOING_ON:
            phase = job.timetable.phase(now)
            if phase != job.phase:
                self._enter(job, phase, now)
        steps = 0
        while job.sweeps and steps < limit:
            steps += self._sweep(job, job.sweeps[0], now, limit - steps)
        if job.status == "IN_PROGRESS" and job.phase == "OPEN":
            steps += self._catch_up(job, now, limit - steps)
            steps += self._release(job, now, limit - steps)
        self.settle(job, now)
        when = self._wake(job, now)
        if when is not None:
            self.plan(job, when)
        return steps

    def full(self) -> bool:
        """Whether as many jobs are rolling out as quotas allow."""
        if self.quotas is None:
            return False
        rolling_out = sum(job.releasing for job in self.by_status["IN_PROGRESS"])
        return rolling_out >= quotas.CONCURRENT_JOBS

    # --------------------------------------------------------------------------- schedule

    def _enter(self, job: Job, phase: Phase, now: float) -> None:
        """A job's phase changes."""
        before, job.phase = job.phase, phase
        if phase == "OPEN" and before == "WAITING" and self.full():
            job.reason_code = "CONCURRENT_JOB_LIMIT"
            self.cancel(job, False, now)
        elif phase == "OPEN":
            self.set_status(job, "IN_PROGRESS", now)
            job.tick = now
            job.allowance = job.released
            if before == "CLOSED":
                self.sweep(job, "SHOW", now)
        elif phase == "CLOSED":
            if before == "OPEN":
                self.set_status(job, "SCHEDULED", now)
                self.sweep(job, "HIDE", now)
        else:
            self._end(job, before, now)

    def _end(self, job: Job, before: Phase, now: float) -> None:
        """A job's endTime has come: its end behaviour decides what becomes of its executions."""
        assert job.timetable is not None  # only a timetable ends a job
        self.set_status(job, "IN_PROGRESS", now)
        job.backlog.clear()
        behavior = job.timetable.end_behavior
        if behavior == "CANCEL":
            self.sweep(job, "CANCEL", now)
        elif behavior == "FORCE_CANCEL":
            self.sweep(job, "FORCE_CANCEL", now)
        elif before == "CLOSED":
            self.sweep(job, "SHOW", now)

    def _wake(self, job: Job, now: float) -> float | None:
        """When a job next has something to do."""
        if job.sweeps:
            return now
        if job.status not in GOING_ON:
            return None
        when = None if job.timetable is None else job.timetable.next_change(now)
        if job.phase == "OPEN":
            release = now if job.backlog else rollout.next_release(job)
            if release is not None and (when is None or release < when):
                when = max(release, now)
        return when

    # --------------------------------------------------------------------------- rollout

    def _release(self, job: Job, now: float, limit: int) -> int:
        """Give as many things their execution as the rate allows."""
        rollout.accrue(job, now)
        steps = min(limit, min(job.allowance, len(job.things)) - job.released)
        things, snapshot = self.registry.things, job.target_selection == "SNAPSHOT"
        for name in job.things[job.released : job.released + steps]:
            if name in things if snapshot else self._still_to_come(job, name):
                self.queue(job, name, now)
        job.released += steps
        return steps

    def _still_to_come(self, job: Job, thing_name: str) -> bool:
        """Whether a thing of a continuous job waits for its first execution and is still meant."""
        return thing_name not in job.latest and self.wanted(job, thing_name)

    def _catch_up(self, job: Job, now: float, limit: int) -> int:
        """Do what waited for the window: retries, and things that joined meanwhile."""
        steps = min(limit, len(job.backlog))
        for _ in range(steps):
            item = job.backlog.popleft()
            if isinstance(item, JobExecution):
                again = job.latest.get(item.thing_name) is item and self.wanted(
                    job, item.thing_name
                )
                if again:
                    self.queue(job, item.thing_name, now, item.retry_attempt + 1)
            else:
                self.join(job, item, now)
        return steps

    def join(self, job: Job, thing_name: str, now: float) -> None:
        """A thing has become a target of a continuous job: at once, whatever the rate.

        Nothing happens while its newest execution is pending; one that ended is followed by
        another (its number + 1, retries counted from nothing).
        """
        if not self.wanted(job, thing_name):
            return
        if job.phase == "OPEN":
            latest = job.latest.get(thing_name)
            if latest is None or latest.status not in ("QUEUED", "IN_PROGRESS"):
                self.queue(job, thing_name, now)
        elif job.phase == "WAITING":
            job.things.append(thing_name)
        elif job.phase == "CLOSED":
            job.backlog.append(thing_name)

    def remove(self, execution: JobExecution, now: float) -> None:
        """A thing is no target any more: what is QUEUED becomes REMOVED, all else goes on."""
        if execution.status == "QUEUED":
            self.change(execution, "REMOVED", "service", now)

    # --------------------------------------------------------------------------- sweeps

    def _sweep(self, job: Job, sweep: Sweep, now: float, limit: int) -> int:
        """The next slice of a sweep."""
        act = self._ACTS[sweep.kind]
        part = job.executions[sweep.at : sweep.at + limit]
        for execution in part:
            if not execution.deleted:
                act(self, execution, now)
        sweep.at += len(part)
        if sweep.kind == "DELETE" and sweep.at >= LET_GO:
            del job.executions[: sweep.at]  # now: a million at the end would be a long pause
            sweep.at = 0
        if sweep.at >= len(job.executions):
            job.sweeps.remove(sweep)
            self._swept(job, sweep.kind, now)
        return len(part)

    def _swept(self, job: Job, kind: SweepKind, now: float) -> None:
        """A sweep is done."""
        if kind == "DELETE":
            self._forget(job, now)
        elif kind in ("CANCEL", "FORCE_CANCEL") and job.status == "CANCELED":
            job.last_updated_at = now
            self.tell_job(job, "canceled")
            self.effects.append(JobEnded(job.job_id, "CANCELED"))

    def _forget(self, job: Job, now: float) -> None:
        """A job's deletion is done."""
        job.last_updated_at = now
        self.tell_job(job, "deleted")
        self.effects.append(JobEnded(job.job_id, "DELETED"))
        self.by_status["DELETION_IN_PROGRESS"].remove(job)
        del self.jobs[job.job_id]
        self.effects.append(JobEnded(job.job_id, "DELETED"))
        job.executions.clear()  # they know their job: without it nothing is left to be collected

    def _cancel_queued(self, execution: JobExecution, now: float) -> None:
        if execution.status == "QUEUED":
            self.change(execution, "CANCELED", "service", now)

    def _cancel_pending(self, execution: JobExecution, now: float) -> None:
        if execution.status == "IN_PROGRESS":
            execution.force_canceled = True
            self.change(execution, "CANCELED", "force", now)
        else:
            self._cancel_queued(execution, now)

    def _hide_queued(self, execution: JobExecution, now: float) -> None:
        if execution.status == "QUEUED" and not execution.hidden:
            self.hide(execution, now)

    def _show_hidden(self, execution: JobExecution, now: float) -> None:
        if execution.hidden:
            self.show(execution, now)

    def _prune(self, execution: JobExecution, now: float) -> None:
        job = execution.job
        if not self.registry.is_target(execution.thing_name, job.targets):
            self.remove(execution, now)

    _ACTS: Final[dict[SweepKind, "Callable[[Lifecycle, JobExecution, float], None]"]] = {
        "CANCEL": _cancel_queued,
        "FORCE_CANCEL": _cancel_pending,
        "DELETE": Ledger.delete,
        "HIDE": _hide_queued,
        "SHOW": _show_hidden,
        "PRUNE": _prune,
    }
