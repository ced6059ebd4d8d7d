"""The command line as a user meets it: real processes, what they print, how they end."""

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.request import Request
from urllib.request import urlopen as web

import psutil
import pytest

from simulator.errors import UsageError
from simulator.open_files import make_all_room, make_room
from simulator.results import OPERATIONS
from simulator.run import utc_now

ROOT = Path(__file__).parents[1]
JOBFLEET = [sys.executable, "-m", "simulator.cli"]
AWS = [str(Path(sys.executable).parent / "aws")]
ARN = "arn:aws:iot:us-east-1:123456789012:thing/T"
ENV = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_PAGER": "",
    "AWS_EC2_METADATA_DISABLED": "true",
}
SLOW = """\
fleet:
  - cohort: g
    things: 20
    work: {duration: 1h, steps: 60}
job: {document: {}}
load: {time_scale: 60, until: 2h}
expect: {succeeded: "== 100%"}
"""


def jobfleet(*arguments: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*JOBFLEET, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        check=False,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def answering(port: int) -> None:
    """Wait until somebody listens on a port."""
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nobody listens on {port}")


def summary(directory: Path) -> Any:
    return json.loads((directory / "summary.json").read_text())


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """``jobfleet serve`` on free ports."""
    command = [*JOBFLEET, "serve", "--mqtt-port", "0", "--http-port", "0", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process whose output is read; it ends with the block, whatever happens there."""
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def said(stream: Any, words: str) -> list[str]:
    """The lines of a stream up to the one with these words; it must come."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


def aws(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    endpoint = f"http://127.0.0.1:{port}"
    return subprocess.run(
        [*AWS, *arguments, "--endpoint-url", endpoint, "--output", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENV,
        check=False,
    )


# ------------------------------------------------------------------------------- quick commands


def test_help_names_every_command() -> None:
    done = jobfleet("--help")
    assert done.returncode == 0
    for command in ("rehearse", "run", "serve", "check", "schema"):
        assert command in done.stdout
        assert jobfleet(command, "--help").returncode == 0


def test_help_and_rehearse_never_import_locust() -> None:
    code = (
        "import sys; from simulator.cli import app; import simulator.cli.runs; "
        "sys.exit('locust' in sys.modules or 'gevent' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_check_and_schema(tmp_path: Path) -> None:
    done = jobfleet("check", *sorted((ROOT / "scenarios").glob("*.yaml")))
    assert done.returncode == 0
    assert "rollout.yaml: ok, 1,000 things" in done.stdout
    bad = tmp_path / "bad.yaml"
    bad.write_text(SLOW.replace("things: 20", "things: some"))
    done = jobfleet("check", "scenarios/smoke.yaml", bad)
    assert done.returncode == 2
    assert f"{bad}:3: fleet[0].things: 'some' is not a whole number" in done.stderr
    assert json.loads(jobfleet("schema").stdout)["title"] == "jobfleet scenario"


def test_rehearse_prints_the_summary_and_the_path_last(tmp_path: Path) -> None:
    done = jobfleet("rehearse", "scenarios/timeouts.yaml", "--things", "50", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Verdict: passed" in done.stdout
    assert done.stdout.splitlines()[-1] == f"Run directory: {tmp_path}"
    assert "seed 1" in done.stderr
    assert summary(tmp_path)["clock"] == "virtual"


def test_an_expectation_that_fails_is_exit_code_1(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SLOW.replace("== 100%", "== 50%"))
    done = jobfleet("rehearse", scenario, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "FAILED succeeded == 50%: observed 100.00%" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rehearse", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["run", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["rehearse", "scenarios/smoke.yaml", "--things", "0"], "at least one thing"),
        (["rehearse", "scenarios/smoke.yaml", "--seed", "-1"], "a seed is 0 to"),
        (["rehearse", "scenarios/smoke.yaml", "--out", "/dev/null/x"], "cannot make the run dir"),
        (["run", "scenarios/smoke.yaml", "--transport", "carrier"], "allowed are mqtt and aiomqtt"),
        (["run", "scenarios/smoke.yaml", "--target", "mqtt://127.0.0.1:1"], "set it to 1"),
        (["rehaerse"], "No such command"),
    ],
)
def test_a_wrong_command_line_is_one_error_and_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    if arguments[0] == "run" and "--out" not in arguments:
        arguments = [*arguments, "--out", str(tmp_path)]
    done = jobfleet(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_begins_when_it_is_told_to() -> None:
    with serving("--epoch", "2031-02-03T04:05:06") as (_, where):
        url = f"http://127.0.0.1:{where['http']}"
        form = json.dumps({"targets": [ARN], "document": "{}"}).encode()
        with web(Request(f"{url}/things/T", b"{}", method="POST")):
            pass
        with web(Request(f"{url}/jobs/J", form, method="PUT")):
            pass
        with web(f"{url}/jobs/J") as answer:
            created = json.load(answer)["job"]["createdAt"]
    assert 0 <= created - datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp() < 60


def test_a_port_in_use_is_one_error_and_exit_code_2() -> None:
    with serving() as (_, where):
        done = jobfleet("serve", "--mqtt-port", str(where["mqtt"]), "--http-port", "0")
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{where['mqtt']}" in done.stderr
    assert "--mqtt-port (0 picks a free one)" in done.stderr


def test_too_few_open_files_is_told_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 2000))
    raised: list[object] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    make_room(500)
    assert raised == []
    make_room(1500)
    assert raised == [(1600, 2000)]
    with pytest.raises(UsageError, match=r"run at most 1,900 things, or raise the limit"):
        make_room(5000)
    make_all_room()
    assert raised[1:] == [(2000, 2000)]


# ------------------------------------------------------------------------------- the AWS CLI


@pytest.mark.slow
def test_the_aws_cli_works_against_serve() -> None:
    with serving() as (_, where):
        port = where["http"]
        assert json.loads(aws(port, "iot", "create-thing", "--thing-name", "T").stdout)["thingArn"]
        done = aws(
            port, "iot", "create-job", "--job-id", "J", "--targets", ARN, "--document", '{"a":1}',
            "--timeout-config", "inProgressTimeoutInMinutes=60",
        )  # fmt: skip
        assert json.loads(done.stdout)["jobId"] == "J", done.stderr
        data = "iot-jobs-data"
        named = ("--thing-name", "T")
        done = aws(port, data, "start-next-pending-job-execution", *named)
        execution = json.loads(done.stdout)["execution"]
        assert (execution["status"], execution["jobDocument"]) == ("IN_PROGRESS", '{"a":1}')
        assert 0 <= utc_now().timestamp() - execution["queuedAt"] < 60  # it began now
        update = (data, "update-job-execution", *named, "--job-id", "J", "--status")
        done = aws(
            port, *update, "SUCCEEDED", "--expected-version", "2", "--include-job-execution-state",
            "--status-details", "step=done",
        )  # fmt: skip
        assert json.loads(done.stdout)["executionState"] == {
            "status": "SUCCEEDED",
            "versionNumber": 3,
            "statusDetails": {"step": "done"},
        }
        done = aws(port, *update, "REMOVED")
        assert done.returncode != 0
        assert "InvalidStateTransitionException" in done.stderr
        described = json.loads(aws(port, "iot", "describe-job", "--job-id", "J").stdout)["job"]
        assert described["status"] == "COMPLETED"


# ------------------------------------------------------------------------------- live runs


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
def test_an_interrupt_drains_and_writes_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
    assert "ended: interrupted" in out
    assert "20 IN_PROGRESS" in out
    assert "Interrupted: the verdict is of what was seen until then." in out
    assert summary(tmp_path / "out")["unfinished"] == {"IN_PROGRESS": 20}


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
            with web(f"{url}/stats/requests") as answer:
                counts = {row["name"]: row["num_requests"] for row in json.load(answer)["stats"]}
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


def test_serve_throttles_as_aws_where_told() -> None:
    done = jobfleet("serve", "--quotas", "some")
    assert (done.returncode, done.stderr) == (
        2,
        "Error: --quotas some: allowed are none and aws\n",
    )
    for options, worst in (((), 200), (("--quotas", "aws"), 400)):
        with serving(*options) as (_, where):
            connection = http.client.HTTPConnection("127.0.0.1", where["http"], timeout=10)
            statuses = set()
            for _ in range(60):
                connection.request("GET", "/jobs")
                answer = connection.getresponse()
                answer.read()
                statuses.add(answer.status)
            connection.close()
            assert max(statuses) == worst
