"""The jobs of a live run, at the service they are asked of: created in time, looked at, told.

Rule 1: who asks decides what follows; here is only what the service says, or that it is lost
        (``TargetError``).
Rule 2: several jobs count as one: they go on while any does.
"""

from collections import Counter
from typing import Final

import numpy as np

from simulator.owner import DELETED, Listed, Owner
from simulator.report.executions import JobEnd, Outcome, listed, table_of
from simulator.run import Resolved, group_of

GOING_ON: Final = ("IN_PROGRESS", "SCHEDULED")


class LiveJobs:
    """A scenario's jobs at a service."""

    def __init__(self, resolved: Resolved, owner: Owner, *, ours: bool) -> None:
        """``ours``: the service was started for this run, and has the first job's group."""
        self.counts: dict[str, int] = {}
        """Executions by status, as of the last look; those that are not zero."""
        self._resolved = resolved
        self._owner = owner
        self._ours = ours
        self._plans = resolved.scenario.jobs()
        work = resolved.work()
        self._names = work.names()
        self._meant = [
            np.flatnonzero(work.select(plan.targets)).astype(np.int32) for plan in self._plans
        ]
        """What each is for: things by index."""
        self._uncreated: dict[str, str] = {}
        """Jobs whose time has not come: the ARN of the group that each is for."""

    @property
    def to_come(self) -> int:
        """Targets that have no execution yet, as of the last look."""
        return max(0, sum(map(len, self._meant)) - sum(self.counts.values()))

    def create(self) -> None:
        """Register things and groups, and create the jobs that begin at once.

        Raises:
            TargetError: the service does not answer.
            UsageError: it has such a group or job already.
        """
        there = {self._plans[0].home} if self._ours else set()
        for plan, meant in zip(self._plans, self._meant, strict=True):
            group = group_of(plan.home)
            if plan.home not in there:
                there.add(plan.home)
                things = [self._names[one] for one in meant]
                self._owner.register(group, things, ours=self._ours)
            self._uncreated[plan.job_id] = self._owner.group_arn(group, self._names[0])
        for plan in self._plans:
            if not plan.at:
                self._create(plan.job_id)

    def look(self, elapsed_s: float) -> str | None:
        """Create what is due after so many scenario seconds, and look at the rest.

        Returns a status in ``GOING_ON`` while a job goes on, and else how they ended.
        """
        statuses: dict[str, None] = {}
        counts: Counter[str] = Counter()
        for plan in self._plans:
            if plan.job_id in self._uncreated:
                if elapsed_s < plan.at:
                    statuses["SCHEDULED"] = None
                    continue
                self._create(plan.job_id)
            status, found = self._owner.describe_job(plan.job_id)
            statuses[status] = None
            counts.update(found)
        self.counts = dict(counts)
        going_on = next((status for status in statuses if status in GOING_ON), None)
        return going_on or " and ".join(statuses)

    def outcome(self, elapsed_s: float, *, lost: bool) -> Outcome:
        """What the service says at the end; of one that was lost, what it said last.

        Raises:
            TargetError: it is lost now.
        """
        counts: Counter[str] = Counter()
        jobs: list[tuple[str, float, list[Listed]]] = []
        ends, begin = [], 0.0
        for plan, meant in zip(self._plans, self._meant, strict=True):
            gone = lost or plan.job_id in self._uncreated
            status, found = (DELETED, {}) if gone else self._owner.describe_job(plan.job_id)
            if status == DELETED:
                ends.append(JobEnd(plan.job_id, "", False, 0, np.empty(0, np.int32)))
                continue
            counts.update(found)
            begin = begin or self._owner.created_at - plan.at
            created = self._owner.created_at - begin
            jobs.append((plan.job_id, created, list(self._owner.executions(plan.job_id))))
            # With retries there may be more executions than things: then all are rolled out.
            left = max(0, len(meant) - sum(found.values()))
            ends.append(JobEnd(plan.job_id, status, self._owner.aborted, left, meant))
        self.counts = dict(counts) or self.counts
        columns = listed(jobs, self._names, elapsed_s)
        table = table_of(columns, [end.job_id for end in ends])
        return Outcome(self.counts, table, tuple(ends), None if lost else columns)

    def nothing(self) -> Outcome:
        """The outcome where the service was lost while it was asked."""
        ends = [JobEnd(plan.job_id, "", False, 0, np.empty(0, np.int32)) for plan in self._plans]
        nothing = table_of(listed([], (), 0.0), [end.job_id for end in ends])
        return Outcome(self.counts, nothing, tuple(ends))

    def _create(self, job_id: str) -> None:
        request = self._resolved.scenario.create_job_request(self._uncreated.pop(job_id), job_id)
        self._owner.create_job(job_id, request)
