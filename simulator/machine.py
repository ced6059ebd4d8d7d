"""Facts of the machine and of the wall clock: what belongs in machine.json, never in a summary."""

import platform
import resource
import sys
from datetime import datetime
from importlib import metadata
from typing import Any, Final

LIBRARIES: Final = ("jobfleet", "locust", "numpy", "msgspec", "uvloop")
FORMAT: Final = 1
"""Of the files of a run directory; another number where an older reader would misread them."""


def machine(started: datetime, wall_s: float) -> dict[str, Any]:
    """What a run ran on, and for how long."""
    return {
        "format": FORMAT,
        "started": started.isoformat(timespec="seconds"),
        "wall_s": round(wall_s, 3),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "versions": {name: metadata.version(name) for name in LIBRARIES},
    }
