"""``make bench``: the numbers that jobfleet holds, as ratios in one run on one machine.

Nothing else should run meanwhile. The table goes to docs/benchmarks.md with date and machine.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import floor
from simulator import results
from simulator.run import Resolved, rehearse
from simulator.scenario import loads

WINDOW_S = 20.0
THINGS = 2000

REHEARSAL = """\
fleet:
  - cohort: g
    things: 100000
    work: {duration: {distribution: lognormal, median: 90s, sigma: 0.6}, steps: 2, step_timeout: 1h}
    outcome: {fail: 3%, reject: 1%, hang: 2%}
network: {latency: {distribution: lognormal, median: 40ms, sigma: 0.4}, lost_replies: 0.5%}
job:
  document: {operation: firmware-update}
  timeoutConfig: {inProgressTimeoutInMinutes: 120}
load: {ramp: 1000/s, until: 7d}
"""
"""Everything rolled out at AWS's 1 000 a minute; start-next, one progress report, the end."""


def live() -> tuple[float, int]:
    """Accepted updates per second in the window after all are IN_PROGRESS; things that wrote."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "simulator.cli", "run", "scenarios/saturate.yaml"]
        command += ["--things", str(THINGS), "--out", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        records = np.load(Path(folder) / "records.npz")["records"]
    started = records[records["operation"] == results.START_NEXT]["done"].max()
    updates = records[(records["operation"] == results.UPDATE) & (records["outcome"] == 0)]
    within = updates[(updates["done"] >= started) & (updates["done"] < started + WINDOW_S)]
    seconds = min(WINDOW_S, float(updates["done"].max()) - float(started))
    return len(within) / seconds, len(np.unique(within["thing"]))


def rehearsal(things: int) -> tuple[float, int]:
    """Seconds of wall time for a rehearsal, and its records."""
    finished = rehearse(Resolved.of(loads(REHEARSAL), 1, things))
    assert sum(finished.summary.executions.values()) == things
    return finished.wall_s, len(finished.records)


def start_up() -> float:
    """The median of seven ``jobfleet --help``, in seconds."""
    took = []
    for _ in range(7):
        began = time.perf_counter()
        command = [sys.executable, "-m", "simulator.cli", "--help"]
        subprocess.run(command, capture_output=True, check=True)
        took.append(time.perf_counter() - began)
    return float(np.median(took))


def main() -> None:
    """Measure everything and print a table."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs\n")
    rows: list[tuple[str, str, str, str]] = []
    carried, writers = live()
    bare = floor.updates_per_s(THINGS, 8.0)
    rows.append(
        (
            f"live updates/s, {writers} things",
            f"{carried:,.0f}",
            ">= 20,000",
            _ok(carried >= 20_000),
        )
    )
    rows.append(("bare-protocol floor, updates/s", f"{bare:,.0f}", "", ""))
    rows.append(("live / floor", f"{carried / bare:.2f}", "0.6 (later)", ""))
    small, _ = rehearsal(10_000)
    large, count = rehearsal(100_000)
    rows.append(("rehearsal of 10,000 things, us a thing", f"{small * 100:.0f}", "", ""))
    rows.append(("rehearsal of 100,000 things, us a thing", f"{large * 10:.0f}", "", ""))
    rows.append(("rehearsal of 100,000 things, s", f"{large:.1f}", "<= 10", _ok(large <= 10)))
    ratio = large / small / 10
    rows.append(("cost per thing, 100,000 / 10,000", f"{ratio:.2f}", "<= 1.3", _ok(ratio <= 1.3)))
    rows.append(("exchanges a second, rehearsed", f"{count / large:,.0f}", "", ""))
    took = start_up()
    rows.append(("jobfleet --help, s", f"{took:.2f}", "<= 0.3", _ok(took <= 0.3)))
    print(f"| {'what':<42} | {'measured':>10} | {'hold':>12} | {'':<4} |")
    print(f"|{'-' * 44}|{'-' * 11}:|{'-' * 13}:|{'-' * 6}|")
    for what, measured, hold, mark in rows:
        print(f"| {what:<42} | {measured:>10} | {hold:>12} | {mark:<4} |")
    print(json.dumps({what: measured for what, measured, _, _ in rows}))


def _ok(held: bool) -> str:
    return "ok" if held else "MISS"


if __name__ == "__main__":
    main()
