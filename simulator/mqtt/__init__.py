"""MQTT 3.1.1 and 5 without IO: bytes in, packets out, and back; and what a broker keeps.

``packets`` are the values, ``properties`` what MQTT 5 says beside them, ``reasons`` its codes;
``writer`` and ``parse`` turn one packet into bytes and back by the ``fields`` it is made of,
``reader`` reads a stream for either side. ``topics`` matches filters and routes messages;
``session`` is what a broker keeps of one client, ``broker`` of all of them.
"""

from simulator.mqtt.broker import Broker
from simulator.mqtt.packets import (
    NO_LOCAL,
    PUBACK_HEAD,
    QOS_BITS,
    RETAIN_AS_PUBLISHED,
    RETAIN_IF_NEW,
    RETAIN_NEVER,
    V5,
    V311,
    Auth,
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
from simulator.mqtt.properties import Properties
from simulator.mqtt.reader import PacketReader
from simulator.mqtt.session import Message, Outgoing, Receiver, Session
from simulator.mqtt.topics import Subscriptions, check_filter, check_topic, matches
from simulator.mqtt.writer import (
    NO_PROPERTIES,
    encode,
    encode_id,
    encode_puback,
    encode_publish,
    encode_publish_v5,
    publish_head,
)

__all__ = [
    "NO_LOCAL",
    "NO_PROPERTIES",
    "PUBACK_HEAD",
    "QOS_BITS",
    "RETAIN_AS_PUBLISHED",
    "RETAIN_IF_NEW",
    "RETAIN_NEVER",
    "V5",
    "V311",
    "Auth",
    "Broker",
    "Connack",
    "Connect",
    "Disconnect",
    "Message",
    "Outgoing",
    "Packet",
    "PacketReader",
    "Pingreq",
    "Pingresp",
    "Properties",
    "Puback",
    "Pubcomp",
    "Publish",
    "Pubrec",
    "Pubrel",
    "Receiver",
    "Session",
    "Suback",
    "Subscribe",
    "Subscriptions",
    "Unsuback",
    "Unsubscribe",
    "Will",
    "check_filter",
    "check_topic",
    "encode",
    "encode_id",
    "encode_puback",
    "encode_publish",
    "encode_publish_v5",
    "matches",
    "publish_head",
]
