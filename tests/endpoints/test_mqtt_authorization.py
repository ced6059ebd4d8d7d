"""Who may do what: the hook for policies, and connections over other transports than TCP."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from simulator.mqtt import Connack, Connect, Packet, PacketReader, Publish, Subscribe, Will, encode
from tests.raw_mqtt import JOBS, RawService, closed, raw_service


class Policy:
    """Allows what is listed, and keeps what it was asked."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self.allowed = {*allowed, ("connect", "c"), ("connect", "o")}
        self.asked: list[tuple[object, str, str]] = []

    def __call__(self, identity: object, action: str, resource: str, /) -> bool:
        self.asked.append((identity, action, resource))
        return (action, resource) in self.allowed


Body = Callable[[RawService, int], Awaitable[None]]


def guarded(*allowed: tuple[str, str]) -> Callable[[Body], Callable[[int], None]]:
    """Run a body against an endpoint that allows only so much, for both versions."""

    def decorate(body: Body) -> Callable[[int], None]:
        @pytest.mark.parametrize("level", [4, 5])
        def test(level: int) -> None:
            async def run() -> None:
                async with raw_service(authorize=Policy(*allowed)) as service:
                    await body(service, level)

            asyncio.run(run())

        return test

    return decorate


@guarded()
async def test_who_may_not_connect_is_refused_as_at_aws(s: RawService, level: int) -> None:
    code = {4: 7, 5: 0x87}[level]
    for packet in (
        Connect("other", level=level),
        Connect("c", will=Will("w", b""), level=level),
    ):
        client = await s.open(level)
        client.send(packet)
        answer = await client.receive()
        assert isinstance(answer, Connack)
        assert answer.return_code == code
        assert await client.receive() is None
    assert s.endpoint.broker.sessions == {}
    assert await (await s.connect("c", level=level)).silent()


@guarded(("publish", "a"))
async def test_a_publish_that_is_not_allowed_ends_the_connection(s: RawService, level: int) -> None:
    client, other = await s.connect("c", level=level), await s.connect("o", level=level)
    client.send(Publish("a", b"x", 1, 1))
    assert await client.silent()
    client.send(Publish("b", b"x", 1, 1))
    assert await closed(client, 0x87 if level == 5 else None)
    client = await s.connect("c", level=level)
    client.ask(f"{JOBS}/get", {})
    assert await closed(client, 0x87 if level == 5 else None)
    assert await other.silent()


@guarded(("subscribe", "a"), ("receive", "a"))
async def test_a_subscription_that_is_not_allowed_is_refused(s: RawService, level: int) -> None:
    client = await s.connect("c", level=level)
    client.send(Subscribe(1, (("a", 1),)))
    assert await client.granted(("a", 1), ("b", 1)) != ()
    assert await client.granted(("a", 1), ("b", 1)) == (1, 0x87 if level == 5 else 0x80)


@guarded(("subscribe", "#"), ("receive", "a"))
async def test_only_what_may_be_received_is_sent(s: RawService, level: int) -> None:
    client = await s.connect("c", level=level, clean=False)
    await client.subscribe("#")
    for topic in ("b", "a"):
        s.endpoint.publish(topic, b"x")
    assert (await client.published()).topic == "a"
    assert await client.silent()


@guarded(("subscribe", "#"), ("receive", "a"))
async def test_so_it_is_with_what_waited(s: RawService, level: int) -> None:
    if level == 5:
        return  # the version makes no difference here, and 3.1.1 keeps sessions by itself
    client = await s.connect("c", clean=False)
    await client.subscribe("#")
    await s.cut(client)
    for topic in ("b", "a"):
        s.endpoint.publish(topic, b"x")
    client = await s.connect("c", clean=False)
    assert (await client.published()).topic == "a"
    assert await client.silent()


@guarded(
    ("publish", f"{JOBS}/get"),
    ("publish", f"{JOBS}/J/get"),
    ("publish", f"{JOBS}/start-next"),
    ("receive", f"{JOBS}/get/accepted"),
)
async def test_a_reply_must_be_receivable(s: RawService, level: int) -> None:
    client = await s.connect("c", level=level)
    for _ in range(2):
        client.ask(f"{JOBS}/get", {})
        assert (await client.message())[0] == f"{JOBS}/get/accepted"
    for topic in (f"{JOBS}/J/get", f"{JOBS}/start-next"):  # neither answer may be received
        client.ask(topic, {})
        assert await client.silent()


class Stream:
    """The least that a connection writes to: what a WebSocket's adapter would be."""

    def __init__(self) -> None:
        self.reader = PacketReader("client")
        self.got: list[Packet] = []
        self.ended = ""

    def write(self, data: bytes, /) -> None:
        self.got += self.reader.feed(data)

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


def test_a_connection_runs_over_anything_that_carries_bytes() -> None:
    policy = Policy(("publish", f"{JOBS}/get"), ("receive", f"{JOBS}/get/accepted"))

    async def run() -> None:
        async with raw_service() as s:
            connection, stream = s.endpoint.connection("its-certificate", policy), Stream()
            connection.connection_made(stream)  # type: ignore[arg-type]
            request = encode(Connect("c")) + encode(Publish(f"{JOBS}/get", b'{"clientToken":"t"}'))
            for at in range(len(request)):
                connection.data_received(request[at : at + 1])
            welcome, answer = stream.got
            assert welcome == Connack()
            assert isinstance(answer, Publish)
            assert json.loads(answer.payload)["clientToken"] == "t"
            connection.data_received(encode(Publish("a", b"")) + encode(Publish("a", b"")))
            assert stream.ended == "closed"
            connection.data_received(request)  # an adapter may be late to notice
            assert len(stream.got) == 2
            connection.abort()
            assert stream.ended == "aborted"
            connection.connection_lost(None)
            connection.abort()
            connection.close()
            assert connection not in s.endpoint.connections
        assert policy.asked == [
            ("its-certificate", "connect", "c"),
            ("its-certificate", "publish", f"{JOBS}/get"),
            ("its-certificate", "receive", f"{JOBS}/get/accepted"),
            ("its-certificate", "publish", "a"),
        ]

    asyncio.run(run())


def test_a_connection_can_be_made_when_its_peer_is_known() -> None:
    """As after a TLS handshake: the transport is handed over."""
    policy = Policy()

    async def run() -> None:
        async with raw_service() as s:
            loop = asyncio.get_running_loop()

            class Door(asyncio.Protocol):
                def connection_made(self, transport: asyncio.BaseTransport) -> None:
                    peer = transport.get_extra_info("peername")
                    connection = s.endpoint.connection(peer, policy)
                    cast("asyncio.Transport", transport).set_protocol(connection)
                    connection.connection_made(transport)

            server = await loop.create_server(Door, "127.0.0.1", 0)
            async with server:
                s.port = server.sockets[0].getsockname()[1]
                client = await s.connect("c")
                assert await client.silent()
                peer = client.writer.get_extra_info("sockname")
                assert policy.asked == [(peer, "connect", "c")]
                s.close()

    asyncio.run(run())
