"""Many TCP connections on one loop, polled by an epoll of our own, a share of them at a time.

uvloop reads all that is ready, up to 48 times 1 024 sockets, before it calls a timer or wakes a
task. With thousands of busy connections that is half a second in which nobody else has a turn: no
timeout, no new connection. To the loop a poller is one file descriptor, and its turn is short.

Rule 1: a turn is ``SHARE`` sockets at most, in the order in which they became ready; then the loop
        has its own.
Rule 2: on loopback, where there are addresses enough, each carries ``PER_SOURCE`` connections to a
        service: of some 28 000 ports Linux looks at every even one before it takes an odd one, a
        millisecond for each connection after the first 14 000.
Rule 3: where the system has no epoll there is no poller (``Poller.on``), and a loop's own
        transports do as well.
"""

import asyncio
import contextlib
import errno
import logging
import os
import select
import socket
import sys
from _socket import socket as bare_socket  # gevent's patches are not for native threads
from collections.abc import Callable, Iterator
from typing import Any, Final

from simulator.tcp_stream import IN, NOT_NOW, Stream

log = logging.getLogger(__name__)

SHARE: Final = 256
PER_SOURCE: Final = 10_000
LATE_PORT: Final = 24
"""IP_BIND_ADDRESS_NO_PORT: the port is chosen at connect, when it is known to whom."""
ACCEPT_AGAIN_S: Final = 1.0
"""After so many seconds a server that had no file descriptor left accepts again."""

_GONE: Final = (
    errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENETUNREACH,
    errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOPROTOOPT, errno.EOPNOTSUPP,
)  # fmt: skip
"""Errors of one connection that is not there any more, which Linux tells whoever accepts it."""


def _epoll() -> Any:
    """The system's epoll, wherever gevent has put it; None where there is none."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("select"):
        with contextlib.suppress(AttributeError):
            return monkey.get_original("select", "epoll")
    return getattr(select, "epoll", None)


class Poller:
    """The connections of one kind on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._epoll = _epoll()()
        self._streams: dict[int, Stream] = {}
        self._last = False
        """Whether it closes with the last connection."""
        loop.add_reader(self._epoll.fileno(), self._turn)

    @classmethod
    def on(cls, loop: asyncio.AbstractEventLoop) -> "Poller | None":
        """A poller for a loop, where the system has what it takes."""
        return None if _epoll() is None else cls(loop)

    @property
    def closed(self) -> bool:
        """Whether it polls nothing any more."""
        return bool(self._epoll.closed)

    def close(self) -> None:
        """End every connection at once; those that they belong to are told in the loop's turn."""
        for stream in list(self._streams.values()):
            stream.abort()
        self._close()

    def close_at_last(self) -> None:
        """Close when the last connection has ended."""
        self._last = True
        if not self._streams:
            self._close()

    def _close(self) -> None:
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    async def connect(self, protocol: asyncio.Protocol, host: str, port: int) -> "Stream":
        """Connect to the first of the host's addresses that answers.

        Raises:
            OSError: none did, for the reason of the last.
        """
        error: OSError | None = OSError(f"{host} has no address")
        try:
            for *kind, _, address in await self.loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            ):
                for source in self._sources(str(address[0])):
                    try:
                        sock = await self._dial(bare_socket(*kind), address, source)
                    except OSError as failure:
                        error = failure
                        if failure.errno != errno.EADDRNOTAVAIL:
                            break
                    else:
                        return Stream(self, sock, protocol)
            assert error is not None
            raise error
        finally:
            error = None  # it knows this frame

    def _sources(self, host: str) -> Iterator[str]:
        """From which addresses to try; nothing stands for the one that the system takes."""
        if not host.startswith("127."):
            yield ""
            return
        number = 1 + len(self._streams) // PER_SOURCE
        yield "" if number == 1 else f"127.0.0.{number}"
        yield f"127.0.{1 + os.getpid() % 254}.{number}"  # other processes have taken all its ports

    async def _dial(self, sock: bare_socket, address: Any, source: str) -> bare_socket:
        sock.setblocking(False)
        fd = sock.fileno()
        try:
            if source:
                with contextlib.suppress(OSError):  # then it is the one that all take
                    sock.setsockopt(socket.IPPROTO_IP, LATE_PORT, 1)
                    sock.bind((source, 0))
            done = sock.connect_ex(address)
            if done == errno.EINPROGRESS:
                writable = self.loop.create_future()
                self.loop.add_writer(fd, _wake, writable)
                try:
                    await writable
                finally:
                    self.loop.remove_writer(fd)
                done = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if done:
                raise OSError(done, f"Connect call failed {address[:2]}")
        except BaseException:
            sock.close()
            raise
        return sock

    def serve(
        self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol]
    ) -> "Listener":
        """Accept connections on a socket that listens; it is the listener's from now on."""
        return Listener(self, listening, protocol)

    # ----------------------------------------------------------------------- for streams

    def enter(self, fd: int, stream: Stream) -> None:
        """A connection is there; it is polled as it says by ``watch``."""
        self._streams[fd] = stream

    def leave(self, fd: int) -> None:
        """It has ended, and its socket is to be closed after this."""
        del self._streams[fd]
        if self._last and not self._streams:
            self._close()

    def watch(self, fd: int, before: int, after: int) -> None:
        """Poll a socket for other events than before; 0 is not at all."""
        if after == before or self._epoll.closed:
            return
        if not after:
            self._epoll.unregister(fd)
        elif before:
            self._epoll.modify(fd, after)
        else:
            self._epoll.register(fd, after)

    def _turn(self) -> None:
        streams = self._streams
        for fd, events in self._epoll.poll(0, SHARE):
            stream = streams[fd]
            if events == IN:
                stream.readable()
            else:
                stream.happened(events)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Listener:
    """A door: whoever connects to it gets a protocol of its own."""

    def __init__(
        self,
        poller: Poller,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self._poller = poller
        self._listening = listening
        self._protocol = protocol
        self.address: tuple[str, int] = listening.getsockname()[:2]
        """Where it is."""
        listening.setblocking(False)
        self._open()

    def close(self) -> None:
        """Accept nobody any more."""
        if self._listening.fileno() >= 0:
            self._poller.loop.remove_reader(self._listening.fileno())
            self._listening.close()

    def _open(self) -> None:
        if self._listening.fileno() >= 0:
            self._poller.loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(SHARE):
            try:
                accepted, _ = self._listening.accept()
            except NOT_NOW:
                return
            except OSError as error:
                if error.errno in _GONE:
                    continue
                log.error("cannot accept connections for a while: %s", error)
                loop = self._poller.loop
                loop.remove_reader(self._listening.fileno())
                loop.call_later(ACCEPT_AGAIN_S, self._open)
                return
            sock = bare_socket(fileno=accepted.detach())
            sock.setblocking(False)
            Stream(self._poller, sock, self._protocol())
