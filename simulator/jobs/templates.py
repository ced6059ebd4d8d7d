"""Job templates: those of the account, AWS's managed ones, and jobs made from either.

A template gives what a CreateJob request leaves out; what the request says wins. Source:
DG:job-templates, botocore ``iot``; what AWS does not say stands in docs/fidelity.md.
"""

import msgspec

from simulator.errors import Conflict, InvalidRequest, LimitExceeded, ResourceNotFound
from simulator.jobs import quotas
from simulator.jobs.configuration import MaintenanceWindow, SchedulingConfig
from simulator.jobs.enrolment import Enrolment
from simulator.jobs.managed_templates import (
    ManagedJobTemplate,
    managed_template,
    managed_templates,
)
from simulator.jobs.messages import CreateJobRequest
from simulator.jobs.model import Job
from simulator.jobs.paging import MAX_RESULTS, page
from simulator.jobs.presign import MOST, PLACEHOLDER
from simulator.jobs.registry import Registry, check_job_id
from simulator.jobs.schedule import Cron
from simulator.jobs.settings import Settings
from simulator.jobs.template_messages import (
    CreateJobTemplateReply,
    CreateJobTemplateRequest,
    JobTemplate,
    JobTemplatePage,
    JobTemplateSummary,
)

COPIED = (
    "presigned_url_config",
    "job_executions_rollout_config",
    "abort_config",
    "timeout_config",
    "job_executions_retry_config",
    "destination_package_versions",
    "description",
)
"""What a job takes from its template where its request does not say."""


class Templates(Enrolment):
    """CreateJobTemplate, DescribeJobTemplate, ListJobTemplates, DeleteJobTemplate, managed ones."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        super().__init__(registry, settings)
        self.templates: dict[str, JobTemplate] = {}
        self.managed = managed_templates(registry.region)
        self._managed_by_arn = {t.template_arn: t for t in self.managed.values()}

    def create_job_template(
        self,
        template_id: str,
        request: CreateJobTemplateRequest,
        now: float,
        read: str | None = None,
    ) -> CreateJobTemplateReply:
        """Make a template, from a document or from a job; ``read`` as in ``create_job``.

        Raises:
            Conflict: the id is taken.
            InvalidRequest: no document, more than one, or a bad one; an illegal id or window.
            LimitExceeded: there are 100 already (with quotas).
            ResourceNotFound: no such job.
        """
        check_job_id(template_id, "jobTemplateId")
        if template_id in self.templates:
            raise Conflict(f"Job template {template_id} already exists")
        if self.quotas is not None and len(self.templates) >= quotas.TEMPLATES:
            raise LimitExceeded(f"There are {quotas.TEMPLATES} job templates already")
        check_windows(request.maintenance_windows)
        arn = self.registry.template_arn(template_id)
        made = JobTemplate(
            arn,
            template_id,
            request.description,
            now,
            "",
            request.document_source,
            request.presigned_url_config,
            request.job_executions_rollout_config,
            request.abort_config,
            request.timeout_config,
            request.job_executions_retry_config,
            request.maintenance_windows,
            request.destination_package_versions,
        )
        if request.job_arn is None:
            made.document = self.read_document(request.document, request.document_source, read)
        elif request.document is not None or request.document_source is not None:
            raise InvalidRequest("Give jobArn or a document, not both")
        else:
            _copy_from(self._job_of(request.job_arn), made)
        check_placeholders(made.document, made.presigned_url_config is not None)
        self.templates[template_id] = made
        return CreateJobTemplateReply(arn, template_id)

    def describe_job_template(self, template_id: str) -> JobTemplate:
        """A template; raise ResourceNotFound where there is none."""
        check_job_id(template_id, "jobTemplateId")
        found = self.templates.get(template_id)
        if found is None:
            raise ResourceNotFound(f"Job template {template_id} not found")
        return found

    def delete_job_template(self, template_id: str) -> None:
        """Forget a template; jobs made from it stay."""
        del self.templates[self.describe_job_template(template_id).job_template_id]

    def list_job_templates(
        self, max_results: int = MAX_RESULTS, next_token: str | None = None
    ) -> JobTemplatePage:
        """One page of templates in order of id."""
        ids, more = page("templates", sorted(self.templates), max_results, next_token)
        found = [self.templates[template_id] for template_id in ids]
        rows = [
            JobTemplateSummary(t.job_template_arn, t.job_template_id, t.description, t.created_at)
            for t in found
        ]
        return JobTemplatePage(rows, more)

    def describe_managed_job_template(
        self, name: str, version: str | None = None
    ) -> ManagedJobTemplate:
        """A managed template; raise ResourceNotFound where there is none of that version."""
        return managed_template(self.managed, name, version)

    # --------------------------------------------------------------------------- for CreateJob

    def read_document(
        self, document: str | None, source: str | None, read: str | None = None
    ) -> str:
        """The text of a document, given or read from its source, if it was not ``read`` already.

        Raises:
            InvalidRequest: none is given, or both, it cannot be read, or it is not JSON.
        """
        if document is None and source is None:
            raise InvalidRequest("Provide a document: neither document nor documentSource is given")
        if document is None:
            assert source is not None
            documents = self.settings.documents
            if read is not None:
                document = read
            elif documents is None:
                raise InvalidRequest(
                    f"documentSource {source!r} cannot be read here; give the text as document"
                )
            else:
                document = documents(source)
        elif source is not None:
            raise InvalidRequest("Give document or documentSource, not both")
        try:
            msgspec.json.decode(document)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidRequest(f"The job document is not valid JSON: {error}") from None
        return document

    def completed(
        self, request: CreateJobRequest, read: str | None = None
    ) -> tuple[CreateJobRequest, str, str | None]:
        """A request with what its template adds; its document, before and after parameters.

        Returns the request, the document, and, of a managed template, the document as it was.

        Raises:
            InvalidRequest: no such document, or parameters without a managed template.
            ResourceNotFound: no such template.
        """
        arn = request.job_template_arn
        managed = None if arn is None else self._managed_by_arn.get(arn)
        if request.document_parameters is not None and managed is None:
            raise InvalidRequest("documentParameters are for AWS managed templates only")
        if managed is not None:
            if request.document is not None or request.document_source is not None:
                raise InvalidRequest("A managed template brings its document; give none")
            description = request.description or managed.description
            filled = managed.filled_in(request.document_parameters or {})
            full = msgspec.structs.replace(request, description=description)
            return full, filled, managed.document
        if arn is None:
            document = self.read_document(request.document, request.document_source, read)
            return request, document, None
        template = self._template_of(arn)
        changes = {
            name: getattr(template, name) for name in COPIED if getattr(request, name) is None
        }
        if template.maintenance_windows is not None:
            given = request.scheduling_config or SchedulingConfig()
            if given.maintenance_windows is None:
                windows = template.maintenance_windows
                changes["scheduling_config"] = msgspec.structs.replace(
                    given, maintenance_windows=windows
                )
        if request.document is None and request.document_source is None:
            document = template.document
            changes["document_source"] = template.document_source
        else:
            document = self.read_document(request.document, request.document_source, read)
        return msgspec.structs.replace(request, **changes), document, None

    def _template_of(self, arn: str) -> JobTemplate:
        template_id = arn.removeprefix(self.registry.template_arn(""))
        if template_id == arn or template_id not in self.templates:
            raise ResourceNotFound(f"Job template {arn} not found")
        return self.templates[template_id]

    def _job_of(self, arn: str) -> Job:
        job_id = arn.removeprefix(self.registry.job_arn(""))
        if job_id == arn:
            raise InvalidRequest(f"{arn!r} is not the ARN of a job of this account")
        return self.job(job_id)


def check_placeholders(document: str, signed: bool) -> None:
    """Raise InvalidRequest where placeholders have nobody to sign them, or are too many."""
    count = len(PLACEHOLDER.findall(document))
    if count and not signed:
        raise InvalidRequest(
            "The document has placeholders for presigned URLs: presignedUrlConfig needs a roleArn"
        )
    if count > MOST:
        raise InvalidRequest(f"{count} placeholders for presigned URLs are more than {MOST}")


def check_windows(windows: tuple[MaintenanceWindow, ...] | None) -> None:
    """Raise InvalidRequest where a window is no cron expression."""
    for window in windows or ():
        try:
            Cron(window.start_time)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None


def _copy_from(job: Job, template: JobTemplate) -> None:
    """Let a template take from a job what its request did not say."""
    template.document = job.document
    template.document_source = job.document_source
    template.presigned_url_config = template.presigned_url_config or job.presigned
    template.job_executions_rollout_config = template.job_executions_rollout_config or job.rollout
    template.abort_config = template.abort_config or job.abort
    template.timeout_config = template.timeout_config or job.timeout
    template.job_executions_retry_config = template.job_executions_retry_config or job.retry
    if template.destination_package_versions is None:
        template.destination_package_versions = job.package_versions
