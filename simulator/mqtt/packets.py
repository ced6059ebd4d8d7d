"""The packets of MQTT 3.1.1 and 5 as values.

Rule 1: one value for both versions: what only 5 has, reasons and properties, has a default that
        says nothing, and 3.1.1 cannot write anything else.
Rule 2: a subscription's options are one number, as on the wire: its two lowest bits are the QoS,
        and to 3.1.1 they are all there is.
"""

from typing import Final

from msgspec import Struct

from simulator.mqtt.properties import Properties

V311: Final = 4
V5: Final = 5
"""The protocol levels that a CONNECT names."""

PUBACK_HEAD: Final = b"\x40\x02"
"""With this a PUBACK begins that gives no reason: its packet id is all that follows."""

QOS_BITS: Final = 0x03
NO_LOCAL: Final = 0x04
RETAIN_AS_PUBLISHED: Final = 0x08
RETAIN_IF_NEW: Final = 0x10
RETAIN_NEVER: Final = 0x20
"""Options of a subscription [5:3.8.3.1]; the last two are its retain handling 1 and 2."""


class Will(Struct, frozen=True):
    """What the broker publishes when a client goes without saying so."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties | None = None


class Connect(Struct, frozen=True):
    """A client introduces itself; ``keep_alive`` in seconds.

    To MQTT 5 ``clean_session`` is its Clean Start: it says nothing of the session's end.
    """

    client_id: str
    clean_session: bool = True
    keep_alive: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    level: int = V311
    properties: Properties | None = None


class Connack(Struct, frozen=True):
    """The server's answer: return code 0 is welcome; to MQTT 5 it is a reason code."""

    return_code: int = 0
    session_present: bool = False
    properties: Properties | None = None


class Publish(Struct):
    """A message; ``packet_id`` is 0 at QoS 0; MQTT 5 may put an alias for an empty topic."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False
    properties: Properties | None = None


class Puback(Struct):
    """A message at QoS 1 has arrived."""

    packet_id: int
    reason: int = 0
    properties: Properties | None = None


class Pubrec(Struct, frozen=True):
    """QoS 2, second part."""

    packet_id: int
    reason: int = 0
    properties: Properties | None = None


class Pubrel(Struct, frozen=True):
    """QoS 2, third part."""

    packet_id: int
    reason: int = 0
    properties: Properties | None = None


class Pubcomp(Struct, frozen=True):
    """QoS 2, fourth part."""

    packet_id: int
    reason: int = 0
    properties: Properties | None = None


class Subscribe(Struct, frozen=True):
    """Topic filters, each with its options: the highest QoS asked for, and what 5 adds."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]
    properties: Properties | None = None


class Suback(Struct, frozen=True):
    """What was granted: a QoS per filter, or 0x80 and above for refused."""

    packet_id: int
    return_codes: tuple[int, ...]
    properties: Properties | None = None


class Unsubscribe(Struct, frozen=True):
    """Topic filters to forget."""

    packet_id: int
    filters: tuple[str, ...]
    properties: Properties | None = None


class Unsuback(Struct, frozen=True):
    """They are forgotten; MQTT 5 says for each whether there was one."""

    packet_id: int
    reasons: tuple[int, ...] = ()
    properties: Properties | None = None


class Pingreq(Struct, frozen=True):
    """Are you there?"""


class Pingresp(Struct, frozen=True):
    """I am."""


class Disconnect(Struct, frozen=True):
    """A client says goodbye; in MQTT 5 a server does so too, and says why."""

    reason: int = 0
    properties: Properties | None = None


class Auth(Struct, frozen=True):
    """Part of an enhanced authentication: MQTT 5 has it, AWS does not."""

    reason: int = 0
    properties: Properties | None = None


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
    | Auth
)
