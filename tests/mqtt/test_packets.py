"""Packets to bytes and back, in any pieces; what breaks MQTT breaks only that reader."""

import io
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
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
    encode,
    encode_puback,
    encode_publish,
    encode_publish_v5,
)
from simulator.mqtt.reasons import OF_CONNACK, OF_DISCONNECT
from tests.mqtt.strategies import ids, names, payloads, streams, unhurried

REASONS = OF_CONNACK | OF_DISCONNECT


def written(packets: list[Packet], level: int) -> bytes:
    return b"".join(encode(packet, level) for packet in packets)


@unhurried
@given(streams(), st.lists(st.integers(1, 40)))
def test_packets_read_back_in_any_pieces(stream: Any, sizes: list[int]) -> None:
    side, level, packets = stream
    data = written(packets, level)
    reader = PacketReader(side, level=level)
    read: list[Packet] = []
    for size in sizes:
        read += reader.feed(data[:size])
        data = data[size:]
    read += reader.feed(data)
    assert read == packets


@unhurried
@given(streams())
def test_a_proper_prefix_is_incomplete(stream: Any) -> None:
    side, level, packets = stream
    last = encode(packets[-1], level)
    for size in range(len(last)):
        reader = PacketReader(side, level=level)
        head = list(reader.feed(written(packets[:-1], level)))
        assert head == packets[:-1]
        assert list(reader.feed(last[:size])) == []


@given(
    st.sampled_from(["server", "client"]),
    st.sampled_from([4, 5]),
    st.binary(max_size=60),
    st.booleans(),
)
def test_random_bytes_raise_nothing_but_the_protocol_error(
    side: Any, level: int, noise: bytes, open_: bool
) -> None:
    reader = PacketReader(side, level=level)
    greeting = Connect("c", level=level) if side == "server" else Connack()
    fault = None
    try:
        list(reader.feed((encode(greeting, level) if open_ else b"") + noise))
    except MqttError as error:
        fault = error
    if fault is not None:
        assert fault.reason in REASONS
        with pytest.raises(MqttError) as again:
            list(reader.feed(b"\xc0\x00"))
        assert again.value is fault


@unhurried
@given(streams(), st.data())
def test_a_mutated_packet_raises_nothing_but_the_protocol_error(stream: Any, data: Any) -> None:
    side, level, packets = stream
    mutated = bytearray(written(packets, level))
    at = data.draw(st.integers(0, len(mutated) - 1))
    mutated[at] = data.draw(st.integers(0, 255))
    reasons = set()
    try:
        list(PacketReader(side, level=level).feed(bytes(mutated)))
    except MqttError as error:
        reasons.add(error.reason)
    assert reasons <= REASONS


@given(names, payloads, ids)
def test_the_lean_path_writes_the_same_bytes(name: str, payload: bytes, packet_id: int) -> None:
    for level in (0, 1):
        packet = Publish(name, payload, level, packet_id if level else 0)
        assert encode_publish(name.encode(), payload, level, packet_id) == encode(packet)
        assert encode_publish_v5(name.encode(), payload, level, packet_id) == encode(packet, 5)
    assert encode_puback(packet_id) == encode(Puback(packet_id))


def test_lengths_of_every_size_read_back() -> None:
    reader = PacketReader("client", 4_000_000)
    list(reader.feed(encode(Connack())))
    for size in (0, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152):
        data = encode_publish(b"t", b"x" * size, 1, 1)
        assert [len(p.payload) for p in reader.feed(data) if isinstance(p, Publish)] == [size]


CONNECT = encode(Connect("c"))
BAD_FOR_SERVER = {
    "MQTT-2.2.2-2 SUBSCRIBE flags": CONNECT + b"\x80\x06\x00\x01\x00\x01a\x00",
    "MQTT-2.2.2-2 PINGREQ flags": CONNECT + b"\xc1\x00",
    "MQTT-2.2.3 five length bytes": CONNECT + b"\x30\xff\xff\xff\xff\x01",
    "MQTT-2.3.1-1 PUBLISH id 0": CONNECT + b"\x32\x05\x00\x01t\x00\x00",
    "MQTT-2.3.1-1 PUBACK id 0": CONNECT + b"\x40\x02\x00\x00",
    "MQTT-2.3.1-1 SUBSCRIBE id 0": CONNECT + b"\x82\x06\x00\x00\x00\x01a\x00",
    "MQTT-3.3.1-4 QoS 3": CONNECT + b"\x36\x05\x00\x01t\x00\x01",
    "MQTT-3.3.1-2 dup at QoS 0": CONNECT + b"\x38\x03\x00\x01t",
    "MQTT-3.3.2-2 wildcard": CONNECT + b"\x30\x03\x00\x01#",
    "MQTT-4.7.3-1 empty topic": CONNECT + b"\x30\x02\x00\x00",
    "PUBLISH without topic": CONNECT + b"\x30\x01\x00",
    "PUBLISH ends in topic": CONNECT + b"\x30\x03\x00\x05t",
    "MQTT-1.5.3-1 not UTF-8": CONNECT + b"\x30\x03\x00\x01\xff",
    "MQTT-1.5.3-2 U+0000": CONNECT + b"\x30\x03\x00\x01\x00",
    "MQTT-3.8.3-3 no filter": CONNECT + b"\x82\x02\x00\x01",
    "MQTT-3.8.3-4 QoS 3": CONNECT + b"\x82\x06\x00\x01\x00\x01a\x03",
    "MQTT-4.7.1-2 # not last": CONNECT + b"\x82\x08\x00\x01\x00\x03#/a\x00",
    "MQTT-4.7.1-3 + in a level": CONNECT + b"\x82\x07\x00\x01\x00\x02a+\x00",
    "MQTT-3.10.3-2 no filter": CONNECT + b"\xa2\x02\x00\x01",
    "SUBSCRIBE U+0000": CONNECT + b"\x82\x06\x00\x01\x00\x01\x00\x00",
    "SUBSCRIBE not UTF-8": CONNECT + b"\x82\x06\x00\x01\x00\x01\xff\x00",
    "PUBACK too long": CONNECT + b"\x40\x03\x00\x01\x00",
    "type 0": CONNECT + b"\x00\x00",
    "type 15": CONNECT + b"\xf0\x00",
    "MQTT-3.1.0-1 PUBLISH first": b"\x30\x03\x00\x01t",
    "MQTT-3.1.0-2 CONNECT twice": CONNECT + CONNECT,
    "SUBACK to a server": CONNECT + encode(Suback(1, (0,))),
    "after DISCONNECT": CONNECT + encode(Disconnect()) + encode(Pingreq()),
    "MQTT-3.1.2-1 protocol name": b"\x10\x0d\x00\x04MQTX\x04\x02\x00\x3c\x00\x01c",
    "MQTT-3.1.2-3 reserved flag": b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01c",
    "MQTT-3.1.2-13 will QoS without will": b"\x10\x0d\x00\x04MQTT\x04\x0a\x00\x3c\x00\x01c",
    "MQTT-3.1.2-22 password alone": b"\x10\x10\x00\x04MQTT\x04\x42\x00\x3c\x00\x01c\x00\x01p",
    "CONNECT with more": b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x01cx",
    "CONNECT cut short": b"\x10\x0a\x00\x04MQTT\x04\x02\x00\x3c",
}
BAD_FOR_CLIENT = {
    "MQTT-3.2.0-1 not CONNACK first": encode(Pingresp()),
    "MQTT-3.2.2-4 session with refusal": b"\x20\x02\x01\x05",
    "CONNACK reserved flags": b"\x20\x02\x02\x00",
    "MQTT-3.9.3-2 SUBACK code": encode(Connack()) + b"\x90\x03\x00\x01\x03",
    "PINGREQ to a client": encode(Connack()) + encode(Pingreq()),
    "CONNACK twice": encode(Connack()) * 2,
}


@pytest.mark.parametrize("law", BAD_FOR_SERVER)
def test_a_server_refuses(law: str) -> None:
    with pytest.raises(MqttError) as caught:
        list(PacketReader("server").feed(BAD_FOR_SERVER[law]))
    assert caught.value.return_code is None


@pytest.mark.parametrize("law", BAD_FOR_CLIENT)
def test_a_client_refuses(law: str) -> None:
    with pytest.raises(MqttError):
        list(PacketReader("client").feed(BAD_FOR_CLIENT[law]))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x10\x0d\x00\x04MQTT\x03\x02\x00\x3c\x00\x01c", 1),  # [MQTT-3.1.2-2]
        (b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00", 2),  # [MQTT-3.1.3-8]
    ],
)
def test_a_refused_connect_has_a_return_code(data: bytes, code: int) -> None:
    with pytest.raises(MqttError) as caught:
        list(PacketReader("server").feed(data))
    assert caught.value.return_code == code


def test_too_large_is_refused_by_its_header() -> None:
    reader = PacketReader("server", 1000)
    with pytest.raises(MqttError, match="at most 1000"):
        list(reader.feed(CONNECT + b"\x30\xe9\x07"))


@pytest.mark.parametrize(
    "packet",
    [
        Publish("a/#", b""),
        Publish("", b""),
        Publish("a", b"", 1),
        Publish("a", b"", 3, 1),
        Publish("a", b"", 0, 0, dup=True),
        Publish("a\0", b""),
        Publish("a" * 65_536, b""),
        Publish("\ud800", b""),
        Subscribe(1, ()),
        Unsubscribe(1, ()),
        Connect("", clean_session=False),
        Connect("c", password=b"x"),
        Connect("c", keep_alive=70_000),
        Puback(70_000),
    ],
)
def test_what_mqtt_forbids_is_not_written(packet: Packet) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(packet)


def test_what_is_no_packet_is_not_written() -> None:
    with pytest.raises(ValueError, match="no MQTT packet"):
        encode("hello")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is more than"):
        encode_publish(b"t", bytes(268_435_456), 0, 0)


def test_pahos_bytes_are_read() -> None:
    """An independent client's packets, as it really writes them."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "paho", protocol=paho.MQTTv311)
    client.username_pw_set("user", "secret")
    client.will_set("will", b"bye", 1)
    out: Any = io.BytesIO()
    client._sock = out
    client._packet_queue = lambda _cmd, packet, *_: (out.write(packet), 0)[1]  # type: ignore[method-assign,assignment]
    client._send_connect(60)
    client._send_subscribe(False, [(b"a/+", 1), (b"#", 0)])
    client._send_publish(7, b"a/b", b"hello", 1)
    assert list(PacketReader("server").feed(out.getvalue())) == [
        Connect("paho", True, 60, "user", b"secret", Will("will", b"bye", 1)),
        Subscribe(1, (("a/+", 1), ("#", 0))),
        Publish("a/b", b"hello", 1, 7),
    ]
