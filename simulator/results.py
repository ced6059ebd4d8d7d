"""One flat record per exchange, and the columns they are kept in.

Rule 1: raw records first; every number in a report is a fold over them.
Rule 2: times are seconds on the run's own clock since its start: wall seconds in a live run,
        virtual seconds in a rehearsal. ``due`` is when the exchange was to begin, ``sent`` when it
        did, ``done`` when its reply (or the end of waiting for it) came: response time is
        ``done - due``, service time ``done - sent``.
"""

from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.errors import Rejection
from simulator.jobs.model import STATUSES

OPERATIONS: Final = (
    "Connect",
    "GetPendingJobExecutions",
    "StartNextPendingJobExecution",
    "DescribeJobExecution",
    "UpdateJobExecution",
)
CONNECT, GET_PENDING, START_NEXT, DESCRIBE, UPDATE = range(5)

ACCEPTED, NO_REPLY, DISCONNECTED = range(3)
OUTCOMES: Final = (
    "accepted",
    "NoReply",
    "Disconnected",
    *sorted(kind.code for kind in Rejection.__subclasses__()),
)
REJECTED: Final = {code: at for at, code in enumerate(OUTCOMES) if at > DISCONNECTED}
VERSION_MISMATCH: Final = REJECTED["VersionMismatch"]

CAUSES: Final = (
    "",
    "lost_reply",
    "second_writer",
    "service",
    "stale_start",
    "unknown",
    "duplicate",
    "reordered",
)
LOST_REPLY, SECOND_WRITER, SERVICE, STALE_START, UNKNOWN, DUPLICATE, OUT_OF_TURN = range(
    1, len(CAUSES)
)
"""Why a VersionMismatch came about; 0 on every other record."""

FAULTS: Final = (
    "",
    "lost_request",
    "lost_reply",
    "duplicated",
    "reordered",
    "disconnect",
    "partition",
    "storm",
    "absent",
    "throttled",
)
(
    _,
    LOST_REQUEST_FAULT,
    LOST_REPLY_FAULT,
    DUPLICATED,
    REORDERED,
    DISCONNECT,
    PARTITION,
    STORM,
    ABSENT,
    THROTTLED,
) = range(len(FAULTS))
"""What was injected into an exchange by the thing's own side; 0 on every other record."""


def edge_of(found: str, wanted: str) -> int:
    """An edge of a conflict as one small number: from the status found to the one wanted."""
    return 1 + STATUSES.index(found) * len(STATUSES) + STATUSES.index(wanted)


def edge_name(edge: int) -> str:
    """``"IN_PROGRESS → SUCCEEDED"``, and nothing for 0."""
    if not edge:
        return ""
    found, wanted = divmod(edge - 1, len(STATUSES))
    return f"{STATUSES[found]} → {STATUSES[wanted]}"


CHUNK: Final = 65_536


class Record(NamedTuple):
    """One exchange of one thing."""

    thing: int
    operation: int
    outcome: int
    cause: int
    attempt: int
    """The execution number it was about, 0 where it was about none."""
    edge: int
    """Of a VersionMismatch: ``edge_of`` the status found and the status wanted; else 0."""
    fault: int
    """What the thing's network did to it, an index into ``FAULTS``."""
    job: int
    """Which of the scenario's jobs it was about; 0 also where it was about none."""
    due: float
    sent: float
    done: float


DTYPE: Final = np.dtype(
    [
        ("thing", "<i4"),
        ("operation", "i1"),
        ("outcome", "i1"),
        ("cause", "i1"),
        ("attempt", "<i2"),
        ("edge", "i1"),
        ("fault", "i1"),
        ("job", "<i2"),
        ("due", "<f8"),
        ("sent", "<f8"),
        ("done", "<f8"),
    ]
)

Records = NDArray[Any]

_ROW: Final = Struct("<i3bh2bh3d")
pack: Final = _ROW.pack
"""The fields of a ``Record``, in order, as the bytes of one ``DTYPE``: three times as fast as by
way of an array of tuples, and nothing that the garbage collector would look at."""
unpack: Final = _ROW.unpack
"""The fields again."""


class Recorder:
    """Takes records one at a time; keeps them packed (37 bytes each), one behind the other.

    ``add`` and ``drain`` may be called from two threads: slicing and deleting a list are atomic.
    """

    def __init__(self) -> None:
        self.fresh: list[bytes] = []
        self._packed = bytearray()
        self.add = self.fresh.append
        """Take one record, packed by ``pack``."""

    def drain(self) -> Records:
        """Put what is fresh to the rest, and return it."""
        count = len(self.fresh)
        packed = b"".join(self.fresh[:count])
        del self.fresh[:count]
        self._packed += packed
        return np.frombuffer(packed, DTYPE)

    def forget(self) -> None:
        """Keep nothing of what was drained: somebody else does."""
        self._packed.clear()

    def records(self) -> Records:
        """All records, in the order in which they were taken, and none is kept: the run is over."""
        self.drain()
        packed, self._packed = self._packed, bytearray()
        return np.frombuffer(packed, DTYPE)
