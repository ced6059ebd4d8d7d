"""What AWS's message broker allows beyond MQTT itself: sizes, topics, rates, and who may do what.

Rule 1: a rule that is broken raises ``MqttError`` with the reason an MQTT 5 client hears; a
        client of MQTT 3.1.1 is disconnected, since its version has no way to say more.
Rule 2: rates are a switch (``Limits``), off by default; everything else holds always.

Sources: GR:core (quotas), DG:mqtt, DG:reserved-topics. Which reason AWS gives for which rule is
documented in part only; what was chosen stands in docs/fidelity.md.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from simulator.errors import MqttError
from simulator.mqtt import Connect, Properties
from simulator.mqtt.broker import SHARE
from simulator.mqtt.reasons import (
    BAD_AUTHENTICATION_METHOD,
    CLIENT_ID_INVALID,
    FILTER_INVALID,
    PROTOCOL_ERROR,
    QOS_UNSUPPORTED,
    QUOTA_EXCEEDED,
    REFUSED_CLIENT_ID,
    TOPIC_INVALID,
)

MAX_PAYLOAD: Final = 128 * 1024
"""The largest payload in bytes (GR:core)."""

MAX_PACKET: Final = 146 * 1024
"""The largest packet in bytes, without its fixed header (GR:core)."""

MIN_PACKET: Final = 512
"""A client of MQTT 5 cannot ask for less as its maximum packet size (GR:core)."""

MAX_CLIENT_ID: Final = 128
MAX_TOPIC: Final = 256
MAX_SHARE_NAME: Final = 128
MAX_SLASHES: Final = 7
MAX_FILTERS: Final = 8
"""Filters in one SUBSCRIBE (GR:core)."""

MAX_SUBSCRIPTIONS: Final = 50
"""Subscriptions of one connection (GR:core)."""

MAX_REMEMBERED: Final = 100_000
"""Client ids whose last CONNECT is remembered, to hold them to their rate."""

MAX_ALIASES: Final = 8
RECEIVE_MAXIMUM: Final = 100
MAX_CONTENT_TYPE: Final = 256
MAX_CORRELATION: Final = 8 * 1024
MAX_USER: Final = 8 * 1024
"""Bytes of all user properties of a packet (GR:core)."""

KEEP_ALIVE: Final = (30, 1200)
"""AWS's bounds in seconds: a shorter one becomes 30, 0 or a longer one 1200 (GR:core)."""

Action = Literal["connect", "publish", "subscribe", "receive"]


class Authorize(Protocol):
    """Says whether a connection may do something: AWS's policies, as the broker asks them.

    ``identity`` is what ``MqttEndpoint.connection`` was given (a certificate's name, say);
    ``resource`` is the client id for connect, the topic for publish and receive, the topic filter
    for subscribe.
    """

    def __call__(self, identity: object, action: Action, resource: str, /) -> bool:
        """Whether it may."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What one connection may do."""

    identity: object
    authorize: Authorize

    def may(self, action: Action, resource: str) -> bool:
        """Whether it may."""
        return self.authorize(self.identity, action, resource)


@dataclass(frozen=True, slots=True)
class Limits:
    """AWS's rates (GR:core, DG:mqtt); what exceeds them is discarded, refused or delayed."""

    publishes_per_s: float = 100.0
    """Per connection, in each direction; the rest is discarded."""

    messages_per_s: float = 20_000.0
    """Of all connections together, in each direction; the rest is discarded."""

    bytes_per_s: float = 512 * 1024
    """What one connection may send; the rest waits."""

    connects_per_s: float = 3000.0
    """Of the whole endpoint; the rest is refused."""

    connects_per_s_and_client: float = 1.0
    """Per client id; the rest is refused."""

    subscriptions_per_s: float = 3000.0
    """Filters of all connections together; the rest is refused."""

    stored_per_s: float = 10.0
    """Messages that waited in a session, sent to its client; the rest waits on."""


class Bucket:
    """A rate with a second's allowance; time is handed in."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = self._left = rate
        self._at = now

    def take(self, now: float) -> bool:
        """Use one up, if there is one."""
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Shared:
    """A connection's own bucket, and the one that it shares with all others."""

    __slots__ = ("_all", "_own")

    def __init__(self, own: Bucket, shared: Bucket) -> None:
        self._own = own
        self._all = shared

    def take(self, now: float) -> bool:
        """Use one up of each, if there is one."""
        return self._own.take(now) and self._all.take(now)


class Flow:
    """A rate of bytes with a second's allowance: it does not refuse, it says how long to wait."""

    __slots__ = ("_free", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._free = now

    def wait(self, size: int, now: float) -> float:
        """Count ``size`` bytes; return the seconds to wait until more may come, 0 for none."""
        self._free = max(self._free, now) + size / self._rate
        return max(0.0, self._free - now - 1.0)


class Account:
    """The rates that all connections share, as at AWS those of an account do."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self.subscriptions = Bucket(limits.subscriptions_per_s, now)
        self._connects = Bucket(limits.connects_per_s, now)
        self._inbound = Bucket(limits.messages_per_s, now)
        self._outbound = Bucket(limits.messages_per_s, now)
        self._clients: dict[str, Bucket] = {}

    def admits(self, client_id: str, now: float) -> bool:
        """Whether a client may connect now."""
        clients = self._clients
        bucket = clients.get(client_id)
        if bucket is None:
            if len(clients) >= MAX_REMEMBERED:
                clients.clear()
            bucket = clients[client_id] = Bucket(self._limits.connects_per_s_and_client, now)
        return bucket.take(now) and self._connects.take(now)

    def incoming(self, now: float) -> Shared:
        """What counts the messages from one connection."""
        return Shared(Bucket(self._limits.publishes_per_s, now), self._inbound)

    def outgoing(self, now: float) -> Shared:
        """What counts the messages to one connection."""
        return Shared(Bucket(self._limits.publishes_per_s, now), self._outbound)


# ------------------------------------------------------------------------------- topics

_NOT_SERVED: Final = re.compile(
    r"""\$aws/(?:
        things/[^/]+/(?:
            shadow/(?:name/[^/]+/)?(?:get|update|delete)
          | defender/metrics/(?:cbor|json)
          | streams/[^/]+/(?:create|describe|get)/(?:cbor|json)
        )
      | rules/[^/]+(?:/.*)?
      | certificates/create(?:-from-csr)?/(?:cbor|json)
      | provisioning-templates/[^/]+/provision/(?:cbor|json)
      | device_location/[^/]+/get_position_estimate
      | commands/(?:things|clients)/[^/]+/executions/[^/]+/response/(?:cbor|json)
    )""",
    re.VERBOSE,
)
"""Reserved topics to which a client may publish at AWS, and which nobody answers here."""

INGEST: Final = "$aws/rules/"


def is_accepted(topic: str) -> bool:
    """Whether a client may publish to a reserved topic, though nothing comes of it here."""
    return _NOT_SERVED.fullmatch(topic) is not None


def check_size(topic: str) -> None:
    """Raise MqttError where a topic is longer or deeper than AWS takes."""
    if topic.startswith(INGEST):  # its first three levels do not count (GR:core)
        topic = topic.split("/", 3)[-1]
    _sized(topic, MAX_TOPIC, TOPIC_INVALID)


def check_filter_size(name: str) -> None:
    """Raise MqttError where a filter is longer or deeper than AWS takes."""
    if name.startswith(SHARE):  # its first two levels do not count (DG:mqtt)
        name = name.split("/", 2)[-1]
    _sized(name, MAX_TOPIC, FILTER_INVALID)


def _sized(name: str, limit: int, reason: int) -> None:
    if len(name.encode()) > limit or name.count("/") > MAX_SLASHES:
        raise MqttError(
            f"{name[:40]!r}… has more than {limit} bytes or {MAX_SLASHES} slashes (GR:core)",
            reason=reason,
        )


def may_subscribe(name: str) -> bool:
    """Whether AWS lets a client have this filter: reserved ones begin with ``$aws/``."""
    if name.startswith(SHARE):
        _, group, *rest = name.split("/", 2)
        plain = group and "+" not in group and "#" not in group and len(group) <= MAX_SHARE_NAME
        if not plain or not rest or not rest[0]:
            return False
        name = rest[0]
    return not name.startswith("$") or name.startswith("$aws/")


# ------------------------------------------------------------------------------- packets


def check_connect(packet: Connect) -> None:
    """Raise MqttError unless AWS takes such a CONNECT."""
    client_id, will, said = packet.client_id, packet.will, packet.properties
    if len(client_id.encode()) > MAX_CLIENT_ID or client_id.startswith("$"):
        raise MqttError(
            f"a client id of more than {MAX_CLIENT_ID} bytes, or with $ first (GR:core)",
            REFUSED_CLIENT_ID,
            CLIENT_ID_INVALID,
        )
    if said is not None:
        if said.authentication_method is not None:  # AUTH is not supported (DG:mqtt)
            raise MqttError("enhanced authentication", reason=BAD_AUTHENTICATION_METHOD)
        if said.maximum_packet_size is not None and said.maximum_packet_size < MIN_PACKET:
            raise MqttError(f"less than {MIN_PACKET} bytes a packet", reason=QUOTA_EXCEEDED)
        check_properties(said)
    if will is not None:
        if will.qos == 2:
            raise MqttError("a will at QoS 2 (DG:mqtt)", reason=QOS_UNSUPPORTED)
        if will.topic.startswith("$"):
            raise MqttError("a will on a reserved topic (DG:mqtt)", reason=TOPIC_INVALID)
        if will.properties is not None:
            check_properties(will.properties)
        check_size(will.topic)


def welcome(packet: Connect, client_id: str, expiry: float, keep_alive: int) -> Properties:
    """What an MQTT 5 client is told in CONNACK: our limits, and what it gets otherwise than asked.

    ``expiry`` and ``keep_alive`` are the session's, in seconds.
    """
    asked = 0 if packet.properties is None else packet.properties.session_expiry or 0
    return Properties(
        session_expiry=None if expiry == asked else int(expiry),
        receive_maximum=RECEIVE_MAXIMUM,
        maximum_qos=1,
        maximum_packet_size=MAX_PACKET,
        assigned_client_id=None if packet.client_id else client_id,
        topic_alias_maximum=MAX_ALIASES,
        subscription_ids_available=0,
        server_keep_alive=None if keep_alive == packet.keep_alive else keep_alive,
    )


def check_properties(said: Properties) -> None:
    """Raise MqttError where a message's properties are larger than AWS takes, or not a client's."""
    if said.subscription_ids:  # [5:MQTT-3.3.4-6]
        raise MqttError("a PUBLISH with a subscription identifier", reason=PROTOCOL_ERROR)
    if (
        len((said.content_type or "").encode()) > MAX_CONTENT_TYPE
        or len(said.correlation_data or b"") > MAX_CORRELATION
        or sum(len(name.encode()) + len(value.encode()) for name, value in said.user) > MAX_USER
    ):
        raise MqttError(
            "content type, correlation data or user properties are too large (GR:core)",
            reason=QUOTA_EXCEEDED,
        )
    if said.response_topic is not None:
        check_size(said.response_topic)
