"""``jobfleet serve --broker`` as a user starts it, and a live run through a real Mosquitto."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.mosquitto import free_port, mosquitto, needs_mosquitto

ROOT = Path(__file__).parents[1]
JOBFLEET = [sys.executable, "-m", "simulator.cli"]

RUN = """\
fleet:
  - cohort: lamps
    things: 10
    work: {duration: 600ms, steps: 3}
job:
  document: {operation: blink}
load: {ramp: 50/s, time_scale: 1, until: 60s}
expect: {succeeded: "== 100%", conflicts: "== 0"}
"""
"""scenarios/smoke.yaml, made so short that it needs no other clock."""


class Service:
    """A process of its own."""

    def __init__(self, *options: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [*JOBFLEET, "serve", "--http-port", "0", "--json", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env=os.environ | env,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate(timeout=20)[1])
        self.said: dict[str, Any] = json.loads(line)

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)
        assert self.process.returncode == 0

    def crash(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


@contextmanager
def serving(*options: str, **env: str) -> Iterator[Service]:
    service = Service(*options, **env)
    try:
        yield service
    finally:
        if service.process.returncode is None:
            service.end()


def refused(*options: str) -> tuple[int, str]:
    """Exit code and the one error."""
    done = subprocess.run(
        [*JOBFLEET, "serve", "--http-port", "0", *options],
        capture_output=True, text=True, timeout=30, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ")
    return done.returncode, done.stderr


def test_a_broker_that_is_not_there_is_exit_code_3() -> None:
    code, said = refused("--broker", f"mqtt://u:hidden@127.0.0.1:{free_port()}")
    assert code == 3
    assert "cannot connect" in said
    assert "hidden" not in said


@pytest.mark.parametrize(
    "options",
    [
        ("--broker", "http://127.0.0.1"),
        ("--broker", "mqtt://127.0.0.1", "--shard", "3/2"),
        ("--shard", "1/2"),
        ("--broker-client-id", "x"),
    ],
)
def test_options_that_will_not_do_are_exit_code_2(options: tuple[str, ...]) -> None:
    assert refused(*options)[0] == 2


@needs_mosquitto
def test_there_is_no_mqtt_port_of_its_own_unless_asked_for(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        with serving("--broker", broker.url) as service:
            assert set(service.said) == {"host", "http", "broker"}
            assert service.said["broker"] == broker.url
        secret = broker.url.replace("//", "//user:hidden@")
        with serving("--mqtt-port", "0", JOBFLEET_BROKER=secret) as service:
            assert service.said["broker"] == broker.url
            socket.create_connection(("127.0.0.1", service.said["mqtt"]), timeout=5).close()


@needs_mosquitto
def test_the_text_names_broker_and_shard(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        command = [*JOBFLEET, "serve", "--http-port", "0", "--broker", broker.url]
        with subprocess.Popen(
            [*command, "--shard", "1/2"], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            process.terminate()
        assert lines[1] == f"Broker {broker.url}  (shard 1/2)\n"
        assert lines[0].startswith("HTTP ")


@needs_mosquitto
def test_the_second_of_two_is_refused_and_may_follow_a_crash(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, serving("--broker", broker.url) as first:
        code, said = refused("--broker", broker.url, "--broker-client-id", "other")
        assert code == 2
        assert "owns the things of shard 1/1" in said
        first.crash()
        with serving("--broker", broker.url, "--broker-client-id", "other") as second:
            health = requests.get(f"http://127.0.0.1:{second.said['http']}/health", timeout=5)
            assert health.json()["state"] == "attached"


@needs_mosquitto
@pytest.mark.parametrize("transport", ["mqtt", "aiomqtt"])
def test_a_live_run_through_a_broker(tmp_path: Path, transport: str) -> None:
    scenario = tmp_path / "smoke.yaml"
    scenario.write_text(RUN)
    with mosquitto(tmp_path) as broker, serving("--broker", broker.url) as service:
        control = f"http://127.0.0.1:{service.said['http']}"
        done = subprocess.run(
            [*JOBFLEET, "run", str(scenario), "--target", service.said["broker"],
             "--control", control, "--transport", transport, "--out", str(tmp_path / "run")],
            capture_output=True, text=True, timeout=90, check=False, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["executions"] == {"SUCCEEDED": 10}
