"""JSON ⇄ messages, in both directions: how the data plane looks over MQTT.

Rule 1: here, and in ``rest`` beside it, ``epoch + elapsed`` becomes a timestamp and back.
Rule 2: over MQTT a job document is an object and an execution carries no thingName; over HTTP it
        is a string and it does (DG:jobs-mqtt-api, botocore ``iot-jobs-data``).
Rule 3: a rejection echoes the clientToken of every request whose JSON could be read.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from simulator import errors
from simulator.errors import InvalidJson, InvalidRequest, Rejection
from simulator.jobs.messages import (
    EMPTY_UPDATE,
    DataReply,
    DataRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    JobEvent,
    JobExecutionData,
    JobExecutionEvent,
    JobExecutionState,
    JobExecutionSummary,
    Notify,
    NotifyNext,
    PendingReply,
    Told,
    UpdateJobExecutionRequest,
    UpdateReply,
)
from simulator.jobs.topics import OPERATIONS

R = TypeVar("R", bound=DataRequest)

_DECODERS: Final[dict[type, Callable[[bytes], Any]]] = {
    kind: msgspec.json.Decoder(kind).decode for kind in OPERATIONS
}
_REJECTIONS: Final[dict[str, type[Rejection]]] = {
    kind.code: kind for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Rejection)
}  # fmt: skip
_encode: Final = msgspec.json.Encoder().encode
encode_request: Final[Callable[[DataRequest], bytes]] = _encode
"""A request as JSON; members that have their default are left out."""


class _Answer(msgspec.Struct, rename="camel"):
    """Any accepted or rejected payload, as a client reads it."""

    timestamp: int = 0
    client_token: str | None = None
    execution: dict[str, Any] | None = None
    execution_state: JobExecutionState | None = None
    jobs: dict[str, list[dict[str, Any]]] = {}
    in_progress_jobs: list[dict[str, Any]] | None = None
    queued_jobs: list[dict[str, Any]] | None = None
    code: str | None = None
    message: str = ""


_NO_DOCUMENT: Final = msgspec.Raw(b"")


class _Updated(msgspec.Struct, rename="camel"):
    """An accepted update, as a client reads it: nearly all payloads are that."""

    client_token: str | None = None
    execution_state: JobExecutionState | None = None
    job_document: msgspec.Raw = _NO_DOCUMENT


class _Plain(msgspec.Struct, rename="camel"):
    """An accepted update of which nothing more was asked, as the service says it."""

    client_token: str
    timestamp: int


UNREADABLE: Final = (
    msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError, RecursionError,
)  # fmt: skip
"""What reading an answer raises that the Jobs service has not given."""

_ANSWERS: Final = msgspec.json.Decoder(_Answer)
_updated: Final = msgspec.json.Decoder(_Updated).decode


# ------------------------------------------------------------------------------- requests


def decode_request(kind: type[R], payload: bytes, lenient: bool = True) -> R:
    """A request from JSON, checked; an empty payload counts as ``{}``.

    With ``lenient`` (MQTT) a version or an execution number may come as a numeric string, as
    AWS's embedded SDK sends it.

    Raises:
        InvalidJson: not a JSON object in UTF-8.
        InvalidRequest: an object, but not what the operation takes.
    """
    payload = payload or b"{}"
    try:
        request: R = _DECODERS[kind](payload)
    except msgspec.ValidationError as error:
        return _decode_again(kind, payload, lenient, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJson(f"The payload is not valid JSON: {error}") from None
    return request


def _decode_again(kind: type[R], payload: bytes, lenient: bool, why: str) -> R:
    """What typed decoding refused: a number in quotes, or a request to be rejected by name."""
    try:
        members = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJson(f"The payload is not valid JSON: {error}") from None
    if not isinstance(members, dict):
        raise InvalidJson("The payload is not a JSON object")
    token = members.get("clientToken")
    for name in ("expectedVersion", "executionNumber") if lenient else ():
        text = members.get(name)
        if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 20:
            members[name] = int(text)
    try:
        return msgspec.convert(members, kind)
    except msgspec.ValidationError as error:
        rejection = InvalidRequest(f"Invalid request: {error or why}")
        rejection.client_token = token if isinstance(token, str) else None
        raise rejection from None


def decode_updated(payload: bytes) -> tuple[str | None, UpdateReply]:
    """Client token and reply of an accepted update's payload."""
    updated = _updated(payload)
    state = updated.execution_state
    if state is None and updated.job_document is _NO_DOCUMENT:
        return updated.client_token, EMPTY_UPDATE
    return updated.client_token, UpdateReply(state, bytes(updated.job_document).decode() or None)


# ------------------------------------------------------------------------------- the wire


class Wire:
    """Messages ⇄ MQTT payloads for a scenario that began at ``epoch`` (Unix seconds)."""

    def __init__(self, epoch: float = 0.0) -> None:
        self.epoch = epoch

    def timestamp(self, elapsed: float) -> int:
        """Whole seconds since the Unix epoch, as the data plane counts (botocore)."""
        return int(self.epoch + elapsed)

    # ----------------------------------------------------------------------- service side

    def accepted(self, reply: DataReply, client_token: str | None, now: float) -> bytes:
        """The payload of ``…/accepted``."""
        timestamp = int(self.epoch + now)
        if reply is EMPTY_UPDATE and client_token is not None:
            return _encode(_Plain(client_token, timestamp))
        members: dict[str, Any] = {"timestamp": timestamp}
        if client_token is not None:
            members = {"clientToken": client_token, **members}
        if type(reply) is UpdateReply:
            if reply.execution_state is not None:
                members["executionState"] = reply.execution_state
            if reply.job_document is not None:
                members["jobDocument"] = msgspec.Raw(reply.job_document)
        elif type(reply) is ExecutionReply:
            if reply.execution is not None:
                members["execution"] = self.execution(reply.execution)
        else:
            assert isinstance(reply, PendingReply)
            members["inProgressJobs"] = [self.summary(s) for s in reply.in_progress_jobs]
            members["queuedJobs"] = [self.summary(s) for s in reply.queued_jobs]
        return _encode(members)

    def rejected(self, rejection: Rejection, client_token: str | None, now: float) -> bytes:
        """The payload of ``…/rejected``."""
        members: dict[str, Any] = {}
        token = client_token if client_token is not None else rejection.client_token
        if token is not None:
            members["clientToken"] = token
        members["timestamp"] = int(self.epoch + now)
        if rejection.execution_state is not None:
            members["executionState"] = rejection.execution_state
        members["code"] = rejection.code
        members["message"] = rejection.message
        return _encode(members)

    def notice(self, effect: Told, now: float) -> bytes:
        """The payload of a notify, a notify-next or an event."""
        members: dict[str, Any] = {"timestamp": int(self.epoch + now)}
        if type(effect) is JobEvent:
            return self._job_event(effect, members["timestamp"])
        if type(effect) is JobExecutionEvent:
            return self._execution_event(effect, members["timestamp"])
        if type(effect) is NotifyNext:
            if effect.execution is not None:
                members["execution"] = self.execution(effect.execution)
        else:
            assert type(effect) is Notify
            lists = (("IN_PROGRESS", effect.in_progress), ("QUEUED", effect.queued))
            # a status without executions is left out (worked example)
            members["jobs"] = {name: [*map(self.summary, one)] for name, one in lists if one}
        return _encode(members)

    def _job_event(self, event: JobEvent, timestamp: int) -> bytes:
        """The payload of a job event; its other times are in milliseconds (DG:events-jobs)."""
        members: dict[str, Any] = {
            "eventType": "JOB",
            "eventId": event.event_id,
            "timestamp": timestamp,
            "operation": event.operation,
            "jobId": event.job_id,
            "status": event.status,
            "targetSelection": event.target_selection,
            "targets": event.targets,
        }
        if event.description is not None:
            members["description"] = event.description
        if event.completed_at is not None:
            members["completedAt"] = self._milliseconds(event.completed_at)
        members["createdAt"] = self._milliseconds(event.created_at)
        members["lastUpdatedAt"] = self._milliseconds(event.last_updated_at)
        if event.comment is not None:
            members["comment"] = event.comment
        if event.details is not None:
            members["jobProcessDetails"] = event.details
        return _encode(members)

    def _execution_event(self, event: JobExecutionEvent, timestamp: int) -> bytes:
        members: dict[str, Any] = {
            "eventType": "JOB_EXECUTION",
            "eventId": event.event_id,
            "timestamp": timestamp,
            "operation": event.operation,
            "jobId": event.job_id,
            "thingArn": event.thing_arn,
            "status": event.status,
        }
        if event.status_details is not None:
            members["statusDetails"] = event.status_details
        return _encode(members)

    def _milliseconds(self, elapsed: float) -> int:
        return round((self.epoch + elapsed) * 1000)

    def summary(self, summary: JobExecutionSummary) -> dict[str, Any]:
        """One line of a pending list, as JSON members."""
        members: dict[str, Any] = {
            "jobId": summary.job_id,
            "queuedAt": self.timestamp(summary.queued_at),
            "lastUpdatedAt": self.timestamp(summary.last_updated_at),
        }
        if summary.started_at is not None:
            members["startedAt"] = self.timestamp(summary.started_at)
        members["versionNumber"] = summary.version_number
        members["executionNumber"] = summary.execution_number
        return members

    def execution(self, data: JobExecutionData, http: bool = False) -> dict[str, Any]:
        """An execution as JSON members."""
        members: dict[str, Any] = {"jobId": data.job_id}
        if http:
            members["thingName"] = data.thing_name
        members["status"] = data.status
        if data.status_details is not None:
            members["statusDetails"] = data.status_details
        members["queuedAt"] = self.timestamp(data.queued_at)
        if data.started_at is not None:
            members["startedAt"] = self.timestamp(data.started_at)
        members["lastUpdatedAt"] = self.timestamp(data.last_updated_at)
        members["versionNumber"] = data.version_number
        members["executionNumber"] = data.execution_number
        if data.approximate_seconds_before_timed_out is not None:
            members["approximateSecondsBeforeTimedOut"] = data.approximate_seconds_before_timed_out
        if data.job_document is not None:
            members["jobDocument"] = data.job_document if http else msgspec.Raw(data.job_document)
        return members

    # ----------------------------------------------------------------------- thing's side

    def decode_accepted(
        self, kind: type[DataRequest], thing_name: str, payload: bytes
    ) -> tuple[str | None, DataReply]:
        """Client token and reply of an ``…/accepted`` payload."""
        if kind is UpdateJobExecutionRequest:
            return decode_updated(payload)
        answer = _ANSWERS.decode(payload)
        token = answer.client_token
        if kind is GetPendingJobExecutionsRequest:
            return token, PendingReply(
                [self._read_summary(s) for s in answer.in_progress_jobs or ()],
                [self._read_summary(s) for s in answer.queued_jobs or ()],
            )
        return token, ExecutionReply(self._read_execution(thing_name, answer.execution))

    def decode_rejected(self, payload: bytes) -> Rejection:
        """The rejection that a ``…/rejected`` payload tells of, its client token in it."""
        answer = _ANSWERS.decode(payload)
        kind = _REJECTIONS.get(answer.code or "", errors.InternalError)
        rejection = kind(answer.message, answer.execution_state)
        rejection.client_token = answer.client_token
        return rejection

    def decode_notify_next(self, thing_name: str, payload: bytes) -> NotifyNext:
        """What a ``notify-next`` payload says."""
        execution = _ANSWERS.decode(payload).execution
        return NotifyNext(thing_name, self._read_execution(thing_name, execution))

    def decode_notify(self, thing_name: str, payload: bytes) -> Notify:
        """What a ``notify`` payload says."""
        jobs, read = _ANSWERS.decode(payload).jobs, self._read_summary
        return Notify(
            thing_name, *([*map(read, jobs.get(s, ()))] for s in ("IN_PROGRESS", "QUEUED"))
        )

    def _read_summary(self, members: dict[str, Any]) -> JobExecutionSummary:
        started = members.get("startedAt")
        return JobExecutionSummary(
            members["jobId"],
            members["queuedAt"] - self.epoch,
            members["lastUpdatedAt"] - self.epoch,
            members["versionNumber"],
            members["executionNumber"],
            None if started is None else started - self.epoch,
        )

    def _read_execution(
        self, thing_name: str, members: dict[str, Any] | None
    ) -> JobExecutionData | None:
        if members is None:
            return None
        started, document = members.get("startedAt"), members.get("jobDocument")
        return JobExecutionData(
            members["jobId"],
            members.get("thingName", thing_name),
            members["status"],
            members["queuedAt"] - self.epoch,
            members["lastUpdatedAt"] - self.epoch,
            members["versionNumber"],
            members["executionNumber"],
            members.get("statusDetails"),
            None if started is None else started - self.epoch,
            members.get("approximateSecondsBeforeTimedOut"),
            None if document is None else _encode(document).decode(),
        )
