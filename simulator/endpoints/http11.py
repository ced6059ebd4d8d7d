"""HTTP/1.1 on one connection: bytes in, requests to whoever answers them, responses back in order.

Rule 1: a request that breaks HTTP, or is larger than anything AWS takes, gets one response with the
        reason; then this connection ends, and no other.
Rule 2: responses leave in the order of their requests, pipelined or not; while one is still being
        worked on, nothing more is read from that client.
Rule 3: what a client does not read is not buffered for it: while its buffer is full, nothing more
        is read from it either.

It stands where an ASGI server would, because the door needs what ASGI does not carry (the client's
certificate, the bytes after an upgrade), and because a task and four dictionaries per request cost
more than the request does (docs/benchmarks.md). llhttp, through httptools, does the parsing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, Protocol, cast

import httptools

from simulator.endpoints.exchange import Exchange, absolute, head
from simulator.endpoints.identity import Device
from simulator.jobs.rest import Response

log = logging.getLogger(__name__)

MAX_BODY: Final = 256 * 1024
"""Far above the largest request that AWS takes (a 32 KiB document), far below trouble."""

MAX_HEAD: Final = 32 * 1024
"""Bytes of request line and headers."""

IDLE_S: Final = 75.0
"""A connection on which nothing was heard for so long is closed."""

LINGER_S: Final = 2.0
"""After a refusal in the middle of a request: so long it is read and dropped, not reset."""

_TLS_HELLO: Final = b"\x16\x03"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

Answer = Response | Coroutine[Any, Any, Response] | None


class Answerer(Protocol):
    """Whoever knows the answers. Both methods see every refusal through themselves: none raises."""

    date_line: bytes
    """The ``Date`` header, kept fresh by its owner; empty where there is no calendar."""

    connections: "dict[HttpConnection, str | None]"

    def answer(self, connection: "HttpConnection", exchange: Exchange) -> Answer:
        """The response, a coroutine that will have it, or None: none comes, the connection ends."""

    def upgrade(
        self, connection: "HttpConnection", exchange: Exchange
    ) -> tuple[bytes, asyncio.Protocol] | Response:
        """Head of the 101 answer and who takes the connection over, or why not."""

    def request_id(self) -> bytes:
        """An id that no other response has."""


class HttpConnection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_answerer",
        "_began",
        "_body",
        "_busy",
        "_closing",
        "_exchange_size",
        "_head",
        "_headers",
        "_in_head",
        "_loop",
        "_out",
        "_parser",
        "_transport",
        "_upgrade",
        "_url",
        "_waiting",
        "device",
        "heard",
        "peer",
        "trusted",
    )

    def __init__(
        self,
        answerer: Answerer,
        loop: asyncio.AbstractEventLoop,
        device: Device | None = None,
        trusted: bool = True,
    ) -> None:
        """``device`` is whose certificate was shown; ``trusted``: needs none and no signature."""
        self._answerer = answerer
        self._loop = loop
        self.device = device
        self.trusted = trusted
        self.peer = "?"
        self.heard = loop.time()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] | None = None
        self._busy: asyncio.Task[None] | None = None
        self._waiting: deque[Exchange] = deque()
        self._closing = False
        self._upgrade: Exchange | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._exchange_size = 0
        self._head = 0
        """Bytes of a head that came in several pieces."""
        self._in_head = False
        self._began = False
        """Whether the newest head began in the newest piece."""

    # ----------------------------------------------------------------------- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            self.peer = f"{name[0]}:{name[1]}"
        self._answerer.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """A client is gone; what it asked for last is still done."""
        self._untie()
        self._waiting.clear()
        self._answerer.connections.pop(self, None)

    def _untie(self) -> None:
        """Its end: parser and connection know each other (``garbage.py``)."""
        self._transport = None
        del self._parser

    def eof_received(self) -> bool:
        """The client says no more: what is being worked on is still answered (not over TLS)."""
        transport = self._transport
        stay = self._busy is not None and transport is not None and transport.can_write_eof()
        self._closing = self._closing or not stay
        return stay

    def pause_writing(self) -> None:
        """The client does not read: take nothing more from it."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._transport is not None and self._busy is None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._closing:
            return
        self.heard = self._loop.time()
        out = self._out = []
        try:
            self._read(data)
        except httptools.HttpParserError as error:
            self._broken(data, error)
        finally:
            self._out = None
            if out and self._transport is not None:
                self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        self._linger()

    def _read(self, data: bytes) -> None:
        while data:
            self._began = False
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._switch(data[upgrade.args[0] :])
                continue
            if self._in_head and not self._began:  # the same head, still: llhttp keeps all of it
                self._head += len(data)
                if self._head > MAX_HEAD:
                    self._head_too_large()
            return

    def _broken(self, data: bytes, error: Exception) -> None:
        if data.startswith(_TLS_HELLO):
            log.warning("%s: refused: TLS on a plain HTTP port", self.peer)
        else:
            log.warning("%s: refused: not HTTP: %s", self.peer, error)
        self._refuse(400, f"This is not HTTP/1.1: {error}")

    # ----------------------------------------------------------------------- llhttp

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._headers = []
        self._body = []
        self._exchange_size = 0
        self._head = 0
        self._in_head = self._began = True

    def on_url(self, url: bytes) -> None:
        """Some of the request line."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is there: say at once whether the body is welcome."""
        self._in_head = False
        size = len(self._url)
        for name, value in self._headers:
            size += len(name) + len(value)
            if name == b"expect":
                self._expected(value)
            elif name == b"content-length" and int(value) > MAX_BODY:
                self._too_large()
        if size > MAX_HEAD:
            self._head_too_large()

    def on_body(self, part: bytes) -> None:
        """Some of the body."""
        self._exchange_size += len(part)
        if self._exchange_size <= MAX_BODY:
            self._body.append(part)
        else:
            self._body = []
            self._too_large()

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._closing:
            return
        parser, url, body = self._parser, self._url, self._body
        path, _, query = url.partition(b"?")
        if not path.startswith(b"/"):
            path, query = absolute(url)
        exchange = Exchange(
            parser.get_method().decode(),
            path.decode("latin-1"),
            query.decode("latin-1"),
            self._headers,
            body[0] if len(body) == 1 else b"".join(body),
            parser.should_keep_alive(),
        )
        if parser.should_upgrade():
            self._upgrade = exchange
        elif self._busy is not None:
            self._waiting.append(exchange)
        else:
            self._answer(exchange)

    # ----------------------------------------------------------------------- answers

    def _answer(self, exchange: Exchange) -> None:
        answer = self._answerer.answer(self, exchange)
        if answer is None:
            self._closing = True
        elif isinstance(answer, Response):
            self._respond(exchange, answer)
        else:
            if self._transport is not None:
                self._transport.pause_reading()
            self._busy = self._loop.create_task(self._later(exchange, answer), name="http answer")

    async def _later(self, exchange: Exchange, answer: Coroutine[Any, Any, Response]) -> None:
        response = await answer
        self._busy = None
        self._respond(exchange, response)
        while self._waiting and self._busy is None and not self._closing:
            self._answer(self._waiting.popleft())
        if self._transport is not None and self._busy is None:
            if self._closing:
                self._transport.close()
            else:
                self._transport.resume_reading()

    def _respond(self, exchange: Exchange, response: Response) -> None:
        self._write(
            b"%b%b%bx-amzn-RequestId: %b\r\ncontent-length: %d\r\n\r\n"
            % (
                head(response),
                b"" if exchange.keep_alive else b"connection: close\r\n",
                self._answerer.date_line,
                self._answerer.request_id(),
                len(response.body),
            )
        )
        if exchange.method != "HEAD":
            self._write(response.body)
        if not exchange.keep_alive:
            self._closing = True

    def _write(self, data: bytes) -> None:
        if self._out is not None:
            self._out.append(data)
        elif self._transport is not None:
            self._transport.write(data)

    def _expected(self, value: bytes) -> None:
        if self._closing:
            return
        if value.lower() != b"100-continue":
            self._refuse(417, "The only expectation met here is 100-continue")
        elif self._busy is None:
            self._write(_CONTINUE)

    def _too_large(self) -> None:
        self._refuse(413, f"The request body is larger than {MAX_BODY} bytes", "BodyTooLarge")

    def _head_too_large(self) -> None:
        self._refuse(431, f"Request line and headers are larger than {MAX_HEAD} bytes")

    def _refuse(self, status: int, why: str, error_type: str = "BadRequest") -> None:
        """Answer what is no request, and take nothing more from this client."""
        if not self._closing:
            message = why.replace("\\", "\\\\").replace('"', "'").encode("ascii", "replace")
            body = b'{"__type":"%b","message":"%b"}' % (error_type.encode(), message)
            nothing = Exchange("", "", "", [], b"", keep_alive=False)
            self._respond(nothing, Response(status, body, error_type))

    def _linger(self) -> None:
        """End a connection that is to end, but read what still comes: a reset would eat our
        last response.
        """
        transport = self._transport
        if transport is None or self._busy is not None or not self._closing:
            return
        if transport.can_write_eof():
            transport.write_eof()
            self._loop.call_later(LINGER_S, transport.close)
        else:
            transport.close()

    def _switch(self, rest: bytes) -> bytes:
        """The client wants another protocol on this connection; return what is to be read yet."""
        exchange, transport = self._upgrade, self._transport
        if exchange is None or transport is None or self._busy is not None or self._closing:
            self._closing = True
            return b""
        if (exchange.header(b"upgrade") or b"").lower() != b"websocket":
            return self._without_upgrade(exchange, rest)
        taken = self._answerer.upgrade(self, exchange)
        exchange.keep_alive = False
        if isinstance(taken, Response):
            self._respond(exchange, taken)
            return b""
        accepted, protocol = taken
        self._write(accepted)
        out, self._out = self._out or [], None
        transport.write(b"".join(out))
        out.clear()
        self._answerer.connections.pop(self, None)
        transport.set_protocol(protocol)
        self._untie()
        protocol.connection_made(transport)
        if rest:
            protocol.data_received(rest)
        return b""

    def _without_upgrade(self, exchange: Exchange, rest: bytes) -> bytes:
        """An upgrade that is not on offer (Java's client asks for h2c): the same without it.

        llhttp has stopped before the body, so the request is read anew.
        """
        if exchange.method == "CONNECT":
            self._refuse(501, "This is no proxy")
            return b""
        passed_over = (b"upgrade", b"connection", b"http2-settings")
        lines = [b"%b %b HTTP/1.1" % (exchange.method.encode(), self._url)]
        lines += [b"%b: %b" % pair for pair in self._headers if pair[0] not in passed_over]
        self._parser = httptools.HttpRequestParser(self)
        return b"\r\n".join(lines) + b"\r\n\r\n" + rest

    # ----------------------------------------------------------------------- its owner's

    @property
    def busy(self) -> asyncio.Task[None] | None:
        """What is being worked on, beyond one turn of the loop."""
        return self._busy

    def close(self) -> None:
        """End this connection."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
