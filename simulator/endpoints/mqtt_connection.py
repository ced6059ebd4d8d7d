"""One client's connection, over whatever carries bytes: TCP, TLS, a WebSocket.

Rule 1: bytes that break MQTT, or a rule of AWS's, end this connection as the specification asks,
        and no other: CONNACK or DISCONNECT with the reason in MQTT 5, a return code or nothing in
        3.1.1.
Rule 2: what one piece of input makes us say is written at once, at its end.
"""

import asyncio
import logging
from collections.abc import Container
from typing import TYPE_CHECKING, Final, cast

from simulator.endpoints.mqtt_intake import Intake
from simulator.endpoints.mqtt_outbox import Outbox, Stream
from simulator.endpoints.mqtt_rules import (
    MAX_FILTERS,
    MAX_PACKET,
    MAX_SUBSCRIPTIONS,
    Flow,
    Permission,
    check_connect,
    check_filter_size,
    may_subscribe,
    welcome,
)
from simulator.errors import MqttError
from simulator.mqtt import (
    V5,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Session,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
    encode,
)
from simulator.mqtt.reasons import (
    FILTER_INVALID,
    NO_SUBSCRIPTION_EXISTED,
    NO_SUBSCRIPTION_IDS,
    NOT_AUTHORIZED,
    PROTOCOL_ERROR,
    QOS_UNSUPPORTED,
    QUOTA_EXCEEDED,
    REFUSED_BY_AWS,
    REFUSED_UNAVAILABLE,
    TAKEN_OVER,
    UNSPECIFIED,
    WITH_WILL,
)
from simulator.mqtt.session import WINDOW

if TYPE_CHECKING:
    from simulator.endpoints.mqtt import MqttEndpoint

log = logging.getLogger(__name__)

CONNECT_WITHIN_S: Final = 30.0
LINGER_S: Final = 1.0
"""A client that was closed has this long to take what was left, and to close too."""

HIGH_WATER: Final = 1 << 20
"""A client that leaves this many bytes unread is cut off rather than buffered for."""

MAX_REASON: Final = 120
"""Characters of a reason string: with them a packet is no larger than every client takes."""


class Connection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_endpoint",
        "_flow",
        "_intake",
        "_leaving",
        "_loop",
        "_outbox",
        "_permission",
        "_reader",
        "_session",
        "_will",
        "client_id",
        "heard",
        "patience",
    )

    def __init__(
        self,
        endpoint: "MqttEndpoint",
        loop: asyncio.AbstractEventLoop,
        permission: Permission | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._loop = loop
        self._permission = permission
        self._reader = PacketReader("server", MAX_PACKET)
        self._outbox = Outbox(loop)
        self._session: Session | None = None
        self._will: Will | None = None
        self._flow: Flow | None = None
        self._intake: Intake | None = None
        self._leaving: Stream | None = None
        """What was closed, while something may still be to be sent."""
        self.client_id: str | None = None
        self.heard = loop.time()
        self.patience = CONNECT_WITHIN_S

    # ----------------------------------------------------------------------- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; ``transport`` needs to be no more than a ``Stream``."""
        bound = getattr(transport, "set_write_buffer_limits", None)
        if bound is not None:
            bound(HIGH_WATER)
        self._outbox.stream = cast("Stream", transport)
        self._endpoint.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """A client is gone without a word: its will is published, its session may live on."""
        self._outbox.stream = self._leaving = None
        self._endpoint.connections.pop(self, None)
        self._detach(self._will)

    def pause_writing(self) -> None:
        """The client does not read: cut it off."""
        log.warning("client %s does not read its messages: disconnected", self.client_id)
        self.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came; after the end they are passed over."""
        if self._outbox.stream is None:
            return
        outbox = self._outbox
        self.heard = self._loop.time()
        if self._flow is not None:
            self._slow_down(self._flow.wait(len(data), self.heard))
        outbox.batch = []
        reader = self._reader
        try:
            at = reader.like_the_last(data)
            if at:
                self._acknowledged(data[2] << 8 | data[3])
                self._intake.take_another(  # type: ignore[union-attr]  # as below
                    reader.topic, data[at:], data[at - 2 : at]
                )
            else:
                self._read(data)
        except MqttError as error:
            why = "TLS on a plain MQTT port" if data.startswith(b"\x16\x03") else error
            log.warning("client %s refused: %s", self.client_id, why)
            self._refuse(error)
        else:
            outbox.flush()
        finally:
            outbox.batch = None

    def _read(self, data: bytes) -> None:
        """Take what came, packet by packet, until something in it ends the connection."""
        outbox = self._outbox
        for packet in self._reader.feed(data):
            kind = type(packet)
            # The reader lets nothing but CONNECT come first, so session and intake are there.
            if kind is Publish:
                self._intake.take(packet)  # type: ignore[union-attr,arg-type]
            elif kind is Puback:
                self._acknowledged(packet.packet_id)  # type: ignore[union-attr]
            else:
                self._received(packet)
            if outbox.stream is None:
                break

    def _acknowledged(self, packet_id: int) -> None:
        session = self._session
        assert session is not None  # the reader takes nothing before CONNECT
        session.unacked.pop(packet_id, None)
        if session.queue:
            self._outbox.pump(session)

    def _slow_down(self, seconds: float) -> None:
        """Read nothing for a while: the client sends faster than AWS lets it."""
        pause = getattr(self._outbox.stream, "pause_reading", None)  # not every stream can
        if seconds > 0 and pause is not None:
            pause()
            self._loop.call_later(seconds, self._read_on)

    def _read_on(self) -> None:
        resume = getattr(self._outbox.stream, "resume_reading", None)
        if resume is not None:
            resume()

    # ----------------------------------------------------------------------- packets

    def _received(self, packet: Packet) -> None:
        match packet:
            case Subscribe():
                self._subscribe(packet)
            case Unsubscribe():
                self._unsubscribe(packet)
            case Pingreq():
                self._outbox.write(encode(Pingresp()))
            case Connect():
                self._connect(packet)
            case Disconnect():
                self._goodbye(packet)
            case _:  # QoS 2, or AUTH: neither is supported (DG:mqtt)
                raise MqttError(f"{type(packet).__name__} is not supported", reason=PROTOCOL_ERROR)

    def _connect(self, packet: Connect) -> None:
        endpoint, now = self._endpoint, self._loop.time()
        check_connect(packet)
        client_id = packet.client_id or endpoint.fresh_client_id()
        limits, account = endpoint.limits, endpoint.account(now)
        if account is not None and not account.admits(client_id, now):
            raise MqttError("too many connections a second", REFUSED_UNAVAILABLE, QUOTA_EXCEEDED)
        will = packet.will
        allowed = self._permission
        if allowed is not None and not (
            allowed.may("connect", client_id)
            and (will is None or allowed.may("publish", will.topic))
        ):
            raise MqttError("not authorized to connect", REFUSED_BY_AWS, NOT_AUTHORIZED)
        before = endpoint.clients.get(client_id)
        if before is not None:
            before.close(TAKEN_OVER)  # the newer connection wins (DG:mqtt)
        if limits is None or account is None:
            self._outbox.greet(packet, allowed, None)
        else:
            self._outbox.greet(packet, allowed, account.outgoing(now), limits.stored_per_s)
            self._flow = Flow(limits.bytes_per_s, now)
        said = packet.properties or Properties()
        expiry: float = said.session_expiry or 0
        if packet.level < V5 and not packet.clean_session:
            expiry = endpoint.broker.session_expiry
        session, present = endpoint.broker.attach(
            client_id, self._outbox, packet.level, packet.clean_session, expiry, now
        )
        session.window = min(WINDOW, said.receive_maximum or WINDOW)
        self.client_id, self._session, self._will = client_id, session, will
        self._intake = Intake(endpoint, self._loop, self._outbox, allowed, session)
        endpoint.clients[client_id] = self
        keep_alive = endpoint.kept_alive(packet.keep_alive)
        self.patience = keep_alive * 1.5
        told = None
        if packet.level >= V5:
            told = welcome(packet, client_id, session.expiry, keep_alive)
        self._outbox.write(encode(Connack(0, present, told), packet.level))
        if present:
            self._outbox.resend(session)
            self._outbox.pump(session)
            endpoint.broker.resumed(session, now)

    def _subscribe(self, packet: Subscribe) -> None:
        level, broker = self._reader.level, self._endpoint.broker
        session, intake = self._session, self._intake
        assert session is not None
        assert intake is not None
        if len(packet.filters) > MAX_FILTERS:
            raise MqttError(f"more than {MAX_FILTERS} filters (GR:core)", reason=QUOTA_EXCEEDED)
        if packet.properties is not None and packet.properties.subscription_ids:
            raise MqttError("a subscription identifier (DG:mqtt)", reason=NO_SUBSCRIPTION_IDS)
        for name, options in packet.filters:
            check_filter_size(name)
            if options & 3 == 2:
                if level >= V5:
                    raise MqttError("QoS 2 (DG:mqtt)", reason=QOS_UNSUPPORTED)
                return  # AWS knows no QoS 2 and acknowledges nothing (DG:mqtt)
        now, codes, retained = self._loop.time(), [], []
        for name, options in packet.filters:
            code = self._may_have(session, name)
            if not code:
                intake.listens_to(name)
                message = broker.subscribe(session, name, options, now)
                if message is not None:
                    retained.append((message, min(message.qos, options & 3)))
            codes.append(code or options & 3)
        intake.forget_routes()
        if level < V5:
            codes = [min(code, UNSPECIFIED) for code in codes]
        self._outbox.write(encode(Suback(packet.packet_id, tuple(codes)), level))
        for message, qos in retained:
            self._outbox.deliver(session, message, qos, retain=True)

    def _may_have(self, session: Session, name: str) -> int:
        """Why a filter is refused, or 0."""
        broker = self._endpoint.broker
        if not may_subscribe(name):
            return FILTER_INVALID
        if self._permission is not None and not self._permission.may("subscribe", name):
            log.warning("client %s: not authorized to subscribe to %s", self.client_id, name)
            return NOT_AUTHORIZED
        account = self._endpoint.account(self._loop.time())
        if account is not None and not account.subscriptions.take(self._loop.time()):
            return QUOTA_EXCEEDED
        if broker.subscribed(session, name):
            return 0
        if broker.count(session) >= MAX_SUBSCRIPTIONS or not broker.has_place(name):
            return QUOTA_EXCEEDED
        return 0

    def _unsubscribe(self, packet: Unsubscribe) -> None:
        level, session, intake = self._reader.level, self._session, self._intake
        assert session is not None
        assert intake is not None
        there = [self._endpoint.broker.unsubscribe(session, name) for name in packet.filters]
        intake.forget_routes()
        reasons = tuple(0 if was else NO_SUBSCRIPTION_EXISTED for was in there)
        answer = Unsuback(packet.packet_id, reasons if level >= V5 else ())
        self._outbox.write(encode(answer, level))

    def _goodbye(self, packet: Disconnect) -> None:
        session = self._session
        assert session is not None
        asked = None if packet.properties is None else packet.properties.session_expiry
        if asked is not None:
            if asked and not session.expiry:  # [5:MQTT-3.14.2-2]
                raise MqttError("a session expiry where there was none", reason=PROTOCOL_ERROR)
            session.expiry = min(float(asked), self._endpoint.broker.session_expiry)
        if packet.reason != WITH_WILL:
            self._will = None  # [MQTT-3.14.4-3]
        self.close()

    # ----------------------------------------------------------------------- the end

    def _refuse(self, error: MqttError) -> None:
        """Say why, as far as the version can, and close."""
        level = self._reader.level
        why = str(error)[:MAX_REASON]
        if self._session is None and level >= V5:
            answer = Connack(error.reason, False, Properties(reason_string=why))
            self._outbox.write(encode(answer, V5))
        elif self._session is None and error.return_code is not None:
            self._outbox.write(encode(Connack(error.return_code)))
        self.close(error.reason, why, linger=True)

    def close(
        self, reason: int | None = None, why: str | None = None, linger: bool = False
    ) -> None:
        """Flush and close: from now on nothing is sent to this client or expected of it.

        An MQTT 5 client is told the ``reason``. To ``linger`` is to close our half, and to pass
        over what is still on its way to us: a socket that is closed before all was read takes back
        what was written to it last.
        """
        outbox = self._outbox
        if reason is not None and self._session is not None and self._reader.level >= V5:
            said = None if why is None else Properties(reason_string=why)
            outbox.write(encode(Disconnect(reason, said), V5))
        outbox.flush()
        self._detach(self._will)
        stream, outbox.stream = outbox.stream, None
        if stream is None:
            return
        self._leaving = stream
        self.heard, self.patience = self._loop.time(), LINGER_S
        can_end = getattr(stream, "can_write_eof", None)
        if linger and can_end is not None and can_end():
            cast("asyncio.WriteTransport", stream).write_eof()
        else:
            stream.close()

    def abort(self) -> None:
        """End a connection that does not take what it was sent."""
        stream, self._outbox.stream = self._outbox.stream or self._leaving, None
        if stream is not None:
            self._leaving = stream
            stream.abort()

    def speaks_for(self, names: Container[str]) -> bool:
        """Whether this client is one of these things, by its id or by the topics it uses."""
        intake = self._intake
        return self.client_id in names or (
            intake is not None and any(thing in names for thing in intake.things)
        )

    @property
    def closing(self) -> bool:
        """Whether it was closed and something is still to be sent."""
        return self._leaving is not None

    def _detach(self, will: Will | None) -> None:
        """Leave the session to its own life."""
        session, self._session, self._will = self._session, None, None
        if session is None:
            return
        endpoint = self._endpoint
        if self.client_id is not None and endpoint.clients.get(self.client_id) is self:
            del endpoint.clients[self.client_id]
        endpoint.broker.detach(session, self._loop.time(), will)
