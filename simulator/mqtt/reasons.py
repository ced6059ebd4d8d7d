"""The reason codes of MQTT 5, and which packet may carry which.

3.1.1 has no such codes but those of CONNACK, which are numbers of their own: ``REFUSED_*``.

Source: OASIS MQTT Version 5.0, table 2-6 and the tables of section 3.
"""

from typing import Final

SUCCESS: Final = 0x00
WITH_WILL: Final = 0x04
NO_SUBSCRIPTION_EXISTED: Final = 0x11
UNSPECIFIED: Final = 0x80
MALFORMED: Final = 0x81
PROTOCOL_ERROR: Final = 0x82
UNSUPPORTED_VERSION: Final = 0x84
CLIENT_ID_INVALID: Final = 0x85
NOT_AUTHORIZED: Final = 0x87
SHUTTING_DOWN: Final = 0x8B
BAD_AUTHENTICATION_METHOD: Final = 0x8C
KEEP_ALIVE_TIMEOUT: Final = 0x8D
TAKEN_OVER: Final = 0x8E
FILTER_INVALID: Final = 0x8F
TOPIC_INVALID: Final = 0x90
ALIAS_INVALID: Final = 0x94
TOO_LARGE: Final = 0x95
QUOTA_EXCEEDED: Final = 0x97
ADMINISTRATIVE: Final = 0x98
QOS_UNSUPPORTED: Final = 0x9B
NO_SUBSCRIPTION_IDS: Final = 0xA1

REFUSED_VERSION: Final = 1
REFUSED_CLIENT_ID: Final = 2
REFUSED_UNAVAILABLE: Final = 3
REFUSED_BY_AWS: Final = 7
"""Where 3.1.1 has 5, not authorized, AWS answers 7 (DG:mqtt)."""

OF_CONNACK: Final = frozenset(
    {0, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, 0x99, *range(0x9A, 0x9E), 0x9F}
)
OF_PUBACK: Final = frozenset({0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})
OF_PUBREL: Final = frozenset({0, 0x92})
OF_SUBACK: Final = frozenset({0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2})
OF_UNSUBACK: Final = frozenset({0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91})
OF_DISCONNECT: Final = frozenset(
    {0, 4, *range(0x80, 0x84), 0x87, 0x89, 0x8B, *range(0x8D, 0x91), *range(0x93, 0xA3)}
)
OF_AUTH: Final = frozenset({0, 0x18, 0x19})
