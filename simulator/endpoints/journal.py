"""The journal of a service: each command that changed it is a line, and a restart loses nothing.

Rule 1: a line is with the system before anybody hears of what it did. So what a thing was told is
        there after a ``kill -9``. Nothing is synced to the disk: a machine that loses its power may
        lose the last seconds.
Rule 2: the service is a pure state machine: the same commands at the same times make the same
        state. Timers count as commands. What only asked, or was refused, changed nothing and is not
        written. To ask for the next deadline tidies the agenda, which decides the order of what is
        due at one instant; so it is asked before every command, now and when it is done again.
Rule 3: only the last line may be incomplete (the kill came in its midst): nobody was told of it,
        and it is dropped. Whatever else cannot be read or done again is an error; the file stays.
Rule 4: the first line says of what service it is, and the file is one process's at a time.
Rule 5: a service that cannot write its journal ends: it would promise what it does not keep.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from simulator.errors import InternalError, Rejection, UsageError
from simulator.host import Host, Timepiece
from simulator.jobs import JobsService
from simulator.jobs.messages import (
    NOTHING_NEXT,
    DataReply,
    DataRequest,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.quotas import Quotas
from simulator.jobs.rest import Request, Response, Rest

log = logging.getLogger(__name__)

FORMAT: Final = 1
KINDS: Final[dict[str, type[DataRequest]]] = {
    "update": UpdateJobExecutionRequest,
    "start": StartNextPendingJobExecutionRequest,
}
"""Data plane requests that change something."""

_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_READS: Final = ("GET", "HEAD")
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[Any]).decode


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes two services the same: it must be alike from start to start."""

    epoch: float
    time_scale: float
    dialect: str
    quotas: str = "none"
    sample: bool = False
    scenario: str = ""
    """A digest of the one whose fleet is registered."""
    shard: str = ""


WORDS: Final = {
    "epoch": "--epoch",
    "time_scale": "--time-scale",
    "dialect": "--dialect",
    "quotas": "--quotas",
    "sample": "--sample",
    "scenario": "the scenario (its digest)",
    "shard": "--shard",
}


class Header(msgspec.Struct, frozen=True):
    """The first line."""

    journal: int
    """The version of the format."""
    jobfleet: str
    began: float
    """Unix seconds, by the calendar, at which the service's time was 0."""
    service: Identity


class Replayed(NamedTuple):
    """What was found in a journal."""

    commands: int
    cut: int
    """Bytes of an incomplete last line."""
    until: float
    """The time of the last command, in seconds of scenario time."""


class Journal:
    """A journal on the disk, ours alone while it is open."""

    def __init__(
        self, path: Path, identity: Identity, calendar: float, version: str, *, epoch: float | None
    ) -> None:
        """Open it, or begin it.

        Args:
            path: the file.
            identity: the service's, with the epoch that it has if it begins now.
            calendar: Unix seconds.
            version: jobfleet's, for whoever reads the file.
            epoch: the one that was asked for; None: that of the journal will do.

        Raises:
            UsageError: it cannot be read or written, is no journal, or another service's.
        """
        self.path = path
        self.failure: UsageError | None = None
        """Why nothing more can be written."""
        self.on_failure: Callable[[], object] | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(f"cannot use the journal {path}: {error.strerror}") from None
        try:
            self._lock()
            self._size = os.fstat(self._file).st_size
            begun = self._begun()
            self.header = begun or Header(FORMAT, version, calendar, identity)
            if begun is None:
                os.truncate(self._file, 0)
                self._size = 0
                self._write(_encode(self.header) + b"\n")
            else:
                self._check(identity, epoch)
        except OSError as error:
            os.close(self._file)
            raise UsageError(f"cannot use the journal {path}: {error.strerror}") from None
        except UsageError:
            os.close(self._file)
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another service is at work with the journal {self.path}; end it, or give "
                "another --journal"
            ) from None

    def _begun(self) -> Header | None:
        """The first line of a journal, None where there is none yet (a kill in its midst, too)."""
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            line = file.readline(65536)
        if not line or (not line.endswith(b"\n") and b'{"journal":'.startswith(line[:11])):
            return None
        try:
            header = msgspec.json.decode(line, type=Header)
        except msgspec.DecodeError:
            header = None
        if header is None or header.journal != FORMAT:
            what = "no journal of jobfleet's"
            if header is not None:
                what = (
                    f"a journal in format {header.journal} (jobfleet {header.jobfleet}), and "
                    f"this jobfleet reads {FORMAT}"
                )
            raise UsageError(f"{self.path} is {what}; it stays as it is. Give another --journal")
        return header

    def _check(self, identity: Identity, epoch: float | None) -> None:
        """Refuse the journal of another service, saying what differs."""
        was = self.header.service
        now = msgspec.structs.replace(identity, epoch=was.epoch if epoch is None else epoch)
        for name, words in WORDS.items():
            before, asked = getattr(was, name), getattr(now, name)
            if before != asked:
                raise UsageError(
                    f"the journal {self.path} is of another service: {words} was "
                    f"{before or 'absent'} and is {asked or 'absent'}. Start it alike, or give "
                    "another --journal"
                )

    # ----------------------------------------------------------------------- replaying

    def replay(self, service: JobsService, rest: Rest) -> Replayed:
        """Do all commands again, and drop an incomplete last line.

        Raises:
            UsageError: a line cannot be read, or what it did cannot be done again.
        """
        quotas = service.quotas
        service.quotas = None if quotas is None else _Granted()
        commands, until, size = 0, 0.0, self._size
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            end = len(file.readline())
            for number, line in enumerate(file, 2):
                if not line.endswith(b"\n"):
                    break
                try:
                    until = _redo(service, rest, *_decode(line))
                except (msgspec.MsgspecError, TypeError, ValueError, KeyError) as error:
                    raise UsageError(self._wrong(number, f"cannot be read ({error})")) from None
                except Rejection as rejection:
                    why = f"cannot be done again ({rejection.code}: {rejection.message})"
                    raise UsageError(self._wrong(number, why)) from None
                service.effects.clear()  # who was to be told was told, or asks when it comes back
                end += len(line)
                commands += 1
        if end < size:
            os.truncate(self._file, end)
            self._size = end
        service.quotas = quotas
        return Replayed(commands, size - end, until)

    def _wrong(self, number: int, why: str) -> str:
        return (
            f"{self.path}:{number} {why}: the journal was changed, or the jobfleet that wrote it "
            f"({self.header.jobfleet}) does it differently. It stays as it is; give another "
            "--journal"
        )

    # ----------------------------------------------------------------------- writing

    def add(self, command: tuple[object, ...]) -> None:
        """Keep one command.

        Raises:
            InternalError: it cannot be written; the service must end.
        """
        if self.failure is None:
            line = _encode(command) + b"\n"
            try:
                self._write(line)
            except OSError as error:
                self._fail(error)
        if self.failure is not None:
            raise InternalError("The service cannot write its journal and ends")

    def _write(self, line: bytes) -> None:
        if os.write(self._file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += len(line)

    def _fail(self, error: OSError) -> None:
        try:
            os.truncate(self._file, self._size)
        except OSError:
            pass  # then the next start drops the incomplete line
        self.failure = UsageError(
            f"cannot write the journal {self.path}: {error.strerror}. What was answered is in it; "
            "make room, and start again"
        )
        if self.on_failure is not None:
            self.on_failure()

    def close(self) -> None:
        """Let others at it."""
        os.close(self._file)


class JournalledHost(Host):
    """A host whose service's commands are kept in a journal."""

    def __init__(
        self,
        service: JobsService,
        loop: Timepiece,
        time_scale: float,
        stopwatch: Callable[[], float],
        journal: Journal,
    ) -> None:
        """The service is as it was when the journal began: ``resume`` must follow."""
        super().__init__(service, loop, time_scale, stopwatch)
        self.journal = journal

    def resume(self, rest: Rest, calendar: float) -> None:
        """Do again what is in the journal; go on at the time that ``calendar`` (Unix seconds) says.

        Raises:
            UsageError: something cannot be done again.
        """
        journal = self.journal
        before = journal.replay(self.service, rest)
        if before.commands or before.cut:
            cut = f"; an incomplete last line ({before.cut} bytes) was dropped" * bool(before.cut)
            log.warning("journal %s: %d commands done again%s", journal.path, before.commands, cut)
        away = (calendar - journal.header.began) * self.time_scale
        self.go_on(max(away, before.until))  # a calendar may be set back

    def handle(
        self, thing_name: str, job_id: str | None, request: DataRequest, now: float | None = None
    ) -> DataReply:
        """Ask the data plane, and keep what changed something."""
        now = self.now() if now is None else now
        self.service.next_deadline()  # see Rule 2
        reply = self.service.handle(thing_name, job_id, request, now)
        name = _NAMES.get(type(request))
        if name is not None and reply is not NOTHING_NEXT:
            self.journal.add((now, name, thing_name, job_id, request))
        return reply

    def respond(self, rest: Rest, request: Request) -> Response:
        """Answer an HTTP request, and keep what changed something."""
        now = self.now()
        self.service.next_deadline()
        response = rest.respond(request, now)
        if response.status < 300 and request.method not in _READS:
            method, path, query, body, signed_for, document = request
            self.journal.add(
                (now, "http", method, path, query, body.decode("latin-1"), signed_for, document)
            )
        return response

    def _step(self, now: float, limit: int) -> int:
        steps = self.service.expire(now, limit)
        if steps:
            try:
                self.journal.add((now, "expire", limit, steps))
            except InternalError:
                return 0  # nobody asked, and nobody is told: see ``_tell``
        return steps

    def _tell(self) -> None:
        if self.journal.failure is None:
            super()._tell()
        else:
            self.service.effects.clear()


class _Granted(Quotas):
    """Quotas where every request was granted already; what there may be of jobs still holds."""

    def read(self, now: float) -> None:
        """Granted."""

    def write(self, now: float) -> None:
        """Granted."""

    def operation(self, name: str, now: float) -> None:
        """Granted."""


def _redo(service: JobsService, rest: Rest, now: float, kind: str, *members: Any) -> float:
    """Do one command again, and return its time."""
    service.next_deadline()
    if kind == "expire":
        limit, steps = members
        if service.expire(now, limit) != steps:
            raise ValueError(f"{steps} steps were due at {now:g} s")
    elif kind == "http":
        method, path, query, body, signed_for, document = members
        request = Request(method, path, query, body.encode("latin-1"), signed_for, document)
        response = rest.respond(request, now)
        if response.status >= 300:
            raise ValueError(f"{method} {path} is answered {response.status}")
    else:
        thing_name, job_id, asked = members
        service.handle(thing_name, job_id, msgspec.convert(asked, KINDS[kind]), now)
    return now


def commands(path: Path) -> Iterator[list[Any]]:
    """The commands in a journal that nobody writes: ``[time, kind, …]``, as they came."""
    with path.open("rb") as file:
        file.readline()
        for line in file:
            if line.endswith(b"\n"):
                yield _decode(line)
