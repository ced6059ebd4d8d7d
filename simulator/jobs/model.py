"""The nouns of AWS IoT Jobs: job, job execution, their statuses and configuration.

Times are seconds of *elapsed scenario time* (float); only ``wire.py`` turns them into timestamps.
Sources: DG:iot-jobs-lifecycle, botocore ``iot`` and ``iot-jobs-data`` models.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

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
PENDING: Final[frozenset[str]] = frozenset({"QUEUED", "IN_PROGRESS"})
"""An execution in one of these waits for its thing; in any other it has ended."""

MAX_MINUTES: Final = 10080
"""Seven days: the longest in-progress or step timeout (GR:dm)."""

Minutes = Annotated[int, Meta(ge=1, le=MAX_MINUTES)]


class TimeoutConfig(Struct, rename="camel", frozen=True, omit_defaults=True):
    """How long an execution may stay IN_PROGRESS, in minutes (1 to 10080)."""

    in_progress_timeout_in_minutes: Minutes | None = None


class JobExecutionsRolloutConfig(Struct, rename="camel", frozen=True, omit_defaults=True):
    """How many executions a job may create per minute (1 to 1000; AWS's default is 1000)."""

    maximum_per_minute: Annotated[int, Meta(ge=1, le=1000)] | None = None


class JobProcessDetails(Struct, rename="camel", omit_defaults=True):
    """Executions of a job by status. Executions, not things: a retry counts again."""

    processing_targets: list[str] | None = None
    number_of_canceled_things: int = 0
    number_of_succeeded_things: int = 0
    number_of_failed_things: int = 0
    number_of_rejected_things: int = 0
    number_of_queued_things: int = 0
    number_of_in_progress_things: int = 0
    number_of_removed_things: int = 0
    number_of_timed_out_things: int = 0


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
    """The things it was resolved to at creation, in order (a SNAPSHOT never grows)."""
    status: JobStatus = "IN_PROGRESS"
    completed_at: float | None = None
    force_canceled: bool = False
    reason_code: str | None = None
    comment: str | None = None
    released: int = 0
    """The cursor into ``things``: so many have their execution."""
    canceled: int | None = None
    """The cursor of a cancel into ``executions``, while it has work left."""
    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    latest: dict[str, "JobExecution"] = field(default_factory=dict)
    """thing name → its newest execution; older ones hang on ``previous``."""
    executions: "list[JobExecution]" = field(default_factory=list)
    """Every execution in order of creation: what a list operation pages through."""

    @property
    def rolled_out(self) -> bool:
        """Whether every target has its execution."""
        return self.released >= len(self.things)

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
        "in_progress_deadline",
        "job",
        "last_updated_at",
        "previous",
        "queued_at",
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
