"""The MQTT door: MQTT 3.1.1 on a TCP port, the Jobs topics answered, all else relayed.

Rule 1: replies go to the requesting connection only, subscribed or not, at QoS 1 or what that
        connection's own subscription was granted (DG:reserved-topics).
Rule 2: bytes that break MQTT end that one connection, as the specification asks, and no other.
Rule 3: sessions are clean: nothing is kept for a client that is gone.
"""

import asyncio
import logging
import socket
from typing import Final, cast

from simulator.errors import InternalError, MqttError, Rejection
from simulator.host import Host
from simulator.jobs.messages import Effect, JobEnded
from simulator.jobs.wire import Wire, decode_request, is_jobs_topic, notice_topic, parse_topic
from simulator.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscriptions,
    Unsuback,
    Unsubscribe,
    encode,
    encode_puback,
    encode_publish,
)

log = logging.getLogger(__name__)

MAX_PAYLOAD: Final = 128 * 1024
"""The largest payload that AWS takes (GR:core)."""

KEEP_ALIVE: Final = (30, 1200)
"""AWS's bounds in seconds: a shorter one becomes 30, 0 or a longer one 1200 (GR:core)."""

SWEEP_S: Final = 1.0
CONNECT_WITHIN_S: Final = 30.0
HIGH_WATER: Final = 1 << 20
"""A client that leaves this many bytes unread is cut off rather than buffered for."""


class MqttEndpoint:
    """Serves a host over MQTT."""

    def __init__(
        self, host: Host, wire: Wire, keep_alive_bounds: tuple[int, int] = KEEP_ALIVE
    ) -> None:
        self.host = host
        self.wire = wire
        self.keep_alive_bounds = keep_alive_bounds
        self.subscriptions: Subscriptions[Connection] = Subscriptions()
        self.clients: dict[str, Connection] = {}
        self.connections: dict[Connection, None] = {}
        self._anonymous = 0
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        host.listeners.append(self._tell)

    async def start(self, listening: socket.socket) -> None:
        """Serve on a socket that is bound already."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self, loop), sock=listening, backlog=4096
        )
        self._sweeper = asyncio.create_task(self._sweep(), name="mqtt keep-alive")

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.close()

    def fresh_client_id(self) -> str:
        """An id that no client has [MQTT-3.1.3-6]."""
        while True:
            self._anonymous += 1
            client_id = f"auto-{self._anonymous}"
            if client_id not in self.clients:
                return client_id

    def relay(self, topic: str, payload: bytes, qos: int) -> None:
        """Hand a message to everyone who subscribed to its topic."""
        for connection, granted in self.subscriptions.match(topic).items():
            connection.publish(topic.encode(), payload, min(qos, granted))

    def _tell(self, effect: Effect, now: float) -> None:
        if isinstance(effect, JobEnded):
            return
        topic = notice_topic(effect)
        audience = self.subscriptions.match(topic)
        if audience:
            name, payload = topic.encode(), self.wire.notice(effect, now)
            for connection, granted in audience.items():
                connection.publish(name, payload, granted)

    async def _sweep(self) -> None:
        """Close connections that were silent for one and a half keep-alives."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            now = loop.time()
            for connection in list(self.connections):
                if connection.closing:
                    connection.abort()  # it had a sweep's time to take what was left
                elif now - connection.heard > connection.patience:
                    connection.close()


class Connection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_endpoint",
        "_granted",
        "_loop",
        "_out",
        "_packet_id",
        "_reader",
        "_transport",
        "client_id",
        "heard",
        "patience",
    )

    def __init__(self, endpoint: MqttEndpoint, loop: asyncio.AbstractEventLoop) -> None:
        self._endpoint = endpoint
        self._loop = loop
        self._reader = PacketReader("server", MAX_PAYLOAD + 1024)
        self._transport: asyncio.Transport | None = None
        self._packet_id = 0
        self._out: list[bytes] | None = None
        """What was written while a piece of input is worked on: sent at once, at its end."""
        self._granted: dict[str, int] = {}
        """Reply topic → QoS: asked once per topic, forgotten when a subscription changes."""
        self.client_id: str | None = None
        self.heard = loop.time()
        self.patience = CONNECT_WITHIN_S

    # ----------------------------------------------------------------------- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        stream = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        stream.set_write_buffer_limits(HIGH_WATER)
        self._transport = stream
        self._endpoint.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """A client is gone: so are its subscriptions."""
        self._transport = None
        self._endpoint.connections.pop(self, None)
        self._forget()

    def pause_writing(self) -> None:
        """The client does not read: cut it off."""
        if self._transport is not None:
            log.warning("client %s does not read its messages: disconnected", self.client_id)
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.heard = self._loop.time()
        out = self._out = []
        try:
            for packet in self._reader.feed(data):
                if type(packet) is Publish:
                    self._published(packet)
                elif type(packet) is not Puback:
                    self._received(packet)
                if self._transport is None or self._transport.is_closing():
                    break
        except MqttError as error:
            log.info("client %s broke MQTT: %s", self.client_id, error)
            if error.return_code is not None:
                self._write(encode(Connack(return_code=error.return_code)))
            self._flush(out)
            self.close()
        else:
            self._flush(out)
        finally:
            self._out = None

    # ----------------------------------------------------------------------- packets

    def _published(self, packet: Publish) -> None:
        topic, payload, qos = packet.topic, packet.payload, packet.qos
        jobs = is_jobs_topic(topic)
        if len(payload) > MAX_PAYLOAD or (jobs and packet.retain):
            raise MqttError("payload above 128 KiB, or retain on a reserved topic (DG:mqtt)")
        if qos == 2:
            return  # AWS knows no QoS 2 and acknowledges nothing (DG:mqtt)
        if qos:
            self._write(encode_puback(packet.packet_id))
        if jobs:
            self._request(topic, payload)
        elif not topic.startswith("$"):
            self._endpoint.relay(topic, payload, qos)

    def _request(self, topic: str, payload: bytes) -> None:
        """A message in the jobs namespace: answer it, then tell what followed from it."""
        endpoint = self._endpoint
        host, wire = endpoint.host, endpoint.wire
        token = None
        try:
            thing_name, job_id, kind = parse_topic(topic)
            request = decode_request(kind, payload)
            token = request.client_token
            reply = host.handle(thing_name, job_id, request)
        except Rejection as rejection:
            self._answer(topic + "/rejected", wire.rejected(rejection, token, host.now()))
            host.hint(rejection.hint)
        except Exception:
            log.exception("a request on %s failed", topic)
            failure = InternalError("The service failed; its log says why")
            self._answer(topic + "/rejected", wire.rejected(failure, token, host.now()))
        else:
            self._answer(topic + "/accepted", wire.accepted(reply, token, host.now()))
        host.publish()

    def _answer(self, topic: str, payload: bytes) -> None:
        qos = self._granted.get(topic)
        if qos is None:
            granted = self._endpoint.subscriptions.granted(self, topic)
            qos = self._granted[topic] = 1 if granted is None else granted
        self.publish(topic.encode(), payload, qos)

    def _received(self, packet: Packet) -> None:
        match packet:
            case Subscribe():
                self._subscribe(packet)
            case Unsubscribe():
                for name in packet.filters:
                    self._endpoint.subscriptions.unsubscribe(name, self)
                self._granted.clear()
                self._write(encode(Unsuback(packet.packet_id)))
            case Pingreq():
                self._write(encode(Pingresp()))
            case Connect():
                self._connect(packet)
            case Disconnect():
                self.close()

    def _connect(self, packet: Connect) -> None:
        endpoint = self._endpoint
        client_id = packet.client_id
        if not client_id:
            client_id = endpoint.fresh_client_id()
        before = endpoint.clients.get(client_id)
        if before is not None:
            before.close()  # the newer connection wins (DG:mqtt)
        self.client_id = client_id
        endpoint.clients[client_id] = self
        shortest, longest = endpoint.keep_alive_bounds
        asked = packet.keep_alive
        keep_alive = longest if asked == 0 or asked > longest else max(asked, shortest)
        self.patience = keep_alive * 1.5
        self._write(encode(Connack()))

    def _subscribe(self, packet: Subscribe) -> None:
        if any(qos == 2 for _, qos in packet.filters):
            return  # AWS knows no QoS 2 and acknowledges nothing (DG:mqtt)
        for name, qos in packet.filters:
            self._endpoint.subscriptions.subscribe(name, self, qos)
        self._granted.clear()
        self._write(encode(Suback(packet.packet_id, tuple(qos for _, qos in packet.filters))))

    # ----------------------------------------------------------------------- out

    def publish(self, topic: bytes, payload: bytes, qos: int) -> None:
        """Send a message to this client."""
        if qos:
            self._packet_id = packet_id = self._packet_id % 65535 + 1
            self._write(encode_publish(topic, payload, 1, packet_id))
        else:
            self._write(encode_publish(topic, payload, 0, 0))

    def _write(self, data: bytes) -> None:
        if self._out is not None:
            self._out.append(data)
        elif self._transport is not None:
            self._transport.write(data)

    def _flush(self, out: list[bytes]) -> None:
        """One system call for an acknowledgement, its reply and what else came of the input."""
        self._out = None
        if out and self._transport is not None:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def close(self) -> None:
        """Flush and close: from now on nothing is sent to this client or expected of it."""
        if self._out:
            self._flush(self._out)
        self._forget()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End a connection that does not take what it was sent."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def closing(self) -> bool:
        """Whether it was closed and something is still to be sent."""
        return self._transport is not None and self._transport.is_closing()

    def _forget(self) -> None:
        endpoint = self._endpoint
        endpoint.subscriptions.drop(self)
        if self.client_id is not None and endpoint.clients.get(self.client_id) is self:
            del endpoint.clients[self.client_id]
