"""Live runs against targets of every kind, as a user starts them, and those that fail."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doors_in_thread import KEY, SECRET, make_certificates
from tests.misbehaving import Manner, misbehaving
from tests.processes import jobfleet, serving, summary

THINGS = ("g-000000", "g-000001")
QUICK = """\
fleet:
  - cohort: g
    things: 2
    work: {duration: 1s, steps: 2}
job: {document: {}, jobId: JOB}
load: {until: 20s}
expect: {succeeded: "== 100%"}
"""


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"), *THINGS)


@pytest.fixture
def where(pki: Path) -> Iterator[dict[str, Any]]:
    """A service with every door: mutual TLS and signatures behind the secure ones."""
    tls = ("--tls", str(pki), "--mtls", "--ca", str(pki / "ca.pem"))
    with serving(*tls, "--mqtts-port", "0", "--https-port", "0") as (_, found):
        yield found


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(QUICK.replace("JOB", tmp_path.name))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("mqtts://localhost:{mqtts}", ("--certs", "--mqtt", "5")),
        ("wss://localhost:{https}/mqtt", ("--certs",)),
        ("https://localhost:{https}", ("--certs", "--control", "http://localhost:{http}")),
        ("mqtts://localhost:{mqtts}", ("--certs", "--transport", "aiomqtt")),
        ("http://localhost:{http}", ()),
        ("ws://localhost:{http}", ()),
    ],
)
def test_a_run_against_a_target_of_every_kind(
    url: str, options: tuple[str, ...], where: dict[str, Any], pki: Path, scenario: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    given = [option.format(**where) for option in options]
    if "--certs" in given:
        given[:1] = ["--certs", str(pki), "--ca", str(pki / "ca.pem")]
    if not url.startswith("http") and "--control" not in given:
        given += ["--control", f"http://localhost:{where['http']}"]
    done = jobfleet("run", scenario, "--out", tmp_path / "out", "--target",
                    url.format(**where), *given)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert summary(tmp_path / "out")["executions"] == {"SUCCEEDED": 2}


@pytest.mark.slow
def test_a_run_that_signs_what_it_sends(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    with serving("--access-key", KEY, "--secret-key", SECRET) as (_, found):
        url = f"http://localhost:{found['http']}"
        unsigned = jobfleet("run", scenario, "--out", tmp_path / "one", "--target", url)
        assert unsigned.returncode == 3, unsigned.stdout + unsigned.stderr
        assert "was refused by" in unsigned.stderr
        for at, target in enumerate((url, url.replace("http", "ws"))):
            scenario.write_text(QUICK.replace("JOB", f"signed-{at}"))
            done = jobfleet(
                "run", scenario, "--out", tmp_path / f"signed-{at}", "--target", target,
                "--control", url, "--sigv4", "--region", "us-east-1",
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "options", "code", "words"),
    [
        ("mqtts://localhost:{mqtts}", (), 3, "of no authority that is trusted here"),
        ("mqtts://localhost:{mqtt}", (), 3, "TLS"),
        ("mqtt://localhost:{mqtts}", (), 3, "does it speak MQTT, and without TLS?"),
        ("mqtt://no-such-host.invalid", ("--i-own-this-target", "no-such-host.invalid"), 3,
         "there is no host of that name (DNS)"),
        ("mqtt://no-such-host.invalid", (), 2, "--i-own-this-target no-such-host.invalid"),
        ("mqtts://localhost:{mqtts}", ("--certs", "{pki}", "--ca", "{pki}/ca.pem",
                                       "--things", "3"), 2, "no certificate of g-000002"),
        ("amqp://localhost", (), 2, "'amqp://localhost' is no target; write mqtt://HOST"),
        ("mqtt://localhost", ("--ca", "x"), 2, "--ca is for mqtts, wss and https"),
        ("mqtt://localhost", ("--transport", "http"), 2, "does not speak mqtt"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_is_one_line(
    url: str, options: tuple[str, ...], code: int, words: str, where: dict[str, Any], pki: Path,
    scenario: Path, tmp_path: Path,
) -> None:  # fmt: skip
    scenario.write_text(scenario.read_text().replace("20s", "3s"))
    given = [option.format(pki=pki) for option in options]
    done = jobfleet(
        "run", scenario, "--out", tmp_path / "out", "--target", url.format(**where),
        "--control", f"http://localhost:{where['http']}", *given,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert words in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("manner", "odd"),
    [("no JSON", "replies that cannot be read"),
     ("others' tokens", "replies that nobody waited for"), ("answers nothing", None)],
)  # fmt: skip
def test_odd_replies_are_counted_and_told(
    manner: Manner, odd: str | None, where: dict[str, Any], scenario: Path, tmp_path: Path
) -> None:
    text = scenario.read_text().replace("20s", "4s")
    scenario.write_text(text + "network: {reply_timeout: 500ms}\n")
    with misbehaving(manner) as target:
        done = jobfleet(
            "run", scenario, "--out", tmp_path / "out",
            "--target", f"mqtt://127.0.0.1:{target.port}",
            "--control", f"http://127.0.0.1:{where['http']}",
        )  # fmt: skip
    assert done.returncode in (1, 3), done.stdout + done.stderr
    machine = json.loads((tmp_path / "out" / "machine.json").read_text())
    counted = {name for name in machine if name.startswith("replies")}
    assert counted == ({odd} if odd else set())
    if odd:
        assert f"Of the target: {machine[odd]:,} {odd}." in done.stdout
    requests = summary(tmp_path / "out")["requests"]["StartNextPendingJobExecution"]
    assert requests["no_reply"] == requests["sent"] > 0


@pytest.mark.slow
def test_a_password_is_on_no_command_line_that_we_make(
    where: dict[str, Any], scenario: Path, tmp_path: Path
) -> None:
    """Locust's process is given it by its environment, and the run takes it from there."""
    done = jobfleet(
        "run", scenario, "--out", tmp_path / "out",
        "--target", f"mqtt://user:hush@localhost:{where['mqtt']}",
        "--control", f"http://localhost:{where['http']}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hush" not in done.stdout + done.stderr
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"hush" not in path.read_bytes()
    assert "hush" not in os.environ.get("JOBFLEET_PASSWORD", "")
