"""Live runs against targets of every kind, and those that fail.

A process each only where the command, or its way of ending, is what is tried; else a fleet in this
process, over the same sockets.
"""

import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.cli.app import main
from simulator.errors import UsageError
from simulator.serve import Addresses
from simulator.targets import TargetOptions
from tests.doors_in_thread import (
    KEY,
    SECRET,
    make_certificates,
    served,
    tls_options,
)
from tests.live_fleet import lived
from tests.misbehaving import Manner, misbehaving
from tests.processes import jobfleet, summary

THINGS = ("g-000000", "g-000001")
QUICK = """\
fleet:
  - cohort: g
    things: 2
    work: {duration: 200ms, steps: 2}
network: {reply_timeout: TIMEOUT}
job: {document: {}, jobId: JOB}
load: {until: UNTIL}
expect: {succeeded: "== 100%"}
"""
_jobs = itertools.count()


def quick(until: str = "20s", timeout: str = "5s") -> str:
    """A scenario with a job of its own."""
    text = QUICK.replace("JOB", f"job-{next(_jobs)}")
    return text.replace("UNTIL", until).replace("TIMEOUT", timeout)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"), *THINGS)


@pytest.fixture
def where(pki: Path) -> Iterator[Addresses]:
    """A service with every door: certificates are wanted behind the secure ones."""
    with served(tls=tls_options(pki, mutual=True)) as up:
        yield up.addresses


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(quick())
    return path


def filled(text: str, where: Addresses, pki: Path) -> str:
    return text.format(mqtt=where.mqtt, http=where.http, mqtts=where.mqtts, https=where.https,
                       pki=pki)  # fmt: skip


# ------------------------------------------------------------------------------- of every kind


@pytest.mark.parametrize(
    ("url", "transport", "level"),
    [
        ("mqtts://localhost:{mqtts}", "mqtt", "3.1.1"),
        ("mqtts://localhost:{mqtts}", "aiomqtt", "3.1.1"),
        ("wss://localhost:{https}/mqtt", "mqtt", "5"),
        ("https://localhost:{https}", "http", "3.1.1"),
        ("http://localhost:{http}", "http", "3.1.1"),
        ("ws://localhost:{http}", "mqtt", "3.1.1"),
    ],
)
def test_a_fleet_at_a_target_of_every_kind(
    url: str, transport: str, level: str, where: Addresses, pki: Path
) -> None:
    options = TargetOptions(mqtt=level)
    if "s://" in url.replace("ws://", ""):
        options = options._replace(certs=pki, ca=pki / "ca.pem")
    control = f"http://localhost:{where.http}"
    found = lived(quick(), filled(url, where, pki), control, options, transport)
    assert (found.ended, found.executions) == ("COMPLETED", {"SUCCEEDED": 2})
    assert found.exchanges["UpdateJobExecution", "accepted"] == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("mqtts://localhost:{mqtts}", ("--mqtt", "5")),
        ("https://localhost:{https}", ("--control", "http://localhost:{http}")),
    ],
)
def test_a_run_against_a_target(
    url: str, options: tuple[str, ...], where: Addresses, pki: Path, scenario: Path, tmp_path: Path
) -> None:
    given = [filled(option, where, pki) for option in options]
    if "--control" not in given:
        given += ["--control", f"http://localhost:{where.http}"]
    done = jobfleet("run", scenario, "--out", tmp_path / "out", "--target",
                    filled(url, where, pki), "--certs", pki, "--ca", pki / "ca.pem",
                    *given)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert summary(tmp_path / "out")["executions"] == {"SUCCEEDED": 2}


@pytest.mark.slow
def test_a_run_that_signs_what_it_sends(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}.items():
        monkeypatch.setenv(name, value)
    with served(keys=(KEY, SECRET)) as up:
        url = f"http://localhost:{up.addresses.http}"
        unsigned = jobfleet("run", scenario, "--out", tmp_path / "one", "--target", url)
        assert unsigned.returncode == 3, unsigned.stdout + unsigned.stderr
        assert "was refused by" in unsigned.stderr
        signing = TargetOptions(sigv4=True, region="us-east-1")
        for target in (url, url.replace("http", "ws")):
            found = lived(quick(), target, url, signing)
            assert found.executions == {"SUCCEEDED": 2}


# ------------------------------------------------------------------------------- that cannot be


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mqtts://localhost:{mqtts}", "of no authority that is trusted here"),
        ("mqtt://localhost:{mqtts}", "does it speak MQTT, and without TLS?"),
    ],
)
def test_a_target_that_cannot_be_reached_is_exit_code_3(
    url: str, words: str, where: Addresses, pki: Path, scenario: Path, tmp_path: Path
) -> None:
    """At the first knock, and by the things; tests/test_targets.py has the other reasons."""
    scenario.write_text(quick(until="2s"))
    done = jobfleet(
        "run", scenario, "--out", tmp_path / "out", "--target", filled(url, where, pki),
        "--control", f"http://localhost:{where.http}",
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 3, said
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("mqtt://no-such-host.invalid", (), "--i-own-this-target no-such-host.invalid"),
        ("amqp://localhost", (), "'amqp://localhost' is no target; write mqtt://HOST"),
        ("mqtt://localhost", ("--ca", "x"), "--ca is for mqtts, wss and https"),
        ("mqtt://localhost", ("--transport", "http"), "does not speak mqtt"),
    ],
)
def test_a_target_that_cannot_be_is_one_line(
    url: str,
    options: tuple[str, ...],
    words: str,
    scenario: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["jobfleet", "run", str(scenario), "--target", url, "--control", "http://localhost"]
    monkeypatch.setattr(sys, "argv", [*command, *options])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert [words in line for line in said.splitlines() if line.startswith("Error")] == [True]


def test_a_thing_without_its_certificate_is_named_before_anything_is_asked(
    where: Addresses, pki: Path
) -> None:
    options = TargetOptions(certs=pki, ca=pki / "ca.pem")
    url, control = f"mqtts://localhost:{where.mqtts}", f"http://localhost:{where.http}"
    with pytest.raises(UsageError, match="no certificate of g-000002"):
        lived(quick().replace("things: 2", "things: 3"), url, control, options)


# ------------------------------------------------------------------------------- odd replies


@pytest.mark.parametrize(
    ("manner", "odd"),
    [("no JSON", "replies that cannot be read"),
     ("others' tokens", "replies that nobody waited for"), ("answers nothing", None)],
)  # fmt: skip
def test_odd_replies_are_counted(manner: Manner, odd: str | None, where: Addresses) -> None:
    with misbehaving(manner) as target:
        found = lived(
            quick(timeout="200ms"), f"mqtt://127.0.0.1:{target.port}",
            f"http://127.0.0.1:{where.http}", seconds=1.0,
        )  # fmt: skip
    assert (found.ended, found.executions) == ("", {"QUEUED": 2})
    assert set(found.oddities) == ({odd} if odd else set())
    (asked,) = (one for one in found.exchanges if one[0] == "StartNextPendingJobExecution")
    assert asked[1] == "NoReply"


@pytest.mark.slow
def test_odd_replies_are_told(where: Addresses, scenario: Path, tmp_path: Path) -> None:
    scenario.write_text(quick(until="3s", timeout="500ms"))
    with misbehaving("no JSON") as target:
        done = jobfleet(
            "run", scenario, "--out", tmp_path / "out",
            "--target", f"mqtt://127.0.0.1:{target.port}",
            "--control", f"http://127.0.0.1:{where.http}",
        )  # fmt: skip
    assert done.returncode in (1, 3), done.stdout + done.stderr
    machine = json.loads((tmp_path / "out" / "machine.json").read_text())
    odd = "replies that cannot be read"
    assert {name for name in machine if name.startswith("replies")} == {odd}
    assert f"Of the target: {machine[odd]:,} {odd}." in done.stdout
    requests = summary(tmp_path / "out")["requests"]["StartNextPendingJobExecution"]
    assert requests["no_reply"] == requests["sent"] > 0


@pytest.mark.slow
def test_a_password_is_on_no_command_line_that_we_make(
    where: Addresses, scenario: Path, tmp_path: Path
) -> None:
    """Locust's process is given it by its environment, and the run takes it from there."""
    done = jobfleet(
        "run", scenario, "--out", tmp_path / "out",
        "--target", f"mqtt://user:hush@localhost:{where.mqtt}",
        "--control", f"http://localhost:{where.http}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hush" not in done.stdout + done.stderr
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"hush" not in path.read_bytes()
    assert "hush" not in os.environ.get("JOBFLEET_PASSWORD", "")
