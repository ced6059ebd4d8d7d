"""One MQTT connection as a client: what a thing's link and a service behind a broker share.

Rule 1: the greeting, CONNECT and then SUBSCRIBE, is awaited; everything else comes to the methods
        that a subclass overrides, in the order in which it came.
Rule 2: bytes that break MQTT end the connection.
Rule 3: ``settled`` is called at the end of each piece of input, so that what the packets in it
        made us say can be sent at once.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Protocol, cast

from simulator.errors import Disconnected, MqttError
from simulator.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    Pingreq,
    Puback,
    Publish,
    Suback,
    Subscribe,
    encode,
)
from simulator.poller import Poller
from simulator.refusals import in_words

CONNECT_WITHIN_S: Final = 20.0
MAX_PACKET: Final = 131_072 + 1024

TLS_ALERT: Final = b"\x15\x03"
"""With what a port that speaks TLS answers somebody who does not."""

_WHY: Final = {
    1: "unacceptable protocol version",
    2: "client id refused",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
    0x84: "unsupported protocol version",
    0x85: "client id refused",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x8A: "banned",
}
"""Return codes of MQTT 3.1.1 and reason codes of 5 with which a broker says no, in words."""


class Tunnel(Protocol):
    """What lies between the socket and MQTT, such as a WebSocket."""

    opened: asyncio.Future[None]
    """Done when MQTT may begin; Disconnected where it may not."""


class ClientConnection(asyncio.Protocol):
    """A connection to a broker."""

    __slots__ = (
        "_doubt",
        "_greeting",
        "_loop",
        "_packet_id",
        "_tls_alert",
        "_transport",
        "_where",
        "_wrote",
        "heard",
        "level",
        "reader",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self.reader = PacketReader("client")
        self._greeting: asyncio.Future[Packet] | None = None
        self._packet_id = 0
        self._where = ""
        self._tls_alert = False
        self._doubt = ""
        self._wrote = 0.0
        self.heard = 0.0
        self.level = 0

    # ----------------------------------------------------------------------- the greeting

    async def dial(
        self,
        address: tuple[str, int],
        hello: Connect,
        filters: tuple[tuple[str, int], ...],
        tls: ssl.SSLContext | None = None,
        max_packet: int = MAX_PACKET,
        through: Callable[[asyncio.Protocol], asyncio.Protocol] | None = None,
        poller: Poller | None = None,
    ) -> Connack:
        """Connect and subscribe; returns the broker's welcome.

        ``through`` makes a ``Tunnel``; ``poller`` carries plain TCP in the place of the loop.

        Raises:
            Disconnected: no connection, or the broker refused it.
        """
        host, port = address
        self._where = f"{host}:{port}"
        self.level = hello.level
        self._doubt = f"does it speak MQTT{'' if tls else ', and without TLS'}?"
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                self.reader = PacketReader("client", max_packet, hello.level)
                if through is None and tls is None and poller is not None:
                    await poller.connect(self, host, port)
                elif through is None:
                    await self._loop.create_connection(lambda: self, host, port, ssl=tls)
                else:
                    await self._tunnel(through, address, tls)
                welcome = await self._greet(encode(hello))
                if not isinstance(welcome, Connack) or welcome.return_code:
                    raise Disconnected(f"{self._where} refused the connection: {_said(welcome)}")
                self.welcomed(welcome)
                wanted = Subscribe(self.next_id(), filters)
                granted = await self._greet(encode(wanted, hello.level))
                if not isinstance(granted, Suback) or any(c >= 0x80 for c in granted.return_codes):
                    raise Disconnected(f"{self._where} refused a subscription: {granted}")
        except (OSError, TimeoutError, UnicodeError) as error:
            self.close()
            silent = isinstance(error, TimeoutError) and not str(error)
            why = f"no answer within {CONNECT_WITHIN_S:g} s" if silent else in_words(error)
            raise Disconnected(f"cannot connect to {self._where}: {why}") from None
        except Disconnected:
            self.close()
            raise
        return welcome

    async def _tunnel(
        self,
        through: Callable[[asyncio.Protocol], asyncio.Protocol],
        address: tuple[str, int],
        tls: ssl.SSLContext | None,
    ) -> None:
        """Connect through something, and wait until it lets MQTT through."""
        host, port = address
        transport, tunnel = await self._loop.create_connection(
            lambda: through(self), host, port, ssl=tls
        )
        try:
            await cast("Tunnel", tunnel).opened
        except BaseException:
            transport.abort()
            raise

    async def _greet(self, data: bytes) -> Packet:
        """Send one packet of the greeting and wait for what answers it."""
        if self._transport is None:
            raise Disconnected(f"{self._where} closed the connection")
        self._greeting = self._loop.create_future()
        self._transport.write(data)
        try:
            return await self._greeting
        finally:
            self._greeting = None

    # ----------------------------------------------------------------------- saying

    def next_id(self) -> int:
        """A packet id, in turn."""
        self._packet_id = packet_id = self._packet_id % 65535 + 1
        return packet_id

    def keep_alive(self, now: float, patience: float) -> None:
        """Say something where nothing was said for half of ``patience`` seconds."""
        if self._transport is not None and now - self._wrote > patience / 2:
            self._wrote = now
            self._transport.write(encode(Pingreq()))

    def close(self) -> None:
        """Say goodbye and close."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(Disconnect(), self.level))
            self._transport.close()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    # ----------------------------------------------------------------------- for subclasses

    def welcomed(self, welcome: Connack) -> None:
        """The broker took the CONNECT."""

    def published(self, packet: Publish) -> None:
        """A message came."""

    def acknowledged(self, packet: Puback) -> None:
        """A message of ours arrived."""

    def dismissed(self, packet: Disconnect) -> None:
        """An MQTT 5 broker says why it closes the connection."""

    def settled(self) -> None:
        """All packets of a piece of input have been told."""

    # ----------------------------------------------------------------------- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._wrote = self.heard = self._loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._transport = None
        if self._greeting is not None and not self._greeting.done():
            why = f"{self._where} closed the connection before its welcome; {self._doubt}"
            if self._tls_alert:
                why = f"{self._where} speaks TLS; use mqtts:// or wss:// for it"
            self._greeting.set_exception(Disconnected(why))

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.heard = self._loop.time()
        try:
            for packet in self.reader.feed(data):
                kind = type(packet)
                if kind is Publish:
                    self.published(packet)  # type: ignore[arg-type]
                elif kind is Puback:
                    self.acknowledged(packet)  # type: ignore[arg-type]
                elif kind is Disconnect:
                    self.dismissed(packet)  # type: ignore[arg-type]
                elif (
                    isinstance(packet, Connack | Suback)
                    and self._greeting is not None
                    and not self._greeting.done()
                ):
                    self._greeting.set_result(packet)
        except MqttError as error:
            self._tls_alert = data[:2] == TLS_ALERT and self._greeting is not None
            self.broken(error)
        self.settled()

    def broken(self, error: MqttError) -> None:
        """The broker broke MQTT."""
        self.abort()


def _said(answer: Packet) -> str:
    if not isinstance(answer, Connack):
        return str(answer)
    code = answer.return_code
    known = _WHY.get(code, "no reason that we know")
    more = "" if answer.properties is None else answer.properties.reason_string or ""
    return f"{known} (code {code}){': ' * bool(more)}{more}"
