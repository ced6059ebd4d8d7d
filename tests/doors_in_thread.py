"""A service with all its doors in a thread of the test, for clients that block."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from uvloop import new_event_loop

from simulator import certificates
from simulator.endpoints.identity import Policies
from simulator.endpoints.tls import Identification
from simulator.host import Host
from simulator.mqtt import Connect, Packet, PacketReader, encode
from simulator.serve import Addresses, ServeOptions, TlsOptions, opened
from simulator.today import utc_now

T = TypeVar("T")
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Served:
    """Where it listens, and its host."""

    def __init__(self, addresses: Addresses, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self.addresses = addresses
        self.host = host
        self._loop = loop

    def call(self, what: Callable[[], T]) -> T:
        """Run something on the service's loop."""

        async def run() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(5)


@contextmanager
def served(**options: Any) -> Iterator[Served]:
    """The service on free ports, with thing ``T`` and ``T2``."""
    asked = ServeOptions(mqtt_port=0, http_port=0, **options)
    made: list[Served] = []
    failed: list[BaseException] = []
    ready = threading.Event()
    end: list[Callable[[], object]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        end.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with opened(asked) as (addresses, host):
            for name in ("T", "T2"):
                host.service.registry.create_thing(name)
            made.append(Served(addresses, host, loop))
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        if failed:
            raise failed[0]
        yield made[0]
    finally:
        for stop in end:
            if thread.is_alive():
                stop()
        thread.join(10)
    if failed:
        raise failed[0]


def tls_options(directory: Path, *, mutual: bool = False, **more: Any) -> TlsOptions:
    """TLS on free ports with what ``certs`` made in a directory."""
    authority = directory / "ca.pem" if mutual else None
    files = Identification(directory / "server.pem", directory / "server.key", authority)
    return TlsOptions(files, 0, 0, 0, **{"policies": Policies(), **more})


def make_certificates(directory: Path, *things: str, now: datetime | None = None) -> Path:
    certificates.make(directory, things, [], 365, now or utc_now())
    return directory


def client_context(
    directory: Path, thing: str | None = None, alpn: str | None = None
) -> ssl.SSLContext:
    """A client that believes the directory's CA and shows a thing's certificate."""
    made = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    if thing is not None:
        pair = certificates.device_of(directory, thing)
        made.load_cert_chain(pair.certificate, pair.key)
    if alpn is not None:
        made.set_alpn_protocols([alpn])
    return made


class Raw:
    """A blocking socket, plain or TLS."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._reader = PacketReader("client")
        self.socket: socket.socket = (
            plain if context is None else context.wrap_socket(plain, server_hostname="localhost")
        )

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """All until the end of the stream."""
        parts = []
        while data := self.socket.recv(65536):
            parts.append(data)
        return b"".join(parts)

    def until(self, mark: bytes) -> bytes:
        """All until a mark has come."""
        got = b""
        while mark not in got:
            data = self.socket.recv(65536)
            assert data, f"the stream ended after {got!r}"
            got += data
        return got

    def packets(self, count: int) -> list[Packet]:
        """So many MQTT packets, or fewer where the stream ends."""
        found: list[Packet] = []
        while len(found) < count and (data := self.socket.recv(65536)):
            found += self._reader.feed(data)
        return found

    def mqtt(self, client_id: str, *packets: Packet, answers: int = 1) -> list[Packet]:
        """Connect over MQTT, send more, and read so many answers."""
        self.send(b"".join(map(encode, (Connect(client_id), *packets))))
        return self.packets(answers)


def get(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
