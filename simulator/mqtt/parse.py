"""The body of one packet → its value, in MQTT 3.1.1 and in 5.

Rule 1: whatever MQTT forbids raises ``MqttError``, with the reason that an MQTT 5 peer is told.
Rule 2: ``publish`` and ``publish_v5`` are the lean path: they read from the buffer without a copy
        of it.

Source: OASIS MQTT 3.1.1 and 5.0; numbers like [MQTT-3.3.2-2] are 3.1.1's normative statements,
those of 5.0 are marked [5:…].
"""

from collections.abc import Callable
from typing import Final

from simulator.errors import MqttError
from simulator.mqtt.fields import Body
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
    decode_properties,
)
from simulator.mqtt.reasons import (
    CLIENT_ID_INVALID,
    OF_AUTH,
    OF_CONNACK,
    OF_DISCONNECT,
    OF_PUBACK,
    OF_PUBREL,
    OF_SUBACK,
    OF_UNSUBACK,
    PROTOCOL_ERROR,
    REFUSED_CLIENT_ID,
    REFUSED_VERSION,
    UNSUPPORTED_VERSION,
)
from simulator.mqtt.topics import check_filter, check_topic

_GRANTED_311: Final = frozenset({0, 1, 2, 0x80})


def publish(data: bytes, first: int, start: int, stop: int) -> Publish:
    """A PUBLISH of MQTT 3.1.1 that lies in ``data`` from ``start`` to ``stop``."""
    qos = first >> 1 & 3
    body = start + 2
    if body > stop:
        raise MqttError("PUBLISH ends within its topic")
    topic_end = body + (data[start] << 8 | data[start + 1])
    payload = topic_end + 2 if qos else topic_end
    if payload > stop:
        raise MqttError("PUBLISH ends within its topic or packet id")
    try:
        topic = data[body:topic_end].decode()
    except UnicodeDecodeError:
        raise MqttError("topic is not UTF-8 [MQTT-1.5.3-1]") from None
    if not topic or "+" in topic or "#" in topic or "\0" in topic:
        check_topic(topic)
    packet_id = 0
    if qos:
        packet_id = data[topic_end] << 8 | data[topic_end + 1]
        if not packet_id or qos == 3:
            raise MqttError("packet id 0 [MQTT-2.3.1-1], or QoS 3 [MQTT-3.3.1-4]")
        if first == 0x32:  # QoS 1 and no flags: nearly every message
            return Publish(topic, data[payload:stop], 1, packet_id)
    elif first & 8:
        raise MqttError("a duplicate at QoS 0 [MQTT-3.3.1-2]")
    return Publish(topic, data[payload:stop], qos, packet_id, first & 1 == 1, first & 8 == 8)


def publish_v5(data: bytes, first: int, start: int, stop: int) -> Publish:
    """A PUBLISH of MQTT 5: the same with properties; its topic may be an alias."""
    qos = first >> 1 & 3
    body = start + 2
    if body > stop:
        raise MqttError("PUBLISH ends within its topic")
    topic_end = body + (data[start] << 8 | data[start + 1])
    after = topic_end + 2 if qos else topic_end
    if after >= stop:
        raise MqttError("PUBLISH ends within its topic, packet id or properties")
    try:
        topic = data[body:topic_end].decode()
    except UnicodeDecodeError:
        raise MqttError("topic is not UTF-8 [MQTT-1.5.3-1]") from None
    packet_id = 0
    if qos:
        packet_id = data[topic_end] << 8 | data[topic_end + 1]
        if not packet_id or qos == 3:
            raise MqttError("packet id 0 [MQTT-2.3.1-1], or QoS 3 [MQTT-3.3.1-4]")
    elif first & 8:
        raise MqttError("a duplicate at QoS 0 [MQTT-3.3.1-2]")
    properties = None
    if data[after]:
        rest = Body(data[after:stop])
        properties = decode_properties(rest, PUBLISH)
        payload = stop - rest.left
    else:
        payload = after + 1
    if "+" in topic or "#" in topic or "\0" in topic:
        check_topic(topic)
    if not topic and (properties is None or properties.topic_alias is None):
        raise MqttError("neither topic nor alias [5:3.3.2.1]", reason=PROTOCOL_ERROR)
    return Publish(
        topic, data[payload:stop], qos, packet_id, first & 1 == 1, first & 8 == 8, properties
    )


def connect(data: bytes) -> Connect:
    """A CONNECT of either version."""
    body = Body(data)
    if body.binary() != b"MQTT":
        raise MqttError("the protocol name is not MQTT [MQTT-3.1.2-1]", reason=UNSUPPORTED_VERSION)
    level, flags = body.byte(), body.byte()
    if level not in (V311, V5):
        raise MqttError(
            f"protocol level {level} is neither 4 nor 5 [MQTT-3.1.2-2]",
            REFUSED_VERSION,
            UNSUPPORTED_VERSION,
        )
    if flags & 1:
        raise MqttError("the reserved connect flag is set [MQTT-3.1.2-3]")
    has_will, will_qos, will_retain = flags >> 2 & 1, flags >> 3 & 3, flags >> 5 & 1
    if (not has_will and (will_qos or will_retain)) or will_qos == 3:
        raise MqttError("will flags contradict each other [MQTT-3.1.2-13] to [MQTT-3.1.2-15]")
    if flags >> 6 & 1 and not flags >> 7 and level < V5:
        raise MqttError("a password without a user name [MQTT-3.1.2-22]")
    clean, keep_alive = bool(flags >> 1 & 1), body.number()
    properties = _properties(body, CONNECT, level)
    client_id = body.text()
    if not client_id and not clean and level < V5:
        raise MqttError(
            "an empty client id needs a clean session [MQTT-3.1.3-8]",
            REFUSED_CLIENT_ID,
            CLIENT_ID_INVALID,
        )
    will = None
    if has_will:
        said = _properties(body, WILL, level)
        topic = body.text()
        check_topic(topic)
        will = Will(topic, body.binary(), will_qos, bool(will_retain), said)
    username = body.text() if flags >> 7 else None
    password = body.binary() if flags >> 6 & 1 else None
    body.end()
    return Connect(client_id, clean, keep_alive, username, password, will, level, properties)


def _properties(body: Body, kind: int, level: int) -> Properties | None:
    return decode_properties(body, kind) if level >= V5 else None


def _connack(data: bytes, level: int) -> Connack:
    body = Body(data)
    flags, code = body.byte(), body.byte()
    properties = _properties(body, CONNACK, level)
    body.end()
    if flags > 1 or (flags and code):  # [MQTT-3.2.2-4]
        raise MqttError("CONNACK with reserved flags, or a session with a refusal")
    if level >= V5 and code not in OF_CONNACK:
        raise MqttError(f"CONNACK with reason {code}")
    return Connack(code, bool(flags), properties)


def _subscribe(data: bytes, level: int) -> Subscribe:
    body = Body(data)
    packet_id = body.packet_id()
    properties = _properties(body, SUBSCRIBE, level)
    _some(body, level)
    filters: list[tuple[str, int]] = []
    while body.left:
        name, options = body.text(), body.byte()
        check_filter(name)
        if options & 3 == 3 or options > (2 if level < V5 else 0x2F):
            reason = PROTOCOL_ERROR if options & 0xF3 in (0x30, 0x31, 0x32) else 0x81
            raise MqttError(f"SUBSCRIBE with options {options:#x} [MQTT-3.8.3-4]", reason=reason)
        if options & NO_LOCAL and name.startswith("$share/"):  # [5:MQTT-3.8.3-4]
            raise MqttError("a shared subscription with No Local", reason=PROTOCOL_ERROR)
        filters.append((name, options))
    return Subscribe(packet_id, tuple(filters), properties)


def _some(body: Body, level: int) -> None:
    """At least one filter or code: [MQTT-3.8.3-3], [MQTT-3.10.3-2]."""
    if not body.left:
        reason = PROTOCOL_ERROR if level >= V5 else 0x81
        raise MqttError("a packet that lists nothing", reason=reason)


def _suback(data: bytes, level: int) -> Suback:
    body = Body(data)
    packet_id = body.packet_id()
    properties = _properties(body, SUBACK, level)
    _some(body, level)
    codes = tuple(body.take(body.left))
    if not (_GRANTED_311 if level < V5 else OF_SUBACK).issuperset(codes):
        raise MqttError(f"SUBACK with return codes {codes} [MQTT-3.9.3-2]")
    return Suback(packet_id, codes, properties)


def _unsubscribe(data: bytes, level: int) -> Unsubscribe:
    body = Body(data)
    packet_id = body.packet_id()
    properties = _properties(body, UNSUBSCRIBE, level)
    _some(body, level)
    names: list[str] = []
    while body.left:
        names.append(body.text())
        check_filter(names[-1])
    return Unsubscribe(packet_id, tuple(names), properties)


def _unsuback(data: bytes, level: int) -> Unsuback:
    body = Body(data)
    packet_id = body.packet_id()
    if level < V5:
        body.end()
        return Unsuback(packet_id)
    properties = decode_properties(body, UNSUBACK)
    _some(body, level)
    codes = tuple(body.take(body.left))
    if not OF_UNSUBACK.issuperset(codes):
        raise MqttError(f"UNSUBACK with reasons {codes}")
    return Unsuback(packet_id, codes, properties)


def _reason(
    body: Body, kind: int, level: int, allowed: frozenset[int]
) -> tuple[int, Properties | None]:
    """A reason and properties, either left out where nothing is said [5:3.4.2.1]."""
    if level < V5 or not body.left:
        body.end()
        return 0, None
    reason = body.byte()
    if reason not in allowed:
        raise MqttError(f"reason {reason:#x} has no place in a packet of type {kind}")
    properties = decode_properties(body, kind) if body.left else None
    body.end()
    return reason, properties


def _acknowledged(
    kind: int,
    allowed: frozenset[int],
    make: Callable[[int, int, Properties | None], Packet],
) -> Callable[[bytes, int], Packet]:
    def parse(data: bytes, level: int) -> Packet:
        body = Body(data)
        packet_id = body.packet_id()
        return make(packet_id, *_reason(body, kind, level, allowed))

    return parse


def _disconnect(data: bytes, level: int) -> Disconnect:
    return Disconnect(*_reason(Body(data), DISCONNECT, level, OF_DISCONNECT))


def _auth(data: bytes, level: int) -> Auth:
    return Auth(*_reason(Body(data), AUTH, level, OF_AUTH))


def _empty(packet: Packet) -> Callable[[bytes, int], Packet]:
    def parse(data: bytes, level: int) -> Packet:
        Body(data).end()
        return packet

    return parse


PARSERS: Final[dict[int, Callable[[bytes, int], Packet]]] = {
    CONNECT: lambda data, _: connect(data),
    CONNACK: _connack,
    PUBACK: _acknowledged(PUBACK, OF_PUBACK, Puback),
    PUBREC: _acknowledged(PUBREC, OF_PUBACK, Pubrec),
    PUBREL: _acknowledged(PUBREL, OF_PUBREL, Pubrel),
    PUBCOMP: _acknowledged(PUBCOMP, OF_PUBREL, Pubcomp),
    SUBSCRIBE: _subscribe,
    SUBACK: _suback,
    UNSUBSCRIBE: _unsubscribe,
    UNSUBACK: _unsuback,
    PINGREQ: _empty(Pingreq()),
    PINGRESP: _empty(Pingresp()),
    DISCONNECT: _disconnect,
    AUTH: _auth,
}
"""Every packet but PUBLISH, by type: the body and the protocol level in, the value out."""
