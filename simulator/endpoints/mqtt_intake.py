"""The reading half of a connection: what a client publishes, and what becomes of it.

Rule 1: a message in the jobs namespace is a request: its answer goes to this client alone. Other
        reserved topics are taken or refused as AWS does, and everything else is relayed.
Rule 2: a topic that was a request once is remembered with all that follows from it (``Route``), so
        that the next request on it costs one look-up; a new subscription makes us forget, and with
        an authorizer or a rate we ask each time.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simulator.endpoints.mqtt_outbox import Outbox
from simulator.endpoints.mqtt_rules import (
    MAX_ALIASES,
    MAX_PAYLOAD,
    Permission,
    check_properties,
    check_size,
    is_accepted,
)
from simulator.errors import InvalidTopic, MqttError
from simulator.jobs.messages import DataRequest
from simulator.jobs.topics import is_jobs_topic, parse_topic
from simulator.mqtt import (
    PUBACK_HEAD,
    V5,
    Message,
    Properties,
    Puback,
    Publish,
    Session,
    encode,
    encode_puback,
)
from simulator.mqtt.reasons import (
    ALIAS_INVALID,
    NOT_AUTHORIZED,
    QOS_UNSUPPORTED,
    QUOTA_EXCEEDED,
    TOO_LARGE,
    TOPIC_INVALID,
)

if TYPE_CHECKING:
    from simulator.endpoints.mqtt import MqttEndpoint

MAX_ROUTES: Final = 64


class Route(Struct, frozen=True):
    """What a request topic means, and how its reply goes out."""

    thing_name: str
    job_id: str | None
    kind: type[DataRequest]
    accepted: bytes
    qos: int


class Intake:
    """Takes one client's messages."""

    __slots__ = (
        "_aliases",
        "_bucket",
        "_endpoint",
        "_loop",
        "_outbox",
        "_permission",
        "_routes",
        "_session",
        "things",
    )

    def __init__(
        self,
        endpoint: "MqttEndpoint",
        loop: asyncio.AbstractEventLoop,
        outbox: Outbox,
        permission: Permission | None,
        session: Session,
    ) -> None:
        self._endpoint = endpoint
        self._loop = loop
        self._outbox = outbox
        self._permission = permission
        self._session = session
        account = endpoint.account(loop.time())
        self._bucket = None if account is None else account.incoming(loop.time())
        self._aliases: dict[int, str] | None = None
        self._routes: dict[str, Route] = {}
        self.things: dict[str, None] = {}
        """Whom it asks and listens for, by its topics."""

    def listens_to(self, name: str) -> None:
        """A filter was granted."""
        if is_jobs_topic(name):
            self._speaks_for(name.split("/", 3)[2])

    def _speaks_for(self, thing_name: str) -> None:
        if len(self.things) < MAX_ROUTES:
            self.things[thing_name] = None

    def forget_routes(self) -> None:
        """A subscription has changed, and with it the QoS of replies."""
        self._routes.clear()

    def take(self, packet: Publish) -> None:
        """A message came.

        Raises:
            MqttError: it ends the connection.
        """
        payload, qos = packet.payload, packet.qos
        if len(payload) > MAX_PAYLOAD:
            raise MqttError("a payload above 128 KiB (GR:core)", reason=TOO_LARGE)
        route = self._routes.get(packet.topic)
        if route is None or qos == 2 or packet.retain or packet.properties is not None:
            self._consider(packet)
            return
        if qos:
            self._outbox.write(encode_puback(packet.packet_id))
        self._answer(route, packet.topic, payload)

    def take_another(self, topic: str, payload: bytes, packet_id: bytes) -> None:
        """A message came just like the one before it (``PacketReader.like_the_last``).

        Raises:
            MqttError: it ends the connection.
        """
        route = self._routes.get(topic)
        if route is None:
            self._consider(Publish(topic, payload, 1, int.from_bytes(packet_id)))
        else:
            self._outbox.write(PUBACK_HEAD + packet_id)
            self._answer(route, topic, payload)

    def _answer(self, route: Route, topic: str, payload: bytes) -> None:
        """Answer a request, then tell what followed from it."""
        endpoint = self._endpoint
        accepted, answer, times = endpoint.ask(route.thing_name, route.job_id, route.kind, payload)
        while times:
            if accepted:
                self._outbox.reply(self._session, route.accepted, answer, route.qos)
            else:
                self._reject(topic, answer, None)
            times -= 1
        endpoint.host.publish()

    def _consider(self, packet: Publish) -> None:
        """A message on a topic that we know nothing of yet, or with something special to it."""
        topic, qos, said = packet.topic, packet.qos, packet.properties
        if said is not None:
            check_properties(said)
            if said.topic_alias is not None:
                topic = self._resolve(topic, said.topic_alias)
        check_size(topic)
        if self._permission is not None and not self._permission.may("publish", topic):
            raise MqttError(f"not authorized to publish to {topic}", reason=NOT_AUTHORIZED)
        if qos == 2:
            if self._session.level >= V5:
                raise MqttError("QoS 2 (DG:mqtt)", reason=QOS_UNSUPPORTED)
            return  # AWS knows no QoS 2 and acknowledges nothing (DG:mqtt)
        jobs = is_jobs_topic(topic)
        if topic.startswith("$") and (packet.retain or not (jobs or is_accepted(topic))):
            raise MqttError(f"{topic!r} is reserved (DG:reserved-topics)", reason=TOPIC_INVALID)
        if self._bucket is not None and not self._bucket.take(self._loop.time()):
            self._acknowledge(packet, QUOTA_EXCEEDED)  # discarded
        elif jobs:
            self._acknowledge(packet, 0)
            self._request(topic, packet.payload, said)
        elif topic.startswith("$"):
            self._acknowledge(packet, 0)
        else:
            now = self._loop.time()
            message = Message.of(topic, packet.payload, qos, packet.retain, said, now)
            full = not self._endpoint.broker.has_room(message)
            self._acknowledge(packet, QUOTA_EXCEEDED if full else 0)
            self._endpoint.broker.publish(message, now, self._session)

    def _resolve(self, topic: str, alias: int) -> str:
        """The topic that an alias stands for from now on [5:MQTT-3.3.2-9]."""
        if self._aliases is None:
            self._aliases = {}
        if alias > MAX_ALIASES or (not topic and alias not in self._aliases):
            raise MqttError(f"topic alias {alias}", reason=ALIAS_INVALID)
        if topic:
            self._aliases[alias] = topic
        return self._aliases[alias]

    def _acknowledge(self, packet: Publish, reason: int) -> None:
        """Acknowledge a message at QoS 1: in 3.1.1 what is not taken cannot be."""
        if not packet.qos:
            return
        if not reason:
            self._outbox.write(encode_puback(packet.packet_id))
        elif self._session.level >= V5:
            self._outbox.write(encode(Puback(packet.packet_id, reason), V5))

    # ----------------------------------------------------------------------- requests

    def _request(self, topic: str, payload: bytes, said: Properties | None) -> None:
        """Answer a message in the jobs namespace, then tell what followed from it."""
        endpoint = self._endpoint
        correlation = None if said is None else said.correlation_data
        try:
            thing_name, job_id, kind = parse_topic(topic)
        except InvalidTopic as rejection:
            self._reject(topic, endpoint.refusal(rejection), correlation)
            return
        reply_topic = topic + "/accepted"
        qos = self._reply_qos(reply_topic)
        route = Route(thing_name, job_id, kind, reply_topic.encode(), qos)
        if self._permission is None and self._bucket is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            self._routes[topic] = route
        self._speaks_for(thing_name)
        accepted, answer, times = endpoint.ask(thing_name, job_id, kind, payload)
        for _ in range(times):
            if not accepted:
                self._reject(topic, answer, correlation)
            elif qos >= 0:
                self._outbox.reply(self._session, route.accepted, answer, qos, correlation)
        endpoint.host.publish()

    def _reject(self, topic: str, answer: bytes, correlation: bytes | None) -> None:
        topic += "/rejected"
        qos = self._reply_qos(topic)
        if qos >= 0:
            self._outbox.reply(self._session, topic.encode(), answer, qos, correlation)

    def _reply_qos(self, topic: str) -> int:
        """What this client's own subscription was granted, else 1; -1 where it may not receive."""
        if self._permission is not None and not self._permission.may("receive", topic):
            return -1
        granted = self._endpoint.broker.subscriptions.granted(self._session, topic)
        return 1 if granted is None else granted
