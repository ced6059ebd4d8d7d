"""The HTTP door: both planes on one port, WebSocket to MQTT beside them, health and metrics.

Rule 1: what a request means stands in ``jobs/rest.py``; here are only who may ask, and the host's
        turn to publish what followed.
Rule 2: a request has the rights of its verified signature, else those of its connection's
        certificate: the data plane, for that certificate's things. Where keys are given, or
        certificates asked for, a request with neither is refused; ``/health`` and ``/metrics`` are
        open to everyone.
Rule 3: a path or a method that names no operation is 404 UnknownOperationException, as REST-JSON
        services of AWS answer both; 405 is for paths of our own only.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Final

import msgspec

from simulator.endpoints import sigv4
from simulator.endpoints.documents import Documents
from simulator.endpoints.exchange import Exchange
from simulator.endpoints.http11 import IDLE_S, Answer, HttpConnection
from simulator.endpoints.identity import Device
from simulator.endpoints.websocket import NotAcceptable, WebSocket, accept
from simulator.errors import InternalError, InvalidRequest, Rejection, RequestThrottled
from simulator.host import THROTTLED, Host, Stage
from simulator.host import Exchange as HostExchange
from simulator.jobs.messages import UpdateJobExecutionRequest
from simulator.jobs.rest import (
    CONTROL_PLANE,
    Request,
    Response,
    Rest,
    named_operation,
    refusal,
    split_path,
)
from simulator.jobs.wire import Wire, decode_request

log = logging.getLogger(__name__)

SWEEP_S: Final = 1.0
WEBSOCKET_PATH: Final = "/mqtt"
TAKES_A_SOURCE: Final = ("CreateJob", "CreateJobTemplate")
SERVICES: Final = ("iot-jobs-data", *CONTROL_PLANE)
DATA_PLANE: Final = frozenset(
    {
        "GetPendingJobExecutions",
        "StartNextPendingJobExecution",
        "DescribeJobExecution",
        "UpdateJobExecution",
    }
)
OUT_OF_SERVICE: Final = Response(
    503,
    b'{"__type":"ServiceUnavailableException","message":"The service is unavailable"}',
    "ServiceUnavailableException",
    outcome="ServiceUnavailable",
)
_STOP_WITHIN_S: Final = 5.0

Verify = Callable[[sigv4.Signed, tuple[str, ...]], sigv4.Verdict]
"""Whether a request is signed for one of these services, now."""

Health = Callable[[], tuple[bool, Mapping[str, str]]]
"""Whether what we depend on is there, and what to say of it."""

MakeMqtt = Callable[[Device | None], asyncio.Protocol]


class HttpEndpoint:
    """Serves a host over HTTP."""

    def __init__(
        self,
        host: Host,
        wire: Wire,
        *,
        utc_now: Callable[[], datetime] | None = None,
        verify: Verify | None = None,
        documents: Documents | None = None,
        mqtt: MakeMqtt | None = None,
        metrics: Callable[[], tuple[str, bytes]] | None = None,
        endpoints: Mapping[str, str] | None = None,
        health: Health | None = None,
    ) -> None:
        """``utc_now`` reads the calendar, for the ``Date`` header; ``mqtt`` makes the inside of a
        WebSocket; ``metrics`` is their content type and text; without ``verify`` signatures are
        read and not verified; ``endpoints`` is what DescribeEndpoint tells, by endpointType;
        ``health`` says whether something that we depend on is there.
        """
        self._host = host
        self._rest = Rest(host.service, wire, endpoints)
        self._utc_now = utc_now
        self._verify = verify
        self._documents = documents or Documents()
        self._mqtt = mqtt
        self._metrics = metrics
        self._health = health
        self.counts: dict[tuple[str, str], int] = {}
        """(operation, outcome) → responses."""
        self.connections: dict[HttpConnection, str | None] = {}
        """Each with the thing that it asked for last, where somebody watches."""
        self.date_line = b""
        self._requests = 0
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None
        host.disconnects.append(self._disconnect)

    # ----------------------------------------------------------------------- its life

    async def start(self, *listening: socket.socket) -> None:
        """Serve on sockets that are bound already."""
        loop = asyncio.get_running_loop()
        self._stamp()
        for plain in listening:
            self._servers.append(
                await loop.create_server(
                    lambda: HttpConnection(self, loop), sock=plain, backlog=4096
                )
            )
        self._sweeper = asyncio.create_task(self._sweep(), name="http idle connections")

    def connection(self, device: Device | None, trusted: bool) -> HttpConnection:
        """A connection for a transport that somebody else accepts (TLS)."""
        return HttpConnection(self, asyncio.get_running_loop(), device, trusted)

    async def stop(self) -> None:
        """Finish the requests in flight and close."""
        for server in self._servers:
            server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        busy = [c.busy for c in self.connections if c.busy is not None]
        if busy:
            await asyncio.wait(busy, timeout=_STOP_WITHIN_S)
        for connection in list(self.connections):
            connection.close()

    async def _sweep(self) -> None:
        """Close connections on which nothing comes, and keep the ``Date`` header fresh."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self._stamp()
            silent_since = loop.time() - IDLE_S
            for connection in list(self.connections):
                if connection.heard < silent_since and connection.busy is None:
                    connection.close()

    def _stamp(self) -> None:
        if self._utc_now is not None:
            stamp = format_datetime(self._utc_now(), usegmt=True)
            self.date_line = b"date: %b\r\n" % stamp.encode()

    # ----------------------------------------------------------------------- answers

    def request_id(self) -> bytes:
        """Counted, in the shape of AWS's: chance has no part in a run."""
        self._requests += 1
        return b"00000000-0000-4000-8000-%012x" % self._requests

    def answer(self, connection: HttpConnection, exchange: Exchange) -> Answer:
        """The response to a request."""
        try:
            answer = self._respond(connection, exchange)
        except Exception:
            log.exception("%s %s failed", exchange.method, exchange.path)
            answer = refusal(InternalError("The service failed; its log says why"))
        if isinstance(answer, Response):
            self._count(answer)
        return answer

    def _count(self, response: Response) -> None:
        key = (response.operation, response.outcome)
        self.counts[key] = self.counts.get(key, 0) + 1

    def _respond(self, connection: HttpConnection, exchange: Exchange) -> Answer:
        own = self._own(exchange)
        if own is not None:
            return own
        service = sigv4.scope_service(exchange.headers, exchange.query)
        if self._verify is not None or not connection.trusted or connection.device is not None:
            denied = self._denied(connection, exchange, service)
            if denied is not None:
                return denied
        request = Request(exchange.method, exchange.path, exchange.query, exchange.body, service)
        if (
            exchange.method == "PUT"
            and b'"documentSource"' in exchange.body
            and _operation(request) in TAKES_A_SOURCE
        ):
            return self._with_document(request)
        stage = self._host.stage
        if stage is not None and service not in CONTROL_PLANE:
            operation = _operation(request)
            if operation in DATA_PLANE:
                return self._ask_on_stage(stage, connection, request, operation)
        return self._ask(request)

    def _ask_on_stage(
        self, stage: Stage, connection: HttpConnection, request: Request, operation: str
    ) -> Response | None:
        """Ask the data plane where something may befall the request, or somebody watches.

        A request or a reply that is lost ends the connection; an outage is a 503, as a gateway
        answers for what stands behind it.
        """
        segments = split_path(request.path)
        thing_name = self.connections[connection] = segments[1]
        job_id = (
            segments[3] if operation in ("UpdateJobExecution", "DescribeJobExecution") else None
        )
        fault = stage.befall(thing_name, twice=False)
        update, response = None, OUT_OF_SERVICE._replace(operation=operation)
        if fault == "throttle":
            response = refusal(RequestThrottled(THROTTLED), operation)
        elif fault not in ("outage", "lose-request"):
            response = self._ask(request)
            update = _update(request) if operation == "UpdateJobExecution" else None
        outcome = "" if fault in ("outage", "lose-request") else response.outcome
        stage.saw(HostExchange(thing_name, job_id, operation, update, outcome, fault))
        return None if fault in ("lose-request", "lose-reply") else response

    def _ask(self, request: Request) -> Response:
        try:
            response = self._host.respond(self._rest, request)
        finally:
            self._host.publish()
        self._host.hint(response.hint)
        return response

    async def _with_document(self, request: Request) -> Response:
        """Read what a new job's ``documentSource`` names, then ask as ever."""
        try:
            members = msgspec.json.decode(request.body)
            source = members.get("documentSource") if isinstance(members, dict) else None
            if isinstance(source, str) and "document" not in members:
                request = request._replace(document=await self._documents.fetch(source))
            response = self._ask(request)
        except Rejection as rejection:
            response = refusal(rejection, _operation(request))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            response = refusal(InvalidRequest(f"Invalid request: {error}"), _operation(request))
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = refusal(InternalError("The service failed; its log says why"))
        self._count(response)
        return response

    def _disconnect(self, names: Container[str]) -> int:
        """Close the connections that asked for these things last, or have their certificates."""
        found = [c for c, thing in self.connections.items() if _speaks_for(c, thing, names)]
        for connection in found:
            connection.close()
        return len(found)

    def _own(self, exchange: Exchange) -> Response | None:
        """Health and metrics, or None."""
        if exchange.path == "/health":
            response = self._healthy()
        elif exchange.path == "/metrics" and self._metrics is not None:
            kind, text = self._metrics()
            response = Response(200, text, None, "Metrics", content_type=kind)
        else:
            return None
        if exchange.method not in ("GET", "HEAD"):
            message = b'{"message":"Allowed are GET and HEAD"}'
            name = "MethodNotAllowedException"
            return Response(
                405, message, name, response.operation, "MethodNotAllowed", allow="GET, HEAD"
            )
        return response

    def _healthy(self) -> Response:
        if self._health is None:
            return Response(200, b'{"status":"ok"}', None, "Health")
        well, said = self._health()
        body = msgspec.json.encode({"status": "ok" if well else "unavailable", **said})
        return Response(200 if well else 503, body, None, "Health")

    # ----------------------------------------------------------------------- rights

    def _denied(
        self, connection: HttpConnection, exchange: Exchange, service: str | None
    ) -> Response | None:
        """Why a request may not be made, or None where it may."""
        operation = named_operation(service, exchange.method, split_path(exchange.path))
        if self._verify is not None and (service is not None or connection.device is None):
            return _unverified(self._verify, exchange, SERVICES, operation)
        device = connection.device
        if device is None:
            return None if connection.trusted else _deny(
                403, sigv4.MISSING, "Show a client certificate, or sign: but this server was "
                "started without keys to verify a signature with", operation,
            )  # fmt: skip
        segments = split_path(exchange.path)
        if segments[0] != "things" or segments[2:3] != ["jobs"] or service in CONTROL_PLANE:
            log.warning("device %s: refused: %s", device.name, operation)
            why = "A certificate opens the data plane only"
            return _deny(403, "ForbiddenException", why, operation)
        if not device.may_act_for(segments[1]):
            log.warning("device %s: refused: %s for thing %s", device.name, operation, segments[1])
            why = f"This certificate may not act for thing {segments[1]}"
            return _deny(403, "ForbiddenException", why, operation)
        return None

    # ----------------------------------------------------------------------- WebSocket

    def upgrade(
        self, connection: HttpConnection, exchange: Exchange
    ) -> tuple[bytes, asyncio.Protocol] | Response:
        """Open a WebSocket to MQTT, or say why not."""
        if exchange.path != WEBSOCKET_PATH or self._mqtt is None or exchange.method != "GET":
            return _deny(404, "UnknownOperationException", "MQTT is at /mqtt", "WebSocket")
        try:
            head = accept(exchange.headers)
        except NotAcceptable as wrong:
            return _deny(wrong.status, "BadRequest", str(wrong), "WebSocket")
        device = connection.device
        service = sigv4.scope_service(exchange.headers, exchange.query)
        if self._verify is not None and (service is not None or device is None):
            denied = _unverified(self._verify, exchange, (sigv4.GATEWAY,), "WebSocket")
            if denied is not None:
                return denied
            device = None  # a good signature is worth more than a certificate
        elif device is None and not connection.trusted:
            return _deny(403, sigv4.MISSING, "Missing Authentication Token", "WebSocket")
        return head, WebSocket(self._mqtt(device))


def _unverified(
    verify: Verify, exchange: Exchange, services: tuple[str, ...], operation: str
) -> Response | None:
    """Why a signature does not hold, or None where it does."""
    signed = sigv4.Signed(
        exchange.method, exchange.path, exchange.query, exchange.headers, exchange.body
    )
    verdict = verify(signed, services)
    if verdict.error is None:
        return None
    log.warning("%s refused: %s: %s", operation, verdict.error, verdict.message)
    return _deny(403, verdict.error, verdict.message, operation)


def _speaks_for(connection: HttpConnection, thing: str | None, names: Container[str]) -> bool:
    device = connection.device
    return thing in names or (device is not None and device.name in names)


def _update(request: Request) -> UpdateJobExecutionRequest | None:
    """The body of an update, where it can be read."""
    try:
        return decode_request(UpdateJobExecutionRequest, request.body, lenient=False)
    except Rejection:
        return None


def _deny(status: int, name: str, message: str, operation: str) -> Response:
    body = msgspec.json.encode({"__type": name, "message": message})
    return Response(status, body, name, operation, name.removesuffix("Exception"))


def _operation(request: Request) -> str:
    return named_operation(request.signing_name, request.method, split_path(request.path))
