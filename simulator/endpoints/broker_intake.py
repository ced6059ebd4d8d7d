"""Requests that come from a broker that is not our own, and the answers to them.

Rule 1: a request of a thing that another shard owns is not ours: it is passed over.
Rule 2: the broker's answer topic is the only address there is: an answer goes to whoever is
        subscribed, where AWS answers the requesting connection alone.
Rule 3: what the broker delivers again, because our acknowledgement was lost, has been answered:
        the answer arrived or is on its way still (``BrokerOutbox``). It is acknowledged, and that
        is all.
Rule 4: what a *thing* sends again comes as a new message. With ``expectedVersion`` the service
        refuses it by itself, as AWS does. An update without one would be applied twice; where it
        has a clientToken and comes again, equal to the byte, within ``REMEMBERED_S``, it is
        answered as before and not applied. All other operations can be repeated without harm.
Rule 5: a topic that was a request once is remembered with all that follows from it.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simulator.endpoints.broker_outbox import BrokerOutbox
from simulator.endpoints.mqtt_rules import MAX_CORRELATION, MAX_PAYLOAD
from simulator.endpoints.shards import Shard
from simulator.errors import InvalidRequest, InvalidTopic
from simulator.jobs.messages import DataRequest, UpdateJobExecutionRequest
from simulator.jobs.topics import PREFIX, parse_topic
from simulator.mqtt import Publish, encode_puback

if TYPE_CHECKING:
    from simulator.endpoints.mqtt import MqttEndpoint

REQUESTS: Final = tuple(
    f"{PREFIX}+/jobs/{last}" for last in ("get", "start-next", "+/get", "+/update")
)
"""What the service subscribes to: requests, and none of its own answers."""

MAX_ROUTES: Final = 100_000
REMEMBERED_S: Final = 10.0
MOST_REMEMBERED: Final = 50_000


class Route(Struct, frozen=True):
    """What a request topic means, and where its answers go."""

    thing_name: str
    job_id: str | None
    kind: type[DataRequest]
    accepted: bytes
    rejected: bytes


class Remembered:
    """Answers given a short while ago, by the topic and the bytes that asked for them."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, bytes], bytes] = {}
        self._order: deque[tuple[float, tuple[str, bytes]]] = deque()

    def look(self, topic: str, payload: bytes, now: float) -> bytes | None:
        """The answer to the same request, if it was given no longer than ``REMEMBERED_S`` ago."""
        order = self._order
        while order and (now - order[0][0] > REMEMBERED_S or len(order) > MOST_REMEMBERED):
            del self._answers[order.popleft()[1]]
        return self._answers.get((topic, payload))

    def keep(self, topic: str, payload: bytes, answer: bytes, now: float) -> None:
        """An answer was given, for the first time as far as ``look`` knows."""
        self._answers[topic, payload] = answer
        self._order.append((now, (topic, payload)))


class BrokerIntake:
    """Takes what a broker delivers."""

    def __init__(self, desk: "MqttEndpoint", shard: Shard, outbox: BrokerOutbox) -> None:
        """``desk`` puts requests to the service."""
        self._desk = desk
        self._shard = shard
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()
        self._routes: dict[str, Route | None] = {}
        self._taken: dict[int, int] = {}
        self._remembered = Remembered()

    def forget_deliveries(self) -> None:
        """The broker has no session of ours any more: it delivers nothing again."""
        self._taken.clear()

    def take(self, packet: Publish) -> None:
        """A message came; the outbox's ``flush`` must follow."""
        topic, payload = packet.topic, packet.payload
        if packet.qos:
            packet_id = packet.packet_id
            self._outbox.batch.append(encode_puback(packet_id))
            # By packet id, which a broker keeps when it delivers again [MQTT-4.4.0-1].
            content = hash((topic, payload))
            if packet.dup and self._taken.get(packet_id) == content:
                return
            self._taken[packet_id] = content
        try:
            route = self._routes[topic]
        except KeyError:
            route = self._find(topic)
        if route is None or packet.retain:  # AWS takes no retained request (DG:reserved-topics)
            return
        said = packet.properties
        correlation = None if said is None else said.correlation_data
        if correlation is not None and len(correlation) > MAX_CORRELATION:
            correlation = None
        self._answer(route, topic, payload, correlation)

    def _answer(self, route: Route, topic: str, payload: bytes, correlation: bytes | None) -> None:
        desk, outbox = self._desk, self._outbox
        if len(payload) > MAX_PAYLOAD:
            refusal = InvalidRequest(f"A payload of more than {MAX_PAYLOAD} bytes")
            outbox.publish(route.rejected, desk.refusal(refusal), correlation)
            return
        once = (
            route.kind is UpdateJobExecutionRequest
            and b'"expectedVersion"' not in payload
            and b'"clientToken"' in payload
        )
        if once:
            now = self._loop.time()
            before = self._remembered.look(topic, payload, now)
            if before is not None:
                outbox.publish(route.accepted, before, correlation)
                return
        accepted, answer, times = desk.ask(route.thing_name, route.job_id, route.kind, payload)
        if once and accepted:
            self._remembered.keep(topic, payload, answer, now)
        for _ in range(times):
            outbox.publish(route.accepted if accepted else route.rejected, answer, correlation)
        desk.host.publish()

    def _find(self, topic: str) -> Route | None:
        """What a topic means; None where it is none of our business."""
        route = None
        try:
            thing_name, job_id, kind = parse_topic(topic)
        except InvalidTopic:
            pass  # nothing that we have subscribed to
        else:
            if self._shard.owns(thing_name):
                accepted, rejected = f"{topic}/accepted".encode(), f"{topic}/rejected".encode()
                route = Route(thing_name, job_id, kind, accepted, rejected)
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[topic] = route
        return route
