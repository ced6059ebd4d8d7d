"""``jobfleet serve --scenario``: foreign agents meet the scenario's jobs and incidents."""

import http.client
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_mqtt_awsiotsdk import WAIT_S, Client
from tests.processes import JOBFLEET, jobfleet, said, started, summary

PLAYED = """\
fleet:
  - {cohort: a, things: 2, work: {duration: 1s}}
  - {cohort: b, things: 2, work: {duration: 1s}}
jobs:
  - {create: {jobId: first, document: {}}, where: {cohort: a}}
  - {create: {jobId: later, document: {}}, at: 400s}
service:
  - {name: busy, throttle: 100%, at: 400s, lasts: 100s}
  - {name: over, cancel_job: later, force: true, at: 600s}
load: {time_scale: 100, until: 1h}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "played.yaml"
    path.write_text(PLAYED)
    return path


def command(scenario: Path, *options: str) -> list[str]:
    ports = ["--mqtt-port", "0", "--http-port", "0", "--json"]
    return [
        *JOBFLEET,
        "serve",
        *ports,
        "--time-scale",
        "100",
        "--scenario",
        str(scenario),
        *options,
    ]


class Asking:
    """The service's HTTP door."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.port = int(json.loads(process.stdout.readline())["http"])

    def __call__(self, method: str, path: str, **members: Any) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, json.dumps(members) if members else None)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, json.loads(body or b"{}")

    def until(self, path: str, holds: Callable[[int, Any], bool]) -> Any:
        """Ask until it holds."""
        for _ in range(1000):
            status, body = self("GET", path)
            if holds(status, body):
                return body
            time.sleep(0.02)
        raise AssertionError(f"{path}: {body}")


def test_jobs_come_at_their_times_for_their_things_and_incidents_follow(scenario: Path) -> None:
    with started(command(scenario)) as process:
        ask = Asking(process)
        assert ask("GET", "/jobs/first")[1]["job"]["jobProcessDetails"]["numberOfQueuedThings"] == 2
        assert ask("GET", "/things/b-000000/jobs")[1]["queuedJobs"] == []
        ask.until("/jobs/later", lambda status, _: status == 200)
        ask.until("/things/b-000000/jobs/later", lambda status, _: status == 429)
        begun = ask.until("/things/b-000000/jobs/$next", lambda status, _: status == 200)
        assert begun["execution"]["jobId"] == "later"
        ask.until("/jobs/later", lambda _, body: body["job"]["status"] == "CANCELED")
        assert "incident over" in ask("GET", "/jobs/later")[1]["job"]["comment"]
        process.terminate()
        lines = "".join(said(process.stderr, "incident over happened"))
    assert "WARNING incident busy begins: throttle of 1 of all requests" in lines
    assert "WARNING incident busy ends: " in lines
    assert "WARNING incident over happened: cancel-job of 1 jobs" in lines


def test_without_incidents_nothing_happens(scenario: Path) -> None:
    with started(command(scenario, "--no-incidents")) as process:
        ask = Asking(process)
        ask.until("/jobs/later", lambda status, _: status == 200)
        assert ask("PUT", "/things/b-000000/jobs/$next", stepTimeoutInMinutes=600)[0] == 200


def test_without_jobs_the_timeline_begins_with_the_first_one(tmp_path: Path) -> None:
    path = tmp_path / "cut.yaml"
    path.write_text(
        "fleet: [{cohort: a, things: 1, work: {duration: 1s}}]\n"
        "job: {document: {}, jobId: J}\n"
        "service: [{name: over, cancel_job: J, at: 100s}]\n"
    )
    with started(command(path, "--no-jobs")) as process:
        ask = Asking(process)
        assert ask("GET", "/jobs/J")[0] == 404
        target = "arn:aws:iot:us-east-1:123456789012:thinggroup/jobfleet-J"
        assert ask("PUT", "/jobs/J", targets=[target], document="{}")[0] == 200
        job = ask.until("/jobs/J", lambda _, body: body["job"]["status"] == "CANCELED")["job"]
        assert job["lastUpdatedAt"] - job["createdAt"] >= 99


def test_switches_without_a_scenario_are_an_error() -> None:
    done = jobfleet("serve", "--no-jobs")
    assert done.returncode == 2
    assert "--no-jobs and --no-incidents are about a --scenario" in done.stderr


def test_a_client_of_aws_is_disconnected_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "cut.yaml"
    path.write_text(
        "fleet: [{cohort: a, things: 1, work: {duration: 1s}}]\n"
        "job: {document: {}, jobId: J}\n"
        "service: [{name: cut, disconnect: true, at: 0s, every: 100ms}]\n"
    )
    with started(command(path, "--time-scale", "1")) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["mqtt"]
        client = Client(port, "a-000000")
        gone = client.gone.result(WAIT_S)
        assert gone.disconnect_packet.reason_code == 0x98  # an administrative action
        client.stop()


def test_a_live_run_meets_the_incidents_that_its_rehearsal_meets(tmp_path: Path) -> None:
    """What depends on no timing of the network is the same: who was cancelled, who succeeded."""
    path = tmp_path / "both.yaml"
    path.write_text(
        "fleet:\n"
        "  - {cohort: a, things: 10, work: {duration: 60s, steps: 3}}\n"
        "  - {cohort: b, things: 10, work: {duration: 60s, steps: 3}}\n"
        "job: {document: {}, jobId: J}\n"
        "service:\n"
        "  - {name: stop, cancel_execution: {where: {cohort: b}}, force: true, at: 30s}\n"
        "load: {time_scale: 30, until: 10m}\n"
    )
    counts = []
    for kind in ("rehearse", "run"):
        out = tmp_path / kind
        done = jobfleet(kind, path, "--out", out)
        assert done.returncode == 0, done.stdout + done.stderr
        counts.append((summary(out)["executions"], summary(out)["incidents"]))
    assert counts == [({"SUCCEEDED": 10, "CANCELED": 10}, {"stop": 10})] * 2
