"""What a broker keeps of one client: what it has not acknowledged yet, and what waits for it.

Rule 1: at most ``window`` messages at QoS 1 are on their way at once; the rest waits in a queue of
        at most ``QUEUE`` messages, and what does not fit is dropped, the newest first (DG:mqtt).
Rule 2: an id in ``unacked`` is not given out again until it is acknowledged [MQTT-2.3.1-2].
Rule 3: a client that is gone keeps what it has at QoS 1; messages at QoS 0 are not for it.

The one subtlety: a reply is kept as the bytes it was sent as, since nearly always it is
acknowledged at once and never looked at again; a relayed message is kept as itself, shared by all
who get it.
"""

from collections import deque
from typing import Final, Protocol

from msgspec import Struct

from simulator.mqtt.packets import NO_LOCAL, QOS_BITS, RETAIN_AS_PUBLISHED, V311, Will
from simulator.mqtt.properties import Properties

WINDOW: Final = 100
"""Messages that AWS sends before the client must acknowledge (GR:core)."""

QUEUE: Final = 1000
"""Messages that wait for one client. AWS bounds them for the account only, per second."""

EXPIRY: Final = (1, 604_800)
"""Seconds that a message may live: AWS's bounds (DG:mqtt, message expiry)."""


class Message(Struct, frozen=True):
    """What was published; ``expires`` is a time of whoever keeps the time."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties | None = None
    expires: float | None = None

    @classmethod
    def of(
        cls,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        properties: Properties | None,
        now: float,
    ) -> "Message":
        """A message with the properties that are passed on [5:MQTT-3.3.2-4] and following."""
        if properties is None:
            return cls(topic, payload, qos, retain)
        passed_on = Properties(
            payload_format=properties.payload_format,
            content_type=properties.content_type,
            response_topic=properties.response_topic,
            correlation_data=properties.correlation_data,
            user=properties.user,
        )
        expires = None
        if properties.message_expiry is not None:
            shortest, longest = EXPIRY
            expires = now + min(max(properties.message_expiry, shortest), longest)
        said = None if passed_on == Properties() else passed_on
        return cls(topic, payload, qos, retain, said, expires)

    def expired(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= now


class Outgoing(Struct, frozen=True):
    """A message to one client at QoS 1, and the retain flag it gets."""

    message: Message
    retain: bool = False


class Receiver(Protocol):
    """A connection, as the broker sees it."""

    def deliver(self, session: "Session", message: Message, qos: int, retain: bool) -> None:
        """Send a message, or keep it in the session until there is room."""


class Session:
    """One client, connected (it has a ``receiver``) or not."""

    __slots__ = (
        "client_id",
        "ends",
        "expiry",
        "level",
        "packet_id",
        "queue",
        "receiver",
        "unacked",
        "wakes",
        "will",
        "will_due",
        "window",
    )

    def __init__(self, client_id: str, level: int = V311, expiry: float = 0.0) -> None:
        self.client_id = client_id
        self.level = level
        self.expiry = expiry
        """Seconds to live on without a connection."""
        self.receiver: Receiver | None = None
        self.unacked: dict[int, bytes | Outgoing] = {}
        self.queue: deque[Outgoing] | None = None
        self.window = WINDOW
        self.packet_id = 0
        self.ends: float | None = None
        self.will: Will | None = None
        self.will_due: float | None = None
        self.wakes: float | None = None
        """When the broker will look at it next, if it will."""

    def next_id(self) -> int:
        """A packet id that is not on its way."""
        packet_id = self.packet_id % 65535 + 1
        while packet_id in self.unacked:
            packet_id = packet_id % 65535 + 1
        self.packet_id = packet_id
        return packet_id

    def take(self, message: Message, options: int, origin: "Session | None" = None) -> None:
        """A message that a subscription of this client's matched."""
        if options & NO_LOCAL and origin is self:
            return
        qos = min(message.qos, options & QOS_BITS)
        retain = message.retain and options & RETAIN_AS_PUBLISHED != 0
        if self.receiver is not None:
            self.receiver.deliver(self, message, qos, retain)
        elif qos:
            self.keep(Outgoing(message, retain))

    def keep(self, outgoing: Outgoing) -> None:
        """Let a message wait, if there is room for it."""
        if self.queue is None:
            self.queue = deque()
        if len(self.queue) < QUEUE:
            self.queue.append(outgoing)

    def narrow(self) -> None:
        """Let wait again what is more than a new connection's window.

        Replies among it are let go: who asked has given up on them.
        """
        for packet_id in reversed(list(self.unacked)[self.window :]):
            kept = self.unacked.pop(packet_id)
            if isinstance(kept, Outgoing):
                if self.queue is None:
                    self.queue = deque()
                self.queue.appendleft(kept)

    def next_waiting(self, now: float) -> Outgoing | None:
        """What waits longest and may go now; what has expired meanwhile is dropped."""
        queue = self.queue
        while queue and len(self.unacked) < self.window:
            outgoing = queue.popleft()
            if not outgoing.message.expired(now):
                return outgoing
        return None


class Group:
    """The subscribers who share a filter: each message goes to one of them, in turn.

    While none of them is connected, and one will be back, messages at QoS 1 wait here (DG:mqtt).
    """

    __slots__ = ("members", "waiting")

    def __init__(self) -> None:
        self.members: dict[Session, int] = {}
        """Session → options; who was served last stands last."""
        self.waiting: deque[Message] = deque()

    def take(self, message: Message, options: int, origin: Session | None = None) -> None:
        """A message that the shared filter matched."""
        for session, granted in self.members.items():
            if session.receiver is not None:
                del self.members[session]
                self.members[session] = granted
                session.take(message, granted, origin)
                return
        if message.qos and len(self.waiting) < QUEUE:
            self.waiting.append(message)

    def joined(self, session: Session, now: float) -> None:
        """A member is there: what waited goes to it."""
        options = self.members[session]
        while self.waiting:
            message = self.waiting.popleft()
            if not message.expired(now):
                session.take(message, options)
