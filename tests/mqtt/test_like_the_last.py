"""A reader's short cut: input like the one before is what feeding it would have given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import MqttError
from simulator.mqtt import (
    V5,
    Connack,
    Disconnect,
    PacketReader,
    Puback,
    Publish,
    encode,
    encode_puback,
    encode_publish,
    encode_publish_v5,
)

IDS = st.integers(1, 65_535)


def opened(level: int = 4) -> PacketReader:
    reader = PacketReader("client", level=level)
    assert list(reader.feed(encode(Connack(), level)))
    return reader


def answer(packet_id: int, payload: bytes = b"{}", topic: bytes = b"a/b") -> bytes:
    return encode_puback(packet_id) + encode_publish(topic, payload, 1, packet_id)


@given(st.binary(max_size=300), st.binary(max_size=300), IDS, IDS)
def test_it_takes_what_has_the_size_of_the_last_and_nothing_else(
    first: bytes, second: bytes, one: int, other: int
) -> None:
    reader = opened()
    assert reader.like_the_last(answer(one, first)) == 0  # there was none before
    list(reader.feed(answer(one, first)))
    data = answer(other, second)
    at = reader.like_the_last(data)
    assert bool(at) == (len(first) == len(second))
    if at:
        found = [Puback(other), Publish(reader.topic, data[at:], 1, other)]
        assert int.from_bytes(data[at - 2 : at]) == other
        assert list(reader.feed(data)) == found
    else:
        list(reader.feed(data))
        assert reader.like_the_last(data)  # it learns the new size


@given(st.integers(0, 60), st.integers(0, 255))
def test_a_byte_changed_is_taken_only_where_feeding_agrees(place: int, byte: int) -> None:
    reader, judge = opened(), opened()
    data = bytearray(answer(258, b'{"timestamp":1}'))
    list(reader.feed(bytes(data)))
    list(judge.feed(bytes(data)))
    data[place % len(data)] = byte
    at = reader.like_the_last(bytes(data))
    if at:
        packet_id = int.from_bytes(data[at - 2 : at])
        assert list(judge.feed(bytes(data))) == [
            Puback(int.from_bytes(data[2:4])),
            Publish(reader.topic, bytes(data[at:]), 1, packet_id),
        ]


def test_it_takes_nothing_in_the_midst_of_a_packet_after_an_error_or_after_the_end() -> None:
    data = answer(7)
    reader = opened()
    list(reader.feed(data))
    assert reader.like_the_last(data)
    list(reader.feed(data[:3]))
    assert not reader.like_the_last(data)

    broken = opened()
    list(broken.feed(data))
    with pytest.raises(MqttError, match="may receive"):
        list(broken.feed(b"\x10\x00"))
    assert not broken.like_the_last(data)

    server = PacketReader("server")
    list(server.feed(bytes.fromhex("100d00044d5154540402003c0001") + b"a" + data))
    assert server.like_the_last(data)
    list(server.feed(encode(Disconnect())))
    assert not server.like_the_last(data)


def test_messages_of_mqtt_5_are_always_fed() -> None:
    reader = opened(V5)
    data = encode_puback(7) + encode_publish_v5(b"a/b", b"{}", 1, 7)
    list(reader.feed(data))
    assert not reader.like_the_last(data)


def test_a_packet_id_of_0_is_left_to_be_refused() -> None:
    reader = opened()
    data = answer(7)
    list(reader.feed(data))
    at = reader.like_the_last(data)
    assert not reader.like_the_last(data[:2] + b"\0\0" + data[4:])
    assert not reader.like_the_last(data[: at - 2] + b"\0\0" + data[at:])
