"""The nouns of AWS IoT Jobs: job, job execution, their statuses and configuration.

Times are seconds of *elapsed scenario time* (float); only the wire turns them into timestamps.
Sources: DG:iot-jobs-lifecycle, botocore ``iot`` and ``iot-jobs-data`` models.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from msgspec import Struct

from simulator.jobs.configuration import (
    AbortConfig,
    JobExecutionsRetryConfig,
    JobExecutionsRolloutConfig,
    PresignedUrlConfig,
    SchedulingConfig,
    TimeoutConfig,
)
from simulator.jobs.schedule import Phase, Timetable

Status = Literal[
    "QUEUED",
    "IN_PROGRESS",
    "SUCCEEDED",
    "FAILED",
    "TIMED_OUT",
    "REJECTED",
    "REMOVED",
    "CANCELED",
]
JobStatus = Literal["IN_PROGRESS", "CANCELED", "COMPLETED", "DELETION_IN_PROGRESS", "SCHEDULED"]
TargetSelection = Literal["SNAPSHOT", "CONTINUOUS"]

STATUSES: Final[tuple[Status, ...]] = (
    "QUEUED",
    "IN_PROGRESS",
    "SUCCEEDED",
    "FAILED",
    "TIMED_OUT",
    "REJECTED",
    "REMOVED",
    "CANCELED",
)
JOB_STATUSES: Final[tuple[JobStatus, ...]] = (
    "IN_PROGRESS",
    "SCHEDULED",
    "CANCELED",
    "COMPLETED",
    "DELETION_IN_PROGRESS",
)
PENDING: Final[frozenset[str]] = frozenset({"QUEUED", "IN_PROGRESS"})
"""An execution in one of these waits for its thing; in any other it has ended."""


class JobProcessDetails(Struct, rename="camel"):
    """Executions of a job by status. Executions, not things: a retry counts again."""

    number_of_canceled_things: int = 0
    number_of_succeeded_things: int = 0
    number_of_failed_things: int = 0
    number_of_rejected_things: int = 0
    number_of_queued_things: int = 0
    number_of_in_progress_things: int = 0
    number_of_removed_things: int = 0
    number_of_timed_out_things: int = 0


SweepKind = Literal["CANCEL", "FORCE_CANCEL", "DELETE", "HIDE", "SHOW", "PRUNE"]


class Sweep:
    """Work over all executions of a job that is done in slices: what, and how far it is."""

    __slots__ = ("at", "kind")

    def __init__(self, kind: SweepKind) -> None:
        self.kind: SweepKind = kind
        self.at = 0


class Signs(Protocol):
    """Whatever puts signed URLs into a document (``presign.py``)."""

    def sign(self, document: str, now: float) -> str:
        """The document as a device gets it at ``now``."""


@dataclass(slots=True, eq=False)
class Job:
    """One job: what was asked for, how far its rollout is, what became of its executions."""

    job_id: str
    sequence: int
    targets: list[str]
    document: str
    description: str | None
    target_selection: TargetSelection
    timeout: TimeoutConfig
    rollout: JobExecutionsRolloutConfig
    created_at: float
    last_updated_at: float
    things: list[str]
    """The things to be rolled out to, in order (a SNAPSHOT never grows)."""
    abort: AbortConfig | None = None
    retry: JobExecutionsRetryConfig | None = None
    scheduling: SchedulingConfig | None = None
    presigned: PresignedUrlConfig | None = None
    namespace_id: str | None = None
    template_arn: str | None = None
    document_source: str | None = None
    document_parameters: dict[str, str] | None = None
    raw_document: str | None = None
    """A managed template's document before its parameters were put in."""
    package_versions: list[str] | None = None
    signer: Signs | None = None
    """Only where the document has placeholders for presigned URLs."""
    status: JobStatus = "IN_PROGRESS"
    completed_at: float | None = None
    force_canceled: bool = False
    reason_code: str | None = None
    comment: str | None = None
    timetable: Timetable | None = None
    phase: Phase = "OPEN"
    """Only an OPEN job creates executions."""
    released: int = 0
    """The cursor into ``things``: so many had their turn."""
    allowance: int = 0
    """How many of ``things`` may have had their turn."""
    tick: float = 0.0
    """When ``allowance`` next grows."""
    backlog: "deque[JobExecution | str]" = field(default_factory=deque)
    """Retries and joining things that wait for the next maintenance window."""
    sweeps: list[Sweep] = field(default_factory=list)
    """Work over ``executions`` that is not done yet, in order."""
    planned: float | None = None
    """When the ledger's agenda will next work on this job."""
    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    latest: dict[str, "JobExecution"] = field(default_factory=dict)
    """thing name → its newest execution; older ones hang on ``previous``."""
    executions: "list[JobExecution]" = field(default_factory=list)
    """Every execution in order of creation: what a list operation pages through."""

    def document_at(self, now: float) -> str:
        """The document as a device gets it."""
        return self.document if self.signer is None else self.signer.sign(self.document, now)

    @property
    def rolled_out(self) -> bool:
        """Whether every target has its execution."""
        return self.released >= len(self.things)

    @property
    def releasing(self) -> bool:
        """Whether it creates executions, or cancels or deletes them, just now (isConcurrent)."""
        rolling = self.status == "IN_PROGRESS" and self.phase == "OPEN" and not self.rolled_out
        return rolling or bool(self.sweeps)

    @property
    def pending(self) -> int:
        """How many executions wait for their thing."""
        return self.counts["QUEUED"] + self.counts["IN_PROGRESS"]


class JobExecution:
    """One attempt of one job on one thing."""

    __slots__ = (
        "deleted",
        "execution_number",
        "force_canceled",
        "hidden",
        "in_progress_deadline",
        "job",
        "last_updated_at",
        "previous",
        "queued_at",
        "retry_attempt",
        "scheduled",
        "sequence",
        "started_at",
        "status",
        "status_details",
        "step_deadline",
        "thing_name",
        "version",
    )

    def __init__(
        self,
        job: Job,
        thing_name: str,
        execution_number: int,
        sequence: int,
        now: float,
        previous: "JobExecution | None" = None,
        retry_attempt: int = 0,
    ) -> None:
        self.job = job
        self.thing_name = thing_name
        self.execution_number = execution_number
        self.sequence = sequence
        self.previous = previous
        self.status: Status = "QUEUED"
        self.version = 1
        self.status_details: dict[str, str] | None = None
        self.queued_at = now
        self.started_at: float | None = None
        self.last_updated_at = now
        self.in_progress_deadline: float | None = None
        self.step_deadline: float | None = None
        self.scheduled: float | None = None
        """When the ledger's heap will next look at it (see ``ledger.py``)."""
        self.force_canceled = False
        self.deleted = False
        self.hidden = False
        """QUEUED and out of its thing's pending list until the next maintenance window."""
        self.retry_attempt = retry_attempt

    @property
    def deadline(self) -> float | None:
        """When it times out: the earlier of its two timers, or None while none runs."""
        step, whole = self.step_deadline, self.in_progress_deadline
        if step is None:
            return whole
        if whole is None or step < whole:
            return step
        return whole

    def __repr__(self) -> str:
        return (
            f"<{self.job.job_id}#{self.execution_number} on {self.thing_name}: "
            f"{self.status} v{self.version}>"
        )
