"""The control plane: how an owner makes a job, changes it and ends it.

Every method takes ``now`` in seconds of elapsed scenario time, returns a reply of ``messages.py``
and raises a ``Rejection`` that changed nothing. What is told of jobs stands in ``listings.py``.
Source: DG:jobs-management-control-api, §D of AWS's behaviour in docs/fidelity.md.
"""

from typing import Final

from simulator.errors import (
    InvalidRequest,
    InvalidStateTransition,
    LimitExceeded,
    ResourceAlreadyExists,
    VersionConflict,
)
from simulator.jobs import quotas
from simulator.jobs.configuration import (
    JobExecutionsRetryConfig,
    JobExecutionsRolloutConfig,
    PresignedUrlConfig,
    TimeoutConfig,
)
from simulator.jobs.execution import Actor
from simulator.jobs.messages import (
    AssociateTargetsWithJobRequest,
    CancelJobExecutionRequest,
    CancelJobRequest,
    CreateJobReply,
    CreateJobRequest,
    UpdateJobRequest,
)
from simulator.jobs.model import Job, JobExecution
from simulator.jobs.presign import PLACEHOLDER, Signer
from simulator.jobs.registry import Registry, check_job_id, check_thing_name
from simulator.jobs.schedule import Timetable
from simulator.jobs.settings import Settings
from simulator.jobs.tags import TagStore
from simulator.jobs.templates import Templates, check_placeholders

MAX_TARGETS: Final = 100
"""Targets of a job (GR:dm)."""

FIRST_SLICE: Final = MAX_TARGETS
"""So many executions a command creates or cancels before it answers: all of a job that names its
things. ``expire`` does the rest."""

DELETIONS: Final = 10
"""Jobs that may be DELETION_IN_PROGRESS at once (botocore ``iot``, DeleteJob)."""


class ControlPlane(Templates):
    """Jobs made, changed, cancelled and deleted, and single executions of theirs."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        super().__init__(registry, settings)
        self.tags = TagStore()

    # --------------------------------------------------------------------------- jobs

    def create_job(
        self, job_id: str, request: CreateJobRequest, now: float, read: str | None = None
    ) -> CreateJobReply:
        """Make a job and begin its rollout, or schedule it.

        ``read`` is the text behind the request's documentSource, where the door has read it.

        The first executions exist when this returns; the others follow at the job's rate.

        Raises:
            InvalidRequest: no document, or one that is not JSON; an illegal id, target or schedule.
            LimitExceeded: too many jobs are active or rolling out (with quotas).
            ResourceAlreadyExists: the id is taken.
            ResourceNotFound: a target or the template does not exist.
        """
        check_job_id(job_id)
        if job_id in self.jobs:
            raise ResourceAlreadyExists(f"Job {job_id} already exists")
        request, document, raw = self.completed(request, read)
        if len(request.targets) > MAX_TARGETS:
            raise InvalidRequest(f"{len(request.targets)} targets are more than {MAX_TARGETS}")
        presigned, continuous = (
            request.presigned_url_config,
            request.target_selection == "CONTINUOUS",
        )
        role = None if presigned is None else presigned.role_arn
        check_placeholders(document, role is not None)
        timetable = self._timetable(request, continuous, now)
        things = self.registry.resolve(request.targets)
        self._check_quotas(timetable is None or timetable.phase(now) == "OPEN")
        job = Job(
            job_id=job_id,
            sequence=self.next_sequence(),
            targets=list(request.targets),
            document=document,
            description=request.description,
            target_selection=request.target_selection,
            timeout=request.timeout_config or TimeoutConfig(),
            rollout=request.job_executions_rollout_config or JobExecutionsRolloutConfig(),
            created_at=now,
            last_updated_at=now,
            things=things,
            abort=request.abort_config,
            retry=request.job_executions_retry_config,
            scheduling=request.scheduling_config,
            presigned=presigned,
            namespace_id=request.namespace_id,
            template_arn=request.job_template_arn,
            document_source=request.document_source,
            document_parameters=request.document_parameters,
            raw_document=raw,
            package_versions=request.destination_package_versions,
            signer=self._signer(document, presigned),
            timetable=timetable,
            tick=now,
        )
        if timetable is not None and timetable.phase(now) != "OPEN":
            job.phase, job.status = "WAITING", "SCHEDULED"
        self.jobs[job_id] = job
        self.by_status[job.status].append(job)
        if continuous:
            self.follow(job, request.targets)
        if request.tags:
            self.tags.tag(self.registry.job_arn(job_id), request.tags)
        self.work(job, now, FIRST_SLICE)
        return self._reply(job)

    def update_job(self, job_id: str, request: UpdateJobRequest, now: float) -> None:
        """Change a job in progress: each member given replaces the stored one whole.

        A new timeout holds for executions that start from now on, a new rate from the next minute.

        Raises:
            InvalidRequest: nothing is given, the job is not in progress, or retries are to be
                anything but fewer.
            ResourceNotFound: no such job.
        """
        job = self._existing(job_id)
        if request == UpdateJobRequest():
            raise InvalidRequest("Nothing to update: give at least one member")
        if job.status != "IN_PROGRESS":
            raise InvalidRequest(f"Job {job_id} is {job.status}; only a job in progress is updated")
        if request.job_executions_retry_config is not None:
            _check_retries(job, request.job_executions_retry_config)
        presigned = request.presigned_url_config
        if presigned is not None:
            check_placeholders(job.document, presigned.role_arn is not None)
            job.presigned = presigned
            job.signer = self._signer(job.document, presigned)
        job.description = request.description or job.description
        job.rollout = request.job_executions_rollout_config or job.rollout
        job.abort = request.abort_config or job.abort
        job.timeout = request.timeout_config or job.timeout
        job.retry = request.job_executions_retry_config or job.retry
        job.last_updated_at = now

    def cancel_job(
        self, job_id: str, request: CancelJobRequest, force: bool, now: float
    ) -> CreateJobReply:
        """Stop a job: QUEUED executions are cancelled, with ``force`` those in progress too.

        Raises:
            InvalidRequest: the job has ended.
            ResourceNotFound: no such job.
        """
        job = self._existing(job_id)
        if job.status not in ("IN_PROGRESS", "SCHEDULED"):
            raise InvalidRequest(
                f"Job {job_id} is {job.status}; only a job in progress is canceled"
            )
        job.reason_code, job.comment = request.reason_code, request.comment
        self.cancel(job, force, now)
        self.work(job, now, FIRST_SLICE)
        return self._reply(job)

    def delete_job(self, job_id: str, force: bool, now: float) -> None:
        """Forget a job and all of its executions; one that goes on only with ``force``.

        Raises:
            InvalidStateTransition: the job goes on and ``force`` is not given, or it is being
                deleted already.
            LimitExceeded: ten jobs are being deleted.
            ResourceNotFound: no such job.
        """
        job = self._existing(job_id)
        if job.status == "DELETION_IN_PROGRESS" or (
            job.status in ("IN_PROGRESS", "SCHEDULED") and not force
        ):
            raise InvalidStateTransition(
                f"Job {job_id} is {job.status}; only a completed or canceled job is deleted "
                "without force"
            )
        if len(self.by_status["DELETION_IN_PROGRESS"]) >= DELETIONS:
            raise LimitExceeded(f"{DELETIONS} jobs are being deleted already")
        self.set_status(job, "DELETION_IN_PROGRESS", now)
        self.tell_job(job, "deletion_in_progress")
        self.tags.forget(self.registry.job_arn(job_id))
        self.sweep(job, "DELETE", now)
        self.work(job, now, FIRST_SLICE)

    def associate_targets_with_job(
        self, job_id: str, request: AssociateTargetsWithJobRequest, now: float
    ) -> CreateJobReply:
        """Give a continuous job more thing groups; their things get executions at its rate.

        Raises:
            InvalidRequest: the job is not continuous or not in progress, or a target is no group.
            LimitExceeded: it would have more than 100 targets.
            ResourceNotFound: no such job or group.
        """
        job = self._existing(job_id)
        if job.target_selection != "CONTINUOUS" or job.status != "IN_PROGRESS":
            raise InvalidRequest(
                f"Job {job_id} is {job.target_selection} and {job.status}; only a CONTINUOUS job "
                "IN_PROGRESS gets more targets"
            )
        for arn in request.targets:
            if self.registry.target(arn)[0] != "thinggroup":
                raise InvalidRequest(f"Target {arn!r} is not a thing group")
        new = [arn for arn in dict.fromkeys(request.targets) if arn not in job.targets]
        if len(job.targets) + len(new) > MAX_TARGETS:
            raise LimitExceeded(f"A job has at most {MAX_TARGETS} targets")
        before = dict.fromkeys(job.things)
        before.update(dict.fromkeys(job.latest))
        job.targets += new
        self.follow(job, new)
        if job.rolled_out:
            job.tick, job.allowance = now, job.released
        job.things += [name for name in self.registry.resolve(new) if name not in before]
        job.comment = request.comment or job.comment
        job.last_updated_at = now
        self.work(job, now, FIRST_SLICE)
        return self._reply(job)

    # --------------------------------------------------------------------------- executions

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
        execution = self.attempt(thing_name, job_id)
        expected = request.expected_version
        if expected is not None and expected != execution.version:
            raise VersionConflict(
                f"Expected version {expected} but found version {execution.version}"
            )
        actor: Actor = "force" if force else "service"
        self.change(execution, "CANCELED", actor, now, request.status_details)
        execution.force_canceled = force

    def delete_job_execution(
        self, thing_name: str, job_id: str, execution_number: int, force: bool, now: float
    ) -> None:
        """Forget one execution; one in progress only with ``force``.

        Raises:
            InvalidStateTransition: it is in progress and ``force`` is not given.
            ResourceNotFound: no such execution.
        """
        execution = self.attempt(thing_name, job_id, execution_number)
        if execution.status == "IN_PROGRESS" and not force:
            raise InvalidStateTransition(
                f"Job execution of job {job_id} on thing {thing_name} is IN_PROGRESS; "
                "only force deletes it"
            )
        self.delete(execution, now)

    def attempt(self, thing_name: str, job_id: str, number: int | None = None) -> JobExecution:
        """The execution of that number, of whatever status; the newest where none is given.

        Raises:
            InvalidRequest: an illegal name.
            ResourceNotFound: no such execution.
        """
        check_thing_name(thing_name)
        check_job_id(job_id)
        found: JobExecution | None = self.execution(thing_name, job_id)
        while found is not None and number is not None and found.execution_number != number:
            found = found.previous
        return self.execution(thing_name, job_id, number) if found is None else found

    # --------------------------------------------------------------------------- inside

    def _check_quotas(self, at_once: bool) -> None:
        if self.quotas is None:
            return
        active = len(self.by_status["IN_PROGRESS"]) + len(self.by_status["SCHEDULED"])
        if active >= quotas.ACTIVE_JOBS:
            raise LimitExceeded(f"There are {quotas.ACTIVE_JOBS} active jobs already")
        if at_once and self.full():
            raise LimitExceeded(f"{quotas.CONCURRENT_JOBS} jobs are rolling out already")

    def _timetable(
        self, request: CreateJobRequest, continuous: bool, now: float
    ) -> Timetable | None:
        if request.scheduling_config is None:
            return None
        try:
            return Timetable(request.scheduling_config, continuous, now, self.settings.epoch)
        except ValueError as error:
            raise InvalidRequest(f"schedulingConfig: {error}") from None

    def _signer(self, document: str, config: PresignedUrlConfig | None) -> Signer | None:
        """Whoever signs the placeholders, where there are any."""
        if config is None or config.role_arn is None or not PLACEHOLDER.search(document):
            return None
        region, epoch = self.registry.region, self.settings.epoch
        return Signer(config.role_arn, config.expires_in_sec, region, epoch)

    def _existing(self, job_id: str) -> Job:
        check_job_id(job_id)
        return self.job(job_id)

    def _reply(self, job: Job) -> CreateJobReply:
        return CreateJobReply(self.registry.job_arn(job.job_id), job.job_id, job.description)


def _check_retries(job: Job, asked: JobExecutionsRetryConfig) -> None:
    """UpdateJob may only set retries to 0, for the failure types that the job was made with."""
    given = () if job.retry is None else tuple(c.failure_type for c in job.retry.criteria_list)
    for criterion in asked.criteria_list:
        if criterion.failure_type not in given:
            raise InvalidRequest(
                f"The job was made without retries for {criterion.failure_type}; none can be added"
            )
        if criterion.number_of_retries:
            raise InvalidRequest("numberOfRetries of an existing job can only be set to 0")
