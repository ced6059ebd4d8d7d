"""A live run that Locust measures, beside the bare protocol's floor."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import floor
from benchmarks.served import accepted
from benchmarks.table import Row, at_least

WINDOW_S = 20.0
THINGS = 2000


def rows() -> list[Row]:
    """Accepted updates a second, the floor, and their ratio."""
    carried, writers = live()
    bare = floor.updates_per_s(THINGS, 8.0)
    return [
        at_least(f"live updates/s, {writers} things", carried, 20_000),
        Row("bare-protocol floor, updates/s", f"{bare:,.0f}"),
        Row("live / floor", f"{carried / bare:.2f}", "0.6 later"),
    ]


def live() -> tuple[float, int]:
    """Accepted updates per second in the window after all are IN_PROGRESS; things that wrote."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "simulator.cli", "run", "scenarios/saturate.yaml"]
        command += ["--things", str(THINGS), "--out", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return accepted(Path(folder), WINDOW_S)
