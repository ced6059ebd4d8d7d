"""Real Mosquitto processes for tests, and a proxy that breaks what goes through it."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.raw_mqtt import RawClient

PLACES: Final = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
PROGRAM: Final = shutil.which("mosquitto", path=PLACES)
HASHER: Final = shutil.which("mosquitto_passwd", path=PLACES)

needs_mosquitto = pytest.mark.skipif(
    PROGRAM is None, reason="Mosquitto is not installed: apt-get install mosquitto"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Mosquitto:
    """A broker on a free port; it may be ended and started again on the same one."""

    def __init__(self, folder: Path, *config: str) -> None:
        assert PROGRAM is not None
        self.port = free_port()
        self.log = folder / f"mosquitto-{self.port}.log"
        file = folder / f"mosquitto-{self.port}.conf"
        # as root it would give up its rights, and with them the test's folder
        lines = [f"listener {self.port} 127.0.0.1", "user root", "set_tcp_nodelay true", *config]
        if not any("allow_anonymous" in line for line in config):
            lines.append("allow_anonymous true")
        file.write_text("\n".join([*lines, ""]))
        self._command = [PROGRAM, "-c", str(file)]
        self._process: subprocess.Popen[bytes] | None = None
        self.clients: list[RawClient] = []
        """Closed at the end."""

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        for _ in range(500):
            assert self._process.poll() is None, self.log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError:
                # one that is not there yet is asked again
                try:
                    self._process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
            else:
                return
        raise AssertionError("Mosquitto does not listen")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)


@contextmanager
def mosquitto(folder: Path, *config: str) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, *config)
    broker.start()
    try:
        yield broker
    finally:
        for client in broker.clients:
            client.close()
        broker.stop()


class Proxy:
    """Stands between a client and a broker."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.port = 0
        self.swallow = False
        """Whether what the client says gets lost."""
        self.deaf = False
        """Whether what the broker says gets lost."""
        self.shut = False
        """Whether nobody gets through."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End every connection, without a word."""
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.transport.abort()

    def inject(self, data: bytes) -> None:
        """Say something to the client in the broker's place."""
        for writer in self._writers[::2]:
            writer.write(data)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.shut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, back]
        await asyncio.gather(self._pass(reader, back, True), self._pass(there, writer, False))

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_client: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if not (self.swallow if from_client else self.deaf):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass  # cut
        writer.close()


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[Proxy]:
    made = Proxy(target)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
