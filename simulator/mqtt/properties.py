"""The properties of MQTT 5 packets: one value, one table, written and read.

Rule 1: ``TABLE`` says which property is what and where it may stand; nothing else does.
Rule 2: a property in a packet that may not have it is malformed; one that is there twice, or has a
        value that it may not have, is a protocol error. The reason codes tell them apart.

Source: OASIS MQTT 5.0, section 2.2.2 and table 2-4.
"""

from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from simulator.errors import MqttError
from simulator.mqtt import fields
from simulator.mqtt.fields import Body
from simulator.mqtt.reasons import ALIAS_INVALID, PROTOCOL_ERROR

WILL: Final = 0
CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)


class Properties(Struct, frozen=True, kw_only=True):
    """What a packet says beside its fields; None and empty are not said."""

    payload_format: int | None = None
    message_expiry: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_ids: tuple[int, ...] = ()
    session_expiry: int | None = None
    assigned_client_id: str | None = None
    server_keep_alive: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user: tuple[tuple[str, str], ...] = ()
    maximum_packet_size: int | None = None
    wildcard_subscriptions_available: int | None = None
    subscription_ids_available: int | None = None
    shared_subscriptions_available: int | None = None


Kind = Literal["flag", "number", "positive", "text", "topic", "binary", "id", "pair"]


class Row(NamedTuple):
    """One property: its identifier, attribute, type, size in bytes, and where it may stand."""

    identifier: int
    name: str
    kind: Kind
    size: int
    packets: frozenset[int]


_MESSAGE: Final = frozenset({PUBLISH, WILL})
_HELLO: Final = frozenset({CONNECT, CONNACK})
_ANSWER: Final = frozenset({CONNACK})
_AUTHENTIC: Final = frozenset({CONNECT, CONNACK, AUTH})
_REASONED: Final = frozenset(
    {CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH}
)
_ANY: Final = _REASONED | _MESSAGE | {CONNECT, SUBSCRIBE, UNSUBSCRIBE}

TABLE: Final = (
    Row(0x01, "payload_format", "flag", 1, _MESSAGE),
    Row(0x02, "message_expiry", "number", 4, _MESSAGE),
    Row(0x03, "content_type", "text", 0, _MESSAGE),
    Row(0x08, "response_topic", "topic", 0, _MESSAGE),
    Row(0x09, "correlation_data", "binary", 0, _MESSAGE),
    Row(0x0B, "subscription_ids", "id", 0, frozenset({PUBLISH, SUBSCRIBE})),
    Row(0x11, "session_expiry", "number", 4, _HELLO | {DISCONNECT}),
    Row(0x12, "assigned_client_id", "text", 0, _ANSWER),
    Row(0x13, "server_keep_alive", "number", 2, _ANSWER),
    Row(0x15, "authentication_method", "text", 0, _AUTHENTIC),
    Row(0x16, "authentication_data", "binary", 0, _AUTHENTIC),
    Row(0x17, "request_problem_information", "flag", 1, frozenset({CONNECT})),
    Row(0x18, "will_delay", "number", 4, frozenset({WILL})),
    Row(0x19, "request_response_information", "flag", 1, frozenset({CONNECT})),
    Row(0x1A, "response_information", "text", 0, _ANSWER),
    Row(0x1C, "server_reference", "text", 0, _ANSWER | {DISCONNECT}),
    Row(0x1F, "reason_string", "text", 0, _REASONED),
    Row(0x21, "receive_maximum", "positive", 2, _HELLO),
    Row(0x22, "topic_alias_maximum", "number", 2, _HELLO),
    Row(0x23, "topic_alias", "positive", 2, frozenset({PUBLISH})),
    Row(0x24, "maximum_qos", "flag", 1, _ANSWER),
    Row(0x25, "retain_available", "flag", 1, _ANSWER),
    Row(0x26, "user", "pair", 0, _ANY),
    Row(0x27, "maximum_packet_size", "positive", 4, _HELLO),
    Row(0x28, "wildcard_subscriptions_available", "flag", 1, _ANSWER),
    Row(0x29, "subscription_ids_available", "flag", 1, _ANSWER),
    Row(0x2A, "shared_subscriptions_available", "flag", 1, _ANSWER),
)
_BY_ID: Final = {row.identifier: row for row in TABLE}
_MANY: Final = ("id", "pair")


# ------------------------------------------------------------------------------- written


def encode_properties(properties: Properties | None, packet: int) -> bytes:
    """The properties of a packet of this type, their length before them.

    Raises:
        ValueError: it may not have one of them, or not with this value.
    """
    if properties is None:
        return b"\0"
    if properties.authentication_data is not None and properties.authentication_method is None:
        raise ValueError("authentication data without a method")
    parts = []
    for row in TABLE:
        value = getattr(properties, row.name)
        if value is None or value == ():
            continue
        if packet not in row.packets:
            raise ValueError(f"{row.name} has no place in a packet of type {packet}")
        head = bytes((row.identifier,))
        if row.kind not in _MANY:
            parts.append(head + _written(row, value))
        elif row.kind == "id" and packet == SUBSCRIBE and len(value) > 1:
            raise ValueError("a SUBSCRIBE has one subscription identifier")  # 3.8.2.1.2
        else:
            parts += [head + _written(row, one) for one in value]
    body = b"".join(parts)
    return fields.length(len(body)) + body


def _written(row: Row, value: Any) -> bytes:
    match row.kind:
        case "text":
            return fields.text(value)
        case "topic":
            return fields.topic_name(value)
        case "binary":
            return fields.binary(value)
        case "pair":
            return fields.text(value[0]) + fields.text(value[1])
        case "id":
            if not value:
                raise ValueError("subscription identifier 0")
            return fields.length(value)
    limit = 2 if row.kind == "flag" else 256**row.size
    if not (row.kind == "positive") <= value < limit:
        raise ValueError(f"{row.name} {value} is out of its bounds")
    return int(value).to_bytes(row.size, "big")


# ------------------------------------------------------------------------------- read


def decode_properties(body: Body, packet: int) -> Properties | None:
    """The properties that come next in the body of a packet of this type, or None for none.

    Raises:
        MqttError: malformed, or a protocol error, as its reason says.
    """
    size = body.length()
    if not size:
        return None
    part = Body(body.take(size))
    found: dict[str, Any] = {}
    while part.left:
        row = _BY_ID.get(part.length())
        if row is None or packet not in row.packets:
            raise MqttError("a property that the packet may not have [5:2.2.2.2]")
        value = _read(row, part)
        if row.kind == "pair" or (row.kind == "id" and packet == PUBLISH):
            found[row.name] = (*found.get(row.name, ()), value)
        elif row.name in found:
            raise MqttError(f"{row.name} comes twice", reason=PROTOCOL_ERROR)
        else:
            found[row.name] = (value,) if row.kind == "id" else value
    if "authentication_data" in found and "authentication_method" not in found:
        raise MqttError("authentication data without a method", reason=PROTOCOL_ERROR)
    return Properties(**found)


def _read(row: Row, body: Body) -> Any:
    match row.kind:
        case "text":
            return body.text()
        case "binary":
            return body.binary()
        case "pair":
            return (body.text(), body.text())
        case "topic":
            topic = body.text()
            if not topic or "+" in topic or "#" in topic:  # [5:MQTT-3.3.2-14]
                raise MqttError(f"{topic!r} is no response topic", reason=PROTOCOL_ERROR)
            return topic
    value = body.length() if row.kind == "id" else body.number(row.size)
    if (row.kind == "flag" and value > 1) or (row.kind in ("positive", "id") and not value):
        reason = ALIAS_INVALID if row.name == "topic_alias" else PROTOCOL_ERROR
        raise MqttError(f"{row.name} may not be {value}", reason=reason)
    return value
