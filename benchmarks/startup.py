"""How long the command line and the service take until they are there."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_most

TIMES = 7
FLEET = """\
fleet: [{cohort: t, things: 100000, work: {duration: 1s}}]
job: {jobId: big, document: {}}
load: {ramp: 1000/s, until: 1h}
"""


def rows() -> list[Row]:
    """Medians, in seconds, beside what a bare interpreter takes."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "fleet.yaml"
        scenario.write_text(FLEET)
        many = median(lambda: serve("--scenario", str(scenario)))
    return [
        Row("a bare interpreter, s", f"{median(lambda: run('-c', 'pass')):.2f}"),
        at_most(
            "jobfleet --help, s", median(lambda: run("-m", "simulator.cli", "--help")), 0.3, ".2f"
        ),
        at_most(
            "import simulator.run, s", median(lambda: run("-c", "import simulator.run")), 1, ".2f"
        ),
        at_most(
            "import simulator.pytest_plugin, s",
            median(lambda: run("-c", "import simulator.pytest_plugin")),
            0.3,
            ".2f",
        ),
        at_most(
            "jobfleet check scenarios/smoke.yaml, s",
            median(lambda: run("-m", "simulator.cli", "check", "scenarios/smoke.yaml")),
            1,
            ".2f",
        ),
        at_most("serve until its doors are open, s", median(serve), 1, ".2f"),
        Row("the same with a fleet of 100,000 to register, s", f"{many:.2f}"),
    ]


def median(action: Callable[[], None]) -> float:
    """The median time of an action, in seconds."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        action()
        took.append(time.perf_counter() - began)
    return float(np.median(took))


def run(*arguments: str) -> None:
    """One Python process to its end."""
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)


def serve(*arguments: str) -> None:
    """A service until it says where it is."""
    command = [sys.executable, "-m", "simulator.cli", "serve", "--mqtt-port", "0"]
    command += ["--http-port", "0", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        process.terminate()
