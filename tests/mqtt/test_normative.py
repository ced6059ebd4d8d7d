"""What MQTT 3.1.1 says in its numbered statements and figures, beyond the round trips."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from simulator.errors import MqttError
from simulator.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscriptions,
    Unsuback,
    Unsubscribe,
    Will,
    check_filter,
    check_topic,
    encode,
    encode_publish,
    matches,
)
from simulator.mqtt.reader import ALLOWED

GREETING: dict[Any, bytes] = {
    "server": encode(Connect("c")),
    "client": encode(Connack()),
}
SAMPLES: list[Packet] = [
    Connect("c"),
    Connack(),
    Publish("t", b"x"),
    Puback(1),
    Pubrec(1),
    Pubrel(1),
    Pubcomp(1),
    Subscribe(1, (("a", 0),)),
    Suback(1, (0,)),
    Unsubscribe(1, ("a",)),
    Unsuback(1),
    Pingreq(),
    Pingresp(),
    Disconnect(),
]
"""One of each kind, in the order of their numbers, from 1."""
FROM_CLIENT = {Subscribe, Unsubscribe, Pingreq, Disconnect}
FROM_SERVER = {Suback, Unsuback, Pingresp}
FROM_BOTH = {Publish, Puback, Pubrec, Pubrel, Pubcomp}
EXPECTED: dict[tuple[Any, Any], set[type]] = {
    ("server", "new"): {Connect},
    ("server", "open"): FROM_CLIENT | FROM_BOTH,
    ("server", "ended"): set(),
    ("client", "new"): {Connack},
    ("client", "open"): FROM_SERVER | FROM_BOTH,
}


@pytest.mark.parametrize("packet", SAMPLES, ids=lambda packet: type(packet).__name__)
@pytest.mark.parametrize(("side", "state"), EXPECTED)
def test_each_kind_in_each_state(side: Any, state: Any, packet: Packet) -> None:
    """[MQTT-3.1.0-1], [MQTT-3.1.0-2], [MQTT-3.2.0-1], [MQTT-3.14.4-2], for every kind."""
    reader = PacketReader(side)
    if state != "new":
        list(reader.feed(GREETING[side]))
    if state == "ended":
        list(reader.feed(encode(Disconnect())))
    if type(packet) in EXPECTED[side, state]:
        assert list(reader.feed(encode(packet))) == [packet]
    else:
        with pytest.raises(MqttError, match="received"):
            list(reader.feed(encode(packet)))


def test_the_samples_are_every_kind() -> None:
    assert [encode(packet)[0] >> 4 for packet in SAMPLES] == list(range(1, 15))
    assert set(EXPECTED) <= set(ALLOWED)


@pytest.mark.parametrize(
    ("side", "packet"),
    [
        pytest.param(side, packet, id=f"{side}-{type(packet).__name__}")
        for side in ("server", "client")
        for packet in SAMPLES
        if type(packet) in EXPECTED[side, "open"] and not isinstance(packet, Publish)
    ],
)
def test_mqtt_2_2_2_2_fixed_header_flags(side: Any, packet: Packet) -> None:
    data = encode(packet)
    for flags in range(16):
        reader = PacketReader(side)
        list(reader.feed(GREETING[side]))
        changed = bytes((data[0] & 0xF0 | flags,)) + data[1:]
        if changed == data:
            assert list(reader.feed(changed)) == [packet]
        else:
            with pytest.raises(MqttError, match="fixed header flags"):
                list(reader.feed(changed))


@pytest.mark.parametrize(
    ("remaining", "length"),
    [
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_151, b"\xff\xff\x7f"),
        (2_097_152, b"\x80\x80\x80\x01"),
    ],
)
@pytest.mark.parametrize("qos", [0, 1])
def test_remaining_length_at_the_edges_of_table_2_4(
    remaining: int, length: bytes, qos: int
) -> None:
    packet = Publish("t", bytes(remaining - 3 - 2 * qos), qos, qos)
    data = encode(packet)
    assert data[1 : 1 + len(length)] == length
    assert len(data) == 1 + len(length) + remaining
    assert encode_publish(b"t", packet.payload, qos, qos) == data
    reader = PacketReader("client", remaining)
    assert list(reader.feed(GREETING["client"] + data)) == [Connack(), packet]
    with pytest.raises(MqttError, match=f"at most {remaining - 1} "):
        list(PacketReader("client", remaining - 1).feed(GREETING["client"] + data[:5]))


def test_mqtt_1_5_3_3_a_byte_order_mark_is_kept() -> None:
    packet = Publish("\ufeffa", b"")
    assert list(PacketReader("client").feed(GREETING["client"] + encode(packet))) == [
        Connack(),
        packet,
    ]


@pytest.mark.parametrize("raw", [b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"])
def test_mqtt_1_5_3_1_surrogates_and_overlong_forms(raw: bytes) -> None:
    data = b"\x30" + bytes((2 + len(raw),)) + b"\x00" + bytes((len(raw),)) + raw
    with pytest.raises(MqttError, match="UTF-8"):
        list(PacketReader("server").feed(GREETING["server"] + data))


@pytest.mark.parametrize(
    ("law", "flags", "rest"),
    [
        ("MQTT-3.1.2-13 will QoS", 0x0A, b""),
        ("MQTT-3.1.2-14 will QoS 3", 0x1E, b"\x00\x01w\x00\x00"),
        ("MQTT-3.1.2-15 will retain", 0x22, b""),
        ("MQTT-3.1.2-9 will missing", 0x06, b""),
        ("MQTT-3.1.2-8 wildcard in will topic", 0x06, b"\x00\x01#\x00\x00"),
        ("MQTT-3.1.2-19 user name missing", 0x82, b""),
        ("MQTT-3.1.2-21 password missing", 0xC2, b"\x00\x01u"),
        ("MQTT-3.1.2-18 user name unannounced", 0x02, b"\x00\x01u"),
        ("MQTT-3.1.2-20 password unannounced", 0x82, b"\x00\x01u\x00\x01p"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_connect_flags_and_payload_agree(law: str, flags: int, rest: bytes) -> None:
    body = b"\x00\x04MQTT\x04" + bytes((flags,)) + b"\x00\x3c\x00\x01c" + rest
    with pytest.raises(MqttError):
        list(PacketReader("server").feed(b"\x10" + bytes((len(body),)) + body))


@pytest.mark.parametrize(
    ("law", "packet"),
    [
        ("MQTT-3.1.2-8 wildcard", Connect("c", will=Will("a/#", b""))),
        ("MQTT-4.7.3-1 will", Connect("c", will=Will("", b""))),
        ("MQTT-3.1.2-14", Connect("c", will=Will("a", b"", 3))),
        ("MQTT-1.5.3-2 client id", Connect("a\0")),
        ("MQTT-1.5.3-2 user name", Connect("c", username="\0")),
        ("MQTT-3.2.2-4", Connack(5, True)),
        ("MQTT-2.3.1-1", Puback(0)),
        ("MQTT-3.8.3-4", Subscribe(1, (("a", 3),))),
        ("MQTT-4.7.1-2", Subscribe(1, (("#/a", 0),))),
        ("MQTT-4.7.1-2 within a level", Subscribe(1, (("a#", 0),))),
        ("MQTT-4.7.1-3", Subscribe(1, (("a+", 0),))),
        ("MQTT-4.7.3-1 SUBSCRIBE", Subscribe(1, (("", 0),))),
        ("MQTT-4.7.3-1 UNSUBSCRIBE", Unsubscribe(1, ("",))),
        ("MQTT-4.7.1-2 UNSUBSCRIBE", Unsubscribe(1, ("a", "#/a"))),
        ("MQTT-3.9.3-2", Suback(1, (3,))),
        ("MQTT-3.8.4-5", Suback(1, ())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_encode_refuses(law: str, packet: Packet) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(packet)


@given(st.text("a+#/\0", max_size=6), st.integers(0, 2))
def test_what_encode_refuses_is_what_the_reader_would(name: str, qos: int) -> None:
    """Topics and filters: both sides draw the line in the same place."""
    refused: dict[type, bool] = {}
    for packet in (
        Subscribe(1, (("a", 0), (name, qos))),
        Unsubscribe(1, (name, "a")),
        Publish(name, b""),
        Connect("c", will=Will(name, b"")),
    ):
        try:
            encode(packet)
        except ValueError:
            refused[type(packet)] = True
        else:
            refused[type(packet)] = False
    assert refused == {
        Subscribe: _raises(check_filter, name),
        Unsubscribe: _raises(check_filter, name),
        Publish: _raises(check_topic, name),
        Connect: _raises(check_topic, name),
    }


def _raises(check: Callable[[str], None], name: str) -> bool:
    try:
        check(name)
    except MqttError:
        return True
    return False


@pytest.mark.parametrize(
    ("name", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", False),  # AWS; 4.7.1.2: matches
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/#", "sport/", True),
        ("+/tennis/#", "sport/tennis/x", True),
        ("sport/+/player1", "sport/tennis/player1", True),
        ("sport/+/player1", "sport//player1", True),
        ("+", "sport", True),
        ("+/+", "finance", False),
        ("/finance", "finance", False),
        ("ACCOUNTS", "Accounts", False),
        ("Accounts payable", "Accounts payable", True),
        ("+", "$SYS", False),
        ("+/#", "$SYS/a", False),
        ("a/#", "a/$SYS", True),
        ("a/+", "a/$SYS", True),
    ],
)
def test_filters_of_section_4_7(name: str, topic: str, expected: bool) -> None:
    assert matches(name, topic) == expected
    table: Subscriptions[str] = Subscriptions()
    table.subscribe(name, "k", 0)
    assert bool(table.match(topic)) == expected


@pytest.mark.parametrize("last", ["+", "#"])
def test_a_filter_may_have_more_levels_than_python_has_frames(last: str) -> None:
    table: Subscriptions[str] = Subscriptions()
    name = "/".join(["+"] * 5000 + [last])
    table.subscribe(name, "k", 1)
    assert table.match("/".join(["x"] * 5001)) == {"k": 1}
    assert table.match("/".join(["x"] * 5000)) == {}
    assert table.unsubscribe(name, "k")
    assert table.match("/".join(["x"] * 5001)) == {}


def test_what_paho_sends_through_a_socket_is_read() -> None:
    """The handshake of an independent client, through a real socket."""
    read: list[Packet] = []
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets = PacketReader("server")
        while data := await reader.read(65536):
            for packet in packets.feed(data):
                read.append(packet)
                if isinstance(packet, Connect):
                    writer.write(encode(Connack()))
                elif isinstance(packet, Subscribe):
                    writer.write(encode(Suback(packet.packet_id, (1,))))
                elif isinstance(packet, Publish):
                    writer.write(encode(Puback(packet.packet_id)))
        writer.close()
        ended.set()

    def talk(port: int) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, "paho", protocol=paho.MQTTv311)

        def subscribe(*_: Any) -> None:
            client.subscribe("a/+", 1)

        def publish(*_: Any) -> None:
            client.publish("a/b", b"hello", 1)

        def leave(*_: Any) -> None:
            client.disconnect()

        client.on_connect, client.on_subscribe, client.on_publish = subscribe, publish, leave
        client.connect("127.0.0.1", port, 60)
        client.loop_forever()

    async def run() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        server = await asyncio.start_server(serve, sock=listening)
        async with server, asyncio.timeout(10):
            await asyncio.to_thread(talk, listening.getsockname()[1])
            await ended.wait()

    asyncio.run(run())
    assert read == [
        Connect("paho"),
        Subscribe(1, (("a/+", 1),)),
        Publish("a/b", b"hello", 1, 2),
        Disconnect(),
    ]
