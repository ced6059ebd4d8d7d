"""What the control plane says of jobs and executions: the shapes of its descriptions and pages.

Times are seconds of elapsed scenario time; ``rest`` makes timestamps. Members that AWS leaves out
where they say nothing are None here; those that it prints as ``{}`` are empty configurations.
"""

from msgspec import Struct

from simulator.jobs.configuration import (
    AbortConfig,
    JobExecutionsRetryConfig,
    JobExecutionsRolloutConfig,
    PresignedUrlConfig,
    SchedulingConfig,
    TimeoutConfig,
)
from simulator.jobs.model import JobProcessDetails, JobStatus, Status, TargetSelection


class ScheduledJobRollout(Struct, rename="camel"):
    """When one of the coming maintenance windows opens."""

    start_time: str


class JobDescription(Struct, rename="camel", omit_defaults=True):
    """DescribeJob's ``job``."""

    job_arn: str
    job_id: str
    target_selection: TargetSelection
    status: JobStatus
    targets: list[str]
    created_at: float
    last_updated_at: float
    job_process_details: JobProcessDetails
    is_concurrent: bool
    presigned_url_config: PresignedUrlConfig
    job_executions_rollout_config: JobExecutionsRolloutConfig
    timeout_config: TimeoutConfig
    scheduling_config: SchedulingConfig
    processing_targets: list[str] | None = None
    """Goes into ``jobProcessDetails``."""
    document_source: str | None = None
    """Stands beside ``job``."""
    description: str | None = None
    force_canceled: bool | None = None
    reason_code: str | None = None
    comment: str | None = None
    completed_at: float | None = None
    abort_config: AbortConfig | None = None
    job_executions_retry_config: JobExecutionsRetryConfig | None = None
    namespace_id: str | None = None
    job_template_arn: str | None = None
    document_parameters: dict[str, str] | None = None
    scheduled_job_rollouts: list[ScheduledJobRollout] | None = None
    destination_package_versions: list[str] | None = None


class JobSummary(Struct, rename="camel", omit_defaults=True):
    """One row of ListJobs."""

    job_arn: str
    job_id: str
    target_selection: TargetSelection
    status: JobStatus
    created_at: float
    last_updated_at: float
    is_concurrent: bool
    thing_group_id: str | None = None
    completed_at: float | None = None


class JobPage(Struct):
    """One page of jobs, and where the next begins (None: this was the last)."""

    rows: list[JobSummary]
    next_token: str | None = None


class ControlExecution(Struct, rename="camel", omit_defaults=True):
    """The control plane's view of an execution, in any status."""

    job_id: str
    status: Status
    thing_arn: str
    queued_at: float
    last_updated_at: float
    execution_number: int
    version_number: int
    status_details: dict[str, dict[str, str]]
    started_at: float | None = None
    force_canceled: bool | None = None
    approximate_seconds_before_timed_out: int | None = None


class ExecutionListing(Struct):
    """One row of ListJobExecutionsForJob and ListJobExecutionsForThing."""

    job_id: str
    thing_arn: str
    status: Status
    queued_at: float
    last_updated_at: float
    execution_number: int
    started_at: float | None = None
    retry_attempt: int = 0


class ExecutionPage(Struct):
    """One page of rows, and where the next begins (None: this was the last)."""

    rows: list[ExecutionListing]
    next_token: str | None = None
