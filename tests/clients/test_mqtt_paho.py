"""paho-mqtt, as a client of either version, against the MQTT door."""

import asyncio
import json
import queue
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.raw_mqtt import JOBS, RawService, raw_service

pytestmark = pytest.mark.slow

WAIT_S = 10


class Client:
    """paho with queues for what its callbacks hear."""

    def __init__(
        self, port: int, client_id: str, version: MQTTProtocolVersion, **connect: Any
    ) -> None:
        self.greetings: queue.Queue[Any] = queue.Queue()
        self.granted: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.ends: queue.Queue[Any] = queue.Queue()
        self.paho = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=version)
        self.paho.on_connect = lambda _c, _u, flags, reason, said: self.greetings.put(
            (flags, reason, said)
        )
        self.paho.on_subscribe = lambda _c, _u, _m, reasons, _p: self.granted.put(reasons)
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.ends.put(reason)
        self.paho.connect("127.0.0.1", port, 60, **connect)
        self.paho.loop_start()
        self.flags, self.reason, self.said = self.greetings.get(timeout=WAIT_S)

    def subscribe(self, name: str, **options: Any) -> int:
        self.paho.subscribe(name, **options)
        return int(self.granted.get(timeout=WAIT_S)[0].value)

    def message(self) -> Any:
        """The next message; its properties have attributes that no type knows."""
        return self.messages.get(timeout=WAIT_S)

    def leave(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def served(body: Any) -> Any:
    """Run a blocking body in a thread, a service beside it."""

    def test() -> None:
        async def run() -> None:
            async with raw_service() as service:
                await asyncio.to_thread(body, service)

        asyncio.run(run())

    return test


@served
def test_a_job_over_mqtt_5(s: RawService) -> None:
    client = Client(s.port, "c", MQTTProtocolVersion.MQTTv5)
    assert client.reason == 0
    assert (client.said.MaximumQoS, client.said.TopicAliasMaximum) == (1, 8)
    said = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    said.CorrelationData = b"mine"
    assert client.subscribe(f"{JOBS}/get/accepted", qos=1) == 1
    client.paho.publish(f"{JOBS}/get", b'{"clientToken":"t"}', 1, properties=said)
    message = client.message()
    assert message.topic == f"{JOBS}/get/accepted"
    assert json.loads(message.payload)["clientToken"] == "t"
    assert message.properties.CorrelationData == b"mine"
    client.leave()


@served
def test_versions_side_by_side(s: RawService) -> None:
    five, three = (
        Client(s.port, "5", MQTTProtocolVersion.MQTTv5),
        Client(s.port, "3", MQTTProtocolVersion.MQTTv311),
    )
    options = SubscribeOptions(qos=1, noLocal=True)
    five.subscribe("a", options=options)
    three.subscribe("a", qos=1)
    said = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    said.UserProperty = [("k", "1"), ("k", "2")]
    said.ContentType = "text/plain"
    five.paho.publish("a", b"from five", 1, properties=said)
    assert three.message().payload == b"from five"
    three.paho.publish("a", b"from three", 1)
    assert five.message().payload == b"from three"
    assert three.message().payload == b"from three"
    other = Client(s.port, "other", MQTTProtocolVersion.MQTTv5)
    other.paho.publish("a", b"from other", 1, properties=said)
    message = five.message()
    assert message.properties.UserProperty == [("k", "1"), ("k", "2")]
    assert message.properties.ContentType == "text/plain"
    for client in (five, three, other):
        client.leave()


@served
def test_a_session_is_resumed(s: RawService) -> None:
    said = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    said.SessionExpiryInterval = 60
    kept = {"clean_start": False, "properties": said}
    client = Client(s.port, "c", MQTTProtocolVersion.MQTTv5, **kept)
    assert not client.flags.session_present
    client.subscribe("a", qos=1)
    client.leave()
    other = Client(s.port, "o", MQTTProtocolVersion.MQTTv311)
    other.paho.publish("a", b"meanwhile", 1).wait_for_publish(WAIT_S)
    client = Client(s.port, "c", MQTTProtocolVersion.MQTTv5, **kept)
    assert client.flags.session_present
    assert client.message().payload == b"meanwhile"
    for one in (client, other):
        one.leave()


@served
def test_who_is_taken_over_hears_why(s: RawService) -> None:
    first = Client(s.port, "same", MQTTProtocolVersion.MQTTv5)
    second = Client(s.port, "same", MQTTProtocolVersion.MQTTv311)
    reason = first.ends.get(timeout=WAIT_S)
    first.paho.loop_stop()
    assert reason.value == 0x8E
    second.leave()


@served
def test_a_message_that_is_too_large(s: RawService) -> None:
    client = Client(s.port, "c", MQTTProtocolVersion.MQTTv5)
    client.paho.publish("a", bytes(2_000_000), 1)
    assert client.ends.get(timeout=WAIT_S).value == 0x95
    client.paho.loop_stop()
