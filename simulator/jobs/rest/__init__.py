"""HTTP paths and bodies ⇄ messages: both planes as REST-JSON, without IO.

Rule 1: both planes own ``GET /things/{thing}/jobs…``; the SigV4 credential scope tells them apart
        (``CONTROL_PLANE``), and unsigned requests are data plane where it has the path.
Rule 2: a path segment may be percent-encoded (boto3 sends ``%24next`` and ``%3A``), so a path is
        split first and decoded after.
Rule 3: an error says its name in ``x-amzn-ErrorType`` and in ``__type``, which suits every SDK.
Rule 4: every operation is a row of a table: ``data``, ``job_routes``, ``registry_routes``,
        ``template_routes`` and ``account_routes`` hold them. Only an update, being nearly all
        there is, is seen before the table is asked, and done as its row does it.

Source: botocore ``iot-jobs-data`` 2017-09-29 and ``iot`` 2015-05-28 (URIs, members, statuses).
"""

from collections.abc import Mapping

import msgspec

from simulator.errors import InvalidTopic, Rejection
from simulator.jobs.messages import EMPTY_UPDATE, UpdateJobExecutionRequest
from simulator.jobs.rest.account_routes import ACCOUNT_ROUTES
from simulator.jobs.rest.call import Call, Members, Request, Response, signing_name
from simulator.jobs.rest.data import DATA_ROUTES, update_members
from simulator.jobs.rest.job_routes import JOB_ROUTES
from simulator.jobs.rest.registry_routes import REGISTRY_ROUTES
from simulator.jobs.rest.routes import Route, Router, split_path
from simulator.jobs.rest.template_routes import TEMPLATE_ROUTES
from simulator.jobs.service import JobsService
from simulator.jobs.wire import Wire, decode_request

__all__ = [
    "CONTROL_PLANE",
    "ENDPOINT_TYPES",
    "Request",
    "Response",
    "Rest",
    "named_operation",
    "refusal",
    "signing_name",
    "split_path",
]

_DATA = Router(DATA_ROUTES)
_CONTROL = Router((*JOB_ROUTES, *REGISTRY_ROUTES, *TEMPLATE_ROUTES, *ACCOUNT_ROUTES))
CONTROL_PLANE = ("iot", "execute-api")
"""What control-plane requests are signed for: by clients of today, and of 2022 and before."""

_PLANES: dict[str | None, tuple[Router, ...]] = {
    **dict.fromkeys(CONTROL_PLANE, (_CONTROL,)),
    "iot-jobs-data": (_DATA,),
}
"""Signing name → where to look; any other, and none: the data plane first."""

ENDPOINT_TYPES = ("iot:Data", "iot:Data-ATS", "iot:CredentialProvider", "iot:Jobs")
"""What DescribeEndpoint can be asked for."""

LOOPBACK = "127.0.0.1"


class Rest:
    """Answers HTTP requests from a service.

    ``endpoints`` is what DescribeEndpoint tells: endpointType → address.
    """

    def __init__(
        self, service: JobsService, wire: Wire, endpoints: Mapping[str, str] | None = None
    ) -> None:
        self.service = service
        self.wire = wire
        told = dict.fromkeys(ENDPOINT_TYPES, LOOPBACK) if endpoints is None else endpoints
        self.endpoints = dict(told)

    def respond(self, request: Request, now: float) -> Response:
        """Do what a request asks; every refusal is a response too."""
        segments = split_path(request.path)
        if (
            request.method == "POST"
            and len(segments) == 4
            and segments[2] == "jobs"
            and segments[0] == "things"
            and request.signing_name not in CONTROL_PLANE
        ):  # first: nearly all requests are updates
            return self._update(segments[1], segments[3], request, now)
        found = _find(request.signing_name, request.method, segments)
        if found is None:
            unknown = InvalidTopic(
                f"{request.method} {request.path} is no operation of this service"
            )
            return refusal(unknown)
        operation = found[0].operation
        try:
            members = self._do(*found, request, now)
        except Rejection as rejection:
            return refusal(rejection, operation)
        return Response(200, msgspec.json.encode(members), None, operation)

    def _update(self, thing: str, job: str, request: Request, now: float) -> Response:
        """UpdateJobExecution, without the walk through the table."""
        try:
            update = decode_request(UpdateJobExecutionRequest, request.body, lenient=False)
            reply = self.service.update_job_execution(thing, job, update, now)
        except Rejection as rejection:
            return refusal(rejection, UPDATED.operation)
        if reply is EMPTY_UPDATE:
            return UPDATED
        body = msgspec.json.encode(update_members(reply))
        return Response(200, body, None, UPDATED.operation)

    def _do(self, route: Route, names: list[str], request: Request, now: float) -> Members:
        if route.throttled and self.service.quotas is not None:
            self.service.quotas.operation(route.operation, now)
        call = Call(self.service, self.wire, self.endpoints, names, request, now)
        return route.handler(call)


UPDATED = Response(200, b"{}", None, "UpdateJobExecution")
"""The answer to nearly every request; shared, since it never changes."""


def _find(
    signing_name: str | None, method: str, segments: list[str]
) -> tuple[Route, list[str]] | None:
    for router in _PLANES.get(signing_name, (_DATA, _CONTROL)):
        found = router.find(method, segments)
        if found is not None:
            return found
    return None


def named_operation(signing_name: str | None, method: str, segments: list[str]) -> str:
    """The operation's name, or ``Unknown``: what both planes own is data plane unless signed so."""
    found = _find(signing_name, method, segments)
    return "Unknown" if found is None else found[0].operation


def refusal(rejection: Rejection, operation: str = "Unknown") -> Response:
    """A rejection as REST-JSON."""
    name = rejection.http_error
    body = msgspec.json.encode({"__type": name, "message": rejection.message})
    return Response(
        rejection.http_status, body, name, operation, rejection.code, hint=rejection.hint
    )
