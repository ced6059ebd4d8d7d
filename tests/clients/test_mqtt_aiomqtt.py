"""aiomqtt with MQTT 5, against the MQTT door."""

import asyncio
import contextlib
import json
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.raw_mqtt import JOBS, raw_service

pytestmark = pytest.mark.slow


def test_a_job_and_a_will_over_mqtt_5() -> None:
    async def run() -> None:
        async with raw_service() as s, asyncio.timeout(20):
            will = aiomqtt.Will("gone", b"bye", 1)
            five = aiomqtt.ProtocolVersion.V5
            async with aiomqtt.Client("127.0.0.1", s.port, protocol=five) as listener:
                await listener.subscribe("gone", 1)
                async with aiomqtt.Client(
                    "127.0.0.1", s.port, identifier="c", protocol=five, will=will
                ) as client:
                    await client.subscribe(f"{JOBS}/get/+", 1)
                    said = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                    said.CorrelationData = b"mine"
                    await client.publish(f"{JOBS}/get", b'{"clientToken":"t"}', 1, properties=said)
                    answer: Any = await anext(aiter(client.messages))
                    assert json.loads(answer.payload)["clientToken"] == "t"
                    assert answer.properties.CorrelationData == b"mine"
                # a client that leaves says goodbye, and has no will
                cut = aiomqtt.Client(
                    "127.0.0.1", s.port, identifier="cut", protocol=five, will=will
                )
                await cut.__aenter__()
                s.endpoint.clients["cut"].abort()
                assert (await anext(aiter(listener.messages))).payload == b"bye"
                with pytest.raises(aiomqtt.MqttError):
                    await anext(aiter(cut.messages))
                with contextlib.suppress(aiomqtt.MqttError):
                    await cut.__aexit__(None, None, None)

    asyncio.run(run())
