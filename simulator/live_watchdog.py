"""What ends a live run that would not end by itself.

Rule 1: a run goes with whoever started it. ``jobfleet run`` holds one end of a pipe whose other end
        is its Locust process's standard input: when that closes, however it came about, the run is
        interrupted (it drains and writes its directory), and soon after ended.
Rule 2: a run ends at its deadline even if its loops hang. That is watched by a native thread of the
        interpreter's, which waits for no loop and no lock, shows where everybody hangs, and exits.
Rule 3: who has stopped listening does not stop a run: lines that cannot be printed are passed over.
"""

import faulthandler
import os
import signal
import sys
from typing import Final, TextIO

from gevent import monkey

WITH_PARENT: Final = "JOBFLEET_WITH_PARENT"
"""In the environment of a process whose standard input says whether its parent is there."""

GONE_S: Final = 60.0
"""So long a run may drain and write after its parent has gone."""

GRACE_S: Final = 60.0
"""So long after its deadline a run must have come to its end."""

WRITING_S: Final = 600.0
"""So long it may take to gather everything and to write it: there may be millions of records."""

INTERRUPTED: Final = 130


def follow_parent() -> None:
    """End this process when its parent ends, where it is one that was started so."""
    if os.environ.pop(WITH_PARENT, None) is None:
        return
    # A native thread: no greenlet of this process's needs to be alive for it.
    monkey.get_original("_thread", "start_new_thread")(_follow, ())


def _follow() -> None:
    read, sleep = monkey.get_original("os", "read"), monkey.get_original("time", "sleep")
    while read(sys.__stdin__.fileno(), 4096):  # type: ignore[union-attr]  # a pipe, as we were told
        pass
    _mute()
    os.kill(os.getpid(), signal.SIGINT)
    sleep(GONE_S)
    os._exit(INTERRUPTED)


def end_after(seconds: float) -> None:
    """End this process in so many seconds, unless told otherwise; it says where it hangs."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)


def end_no_more() -> None:
    """It came to its end."""
    faulthandler.cancel_dump_traceback_later()


def say(line: str, stream: TextIO | None = None) -> None:
    """Print a line, if anybody listens; ``stream`` is standard error where none is given."""
    try:
        print(line, file=stream or sys.stderr, flush=True)
    except OSError:
        _mute()


def _mute() -> None:
    """Let whatever is printed from now on go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
