"""MQTT 3.1.1 without IO: bytes in, packets out, and back.

``packets`` are the values and how they are written, ``reader`` reads them for either side,
``topics`` matches filters and routes messages.
"""

from simulator.mqtt.packets import (
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
    encode,
    encode_puback,
    encode_publish,
)
from simulator.mqtt.reader import PacketReader
from simulator.mqtt.topics import Subscriptions, check_filter, check_topic, matches

__all__ = [
    "Connack",
    "Connect",
    "Disconnect",
    "Packet",
    "PacketReader",
    "Pingreq",
    "Pingresp",
    "Puback",
    "Pubcomp",
    "Publish",
    "Pubrec",
    "Pubrel",
    "Suback",
    "Subscribe",
    "Subscriptions",
    "Unsuback",
    "Unsubscribe",
    "Will",
    "check_filter",
    "check_topic",
    "encode",
    "encode_puback",
    "encode_publish",
    "matches",
]
