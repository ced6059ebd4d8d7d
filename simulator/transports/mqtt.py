"""Our own lean MQTT client: one socket, one ``Awaited`` per request in flight, no task.

It speaks 3.1.1 and 5, plain or over TLS, bare or in a WebSocket.

Rule 1: a reply is matched to its request by clientToken.
Rule 2: a reply takes its thing on at once (``Awaited``), and so the acknowledgement of the reply
        travels with what the thing says next: one system call instead of two.
Rule 3: a request that is not answered within the reply timeout raises NoReply. One sweep per
        network looks at all requests in flight, since a timer for each would cost a third more.
Rule 4: what a foreign broker sends must not break the fleet: a payload that cannot be read is
        dropped and counted, bytes that break MQTT end the connection.
Rule 5: a connection on which nothing comes for half again the keep-alive is dead: half open.
"""

import asyncio
from typing import Final

from simulator.awaited import Awaited
from simulator.errors import Disconnected, InvalidTopic, NoReply, Rejection, UsageError
from simulator.jobs.messages import DataReply, DataRequest, UpdateJobExecutionRequest
from simulator.jobs.topics import parse_topic, reply_filters, request_topic
from simulator.jobs.wire import UNREADABLE, Wire, decode_updated, encode_request
from simulator.mqtt import (
    NO_PROPERTIES,
    PUBACK_HEAD,
    V5,
    Connect,
    Publish,
    encode_id,
    encode_puback,
    publish_head,
)
from simulator.mqtt_client import ClientConnection
from simulator.poller import Poller
from simulator.targets import Target
from simulator.websocket_client import WebSocketClient
from simulator.world import Listener, Ways

UPDATE: Final = UpdateJobExecutionRequest
SWEEP_S: Final = 0.25
CONNECTING: Final = 256
"""So many connections are opened at the same time: more only overflow the listener's backlog."""


class MqttNetwork:
    """What the links of one loop share: the broker's address, timeouts, keep-alive."""

    def __init__(
        self,
        host: str,
        port: int,
        wire: Wire,
        reply_timeout: float = 10.0,
        keep_alive: int = 300,
        target: Target | None = None,
    ) -> None:
        """``target`` says how, where it is not plain MQTT 3.1.1."""
        self.address = (host, port)
        self.target = target or Target("mqtt", host, port)
        self.unreadable = 0
        """Messages that no Jobs service says."""
        self.strays = 0
        """Replies for which nobody waited: late, doubled, or somebody else's."""
        self.refusal = ""
        """Why the last connection did not come about."""
        self.wire = wire
        self.reply_timeout = reply_timeout
        self.keep_alive = keep_alive
        self.loop = asyncio.get_running_loop()
        self.time = self.loop.time()
        """The loop's time at the last sweep: near enough to say when a link heard something."""
        self.poller = Poller.on(self.loop)
        self.gate = asyncio.Semaphore(CONNECTING)
        self.links: dict[MqttLink, None] = {}
        self._sweeper = asyncio.create_task(self._sweep(), name="mqtt reply timeouts")

    async def close(self) -> None:
        """Stop sweeping; links are closed by their things."""
        self._sweeper.cancel()
        await asyncio.sleep(0.05)  # what they said at last goes out
        if self.poller is not None:
            self.poller.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.time = now = self.loop.time()
            for link in list(self.links):
                link.sweep(now)


class MqttLink(ClientConnection):
    """One thing's connection."""

    __slots__ = (
        "_acknowledgements",
        "_between",
        "_client_id",
        "_filters",
        "_name",
        "_network",
        "_reply_timeout",
        "_tell_list",
        "_thing",
        "_tokens",
        "_update_accepted",
        "_update_head",
        "_update_job",
        "_update_size",
        "_update_topic",
        "_waiting",
        "connected",
        "fault",
    )

    def __init__(
        self, network: MqttNetwork, name: str, thing: Listener, ways: Ways | None = None
    ) -> None:
        super().__init__(network.loop)
        ways = ways or Ways()
        self._network = network
        self._name = name
        self._client_id = name + ways.suffix
        self._filters = reply_filters(name, lists=ways.reader is not None)
        self._tell_list = ways.reader
        self._reply_timeout = ways.reply_timeout or network.reply_timeout
        self._tokens = 0
        self._thing = thing
        self._waiting: dict[str | None, Awaited] = {}
        self._acknowledgements = b""
        self._update_job = self._update_accepted = ""
        self._update_topic = self._update_head = b""
        self._update_size = -1
        self._between = NO_PROPERTIES if network.target.level == V5 else b""
        self.connected = False
        self.fault = 0

    # ----------------------------------------------------------------------- for the thing

    async def connect(self) -> None:
        """Connect, then subscribe to replies and notify-next.

        Raises:
            Disconnected: no connection, or the broker refused it.
        """
        network, target = self._network, self._network.target
        password = None if target.password is None else target.password.encode()
        hello = Connect(
            self._client_id, True, network.keep_alive, target.username, password, None, target.level
        )
        filters = tuple((name, 1) for name in self._filters)
        try:
            async with network.gate:
                tls = target.tls(self._name)
                through = self._websocket if target.websocket else None
                dialling = self.dial(
                    network.address, hello, filters, tls, through=through, poller=network.poller
                )
                await network.loop.create_task(dialling)  # it has a timeout, which needs a task
            if self._transport is None:  # it was lost in the turn between the task and us
                raise Disconnected(f"{target.netloc} closed the connection after its welcome")
        except UsageError as error:
            network.refusal = str(error)
            raise Disconnected(str(error)) from None
        except Disconnected as error:
            network.refusal = str(error)
            raise
        self.connected = True
        network.links[self] = None

    def _websocket(self, inner: asyncio.Protocol) -> WebSocketClient:
        target = self._network.target
        return WebSocketClient(inner, target.netloc, target.request_path())

    def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> Awaited:
        """Publish a request; its reply is to be awaited."""
        transport = self._transport
        if transport is None or not self.connected:
            raise Disconnected("not connected")
        token = request.client_token
        if token is None:  # sent again, it keeps its token
            self._tokens = tokens = self._tokens + 1
            request.client_token = token = f"{self._client_id}-{tokens}"
        payload = encode_request(request)
        if job_id != self._update_job or type(request) is not UPDATE:
            head = self._head_of(job_id, type(request), len(payload))
        elif len(payload) == self._update_size:
            head = self._update_head
        else:
            self._update_size = size = len(payload)
            self._update_head = head = self._head(self._update_topic, size)
        loop = self._loop
        self._wrote = now = loop.time()
        self._waiting[token] = awaited = Awaited(loop, now + self._reply_timeout)
        self._packet_id = packet_id = self._packet_id % 65535 + 1
        transport.write(
            b"".join((self._acknowledgements, head, encode_id(packet_id), self._between, payload))
        )
        self._acknowledgements = b""
        return awaited

    def _head(self, topic: bytes, size: int) -> bytes:
        return publish_head(topic, len(self._between) + size)

    def _head_of(self, job_id: str | None, kind: type[DataRequest], size: int) -> bytes:
        """A request's beginning; that of the last update is kept, since most are its like."""
        name = request_topic(self._name, job_id, kind)
        topic = name.encode()
        head = self._head(topic, size)
        if kind is UPDATE and job_id is not None:
            self._update_job, self._update_topic = job_id, topic
            self._update_head, self._update_size = head, size
            self._update_accepted = name + "/accepted"
        return head

    def close(self) -> None:
        """Say goodbye and close."""
        self.connected = False
        super().close()

    # ----------------------------------------------------------------------- for the network

    def sweep(self, now: float) -> None:
        """Give up on requests that waited too long; keep the connection alive."""
        for token, awaited in list(self._waiting.items()):
            if now >= awaited.deadline:
                del self._waiting[token]
                awaited.fail(NoReply("no reply in time"))
        patience = self._network.keep_alive
        self.keep_alive(now, patience)
        if now - self.heard > 1.5 * patience:
            self.abort()

    # ----------------------------------------------------------------------- asyncio

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: nothing in flight will be answered."""
        super().connection_lost(exc)
        self._acknowledgements = b""
        was_connected, self.connected = self.connected, False
        self._network.links.pop(self, None)
        waiting, self._waiting = self._waiting, {}
        for awaited in waiting.values():
            awaited.fail(Disconnected("the connection was lost"))
        if was_connected:
            self._thing.disconnected()

    def data_received(self, data: bytes) -> None:
        """Bytes came: as a rule what answers an update, as the one before it was answered."""
        reader = self.reader
        at = reader.like_the_last(data)
        if not at:
            super().data_received(data)
            return
        self.heard = self._network.time
        self._acknowledgements += PUBACK_HEAD + data[at - 2 : at]
        self._told(reader.topic, data[at:])
        if self._acknowledgements:
            self.settled()

    def published(self, packet: Publish) -> None:
        """A message came."""
        if packet.qos:
            self._acknowledgements += encode_puback(packet.packet_id)
        self._told(packet.topic, packet.payload)

    def _told(self, topic: str, payload: bytes) -> None:
        """A reply came, or what is next for the thing."""
        network = self._network
        reply: DataReply | Rejection
        try:
            if topic == self._update_accepted:
                token, reply = decode_updated(payload)
            elif topic.endswith("/accepted"):
                kind = parse_topic(topic.removesuffix("/accepted"))[2]
                token, reply = network.wire.decode_accepted(kind, self._name, payload)
            elif topic.endswith("/rejected"):
                reply = network.wire.decode_rejected(payload)
                token = reply.client_token
            else:
                self._noticed(topic, payload)
                return
        except (InvalidTopic, *UNREADABLE):
            network.unreadable += 1
            return  # not what the Jobs service says: not for us
        awaited = self._waiting.pop(token, None)
        if awaited is None:
            network.strays += 1
        else:
            awaited.answer(reply)

    def _noticed(self, topic: str, payload: bytes) -> None:
        wire = self._network.wire
        if topic.endswith("/jobs/notify-next"):
            self._thing.notified(wire.decode_notify_next(self._name, payload))
        elif self._tell_list is not None and topic.endswith("/jobs/notify"):
            self._tell_list(wire.decode_notify(self._name, payload))

    def settled(self) -> None:
        """Send the acknowledgements that found no request to travel with."""
        if self._acknowledgements:
            data, self._acknowledgements = self._acknowledgements, b""
            if self._transport is not None:
                self._transport.write(data)
