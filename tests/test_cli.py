"""The command line as a user meets it: real processes, what they print, how they end."""

import http.client
import json
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request
from urllib.request import urlopen as web

import pytest

from simulator.errors import UsageError
from simulator.live_options import connections
from simulator.open_files import make_all_room, make_room
from simulator.scenario import loads
from simulator.today import utc_now
from tests.processes import (
    ARN,
    JOBFLEET,
    ROOT,
    SLOW,
    aws,
    jobfleet,
    serving,
    summary,
)

# ------------------------------------------------------------------------------- quick commands


def test_help_names_every_command() -> None:
    done = jobfleet("--help")
    assert done.returncode == 0
    for command in (
        "rehearse",
        "run",
        "serve",
        "check",
        "schema",
        "explain",
        "sweep",
        "shrink",
    ):
        assert command in done.stdout
        assert jobfleet(command, "--help").returncode == 0


HEAVY = {"aiohttp", "botocore", "distributed", "duckdb", "gevent", "jinja2", "locust", "matplotlib",
         "plotly", "pyarrow", "rich", "uvloop"}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (["--help"], {"numpy", "pydantic"}),
        (["version"], {"numpy"}),
        (["check", "scenarios/smoke.yaml"], set()),
    ],
)
def test_what_is_heavy_is_imported_when_it_is_needed(words: list[str], more: set[str]) -> None:
    code = (
        f"import sys; sys.argv = ['jobfleet', *{words}]\nfrom simulator.cli import main\n"
        f"try: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert not set(done.stdout.splitlines()[-1].split()) & (HEAVY | more)


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
        (
            ["run", "scenarios/smoke.yaml", "--transport", "carrier"],
            "mqtt, aiomqtt and http",
        ),
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
    with pytest.raises(UsageError, match=r"2,000 connections\) need 2,100 .* at most 950 things"):
        make_room(1000, 2000)
    make_all_room()
    assert raised[1:] == [(2000, 2000)]


def test_a_thing_may_need_several_connections() -> None:
    """Over HTTP a look and each of its requests, of a second agent likewise; over MQTT one each."""
    text = """\
fleet:
  - {cohort: a, things: 10, work: {duration: 1m}}
  - {cohort: b, things: 10, work: {duration: 1m}, agent: {parallel: 2}}
  - {cohort: c, things: 10, work: {duration: 1m}, agent: {second: 50%}}
job: {document: {}}
load: {until: 1h}
"""
    scenario = loads(text, "s").scenario
    assert connections(scenario, "mqtt") == 10 + 10 + 20
    assert connections(scenario, "http") == 20 + 30 + 40


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


def test_a_full_disk_under_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*JOBFLEET, "check", "scenarios/smoke.yaml"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Error: [Errno 28] No space left on device\n"
