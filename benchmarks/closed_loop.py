"""One thing's closed loop as a peer's script has it: start, then update after update.

The same conversation for every peer, so that only the client beneath it differs: StartNext, then
UpdateJobExecution with ``expectedVersion``, QoS 1, each sent when the one before was accepted. A
peer is given the bare minimum: a thing's loop looks at topics by their end, and parses only the
reply of StartNext.
"""

import json
import sys
from collections.abc import Sequence

from benchmarks.served import JOB


class ClosedLoop:
    """What one thing hears, and what it says next."""

    accepted = 0
    """Updates of all things of this process."""
    started = 0
    """Things of this process whose execution is IN_PROGRESS."""
    rejected = 0

    def __init__(self, thing: str) -> None:
        jobs = f"$aws/things/{thing}/jobs/"
        self.filters = (f"{jobs}start-next/+", f"{jobs}+/update/+")
        self.first = (f"{jobs}start-next", b"{}")
        self._topic = f"{jobs}{JOB}/update"
        self._thing = thing
        self._version = 0

    def heard(self, topic: str, payload: bytes) -> tuple[str, bytes] | None:
        """The next request, as topic and payload."""
        if not topic.endswith("/accepted"):
            ClosedLoop.rejected += 1
            print(self._thing, topic, payload, file=sys.stderr)
            return None
        if self._version:
            ClosedLoop.accepted += 1
            self._version += 1
        else:
            ClosedLoop.started += 1
            self._version = json.loads(payload)["execution"]["versionNumber"]
        said = b'{"status":"IN_PROGRESS","expectedVersion":%d,"clientToken":"%d"}'
        return self._topic, said % (self._version, self._version)


class Window:
    """Counts what is accepted from the moment when all are IN_PROGRESS."""

    def __init__(self, things: int, seconds: float) -> None:
        self.over = False
        self._things = things
        self._seconds = seconds
        self._began = self._before = 0.0
        self._rate = 0.0

    def look(self, now: float) -> None:
        """To be called several times a second, with the time in seconds."""
        if ClosedLoop.rejected:
            sys.exit(f"{ClosedLoop.rejected} requests were rejected")
        if not self._began:
            if ClosedLoop.started == self._things:
                self._began, self._before = now, ClosedLoop.accepted
        elif now - self._began >= self._seconds and not self.over:
            self._rate = (ClosedLoop.accepted - self._before) / (now - self._began)
            self.over = True

    def tell(self) -> None:
        """Say the rate as the last line of standard output."""
        if not self.over:
            sys.exit(f"{ClosedLoop.started} of {self._things} things came to be IN_PROGRESS")
        print(json.dumps({"updates_per_s": self._rate}), flush=True)


def asked(arguments: Sequence[str]) -> tuple[int, int, float]:
    """What a peer's script is told: port, number of things, seconds of the window."""
    port, things, seconds = arguments
    return int(port), int(things), float(seconds)
