"""What the things of one process cost it: its memory and its connections, looked at while it runs.

Rule 1: a process is looked at from outside, several times a second; nothing is asked of it.
Rule 2: its base is what it has right before its first connection, with all that it imports.
"""

import os
import subprocess
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

EVERY_S = 0.25
PAGE = os.sysconf("SC_PAGE_SIZE")
OWN_FILES = 100
"""A process without things has fewer open files."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: when, how many connections of things, how many bytes resident."""

    at: float
    connections: int
    resident: int


def look(pid: int) -> Look | None:
    """At a process and its children (``jobfleet run`` has one); None once it has gone."""
    connections = pages = 0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (str(pid), *children):
            connections += max(0, len(os.listdir(f"/proc/{one}/fd")) - OWN_FILES)
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return Look(time.perf_counter(), connections, pages * PAGE)


def watched(processes: "list[subprocess.Popen[str]]", within: float) -> list[list[Look]]:
    """Look at processes until all have ended, at most so many seconds."""
    looks: list[list[Look]] = [[] for _ in processes]
    until = time.perf_counter() + within
    while time.perf_counter() < until and any(one.poll() is None for one in processes):
        for mine, process in zip(looks, processes, strict=True):
            found = look(process.pid)
            if found is not None:
                mine.append(found)
        time.sleep(EVERY_S)
    return looks


def base(looks: list[Look]) -> int:
    """Bytes before the first connection."""
    return next(before.resident for before, after in pairwise(looks) if after.connections)


def full(looks: list[Look]) -> list[Look]:
    """Those while it had all the connections that it ever had, less what a look may miss."""
    most = max(one.connections for one in looks)
    return [one for one in looks if one.connections >= 0.999 * most]
