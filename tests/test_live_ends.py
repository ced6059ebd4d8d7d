"""A live run ends: with whoever started it, at its deadline, and whoever has stopped listening."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.processes import JOBFLEET, ROOT, said, summary

SCENARIO: Final = """\
fleet: [{{cohort: g, things: 2, work: {{duration: {work}, steps: 2}}}}]
job: {{document: {{}}}}
load: {{until: {until}}}
"""
HANGS: Final = """\
import gevent
from simulator import live_run, locust_bridge
from simulator.locust_bridge import ThingUser

live_run.GRACE_S = 0.2


def hang():
    while not locust_bridge._runs:
        gevent.sleep(0.01)
    while True:
        pass


gevent.spawn(hang)
"""
WITHIN_S: Final = 60.0


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    return tmp_path / "s.yaml"


@pytest.mark.slow
def test_a_run_goes_with_whoever_started_it(scenario: Path, tmp_path: Path) -> None:
    """Killed without a word; what was measured until then is kept, and no process is left."""
    scenario.write_text(SCENARIO.format(work="1h", until="2h"))
    command = [*JOBFLEET, "run", str(scenario), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as starter:
        said(starter.stderr, "2/2 connected")
        others = psutil.Process(starter.pid).children(recursive=True)
        assert len(others) == 2  # Locust, and the service
        starter.kill()
    _, left = psutil.wait_procs(others, WITHIN_S)
    assert left == []
    found = summary(tmp_path / "out")
    assert found["ended"] == "interrupted"
    assert found["requests"]["Connect"]["accepted"] == 2


@pytest.mark.slow
def test_who_stops_listening_does_not_stop_a_run(scenario: Path, tmp_path: Path) -> None:
    """As in ``jobfleet run … | head -1``: it goes on to its end, and writes everything."""
    scenario.write_text(SCENARIO.format(work="3s", until="1m"))
    command = [*JOBFLEET, "run", str(scenario), "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(WITHIN_S) == 0
    assert summary(tmp_path / "out")["executions"] == {"SUCCEEDED": 2}


@pytest.mark.slow
def test_a_run_that_hangs_ends_at_its_deadline_and_shows_where(
    scenario: Path, tmp_path: Path
) -> None:
    scenario.write_text(SCENARIO.format(work="1h", until="2s"))
    locustfile = tmp_path / "hangs.py"
    locustfile.write_text(HANGS)
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--scenario",
         str(scenario), "--out", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=WITHIN_S, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Timeout (0:00:02.2" in done.stderr
    assert re.search(r'hangs\.py", line \d+ in hang', done.stderr)
