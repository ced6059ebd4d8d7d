"""HTTP paths and bodies ⇄ messages: both planes as REST-JSON, without IO.

Rule 1: both planes own ``GET /things/{thing}/jobs…``; the SigV4 credential scope tells them apart
        (``iot`` is the control plane), and unsigned requests are data plane.
Rule 2: a path segment may be percent-encoded (boto3 sends ``%24next`` and ``%3A``), so a path is
        split first and decoded after.
Rule 3: an error says its name in ``x-amzn-ErrorType`` and in ``__type``, which suits every SDK.

Source: botocore ``iot-jobs-data`` 2017-09-29 and ``iot`` 2015-05-28 (URIs, members, statuses).
"""

from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from simulator.errors import InvalidRequest, InvalidTopic, Rejection
from simulator.jobs.messages import (
    EMPTY_UPDATE,
    CancelJobRequest,
    CreateJobRequest,
    DataReply,
    DescribeJobExecutionRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    PendingReply,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
    UpdateReply,
)
from simulator.jobs.model import STATUSES, Status
from simulator.jobs.operations import operation_of
from simulator.jobs.service import JobsService
from simulator.jobs.wire import Wire, decode_request

T = TypeVar("T", bound=msgspec.Struct)
Members = dict[str, Any]


class Request(NamedTuple):
    """One HTTP request, as much of it as matters here."""

    method: str
    path: str
    """Raw: still percent-encoded."""
    query: str
    body: bytes
    signing_name: str | None
    """The service in the SigV4 credential scope, None where unsigned."""
    document: str | None = None
    """What ``documentSource`` names, read already by whoever may read."""


class Response(NamedTuple):
    """What to answer: ``error_type`` goes to ``x-amzn-ErrorType``."""

    status: int
    body: bytes
    error_type: str | None = None
    operation: str = "Unknown"
    """Which operation it answers; with ``outcome`` it is what ``/metrics`` counts."""
    outcome: str = "accepted"
    """Or the code of the rejection, as over MQTT."""
    content_type: str = "application/json"
    allow: str | None = None
    """The methods that would have been right, where that is all that was wrong."""
    hint: str | None = None
    """For the log of whoever runs the service."""


UPDATED: Final = Response(200, b"{}", None, "UpdateJobExecution")
"""The answer to nearly every request; shared, since it never changes."""


def split_path(path: str) -> list[str]:
    """The segments of a raw path, each decoded after the split (Rule 2)."""
    segments = path.strip("/").split("/")
    return [unquote(part) for part in segments] if "%" in path else segments


def named_operation(signing_name: str | None, method: str, segments: list[str]) -> str:
    """The operation's name, or ``Unknown``: what both planes own is data plane unless signed so."""
    data = None if signing_name == "iot" else operation_of("iot-jobs-data", method, segments)
    return data or operation_of("iot", method, segments) or "Unknown"


def refusal(rejection: Rejection, operation: str = "Unknown") -> Response:
    """A rejection as REST-JSON."""
    name = rejection.http_error
    body = msgspec.json.encode({"__type": name, "message": rejection.message})
    return Response(
        rejection.http_status, body, name, operation, rejection.code, hint=rejection.hint
    )


class _AddThing(msgspec.Struct, rename="camel"):
    thing_group_name: str | None = None
    thing_group_arn: str | None = None
    thing_name: str | None = None
    thing_arn: str | None = None


def signing_name(authorization: str | None) -> str | None:
    """The service that a SigV4 ``Authorization`` header is signed for, or None."""
    if authorization is None or "Credential=" not in authorization:
        return None
    scope = authorization.split("Credential=", 1)[1].split(",", 1)[0].split("/")
    return scope[3] if len(scope) == 5 else None


class Rest:
    """Answers HTTP requests from a service."""

    def __init__(self, service: JobsService, wire: Wire) -> None:
        self.service = service
        self.wire = wire

    def respond(self, request: Request, now: float) -> Response:
        """Do what a request asks; every refusal is a response too."""
        segments = split_path(request.path)
        if (
            len(segments) == 4
            and request.method == "POST"
            and segments[2] == "jobs"
            and segments[0] == "things"
            and request.signing_name != "iot"
        ):  # first: nearly all requests are updates
            operation = "UpdateJobExecution"
        else:
            operation = named_operation(request.signing_name, request.method, segments)
        try:
            if operation == "UpdateJobExecution":
                update = decode_request(UpdateJobExecutionRequest, request.body, lenient=False)
                reply = self.service.update_job_execution(segments[1], segments[3], update, now)
                if reply is EMPTY_UPDATE:
                    return UPDATED
                members = self._reply(reply)
            else:
                members = self._dispatch(segments, request, now)
        except Rejection as rejection:
            return refusal(rejection, operation)
        return Response(200, msgspec.json.encode(members), None, operation)

    def _dispatch(self, segments: list[str], request: Request, now: float) -> Members:
        method = request.method
        match segments:
            case ["things", thing, "jobs", *rest] if request.signing_name != "iot":
                return self._data(method, thing, rest, request, now)
            case ["things", thing] if method == "POST":
                return self._create_thing(thing)
            case ["thing-groups", "addThingToThingGroup"] if method == "PUT":
                return self._add_thing(_body(_AddThing, request.body))
            case ["thing-groups", group] if method == "POST":
                return self._create_group(group)
            case ["jobs", job, *rest]:
                return self._jobs(method, job, rest, request, now)
        raise _unknown(request)

    # ----------------------------------------------------------------------- data plane

    def _data(
        self, method: str, thing: str, rest: list[str], request: Request, now: float
    ) -> Members:
        service = self.service
        match method, rest:
            case "PUT", ["$next"]:
                start = decode_request(
                    StartNextPendingJobExecutionRequest, request.body, lenient=False
                )
                return self._reply(service.start_next_pending_job_execution(thing, start, now))
            case "GET", [job]:
                query = dict(parse_qsl(request.query))
                describe = DescribeJobExecutionRequest(
                    _flag(query, "includeJobDocument", default=True),
                    _number(query, "executionNumber"),
                )
                return self._reply(service.describe_job_execution(thing, job, describe, now))
            case "GET", []:
                return self._reply(
                    service.handle(thing, None, GetPendingJobExecutionsRequest(), now)
                )
        raise _unknown(request)

    def _reply(self, reply: DataReply) -> Members:
        wire = self.wire
        if isinstance(reply, UpdateReply):
            members: Members = {}
            if reply.execution_state is not None:
                members["executionState"] = reply.execution_state
            if reply.job_document is not None:
                members["jobDocument"] = reply.job_document
            return members
        if isinstance(reply, ExecutionReply):
            execution = reply.execution
            return {} if execution is None else {"execution": wire.execution(execution, http=True)}
        assert isinstance(reply, PendingReply)
        return {
            "inProgressJobs": [wire.summary(s) for s in reply.in_progress_jobs],
            "queuedJobs": [wire.summary(s) for s in reply.queued_jobs],
        }

    # ----------------------------------------------------------------------- control plane

    def _jobs(
        self, method: str, job: str, rest: list[str], request: Request, now: float
    ) -> Members:
        service, query = self.service, dict(parse_qsl(request.query))
        match method, rest:
            case "PUT", []:
                create = _body(CreateJobRequest, request.body)
                if create.document is not None and create.document_source is not None:
                    raise InvalidRequest("Give either document or documentSource, not both")
                if request.document is not None:
                    create = msgspec.structs.replace(create, document=request.document)
                return _members(service.create_job(job, create, now))
            case "GET", []:
                return {"job": self._stamped(_members(service.describe_job(job)))}
            case "PUT", ["cancel"]:
                cancel = _body(CancelJobRequest, request.body)
                force = _flag(query, "force", default=False)
                return _members(service.cancel_job(job, cancel, force, now))
            case "GET", ["things"]:
                return self._list_executions(job, query)
        raise _unknown(request)

    def _list_executions(self, job: str, query: dict[str, str]) -> Members:
        page = self.service.list_job_executions_for_job(
            job,
            _status(query.get("status")),
            _number(query, "maxResults") or 250,
            query.get("nextToken"),
        )
        rows = []
        for row in page.rows:
            detail: Members = {
                "status": row.status,
                "queuedAt": row.queued_at,
                "lastUpdatedAt": row.last_updated_at,
                "executionNumber": row.execution_number,
                "retryAttempt": row.retry_attempt,
            }
            if row.started_at is not None:
                detail["startedAt"] = row.started_at
            rows.append({"thingArn": row.thing_arn, "jobExecutionSummary": self._stamped(detail)})
        members: Members = {"executionSummaries": rows}
        if page.next_token is not None:
            members["nextToken"] = page.next_token
        return members

    def _stamped(self, members: Members) -> Members:
        """``members`` with its times as timestamps: fractions of a second are kept here."""
        for name in ("createdAt", "lastUpdatedAt", "completedAt", "queuedAt", "startedAt"):
            if name in members:
                members[name] = self.wire.epoch + members[name]
        return members

    # ----------------------------------------------------------------------- registry

    def _create_thing(self, name: str) -> Members:
        registry = self.service.registry
        registry.create_thing(name)
        arn = registry.thing_arn(name)
        return {"thingName": name, "thingArn": arn, "thingId": _identity(arn)}

    def _create_group(self, name: str) -> Members:
        registry = self.service.registry
        registry.create_thing_group(name)
        arn = registry.group_arn(name)
        return {"thingGroupName": name, "thingGroupArn": arn, "thingGroupId": _identity(arn)}

    def _add_thing(self, request: _AddThing) -> Members:
        thing = request.thing_name or (request.thing_arn or "").rpartition("/")[2]
        group = request.thing_group_name or (request.thing_group_arn or "").rpartition("/")[2]
        if not thing or not group:
            raise InvalidRequest("AddThingToThingGroup needs a thing and a thing group")
        self.service.registry.add_thing_to_thing_group(thing, group)
        return {}


def _unknown(request: Request) -> InvalidTopic:
    return InvalidTopic(f"{request.method} {request.path} is no operation of this service")


def _identity(arn: str) -> str:
    """A UUID that is a hash of what it identifies, so that runs repeat to the byte."""
    digest = sha256(arn.encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def _body(kind: type[T], body: bytes) -> T:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"Invalid request: {error}") from None


def _members(reply: msgspec.Struct) -> Members:
    members = msgspec.to_builtins(reply)
    assert isinstance(members, dict)
    return members


def _flag(query: dict[str, str], name: str, *, default: bool) -> bool:
    known: dict[str | None, bool] = {None: default, "true": True, "false": False}
    if query.get(name) not in known:
        raise InvalidRequest(f"{name} must be true or false, not {query[name]!r}")
    return known[query.get(name)]


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.lstrip("-").isdigit() or not text.isascii() or len(text) > 19:
        raise InvalidRequest(f"{name} must be a whole number, not {text!r}")
    return int(text)


def _status(text: str | None) -> Status | None:
    by_name: dict[str, Status] = {status: status for status in STATUSES}
    if text is None or text in by_name:
        return None if text is None else by_name[text]
    raise InvalidRequest(f"status {text!r} is none of {', '.join(STATUSES)}")
