"""One TCP connection of a poller: what a loop's own transport is to an asyncio protocol.

Rule 1: ``connection_lost`` comes in a turn of its own, once, whatever ended the connection.
Rule 2: what the socket does not take at once waits here, and is sent when it does; beyond the limit
        the protocol is asked to pause.
Rule 3: a socket of which nothing is wanted is not polled: its hang-up would be told for ever.
"""

import asyncio
import contextlib
import socket
from _socket import socket as bare_socket
from os import read, write
from typing import Any, Final, Protocol

READ: Final = 65_536
HIGH_WATER: Final = 65_536

IN, OUT = 0x001, 0x004
"""EPOLLIN and EPOLLOUT by their numbers: gevent takes the names from ``select``."""

NOT_NOW: Final = (BlockingIOError, InterruptedError)


class Watcher(Protocol):
    """What a stream asks of its poller."""

    loop: asyncio.AbstractEventLoop

    def enter(self, fd: int, stream: "Stream") -> None:
        """A connection is there; it is polled as it says by ``watch``."""

    def leave(self, fd: int) -> None:
        """It has ended, and its socket is to be closed after this."""

    def watch(self, fd: int, before: int, after: int) -> None:
        """Poll a socket for other events than before; 0 is not at all."""


class Stream(asyncio.Transport):
    """One connection; a transport, as asyncio calls it."""

    __slots__ = (
        "_busy", "_closing", "_eof", "_fd", "_high", "_mask", "_paused", "_poller", "_protocol",
        "_sock", "_take", "_unsent",
    )  # fmt: skip

    def __init__(self, poller: Watcher, sock: bare_socket, protocol: asyncio.Protocol) -> None:
        """``sock`` is connected and does not block; ``connection_made`` is called at once."""
        self._poller = poller
        self._sock = sock
        self._fd = sock.fileno()
        self._busy = False
        """Whether a write has more to ask than whether the socket takes it."""
        self._closing = self._eof = self._paused = False
        self._high = HIGH_WATER
        self._unsent: bytearray | None = None
        self._mask = 0
        self.set_protocol(protocol)
        with contextlib.suppress(OSError):  # it may have gone again
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poller.enter(self._fd, self)
        self._watch(IN)
        protocol.connection_made(self)

    # ----------------------------------------------------------------------- writing

    def write(self, data: bytes) -> None:  # type: ignore[override]  # no other bytes come
        """Send, or keep until the socket takes it; after the end nothing happens."""
        if self._busy:
            self._keep(data)
            return
        try:
            sent = write(self._fd, data)
        except NOT_NOW:
            sent = 0
        except OSError as error:
            self._lose(error)
            return
        if sent != len(data):
            self._busy = True
            self._unsent = bytearray()
            self._watch(self._mask | OUT)
            self._keep(data[sent:])

    def _keep(self, data: bytes) -> None:
        if self._unsent is None or self._closing or self._eof:
            return
        self._unsent += data
        if not self._paused and len(self._unsent) > self._high:
            self._paused = True
            self._protocol.pause_writing()

    def _flush(self) -> None:
        """The socket takes something again."""
        unsent = self._unsent
        if unsent is None:
            return
        try:
            del unsent[: write(self._fd, unsent)]
        except NOT_NOW:
            return
        except OSError as error:
            self._lose(error)
            return
        if not unsent:
            self._unsent = None
            self._watch(self._mask & ~OUT)
            if self._closing:
                self._end_soon(None)
            elif self._eof:
                self._shut()
            else:
                self._busy = False
        if self._paused and len(unsent) <= self._high // 4:
            self._paused = False
            self._protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Pause the protocol above ``high`` bytes unsent; resume it at a quarter of that."""
        self._high = HIGH_WATER if high is None else high

    def get_write_buffer_size(self) -> int:
        """Bytes that the socket has not taken yet."""
        return len(self._unsent or b"")

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def write_eof(self) -> None:
        """Close our half, once everything is sent."""
        if not (self._eof or self._closing):
            self._eof = self._busy = True
            if self._unsent is None:
                self._shut()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    # ----------------------------------------------------------------------- reading

    def readable(self) -> None:
        """Bytes are there, or the end, or an error."""
        if not self._mask & IN:
            return  # one before it in this turn has ended or paused it
        try:
            data = read(self._fd, READ)
        except NOT_NOW:
            return
        except OSError as error:
            self._lose(error)
            return
        try:
            if data:
                self._take(data)
            elif self._protocol.eof_received():
                self.pause_reading()  # there is nothing more to read
            else:
                self.close()
        except Exception as error:
            context = {"message": "a protocol failed", "exception": error, "transport": self}
            self._poller.loop.call_exception_handler(context)
            self._lose(error)

    def happened(self, events: int) -> None:
        """Anything but bytes alone; an error or a hang-up is found out by trying."""
        if events & OUT or self._unsent is not None:
            self._flush()
        if events & ~OUT:
            self.readable()

    def pause_reading(self) -> None:
        """Leave what comes in the socket."""
        self._watch(self._mask & ~IN)

    def resume_reading(self) -> None:
        """Read on."""
        if not self._closing:
            self._watch(self._mask | IN)

    def is_reading(self) -> bool:
        """Whether it reads."""
        return bool(self._mask & IN)

    def _watch(self, mask: int) -> None:
        self._poller.watch(self._fd, self._mask, mask)
        self._mask = mask

    # ----------------------------------------------------------------------- the end

    def close(self) -> None:
        """Send what is unsent, then close; nothing is read any more."""
        if not self._closing:
            self._closing = self._busy = True
            self._watch(self._mask & ~IN)
            if self._unsent is None:
                self._end_soon(None)

    def abort(self) -> None:
        """Close at once."""
        self._lose(None)

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def _lose(self, error: Exception | None) -> None:
        """The connection is gone, or is to go, whatever is unsent."""
        if self._closing and self._unsent is None:
            return  # its end is on its way
        self._closing = self._busy = True
        self._unsent = None
        self._watch(0)
        self._end_soon(error)

    def _end_soon(self, error: Exception | None) -> None:
        self._poller.loop.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        protocol = self._protocol
        # Two that know each other would wait for the garbage collector.
        self.set_protocol(asyncio.Protocol())
        try:
            protocol.connection_lost(error)
        finally:
            self._poller.leave(self._fd)
            self._sock.close()

    # ----------------------------------------------------------------------- who and whom

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand over to another protocol."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol
        self._take = protocol.data_received

    def get_protocol(self) -> asyncio.Protocol:
        """Who is told."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """``peername`` and ``sockname``, as long as there are any, and ``socket``."""
        try:
            if name == "peername":
                return self._sock.getpeername()
            if name == "sockname":
                return self._sock.getsockname()
        except OSError:
            return default
        return self._sock if name == "socket" else default
