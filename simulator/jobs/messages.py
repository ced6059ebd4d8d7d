"""Requests, replies and notices of the Jobs service: one vocabulary for both sides.

Requests are what the wire carries as JSON, constraints included, so that decoding validates
(shapes and limits: botocore ``iot-jobs-data`` 2017-09-29 and ``iot`` 2015-05-28, GR:dm).
The thing and the job are not in them: the topic or the path names those.
Times in replies and notices are seconds of elapsed scenario time; ``wire.py`` makes timestamps.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from simulator.jobs.configuration import (
    MAX_MINUTES,
    AbortConfig,
    Description,
    JobExecutionsRetryConfig,
    JobExecutionsRolloutConfig,
    PresignedUrlConfig,
    SchedulingConfig,
    Tags,
    TimeoutConfig,
    check_printable,
    check_text,
)
from simulator.jobs.model import (
    JobProcessDetails,
    JobStatus,
    Status,
    TargetSelection,
)

DetailsKey = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"\A[a-zA-Z0-9:_-]+\Z")]
DetailsValue = Annotated[str, Meta(min_length=1, max_length=1024)]
StatusDetails = Annotated[dict[DetailsKey, DetailsValue], Meta(max_length=10)]
StepTimeout = Annotated[int, Meta(ge=-1, le=MAX_MINUTES)]
Long = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Targets = Annotated[list[Annotated[str, Meta(max_length=2048)]], Meta(min_length=1, max_length=100)]
Document = Annotated[str, Meta(max_length=32768)]
DocumentSource = Annotated[str, Meta(min_length=1, max_length=1350)]
Arn = Annotated[str, Meta(min_length=1, max_length=1600, pattern=r"\Aarn:[!-~]+\Z")]
PackageVersions = Annotated[list[Arn], Meta(max_length=25)]
NamespaceId = Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9_-]+\Z")]
ParameterKey = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"\A[a-zA-Z0-9_-]+\Z")]
ParameterValue = Annotated[str, Meta(min_length=1, max_length=30720)]


def _check_step_timeout(minutes: int | None) -> None:
    if minutes == 0:
        raise ValueError("stepTimeoutInMinutes must be -1 or between 1 and 10080, not 0")


def _check_details(details: dict[str, str] | None) -> None:
    for key, value in (details or {}).items():
        check_printable(f"statusDetails value of {key!r}", value)


# ------------------------------------------------------------------------------- data plane


class GetPendingJobExecutionsRequest(Struct, rename="camel", omit_defaults=True):
    """What is pending for a thing?"""

    client_token: str | None = None


class StartNextPendingJobExecutionRequest(Struct, rename="camel", omit_defaults=True):
    """Start the head of the pending list, or hand out again what is in progress."""

    status_details: StatusDetails | None = None
    step_timeout_in_minutes: StepTimeout | None = None
    client_token: str | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _check_step_timeout(self.step_timeout_in_minutes)
        if self.status_details is not None:
            _check_details(self.status_details)


class DescribeJobExecutionRequest(Struct, rename="camel", omit_defaults=True):
    """Show one pending execution; the job may be ``$next``."""

    include_job_document: bool = True
    execution_number: Long | None = None
    client_token: str | None = None


class UpdateJobExecutionRequest(Struct, rename="camel", omit_defaults=True):
    """Report progress or the end of an execution."""

    status: Status
    status_details: StatusDetails | None = None
    step_timeout_in_minutes: StepTimeout | None = None
    expected_version: Long | None = None
    include_job_execution_state: bool | UnsetType = UNSET
    """Unset is not the same as false: the dialects differ in what it means."""
    include_job_document: bool = False
    execution_number: Long | None = None
    client_token: str | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if self.step_timeout_in_minutes is not None:
            _check_step_timeout(self.step_timeout_in_minutes)
        if self.status_details is not None:
            _check_details(self.status_details)


DataRequest = (
    GetPendingJobExecutionsRequest
    | StartNextPendingJobExecutionRequest
    | DescribeJobExecutionRequest
    | UpdateJobExecutionRequest
)


class JobExecutionSummary(Struct, rename="camel", omit_defaults=True):
    """One line of a pending list."""

    job_id: str
    queued_at: float
    last_updated_at: float
    version_number: int
    execution_number: int
    started_at: float | None = None


class JobExecutionData(Struct, rename="camel", omit_defaults=True):
    """AWS's data-plane ``JobExecution``. ``job_document`` is the document's JSON text."""

    job_id: str
    thing_name: str
    status: Status
    queued_at: float
    last_updated_at: float
    version_number: int
    execution_number: int
    status_details: dict[str, str] | None = None
    started_at: float | None = None
    approximate_seconds_before_timed_out: int | None = None
    job_document: str | None = None


class JobExecutionState(Struct, rename="camel", omit_defaults=True):
    """The part of an execution that an update or a rejection answers with."""

    status: Status
    version_number: int
    status_details: dict[str, str] | None = None


class PendingReply(Struct):
    """GetPendingJobExecutions: at most ten of each."""

    in_progress_jobs: list[JobExecutionSummary]
    queued_jobs: list[JobExecutionSummary]


class ExecutionReply(Struct):
    """StartNext and Describe: the execution, or None where nothing is pending."""

    execution: JobExecutionData | None


NOTHING_NEXT = ExecutionReply(None)
"""Shared, since it never changes."""


class UpdateReply(Struct):
    """UpdateJobExecution: empty unless the request asked for more."""

    execution_state: JobExecutionState | None = None
    job_document: str | None = None


EMPTY_UPDATE = UpdateReply()
"""The answer to nearly every update; shared, since it never changes."""

DataReply = PendingReply | ExecutionReply | UpdateReply


# ------------------------------------------------------------------------------- effects


class Notify(Struct):
    """Effect: the pending list of a thing changed (topic ``jobs/notify``)."""

    thing_name: str
    in_progress: list[JobExecutionSummary]
    queued: list[JobExecutionSummary]


class NotifyNext(Struct):
    """Effect: another execution is next for a thing, or none (topic ``jobs/notify-next``)."""

    thing_name: str
    execution: JobExecutionData | None


class JobEnded(Struct):
    """Effect: a job was completed, or all of its cancellation or of its deletion is done."""

    job_id: str
    status: JobStatus | Literal["DELETED"]


class JobEvent(Struct):
    """Effect: something happened to a job (topic ``$aws/events/job/…``), where that is enabled."""

    operation: str
    event_id: str
    job_id: str
    status: str
    target_selection: TargetSelection
    targets: list[str]
    created_at: float
    last_updated_at: float
    description: str | None = None
    completed_at: float | None = None
    comment: str | None = None
    details: JobProcessDetails | None = None


class JobExecutionEvent(Struct):
    """Effect: an execution ended or was deleted (topic ``$aws/events/jobExecution/…``)."""

    operation: str
    event_id: str
    job_id: str
    thing_arn: str
    status: Status
    status_details: dict[str, str] | None = None


Told = Notify | NotifyNext | JobEvent | JobExecutionEvent
"""Effects that are messages on a topic."""

Effect = Told | JobEnded


# ------------------------------------------------------------------------------- control plane


class CreateJobRequest(Struct, rename="camel", omit_defaults=True):
    """A new job (botocore ``CreateJob``); the job's id is in the path."""

    targets: Targets
    document: Document | None = None
    description: Description | None = None
    target_selection: TargetSelection = "SNAPSHOT"
    job_executions_rollout_config: JobExecutionsRolloutConfig | None = None
    timeout_config: TimeoutConfig | None = None
    document_source: DocumentSource | None = None
    presigned_url_config: PresignedUrlConfig | None = None
    abort_config: AbortConfig | None = None
    tags: Tags | None = None
    namespace_id: NamespaceId | None = None
    job_template_arn: Arn | None = None
    job_executions_retry_config: JobExecutionsRetryConfig | None = None
    document_parameters: dict[ParameterKey, ParameterValue] | None = None
    scheduling_config: SchedulingConfig | None = None
    destination_package_versions: PackageVersions | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        check_text("description", self.description)
        for key, value in (self.document_parameters or {}).items():
            check_text(f"documentParameters value of {key!r}", value)


class CreateJobReply(Struct, rename="camel", omit_defaults=True):
    """What was made."""

    job_arn: str
    job_id: str
    description: str | None = None


class UpdateJobRequest(Struct, rename="camel", omit_defaults=True):
    """Change a job in progress: each member given replaces the stored one whole."""

    description: Description | None = None
    presigned_url_config: PresignedUrlConfig | None = None
    job_executions_rollout_config: JobExecutionsRolloutConfig | None = None
    abort_config: AbortConfig | None = None
    timeout_config: TimeoutConfig | None = None
    job_executions_retry_config: JobExecutionsRetryConfig | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        check_text("description", self.description)


class AssociateTargetsWithJobRequest(Struct, rename="camel", omit_defaults=True):
    """Give a continuous job more thing groups."""

    targets: Targets
    comment: Description | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        check_text("comment", self.comment)


class CancelJobRequest(Struct, rename="camel", omit_defaults=True):
    """End a job's rollout; ``force`` (in the query) ends executions in progress too."""

    reason_code: Annotated[str, Meta(max_length=128, pattern=r"\A[A-Z0-9_]+\Z")] | None = None
    comment: Description | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        check_text("comment", self.comment)


class CancelJobExecutionRequest(Struct, rename="camel", omit_defaults=True):
    """End one execution; ``force`` (in the query) is needed once it is in progress."""

    expected_version: Long | None = None
    status_details: StatusDetails | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _check_details(self.status_details)
