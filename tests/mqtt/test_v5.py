"""What MQTT 5 says in its numbered statements and tables, beyond the round trips."""

from typing import Any

import pytest

from simulator.errors import MqttError
from simulator.mqtt import (
    NO_LOCAL,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
    encode,
    encode_publish_v5,
)
from simulator.mqtt.fields import Body
from simulator.mqtt.properties import (
    CONNACK,
    PUBLISH,
    SUBSCRIBE,
    TABLE,
    WILL,
    decode_properties,
    encode_properties,
)

HELLO = encode(Connect("c", level=5))
WELCOME = encode(Connack(), 5)


def framed(first: int, body: bytes) -> bytes:
    return bytes((first, len(body))) + body


def connect(properties: bytes = b"\x00", flags: int = 2, rest: bytes = b"\x00\x01c") -> bytes:
    return framed(0x10, b"\x00\x04MQTT\x05" + bytes((flags,)) + b"\x00\x3c" + properties + rest)


REFUSED: dict[str, tuple[bytes, int]] = {
    # to a server, after CONNECT unless it is one: the bytes, the reason
    "5:2.2.2.2 unknown property": (connect(b"\x02\x05\x00"), 0x81),
    "5:2.2.2.2 a property of another packet": (connect(b"\x02\x24\x01"), 0x81),
    "5:1.5.5-1 a longer length than needed": (connect(b"\x80\x00"), 0x81),
    "a length of five bytes": (connect(b"\x80\x80\x80\x80\x01"), 0x81),
    "properties end within one": (connect(b"\x02\x21\x00", rest=b""), 0x81),
    "3.1.2.11.2 session expiry twice": (connect(b"\x0a" + b"\x11\x00\x00\x00\x01" * 2), 0x82),
    "3.1.2.11.3 receive maximum 0": (connect(b"\x03\x21\x00\x00"), 0x82),
    "3.1.2.11.4 maximum packet size 0": (connect(b"\x05\x27\x00\x00\x00\x00"), 0x82),
    "3.1.2.11.7 request problem information 2": (connect(b"\x02\x17\x02"), 0x82),
    "3.1.2.11.10 data without method": (connect(b"\x04\x16\x00\x01x"), 0x82),
    "3.1.2-3 reserved flag": (connect(flags=3), 0x81),
    "3.1.2-12 will QoS 3": (connect(flags=0x1E), 0x81),
    "3.1.2-1 protocol name": (framed(0x10, b"\x00\x04MQTX\x05\x02\x00\x3c\x00\x00\x01c"), 0x84),
    "3.1.2-2 protocol level 6": (framed(0x10, b"\x00\x04MQTT\x06\x02\x00\x3c\x00\x00\x01c"), 0x84),
    "3.1.3.2.2 will delay in CONNECT": (connect(b"\x05\x18\x00\x00\x00\x01"), 0x81),
    "3.3.2.1 neither topic nor alias": (HELLO + framed(0x30, b"\x00\x00\x00"), 0x82),
    "3.3.2-8 alias 0": (HELLO + framed(0x30, b"\x00\x01t\x03\x23\x00\x00"), 0x94),
    "3.3.2-14 wildcard in response topic": (
        HELLO + framed(0x30, b"\x00\x01t\x04\x08\x00\x01#"),
        0x82,
    ),
    "3.3.2-2 wildcard in topic": (HELLO + framed(0x30, b"\x00\x01#\x00"), 0x81),
    "3.3.1-2 duplicate at QoS 0": (HELLO + framed(0x38, b"\x00\x01t\x00"), 0x81),
    "3.3.1-4 QoS 3": (HELLO + framed(0x36, b"\x00\x01t\x00\x01\x00"), 0x81),
    "topic is not UTF-8": (HELLO + framed(0x30, b"\x00\x01\xff\x00"), 0x81),
    "PUBLISH without properties": (HELLO + framed(0x30, b"\x00\x01t"), 0x81),
    "PUBLISH ends in its topic": (HELLO + framed(0x30, b"\x00"), 0x81),
    "PUBACK with an unknown reason": (HELLO + framed(0x40, b"\x00\x01\x01"), 0x81),
    "PUBACK with more": (HELLO + framed(0x40, b"\x00\x01\x00\x00x"), 0x81),
    "3.8.3-2 no filter": (HELLO + framed(0x82, b"\x00\x01\x00"), 0x82),
    "3.8.3-5 reserved option bits": (HELLO + framed(0x82, b"\x00\x01\x00\x00\x01a\x40"), 0x81),
    "3.8.3.1 retain handling 3": (HELLO + framed(0x82, b"\x00\x01\x00\x00\x01a\x31"), 0x82),
    "3.8.3-4 shared and No Local": (
        HELLO + framed(0x82, b"\x00\x01\x00\x00\x0a$share/g/a\x05"),
        0x82,
    ),
    "3.8.2.1.2 subscription identifier 0": (
        HELLO + framed(0x82, b"\x00\x01\x02\x0b\x00\x00\x01a\x00"),
        0x82,
    ),
    "3.8.2.1.2 two subscription identifiers": (
        HELLO + framed(0x82, b"\x00\x01\x04\x0b\x01\x0b\x02\x00\x01a\x00"),
        0x82,
    ),
    "3.10.3-2 no filter": (HELLO + framed(0xA2, b"\x00\x01\x00"), 0x82),
    "3.14.2.1 unknown reason": (HELLO + framed(0xE0, b"\x01"), 0x81),
    "3.1.0-2 CONNECT twice": (HELLO + HELLO, 0x82),
    "SUBACK to a server": (HELLO + encode(Suback(1, (0,)), 5), 0x82),
    "type 0": (HELLO + b"\x00\x00", 0x81),
    "3.14.4-2 after DISCONNECT": (HELLO + encode(Disconnect(), 5) + encode(Pingreq()), 0x82),
    "too large": (HELLO + b"\x30\xff\xff\xff\x7f", 0x95),
}


@pytest.mark.parametrize("law", REFUSED)
def test_a_server_refuses_with_the_reason(law: str) -> None:
    data, reason = REFUSED[law]
    with pytest.raises(MqttError) as caught:
        list(PacketReader("server").feed(data))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("law", "data"),
    [
        ("3.2.2-6 session with a refusal", b"\x20\x03\x01\x87\x00"),
        ("3.2.2-1 reserved flags", b"\x20\x03\x02\x00\x00"),
        ("unknown reason", b"\x20\x03\x00\x05\x00"),
        ("SUBACK with an unknown reason", WELCOME + b"\x90\x04\x00\x01\x00\x03"),
        ("UNSUBACK with an unknown reason", WELCOME + b"\xb0\x04\x00\x01\x00\x01"),
        ("UNSUBACK that lists nothing", WELCOME + b"\xb0\x03\x00\x01\x00"),
        ("AUTH with an unknown reason", WELCOME + b"\xf0\x01\x01"),
        ("after DISCONNECT", WELCOME + encode(Disconnect(0x8B), 5) + encode(Disconnect(), 5)),
        ("PINGREQ", WELCOME + encode(Pingreq())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_client_refuses(law: str, data: bytes) -> None:
    with pytest.raises(MqttError):
        list(PacketReader("client", level=5).feed(data))


@pytest.mark.parametrize(
    ("law", "packet"),
    [
        ("a property of another packet", Connack(properties=Properties(will_delay=1))),
        ("3.1.2.11.3", Connect("c", level=5, properties=Properties(receive_maximum=0))),
        ("u16", Connack(properties=Properties(server_keep_alive=65_536))),
        ("flag", Connack(properties=Properties(maximum_qos=2))),
        ("3.3.2-14", Publish("a", b"", properties=Properties(response_topic="#"))),
        ("3.3.2-8", Publish("a", b"", properties=Properties(topic_alias=0))),
        ("3.3.2.1", Publish("", b"")),
        ("identifier 0", Publish("a", b"", properties=Properties(subscription_ids=(0,)))),
        ("length", Publish("a", b"", properties=Properties(subscription_ids=(2**28,)))),
        ("3.8.2.1.2", Subscribe(1, (("a", 0),), Properties(subscription_ids=(1, 2)))),
        ("3.8.3-4", Subscribe(1, (("$share/g/a", NO_LOCAL),))),
        ("3.8.3-5", Subscribe(1, (("a", 0x30),))),
        ("QoS 3", Subscribe(1, (("a", 3),))),
        ("connack code", Connack(5)),
        ("suback code", Suback(1, (3,))),
        ("unsuback code", Unsuback(1, (1,))),
        ("3.11.3", Unsuback(1)),
        ("puback code", Puback(1, 1)),
        ("disconnect code", Disconnect(3)),
        ("3.2.2-6", Connack(0x87, True)),
        ("method", Auth(0, Properties(authentication_data=b"x"))),
        ("will", Connect("c", will=Will("#", b""), level=5)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_mqtt_5_forbids_is_not_written(law: str, packet: Packet) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(packet, 5)


@pytest.mark.parametrize(
    "packet",
    [
        Puback(1, 0x87),
        Unsuback(1, (0,)),
        Suback(1, (0x87,)),
        Disconnect(4),
        Auth(),
        Subscribe(1, (("a", NO_LOCAL),)),
        Publish("a", b"", properties=Properties(content_type="x")),
        Connect("c", properties=Properties(session_expiry=1)),
        Connect("c", will=Will("a", b"", properties=Properties(will_delay=1))),
        Disconnect(properties=Properties(reason_string="x")),
    ],
    ids=lambda packet: type(packet).__name__,
)
def test_what_only_mqtt_5_has_is_not_written_in_3_1_1(packet: Packet) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(packet, 4)


def test_what_mqtt_5_allows_that_3_1_1_does_not() -> None:
    for packet in (
        Connect("", clean_session=False, level=5),  # [5:MQTT-3.1.3-6]
        Connect("c", password=b"x", level=5),  # 3.1.2.9
    ):
        assert list(PacketReader("server").feed(encode(packet))) == [packet]


def test_nothing_said_takes_no_bytes() -> None:
    """[5:3.4.2.1], [5:3.14.2.1]: a reason of success and its properties may be left out."""
    assert encode(Puback(7), 5) == b"\x40\x02\x00\x07"
    assert encode(Puback(7, 0x87), 5) == b"\x40\x03\x00\x07\x87"
    assert encode(Disconnect(), 5) == b"\xe0\x00"
    assert encode(Disconnect(0x8E), 5) == b"\xe0\x01\x8e"
    reader = PacketReader("server")
    list(reader.feed(HELLO))
    assert list(reader.feed(b"\x40\x03\x00\x07\x00\x40\x04\x00\x07\x00\x00")) == [Puback(7)] * 2


def test_properties_of_table_2_4() -> None:
    """27 properties; a few rows of the table by hand."""
    assert len(TABLE) == 27
    assert [row.identifier for row in TABLE] == sorted({row.identifier for row in TABLE})
    places = {row.name: row.packets for row in TABLE}
    assert WILL in places["message_expiry"]
    assert PUBLISH in places["topic_alias"]
    assert WILL not in places["topic_alias"]
    assert {len(places[name]) for name in ("server_keep_alive", "maximum_qos")} == {1}
    assert CONNACK in places["server_keep_alive"]
    assert SUBSCRIBE in places["user"]
    assert len(places["user"]) == 14  # all but the pings, and a will besides


def test_user_properties_keep_their_order_and_repeat() -> None:
    said = Properties(user=(("b", "1"), ("a", "2"), ("b", "1")))
    data = encode_properties(said, PUBLISH)
    assert decode_properties(Body(data), PUBLISH) == said


@pytest.mark.parametrize("size", [0, 100, 127, 128, 16_380, 16_384, 200_000])
@pytest.mark.parametrize("qos", [0, 1])
def test_the_lean_path_of_5_writes_the_same_bytes(size: int, qos: int) -> None:
    said = Properties(correlation_data=b"c")
    packet: Any = Publish("t", bytes(size), qos, qos and 9, properties=said)
    encoded = encode_properties(said, PUBLISH)
    assert encode_publish_v5(b"t", packet.payload, qos, 9, encoded) == encode(packet, 5)


def test_unsubscribe_with_a_bad_filter_is_malformed() -> None:
    body = b"\x00\x01\x00\x00\x02a#"
    with pytest.raises(MqttError) as caught:
        list(PacketReader("server").feed(HELLO + framed(0xA2, body)))
    assert caught.value.reason == 0x81
    with pytest.raises(ValueError, match="no topic filter"):
        encode(Unsubscribe(1, ("a#",)), 5)


SAMPLES: list[Packet] = [
    Connect("c", level=5),
    Connack(),
    Publish("t", b"x"),
    Puback(1),
    Pubrec(1),
    Pubrel(1),
    Pubcomp(1),
    Subscribe(1, (("a", 0),)),
    Suback(1, (0,)),
    Unsubscribe(1, ("a",)),
    Unsuback(1, (0,)),
    Pingreq(),
    Pingresp(),
    Disconnect(),
    Auth(),
]
BOTH = {Publish, Puback, Pubrec, Pubrel, Pubcomp, Auth}
EXPECTED: dict[tuple[Any, bool], set[type]] = {
    ("server", False): {Connect},
    ("server", True): BOTH | {Subscribe, Unsubscribe, Pingreq, Disconnect},
    ("client", False): {Connack, Auth},
    ("client", True): BOTH | {Suback, Unsuback, Pingresp, Disconnect},
}


@pytest.mark.parametrize("packet", SAMPLES, ids=lambda packet: type(packet).__name__)
@pytest.mark.parametrize(("side", "opened"), EXPECTED)
def test_each_kind_before_and_after_the_greeting(side: Any, opened: bool, packet: Packet) -> None:
    """What each side may receive: sections 3.1 to 3.15."""
    reader = PacketReader(side, level=5)
    if opened:
        list(reader.feed(HELLO if side == "server" else WELCOME))
    if type(packet) in EXPECTED[side, opened]:
        assert list(reader.feed(encode(packet, 5))) == [packet]
    else:
        with pytest.raises(MqttError, match="received"):
            list(reader.feed(encode(packet, 5)))
