"""TLS and mutual TLS with real certificates: who is let in where, and who is refused how."""

import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import paho.mqtt.client as paho
import pytest
import requests
from awscrt import io, mqtt
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from paho.mqtt.enums import CallbackAPIVersion

from simulator import certificates
from simulator.endpoints.identity import Policies
from simulator.mqtt import Connack, Pingreq, Pingresp, Puback, Publish, Suback, Subscribe
from simulator.today import utc_now
from tests.doors_in_thread import (
    KEY,
    SECRET,
    Raw,
    Served,
    client_context,
    get,
    make_certificates,
    served,
    tls_options,
)

JOBS = "$aws/things/T/jobs"
OTHER = "$aws/things/T2/jobs"
ALPN_MQTT, ALPN_HTTP = "x-amzn-mqtt-ca", "x-amzn-http-ca"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"), "T", "T2", "gateway", "spare")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of another authority."""
    return make_certificates(tmp_path_factory.mktemp("strangers"), "T")


@pytest.fixture(scope="module")
def expired(pki: Path) -> str:
    """A thing whose certificate was good two years ago."""
    report = certificates.Made()
    now = utc_now()
    authority = certificates._Authority(pki, now, report)
    pair = certificates.device_of(pki, "old")
    authority.issue(pair, "old", None, 30, now - timedelta(days=730))
    return "old"


@pytest.fixture(scope="module")
def mutual(pki: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    policy = tmp_path_factory.mktemp("policy") / "policy.json"
    policy.write_text(json.dumps({"gateway": ["T?", "sensor-*"], "spare": []}))
    with served(tls=tls_options(pki, mutual=True, policies=Policies.load(policy))) as up:
        yield up


@pytest.fixture(scope="module")
def oneway(pki: Path) -> Iterator[Served]:
    with served(tls=tls_options(pki)) as up:
        yield up


@pytest.fixture
def still_serves(mutual: Served, pki: Path) -> Iterator[None]:
    yield
    with Raw(mutual.addresses.mqtts, client_context(pki, "T")) as device:
        assert device.mqtt("after", Pingreq(), answers=2) == [Connack(), Pingresp()]


def ports(up: Served) -> dict[str, int]:
    where = up.addresses
    return {"mqtts": where.mqtts, "https": where.https, "alpn": where.alpn}


# ------------------------------------------------------------------------------- MQTT


@pytest.mark.parametrize(("door", "alpn"), [("mqtts", None), ("alpn", ALPN_MQTT), ("alpn", "mqtt")])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_mqtt_over_tls(
    mutual: Served, pki: Path, door: str, alpn: str | None, version: ssl.TLSVersion
) -> None:
    context = client_context(pki, "T", alpn)
    context.minimum_version = context.maximum_version = version
    with Raw(ports(mutual)[door], context) as device:
        ask = Publish(f"{JOBS}/get", b'{"clientToken":"t"}', 1, 7)
        connack, puback, answer = device.mqtt("any-id", ask, answers=3)
    assert (connack, puback) == (Connack(), Puback(7))
    assert isinstance(answer, Publish)
    assert answer.topic == f"{JOBS}/get/accepted"


@pytest.mark.parametrize("topic", [f"{OTHER}/get", f"{OTHER}/J/update", "$aws/events/job/J/x"])
def test_a_thing_may_not_publish_for_another(
    mutual: Served, pki: Path, topic: str, caplog: pytest.LogCaptureFixture, still_serves: None
) -> None:
    with Raw(mutual.addresses.mqtts, client_context(pki, "T")) as device:
        assert device.mqtt("T", Publish(topic, b"{}", 1, 7), Pingreq(), answers=9) == [Connack()]
    assert f"not authorized to publish to {topic}" in caplog.text


@pytest.mark.parametrize(
    "name",
    [f"{OTHER}/#", "$aws/things/+/jobs/notify", "$aws/#", "$aws/things/#", "$aws/events/#"],
)
def test_a_thing_may_not_hear_another(
    mutual: Served, pki: Path, name: str, still_serves: None
) -> None:
    filters = ((name, 1), (f"{JOBS}/notify-next", 1), ("telemetry/#", 0))
    with Raw(mutual.addresses.mqtts, client_context(pki, "T")) as device:
        answers = device.mqtt("T", Subscribe(3, filters), answers=2)
    assert answers == [Connack(), Suback(3, (0x80, 1, 0))]


def test_a_policy_says_which_things(mutual: Served, pki: Path, still_serves: None) -> None:
    with Raw(mutual.addresses.mqtts, client_context(pki, "gateway")) as gateway:
        ask = Publish(f"{OTHER}/get", b"{}")
        connack, answer = gateway.mqtt("g", ask, answers=2)
        assert (connack, answer.topic) == (Connack(), f"{OTHER}/get/accepted")  # type: ignore[union-attr]
    with Raw(mutual.addresses.mqtts, client_context(pki, "gateway")) as gateway:
        ask = Publish("$aws/things/gateway/jobs/get", b"{}")
        assert gateway.mqtt("g", ask, Pingreq(), answers=9) == [Connack()]
    with Raw(mutual.addresses.mqtts, client_context(pki, "spare")) as spare:
        assert spare.mqtt("s", answers=9) == [Connack(7)]


# ------------------------------------------------------------------------------- refusals


def refused(port: int, context: ssl.SSLContext) -> str:
    """How a client learns in its handshake, or (TLS 1.3) at its first read, that it is refused."""
    with pytest.raises(ssl.SSLError) as caught:
        speak(port, context)
    return str(caught.value.reason)


def speak(port: int, context: ssl.SSLContext) -> None:
    with Raw(port, context) as client:
        client.send(b"x")
        client.rest()


@pytest.mark.parametrize("door", ["mqtts", "https", "alpn"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("who", "alert", "words"),
    [
        ("expired", "CERTIFICATE_EXPIRED", "certificate has expired"),
        ("stranger", "(UNKNOWN_CA|BAD_SIGNATURE|DECRYPT_ERROR)", "the client's certificate: "),
        ("nobody", "(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)", "showed no certificate"),
    ],
)
def test_a_bad_certificate_is_refused_with_an_alert(
    mutual: Served,
    pki: Path,
    strangers: Path,
    expired: str,
    door: str,
    version: ssl.TLSVersion,
    who: str,
    alert: str,
    words: str,
    caplog: pytest.LogCaptureFixture,
    still_serves: None,
) -> None:
    context = client_context(pki, expired if who == "expired" else None)
    if who == "stranger":
        pair = strangers / "things"
        context.load_cert_chain(pair / "T.pem", pair / "T.key")
    context.minimum_version = context.maximum_version = version
    if who == "nobody" and door == "alpn":
        context.set_alpn_protocols([ALPN_MQTT])
        with Raw(mutual.addresses.alpn, context) as client:
            assert client.rest() == b""
        assert f"ALPN {ALPN_MQTT} asks for a client certificate" in caplog.text
        return
    assert re.search(alert, refused(ports(mutual)[door], context))
    assert words in caplog.text


@pytest.mark.parametrize("door", ["mqtts", "https", "alpn"])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (get("/health"), "plain HTTP on a TLS port"),
        (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", "no TLS on a TLS port"),
        (b"\x16\x03\x01\x00\x05hello", "TLS refused"),
    ],
)
def test_plain_bytes_on_a_tls_port(
    mutual: Served,
    door: str,
    data: bytes,
    words: str,
    caplog: pytest.LogCaptureFixture,
    still_serves: None,
) -> None:
    with Raw(ports(mutual)[door]) as client:
        client.send(data)
        rest = client.rest()
    assert len(rest) in (0, 7)  # at most an alert
    assert words in caplog.text


def test_tls_on_the_plain_mqtt_port(
    mutual: Served, caplog: pytest.LogCaptureFixture, still_serves: None
) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Raw(mutual.addresses.mqtt, ssl.create_default_context())
    assert "TLS on a plain MQTT port" in caplog.text


def test_old_tls_is_refused(
    mutual: Served, pki: Path, caplog: pytest.LogCaptureFixture, still_serves: None
) -> None:
    context = client_context(pki, "T")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    assert "PROTOCOL_VERSION" in refused(mutual.addresses.mqtts, context)
    assert "TLS older than 1.2" in caplog.text


def test_clients_that_go_in_the_middle_of_a_handshake(
    mutual: Served, pki: Path, still_serves: None
) -> None:
    for data in (b"", b"\x16\x03\x01\x02\x00\x01"):
        with Raw(mutual.addresses.mqtts) as client:
            client.send(data)


def test_clients_that_never_speak_hold_up_nobody_and_are_cut_off(
    mutual: Served,
    pki: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulator.endpoints.tls.HANDSHAKE_WITHIN_S", 0.5)
    silent = [Raw(mutual.addresses.mqtts) for _ in range(20)]
    with Raw(mutual.addresses.mqtts, client_context(pki, "T")) as device:
        assert device.mqtt("lively") == [Connack()]
    for client in silent:
        assert client.rest() == b""
        client.socket.close()
    assert caplog.text.count("TLS refused: SSL handshake is taking longer") == 20


def test_too_many_open_files_are_waited_out(
    pki: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loop(asyncio.SelectorEventLoop):
        failed = False

        async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
            if not Loop.failed:
                Loop.failed = True
                raise OSError(24, "Too many open files")
            return await super().sock_accept(sock)

    monkeypatch.setattr("simulator.endpoints.tls.ACCEPT_AGAIN_S", 0.01)
    monkeypatch.setattr("tests.doors_in_thread.new_event_loop", Loop)
    with served(tls=tls_options(pki)) as up:
        assert https(up, pki, "/health", None).status_code == 200
    assert "cannot take a TLS client: [Errno 24]" in caplog.text


def test_a_handshake_for_which_no_descriptor_is_left(
    mutual: Served,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    still_serves: None,
) -> None:
    def none_left(_: int) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("simulator.endpoints.tls.os.dup", none_left)
        with Raw(mutual.addresses.mqtts) as client:
            assert client.rest() == b""
    assert "TLS refused: [Errno 24]" in caplog.text


# ------------------------------------------------------------------------------- HTTPS


def https(up: Served, pki: Path, path: str, thing: str | None, **more: Any) -> requests.Response:
    pair = None if thing is None else (f"{pki}/things/{thing}.pem", f"{pki}/things/{thing}.key")
    method = more.pop("method", "GET")
    url = f"https://localhost:{more.pop('port', up.addresses.https)}{path}"
    return requests.request(method, url, cert=pair, verify=f"{pki}/ca.pem", timeout=5, **more)


def test_the_jobs_data_plane_by_certificate(mutual: Served, pki: Path) -> None:
    own = https(mutual, pki, "/things/T/jobs", "T")
    assert (own.status_code, own.json()) == (200, {"inProgressJobs": [], "queuedJobs": []})
    update = {"status": "IN_PROGRESS"}
    none = https(mutual, pki, "/things/T/jobs/none", "T", method="POST", json=update)
    assert none.headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert https(mutual, pki, "/things/sensor-7/jobs/%24next", "gateway").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/things/T2/jobs"),
        ("GET", "/things/%542/jobs"),
        ("POST", "/things/T2/jobs/J"),
        ("PUT", "/things/T2/jobs/$next"),
        ("GET", "/jobs/J"),
        ("POST", "/things/new"),
        ("PUT", "/jobs/J"),
        ("GET", "/"),
    ],
)
def test_a_certificate_opens_its_thing_s_data_plane_only(
    mutual: Served, pki: Path, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = https(mutual, pki, path, "T", method=method, json={})
    assert answer.status_code == 403
    assert answer.headers["x-amzn-ErrorType"] == "ForbiddenException"
    assert "device T: refused" in caplog.text


def test_a_control_plane_signature_nobody_verifies_opens_nothing(mutual: Served, pki: Path) -> None:
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/r/iot/aws4_request, x"}
    answer = https(mutual, pki, "/things/T/jobs", "T", headers=signed)
    assert answer.headers["x-amzn-ErrorType"] == "ForbiddenException"


def test_without_a_certificate_a_shared_port_wants_a_signature(mutual: Served, pki: Path) -> None:
    answer = https(mutual, pki, "/things/T/jobs", None, port=mutual.addresses.alpn)
    assert answer.status_code == 403
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert https(mutual, pki, "/health", None, port=mutual.addresses.alpn).status_code == 200


@pytest.mark.parametrize("alpn", [ALPN_HTTP, "http/1.1", None, "h2"])
def test_http_by_alpn(mutual: Served, pki: Path, alpn: str | None) -> None:
    with Raw(mutual.addresses.alpn, client_context(pki, "T", alpn)) as client:
        client.send(get("/things/T/jobs", "Connection: close"))
        assert client.rest().startswith(b"HTTP/1.1 200 OK")


def test_http_by_certificate_wants_a_certificate(
    mutual: Served, pki: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Raw(mutual.addresses.alpn, client_context(pki, None, ALPN_HTTP)) as client:
        assert client.rest() == b""
    assert f"ALPN {ALPN_HTTP} asks for a client certificate" in caplog.text


def test_a_signature_opens_what_a_certificate_does_not(pki: Path) -> None:
    with served(tls=tls_options(pki, mutual=True), keys=(KEY, SECRET)) as up:
        signer = boto3.client(
            "iot", endpoint_url=f"https://localhost:{up.addresses.alpn}", region_name="r",
            aws_access_key_id=KEY, aws_secret_access_key=SECRET, verify=f"{pki}/ca.pem",
        )  # fmt: skip
        assert signer.create_thing(thingName="new")["thingName"] == "new"
        # and a device without a signature has its own rights
        assert https(up, pki, "/things/T/jobs", "T").status_code == 200
        assert https(up, pki, "/jobs/J", "T").status_code == 403


# ------------------------------------------------------------------------------- without mtls


def test_tls_alone_asks_nobody_for_a_certificate(oneway: Served, pki: Path) -> None:
    assert https(oneway, pki, "/things/T/jobs", None).status_code == 200
    assert https(oneway, pki, "/things/T2/jobs", "T").status_code == 200
    with Raw(oneway.addresses.mqtts, client_context(pki)) as device:
        answers = device.mqtt("x", Publish(f"{OTHER}/get", b"{}"), answers=2)
        assert answers[0] == Connack()
        assert len(answers) == 2


def test_a_long_body_over_tls(oneway: Served, pki: Path) -> None:
    document = json.dumps({"a": "x" * 30_000})
    arn = "arn:aws:iot:us-east-1:123456789012:thing/T"
    job = {"targets": [arn], "document": document}
    assert https(oneway, pki, "/jobs/long", None, method="PUT", json=job).status_code == 200
    shown = https(oneway, pki, "/things/T/jobs/long", None).json()
    assert shown["execution"]["jobDocument"] == document


# ------------------------------------------------------------------------------- real clients


def test_paho_with_a_certificate(mutual: Served, pki: Path) -> None:
    heard: list[str] = []
    done = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, "paho", protocol=paho.MQTTv311)
    client.tls_set(f"{pki}/ca.pem", f"{pki}/things/T.pem", f"{pki}/things/T.key")

    def connected(*_: Any) -> None:
        client.publish(f"{JOBS}/get", b"{}", 1)

    def message(_client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        heard.append(message.topic)
        done.set()

    client.on_connect = connected
    client.on_message = message
    client.connect("localhost", mutual.addresses.mqtts)
    client.loop_start()
    assert done.wait(10)
    client.disconnect()
    client.loop_stop()
    assert heard == [f"{JOBS}/get/accepted"]


@pytest.mark.parametrize("signature", [UNSIGNED, "v4"])
def test_boto3_with_a_certificate(mutual: Served, pki: Path, signature: object) -> None:
    """Signed or not: without keys to verify with, the certificate decides."""
    pair = (f"{pki}/things/T.pem", f"{pki}/things/T.key")
    device = boto3.client(
        "iot-jobs-data", endpoint_url=f"https://localhost:{mutual.addresses.https}",
        region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x",
        verify=f"{pki}/ca.pem", config=Config(client_cert=pair, signature_version=signature),
    )  # fmt: skip
    assert device.get_pending_job_executions(thingName="T")["queuedJobs"] == []
    with pytest.raises(ClientError) as caught:
        device.get_pending_job_executions(thingName="T2")
    assert caught.value.response["Error"]["Code"] == "ForbiddenException"


@pytest.mark.slow
def test_the_aws_cli_over_tls(oneway: Served, pki: Path) -> None:
    env = {**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
           "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip
    endpoint = f"https://localhost:{oneway.addresses.https}"
    done = subprocess.run(
        [str(Path(sys.executable).parent / "aws"), "iot-jobs-data", "get-pending-job-executions",
         "--thing-name", "T", "--endpoint-url", endpoint, "--ca-bundle", f"{pki}/ca.pem"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"inProgressJobs", "queuedJobs"}


@pytest.mark.slow
@pytest.mark.parametrize("door", ["mqtts", "alpn"])
def test_the_aws_iot_device_sdk_with_a_certificate(mutual: Served, pki: Path, door: str) -> None:
    """On the shared port it offers ``x-amzn-mqtt-ca`` only for 443, so there it is told to."""
    tls = io.TlsContextOptions.create_client_with_mtls_from_path(
        f"{pki}/things/T.pem", f"{pki}/things/T.key"
    )
    tls.override_default_trust_store_from_path(None, f"{pki}/ca.pem")
    if door == "alpn":
        tls.alpn_list = [ALPN_MQTT]
    connection = mqtt.Connection(
        mqtt.Client(None, io.ClientTlsContext(tls)), "localhost", ports(mutual)[door], "sdk"
    )
    connection.connect().result(10)
    answered = threading.Event()
    subscribed, _ = connection.subscribe(
        f"{JOBS}/get/accepted", mqtt.QoS.AT_LEAST_ONCE, lambda **_: answered.set()
    )
    subscribed.result(10)
    published, _ = connection.publish(f"{JOBS}/get", b"{}", mqtt.QoS.AT_LEAST_ONCE)
    published.result(10)
    assert answered.wait(10)
    connection.disconnect().result(10)
