"""Bytes → packets of MQTT 3.1.1, for either side, in whatever pieces they come.

Rule 1: packets come out in order, and ``MqttError`` is raised exactly where the bytes go wrong;
        after that the reader raises it at every further feed.
Rule 2: a packet that is too large is refused when its header is seen, not after it was buffered.
Rule 3: who may send what, and when, is a table too: ``ALLOWED``.

Source: OASIS MQTT Version 3.1.1, by the numbers of its normative statements.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from simulator.errors import MqttError
from simulator.mqtt.packets import (
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
from simulator.mqtt.topics import check_filter, check_topic

Side = Literal["server", "client"]
State = Literal["new", "open", "ended"]

_BOTH: Final = frozenset({PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP})

ALLOWED: Final[dict[tuple[Side, State], frozenset[int]]] = {
    # what this side may receive: [MQTT-3.1.0-1], [MQTT-3.1.0-2], [MQTT-3.2.0-1]
    ("server", "new"): frozenset({CONNECT}),
    ("server", "open"): _BOTH | {SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT},
    ("server", "ended"): frozenset(),
    ("client", "new"): frozenset({CONNACK}),
    ("client", "open"): _BOTH | {SUBACK, UNSUBACK, PINGRESP},
    ("client", "ended"): frozenset(),
}
AFTER: Final[dict[int, State]] = {CONNECT: "open", CONNACK: "open", DISCONNECT: "ended"}

_NAMES: Final = (
    "type 0",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "type 15",
)
_FLAGS: Final = {SUBSCRIBE: 0b0010, UNSUBSCRIBE: 0b0010, PUBREL: 0b0010}
"""Fixed header flags; all other packets but PUBLISH have 0 [MQTT-2.2.2-2]."""


class PacketReader:
    """Takes bytes, gives packets. An idle reader holds no buffer."""

    __slots__ = ("_allowed", "_error", "_max", "_rest", "_side")

    def __init__(self, side: Side, max_packet_size: int = 131_072 + 1024) -> None:
        self._side: Side = side
        self._max = max_packet_size
        self._rest = b""
        self._allowed = ALLOWED[side, "new"]
        self._error: MqttError | None = None

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that ``data`` completes. To be iterated to its end.

        Raises:
            MqttError: the bytes break MQTT; the packets before have been yielded.
        """
        if self._error is not None:
            raise self._error
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, end = 0, len(data)
        try:
            while end - at >= 2:
                first = data[at]
                size = data[at + 1]
                start = at + 2
                if first >> 4 not in self._allowed:
                    self._refuse(first >> 4)
                if size & 128:
                    size &= 127
                    shift = 7
                    while True:
                        if shift > 21:
                            raise MqttError("remaining length of more than four bytes [MQTT-2.2.3]")
                        if start == end:
                            return
                        byte = data[start]
                        start += 1
                        size |= (byte & 127) << shift
                        shift += 7
                        if not byte & 128:
                            break
                if size > self._max:
                    raise MqttError(f"a packet of {size} bytes; at most {self._max} are taken")
                stop = start + size
                if stop > end:
                    return
                if first >> 4 == PUBLISH:
                    packet: Packet = _publish(data, first, start, stop)
                elif first == 0x40 and size == 2:
                    packet_id = data[start] << 8 | data[start + 1]
                    if not packet_id:
                        raise MqttError("packet id 0 [MQTT-2.3.1-1]")
                    packet = Puback(packet_id)
                else:
                    packet = self._other(first, data[start:stop])
                at = stop
                yield packet
        except MqttError as error:
            self._error = error
            at = end
            raise
        finally:
            self._rest = data[at:] if at < end else b""

    def _refuse(self, kind: int) -> None:
        allowed = ", ".join(_NAMES[k] for k in sorted(self._allowed)) or "nothing"
        raise MqttError(f"the {self._side} received {_NAMES[kind]}; it may receive {allowed} now")

    def _other(self, first: int, body: bytes) -> Packet:
        kind = first >> 4
        if first & 15 != _FLAGS.get(kind, 0):
            raise MqttError(f"{_NAMES[kind]} with fixed header flags {first & 15} [MQTT-2.2.2-2]")
        packet = _PARSERS[kind](body)
        state = AFTER.get(kind)
        if state is not None:
            self._allowed = ALLOWED[self._side, state]
        return packet


def _publish(data: bytes, first: int, start: int, stop: int) -> Publish:
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
    elif first & 8:
        raise MqttError("a duplicate at QoS 0 [MQTT-3.3.1-2]")
    return Publish(topic, data[payload:stop], qos, packet_id, first & 1 == 1, first & 8 == 8)


class _Body:
    """Reads the fields of one packet; whatever is left over is an error."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise MqttError("a packet ends within a field")
        self._at += count
        return part

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def packet_id(self) -> int:
        packet_id = self.number()
        if not packet_id:
            raise MqttError("packet id 0 [MQTT-2.3.1-1]")
        return packet_id

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            text = self.binary().decode()
        except UnicodeDecodeError:
            raise MqttError("a string is not UTF-8 [MQTT-1.5.3-1]") from None
        if "\0" in text:
            raise MqttError("a string has U+0000 [MQTT-1.5.3-2]")
        return text

    def end(self) -> None:
        if self.left:
            raise MqttError("a packet has bytes after its last field")


def _connect(data: bytes) -> Connect:
    body = _Body(data)
    if body.binary() != b"MQTT":
        raise MqttError("the protocol name is not MQTT [MQTT-3.1.2-1]")
    level, flags = body.byte(), body.byte()
    if level != 4:
        raise MqttError(f"protocol level {level} is not 4 [MQTT-3.1.2-2]", return_code=1)
    if flags & 1:
        raise MqttError("the reserved connect flag is set [MQTT-3.1.2-3]")
    has_will, will_qos, will_retain = flags >> 2 & 1, flags >> 3 & 3, flags >> 5 & 1
    if (not has_will and (will_qos or will_retain)) or will_qos == 3:
        raise MqttError("will flags contradict each other [MQTT-3.1.2-13] to [MQTT-3.1.2-15]")
    if flags >> 6 & 1 and not flags >> 7:
        raise MqttError("a password without a user name [MQTT-3.1.2-22]")
    clean, keep_alive = bool(flags >> 1 & 1), body.number()
    client_id = body.text()
    if not client_id and not clean:
        raise MqttError("an empty client id needs a clean session [MQTT-3.1.3-8]", return_code=2)
    will = None
    if has_will:
        topic = body.text()
        check_topic(topic)
        will = Will(topic, body.binary(), will_qos, bool(will_retain))
    username = body.text() if flags >> 7 else None
    password = body.binary() if flags >> 6 & 1 else None
    body.end()
    return Connect(client_id, clean, keep_alive, username, password, will, level)


def _connack(data: bytes) -> Connack:
    body = _Body(data)
    flags, code = body.byte(), body.byte()
    body.end()
    if flags > 1 or (flags and code):  # [MQTT-3.2.2-4]
        raise MqttError("CONNACK with reserved flags, or a session with a refusal")
    return Connack(code, bool(flags))


def _subscribe(data: bytes) -> Subscribe:
    body = _Body(data)
    packet_id = body.packet_id()
    filters: list[tuple[str, int]] = []
    while body.left or not filters:  # an empty list ends within a field [MQTT-3.8.3-3]
        name, qos = body.text(), body.byte()
        check_filter(name)
        if qos > 2:
            raise MqttError(f"SUBSCRIBE asks for QoS {qos} [MQTT-3.8.3-4]")
        filters.append((name, qos))
    return Subscribe(packet_id, tuple(filters))


def _suback(data: bytes) -> Suback:
    body = _Body(data)
    packet_id = body.packet_id()
    codes: list[int] = []
    while body.left or not codes:
        codes.append(body.byte())
        if codes[-1] not in (0, 1, 2, 0x80):
            raise MqttError(f"SUBACK with return code {codes[-1]} [MQTT-3.9.3-2]")
    return Suback(packet_id, tuple(codes))


def _unsubscribe(data: bytes) -> Unsubscribe:
    body = _Body(data)
    packet_id = body.packet_id()
    names: list[str] = []
    while body.left or not names:  # [MQTT-3.10.3-2]
        names.append(body.text())
        check_filter(names[-1])
    return Unsubscribe(packet_id, tuple(names))


def _only_id(make: Callable[[int], Packet]) -> Callable[[bytes], Packet]:
    def parse(data: bytes) -> Packet:
        body = _Body(data)
        packet_id = body.packet_id()
        body.end()
        return make(packet_id)

    return parse


def _empty(packet: Packet) -> Callable[[bytes], Packet]:
    def parse(data: bytes) -> Packet:
        _Body(data).end()
        return packet

    return parse


_PARSERS: Final[dict[int, Callable[[bytes], Packet]]] = {
    CONNECT: _connect,
    CONNACK: _connack,
    PUBACK: _only_id(Puback),
    PUBREC: _only_id(Pubrec),
    PUBREL: _only_id(Pubrel),
    PUBCOMP: _only_id(Pubcomp),
    SUBSCRIBE: _subscribe,
    SUBACK: _suback,
    UNSUBSCRIBE: _unsubscribe,
    UNSUBACK: _only_id(Unsuback),
    PINGREQ: _empty(Pingreq()),
    PINGRESP: _empty(Pingresp()),
    DISCONNECT: _empty(Disconnect()),
}
