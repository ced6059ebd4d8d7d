"""HTTP/1.1 without sockets: however the bytes are cut, and whatever they are."""

import asyncio
import itertools
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.endpoints.http import HttpEndpoint
from simulator.endpoints.websocket import WebSocket
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.wire import Wire
from simulator.mqtt import Connect, Pingreq, encode
from tests.doors_in_thread import get

REQUESTS = (
    get("/health")
    + get("/things/T/jobs/none", method="POST", body=b'{"status":"IN_PROGRESS"}')
    + get("/things/T/jobs/%24next")
    + get("/things/T/jobs/$next", "Transfer-Encoding: chunked", method="PUT")
    + b"2\r\n{}\r\n0\r\n\r\n"
    + get("/nowhere", "Connection: Upgrade", "Upgrade: h2c", method="POST", body=b"abc")
    + get("/health", "Connection: close")
)


class Transport(asyncio.Transport):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Nothing reads here."""

    resume_reading = pause_reading


def conversation(*pieces: bytes) -> Transport:
    """What a fresh connection answers to these pieces."""

    async def run() -> Transport:
        loop = asyncio.get_running_loop()
        endpoint = HttpEndpoint(Host(JobsService(), loop), Wire(0))
        connection = endpoint.connection(None, trusted=True)
        transport = Transport()
        connection.connection_made(transport)
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
        connection.connection_lost(None)
        assert not endpoint.connections
        return transport

    return asyncio.run(run())


WHOLE = conversation(REQUESTS)


def test_the_whole_in_one_piece() -> None:
    statuses = re.findall(rb"HTTP/1.1 (\d+)", WHOLE.written)
    assert statuses == [b"200", b"404", b"200", b"200", b"404", b"200"]
    assert WHOLE.closed


def test_many_upgrades_that_are_not_on_offer() -> None:
    many = get("/health", "Connection: Upgrade", "Upgrade: h2c") * 300
    written = conversation(many + get("/none", "Connection: close")).written
    assert re.findall(rb"HTTP/1.1 (\d+)", written) == [b"200"] * 300 + [b"404"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, len(REQUESTS)), max_size=12))
def test_any_cut_gives_the_same_answers(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(REQUESTS)]
    pieces = [REQUESTS[a:b] for a, b in itertools.pairwise(ends) if a < b]
    assert conversation(*pieces).written == WHOLE.written


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_answered_or_waited_for(pieces: list[bytes]) -> None:
    written = conversation(*pieces).written
    assert written == b"" or written.startswith(b"HTTP/1.1 ")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(REQUESTS) - 1), st.binary(min_size=1, max_size=4))
def test_any_damage_is_survived(at: int, damage: bytes) -> None:
    bent = REQUESTS[:at] + damage + REQUESTS[at + len(damage) :]
    written = conversation(bent).written
    assert written == b"" or written.startswith(b"HTTP/1.1 ")


class Inner(asyncio.Protocol):
    """The MQTT side of a WebSocket: keeps what it reads."""

    def __init__(self) -> None:
        self.read = b""
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.read += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_frames_are_survived(pieces: list[bytes]) -> None:
    inner, transport = Inner(), Transport()
    socket = WebSocket(inner)
    socket.connection_made(transport)
    for piece in pieces:
        socket.data_received(piece)
    socket.connection_lost(None)
    assert inner.lost


def test_a_websocket_is_the_transport_that_mqtt_takes_it_for() -> None:
    class Outer(Transport):
        limits: Any = None

        def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
            self.limits = (high, low)

        def get_write_buffer_size(self) -> int:
            return 7

        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return name

    outer, inner = Outer(), Inner()
    socket = WebSocket(inner)
    assert socket.is_closing()  # nothing beneath it yet
    socket.connection_made(outer)
    socket.set_write_buffer_limits(9, 1)
    assert outer.limits == (9, 1)
    assert socket.get_write_buffer_size() == 7
    assert socket.get_extra_info("peername") == "peername"
    socket.pause_reading()
    socket.resume_reading()
    socket.pause_writing()
    socket.resume_writing()
    socket.write(encode(Connect("x")))
    socket.write(encode(Pingreq()))
    assert outer.written.startswith(b"\x82")
    assert not socket.is_closing()
    socket.close()
    assert outer.closed
    socket.write(b"after the end")
    assert b"after the end" not in outer.written
    socket.connection_lost(None)
    socket.write(b"nobody")
    socket.close()
    socket.abort()
    socket.set_write_buffer_limits(1, 1)
    socket.pause_reading()
    socket.resume_reading()
    assert socket.get_write_buffer_size() == 0
    assert socket.get_extra_info("peername", "none") == "none"
    assert inner.lost


@pytest.mark.parametrize("busy", [False, True])
def test_the_end_of_what_a_client_says(busy: bool) -> None:
    """Over TLS a connection cannot stay half open."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        connection = HttpEndpoint(Host(JobsService(), loop), Wire(0)).connection(None, True)
        connection.connection_made(Transport())
        if busy:
            body = b'{"documentSource":"file:x","targets":["t"]}'
            connection.data_received(get("/jobs/J", method="PUT", body=body))
            assert connection.busy is not None
        assert connection.eof_received() is False
        if connection.busy is not None:
            await connection.busy

    asyncio.run(run())
