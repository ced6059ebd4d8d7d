"""Job events: what AWS tells on ``$aws/events/…``, for those who enabled it.

Off by default; UpdateEventConfigurations turns the types JOB and JOB_EXECUTION on (DG:iot-events,
DG:events-jobs). An event's id is a hash of what it tells, so that runs repeat to the byte.
"""

from typing import Final

from simulator.errors import InvalidRequest
from simulator.jobs.identity import identity
from simulator.jobs.messages import JobEvent, JobExecutionEvent
from simulator.jobs.model import Job, JobExecution, JobProcessDetails

EVENT_TYPES: Final = (
    "THING",
    "THING_GROUP",
    "THING_TYPE",
    "THING_GROUP_MEMBERSHIP",
    "THING_GROUP_HIERARCHY",
    "THING_TYPE_ASSOCIATION",
    "JOB",
    "JOB_EXECUTION",
    "POLICY",
    "CERTIFICATE",
    "CA_CERTIFICATE",
)
"""What can be enabled; events of JOB and JOB_EXECUTION are really told."""

_STATUS: Final = {
    "completed": "COMPLETED",
    "canceled": "CANCELED",
    "deleted": "DELETED",
    "cancellation_in_progress": "CANCELLATION_IN_PROGRESS",
    "deletion_in_progress": "DELETION_IN_PROGRESS",
}


class EventConfigurations:
    """Which event types are enabled."""

    def __init__(self) -> None:
        self.enabled = dict.fromkeys(EVENT_TYPES, False)
        self.created_at: float | None = None
        self.modified_at: float | None = None
        self.jobs = False
        self.executions = False

    def update(self, changes: dict[str, bool], now: float) -> None:
        """Enable or disable event types; raises InvalidRequest for one that does not exist."""
        unknown = [name for name in changes if name not in self.enabled]
        if unknown:
            raise InvalidRequest(f"Event type {unknown[0]!r} is none of {', '.join(EVENT_TYPES)}")
        self.enabled.update(changes)
        self.jobs, self.executions = self.enabled["JOB"], self.enabled["JOB_EXECUTION"]
        if self.created_at is None:
            self.created_at = now
        self.modified_at = now


def process_details(job: Job) -> JobProcessDetails:
    """A job's executions by status."""
    count = job.counts
    return JobProcessDetails(
        number_of_canceled_things=count["CANCELED"],
        number_of_succeeded_things=count["SUCCEEDED"],
        number_of_failed_things=count["FAILED"],
        number_of_rejected_things=count["REJECTED"],
        number_of_queued_things=count["QUEUED"],
        number_of_in_progress_things=count["IN_PROGRESS"],
        number_of_removed_things=count["REMOVED"],
        number_of_timed_out_things=count["TIMED_OUT"],
    )


def job_event(job: Job, operation: str, job_arn: str) -> JobEvent:
    """What is told of a job; ``operation`` is the last word of the topic."""
    completed = operation == "completed"
    return JobEvent(
        operation,
        identity(f"{job_arn}/{job.sequence}/{operation}"),
        job.job_id,
        _STATUS[operation],
        job.target_selection,
        list(job.targets),
        job.created_at,
        job.last_updated_at,
        job.description,
        job.completed_at if completed else None,
        None if completed else job.comment,
        process_details(job) if completed else None,
    )


def execution_event(execution: JobExecution, operation: str, thing_arn: str) -> JobExecutionEvent:
    """What is told of an execution that ended or was deleted."""
    return JobExecutionEvent(
        operation,
        identity(f"{thing_arn}/{execution.job.job_id}/{execution.sequence}/{operation}"),
        execution.job.job_id,
        thing_arn,
        execution.status,
        execution.status_details,
    )
