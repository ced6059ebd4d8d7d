"""Connections polled by an epoll of our own keep what asyncio promises of a transport."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import select
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from simulator import poller as module
from simulator.poller import Listener, Poller
from simulator.tcp_stream import Stream

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="a system without epoll")

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
Scene = Callable[[Callable[[Poller], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def scene(request: pytest.FixtureRequest) -> Scene:
    """Runs a test's coroutine on a loop with a poller, and closes that."""

    def run(work: Callable[[Poller], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            poller = Poller.on(asyncio.get_running_loop())
            assert poller is not None
            try:
                async with asyncio.timeout(20):
                    await work(poller)
            finally:
                poller.close()
                await asyncio.sleep(0)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(whole())

    return run


class Side(asyncio.Protocol):
    """One side of a connection, which remembers what it was told."""

    def __init__(self) -> None:
        self.stream: Stream
        self.heard = bytearray()
        self.told: list[str] = []
        self.end: list[Exception | None] = []
        self.lost = asyncio.get_running_loop().create_future()
        self.keeps_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Stream)
        self.stream = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.end.append(exc)
        self.lost.set_result(None)


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110  # what others see, told by nobody
        await asyncio.sleep(0.002)


def opened(poller: Poller) -> tuple[Listener, list[Side]]:
    """A door, and the sides of those that it lets in."""
    sides: list[Side] = []

    def made() -> Side:
        sides.append(Side())
        return sides[-1]

    return poller.serve(socket.create_server(("127.0.0.1", 0)), made), sides


@asynccontextmanager
async def pair(poller: Poller) -> AsyncIterator[tuple[Side, Side]]:
    """A client and a server side that are connected."""
    door, sides = opened(poller)
    client = Side()
    await poller.connect(client, *door.address)
    await until(lambda: sides)
    yield client, sides[0]
    door.close()


def test_bytes_pass_both_ways_however_many(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        async with pair(poller) as (client, server):
            much = os.urandom(8_000_000)
            client.stream.write(b"a")
            client.stream.write(much)
            server.stream.write(b"hello")
            await until(lambda: len(server.heard) == len(much) + 1 and client.heard)
            assert server.heard == b"a" + much
            assert client.heard == b"hello"
            assert client.told == ["pause", "resume"]  # the kernel does not take it at once
            assert client.stream.get_write_buffer_size() == 0
            assert client.stream.get_extra_info("peername") == server.stream.get_extra_info(
                "sockname"
            )

    scene(work)


def test_a_turn_is_a_share_of_what_is_ready(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE", 4)

    async def work(poller: Poller) -> None:
        order: list[str] = []

        class Told(Side):
            def data_received(self, data: bytes) -> None:
                if not order:  # the first of all that is ready
                    asyncio.get_running_loop().call_soon(order.append, "the loop")
                order.append("a socket")

        door = poller.serve(socket.create_server(("127.0.0.1", 0)), Told)
        clients = [Side() for _ in range(20)]
        for client in clients:
            await poller.connect(client, *door.address)
        await asyncio.sleep(0.1)  # accepted
        for client in clients:
            client.stream.write(b"x")
        await until(lambda: len(order) == 21)
        assert order.index("the loop") <= 2 * 4
        door.close()

    scene(work)


def test_close_sends_what_is_unsent_and_abort_does_not(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        much = bytes(8_000_000)
        async with pair(poller) as (client, server):
            client.stream.write(much)
            client.stream.close()
            client.stream.write(b"too late")
            assert client.stream.is_closing()
            assert not client.end  # not before it is sent, and never within close
            await server.lost
            await client.lost
            assert server.heard == much
            assert (client.end, server.end) == ([None], [None])
            client.stream.close()
            client.stream.abort()
            await asyncio.sleep(0)
            assert client.end == [None]
        async with pair(poller) as (client, server):
            client.stream.write(much)
            client.stream.abort()
            assert not client.end
            await server.lost
            assert len(server.heard) < len(much)

    scene(work)


def test_who_is_closed_in_a_turn_hears_nothing_more_in_it(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        async with pair(poller) as (one, first), pair(poller) as (other, second):
            second.stream.write(bytes(8_000_000))  # so it is polled after its end, too
            closed: list[Side] = []

            def close(about: Side, by: Side) -> Callable[[bytes], None]:
                def take(_data: bytes) -> None:
                    if not closed:
                        closed.append(about)
                        about.stream.close()
                    else:
                        by.heard += b"too late"

                return take

            for mine, theirs in ((first, second), (second, first)):
                mine.data_received = close(theirs, mine)  # type: ignore[method-assign,assignment]
                mine.stream.set_protocol(mine)
            one.stream.write(b"x")
            other.stream.write(b"y")
            await until(lambda: closed)
            await asyncio.sleep(0.02)
            assert not closed[0].heard
            poller.close()

    scene(work)


def test_half_closed(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        async with pair(poller) as (client, server):
            server.keeps_open = True
            client.stream.write(b"question")
            client.stream.write_eof()
            client.stream.write(b"nothing more")
            await until(lambda: server.told == ["eof"])
            assert server.heard == b"question"
            assert not server.stream.is_reading()
            server.stream.write(b"answer")
            await until(lambda: client.heard == b"answer")
            server.stream.close()
            await client.lost
            assert client.told == ["eof"]

    scene(work)


def test_reading_can_pause(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        async with pair(poller) as (client, server):
            server.stream.pause_reading()
            client.stream.write(b"x")
            await asyncio.sleep(0.05)
            assert not server.heard
            server.stream.resume_reading()
            await until(lambda: server.heard == b"x")
            server.stream.pause_reading()
            client.stream.abort()  # a hang-up of which nobody wants to know costs no turns
            before = os.times().user
            await asyncio.sleep(0.2)
            assert os.times().user - before < 0.15
            assert not server.end
            server.stream.resume_reading()
            await server.lost

    scene(work)


def test_a_reset_is_told_as_it_was(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        async with pair(poller) as (client, server):
            sock = client.stream.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.stream.abort()
            await server.lost
            assert isinstance(server.end[0], ConnectionResetError)
            server.stream.write(b"to nobody")
            assert len(server.end) == 1

    scene(work)


def test_a_protocol_that_fails_ends_its_connection_alone(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: faults.append(told))
        async with pair(poller) as (one, failing), pair(poller) as (other, server):

            def fail(_data: bytes) -> None:
                raise LookupError("a fault")

            failing.data_received = fail  # type: ignore[method-assign,assignment]
            failing.stream.set_protocol(failing)
            assert failing.stream.get_protocol() is failing
            one.stream.write(b"x")
            other.stream.write(b"y")
            await one.lost
            await until(lambda: server.heard == b"y")
            assert [type(fault["exception"]) for fault in faults] == [LookupError]

    scene(work)


def test_on_loopback_an_address_is_for_so_many_connections(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PER_SOURCE", 4)  # both sides are counted here

    async def work(poller: Poller) -> None:
        door, sides = opened(poller)
        for number in range(1, 7):
            await poller.connect(Side(), *door.address)
            await until(lambda number=number: len(sides) == number)  # type: ignore[misc]
        found = [side.stream.get_extra_info("peername")[0] for side in sides]
        assert found == ["127.0.0.1"] * 2 + ["127.0.0.2"] * 2 + ["127.0.0.3"] * 2
        door.close()

    scene(work)


def test_where_other_processes_have_all_ports_of_an_address(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    dial, tried = Poller._dial, []

    async def full(self: Poller, sock: Any, address: Any, source: str) -> Any:
        tried.append(source)
        if len(tried) == 1:
            sock.close()
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return await dial(self, sock, address, source)

    monkeypatch.setattr(Poller, "_dial", full)

    async def work(poller: Poller) -> None:
        async with pair(poller) as (_, server):
            assert server.stream.get_extra_info("peername")[0] == tried[1]
            assert tried == ["", f"127.0.{1 + os.getpid() % 254}.1"]

    scene(work)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_nobody_listens(scene: Scene, host: str) -> None:
    async def work(poller: Poller) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with pytest.raises(OSError, match="Connect call failed") as refused:
            await poller.connect(Side(), host, port)
        assert refused.value.errno in (errno.ECONNREFUSED, errno.EADDRNOTAVAIL)

    scene(work)


def test_an_unknown_host(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        with pytest.raises(socket.gaierror):
            await poller.connect(Side(), "no-such-host.invalid", 1883)

    scene(work)


def test_whoever_waits_to_connect_may_give_up(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        before = len(os.listdir("/proc/self/fd"))
        with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
            asked = [
                asyncio.ensure_future(poller.connect(Side(), *full.getsockname()))
                for _ in range(20)
            ]
            await asyncio.sleep(0.05)
            waiting = [one for one in asked if not one.done()]
            assert waiting  # nobody accepts, and the backlog is full
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            assert all(one.cancelled() for one in waiting)
        del asked, waiting
        poller.close()
        await asyncio.sleep(0.05)
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before

    scene(work)


def test_no_file_descriptor_is_left_for_a_while(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ACCEPT_AGAIN_S", 0.05)

    async def work(poller: Poller) -> None:
        door, sides = opened(poller)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as client:
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
            spare: list[int] = []
            try:
                with contextlib.suppress(OSError):
                    while True:
                        spare.append(os.dup(0))
                client.connect(door.address)
                await until(lambda: "cannot accept connections" in caplog.text)
                assert not sides
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for fd in spare:
                    os.close(fd)
            await until(lambda: sides)
        door.close()
        door.close()

    scene(work)


def test_nothing_waits_for_the_garbage_collector(scene: Scene) -> None:
    def streams() -> int:
        return sum(isinstance(one, Stream) for one in gc.get_objects())

    async def work(poller: Poller) -> None:
        gc.collect()
        before = streams()
        async with pair(poller) as (client, server):
            assert streams() == before + 2
            gc.disable()
            try:
                client.stream.close()
                await client.lost
                await server.lost
                del client.stream, server.stream
                await asyncio.sleep(0.01)
                assert streams() == before
            finally:
                gc.enable()

    scene(work)


def test_a_poller_closes_at_once_or_at_last(scene: Scene) -> None:
    async def work(poller: Poller) -> None:
        async with pair(poller) as (client, server):
            poller.close_at_last()
            client.stream.write(b"still")
            await until(lambda: server.heard == b"still")
            client.stream.close()
            await server.lost
            assert poller.closed
        another = Poller(asyncio.get_running_loop())
        async with pair(another) as (client, server):
            server.stream.pause_reading()
            another.close()
            await client.lost
            await server.lost  # though nothing was wanted of it
            server.stream.resume_reading()
            assert another.closed
        waiting = Poller(asyncio.get_running_loop())
        async with pair(waiting) as (client, server):
            server.stream.pause_reading()
            client.stream.close()
            await client.lost
            waiting.close_at_last()
            before = waiting.closed
            server.stream.resume_reading()
            await server.lost
            assert (before, waiting.closed) == (False, True)
        empty = Poller(asyncio.get_running_loop())
        empty.close_at_last()
        assert empty.closed

    scene(work)


def test_a_system_without_epoll_has_no_poller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")

    async def ask() -> Poller | None:
        return Poller.on(asyncio.get_running_loop())

    assert asyncio.run(ask()) is None
