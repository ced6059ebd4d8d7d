"""Live runs over several processes, as a user meets them: real workers, real signals."""

import csv
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from simulator import results
from tests.processes import JOBFLEET, SLOW, free_port, jobfleet, said, started, summary

BRISK = SLOW.replace("1h, steps: 60", "8m, steps: 16")
SCHEDULED = SLOW.replace("1h, steps: 60", "0s, steps: 16").replace(
    "until: 2h", "until: 2h, budget: 300/s, updates: {arrivals: constant, rate: 50/m, from: 2m}"
)
"""The same by a schedule: 320 updates in 6.4 minutes."""


def records(directory: Path) -> Any:
    return np.load(directory / "records.npz")["records"]


def connected_once(found: Any) -> Any:
    """Accepted connects by thing."""
    connects = found[(found["operation"] == results.CONNECT) & (found["outcome"] == 0)]
    return np.bincount(connects["thing"])


def requests_of_locust(directory: Path) -> dict[str, tuple[int, int]]:
    with (directory / "locust_stats.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {row["Name"]: (int(row["Request Count"]), int(row["Failure Count"])) for row in rows}


@contextmanager
def two_workers(tmp_path: Path, scenario: str) -> Iterator[Any]:
    (tmp_path / "s.yaml").write_text(scenario)
    command = [*JOBFLEET, "run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out")]
    with started([*command, "--processes", "2"]) as process:
        said(process.stderr, "IN_PROGRESS=20")
        (master,) = psutil.Process(process.pid).children()
        yield process, [one for one in master.children() if "locust" in one.cmdline()]


@pytest.mark.slow
def test_two_processes_count_as_one(tmp_path: Path) -> None:
    """Every thing is begun once, and Locust's tables are those of all workers' records."""
    one, two = tmp_path / "one", tmp_path / "two"
    for out, more in ((one, ()), (two, ("--processes", "2"))):
        done = jobfleet("run", "scenarios/smoke.yaml", "--out", out, *more)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Workers: 2; things begun by each: 5 + 5" in done.stdout
    alone, spread = summary(one), summary(two)
    for number in ("executions", "timeouts", "conflicts", "unfinished", "ended", "targets"):
        assert spread[number] == alone[number]
    assert connected_once(records(two)).tolist() == [1] * 10
    assert (np.diff(records(two)["done"]) >= 0).all()
    assert (two / "latency.hlog").read_text().count("Tag=UpdateJobExecution.") == 2
    told = requests_of_locust(two)
    for operation, numbers in spread["requests"].items():
        assert told.pop(operation) == (numbers["sent"], numbers["sent"] - numbers["accepted"])
        assert numbers["sent"] == alone["requests"][operation]["sent"]
    assert told == {"Aggregated": (len(records(two)), 0)}


@pytest.mark.slow
def test_the_others_take_up_what_a_killed_worker_had(tmp_path: Path) -> None:
    with two_workers(tmp_path, BRISK) as (process, workers):
        workers[0].kill()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    seen = summary(tmp_path / "out")
    assert seen["executions"] == {"SUCCEEDED": 20}  # nothing twice, nothing forgotten
    assert seen["ended"] == "job completed"
    assert "10 things were taken up by others" in out
    told = json.loads((tmp_path / "out" / "machine.json").read_text())["workers"]
    (lost,) = (one for one in told if one["lost_at_s"] is not None)
    (other,) = (one for one in told if one["lost_at_s"] is None)
    assert (lost["things"], lost["told_all"], other["things"]) == (10, False, 20)
    assert lost["records"] + other["records"] == len(records(tmp_path / "out"))
    times = connected_once(records(tmp_path / "out"))
    assert times.min() >= 1
    assert times.sum() <= 30


@pytest.mark.slow
def test_a_worker_that_is_told_to_go_hands_over_all_it_has(tmp_path: Path) -> None:
    """Its things, its records, and its part of the schedule and of the budget."""
    with two_workers(tmp_path, SCHEDULED) as (process, workers):
        workers[0].terminate()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "10 things were taken up by others; nothing of its records is missing" in out
    seen = summary(tmp_path / "out")
    assert seen["executions"] == {"SUCCEEDED": 20}
    assert sorted(connected_once(records(tmp_path / "out"))) == [1] * 10 + [2] * 10
    load = seen["open_load"]
    assert load["begun"] >= 320
    assert load["due"] == load["begun"] + load["waiting"]
    with (tmp_path / "out" / "generator.csv").open() as file:
        measured = list(csv.DictReader(file))
    assert len({row["worker"] for row in measured}) == 2
    assert max(float(row["cpu"]) for row in measured) == seen["generator"]["cpu_max"]


@pytest.mark.slow
def test_a_run_without_any_worker_left_is_exit_code_4(tmp_path: Path) -> None:
    with two_workers(tmp_path, SLOW) as (process, workers):
        for worker in workers:
            worker.kill()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 4, out + err
    assert "ended: no worker is left" in out
    assert "Traceback" not in err
    assert summary(tmp_path / "out")["executions"] == {"IN_PROGRESS": 20}


@pytest.mark.slow
def test_a_master_whose_workers_do_not_come_is_exit_code_3(tmp_path: Path) -> None:
    done = jobfleet(
        "run", "scenarios/smoke.yaml", "--out", tmp_path / "out", "--master",
        "--master-bind-port", str(free_port()), "--expect-workers-max-wait", "1",
    )  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Error: 0 of 1 workers came within 1 s; start them with --worker" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_interrupted_master_drains_its_workers(tmp_path: Path) -> None:
    """Master and workers as in shells of their own; the workers have no scenario."""
    port = str(free_port())
    (tmp_path / "s.yaml").write_text(SLOW)
    lead = [*JOBFLEET, "run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out"), "--master"]
    lead += ["--master-bind-port", port, "--expect-workers", "2"]
    work = [*JOBFLEET, "run", "--worker", "--master-port", port]
    with started(lead) as master, started(work) as one, started(work) as two:
        said(master.stderr, "IN_PROGRESS=20")
        master.send_signal(signal.SIGINT)
        out, err = master.communicate(timeout=60)
        assert master.returncode == 130, out + err
        for worker in (one, two):
            told, wrong = worker.communicate(timeout=30)
            assert worker.returncode == 0, told + wrong
            assert "Traceback" not in wrong
    seen = json.loads((tmp_path / "out" / "machine.json").read_text())["workers"]
    assert [one["told_all"] for one in seen] == [True, True]
    assert sum(one["records"] for one in seen) == len(records(tmp_path / "out"))
    assert summary(tmp_path / "out")["executions"] == {"IN_PROGRESS": 20}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--processes", "0"), "--processes 0: at least 1"),
        (("--master", "--processes", "2"), "leave out --master"),
        (("--expect-workers", "2"), "--expect-workers needs --master"),
        (("--master-host", "h"), "--master-host needs --worker"),
        (("--master", "--service-host", "0.0.0.0"), "give the address by which they reach"),
    ],
)
def test_options_that_contradict_each_other_are_one_error(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    done = jobfleet("run", "scenarios/smoke.yaml", "--out", tmp_path / "out", *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
