"""The commands, as processes, against an account on this machine; one is killed in the middle."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from moto.server import ThreadedMotoServer

from simulator.provisioning.ledger import MADE
from tests.processes import jobfleet
from tests.provisioning.in_an_account import OWNER, REGION

pytestmark = pytest.mark.slow


@pytest.fixture
def url(settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the account answers, over HTTP."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", REGION)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def options(url: str, out: Path, things: int = 3) -> list[str | Path]:
    return ["provision", "--things", str(things), "--prefix", "lab", "--out", out,
            "--endpoint-url", url]  # fmt: skip


def test_provision_and_cleanup(url: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = jobfleet(*options(url, out), "--rate", "1000/s", "--yes", "--account", OWNER)
    assert done.returncode == 0, done.stderr
    assert "Plan: 3 things lab-000000 to lab-000002, in group lab-fleet" in done.stdout
    assert "an estimate, not an offer" in done.stdout
    assert json.loads((out / "endpoint.json").read_text())["account"] == OWNER
    assert (out / "things/lab-000002.pem").exists()
    done = jobfleet("cleanup", out, "--rate", "1000/s", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Removed: 8 things, certificates, groups and policies" in done.stdout
    assert not (out / "things/lab-000002.key").exists()


def test_nothing_is_made_unless_it_is_said(url: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = jobfleet(*options(url, out), "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Dry run: nothing was called" in done.stdout
    done = jobfleet(*options(url, out))
    assert done.returncode == 2
    assert "add --yes, or answer at a terminal" in done.stderr
    done = jobfleet(*options(url, out), "--yes", "--account", "210987654321")
    assert done.returncode == 2
    assert f"the credentials are those of account {OWNER}" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--rate", "fast"], "--rate: "),
        (["--one-certificate", "--no-certificates"], "exclude each other"),
        (["--policy", "no-such-file.json"], "cannot be read as JSON"),
        (["--group", "a b"], "no name that AWS takes"),
    ],
)
def test_bad_options(tmp_path: Path, more: list[str], says: str) -> None:
    done = jobfleet(*options("http://127.0.0.1:1", tmp_path / "out"), *more, "--yes")
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "out").exists()


def test_killed_with_sigkill_and_resumed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = [str(part) for part in options(url, out, 12)]
    command = [sys.executable, "-m", "simulator.cli", *command, "--rate", "1000/s", "--yes"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        journal = out / "provision.jsonl"
        while not journal.exists() or journal.read_bytes().count(b"\n") < 24:
            assert running.poll() is None
        os.kill(running.pid, signal.SIGKILL)
    done = jobfleet(*options(url, out, 12), "--rate", "1000/s", "--yes")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    made = [(row["step"], row["of"]) for row in rows if row["state"] == MADE]
    assert len(made) == len(set(made)) == 2 + 12 * 5
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    client = botocore.session.Session().create_client("iot", region_name=REGION)
    assert len(client.list_certificates()["certificates"]) == 12
    assert len(client.list_things()["things"]) == 12
    done = jobfleet("cleanup", out, "--rate", "1000/s", "--yes")
    assert done.returncode == 0, done.stderr
    assert not client.list_certificates()["certificates"]
    assert not client.list_things()["things"]


def test_run_is_held_by_the_interlock() -> None:
    scenario, target = "scenarios/smoke.yaml", "mqtt://192.0.2.1:1883"
    done = jobfleet("run", scenario, "--target", target, "--control", "http://192.0.2.1:80")
    assert done.returncode == 2
    assert "say --i-own-this-target 192.0.2.1" in done.stderr
    aws = "mqtts://a-ats.iot.eu-west-1.amazonaws.com:8883"
    done = jobfleet("run", scenario, "--target", aws, "--control", "http://127.0.0.1:80")
    assert done.returncode == 2
    assert "name the account with --account ID" in done.stderr
