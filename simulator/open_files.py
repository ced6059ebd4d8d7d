"""How many files a process may have open: one per connection, and the system sets a limit."""

import resource
from typing import Final

from simulator.errors import UsageError

SPARE: Final = 100
"""File descriptors that a process needs beside its things' connections."""


def make_room(things: int, connections: int | None = None) -> None:
    """Raise the soft limit as far as a fleet needs; child processes inherit it.

    ``connections`` is how many its things may have together, where that is not one each.

    Raises:
        UsageError: the process may not open as many files as there are connections.
    """
    connections = things if connections is None else connections
    needed = connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard == resource.RLIM_INFINITY or hard >= needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return
    each = "" if connections == things else f" (with {connections:,} connections)"
    most = max(0, hard - SPARE) * things // connections
    raise UsageError(
        f"{things:,} things{each} need {needed:,} open files, and a process may have {hard:,} "
        f"here; run at most {most:,} things, or raise the limit (ulimit -n {needed})"
    )


def make_all_room() -> None:
    """Raise the soft limit to the hard one: for a service that does not know who will come."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:  # which some systems do not take for a soft limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
