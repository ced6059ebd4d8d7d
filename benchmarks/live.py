"""A live run that Locust measures, beside the bare protocol's floor."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks import floor
from benchmarks.served import accepted
from benchmarks.table import Row, at_least

WINDOW_S = 20.0
THINGS = 2000
TURNS = 3


def rows() -> list[Row]:
    """Accepted updates a second, the floor, and their ratio: medians of turns with the two."""
    turns = [(live(), floor.updates_per_s(THINGS, 8.0)) for _ in range(TURNS)]
    carried, writers = (median(values) for values in zip(*(ours for ours, _ in turns), strict=True))
    ratios = [ours / bare for (ours, _), bare in turns]
    return [
        at_least(f"live updates/s, {writers:,.0f} things", carried, 40_000),
        Row("bare-protocol floor, updates/s", f"{median(bare for _, bare in turns):,.0f}"),
        at_least("live / floor", median(ratios), 0.6, ".2f"),
        Row("the same in each turn", ", ".join(f"{ratio:.2f}" for ratio in ratios)),
    ]


def live() -> tuple[float, int]:
    """Accepted updates per second in the window after all are IN_PROGRESS; things that wrote."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "simulator.cli", "run", "scenarios/saturate.yaml"]
        command += ["--things", str(THINGS), "--no-report", "--out", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return accepted(Path(folder), WINDOW_S)
