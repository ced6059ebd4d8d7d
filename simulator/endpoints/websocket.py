"""MQTT over WebSocket: the bytes of binary messages, in both directions.

Rule 1: where one MQTT packet ends has nothing to do with where a message does [MQTT-6.0.0-2], so
        the MQTT side sees a plain stream, and a transport to write to.
Rule 2: a text message, or anything else that breaks RFC 6455, ends the connection with the close
        code that says so [MQTT-6.0.0-1].

wsproto keeps the protocol (handshake keys, masks, fragments, close codes); here are only the ends.
"""

import asyncio
import logging
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from hashlib import sha1
from typing import Any, Final, cast

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

log = logging.getLogger(__name__)

SUBPROTOCOL: Final = "mqtt"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Header = tuple[bytes, bytes]


class NotAcceptable(Exception):
    """The upgrade is not one that can be taken: ``status`` is the HTTP answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def accept(headers: list[Header]) -> bytes:
    """The head of the answer that accepts an upgrade for MQTT.

    Raises:
        NotAcceptable: it is no WebSocket handshake, or not for MQTT.
    """
    given = dict(headers)
    if given.get(b"sec-websocket-version") != b"13":
        raise NotAcceptable(426, "Sec-WebSocket-Version must be 13")
    key = given.get(b"sec-websocket-key", b"")
    try:
        if len(b64decode(key, validate=True)) != 16:
            raise NotAcceptable(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    except NotBase64:
        raise NotAcceptable(400, "Sec-WebSocket-Key must be 16 bytes in base64") from None
    offered = [
        name.strip()
        for key_, value in headers
        if key_ == b"sec-websocket-protocol"
        for name in value.decode("latin-1").split(",")
    ]
    if SUBPROTOCOL not in offered:
        raise NotAcceptable(400, "Sec-WebSocket-Protocol must offer mqtt")
    proof = b64encode(sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n" % proof
    )


class WebSocket(asyncio.Transport, asyncio.Protocol):
    """A protocol to the network, a transport to the MQTT connection inside."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        super().__init__()
        self._inner = inner
        self._frames = Connection(ConnectionType.SERVER)
        self._outer: asyncio.Transport | None = None

    # ----------------------------------------------------------------------- to the network

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The upgrade was accepted."""
        self._outer = cast("asyncio.Transport", transport)
        self._inner.connection_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._outer = None
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._inner.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Frames came."""
        if self._outer is None or self._frames.state is ConnectionState.CLOSED:
            return
        try:
            self._frames.receive_data(data)
            for event in self._frames.events():
                self._event(event)
        except RemoteProtocolError as error:
            log.warning("a WebSocket client broke RFC 6455: %s", error)
            self._end(error.event_hint or CloseConnection(code=1002))

    def _event(self, event: object) -> None:
        match event:
            case BytesMessage():
                self._inner.data_received(bytes(event.data))
            case TextMessage():
                self._end(CloseConnection(code=1003, reason="MQTT is binary"))
            case Ping():
                self._send(event.response())
            case CloseConnection():
                self._end(event.response())

    def _send(self, event: Any) -> None:
        if self._outer is None:
            return
        try:
            data = self._frames.send(event)
        except LocalProtocolError:  # closing: nothing more is said
            return
        self._outer.write(data)

    def _end(self, event: Any) -> None:
        self._send(event)
        if self._outer is not None:
            self._outer.close()

    # ----------------------------------------------------------------------- to MQTT

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send one binary message."""
        self._send(BytesMessage(data=bytes(data)))

    def close(self) -> None:
        """Say goodbye and close."""
        self._end(CloseConnection(code=1000))

    def abort(self) -> None:
        """Close at once."""
        if self._outer is not None:
            self._outer.abort()

    def can_write_eof(self) -> bool:
        """A WebSocket says goodbye for both directions at once."""
        return False

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._outer is None or self._outer.is_closing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As on the connection beneath."""
        if self._outer is not None:
            self._outer.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """As on the connection beneath."""
        return 0 if self._outer is None else self._outer.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As on the connection beneath."""
        return default if self._outer is None else self._outer.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """As on the connection beneath."""
        if self._outer is not None:
            self._outer.pause_reading()

    def resume_reading(self) -> None:
        """As on the connection beneath."""
        if self._outer is not None:
            self._outer.resume_reading()
