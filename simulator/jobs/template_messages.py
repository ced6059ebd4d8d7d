"""Job templates on the wire: the request that makes one, and what is said of them.

Shapes: botocore ``iot`` 2015-05-28. Times are seconds of elapsed scenario time.
"""

from msgspec import Struct

from simulator.jobs.configuration import (
    AbortConfig,
    Description,
    JobExecutionsRetryConfig,
    JobExecutionsRolloutConfig,
    MaintenanceWindow,
    PresignedUrlConfig,
    Tags,
    TimeoutConfig,
    check_text,
)
from simulator.jobs.messages import Document, DocumentSource, PackageVersions


class CreateJobTemplateRequest(Struct, rename="camel", omit_defaults=True):
    """A new template, from a document or from a job (botocore ``CreateJobTemplate``)."""

    description: Description
    job_arn: str | None = None
    document_source: DocumentSource | None = None
    document: Document | None = None
    presigned_url_config: PresignedUrlConfig | None = None
    job_executions_rollout_config: JobExecutionsRolloutConfig | None = None
    abort_config: AbortConfig | None = None
    timeout_config: TimeoutConfig | None = None
    tags: Tags | None = None
    job_executions_retry_config: JobExecutionsRetryConfig | None = None
    maintenance_windows: tuple[MaintenanceWindow, ...] | None = None
    destination_package_versions: PackageVersions | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        check_text("description", self.description)


class CreateJobTemplateReply(Struct, rename="camel"):
    """What was made."""

    job_template_arn: str
    job_template_id: str


class JobTemplate(Struct, rename="camel", omit_defaults=True):
    """A template as DescribeJobTemplate tells it."""

    job_template_arn: str
    job_template_id: str
    description: str
    created_at: float
    document: str
    document_source: str | None = None
    presigned_url_config: PresignedUrlConfig | None = None
    job_executions_rollout_config: JobExecutionsRolloutConfig | None = None
    abort_config: AbortConfig | None = None
    timeout_config: TimeoutConfig | None = None
    job_executions_retry_config: JobExecutionsRetryConfig | None = None
    maintenance_windows: tuple[MaintenanceWindow, ...] | None = None
    destination_package_versions: list[str] | None = None


class JobTemplateSummary(Struct, rename="camel"):
    """One row of ListJobTemplates."""

    job_template_arn: str
    job_template_id: str
    description: str
    created_at: float


class JobTemplatePage(Struct):
    """One page of templates, and where the next begins."""

    rows: list[JobTemplateSummary]
    next_token: str | None = None
