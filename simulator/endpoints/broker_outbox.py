"""What a service says over a broker that is not its own: at QoS 1, and kept until it has arrived.

Rule 1: what the broker has not acknowledged is sent again on the next connection, in order
        [MQTT-4.4.0-1]; what is said while there is none waits for it.
Rule 2: an MQTT 5 broker says how much may be on its way at once; the rest waits.
Rule 3: what waits is bounded: above ``MOST_WAITING`` the oldest is dropped, and the log says so.
        So it does of a message larger than the broker takes, which would end the connection.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from simulator.mqtt import V5, V311, Connack, Properties, encode_publish, encode_publish_v5
from simulator.mqtt.properties import PUBLISH, encode_properties

log = logging.getLogger(__name__)

MOST_WAITING: Final = 100_000
WINDOW: Final = 20_000
"""Messages on their way at once where the broker sets no limit, far from the end of packet ids."""

DUP: Final = 0x08


class BrokerOutbox:
    """Messages to a broker, over all connections to it."""

    def __init__(self) -> None:
        self.level = V311
        self.batch: list[bytes] = []
        """What is written at the end of a piece of input, in one system call."""
        self._write: Callable[[bytes], None] | None = None
        self._window = WINDOW
        self._largest = 0
        self._packet_id = 0
        self._unacked: dict[int, bytes] = {}
        self._waiting: deque[tuple[bytes, bytes, bytes | None]] = deque()
        self._dropped = 0

    @property
    def pending(self) -> int:
        """How many messages have not arrived yet."""
        return len(self._unacked) + len(self._waiting)

    def publish(self, topic: bytes, payload: bytes, correlation: bytes | None = None) -> None:
        """Say something; ``flush`` must follow."""
        if self._write is None or self._waiting or len(self._unacked) >= self._window:
            self._waiting.append((topic, payload, correlation))
            if len(self._waiting) > MOST_WAITING:
                self._drop()
        else:
            self._send(topic, payload, correlation)

    def acknowledged(self, packet_id: int) -> None:
        """A message has arrived."""
        self._unacked.pop(packet_id, None)
        if self._waiting:
            self._pump()

    def flush(self) -> None:
        """Write what was said."""
        batch = self.batch
        if batch:
            if self._write is not None:
                self._write(batch[0] if len(batch) == 1 else b"".join(batch))
            batch.clear()

    def attach(self, write: Callable[[bytes], None], level: int, welcome: Connack) -> None:
        """There is a connection: send again what did not arrive, then what waits."""
        said, resumed = welcome.properties or Properties(), welcome.session_present
        self._write, self.level = write, level
        self._window = min(said.receive_maximum or WINDOW, WINDOW)
        self._largest = said.maximum_packet_size or 0
        for data in self._unacked.values():
            self.batch.append(bytes((data[0] | DUP,)) + data[1:] if resumed else data)
        self._pump()
        self.flush()

    def detach(self) -> None:
        """The connection is gone."""
        self._write = None
        self.batch.clear()

    def _pump(self) -> None:
        waiting = self._waiting
        while waiting and len(self._unacked) < self._window:
            self._send(*waiting.popleft())

    def _send(self, topic: bytes, payload: bytes, correlation: bytes | None) -> None:
        packet_id = self._packet_id % 65535 + 1
        while packet_id in self._unacked:
            packet_id = packet_id % 65535 + 1
        self._packet_id = packet_id
        if self.level < V5:
            data = encode_publish(topic, payload, 1, packet_id)
        elif correlation is None:
            data = encode_publish_v5(topic, payload, 1, packet_id)
        else:
            said = encode_properties(Properties(correlation_data=correlation), PUBLISH)
            data = encode_publish_v5(topic, payload, 1, packet_id, said)
        if 0 < self._largest < len(data):
            log.warning("a message of %d bytes is more than the broker takes: dropped", len(data))
            return
        self._unacked[packet_id] = data
        self.batch.append(data)

    def _drop(self) -> None:
        self._waiting.popleft()
        if not self._dropped:
            log.warning("more than %d messages wait for the broker: the oldest go", MOST_WAITING)
        self._dropped += 1
