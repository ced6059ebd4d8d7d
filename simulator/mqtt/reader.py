"""Bytes → packets of MQTT 3.1.1 or 5, for either side, in whatever pieces they come.

Rule 1: packets come out in order, and ``MqttError`` is raised exactly where the bytes go wrong;
        after that the reader raises it at every further feed.
Rule 2: a packet that is too large is refused when its header is seen, not after it was buffered.
Rule 3: who may send what, and when, is a table too: ``ALLOWED``.
Rule 4: a server learns the version from CONNECT; a client is told which one it speaks.
Rule 5: most input is an acknowledgement and a message like the one before. Whoever reads may ask
        for that first (``like_the_last``); whatever is not exactly so is to be fed.

Source: OASIS MQTT 3.1.1 and 5.0, by the numbers of their normative statements.
"""

from collections.abc import Iterator
from typing import Final, Literal

from simulator.errors import MqttError
from simulator.mqtt import parse
from simulator.mqtt.packets import PUBACK_HEAD, V5, V311, Packet, Puback, Publish
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
)
from simulator.mqtt.reasons import PROTOCOL_ERROR, TOO_LARGE

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
ADDED_BY_5: Final[dict[tuple[Side, State], frozenset[int]]] = {
    ("server", "open"): frozenset({AUTH}),
    ("client", "new"): frozenset({AUTH}),
    ("client", "open"): frozenset({AUTH, DISCONNECT}),
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
    "AUTH",
)
LEAN: Final = PUBLISH << 4 | 1 << 1
"""The first byte of a PUBLISH at QoS 1 without flags: nearly every message."""

_FLAGS: Final = {SUBSCRIBE: 0b0010, UNSUBSCRIBE: 0b0010, PUBREL: 0b0010}
"""Fixed header flags; all other packets but PUBLISH have 0 [MQTT-2.2.2-2]."""


class PacketReader:
    """Takes bytes, gives packets. An idle reader holds no buffer."""

    __slots__ = (
        "_allowed", "_error", "_head", "_last", "_last_at", "_last_size", "_max", "_publish",
        "_rest", "_side", "level", "topic",
    )  # fmt: skip

    def __init__(
        self, side: Side, max_packet_size: int = 131_072 + 1024, level: int = V311
    ) -> None:
        self._side: Side = side
        self._max = max_packet_size
        self._rest = b""
        self._error: MqttError | None = None
        self.topic = ""
        """Of the last message at QoS 1: a thing's next one mostly has the same."""
        self._head = b""
        """The bytes of that, their length before them."""
        self._last = b""
        """That message up to its packet id."""
        self._last_at = 0
        """Where its payload would begin, were it behind an acknowledgement."""
        self._last_size = -1
        """The size of both; -1: there was none, or nothing like it may come any more."""
        self._speak(level)
        self._enter("new")

    def like_the_last(self, data: bytes) -> int:
        """Where the payload begins, if ``data`` is a PUBACK and a message just like the last.

        It has the same ``topic``, the same size and QoS 1, without flags; its packet id is right
        before its payload. 0: it is something else, and was not taken: ``feed`` it.
        """
        if (
            len(data) == self._last_size
            and data.startswith(self._last, 4)
            and data.startswith(PUBACK_HEAD)
            and not self._rest
        ):
            at = self._last_at
            if (data[3] or data[2]) and (data[at - 1] or data[at - 2]):  # ids are not 0
                return at
        return 0

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
        at, end, topic = 0, len(data), self.topic
        try:
            while end - at >= 2:
                first = data[at]
                size = data[at + 1]
                start = at + 2
                if first >> 4 not in self._allowed:
                    self._refuse(first >> 4)
                if size >= 128:
                    size, start = _length(data, start, end)
                    if not start:
                        return
                if size > self._max:
                    raise MqttError(
                        f"a packet of {size} bytes; at most {self._max} are taken",
                        reason=TOO_LARGE,
                    )
                stop = start + size
                if stop > end:
                    return
                if first == LEAN and topic and data.startswith(self._head, start):
                    after = start + len(self._head)
                    packet_id = data[after] << 8 | data[after + 1] if after + 2 <= stop else 0
                    if not packet_id:
                        raise MqttError("PUBLISH ends within its packet id, or that is 0")
                    packet: Packet = Publish(topic, data[after + 2 : stop], 1, packet_id)
                    if stop - at + 4 != self._last_size:
                        self._remember(data[at:after], stop - at)
                elif first == 0x40 and size == 2:
                    packet_id = data[start] << 8 | data[start + 1]
                    if not packet_id:
                        raise MqttError("packet id 0 [MQTT-2.3.1-1]")
                    packet = Puback(packet_id)
                elif first >> 4 == PUBLISH:
                    packet = self._publish(data, first, start, stop)
                    if first == LEAN and self.level < V5:
                        topic = self.topic = packet.topic
                        after = start + 2 + (data[start] << 8 | data[start + 1])
                        self._head = data[start:after]
                        self._remember(data[at:after], stop - at)
                else:
                    packet = self._other(first, data[start:stop])
                at = stop
                yield packet
        except MqttError as error:
            self._error = error
            self._last_size = -1
            at = end
            raise
        finally:
            self._rest = data[at:] if at < end else b""

    def _remember(self, begins: bytes, size: int) -> None:
        """What the next message will probably be like."""
        self._last, self._last_at, self._last_size = begins, 4 + len(begins) + 2, 4 + size

    def _refuse(self, kind: int) -> None:
        allowed = ", ".join(_NAMES[k] for k in sorted(self._allowed)) or "nothing"
        raise MqttError(
            f"the {self._side} received {_NAMES[kind]}; it may receive {allowed} now",
            reason=PROTOCOL_ERROR if kind else 0x81,
        )

    def _other(self, first: int, body: bytes) -> Packet:
        kind = first >> 4
        if first & 15 != _FLAGS.get(kind, 0):
            raise MqttError(f"{_NAMES[kind]} with fixed header flags {first & 15} [MQTT-2.2.2-2]")
        if kind == CONNECT and body[:6] == b"\x00\x04MQTT" and len(body) > 6:
            self._speak(body[6])
        packet = parse.PARSERS[kind](body, self.level)
        state = AFTER.get(kind)
        if state is not None:
            self._enter(state)
        return packet

    def _speak(self, level: int) -> None:
        """Read that version from now on."""
        self.level = level
        self._publish = parse.publish_v5 if level >= V5 else parse.publish

    def _enter(self, state: State) -> None:
        self._allowed = ALLOWED[self._side, state]
        self._last_size = -1
        if self.level >= V5:
            self._allowed = self._allowed | ADDED_BY_5.get((self._side, state), frozenset())


def _length(data: bytes, start: int, end: int) -> tuple[int, int]:
    """A remaining length whose first byte, before ``start``, says that it is longer.

    Returns:
        The length and where the body begins; (0, 0) where it is not all there yet.
    """
    size, shift = data[start - 1] & 127, 7
    while start < end:
        byte = data[start]
        start += 1
        size |= (byte & 127) << shift
        if byte < 128:
            return size, start
        shift += 7
        if shift > 21:
            raise MqttError("remaining length of more than four bytes [MQTT-2.2.3]")
    return 0, 0
