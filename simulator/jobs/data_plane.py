"""The data plane: the four operations by which a thing asks for jobs and reports on them.

Every method takes ``now`` in seconds of elapsed scenario time, returns a reply of ``messages.py``
and raises a ``Rejection`` that changed nothing. Source: DG:jobs-mqtt-api, §A.4 of AWS's behaviour
in docs/fidelity.md.
"""

from typing import Final

from msgspec import UNSET

from simulator.errors import (
    InvalidRequest,
    InvalidStateTransition,
    Rejection,
    TerminalStateReached,
    VersionMismatch,
)
from simulator.jobs.board import describe, reported, summary
from simulator.jobs.execution import CLI_PAGE
from simulator.jobs.ledger import Ledger
from simulator.jobs.messages import (
    EMPTY_UPDATE,
    NOTHING_NEXT,
    DataReply,
    DataRequest,
    DescribeJobExecutionRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    JobExecutionState,
    PendingReply,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
    UpdateReply,
)
from simulator.jobs.model import PENDING, JobExecution
from simulator.jobs.registry import Registry, check_job_id, check_thing_name
from simulator.jobs.settings import Settings

NEXT: Final = "$next"
"""The job id that stands for whatever comes next for the thing."""


def state_of(execution: JobExecution) -> JobExecutionState:
    """What an update or a rejection says of an execution."""
    return JobExecutionState(execution.status, execution.version, execution.status_details)


class DataPlane(Ledger):
    """GetPending, StartNext, Describe and Update."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        super().__init__(registry, settings)
        self._device_settable = settings.dialect.device_settable
        self._tells_state = settings.dialect.tells_state

    def handle(
        self, thing_name: str, job_id: str | None, request: DataRequest, now: float
    ) -> DataReply:
        """Do whichever operation the request's type stands for.

        ``job_id`` is None for the two operations that name no job.
        """
        if type(request) is UpdateJobExecutionRequest:  # first: nearly all requests are updates
            assert job_id is not None  # the wire gives one
            return self.update_job_execution(thing_name, job_id, request, now)
        if type(request) is StartNextPendingJobExecutionRequest:
            return self.start_next_pending_job_execution(thing_name, request, now)
        if type(request) is DescribeJobExecutionRequest:
            assert job_id is not None
            return self.describe_job_execution(thing_name, job_id, request, now)
        assert type(request) is GetPendingJobExecutionsRequest
        return self.get_pending_job_executions(thing_name, now)

    def get_pending_job_executions(self, thing_name: str, now: float) -> PendingReply:
        """List what waits for a thing: at most ten in progress and ten queued, in order.

        A thing that nobody registered has nothing pending (docs/fidelity.md).
        """
        check_thing_name(thing_name)
        if self.quotas is not None:
            self.quotas.read(now)
        pending = self.pending(thing_name)
        in_progress = reported([e for e in pending if e.status == "IN_PROGRESS"])
        queued = reported([e for e in pending if e.status == "QUEUED"])
        return PendingReply([summary(e) for e in in_progress], [summary(e) for e in queued])

    def start_next_pending_job_execution(
        self, thing_name: str, request: StartNextPendingJobExecutionRequest, now: float
    ) -> ExecutionReply:
        """Start the head of the pending list, or hand out again the one in progress.

        One already in progress comes back unchanged, its statusDetails and version too; only a
        step timeout in the request is applied, being a clause of its own.
        """
        head = self.head(thing_name)
        if head is None:  # whatever has an execution has a good name
            check_thing_name(thing_name)
        if self.quotas is not None:
            self.quotas.write(now)
        if head is None:
            return NOTHING_NEXT
        if head.status == "QUEUED":
            self.change(head, "IN_PROGRESS", "device", now, request.status_details)
        if request.step_timeout_in_minutes is not None:
            self.restart_step_timer(head, request.step_timeout_in_minutes, now)
        return ExecutionReply(describe(head, now))

    def describe_job_execution(
        self, thing_name: str, job_id: str, request: DescribeJobExecutionRequest, now: float
    ) -> ExecutionReply:
        """Show a pending execution; ``$next`` shows the head and starts nothing.

        Raises:
            ResourceNotFound: no such execution.
            TerminalStateReached: it has ended.
        """
        check_thing_name(thing_name)
        if self.quotas is not None:
            self.quotas.read(now)
        if job_id == NEXT:
            pending = self.pending(thing_name)
            number = request.execution_number
            if not pending or (number is not None and number != pending[0].execution_number):
                return ExecutionReply(None)
            execution = pending[0]
        else:
            check_job_id(job_id)
            execution = self.execution(thing_name, job_id, request.execution_number)
        if execution.status not in PENDING:
            raise TerminalStateReached(
                "Job Execution has reached terminal state. It is neither IN_PROGRESS nor QUEUED"
            )
        return ExecutionReply(describe(execution, now, request.include_job_document))

    def update_job_execution(
        self, thing_name: str, job_id: str, request: UpdateJobExecutionRequest, now: float
    ) -> UpdateReply:
        """Report progress or the end of an execution.

        The checks come in this order: settable status, existence, version, transition.

        Raises:
            InvalidStateTransition: a device may not set that status (without a state), or not
                from the current one (with the state).
            ResourceNotFound: no such execution.
            VersionMismatch: ``expectedVersion`` is not the stored version (with the state).
        """
        if self.quotas is not None:
            self.quotas.write(now)
        status = request.status
        if status not in self._device_settable:
            rejection = InvalidStateTransition(
                f"The status of job execution cannot be changed to be {status}"
            )
            rejection.hint = (
                f"a device may not set {status} on AWS; --dialect {CLI_PAGE.name} allows it, "
                "as the AWS CLI's page does"
            )
            raise rejection
        try:
            execution = self.execution(thing_name, job_id, request.execution_number)
        except Rejection:
            _check_names(thing_name, job_id)  # an illegal name is the better explanation
            raise
        expected = request.expected_version
        if expected is not None and expected != execution.version:
            raise VersionMismatch(
                f"Expected version {expected} but found version {execution.version}",
                state_of(execution),
            )
        try:
            self.change(execution, status, "device", now, request.status_details)
        except InvalidStateTransition as rejection:
            rejection.execution_state = state_of(execution)
            raise
        if status == "IN_PROGRESS" and request.step_timeout_in_minutes is not None:
            self.restart_step_timer(execution, request.step_timeout_in_minutes, now)
        tell = request.include_job_execution_state
        if tell is UNSET:
            tell = self._tells_state
        if not (tell or request.include_job_document):
            return EMPTY_UPDATE
        return UpdateReply(
            state_of(execution) if tell else None,
            execution.job.document_at(now) if request.include_job_document else None,
        )


def _check_names(thing_name: str, job_id: str) -> None:
    check_thing_name(thing_name)
    if job_id == NEXT:
        raise InvalidRequest("'$next' names no execution that could be updated")
    check_job_id(job_id)
