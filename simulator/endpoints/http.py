"""The HTTP door: a small ASGI application on uvicorn, both planes on one port.

What a request means stands in ``jobs/rest.py``; here are only bytes, headers and the host's turn
to publish what followed.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import uvicorn

from simulator.host import Host
from simulator.jobs.rest import Request, Response, Rest, signing_name
from simulator.jobs.wire import Wire

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY: Final = 256 * 1024
"""Far above the largest request that AWS takes (a 32 KiB document), far below trouble."""

_JSON: Final = (b"content-type", b"application/json")


class HttpEndpoint:
    """Serves a host over HTTP."""

    def __init__(self, host: Host, wire: Wire, endpoints: Mapping[str, str] | None = None) -> None:
        """Serve ``host``; ``endpoints`` is what DescribeEndpoint tells, by endpointType."""
        self._host = host
        self._rest = Rest(host.service, wire, endpoints)
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request (ASGI)."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            response = Response(413, b'{"message":"The request body is too large"}', "BodyTooLarge")
        else:
            response = self._respond(scope, body)
        headers = [_JSON, (b"content-length", str(len(response.body)).encode())]
        if response.error_type is not None:
            headers.append((b"x-amzn-errortype", response.error_type.encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    def _respond(self, scope: dict[str, Any], body: bytes) -> Response:
        authorization = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1")
        request = Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            body,
            signing_name(authorization),
        )
        try:
            response = self._rest.respond(request, self._host.now())
        finally:
            self._host.publish()
        self._host.hint(response.hint)
        return response

    async def start(self, listening: socket.socket) -> None:
        """Serve on a socket that is bound already."""
        config = uvicorn.Config(
            self, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]), name="http endpoint")
        # uvicorn has a flag for it and no event
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Finish the requests in flight and close."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            await self._serving


class _Server(uvicorn.Server):
    """uvicorn, leaving signals to whoever owns the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None where it is larger than anything we take."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts) if size <= MAX_BODY else None
