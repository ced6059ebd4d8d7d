"""The control plane: how an owner makes a job, looks at it and ends it.

Every method takes ``now`` in seconds of elapsed scenario time, returns a reply of ``messages.py``
and raises a ``Rejection`` that changed nothing. Source: DG:jobs-management-control-api, §D of
AWS's behaviour in docs/fidelity.md.
"""

from typing import Final

import msgspec

from simulator.errors import (
    InvalidRequest,
    InvalidStateTransition,
    ResourceAlreadyExists,
    VersionConflict,
)
from simulator.jobs.ledger import Ledger
from simulator.jobs.messages import (
    CancelJobExecutionRequest,
    CancelJobRequest,
    CreateJobReply,
    CreateJobRequest,
    ExecutionListing,
    ExecutionPage,
    JobDescription,
    JobEnded,
)
from simulator.jobs.model import Job, JobExecution, JobProcessDetails, Status
from simulator.jobs.registry import check_job_id, check_thing_name

FIRST_SLICE: Final = 250
"""So many executions a command creates or cancels before it answers; ``expire`` does the rest."""

MAX_RESULTS: Final = 250
"""The longest page of a list (GR:dm)."""


class ControlPlane(Ledger):
    """CreateJob, DescribeJob, CancelJob, executions listed, cancelled and deleted."""

    def create_job(self, job_id: str, request: CreateJobRequest, now: float) -> CreateJobReply:
        """Make a job and begin its rollout.

        The first executions exist when this returns; the others follow at the job's rate.

        Raises:
            InvalidRequest: no document, or one that is not JSON; an illegal id or target.
            ResourceAlreadyExists: the id is taken.
            ResourceNotFound: a target does not exist.
        """
        check_job_id(job_id)
        if job_id in self.jobs:
            raise ResourceAlreadyExists(f"Job {job_id} already exists")
        if request.document is None:
            raise InvalidRequest("Provide a document: neither document nor documentSource is given")
        try:
            msgspec.json.decode(request.document)
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"The job document is not valid JSON: {error}") from None
        if request.target_selection != "SNAPSHOT":
            raise InvalidRequest("targetSelection CONTINUOUS is not supported yet; use SNAPSHOT")
        job = Job(
            job_id=job_id,
            sequence=self._next(),
            targets=request.targets,
            document=request.document,
            description=request.description,
            target_selection=request.target_selection,
            timeout=request.timeout_config,
            rollout=request.job_executions_rollout_config,
            created_at=now,
            last_updated_at=now,
            things=self.registry.resolve(request.targets),
        )
        self.jobs[job_id] = job
        self.work(job, now, FIRST_SLICE)
        return CreateJobReply(self.registry.job_arn(job_id), job_id, job.description)

    def describe_job(self, job_id: str) -> JobDescription:
        """All that the control plane says of a job."""
        job = self.job(job_id)
        releasing = job.status == "IN_PROGRESS" and not job.rolled_out
        return JobDescription(
            job_arn=self.registry.job_arn(job_id),
            job_id=job_id,
            target_selection=job.target_selection,
            status=job.status,
            targets=job.targets,
            created_at=job.created_at,
            last_updated_at=job.last_updated_at,
            job_process_details=_process_details(job, job.targets if releasing else None),
            is_concurrent=releasing or job.canceled is not None,
            timeout_config=job.timeout,
            job_executions_rollout_config=job.rollout,
            description=job.description,
            force_canceled=job.force_canceled or None,
            reason_code=job.reason_code,
            comment=job.comment,
            completed_at=job.completed_at,
        )

    def cancel_job(
        self, job_id: str, request: CancelJobRequest, force: bool, now: float
    ) -> CreateJobReply:
        """Stop a job: QUEUED executions are cancelled, with ``force`` those in progress too.

        Raises:
            InvalidRequest: the job has ended.
            ResourceNotFound: no such job.
        """
        job = self.job(job_id)
        if job.status != "IN_PROGRESS":
            raise InvalidRequest(
                f"Job {job_id} is {job.status}; only a job in progress is canceled"
            )
        job.status = "CANCELED"
        job.force_canceled = force
        job.reason_code, job.comment = request.reason_code, request.comment
        job.last_updated_at = now
        job.canceled = 0
        self.effects.append(JobEnded(job_id, "CANCELED"))
        self.work(job, now, FIRST_SLICE)
        return CreateJobReply(self.registry.job_arn(job_id), job_id, job.description)

    def cancel_job_execution(
        self,
        thing_name: str,
        job_id: str,
        request: CancelJobExecutionRequest,
        force: bool,
        now: float,
    ) -> None:
        """End one execution; one in progress only with ``force``.

        Raises:
            InvalidStateTransition: it is in progress and ``force`` is not given, or it has ended.
            VersionConflict: ``expectedVersion`` is not its version.
        """
        execution = self._named(thing_name, job_id)
        expected = request.expected_version
        if expected is not None and expected != execution.version:
            raise VersionConflict(
                f"Expected version {expected} but found version {execution.version}"
            )
        self.change(execution, "CANCELED", "force" if force else "service", now)
        execution.force_canceled = force
        if request.status_details is not None:
            execution.status_details = request.status_details

    def delete_job_execution(
        self, thing_name: str, job_id: str, execution_number: int, force: bool, now: float
    ) -> None:
        """Forget one execution; one in progress only with ``force``.

        Raises:
            InvalidStateTransition: it is in progress and ``force`` is not given.
            ResourceNotFound: no such execution.
        """
        execution = self._named(thing_name, job_id)
        while execution.execution_number != execution_number and execution.previous is not None:
            execution = execution.previous
        if execution.execution_number != execution_number:
            self.execution(thing_name, job_id, execution_number)  # raises ResourceNotFound
        if execution.status == "IN_PROGRESS" and not force:
            raise InvalidStateTransition(
                f"Job execution of job {job_id} on thing {thing_name} is IN_PROGRESS; "
                "only force deletes it"
            )
        self.delete(execution, now)

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
        job = self.job(job_id)
        if not 1 <= max_results <= MAX_RESULTS:
            raise InvalidRequest(f"maxResults must be 1 to {MAX_RESULTS}, not {max_results}")
        rows: list[ExecutionListing] = []
        for at in range(_cursor(next_token), len(job.executions)):
            execution = job.executions[at]
            if execution.deleted or status not in (None, execution.status):
                continue
            if len(rows) == max_results:
                return ExecutionPage(rows, str(at))
            rows.append(self._listing(execution))
        return ExecutionPage(rows)

    def _listing(self, execution: JobExecution) -> ExecutionListing:
        return ExecutionListing(
            self.registry.thing_arn(execution.thing_name),
            execution.status,
            execution.queued_at,
            execution.last_updated_at,
            execution.execution_number,
            execution.started_at,
        )

    def _named(self, thing_name: str, job_id: str) -> JobExecution:
        check_thing_name(thing_name)
        check_job_id(job_id)
        return self.execution(thing_name, job_id)


def _cursor(next_token: str | None) -> int:
    if next_token is None:
        return 0
    if not next_token.isascii() or not next_token.isdigit():
        raise InvalidRequest(f"nextToken {next_token!r} is not one that this service gave")
    return int(next_token)


def _process_details(job: Job, targets: list[str] | None) -> JobProcessDetails:
    count = job.counts
    return JobProcessDetails(
        processing_targets=targets,
        number_of_canceled_things=count["CANCELED"],
        number_of_succeeded_things=count["SUCCEEDED"],
        number_of_failed_things=count["FAILED"],
        number_of_rejected_things=count["REJECTED"],
        number_of_queued_things=count["QUEUED"],
        number_of_in_progress_things=count["IN_PROGRESS"],
        number_of_removed_things=count["REMOVED"],
        number_of_timed_out_things=count["TIMED_OUT"],
    )
