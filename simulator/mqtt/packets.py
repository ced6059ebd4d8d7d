"""The packets of MQTT 3.1.1 as values, and how each is written as bytes.

Rule 1: what MQTT forbids is not written: ``encode`` raises ValueError.
Rule 2: ``encode_publish`` and ``encode_puback`` are the lean path: they trust their caller, whose
        topics were made by this package, in all but the size.

Source: OASIS MQTT Version 3.1.1; numbers like [MQTT-3.3.2-2] are its normative statements.
"""

from typing import Final

from msgspec import Struct

MAX_REMAINING: Final = 268_435_455
"""The largest remaining length that four bytes can say [MQTT-2.2.3]."""

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = range(8, 15)


class Will(Struct, frozen=True):
    """What the broker publishes when a client goes without saying so."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class Connect(Struct, frozen=True):
    """A client introduces itself; ``keep_alive`` in seconds, ``level`` 4 is MQTT 3.1.1."""

    client_id: str
    clean_session: bool = True
    keep_alive: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    level: int = 4


class Connack(Struct, frozen=True):
    """The server's answer: return code 0 is welcome."""

    return_code: int = 0
    session_present: bool = False


class Publish(Struct):
    """A message; ``packet_id`` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False


class Puback(Struct):
    """A message at QoS 1 has arrived."""

    packet_id: int


class Pubrec(Struct, frozen=True):
    """QoS 2, second part."""

    packet_id: int


class Pubrel(Struct, frozen=True):
    """QoS 2, third part."""

    packet_id: int


class Pubcomp(Struct, frozen=True):
    """QoS 2, fourth part."""

    packet_id: int


class Subscribe(Struct, frozen=True):
    """Topic filters, each with the highest QoS asked for."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


class Suback(Struct, frozen=True):
    """What was granted: a QoS per filter, or 0x80 for refused."""

    packet_id: int
    return_codes: tuple[int, ...]


class Unsubscribe(Struct, frozen=True):
    """Topic filters to forget."""

    packet_id: int
    filters: tuple[str, ...]


class Unsuback(Struct, frozen=True):
    """They are forgotten."""

    packet_id: int


class Pingreq(Struct, frozen=True):
    """Are you there?"""


class Pingresp(Struct, frozen=True):
    """I am."""


class Disconnect(Struct, frozen=True):
    """A client says goodbye."""


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
)

_WITH_ID: Final[dict[type, int]] = {
    Puback: PUBACK << 4,
    Pubrec: PUBREC << 4,
    Pubrel: PUBREL << 4 | 0b0010,  # [MQTT-3.6.1-1]
    Pubcomp: PUBCOMP << 4,
    Unsuback: UNSUBACK << 4,
}
_BARE: Final[dict[type, bytes]] = {
    Pingreq: bytes((PINGREQ << 4, 0)),
    Pingresp: bytes((PINGRESP << 4, 0)),
    Disconnect: bytes((DISCONNECT << 4, 0)),
}


def _length(n: int) -> bytes:
    """A remaining length: seven bits a byte, least significant first [MQTT-2.2.3]."""
    if n < 128:
        return bytes((n,))
    if n > MAX_REMAINING:
        raise ValueError(f"a packet of {n} bytes is more than MQTT's {MAX_REMAINING}")
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def encode_publish(topic: bytes, payload: bytes, qos: int, packet_id: int) -> bytes:
    """A PUBLISH at QoS 0 or 1; ``packet_id`` is left out at QoS 0."""
    size = len(topic)
    if qos:
        remaining = size + 4 + len(payload)
        if remaining < 16384:  # two bytes of length say it: nearly every message
            if remaining < 128:
                head = bytes((0x32, remaining, size >> 8, size & 255))
            else:
                head = bytes((0x32, remaining & 127 | 128, remaining >> 7, size >> 8, size & 255))
            return b"%b%b%b%b" % (head, topic, packet_id.to_bytes(2, "big"), payload)
        start, middle = b"\x32", packet_id.to_bytes(2, "big")
    else:
        start, middle = b"\x30", b""
    body = (size.to_bytes(2, "big"), topic, middle, payload)
    return b"".join((start, _length(sum(map(len, body))), *body))


def encode_puback(packet_id: int) -> bytes:
    """A PUBACK."""
    return bytes((0x40, 2, packet_id >> 8, packet_id & 255))


def encode(packet: Packet) -> bytes:
    """Any packet as bytes.

    Raises:
        ValueError: MQTT forbids such a packet.
    """
    kind = type(packet)
    bare = _BARE.get(kind)
    if bare is not None:
        return bare
    match packet:
        case Publish():
            return _publish(packet)
        case Connect():
            return _framed(CONNECT << 4, _connect(packet))
        case Connack(code, present):
            if present and code:  # [MQTT-3.2.2-4]
                raise ValueError(f"CONNACK with return code {code} has no session")
            return bytes((CONNACK << 4, 2, present, code))
        case Subscribe(packet_id, filters):
            _some(filters)
            parts = [_filter(name) + bytes((_qos(qos),)) for name, qos in filters]
            return _framed(SUBSCRIBE << 4 | 0b0010, _id(packet_id) + b"".join(parts))
        case Suback(packet_id, codes):
            _some(codes)
            if not set(codes) <= {0, 1, 2, 0x80}:  # [MQTT-3.9.3-2]
                raise ValueError(f"return codes {codes} are not 0, 1, 2 or 128")
            return _framed(SUBACK << 4, _id(packet_id) + bytes(codes))
        case Unsubscribe(packet_id, names):
            _some(names)
            body = _id(packet_id) + b"".join(map(_filter, names))
            return _framed(UNSUBSCRIBE << 4 | 0b0010, body)
        case Puback() | Pubrec() | Pubrel() | Pubcomp() | Unsuback():
            return _framed(_WITH_ID[kind], _id(packet.packet_id))
    raise ValueError(f"{packet!r} is no MQTT packet")


def _framed(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _length(len(body)) + body


def _publish(packet: Publish) -> bytes:
    if packet.qos == 0 and packet.dup:  # [MQTT-3.3.1-2]
        raise ValueError("a PUBLISH at QoS 0 cannot be a duplicate")
    first = PUBLISH << 4 | packet.dup << 3 | _qos(packet.qos) << 1 | packet.retain
    middle = _id(packet.packet_id) if packet.qos else b""
    return _framed(first, _topic(packet.topic) + middle + packet.payload)


def _connect(packet: Connect) -> bytes:
    will = packet.will
    if packet.password is not None and packet.username is None:  # [MQTT-3.1.2-22]
        raise ValueError("a password needs a user name")
    if not packet.client_id and not packet.clean_session:  # [MQTT-3.1.3-7]
        raise ValueError("an empty client id needs a clean session")
    if not 0 <= packet.keep_alive <= 65535:
        raise ValueError(f"keep-alive {packet.keep_alive} is not 0 to 65535 seconds")
    flags = packet.clean_session << 1
    payload = [_text(packet.client_id)]
    if will is not None:
        flags |= 1 << 2 | _qos(will.qos) << 3 | will.retain << 5
        payload += (_topic(will.topic), _binary(will.payload))
    if packet.username is not None:
        flags |= 1 << 7
        payload.append(_text(packet.username))
    if packet.password is not None:
        flags |= 1 << 6
        payload.append(_binary(packet.password))
    head = b"\x00\x04MQTT" + bytes((packet.level, flags)) + packet.keep_alive.to_bytes(2, "big")
    return head + b"".join(payload)


def _text(text: str) -> bytes:
    if "\0" in text:  # [MQTT-1.5.3-2]
        raise ValueError(f"{text!r} has U+0000, which MQTT forbids")
    return _binary(text.encode())  # a lone surrogate raises UnicodeEncodeError, a ValueError


def _topic(topic: str) -> bytes:
    if not topic or "+" in topic or "#" in topic:  # [MQTT-3.3.2-2], [MQTT-4.7.3-1]
        raise ValueError(f"{topic!r} is no topic name: it is empty or has a wildcard")
    return _text(topic)


def _filter(name: str) -> bytes:
    *before, last = name.split("/")
    astray = any("#" in level or ("+" in level and level != "+") for level in before)
    if not name or astray or (last not in ("+", "#") and ("+" in last or "#" in last)):
        # [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1]
        raise ValueError(f"{name!r} is no topic filter: it is empty or has a wildcard astray")
    return _text(name)


def _binary(data: bytes) -> bytes:
    if len(data) > 65535:
        raise ValueError(f"a string of {len(data)} bytes is more than MQTT's 65535")
    return len(data).to_bytes(2, "big") + data


def _id(packet_id: int) -> bytes:
    if not 0 < packet_id < 65536:  # [MQTT-2.3.1-1]
        raise ValueError(f"packet id {packet_id} is not 1 to 65535")
    return packet_id.to_bytes(2, "big")


def _qos(qos: int) -> int:
    if qos not in (0, 1, 2):
        raise ValueError(f"QoS {qos} is not 0, 1 or 2")
    return qos


def _some(listed: tuple[object, ...]) -> None:
    if not listed:  # [MQTT-3.8.3-3], [MQTT-3.10.3-2]
        raise ValueError("at least one topic filter, or its return code, is needed")
