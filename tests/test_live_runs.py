"""Live runs as a user meets them: Locust, a service in a process of its own, real sockets."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen as web

import psutil
import pytest

from simulator.results import OPERATIONS
from tests.misbehaving import Manner, misbehaving, nonsense
from tests.processes import (
    JOBFLEET,
    ROOT,
    SLOW,
    answering,
    aws,
    free_port,
    jobfleet,
    said,
    serving,
    started,
    summary,
)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["mqtt", "aiomqtt"])
def test_a_live_run_counts_as_its_rehearsal_does(transport: str, tmp_path: Path) -> None:
    scenario = "scenarios/smoke.yaml"
    done = jobfleet("run", scenario, "--out", tmp_path / "live", "--transport", transport)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"Run directory: {tmp_path / 'live'}"
    assert "10/10 connected" in done.stderr
    assert jobfleet("rehearse", scenario, "--out", tmp_path / "virtual").returncode == 0
    real, virtual = summary(tmp_path / "live"), summary(tmp_path / "virtual")
    assert (real["clock"], real["transport"]) == ("wall", transport)
    for number in ("executions", "timeouts", "conflicts", "unfinished", "ended"):
        assert real[number] == virtual[number]
    latency = real["requests"]["UpdateJobExecution"]["latency_ms"]
    assert latency["p50"] % 1 != 0  # uvloop's own time would be whole milliseconds
    for operation in OPERATIONS:
        for number in ("sent", "accepted", "rejected", "no_reply"):
            one, other = real["requests"].get(operation), virtual["requests"].get(operation)
            assert one is other is None or one[number] == other[number]
    files = {path.name for path in (tmp_path / "live").iterdir()}
    assert {
        "scenario.yaml", "summary.json", "machine.json", "records.npz", "locust.html",
        "locust_stats.csv", "locust_failures.csv",
    } <= files  # fmt: skip


@pytest.mark.slow
def test_the_locust_way(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/fleet.py", "--headless"]
    command += ["--scenario", "scenarios/smoke.yaml", "-u", "30", "-r", "100", "-t", "30s"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)],
        capture_output=True, text=True, timeout=90, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verdict: passed" in done.stdout
    assert summary(tmp_path)["executions"] == {"SUCCEEDED": 30}


@pytest.mark.slow
def test_locust_refuses_a_wrong_scenario_before_anything_starts(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("fleet: 3\n")
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/fleet.py", "--headless"]
    done = subprocess.run(
        [*command, "--scenario", str(bad)],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"{bad}:1: fleet: 3 is not a list" in done.stderr


QUICK = """\
fleet:
  - cohort: g
    things: 2
    work: {duration: 1s, steps: 2}
job: {document: {}}
load: {until: 20s}
expect: {succeeded: "== 100%"}
"""


@contextmanager
def running(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A live run of SLOW, all of its things at work."""
    scenario = tmp_path / "slow.yaml"
    scenario.write_text(SLOW if not options else SLOW.replace("time_scale: 60, ", ""))
    command = [*JOBFLEET, "run", str(scenario), "--out", str(tmp_path / "out"), *options]
    with started(command) as process:
        said(process.stderr, "IN_PROGRESS=20")
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("signals", [
    (signal.SIGINT,), (signal.SIGINT, signal.SIGINT, signal.SIGTERM), (signal.SIGTERM,) * 2,
], ids=len)  # fmt: skip
def test_an_interrupt_drains_and_writes_and_says_so(
    tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    """However many signals come: the run drains once."""
    with running(tmp_path) as process:
        for number in signals:
            process.send_signal(number)
            time.sleep(0.1)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, out + err
    assert "ended: interrupted" in out
    assert "20 IN_PROGRESS" in out
    assert "Interrupted: the verdict is of what was seen until then." in out
    assert "Traceback" not in err
    assert summary(tmp_path / "out")["unfinished"] == {"IN_PROGRESS": 20}
    assert (tmp_path / "out" / "locust.html").exists()


@pytest.mark.slow
def test_an_interrupt_during_set_up_says_that_nothing_was_measured(tmp_path: Path) -> None:
    command = [*JOBFLEET, "run", "scenarios/smoke.yaml", "--out", str(tmp_path / "out")]
    with started(command) as process:
        said(process.stderr, "Question:")
        while not (tmp_path / "out").exists():
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Interrupted before anything was measured." in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_locusts_run_time_is_no_interrupt(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SLOW.replace("100%", "0%"))
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/fleet.py", "--headless"]
    command += ["--scenario", str(scenario), "--out", str(tmp_path / "out"), "-t", "1s"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ended: run time reached" in done.stdout
    assert "Interrupted" not in done.stdout


@pytest.mark.slow
def test_a_service_that_is_killed_is_exit_code_3_and_its_last_counts(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        pids = subprocess.run(
            ["pgrep", "-f", f"simulator.cli serve.*{tmp_path}"],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        os.kill(int(pids[0]), signal.SIGKILL)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 3
    assert "ended: service lost" in out
    assert "The target was lost" in out
    assert summary(tmp_path / "out")["executions"] == {"IN_PROGRESS": 20}


@pytest.mark.slow
def test_runs_from_locusts_web_ui(tmp_path: Path) -> None:
    """Two, one after the other; each says its summary when it ends."""
    port = free_port()
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/fleet.py", "--web-host"]
    command += ["127.0.0.1", "--web-port", str(port), "--scenario", "scenarios/smoke.yaml"]
    url = f"http://127.0.0.1:{port}"
    with started(command) as process:
        said(process.stderr, "Starting web interface")
        answering(port)
        for users in (10, 5):
            form = f"user_count={users}&spawn_rate=10&host=".encode()
            with web(f"{url}/swarm", form) as answer:
                assert json.load(answer)["success"]
            lines = said(process.stdout, "Run directory:")
            assert f"smoke: {users} things, seed 1, live\n" in lines
            assert "Verdict: passed\n" in lines
            shutil.rmtree(ROOT / lines[-1].removeprefix("Run directory: ").strip())
            counts: dict[str, int] = {}
            for _ in range(100):  # Locust keeps an answer for two seconds
                with web(f"{url}/stats/requests") as answer:
                    rows = json.load(answer)["stats"]
                counts = {row["name"]: row["num_requests"] for row in rows}
                if counts.get("UpdateJobExecution") == 3 * users:
                    break
                time.sleep(0.1)
            assert counts["UpdateJobExecution"] == 3 * users
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "Verdict" not in out


@pytest.mark.slow
def test_a_run_against_a_service_that_runs_already(tmp_path: Path) -> None:
    with serving() as (_, where):
        target = ("--target", f"mqtt://127.0.0.1:{where['mqtt']}")
        control = ("--control", f"http://127.0.0.1:{where['http']}")
        with running(tmp_path, *target, *control) as process:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert process.returncode == 130
        described = aws(where["http"], "iot", "describe-job", "--job-id", "slow").stdout
        details = json.loads(described)["job"]["jobProcessDetails"]
        assert details["numberOfInProgressThings"] == 20


@pytest.mark.slow
def test_the_same_job_again_at_a_target_is_one_error(tmp_path: Path) -> None:
    with serving() as (_, where):
        target = ("--target", f"mqtt://127.0.0.1:{where['mqtt']}")
        control = ("--control", f"http://127.0.0.1:{where['http']}")
        scenario = tmp_path / "s.yaml"
        scenario.write_text(QUICK)
        first = jobfleet("run", scenario, "--out", tmp_path / "one", *target, *control)
        assert first.returncode == 0, first.stdout + first.stderr
        again = jobfleet("run", scenario, "--out", tmp_path / "two", *target, *control)
        assert again.returncode == 2, again.stdout + again.stderr
        assert "give the scenario another job.jobId" in again.stderr
        scenario.rename(tmp_path / "other.yaml")
        other = jobfleet(
            "run", tmp_path / "other.yaml", "--things", "1", "--out", tmp_path / "three",
            *target, *control,
        )  # fmt: skip
        assert other.returncode == 0, other.stdout + other.stderr
        assert summary(tmp_path / "three")["executions"] == {"SUCCEEDED": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("manner", "transport"),
    [
        ("silent", "mqtt"),
        ("garbage", "mqtt"),
        ("drops after SUBACK", "mqtt"),
        ("drops after SUBACK", "aiomqtt"),
        ("drops a request", "aiomqtt"),
    ],
)
def test_a_target_that_misbehaves_ends_by_the_deadline(
    manner: Manner, transport: str, tmp_path: Path
) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(QUICK.replace("20s", "3s"))
    with serving() as (_, where), misbehaving(manner) as odd:
        done = jobfleet(
            "run", scenario, "--out", tmp_path / "out", "--transport", transport,
            "--target", f"mqtt://127.0.0.1:{odd.port}",
            "--control", f"http://127.0.0.1:{where['http']}",
        )  # fmt: skip
    reached = manner.startswith("drops")
    assert done.returncode == (1 if reached else 3), done.stdout + done.stderr
    assert ("ended: until reached" if reached else "no thing could connect") in done.stdout
    assert "Traceback" not in done.stderr
    assert odd.connections < 60  # things come back, with backoff
    assert summary(tmp_path / "out")["executions"] == {"QUEUED": 2}


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["{}", "[]"])
def test_a_control_plane_that_answers_nonsense_is_exit_code_3(answer: str, tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(QUICK)
    with serving() as (_, where), nonsense(answer.encode()) as port:
        done = jobfleet(
            "run", scenario, "--out", tmp_path / "out",
            "--target", f"mqtt://127.0.0.1:{where['mqtt']}",
            "--control", f"http://127.0.0.1:{port}",
        )  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr
    assert "is no answer of AWS IoT's" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_target_that_refuses_is_exit_code_3(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SLOW.replace("time_scale: 60, ", ""))
    began = time.perf_counter()
    done = jobfleet(
        "run", scenario, "--out", tmp_path / "out",
        "--target", "mqtt://127.0.0.1:1", "--control", "http://127.0.0.1:1",
    )  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Error: no thing could connect to mqtt://127.0.0.1:1: " in done.stderr
    assert time.perf_counter() - began < 60


@pytest.mark.slow
def test_a_generator_that_is_late_is_exit_code_4(tmp_path: Path) -> None:
    """It is held up for a second, while twenty things want to report every half a second."""
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SLOW.replace("1h, steps: 60", "4m, steps: 8"))
    command = [*JOBFLEET, "run", str(scenario), "--out", str(tmp_path / "out")]
    with started(command) as process:
        said(process.stderr, "IN_PROGRESS=20")
        (generator,) = psutil.Process(process.pid).children()
        generator.suspend()
        time.sleep(1)
        generator.resume()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 4, out + err
    assert "could not keep its own schedule" in out
    machine = json.loads((tmp_path / "out" / "machine.json").read_text())
    assert machine["p99_schedule_slip_ms"] > 250
    assert machine["exit_code"] == 4


def test_an_interrupted_rehearsal_sums_up_what_it_saw(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SLOW.replace("steps: 60", "steps: 60000").replace("2h", "700d"))
    command = [*JOBFLEET, "rehearse", str(scenario), "--out", str(tmp_path / "out")]
    with started(command) as process:
        while psutil.Process(process.pid).cpu_times().user < 2:  # it is well beyond its start
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
    assert "ended: interrupted" in out
    assert summary(tmp_path / "out")["ended"] == "interrupted"


def test_a_job_that_is_deleted_has_ended_live_as_rehearsed(tmp_path: Path) -> None:
    scenario = tmp_path / "deleted.yaml"
    scenario.write_text(
        "fleet: [{cohort: a, things: 3, work: {duration: 10m}}]\n"
        "job: {document: {}, jobId: J}\n"
        "service: [{delete_job: J, force: true, at: 1m}]\n"
        "load: {time_scale: 60, until: 1h}\n"
    )
    for command in ("run", "rehearse"):
        done = jobfleet(command, scenario, "--out", tmp_path / command)
        assert done.returncode == 0, done.stderr
        told = summary(tmp_path / command)
        assert (told["ended"], told["executions"]) == ("job deleted", {})
