"""The locustfiles as Locust's users start them: headless, in processes of their own."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from tests.processes import ROOT, free_port, serving, summary

pytestmark = pytest.mark.slow

UPDATE, CONFLICT = "UpdateJobExecution", "UpdateJobExecution VersionMismatch"


def locust(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "locust", "-f", f"locustfiles/{name}.py", "--headless",
         "--only-summary", *options],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip


def counts(prefix: Path) -> dict[str, tuple[int, int]]:
    """Requests and failures of each row of ``--csv``."""
    with Path(f"{prefix}_stats.csv").open(newline="") as file:
        return {
            row["Name"]: (int(row["Request Count"]), int(row["Failure Count"]))
            for row in csv.DictReader(file)
        }


def left_behind(folder: Path) -> list[int]:
    """Processes of a test with this folder that have not ended."""
    found = []
    for one in psutil.process_iter():
        try:
            marked = one.environ().get("TEST_OF") == str(folder)
        except psutil.Error:
            continue  # it has ended meanwhile
        if marked and one.status() != psutil.STATUS_ZOMBIE:
            found.append(one.pid)
    return found


@pytest.mark.parametrize("processes", [0, 2])
def test_things_over_http_never_conflict_alone(
    processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, spread = str(free_port()), ["--processes", str(processes)]
    spread += ["--master-port", port, "--master-bind-port", port]
    monkeypatch.setenv("TEST_OF", str(tmp_path))
    done = locust("http_update", "-u", "5", "-r", "50", "-t", "4s", *spread[: 3 * processes],
                  "--csv", str(tmp_path / "a"), "--html", str(tmp_path / "a.html"))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = counts(tmp_path / "a")
    assert set(rows) == {"StartNextPendingJobExecution", UPDATE, "Aggregated"}
    assert rows[UPDATE][0] > rows["StartNextPendingJobExecution"][0] > 5
    assert all(failures == 0 for _, failures in rows.values())
    assert UPDATE in (tmp_path / "a.html").read_text()
    assert not left_behind(tmp_path)


def test_several_users_on_one_thing_conflict_in_a_row_of_their_own(tmp_path: Path) -> None:
    done = locust("http_update", "-u", "6", "-r", "50", "-t", "4s", "--things", "2",
                  "--tags", "update", "--csv", str(tmp_path / "a"))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = counts(tmp_path / "a")
    assert rows[CONFLICT][0] > 0
    assert rows["StartNextPendingJobExecution"][0] == 6  # at the start: else --tags leaves it out
    assert rows["Aggregated"][1] == 0


def test_opentelemetry_counts_every_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the summary has them: Locust itself leaves the last second out of its CSV."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "console")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    done = locust("fleet", "--otel", "--scenario", "scenarios/smoke.yaml", "--no-report",
                  "--out", str(tmp_path))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, int] = {}
    for name, count in re.findall(r'"name": "(\w+)"[^{}]*},[^{}]*"count": (\d+)', done.stdout):
        told[name] = max(told.get(name, 0), int(count))
    requests = summary(tmp_path)["requests"]
    assert told == {name: one["sent"] for name, one in requests.items() if one["sent"]}


def test_another_host_keeps_what_was_made_there(tmp_path: Path) -> None:
    with serving() as (_, where):
        host = f"http://{where['host']}:{where['http']}"
        for _ in "12":  # and a second test of it is no collision
            done = locust("control_plane", "-u", "2", "-r", "10", "-t", "3s", "--host", host,
                          "--things", "5", "--csv", str(tmp_path / "a"))  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
        for status, found in (("IN_PROGRESS", False), ("CANCELED", True)):
            with urlopen(f"{host}/jobs?status={status}") as answer:  # none is left open
                assert bool(json.load(answer)["jobs"]) is found
        rows = counts(tmp_path / "a")
        assert set(rows) == {
            "CreateJob", "DescribeJob", "ListJobExecutionsForJob", "CancelJob", "Aggregated",
        }  # fmt: skip
        assert rows["DescribeJob"][0] > rows["CreateJob"][0] > 2
        assert rows["Aggregated"][1] == 0


def test_contention_is_as_the_theory_says() -> None:
    done = locust("contention", "-u", "5", "-r", "100", "-t", "12s", "--think", "0.05")
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.search(
        r"5 writers on 1 execution: (\d+) of (\d+) updates conflicted, .*; in theory 60\.2%",
        done.stdout,
    )
    assert said is not None, done.stdout
    refused, sent = map(int, said.groups())
    assert sent > 300
    assert refused / sent == pytest.approx(0.602, abs=0.12)


def test_a_shaped_fleet_begins_as_its_scenario_ramps(tmp_path: Path) -> None:
    done = locust("fleet_shaped", "--scenario", "scenarios/smoke.yaml", "-u", "25",
                  "--out", str(tmp_path))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verdict: passed" in done.stdout
    assert summary(tmp_path)["executions"] == {"SUCCEEDED": 25}
    wanted = re.findall(r"Shape test updating to (\d+) users", done.stderr)
    assert wanted[0] == "11"  # smoke's ramp is 10/s
    assert wanted[-1] == "25"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--things", "0"), 2, "--things 0: a fleet has at least one thing"),
        (("--scenario", "nowhere.yaml"), 2, "nowhere.yaml: cannot be read"),
        (("--scenario", "scenarios/canary-then-fleet.yaml"), 2, "job canary is for a part of"),
        (("--host", "http://192.0.2.7"), 2, "say --i-own-this-target 192.0.2.7"),
        (("--host", "http://127.0.0.1:9"), 3, "the service at 127.0.0.1:9 cannot be reached"),
    ],
)
def test_what_is_wrong_is_one_line(options: tuple[str, ...], code: int, said: str) -> None:
    done = locust("http_update", "-u", "1", "-t", "3s", *options)
    assert done.returncode == code
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert said in errors[0]


def test_locustfiles_are_thin() -> None:
    files = sorted((ROOT / "locustfiles").glob("*.py"))
    assert len(files) == 5
    for path in files:
        text = path.read_text()
        assert len(text.splitlines()) <= 60
        assert f"locust -f locustfiles/{path.name} " in text
