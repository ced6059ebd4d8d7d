"""MQTT over WebSocket: real clients, raw frames, signatures and certificates."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from awscrt import auth, mqtt
from awscrt.exceptions import AwsCrtError
from awsiot import mqtt_connection_builder
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from paho.mqtt.enums import CallbackAPIVersion
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from simulator.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    encode,
)
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
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
MQTT = "Sec-WebSocket-Protocol: mqtt"


class Frames:
    """A raw WebSocket client."""

    def __init__(self, raw: Raw, path: str = "/mqtt") -> None:
        self.raw = raw
        raw.send(get(path, *UPGRADE, MQTT))
        head, _, self.early = raw.until(b"\r\n\r\n").partition(b"\r\n\r\n")
        self.head = head
        self.frames = Connection(ConnectionType.CLIENT)
        self.packets = PacketReader("client")
        self.inbox: list[Packet] = []

    def send(self, event: Any) -> None:
        self.raw.send(self.frames.send(event))

    def event(self) -> Any:
        """The next event, None at the end of the stream."""
        while True:
            for event in self.frames.events():
                return event
            data = self.raw.socket.recv(65536)
            if not data:
                return None
            self.frames.receive_data(data)

    def packet(self) -> Packet:
        while not self.inbox:
            event = self.event()
            assert isinstance(event, BytesMessage)
            self.inbox += self.packets.feed(bytes(event.data))
        return self.inbox.pop(0)


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    with served() as up:
        yield up


@pytest.fixture
def frames(service: Served) -> Iterator[Frames]:
    with Raw(service.addresses.http) as raw:
        yield Frames(raw)
    with Raw(service.addresses.http) as raw:  # the service still serves
        raw.send(get("/health", "Connection: close"))
        assert raw.rest().startswith(b"HTTP/1.1 200 OK")


def test_the_handshake_of_rfc_6455(frames: Frames) -> None:
    assert frames.head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in frames.head
    assert b"Sec-WebSocket-Protocol: mqtt" in frames.head


def test_packets_in_pieces_and_together(frames: Frames) -> None:
    data = encode(Connect("w")) + encode(Pingreq()) + encode(Publish(f"{JOBS}/get", b"{}"))
    for at in range(0, len(data), 5):
        frames.send(BytesMessage(data=data[at : at + 5], message_finished=at % 2 == 0))
    assert frames.packet() == Connack()
    assert frames.packet() == Pingresp()
    answer = frames.packet()
    assert isinstance(answer, Publish)
    assert answer.topic == f"{JOBS}/get/accepted"


def test_frames_right_behind_the_handshake(service: Served) -> None:
    with Raw(service.addresses.http) as raw:
        hello = Connection(ConnectionType.CLIENT).send(BytesMessage(data=encode(Connect("early"))))
        raw.send(get("/mqtt", *UPGRADE, MQTT) + hello)
        assert raw.until(encode(Connack())).startswith(b"HTTP/1.1 101")


def test_a_ping_is_answered(frames: Frames) -> None:
    frames.send(Ping(payload=b"p"))
    event = frames.event()
    assert isinstance(event, Pong)
    assert event.payload == b"p"


def test_text_is_no_mqtt(frames: Frames) -> None:
    frames.send(TextMessage(data="hello"))
    event = frames.event()
    assert isinstance(event, CloseConnection)
    assert event.code == 1003
    assert frames.raw.rest() == b""


def test_broken_frames_end_the_connection(frames: Frames) -> None:
    frames.raw.send(b"\x82\x05plain")  # a client must mask
    event = frames.event()
    assert isinstance(event, CloseConnection)
    assert event.code == 1002
    assert frames.raw.rest() == b""


def test_broken_mqtt_ends_the_connection(frames: Frames) -> None:
    frames.send(BytesMessage(data=b"\x00\x00"))
    event = frames.event()
    assert isinstance(event, CloseConnection)


def test_a_client_that_does_not_read_is_cut_off(
    service: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with Raw(service.addresses.http) as raw, Raw(service.addresses.mqtt) as talker:
        deaf = Frames(raw)
        deaf.send(BytesMessage(data=encode(Connect("deaf"))))
        assert deaf.packet() == Connack()
        deaf.send(BytesMessage(data=encode(Subscribe(3, (("a", 0),)))))
        assert deaf.packet() == Suback(3, (0,))
        talker.mqtt("talker")
        for _ in range(400):
            talker.send(encode(Publish("a", b"x" * 100_000)))
        talker.send(encode(Pingreq()))
        assert talker.packets(1) == [Pingresp()]
        with contextlib.suppress(ConnectionError):
            raw.rest()
    assert "client deaf does not read its messages" in caplog.text


def test_goodbye_on_either_level(service: Served) -> None:
    for goodbye in (BytesMessage(data=encode(Disconnect())), CloseConnection(code=1000)):
        with Raw(service.addresses.http) as raw:
            client = Frames(raw)
            client.send(BytesMessage(data=encode(Connect("bye"))))
            assert client.packet() == Connack()
            client.send(goodbye)
            assert isinstance(client.event(), CloseConnection)
            assert raw.rest() == b""


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/mqtt", UPGRADE, 400, b"must offer mqtt"),
        ("/mqtt", (*UPGRADE, "Sec-WebSocket-Protocol: chat"), 400, b"must offer mqtt"),
        ("/mqtt", (*UPGRADE[:2], UPGRADE[3], MQTT), 426, b"Version must be 13"),
        ("/mqtt", (*UPGRADE[:3], MQTT), 400, b"Key must be"),
        ("/mqtt", (*UPGRADE[:3], "Sec-WebSocket-Key: ?", MQTT), 400, b"Key must be"),
        ("/elsewhere", (*UPGRADE, MQTT), 404, b"MQTT is at /mqtt"),
    ],
)
def test_a_handshake_that_is_none(
    service: Served, path: str, headers: tuple[str, ...], status: int, words: bytes
) -> None:
    with Raw(service.addresses.http) as raw:
        raw.send(get(path, *headers))
        answer = raw.rest()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert words in answer


def test_one_of_several_subprotocols(service: Served) -> None:
    with Raw(service.addresses.http) as raw:
        raw.send(get("/mqtt", *UPGRADE, "Sec-WebSocket-Protocol: chat, mqtt"))
        assert raw.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")


# ------------------------------------------------------------------------------- who may


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"), "T")


@pytest.fixture(scope="module")
def guarded(pki: Path) -> Iterator[Served]:
    with served(tls=tls_options(pki, mutual=True), keys=(KEY, SECRET)) as up:
        yield up


def presigned(port: int, secret: str = SECRET, service: str = "iotdevicegateway") -> str:
    """Path and query."""
    request = AWSRequest("GET", f"ws://localhost:{port}/mqtt")
    credentials = Credentials(KEY, secret)
    SigV4QueryAuth(credentials, service, "eu-west-1", expires=60).add_auth(request)
    return str(request.url).removeprefix(f"ws://localhost:{port}")


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, b"101"),
        ({"secret": "wrong"}, b"InvalidSignatureException"),
        ({"service": "iot"}, b"InvalidSignatureException"),
        (None, b"MissingAuthenticationTokenException"),
    ],
)
def test_a_presigned_url_opens_the_websocket(
    guarded: Served, more: dict[str, str] | None, wanted: bytes
) -> None:
    port = guarded.addresses.http
    path = "/mqtt" if more is None else presigned(port, **more)
    with Raw(port) as raw:
        request = get(path, *UPGRADE, MQTT).replace(b"localhost", b"localhost:%d" % port)
        raw.send(request)
        assert wanted in raw.until(b"\r\n\r\n")


def test_a_certificate_opens_the_websocket_for_its_thing(guarded: Served, pki: Path) -> None:
    with Raw(guarded.addresses.https, client_context(pki, "T")) as raw:
        client = Frames(raw)
        client.send(BytesMessage(data=encode(Connect("w")) + encode(Publish(f"{JOBS}/get", b"{}"))))
        assert client.packet() == Connack()
        assert isinstance(client.packet(), Publish)
        other = Publish("$aws/things/T2/jobs/get", b"{}")
        client.send(BytesMessage(data=encode(other)))
        assert isinstance(client.event(), CloseConnection)


def test_without_either_a_shared_port_opens_no_websocket(pki: Path) -> None:
    with (
        served(tls=tls_options(pki, mutual=True)) as up,
        Raw(up.addresses.alpn, client_context(pki)) as raw,
    ):
        raw.send(get("/mqtt", *UPGRADE, MQTT))
        assert b"MissingAuthenticationTokenException" in raw.rest()


# ------------------------------------------------------------------------------- real clients


@pytest.mark.parametrize("secure", [False, True])
def test_paho_over_websockets(service: Served, pki: Path, secure: bool) -> None:
    done = threading.Event()
    topics: list[str] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, "paho", transport="websockets")

    def message(_client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        topics.append(message.topic)
        done.set()

    def connected(*_: Any) -> None:
        client.publish(f"{JOBS}/get", b"{}", 1)

    client.on_connect = connected
    client.on_message = message
    with served(tls=tls_options(pki)) as up:
        if secure:
            client.tls_set(f"{pki}/ca.pem")
        client.connect("localhost", up.addresses.https if secure else up.addresses.http)
        client.loop_start()
        assert done.wait(10)
        client.disconnect()
        client.loop_stop()
    assert topics == [f"{JOBS}/get/accepted"]


def sdk(port: int, pki: Path, secret: str) -> Any:
    """A connection of the AWS IoT Device SDK that signs its WebSocket."""
    return mqtt_connection_builder.websockets_with_default_aws_signing(
        endpoint="localhost",
        port=port,
        region="us-east-1",
        credentials_provider=auth.AwsCredentialsProvider.new_static(KEY, secret),
        ca_filepath=f"{pki}/ca.pem",
        client_id="sdk",
    )


@pytest.mark.slow
def test_the_aws_iot_device_sdk_over_signed_websockets(guarded: Served, pki: Path) -> None:
    connection = sdk(guarded.addresses.alpn, pki, SECRET)
    connection.connect().result(10)
    answered = threading.Event()
    subscribing, _ = connection.subscribe(
        f"{JOBS}/get/accepted", mqtt.QoS.AT_LEAST_ONCE, lambda **_: answered.set()
    )
    subscribing.result(10)
    publishing, _ = connection.publish(f"{JOBS}/get", b"{}", mqtt.QoS.AT_LEAST_ONCE)
    publishing.result(10)
    assert answered.wait(10)
    connection.disconnect().result(10)
    refused = sdk(guarded.addresses.alpn, pki, "wrong").connect()
    with pytest.raises(AwsCrtError, match="UPGRADE"):
        refused.result(10)
