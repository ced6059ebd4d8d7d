"""``make bench``: the numbers that jobfleet holds, as ratios in one run on one machine.

Nothing else should run meanwhile. ``python -m benchmarks service stalls`` runs some of them only.
The table goes to docs/benchmarks.md with date and machine.
"""

import json
import os
import platform
import sys

from benchmarks import (
    live,
    peers,
    range_of_fleets,
    rehearsal,
    service,
    stalls,
    startup,
    storm,
    things,
)
from benchmarks.table import Row, show

ROOMS = {
    "startup": startup.rows,
    "service": service.rows,
    "stalls": stalls.rows,
    "rehearsal": rehearsal.rows,
    "live": live.rows,
    "peers": peers.rows,
    "things": things.rows,
    "range": range_of_fleets.rows,
}

APART = {"storm": storm.rows}
"""Those that are asked for by name: they take minutes, and hold no speed."""


def main() -> None:
    """Measure what was asked for, or everything, and print a table."""
    asked = sys.argv[1:] or list(ROOMS)
    unknown = [name for name in asked if name not in ROOMS | APART]
    if unknown:
        sys.exit(f"there is no benchmark {unknown[0]!r}; there are {', '.join(ROOMS | APART)}")
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs\n")
    rows: list[Row] = []
    failed: list[str] = []
    for name in asked:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        try:
            rows += (ROOMS | APART)[name]()
        except SystemExit as error:  # the others are worth their minutes all the same
            failed.append(f"{name}: {error.code}")
    show(rows)
    print(json.dumps({row.what: row.measured for row in rows}))
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
