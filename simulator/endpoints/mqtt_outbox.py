"""The writing half of a connection: what goes to one client, and how much of it at once.

Rule 1: at QoS 1 no more is on its way than the session's window: the rest waits in the session.
Rule 2: a packet larger than the client takes is not sent, and counts as sent [5:MQTT-3.1.2-25].
Rule 3: a topic alias is agreed per connection: it is never kept with a message [5:MQTT-3.3.2-7].
"""

import asyncio
from typing import Final, Protocol

import msgspec

from simulator.endpoints.mqtt_rules import MAX_ALIASES, Bucket, Permission, Shared
from simulator.mqtt import (
    V5,
    Connect,
    Message,
    Outgoing,
    Properties,
    Session,
    encode_id,
    encode_publish,
    encode_publish_v5,
    publish_head,
)
from simulator.mqtt.properties import PUBLISH, encode_properties

RETAIN: Final = 0x01
DUP: Final = 0x08


class Stream(Protocol):
    """What a connection writes to: asyncio's transports, or an adapter of a WebSocket."""

    def write(self, data: bytes, /) -> None:
        """Send, or buffer."""

    def close(self) -> None:
        """Send what is buffered, then close."""

    def abort(self) -> None:
        """Close at once."""


class Outbox:
    """Messages to one client (it is the session's ``receiver``) and whatever else it is sent."""

    __slots__ = (
        "_aliases",
        "_bucket",
        "_largest",
        "_loop",
        "_pause",
        "_permission",
        "_reply_head",
        "_reply_size",
        "_reply_topic",
        "_stored",
        "_v5",
        "_waits",
        "batch",
        "stream",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._v5 = False
        self._largest = 0
        self._permission: Permission | None = None
        self._bucket: Shared | None = None
        self._stored: Bucket | None = None
        self._pause = 0.0
        self._waits = False
        """Whether ``pump`` goes on by itself after a pause."""
        self._aliases: _Aliases | None = None
        self._reply_topic = self._reply_head = b""
        """The last reply's, and how it began: a client's next one is mostly its like."""
        self._reply_size = -1
        self.stream: Stream | None = None
        self.batch: list[bytes] | None = None
        """What was written while a piece of input is worked on: sent at once, at its end."""

    def greet(
        self,
        packet: Connect,
        permission: Permission | None,
        bucket: Shared | None,
        stored_per_s: float = 0.0,
    ) -> None:
        """Learn from a CONNECT what the client takes; 0 is no rate of stored messages."""
        self._permission, self._bucket = permission, bucket
        if stored_per_s:
            self._stored = Bucket(stored_per_s, self._loop.time())
            self._pause = 1 / stored_per_s
        self._v5 = packet.level >= V5
        said = packet.properties
        if said is not None:
            self._largest = said.maximum_packet_size or 0
            if said.topic_alias_maximum:
                self._aliases = _Aliases(min(said.topic_alias_maximum, MAX_ALIASES))

    # ----------------------------------------------------------------------- bytes

    def write(self, data: bytes) -> None:
        """Send, or put to what is sent together."""
        if self.batch is not None:
            self.batch.append(data)
        elif self.stream is not None:
            self.stream.write(data)

    def flush(self) -> None:
        """One system call for an acknowledgement, its reply and what else came of the input."""
        batch, self.batch = self.batch, None
        if batch and self.stream is not None:
            self.stream.write(batch[0] if len(batch) == 1 else b"".join(batch))

    # ----------------------------------------------------------------------- messages

    def reply(
        self,
        session: Session,
        topic: bytes,
        payload: bytes,
        qos: int,
        correlation: bytes | None = None,
    ) -> None:
        """The lean path of ``deliver``: an answer to this client's own request."""
        said = None if correlation is None else Properties(correlation_data=correlation)
        if self._bucket is not None and not self._bucket.take(self._loop.time()):
            return
        packet_id = 0
        if qos:
            unacked = session.unacked
            if session.queue or len(unacked) >= session.window:
                session.keep(Outgoing(Message(topic.decode(), payload, 1, properties=said)))
                return
            packet_id = session.packet_id % 65535 + 1
            if packet_id in unacked:
                packet_id = session.next_id()
            session.packet_id = packet_id
        if not self._v5 and qos:
            if topic is not self._reply_topic or len(payload) != self._reply_size:
                self._reply_topic, self._reply_size = topic, len(payload)
                self._reply_head = publish_head(topic, len(payload))
            data = b"".join((self._reply_head, encode_id(packet_id), payload))
        elif not self._v5:
            data = encode_publish(topic, payload, 0, 0)
        else:
            properties = b"\0" if said is None else encode_properties(said, PUBLISH)
            data = encode_publish_v5(topic, payload, qos, packet_id, properties)
            if 0 < self._largest < len(data):
                return
        if qos:
            unacked[packet_id] = data
        if self.batch is not None:  # as ``write``, and nearly always so
            self.batch.append(data)
        else:
            self.write(data)

    def deliver(self, session: Session, message: Message, qos: int, retain: bool) -> None:
        """Send a message, or keep it in the session until there is room."""
        if not self._may_receive(message):
            return
        if self._bucket is not None and not self._bucket.take(self._loop.time()):
            return
        outgoing = Outgoing(message, retain)
        if not qos:
            self._send(outgoing, 0, 0, RETAIN * retain)
        elif session.queue or len(session.unacked) >= session.window:
            session.keep(outgoing)
        else:
            self._send_kept(session, outgoing)

    def pump(self, session: Session) -> None:
        """Send what waits, as far as there is room; with AWS's rates, not all of it at once."""
        now = self._loop.time()
        while session.queue:
            if self._stored is not None and not self._stored.take(now):
                if not self._waits:
                    self._waits = True
                    self._loop.call_later(self._pause, self._go_on, session)
                return
            outgoing = session.next_waiting(now)
            if outgoing is None:
                return
            if self._may_receive(outgoing.message):
                self._send_kept(session, outgoing)

    def _go_on(self, session: Session) -> None:
        self._waits = False
        if self.stream is not None:
            self.pump(session)

    def resend(self, session: Session) -> None:
        """Send again what the connection before left unacknowledged [MQTT-4.4.0-1]."""
        session.narrow()
        now = self._loop.time()
        for packet_id, kept in list(session.unacked.items()):
            if isinstance(kept, bytes):
                self.write(_flagged(kept, DUP))
                continue
            flags = DUP | RETAIN * kept.retain
            if kept.message.expired(now) or not self._send(kept, 1, packet_id, flags):
                del session.unacked[packet_id]

    def _may_receive(self, message: Message) -> bool:
        return self._permission is None or self._permission.may("receive", message.topic)

    def _send_kept(self, session: Session, outgoing: Outgoing) -> None:
        packet_id = session.next_id()
        if self._send(outgoing, 1, packet_id, RETAIN * outgoing.retain):
            session.unacked[packet_id] = outgoing

    def _send(self, outgoing: Outgoing, qos: int, packet_id: int, flags: int) -> bool:
        """Write a message; returns whether the client takes one so large."""
        message = outgoing.message
        if not self._v5:
            data = encode_publish(message.topic.encode(), message.payload, qos, packet_id)
            self.write(_flagged(data, flags))
            return True
        said = message.properties
        if message.expires is not None:
            left = max(0, int(message.expires - self._loop.time()))
            said = msgspec.structs.replace(said or Properties(), message_expiry=left)
        topic = message.topic
        if self._aliases is not None:
            topic, said = self._aliases.shortened(topic, said)
        properties = encode_properties(said, PUBLISH)
        data = encode_publish_v5(topic.encode(), message.payload, qos, packet_id, properties)
        if 0 < self._largest < len(data):
            if self._aliases is not None and topic:
                self._aliases.forget(topic)
            return False
        self.write(_flagged(data, flags))
        return True


class _Aliases:
    """Numbers for the first topics that a client gets messages on."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, int] = {}

    def shortened(self, topic: str, said: Properties | None) -> tuple[str, Properties | None]:
        """The topic to write, and the properties with its alias."""
        alias = self._known.get(topic)
        if alias is None:
            if len(self._known) >= self._most:
                return topic, said
            alias = self._known[topic] = len(self._known) + 1
        else:
            topic = ""
        return topic, msgspec.structs.replace(said or Properties(), topic_alias=alias)

    def forget(self, topic: str) -> None:
        """The packet that told the alias was not sent: it was the last one given out, if any."""
        self._known.pop(topic, None)


def _flagged(data: bytes, flags: int) -> bytes:
    return bytes((data[0] | flags,)) + data[1:] if flags else data
