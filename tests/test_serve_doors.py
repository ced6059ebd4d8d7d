"""``jobfleet serve`` with all its doors, as a user starts it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator.endpoints.identity import Device, Policies
from simulator.errors import UsageError
from simulator.mqtt import Connack
from simulator.ports import LOOPBACK, is_loopback
from simulator.serve import ServeOptions, plain_host
from tests.doors_in_thread import (
    KEY,
    SECRET,
    Raw,
    client_context,
    make_certificates,
    tls_options,
)

ROOT = Path(__file__).parents[1]
JOBFLEET = [sys.executable, "-m", "simulator.cli"]
FREE = ("--mqtt-port", "0", "--http-port", "0")
FREE_TLS = ("--mqtts-port", "0", "--https-port", "0", "--alpn-port", "0")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"), "T")


@contextmanager
def serve(*options: str, env: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    command = [*JOBFLEET, "serve", *FREE, "--json", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert line, process.stderr and process.stderr.read()
            yield json.loads(line)
        finally:
            process.terminate()
            assert process.wait(10) == 0


def refused(*options: str) -> str:
    """The one error of a command line that does not do."""
    done = subprocess.run(
        [*JOBFLEET, "serve", *FREE, *options],
        capture_output=True, text=True, timeout=30, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_all_doors_are_announced_and_open(pki: Path) -> None:
    with serve("--tls", str(pki), "--mtls", *FREE_TLS) as where:
        assert set(where) == {"host", "mqtt", "http", "tls_host", "mqtts", "https", "alpn"}
        assert where["host"] == where["tls_host"] == LOOPBACK
        for port in (where["mqtts"], where["alpn"]):
            with Raw(port, client_context(pki, "T", "x-amzn-mqtt-ca")) as device:
                assert device.mqtt("d") == [Connack()]
        with Raw(where["mqtt"]) as device:
            assert device.mqtt("d") == [Connack()]
        pair = (f"{pki}/things/T.pem", f"{pki}/things/T.key")
        for url in (
            f"http://{LOOPBACK}:{where['http']}",
            f"https://localhost:{where['https']}",
            f"https://localhost:{where['alpn']}",
        ):
            answer = requests.get(
                f"{url}/things/T/jobs", cert=pair, verify=f"{pki}/ca.pem", timeout=5
            )
            assert answer.json() == {"inProgressJobs": [], "queuedJobs": []}


def test_plain_doors_only_are_announced_as_ever() -> None:
    with serve() as where:
        assert set(where) == {"host", "mqtt", "http"}


def test_tls_doors_only(pki: Path) -> None:
    certificate = ("--cert", str(pki / "server.pem"), "--key", str(pki / "server.key"))
    with serve("--no-plain", *certificate, "--mqtts-port", "0", "--https-port", "0") as where:
        assert set(where) == {"host", "tls_host", "mqtts", "https"}
        answer = requests.get(
            f"https://localhost:{where['https']}/health", verify=f"{pki}/ca.pem", timeout=5
        )
        assert answer.json() == {"status": "ok"}


def test_the_words_for_people(pki: Path) -> None:
    command = [*JOBFLEET, "serve", *FREE, "--tls", str(pki), *FREE_TLS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split()[:2] for _ in range(5)]
        process.terminate()
        process.wait(10)
    assert [name for name, _ in lines] == ["MQTT", "HTTP", "MQTTS", "HTTPS", "ALPN"]
    schemes = ["mqtt", "http", "mqtts", "https", "tls"]
    assert [address.partition(":")[0] for _, address in lines] == schemes


def test_keys_may_come_from_the_environment() -> None:
    keys = {"JOBFLEET_ACCESS_KEY": KEY, "JOBFLEET_SECRET_KEY": SECRET}
    with serve(env={"PATH": "/usr/bin:/bin", **keys}) as where:
        url = f"http://{LOOPBACK}:{where['http']}/things/T/jobs"
        assert requests.get(url, timeout=5).status_code == 403


# ------------------------------------------------------------------------------- the loopback


def test_the_network_without_tls_is_refused() -> None:
    error = refused("--host", "0.0.0.0")
    assert "without TLS" in error
    assert "--insecure" in error
    assert "--tls DIR" in error


def test_the_network_without_tls_where_it_is_meant() -> None:
    with serve("--host", "0.0.0.0", "--insecure") as where:
        assert where["host"] == "0.0.0.0"
        url = f"http://{LOOPBACK}:{where['http']}/health"
        assert requests.get(url, timeout=5).status_code == 200


def test_with_tls_the_plain_doors_stay_on_the_loopback(pki: Path) -> None:
    with serve("--host", "0.0.0.0", "--tls", str(pki), *FREE_TLS) as where:
        assert (where["host"], where["tls_host"]) == (LOOPBACK, "0.0.0.0")


def test_ipv6() -> None:
    with serve("--host", "::1") as where:
        assert requests.get(f"http://[::1]:{where['http']}/health", timeout=5).status_code == 200
        with pytest.raises(OSError, match="refused"):
            Raw(where["http"])  # not on 127.0.0.1


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.9.9.9", True),
     ("0.0.0.0", False), ("::", False), ("", False), ("192.0.2.1", False)],
)  # fmt: skip
def test_what_is_the_loopback(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


def test_where_the_plain_doors_are(pki: Path) -> None:
    assert plain_host(ServeOptions("::1")) == "::1"
    assert plain_host(ServeOptions("192.0.2.1", insecure=True)) == "192.0.2.1"
    assert plain_host(ServeOptions("192.0.2.1", tls=tls_options(pki))) == LOOPBACK
    with pytest.raises(UsageError, match="without TLS"):
        plain_host(ServeOptions("192.0.2.1"))
    with pytest.raises(UsageError, match="--host no such host"):
        plain_host(ServeOptions("no such host"))


# ------------------------------------------------------------------------------- wrong options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls", "nowhere"], "`jobfleet certs DIR` makes a set"),
        (["--tls", "PKI", "--cert", "x", "--key", "y"], "two ways to say one thing"),
        (["--cert", "x"], "--cert and --key go together"),
        (["--mtls"], "need --tls DIR"),
        (["--alpn-port", "0"], "need --tls DIR"),
        (["--https-port", "0"], "need --tls DIR"),
        (["--cert", "x", "--key", "y", "--mtls"], "needs --ca"),
        (["--tls", "PKI", "--ca", "x"], "need --mtls"),
        (["--tls", "PKI", "--policy", "x"], "need --mtls"),
        (["--tls", "PKI", "--mtls", "--policy", "nowhere"], "cannot be read as a policy"),
        (["--tls", "PKI", "--mtls", "--ca", "pyproject.toml"], "TLS files"),
        (["--access-key", "x"], "go together"),
        (["--documents", "nowhere"], "is not a directory"),
        (["--no-plain"], "leaves no door"),
        (["--mqtt-port", "70000"], "'--mqtt-port': Input should be less"),
        (["--host", "no.such.host.invalid"], "--host no.such.host.invalid"),
    ],
)
def test_options_that_lead_nowhere_are_one_error(options: list[str], words: str, pki: Path) -> None:
    assert words in refused(*(str(pki) if option == "PKI" else option for option in options))


def test_a_tls_port_in_use_is_one_error(pki: Path) -> None:
    with serve("--tls", str(pki), *FREE_TLS) as where:
        taken = str(where["https"])
        error = refused("--tls", str(pki), *FREE_TLS[:2], "--https-port", taken)
    assert f"cannot listen on 127.0.0.1:{taken}" in error
    assert "--https-port (0 picks a free one)" in error


def test_help_imports_little() -> None:
    code = (
        "import sys; from simulator.cli import app; "
        "heavy = {'numpy', 'cryptography', 'botocore', 'uvloop', 'prometheus_client', 'pydantic'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)
    assert done.returncode == 0


def test_serving_imports_no_library_that_it_may_never_need() -> None:
    code = (
        "import sys, simulator.serve, simulator.cli.serving; "
        "heavy = {'cryptography', 'botocore', 'prometheus_client'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)
    assert done.returncode == 0


# ------------------------------------------------------------------------------- policies


def test_a_policy_goes_by_fingerprint_before_name(tmp_path: Path) -> None:
    fingerprint = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    shown = ":".join(fingerprint[at : at + 2].upper() for at in range(0, 64, 2))
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({shown: ["by-print"], "name": ["by-name", "x-*"], "none": []}))
    policies = Policies.load(path)

    def device(name: str, der: bytes = b"") -> Device:
        return policies.device({"subject": ((("commonName", name),),)}, der)

    assert device("name", b"hello").may_act_for("by-print")
    assert not device("name", b"hello").may_act_for("by-name")
    assert device("name").may_act_for("by-name")
    assert device("name").may_act_for("x-1")
    assert not device("name").may_act_for("name")
    assert device("other").may_act_for("other")
    assert not device("none").authorize("connect", "any")
    assert not device("x*").authorize("connect", "any")  # a name is no pattern
    assert not policies.device({}, b"").authorize("connect", "any")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "cannot be read as a policy"),
        ("[]", "is a JSON object"),
        ('{"a": "T"}', "a: a list of thing names"),
        ('{"a": ["T", 7]}', "a: 7 is no thing name"),
        ('{"a": ["T/x"]}', "'T/x' is no thing name"),
    ],
)
def test_a_policy_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        Policies.load(path)


@pytest.mark.parametrize(
    ("action", "resource", "may"),
    [
        ("connect", "whatever", True),
        ("publish", "$aws/things/T/jobs/get", True),
        ("publish", "$aws/things/T7/jobs/get", True),
        ("publish", "$aws/things/T77/jobs/get", False),
        ("publish", "$aws/things/U/jobs/get", False),
        ("publish", "$aws/things", False),
        ("publish", "$aws/events/x", False),
        ("publish", "telemetry", True),
        ("subscribe", "$aws/things/T/jobs/+/get/accepted", True),
        ("subscribe", "$aws/things/+/jobs/notify", False),
        ("subscribe", "$aws/things/#", False),
        ("subscribe", "$aws/+/T/jobs/notify", False),
        ("subscribe", "$share/g/$aws/things/T/jobs/notify", True),
        ("subscribe", "$share/g/$aws/things/U/jobs/notify", False),
        ("subscribe", "#", True),
    ],
)
def test_what_a_device_may(action: Any, resource: str, may: bool) -> None:
    assert Device("T", ["T", "T?"]).authorize(action, resource) is may
