"""Clients that update their own executions at a steady pace and write down how long replies took.

A reply's time counts from when its request was due, so that a service that stalls everybody is not
asked less often for it. Half of the clients speak HTTP, half MQTT.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import msgspec

from benchmarks.populated import PAYLOAD
from simulator.mqtt import (
    Connect,
    PacketReader,
    Publish,
    Subscribe,
    encode,
    encode_puback,
    encode_publish,
)

EVERY_S = 0.01


class Client(asyncio.Protocol, ABC):
    """One client in a closed loop with a pace."""

    def __init__(self, job: str, thing: str) -> None:
        self.job = job
        self.thing = thing
        self.took: list[float] = []
        self.lost = False
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The service cut us off."""
        self.lost = True

    def begin(self, phase: float) -> None:
        """Ask from now on, some seconds after the others."""
        self._due = time.perf_counter() + phase
        self._loop.call_later(phase, self._ask)

    def _ask(self) -> None:
        if not self.transport.is_closing():
            self._waiting = True
            self.transport.write(self.request())

    def answered(self) -> None:
        """The reply is here: ask again when that is due."""
        now = time.perf_counter()
        self.took.append(now - self._due)
        self._due += EVERY_S
        if self._due <= now:
            self._ask()
        else:
            self._loop.call_later(self._due - now, self._ask)

    @abstractmethod
    def request(self) -> bytes:
        """The bytes of one update."""


class HttpClient(Client):
    """Over HTTP."""

    def request(self) -> bytes:
        """One POST."""
        return (
            b"POST /things/%b/jobs/%b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"
            % (self.thing.encode(), self.job.encode(), len(PAYLOAD), PAYLOAD)
        )

    def data_received(self, data: bytes) -> None:
        """One small response comes in one piece."""
        if not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(data.decode())
        self.answered()


class MqttClient(Client):
    """Over MQTT, at QoS 1."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: say who we are."""
        super().connection_made(transport)
        self._reader = PacketReader("client")
        self.transport.write(encode(Connect(f"pace-{self.thing}")))

    def request(self) -> bytes:
        """One PUBLISH."""
        topic = f"$aws/things/{self.thing}/jobs/{self.job}/update"
        return encode_publish(topic.encode(), PAYLOAD, 1, 1)

    def data_received(self, data: bytes) -> None:
        """Acknowledge what comes."""
        for packet in self._reader.feed(data):
            if isinstance(packet, Publish):
                if not packet.topic.endswith("/accepted"):
                    raise RuntimeError(packet.payload.decode())
                self.transport.write(encode_puback(packet.packet_id))
                self.answered()


class Audience(asyncio.Protocol):
    """Hears every notify-next there is, as a fleet that is connected would."""

    def __init__(self) -> None:
        self.heard = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        subscribe = Subscribe(1, (("$aws/things/+/jobs/notify-next", 0),))
        cast("asyncio.Transport", transport).write(encode(Connect("audience")) + encode(subscribe))

    def connection_lost(self, exc: Exception | None) -> None:
        """The service cut us off, or it is over."""
        self.lost = True

    def data_received(self, data: bytes) -> None:
        """Count bytes; who parses in Python could not keep up."""
        self.heard += len(data)


class Control:
    """The owner's requests, on a connection of their own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def call(self, method: str, path: str, body: dict[str, object] | None = None) -> object:
        """One request of the control plane; its JSON."""
        data = b"" if body is None else msgspec.json.encode(body)
        # Read as of the control plane, though no signature follows: nobody verifies it here.
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(data)}\r\n"
            "authorization: AWS4-HMAC-SHA256 Credential=x/20261124/us-east-1/iot/aws4_request\r\n"
        )
        self._writer.write(head.encode() + b"\r\n" + data)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        content = await self._reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError((answer + content).decode())
        return msgspec.json.decode(content)


def worst_ms(clients: Sequence[Client]) -> float:
    """The longest that anybody waited, in milliseconds; they begin a new count."""
    worst = max(max(client.took, default=0.0) for client in clients) * 1000
    for client in clients:
        if client.lost:
            raise RuntimeError(f"{client.thing} was cut off")
        client.took = []
    return worst
