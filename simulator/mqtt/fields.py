"""The fields that packets are made of: numbers, strings and lengths, written and read.

Rule 1: what is written was checked: ``ValueError`` where MQTT forbids a value.
Rule 2: what cannot be read is ``MqttError``, never an index or a decode error.

Source: OASIS MQTT 3.1.1 and 5.0, section 1.5; numbers like [MQTT-3.3.2-2] are 3.1.1's, those of
5.0 are marked [5:…].
"""

from typing import Final

from simulator.errors import MqttError

MAX_REMAINING: Final = 268_435_455
"""The largest remaining length that four bytes can say [MQTT-2.2.3]."""


def length(n: int) -> bytes:
    """A length or another variable byte integer: seven bits a byte, least significant first."""
    if n < 128:
        return bytes((n,))
    if n > MAX_REMAINING:
        raise ValueError(f"{n} is more than the {MAX_REMAINING} that MQTT can say")
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(value: str) -> bytes:
    """A string with its length before it."""
    if "\0" in value:  # [MQTT-1.5.3-2]
        raise ValueError(f"{value!r} has U+0000, which MQTT forbids")
    return binary(value.encode())  # a lone surrogate raises UnicodeEncodeError, a ValueError


def binary(data: bytes) -> bytes:
    """Bytes with their length before them."""
    if len(data) > 65535:
        raise ValueError(f"a string of {len(data)} bytes is more than MQTT's 65535")
    return len(data).to_bytes(2, "big") + data


def topic_name(topic: str) -> bytes:
    """A topic to publish to."""
    if not topic or "+" in topic or "#" in topic:  # [MQTT-3.3.2-2], [MQTT-4.7.3-1]
        raise ValueError(f"{topic!r} is no topic name: it is empty or has a wildcard")
    return text(topic)


def topic_filter(name: str) -> bytes:
    """A filter to subscribe to."""
    *before, last = name.split("/")
    astray = any("#" in level or ("+" in level and level != "+") for level in before)
    if not name or astray or (last not in ("+", "#") and ("+" in last or "#" in last)):
        # [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1]
        raise ValueError(f"{name!r} is no topic filter: it is empty or has a wildcard astray")
    return text(name)


def identifier(packet_id: int) -> bytes:
    """A packet id."""
    if not 0 < packet_id < 65536:  # [MQTT-2.3.1-1]
        raise ValueError(f"packet id {packet_id} is not 1 to 65535")
    return packet_id.to_bytes(2, "big")


def service_level(qos: int) -> int:
    """A QoS."""
    if qos not in (0, 1, 2):
        raise ValueError(f"QoS {qos} is not 0, 1 or 2")
    return qos


class Body:
    """Reads the fields of one packet; whatever is left over is an error."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """So many bytes."""
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise MqttError("a packet ends within a field")
        self._at += count
        return part

    def byte(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def number(self, size: int = 2) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def length(self) -> int:
        """A variable byte integer of at most four bytes, and of no more than it needs."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            if not byte & 128:
                if shift and not byte:  # [5:MQTT-1.5.5-1]
                    raise MqttError("a variable byte integer is longer than it needs to be")
                return value
            shift += 7
            if shift > 21:
                raise MqttError("a variable byte integer of more than four bytes")

    def packet_id(self) -> int:
        """A packet id."""
        packet_id = self.number()
        if not packet_id:
            raise MqttError("packet id 0 [MQTT-2.3.1-1]")
        return packet_id

    def binary(self) -> bytes:
        """Bytes with their length before them."""
        return self.take(self.number())

    def text(self) -> str:
        """A string with its length before it."""
        try:
            value = self.binary().decode()
        except UnicodeDecodeError:
            raise MqttError("a string is not UTF-8 [MQTT-1.5.3-1]") from None
        if "\0" in value:
            raise MqttError("a string has U+0000 [MQTT-1.5.3-2]")
        return value

    def end(self) -> None:
        """Nothing is left."""
        if self.left:
            raise MqttError("a packet has bytes after its last field")
