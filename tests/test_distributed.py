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
from simulator.cli import main
from tests.doors_in_thread import make_certificates
from tests.processes import (
    JOBFLEET,
    ROOT,
    SLOW,
    free_port,
    jobfleet,
    said,
    serving,
    started,
    summary,
)

SMOKE = "scenarios/smoke.yaml"
BRISK = SLOW.replace("1h, steps: 60", "4m, steps: 8")
SCHEDULED = SLOW.replace("1h, steps: 60", "0s, steps: 16").replace(
    "until: 2h", "until: 2h, budget: 300/s, updates: {arrivals: constant, rate: 50/m, from: 2m}"
)
"""The same by a schedule: 320 updates in 6.4 minutes."""
SECURE = """\
fleet: [{cohort: g, things: 2, work: {duration: 1s, steps: 2}}]
job: {document: {}}
load: {until: 2s}
expect: {succeeded: "== 100%"}
"""


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
def two_processes(folder: Path, scenario: str) -> Iterator[Any]:
    folder.mkdir()
    (folder / "s.yaml").write_text(scenario)
    command = [*JOBFLEET, "run", str(folder / "s.yaml"), "--out", str(folder / "out")]
    with started([*command, "--processes", "2"]) as process:
        yield process


def workers_of(process: Any) -> list[psutil.Process]:
    """The two workers, both of which have things at work."""
    said(process.stderr, "IN_PROGRESS=20")
    (master,) = psutil.Process(process.pid).children()
    return [one for one in master.children() if "locust" in one.cmdline()]


Ended = dict[str, tuple[int, str, str, Path]]


@pytest.fixture(scope="module")
def bereaved(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Runs at once, since all wait: one loses a worker, one both, and to one nobody comes."""
    folder = tmp_path_factory.mktemp("bereaved")
    one, both, none, ended = folder / "one", folder / "both", folder / "none", {}
    lead = [*JOBFLEET, "run", SMOKE, "--out", str(none / "out"), "--master", "--master-bind-port",
            str(free_port()), "--expect-workers-max-wait", "1"]  # fmt: skip
    with (
        two_processes(one, BRISK) as first,
        two_processes(both, SLOW) as second,
        started(lead) as third,
    ):
        workers_of(first)[0].kill()
        for worker in workers_of(second):
            worker.kill()
        for process, path in ((first, one), (second, both), (third, none)):
            told, wrong = process.communicate(timeout=60)
            ended[path.name] = (process.returncode, told, wrong, path / "out")
    return ended


@pytest.mark.slow
def test_two_processes_count_as_one(tmp_path: Path) -> None:
    """Every thing is begun once, and Locust's tables are those of all workers' records."""
    one, two = tmp_path / "one", tmp_path / "two"
    spread_out = ("--out", two, "--processes", "2")
    for words in (("rehearse", SMOKE, "--out", one), ("run", SMOKE, *spread_out)):
        done = jobfleet(*words)
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
def test_the_others_take_up_what_a_killed_worker_had(bereaved: Ended) -> None:
    code, out, err, folder = bereaved["one"]
    assert code == 0, out + err
    seen = summary(folder)
    assert seen["executions"] == {"SUCCEEDED": 20}  # nothing twice, nothing forgotten
    assert seen["ended"] == "job completed"
    assert "10 things were taken up by others" in out
    told = json.loads((folder / "machine.json").read_text())["workers"]
    (lost,) = (one for one in told if one["lost_at_s"] is not None)
    (other,) = (one for one in told if one["lost_at_s"] is None)
    assert (lost["things"], lost["told_all"], other["things"]) == (10, False, 20)
    assert lost["records"] + other["records"] == len(records(folder))
    times = connected_once(records(folder))
    assert times.min() >= 1
    assert times.sum() <= 30


@pytest.mark.slow
def test_a_worker_that_is_told_to_go_hands_over_all_it_has(tmp_path: Path) -> None:
    """Its things, its records, and its part of the schedule and of the budget."""
    with two_processes(tmp_path / "run", SCHEDULED) as process:
        workers_of(process)[0].terminate()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "10 things were taken up by others; nothing of its records is missing" in out
    folder = tmp_path / "run" / "out"
    seen = summary(folder)
    assert seen["executions"] == {"SUCCEEDED": 20}
    assert sorted(connected_once(records(folder))) == [1] * 10 + [2] * 10
    load = seen["open_load"]
    assert load["begun"] >= 320
    assert load["due"] == load["begun"] + load["waiting"]
    with (folder / "generator.csv").open() as file:
        measured = list(csv.DictReader(file))
    assert len({row["worker"] for row in measured}) == 2
    assert max(float(row["cpu"]) for row in measured) == seen["generator"]["cpu_max"]


@pytest.mark.slow
def test_a_run_without_any_worker_left_is_exit_code_4(bereaved: Ended) -> None:
    code, out, err, folder = bereaved["both"]
    assert code == 4, out + err
    assert "ended: no worker is left" in out
    assert "Traceback" not in err
    assert summary(folder)["executions"] == {"IN_PROGRESS": 20}


@pytest.mark.slow
def test_a_worker_that_comes_late_takes_up_what_one_that_leaves_hands_over(tmp_path: Path) -> None:
    """Master and workers as in shells of their own; a Ctrl-C to the master drains the one left."""
    port = str(free_port())
    (tmp_path / "s.yaml").write_text(SLOW)
    lead = [*JOBFLEET, "run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out"), "--master"]
    work = [*JOBFLEET, "run", "--worker", "--master-port", port]
    with started([*lead, "--master-bind-port", port]) as master, started(work) as one:
        said(master.stderr, "IN_PROGRESS=20")
        with started(work) as two:
            said(master.stderr, "came late: it gets what others lose")
            one.terminate()
            said(master.stderr, "was lost with 20 things")
            said(master.stderr, "20/20 connected")
            master.send_signal(signal.SIGINT)
            out, err = master.communicate(timeout=60)
            assert master.returncode == 130, out + err
            for worker in (one, two):
                told, wrong = worker.communicate(timeout=30)
                assert worker.returncode == 0, told + wrong
                assert "Traceback" not in wrong
    assert "20 things were taken up by others; nothing of its records is missing" in out
    seen = json.loads((tmp_path / "out" / "machine.json").read_text())["workers"]
    assert [(worker["things"], worker["told_all"]) for worker in seen] == [(20, True)] * 2
    assert sum(worker["records"] for worker in seen) == len(records(tmp_path / "out"))
    assert connected_once(records(tmp_path / "out")).tolist() == [2] * 20  # one after the other
    assert summary(tmp_path / "out")["executions"] == {"IN_PROGRESS": 20}


@pytest.mark.slow
def test_workers_show_a_certificate_per_thing_and_say_why_they_are_refused(tmp_path: Path) -> None:
    """The second worker finds other authorities where the first finds the service's."""
    for folder in ("good", "bad"):
        (tmp_path / folder / "pki").mkdir(parents=True)
        make_certificates(tmp_path / folder / "pki", "g-000000", "g-000001")
    good, bad, port = tmp_path / "good", tmp_path / "bad", str(free_port())
    (tmp_path / "s.yaml").write_text(SECURE)
    doors = ("--tls", str(good / "pki"), "--mtls", "--ca", str(good / "pki" / "ca.pem"))
    work = [*JOBFLEET, "run", "--worker", "--master-port", port]
    with serving(*doors, "--mqtts-port", "0") as (_, where):
        lead = [
            *JOBFLEET, "run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out"),
            "--master", "--expect-workers", "2", "--master-bind-port", port,
            "--certs", "pki", "--ca", "pki/ca.pem", "--target", f"mqtts://localhost:{where['mqtts']}",
            "--control", f"http://localhost:{where['http']}",
        ]  # fmt: skip
        with started(lead, good) as master, started(work, good), started(work, bad):
            out, err = master.communicate(timeout=60)
    assert master.returncode == 1, out + err
    assert summary(tmp_path / "out")["executions"] == {"QUEUED": 1, "SUCCEEDED": 1}
    (line,) = (one for one in out.splitlines() if "none of its things was ever answered" in one)
    assert "its certificate is of no authority that is trusted here" in line


@pytest.mark.slow
def test_a_master_whose_workers_do_not_come_is_exit_code_3(bereaved: Ended) -> None:
    code, out, err, _ = bereaved["none"]
    assert code == 3, out + err
    assert "Error: 0 of 1 workers came within 1 s; start them with --worker" in err
    assert "Traceback" not in err


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
    options: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = ["jobfleet", "run", str(ROOT / SMOKE), "--out", str(tmp_path / "out"), *options]
    monkeypatch.setattr("sys.argv", run)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capfd.readouterr().err
    assert error.count("Error: ") == 1
    assert words in error
    assert not (tmp_path / "out").exists()
