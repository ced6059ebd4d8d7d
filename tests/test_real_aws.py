"""The switch ``--aws``, tried on our own service in AWS's place, with an STS of a few lines."""

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.conformance import account_made
from tests.conformance.account import Account
from tests.conformance.account_made import Made
from tests.conformance.conftest import far_doors, why_not
from tests.conformance.doors import FARTHER, Case, client, over
from tests.doors_in_thread import KEY, SECRET, Served, make_certificates, served, tls_options

ROOT = Path(__file__).parents[1]
ACCOUNT = "123456789012"
ANSWER = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    f"<GetCallerIdentityResult><Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)


class Sts(BaseHTTPRequestHandler):
    """Says whose credentials these are."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def sts() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Sts) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """The service with every door, and signatures verified."""
    pki = make_certificates(tmp_path_factory.mktemp("pki"))
    with served(tls=tls_options(pki), keys=(KEY, SECRET)) as up:
        yield up, pki


def run(*options: str, keys: tuple[str, str] = (KEY, SECRET)) -> subprocess.CompletedProcess[str]:
    """pytest as a person would start it."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": keys[0],
        "AWS_SECRET_ACCESS_KEY": keys[1],
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = (sys.executable, "-m", "pytest", "tests/conformance", "-q", "-p", "no:cacheprovider")
    return subprocess.run(
        (*command, *options),
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=240,
        check=False,
    )


def pointed(up: Served, pki: Path, sts_url: str) -> list[str]:
    url = f"http://127.0.0.1:{up.addresses.http}"
    return [
        "--aws",
        "--aws-region=us-east-1",
        f"--aws-iot-endpoint-url={url}",
        f"--aws-jobs-endpoint-url={url}",
        f"--aws-sts-endpoint-url={sts_url}",
        f"--aws-mqtt-endpoint=localhost:{up.addresses.alpn}",
        f"--aws-mqtt-ca-file={pki / 'ca.pem'}",
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_cases_run_elsewhere_and_leave_nothing(guarded: tuple[Served, Path]) -> None:
    up, pki = guarded
    iot = client("iot", up.addresses.http)
    iot._request_signer._credentials.access_key = KEY
    iot._request_signer._credentials.secret_key = SECRET
    target = iot.describe_thing(thingName="T")["thingArn"]
    iot.create_job(jobId="somebody-elses", targets=[target], document="{}")
    with sts() as url:
        done = run(*pointed(up, pki, url), f"--aws-account-id={ACCOUNT}")
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"(\d+) passed, (\d+) deselected", done.stdout)
    assert counted is not None, done.stdout
    assert int(counted[1]) >= 110
    for reason in ("it moves time by hand", "it looks inside the service", "it is no case body"):
        assert f"left out: {reason}" in done.stdout
    made = re.search(r"made and removed: (\d+) jobs, .*\d+ things \(jobfleet-[0-9a-f]{8}-…\)\n",
                     done.stdout)  # fmt: skip
    assert made is not None, done.stdout
    assert [job["jobId"] for job in iot.list_jobs()["jobs"]] == ["somebody-elses"]
    assert [one["thingName"] for one in iot.list_things()["things"]] == ["T", "T2"]
    assert iot.list_thing_groups()["thingGroups"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "name the account with --aws-account-id; nothing runs without it"),
        (["--aws-account-id=210987654321"], f"the credentials are of account {ACCOUNT}, and"),
    ],
)
def test_it_refuses_before_anything_is_made(
    guarded: tuple[Served, Path], more: list[str], told: str
) -> None:
    up, pki = guarded
    service = up.host.service
    before = up.call(lambda: (service.next_sequence(), len(service.registry.things)))
    with sts() as url:
        done = run(*pointed(up, pki, url), *more)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --aws: {told}" in done.stderr
    after = up.call(lambda: (service.next_sequence(), len(service.registry.things)))
    assert after == (before[0] + 1, before[1])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"account_id": "12"}, "--aws-account-id '12' is not twelve digits"),
        ({"prefix": "a b"}, "--aws-prefix 'a b' is not 1 to 24 of a-zA-Z0-9_-"),
        ({"prefix": "a" * 25}, "is not 1 to 24"),
        ({"mqtt_endpoint": "x"}, "--aws-mqtt-endpoint 'x' is not HOST:PORT"),
        ({"region": None}, "name the region with --aws-region"),
    ],
)
def test_a_wrong_option_is_one_error(
    wrong: dict[str, str | None], told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    good: dict[str, str | None] = {
        "account_id": ACCOUNT,
        "region": "eu-west-1",
        "prefix": None,
        "iot_endpoint_url": None,
        "jobs_endpoint_url": None,
        "sts_endpoint_url": None,
        "mqtt_endpoint": None,
        "mqtt_ca_file": None,
    }
    with pytest.raises(ValueError, match=re.escape(told)):
        Account.named(**{**good, **wrong})


@pytest.mark.slow
def test_an_sts_that_is_not_there_is_told(guarded: tuple[Served, Path]) -> None:
    up, pki = guarded
    done = run(*pointed(up, pki, "http://127.0.0.1:9"), f"--aws-account-id={ACCOUNT}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "STS does not say whose credentials these are" in done.stderr


class Iot:
    """A control plane that refuses, or is not heard, by the name that is asked for."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def _answer(self, name: str) -> dict[str, str]:
        if name == "lost":
            raise ConnectionClosedError(endpoint_url="nowhere")
        if name in ("TooMany", "AccessDeniedException", "ResourceNotFoundException"):
            code = "LimitExceededException" if name == "TooMany" else name
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Delete")
        return {}

    def create_job(self, **members: str) -> dict[str, str]:
        return self._answer(
            "lost" if members["jobId"] == "unheard" else members.get("document", "")
        )

    def create_thing(self, thingName: str) -> dict[str, str]:  # noqa: N803
        return self._answer("")

    def delete_job(self, jobId: str, force: bool) -> dict[str, str]:  # noqa: N803
        assert force
        self.deleted.append(jobId)
        return self._answer(jobId)

    def delete_thing(self, thingName: str) -> dict[str, str]:  # noqa: N803
        self.deleted.append(thingName)
        return self._answer(thingName)


def test_what_was_made_is_removed_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_made, "PATIENCE_S", 0.0)
    counted: Counter[str] = Counter()
    iot = Iot()
    made = Made(iot, counted)
    made.make("thing", "T")
    with pytest.raises(ClientError):
        made.make("job", "refused", document="AccessDeniedException")
    with pytest.raises(ConnectionClosedError):
        made.make("job", "unheard")
    for name in ("TooMany", "AccessDeniedException", "ResourceNotFoundException", "J"):
        made.make("job", name)
    left = made.remove()
    jobs = ["unheard", "TooMany", "AccessDeniedException", "ResourceNotFoundException", "J"]
    assert iot.deleted == [*jobs, "T"]
    assert [one.split(" (")[0] for one in left] == ["job TooMany", "job AccessDeniedException"]
    assert counted == {"things": 1, "jobs": 4}


def test_what_cannot_run_there_says_why() -> None:
    def reason(body: object, **options: object) -> str | None:
        test = over("http", **options)(body)  # type: ignore[arg-type]
        case: Case = test.case  # type: ignore[attr-defined]
        return why_not(case)

    async def plain(w: object) -> None:
        await w.pending()  # type: ignore[attr-defined]

    async def timed(w: object) -> None:
        w.host.advance_to(1)  # type: ignore[attr-defined]

    async def curious(w: object) -> None:
        assert [w.service for _ in ""] == []  # type: ignore[attr-defined]

    assert reason(plain) is None
    assert reason(timed) == "it moves time by hand"
    assert reason(curious) == "it looks inside the service"
    assert reason(plain, alone="it is shy") == "it is shy"
    assert reason(plain, quotas="aws") == "it uses up the quotas of the account"


def test_without_the_switch_there_is_no_door_to_aws() -> None:
    assert FARTHER == {}

    async def body(w: object) -> None:
        raise AssertionError

    test = over()(body)
    assert far_doors(test.case) == []  # type: ignore[attr-defined]
