"""Packets → bytes, in MQTT 3.1.1 and in 5.

Rule 1: what MQTT forbids is not written: ``encode`` raises ValueError.
Rule 2: ``publish_head`` and what is made with it, and ``encode_puback``, are the lean path: they
        trust their caller, whose topics were made by this package, in all but the size.

Source: OASIS MQTT 3.1.1 and 5.0; numbers like [MQTT-3.3.2-2] are 3.1.1's normative statements,
those of 5.0 are marked [5:…].
"""

from struct import Struct
from typing import Final

from simulator.mqtt.fields import (
    binary,
    identifier,
    length,
    service_level,
    text,
    topic_filter,
    topic_name,
)
from simulator.mqtt.packets import (
    NO_LOCAL,
    V5,
    V311,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
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
)
from simulator.mqtt.properties import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    WILL,
    Properties,
    encode_properties,
)
from simulator.mqtt.reasons import (
    OF_AUTH,
    OF_CONNACK,
    OF_DISCONNECT,
    OF_PUBACK,
    OF_PUBREL,
    OF_SUBACK,
    OF_UNSUBACK,
)

_REASONED: Final[dict[type, tuple[int, frozenset[int]]]] = {
    # packet id, reason, properties: first byte and the reasons there are
    Puback: (PUBACK << 4, OF_PUBACK),
    Pubrec: (PUBREC << 4, OF_PUBACK),
    Pubrel: (PUBREL << 4 | 0b0010, OF_PUBREL),  # [MQTT-3.6.1-1]
    Pubcomp: (PUBCOMP << 4, OF_PUBREL),
}
_BARE: Final[dict[type, bytes]] = {
    Pingreq: bytes((PINGREQ << 4, 0)),
    Pingresp: bytes((PINGRESP << 4, 0)),
}
NO_PROPERTIES: Final = b"\0"
"""What stands before the payload in MQTT 5, where there is nothing to say."""
encode_id: Final = Struct(">H").pack
"""A packet id as bytes."""
_puback: Final = Struct(">BBH").pack
_short_head: Final = Struct(">BBH").pack
_long_head: Final = Struct(">BBBH").pack
"""First byte, remaining length (in one byte or two) and the length of the topic."""
_GRANTED_311: Final = frozenset({0, 1, 2, 0x80})


def publish_head(topic: bytes, size: int, qos: int = 1) -> bytes:
    """A PUBLISH of either version up to where its packet id stands, or would stand at QoS 0.

    ``size`` is that of everything behind: properties and payload, without the packet id. One head
    serves all messages of a topic that are of one size: what repeats itself is put together once.
    """
    remaining = len(topic) + size + (4 if qos else 2)
    if qos and remaining < 16384:  # two bytes of length say it: nearly every message
        if remaining < 128:
            return _short_head(0x32, remaining, len(topic)) + topic
        return _long_head(0x32, remaining & 127 | 128, remaining >> 7, len(topic)) + topic
    start = b"\x32" if qos else b"\x30"
    return b"".join((start, length(remaining), len(topic).to_bytes(2, "big"), topic))


def encode_publish(topic: bytes, payload: bytes, qos: int, packet_id: int) -> bytes:
    """A PUBLISH of MQTT 3.1.1 at QoS 0 or 1; ``packet_id`` is left out at QoS 0."""
    head = publish_head(topic, len(payload), qos)
    return b"".join((head, encode_id(packet_id), payload)) if qos else head + payload


def encode_publish_v5(
    topic: bytes, payload: bytes, qos: int, packet_id: int, properties: bytes = NO_PROPERTIES
) -> bytes:
    """The same for MQTT 5; ``properties`` are encoded already, their length before them."""
    head = publish_head(topic, len(properties) + len(payload), qos)
    return b"".join((head, encode_id(packet_id) if qos else b"", properties, payload))


def encode_puback(packet_id: int) -> bytes:
    """A PUBACK of either version."""
    return _puback(0x40, 2, packet_id)


def encode(packet: Packet, level: int = V311) -> bytes:
    """Any packet as bytes; a CONNECT names its own level.

    Raises:
        ValueError: MQTT, or this version of it, forbids such a packet.
    """
    kind = type(packet)
    bare = _BARE.get(kind)
    if bare is not None:
        return bare
    match packet:
        case Publish():
            return _publish(packet, level)
        case Connect():
            return _framed(CONNECT << 4, _connect(packet))
        case Connack():
            return _connack(packet, level)
        case Subscribe(packet_id, filters, properties):
            _some(filters)
            parts = [topic_filter(name) + _options(name, asked, level) for name, asked in filters]
            head = identifier(packet_id) + _properties(properties, SUBSCRIBE, level)
            return _framed(SUBSCRIBE << 4 | 0b0010, head + b"".join(parts))
        case Suback(packet_id, codes, properties):
            _some(codes)
            _among(codes, _GRANTED_311 if level < V5 else OF_SUBACK)  # [MQTT-3.9.3-2]
            head = identifier(packet_id) + _properties(properties, SUBACK, level)
            return _framed(SUBACK << 4, head + bytes(codes))
        case Unsubscribe(packet_id, names, properties):
            _some(names)
            head = identifier(packet_id) + _properties(properties, UNSUBSCRIBE, level)
            return _framed(UNSUBSCRIBE << 4 | 0b0010, head + b"".join(map(topic_filter, names)))
        case Unsuback(packet_id, codes, properties):
            if level < V5:
                _among(codes, frozenset())
            else:
                _some(codes)
                _among(codes, OF_UNSUBACK)
            head = identifier(packet_id) + _properties(properties, UNSUBACK, level)
            return _framed(UNSUBACK << 4, head + bytes(codes))
        case Puback() | Pubrec() | Pubrel() | Pubcomp():
            first, allowed = _REASONED[kind]
            head = identifier(packet.packet_id)
            return _framed(
                first, head + _reason(packet.reason, packet.properties, first >> 4, level, allowed)
            )
        case Disconnect(reason, properties):
            body = _reason(reason, properties, DISCONNECT, level, OF_DISCONNECT)
            return _framed(DISCONNECT << 4, body)
        case Auth(reason, properties):
            if level < V5:
                raise ValueError("MQTT 3.1.1 has no AUTH")
            return _framed(AUTH << 4, _reason(reason, properties, AUTH, level, OF_AUTH))
    raise ValueError(f"{packet!r} is no MQTT packet")


def _framed(first: int, body: bytes) -> bytes:
    return bytes((first,)) + length(len(body)) + body


def _publish(packet: Publish, level: int) -> bytes:
    if packet.qos == 0 and packet.dup:  # [MQTT-3.3.1-2]
        raise ValueError("a PUBLISH at QoS 0 cannot be a duplicate")
    first = PUBLISH << 4 | packet.dup << 3 | service_level(packet.qos) << 1 | packet.retain
    middle = identifier(packet.packet_id) if packet.qos else b""
    said = packet.properties
    aliased = level >= V5 and said is not None and said.topic_alias is not None
    topic = text("") if aliased and not packet.topic else topic_name(packet.topic)
    return _framed(first, topic + middle + _properties(said, PUBLISH, level) + packet.payload)


def _connect(packet: Connect) -> bytes:
    will, level = packet.will, packet.level
    if packet.password is not None and packet.username is None and level < V5:
        raise ValueError("a password needs a user name")  # [MQTT-3.1.2-22]
    if not packet.client_id and not packet.clean_session and level < V5:  # [MQTT-3.1.3-7]
        raise ValueError("an empty client id needs a clean session")
    if not 0 <= packet.keep_alive <= 65535:
        raise ValueError(f"keep-alive {packet.keep_alive} is not 0 to 65535 seconds")
    flags = packet.clean_session << 1
    payload = [text(packet.client_id)]
    if will is not None:
        flags |= 1 << 2 | service_level(will.qos) << 3 | will.retain << 5
        payload += _will(will, level)
    if packet.username is not None:
        flags |= 1 << 7
        payload.append(text(packet.username))
    if packet.password is not None:
        flags |= 1 << 6
        payload.append(binary(packet.password))
    head = b"\x00\x04MQTT" + bytes((level, flags)) + packet.keep_alive.to_bytes(2, "big")
    return head + _properties(packet.properties, CONNECT, level) + b"".join(payload)


def _will(will: Will, level: int) -> tuple[bytes, ...]:
    said = _properties(will.properties, WILL, level)
    return said, topic_name(will.topic), binary(will.payload)


def _connack(packet: Connack, level: int) -> bytes:
    code = packet.return_code
    if packet.session_present and code:  # [MQTT-3.2.2-4]
        raise ValueError(f"CONNACK with return code {code} has no session")
    if level >= V5:
        _among((code,), OF_CONNACK)
    body = bytes((packet.session_present, code)) + _properties(packet.properties, CONNACK, level)
    return _framed(CONNACK << 4, body)


def _properties(properties: Properties | None, kind: int, level: int) -> bytes:
    if level >= V5:
        return encode_properties(properties, kind)
    if properties is not None:
        raise ValueError("MQTT 3.1.1 has no properties")
    return b""


def _reason(
    reason: int, properties: Properties | None, kind: int, level: int, allowed: frozenset[int]
) -> bytes:
    """A reason and properties, left out where nothing is said [5:3.4.2.1]."""
    if level < V5:
        if reason:
            raise ValueError("MQTT 3.1.1 has no reason codes")
        return _properties(properties, kind, level)
    _among((reason,), allowed)
    if properties is None:
        return bytes((reason,)) if reason else b""
    return bytes((reason,)) + encode_properties(properties, kind)


def _options(name: str, asked: int, level: int) -> bytes:
    if level < V5:
        return bytes((service_level(asked),))
    service_level(asked & 3)
    if asked > 0x2F:  # [5:MQTT-3.8.3-5]: retain handling 3, or a reserved bit
        raise ValueError(f"subscription options {asked:#x}")
    if asked & NO_LOCAL and name.startswith("$share/"):  # [5:MQTT-3.8.3-4]
        raise ValueError("a shared subscription cannot be No Local")
    return bytes((asked,))


def _among(codes: tuple[int, ...], allowed: frozenset[int]) -> None:
    if not allowed.issuperset(codes):
        raise ValueError(f"codes {codes} are not among {sorted(allowed)}")


def _some(listed: tuple[object, ...]) -> None:
    if not listed:  # [MQTT-3.8.3-3], [MQTT-3.10.3-2]
        raise ValueError("at least one topic filter, or its return code, is needed")
