"""What the control plane tells: jobs and executions described and listed.

Nothing here changes anything. Lists are in a fixed order and their tokens are places in it, so that
pages stay right when rows come and go (``paging.py``). A page looks at so many rows at most and may
therefore be short, even empty, and still have a next one, as AWS's.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from simulator.errors import InvalidRequest
from simulator.jobs import paging
from simulator.jobs.configuration import PresignedUrlConfig, SchedulingConfig
from simulator.jobs.control_plane import ControlPlane
from simulator.jobs.descriptions import (
    ControlExecution,
    ExecutionListing,
    ExecutionPage,
    JobDescription,
    JobPage,
    JobSummary,
    ScheduledJobRollout,
)
from simulator.jobs.events import process_details
from simulator.jobs.model import (
    JOB_STATUSES,
    Job,
    JobExecution,
    JobStatus,
    Status,
    TargetSelection,
)
from simulator.jobs.paging import MAX_RESULTS
from simulator.jobs.registry import check_thing_name

LOOKED_AT: Final = 50_000
"""Rows that one page looks at: a few milliseconds' worth."""


class Listings(ControlPlane):
    """DescribeJob, GetJobDocument, ListJobs, DescribeJobExecution, ListJobExecutionsFor…"""

    def describe_job(self, job_id: str, now: float = 0.0) -> JobDescription:
        """All that the control plane says of a job."""
        job = self._existing(job_id)
        going_on = job.status in ("IN_PROGRESS", "SCHEDULED")
        windows = going_on and job.timetable is not None and job.timetable.windows
        return JobDescription(
            job_arn=self.registry.job_arn(job_id),
            job_id=job_id,
            target_selection=job.target_selection,
            status=job.status,
            targets=job.targets,
            created_at=job.created_at,
            last_updated_at=job.last_updated_at,
            job_process_details=process_details(job),
            is_concurrent=job.releasing,
            presigned_url_config=job.presigned or PresignedUrlConfig(),
            job_executions_rollout_config=job.rollout,
            timeout_config=job.timeout,
            scheduling_config=job.scheduling or SchedulingConfig(),
            processing_targets=job.targets if going_on and not job.rolled_out else None,
            document_source=job.document_source,
            description=job.description,
            force_canceled=job.force_canceled or None,
            reason_code=job.reason_code,
            comment=job.comment,
            completed_at=job.completed_at,
            abort_config=job.abort,
            job_executions_retry_config=job.retry,
            namespace_id=job.namespace_id,
            job_template_arn=job.template_arn,
            document_parameters=job.document_parameters,
            scheduled_job_rollouts=_coming(job, now) if windows else None,
            destination_package_versions=job.package_versions,
        )

    def get_job_document(self, job_id: str, before_substitution: bool = False) -> str:
        """A job's document, placeholders for presigned URLs as they are.

        ``before_substitution`` shows a managed template's document without its parameters.
        """
        job = self._existing(job_id)
        if before_substitution and job.raw_document is not None:
            return job.raw_document
        return job.document

    def list_jobs(
        self,
        status: JobStatus | None = None,
        target_selection: TargetSelection | None = None,
        group: str | None = None,
        namespace_id: str | None = None,
        max_results: int = MAX_RESULTS,
        next_token: str | None = None,
    ) -> JobPage:
        """One page of jobs: by status, the newest of each first.

        Raises:
            InvalidRequest: ``max_results`` is not 1 to 250, or the token is not ours.
            ResourceNotFound: no such group.
        """
        paging.check_max_results(max_results)
        target = None if group is None else self.registry.group_arn(self.registry.group(group).name)
        rows: list[JobSummary] = []
        last: Job | None = None
        jobs = self._jobs_from(status, paging.place("jobs", next_token, 2))
        for looked, job in enumerate(jobs):
            if len(rows) == max_results or looked == LOOKED_AT:
                assert last is not None  # a page has at least one row, or looked at some
                return JobPage(rows, paging.token("jobs", last.status, last.sequence))
            last = job
            if (
                target_selection in (None, job.target_selection)
                and namespace_id in (None, job.namespace_id)
                and (target is None or target in job.targets)
            ):
                rows.append(self._row(job))
        return JobPage(rows)

    def describe_job_execution_in_any_status(
        self, thing_name: str, job_id: str, number: int | None, now: float
    ) -> ControlExecution:
        """The control plane's DescribeJobExecution; raise ResourceNotFound where there is none."""
        execution = self.attempt(thing_name, job_id, number)
        deadline = execution.deadline
        details = execution.status_details
        return ControlExecution(
            job_id,
            execution.status,
            self.registry.thing_arn(thing_name),
            execution.queued_at,
            execution.last_updated_at,
            execution.execution_number,
            execution.version,
            {} if details is None else {"detailsMap": details},
            execution.started_at,
            execution.force_canceled or None,
            None if deadline is None else max(0, int(deadline - now)),
        )

    def list_job_executions_for_job(
        self,
        job_id: str,
        status: Status | None = None,
        max_results: int = MAX_RESULTS,
        next_token: str | None = None,
    ) -> ExecutionPage:
        """One page of a job's executions in order of creation, of one status or of all.

        Raises:
            InvalidRequest: ``max_results`` is not 1 to 250, or the token is not ours.
        """
        job = self._existing(job_id)
        start = paging.number("executions", next_token) or 0
        return self._executions(job.executions, start, status, None, None, max_results)

    def list_job_executions_for_thing(
        self,
        thing_name: str,
        status: Status | None = None,
        namespace_id: str | None = None,
        job_id: str | None = None,
        max_results: int = MAX_RESULTS,
        next_token: str | None = None,
    ) -> ExecutionPage:
        """One page of a thing's executions in order of creation, of every job.

        Raises:
            InvalidRequest: ``max_results`` is not 1 to 250, or the token is not ours.
            ResourceNotFound: nobody registered the thing, and it has no execution.
        """
        check_thing_name(thing_name)
        history = self.history(thing_name)
        if not history:
            self.registry.thing(thing_name)
        first = paging.number("executions", next_token) or 0
        return self._executions(history, first, status, namespace_id, job_id, max_results)

    # --------------------------------------------------------------------------- inside

    def _executions(
        self,
        executions: list[JobExecution],
        first: int,
        status: Status | None,
        namespace_id: str | None,
        job_id: str | None,
        max_results: int,
    ) -> ExecutionPage:
        """A page of executions whose sequence is ``first`` or later."""
        paging.check_max_results(max_results)
        rows: list[ExecutionListing] = []
        start = bisect_left(executions, first, key=_sequence)
        for at in range(start, len(executions)):
            execution = executions[at]
            if len(rows) == max_results or at - start == LOOKED_AT:
                return ExecutionPage(rows, paging.token("executions", execution.sequence))
            if (
                not execution.deleted
                and status in (None, execution.status)
                and namespace_id in (None, execution.job.namespace_id)
                and job_id in (None, execution.job.job_id)
            ):
                rows.append(self._listing(execution))
        return ExecutionPage(rows)

    def _jobs_from(self, status: JobStatus | None, behind: list[str] | None) -> Iterator[Job]:
        """Jobs by status, the newest first, behind a place in that order."""
        statuses = list(JOB_STATUSES)
        upto: int | None = None
        if behind is not None:
            if behind[0] not in statuses or not behind[1].isdigit() or len(behind[1]) > 19:
                raise InvalidRequest(f"nextToken names no place of this list: {'/'.join(behind)}")
            statuses = statuses[statuses.index(behind[0]) :]
            upto = int(behind[1])
        for one in statuses:
            jobs = self.by_status[one]
            at = len(jobs) if upto is None else bisect_left(jobs, upto, key=_sequence)
            upto = None
            if status in (None, one):
                while at:
                    at -= 1
                    yield jobs[at]

    def _row(self, job: Job) -> JobSummary:
        return JobSummary(
            self.registry.job_arn(job.job_id),
            job.job_id,
            job.target_selection,
            job.status,
            job.created_at,
            job.last_updated_at,
            job.releasing,
            completed_at=job.completed_at,
        )

    def _listing(self, execution: JobExecution) -> ExecutionListing:
        return ExecutionListing(
            execution.job.job_id,
            self.registry.thing_arn(execution.thing_name),
            execution.status,
            execution.queued_at,
            execution.last_updated_at,
            execution.execution_number,
            execution.started_at,
            execution.retry_attempt,
        )


def _sequence(item: Job | JobExecution) -> int:
    return item.sequence


def _coming(job: Job, now: float) -> list[ScheduledJobRollout]:
    assert job.timetable is not None  # asked only where there are windows
    return [ScheduledJobRollout(at) for at in job.timetable.coming(now)]
