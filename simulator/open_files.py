"""How many files a process may have open: one per connection, and the system sets a limit."""

import resource
from typing import Final

from simulator.errors import UsageError

SPARE: Final = 100
"""File descriptors that a process needs beside its things' connections."""


def make_room(things: int) -> None:
    """Raise the soft limit as far as a fleet needs; child processes inherit it.

    Raises:
        UsageError: the process may not open as many files as there are things.
    """
    needed = things + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard == resource.RLIM_INFINITY or hard >= needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return
    raise UsageError(
        f"{things:,} things need {needed:,} open files, and a process may have {hard:,} here; "
        f"run at most {hard - SPARE:,} things, or raise the limit (ulimit -n {needed})"
    )


def make_all_room() -> None:
    """Raise the soft limit to the hard one: for a service that does not know who will come."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:  # which some systems do not take for a soft limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
