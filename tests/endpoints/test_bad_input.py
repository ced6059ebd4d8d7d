"""Bad requests over every door: one error of AWS's shape each, nothing changes, the door lives on.

All of them go over one connection, so that each also shows that the one before broke nothing.
"""

import http.client
import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulator.jobs.messages import CreateJobRequest
from tests.doors_in_thread import Served, client_context, make_certificates, served, tls_options

JOBS = "$aws/things/T/jobs"
UPDATE = f"{JOBS}/J/update"
MQTT_DOORS = ("mqtt", "mqtt 5", "mqtts", "mqtts 5", "ws", "wss", "alpn")
HTTP_DOORS = ("http", "https", "https by alpn")


def update(**members: Any) -> bytes:
    return json.dumps({"status": "IN_PROGRESS", **members}).encode()


BODIES: dict[str, tuple[bytes, str]] = {
    "no JSON": (b'{"status":', "InvalidJson"),
    "no UTF-8": (b'{"status":"\xff"}', "InvalidJson"),
    "a list": (b"[]", "InvalidJson"),
    "a number": (b"7", "InvalidJson"),
    "deep nesting": (b'{"status":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "InvalidJson"),
    "empty": (b"", "InvalidRequest"),
    "no status": (b"{}", "InvalidRequest"),
    "a key twice": (b'{"status":"IN_PROGRESS","status":"BOGUS"}', "InvalidRequest"),
    "an unknown status": (update(status="SUCCESS"), "InvalidRequest"),
    "a status that is no text": (update(status=5), "InvalidRequest"),
    "a version that is text": (update(expectedVersion="two"), "InvalidRequest"),
    "a version that is a fraction": (update(expectedVersion=1.5), "InvalidRequest"),
    "a version that is true": (update(expectedVersion=True), "InvalidRequest"),
    "a version beyond 64 bits": (update(expectedVersion=2**63), "InvalidRequest"),
    "a flag that is text": (update(includeJobDocument="yes"), "InvalidRequest"),
    "step timeout 0": (update(stepTimeoutInMinutes=0), "InvalidRequest"),
    "step timeout -2": (update(stepTimeoutInMinutes=-2), "InvalidRequest"),
    "step timeout 10081": (update(stepTimeoutInMinutes=10081), "InvalidRequest"),
    "details that are a list": (update(statusDetails=["a"]), "InvalidRequest"),
    "details of eleven pairs": (
        update(statusDetails={f"k{i}": "v" for i in range(11)}),
        "InvalidRequest",
    ),
    "a details key with a blank": (update(statusDetails={"a b": "v"}), "InvalidRequest"),
    "a details key of 129": (update(statusDetails={"k" * 129: "v"}), "InvalidRequest"),
    "an empty details value": (update(statusDetails={"k": ""}), "InvalidRequest"),
    "a details value of 1025": (update(statusDetails={"k": "v" * 1025}), "InvalidRequest"),
    "a control character": (update(statusDetails={"k": "a\x07"}), "InvalidRequest"),
    "a details value that is a number": (update(statusDetails={"k": 1}), "InvalidRequest"),
    "a status that a device may not set": (update(status="REMOVED"), "InvalidStateTransition"),
}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"), "T")


@pytest.fixture(scope="module")
def service(pki: Path) -> Iterator[Served]:
    with served(tls=tls_options(pki)) as up:
        host = up.host
        request = CreateJobRequest([host.service.registry.thing_arn("T")], "{}")
        up.call(lambda: host.service.create_job("J", request, host.now()))
        yield up


def untouched(service: Served) -> None:
    execution = service.host.service.execution("T", "J")
    assert (execution.status, execution.version) == ("QUEUED", 1)
    assert execution.status_details is None


class Device:
    """A paho client on one of the doors; what it hears is a queue."""

    def __init__(self, door: str, service: Served, pki: Path) -> None:
        self.heard: queue.Queue[Any] = queue.Queue()
        where, v5 = service.addresses, door.endswith("5")
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            "T",
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            transport="websockets" if door in ("ws", "wss") else "tcp",
        )
        port = {"mqtt": where.mqtt, "ws": where.http, "wss": where.https, "alpn": where.alpn}.get(
            door.split()[0], where.mqtts
        )
        if door.split()[0] not in ("mqtt", "ws"):
            self.client.tls_set_context(
                client_context(pki, alpn="mqtt" if door == "alpn" else None)
            )
        self.client.on_message = lambda _c, _u, message: self.heard.put(message)
        self.client.on_disconnect = lambda *_: self.heard.put(None)
        self.client.connect("localhost", port)
        self.client.loop_start()

    def ask(self, topic: str, payload: bytes) -> tuple[str, Any]:
        self.client.publish(topic, payload, 1)
        message = self.heard.get(timeout=10)
        assert message is not None, "the connection ended"
        return message.topic, json.loads(message.payload)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("door", MQTT_DOORS)
def test_over_mqtt(door: str, service: Served, pki: Path) -> None:
    device = Device(door, service, pki)
    try:
        for name, (body, code) in BODIES.items():
            topic, answer = device.ask(UPDATE, body)
            assert topic == f"{UPDATE}/rejected", name
            assert answer["code"] == code, (name, answer)
            assert answer["message"], name
            assert isinstance(answer["timestamp"], int)
            assert "executionState" not in answer, name
            untouched(service)
        for topic in (f"{JOBS}/J/bogus", f"{JOBS}/", f"{JOBS}/J/K/update"):
            assert device.ask(topic, b"{}")[1]["code"] == "InvalidTopic"
        token = json.dumps({"status": "BOGUS", "clientToken": "mine"}).encode()
        assert device.ask(UPDATE, token)[1]["clientToken"] == "mine"
        assert device.ask(f"{JOBS}/get", b"")[0] == f"{JOBS}/get/accepted"
        untouched(service)
    finally:
        device.close()


@pytest.mark.parametrize("door", HTTP_DOORS)
def test_over_http(door: str, service: Served, pki: Path) -> None:
    where = service.addresses
    if door == "http":
        connection = http.client.HTTPConnection("127.0.0.1", where.http, timeout=10)
    else:
        alpn = "x-amzn-http-ca" if door.endswith("alpn") else None
        port = where.alpn if alpn else where.https
        context = client_context(pki, alpn=alpn)
        connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)

    def ask(method: str, path: str, body: bytes = b"") -> tuple[int, str | None, Any]:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.getheader("x-amzn-ErrorType"), json.loads(answer.read())

    extra = {"a number in quotes": (update(expectedVersion="1"), "InvalidRequest")}
    for name, (body, code) in {**BODIES, **extra}.items():
        status, error, members = ask("POST", "/things/T/jobs/J", body)
        wanted = (409, "InvalidStateTransitionException")
        if code != "InvalidStateTransition":
            wanted = (400, "InvalidRequestException")
        assert (status, error) == wanted, (name, members)
        assert members["__type"] == error
        assert members["message"], name
        untouched(service)
    for method, path in (
        ("POST", "/bogus"), ("DELETE", "/things/T/jobs"), ("PATCH", "/things/T/jobs/J"),
        ("GET", "/things/T/jobs/J/K"), ("POST", "/things/T/jobs/J/update"),
    ):  # fmt: skip
        assert ask(method, path)[:2] == (404, "UnknownOperationException"), (method, path)
    for query in ("includeJobDocument=yes", "executionNumber=one"):
        assert ask("GET", f"/things/T/jobs/J?{query}")[0] == 400
    for path in ("/things/T%20T/jobs", f"/things/{'t' * 129}/jobs", "/things/T/jobs/j%20j"):
        assert ask("GET", path)[:2] == (400, "InvalidRequestException"), path
    assert ask("GET", "/things/T/jobs")[0] == 200
    untouched(service)
    connection.close()
