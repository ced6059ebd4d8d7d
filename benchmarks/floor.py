"""The floor: the same bytes as an update and its answer, by bare protocols that look at nothing.

Two processes, as in a live run: a service that answers each PUBLISH with a PUBACK and a PUBLISH,
and clients in a closed loop. What jobfleet carries is held against this, in the same run.
"""

import asyncio
import multiprocessing
import socket
from collections.abc import Callable
from typing import Any, cast

import uvloop

from simulator.mqtt import encode_puback, encode_publish
from simulator.ports import bind

TOPIC = b"$aws/things/writers-000000/jobs/saturate/update"
REQUEST = encode_publish(
    TOPIC, b'{"status":"IN_PROGRESS","expectedVersion":12345,"clientToken":"1234-12345"}', 1, 7
)
ANSWER = encode_puback(7) + encode_publish(
    TOPIC + b"/accepted", b'{"clientToken":"1234-12345","timestamp":1767225600}', 1, 7
)
ACKNOWLEDGED = encode_puback(7) + REQUEST


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.got = 0

    def data_received(self, data: bytes) -> None:
        self.got += len(data)
        size = len(ACKNOWLEDGED)
        while self.got >= size:
            self.got -= size
            self.transport.write(ANSWER)


class _Client(asyncio.Protocol):
    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.got = 0
        self.transport.write(ACKNOWLEDGED)

    def data_received(self, data: bytes) -> None:
        self.got += len(data)
        size = len(ANSWER)
        while self.got >= size:
            self.got -= size
            _Client.count += 1
            self.transport.write(ACKNOWLEDGED)


def _serve(listening: socket.socket) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_Server, sock=listening, backlog=4096)
        await server.serve_forever()

    _on_uvloop(run)


def _on_uvloop(main: Callable[[], Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def updates_per_s(connections: int, seconds: float) -> float:
    """Closed-loop exchanges per second over so many connections."""
    listening = bind("127.0.0.1", 0, "--port")
    port = listening.getsockname()[1]
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(listening,))
    server.start()

    async def run() -> float:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(_Client, "127.0.0.1", port)
        await asyncio.sleep(1)
        before, start = _Client.count, loop.time()
        await asyncio.sleep(seconds)
        return (_Client.count - before) / (loop.time() - start)

    try:
        return float(_on_uvloop(run))
    finally:
        server.terminate()
        server.join()
        listening.close()
