"""Topics ⇄ operations of the data plane, and where notices and events are told.

Source: AWS IoT developer guide, "Jobs device MQTT API" and "Reserved topics".
"""

from typing import Final

from simulator.errors import InvalidTopic
from simulator.jobs.messages import (
    DataRequest,
    DescribeJobExecutionRequest,
    GetPendingJobExecutionsRequest,
    JobEvent,
    JobExecutionEvent,
    Notify,
    NotifyNext,
    StartNextPendingJobExecutionRequest,
    Told,
    UpdateJobExecutionRequest,
)

PREFIX: Final = "$aws/things/"

_THING_LEVEL: Final[dict[str, type[DataRequest]]] = {
    "get": GetPendingJobExecutionsRequest,
    "start-next": StartNextPendingJobExecutionRequest,
}
_JOB_LEVEL: Final[dict[str, type[DataRequest]]] = {
    "get": DescribeJobExecutionRequest,
    "update": UpdateJobExecutionRequest,
}
OPERATIONS: Final = (*_THING_LEVEL.values(), *_JOB_LEVEL.values())
"""What may be asked, as the kinds of its requests."""


def is_jobs_topic(topic: str) -> bool:
    """Whether a topic lies in a thing's jobs namespace.

    Only what follows the thing's name counts: a named shadow may be called ``jobs`` too.
    """
    return topic.startswith(PREFIX) and topic.startswith("/jobs/", topic.find("/", len(PREFIX)))


def parse_topic(topic: str) -> tuple[str, str | None, type[DataRequest]]:
    """What a request topic asks: thing name, job id (None where it names none), operation.

    Thing-level operations win over a job that is called like one of them.

    Raises:
        InvalidTopic: it names no operation.
    """
    parts = topic.split("/")
    if len(parts) == 6 and parts[3] == "jobs":
        kind = _JOB_LEVEL.get(parts[5])
        if kind is not None:
            return parts[2], parts[4], kind
    elif len(parts) == 5 and parts[3] == "jobs":
        kind = _THING_LEVEL.get(parts[4])
        if kind is not None:
            return parts[2], None, kind
    raise InvalidTopic(f"Topic {topic} maps to no operation of the Jobs service")


def request_topic(thing_name: str, job_id: str | None, kind: type[DataRequest]) -> str:
    """The topic to publish a request to; replies come to it + ``/accepted`` or ``/rejected``."""
    if kind is UpdateJobExecutionRequest:
        return f"{PREFIX}{thing_name}/jobs/{job_id}/update"
    if kind is DescribeJobExecutionRequest:
        return f"{PREFIX}{thing_name}/jobs/{job_id}/get"
    if kind is StartNextPendingJobExecutionRequest:
        return f"{PREFIX}{thing_name}/jobs/start-next"
    return f"{PREFIX}{thing_name}/jobs/get"


def notice_topic(effect: Told) -> str:
    """The topic on which an effect is told."""
    if type(effect) is NotifyNext:
        return f"{PREFIX}{effect.thing_name}/jobs/notify-next"
    if type(effect) is Notify:
        return f"{PREFIX}{effect.thing_name}/jobs/notify"
    if type(effect) is JobEvent:
        return f"$aws/events/job/{effect.job_id}/{effect.operation}"
    assert type(effect) is JobExecutionEvent
    return f"$aws/events/jobExecution/{effect.job_id}/{effect.operation}"


def reply_filters(thing_name: str, *, lists: bool = False) -> tuple[str, ...]:
    """The subscriptions with which a thing hears its replies and what is next for it, or all."""
    jobs = f"{PREFIX}{thing_name}/jobs/"
    return (
        *([f"{jobs}notify"] if lists else ()),
        f"{jobs}notify-next",
        f"{jobs}get/+",
        f"{jobs}start-next/+",
        f"{jobs}+/get/+",
        f"{jobs}+/update/+",
    )
