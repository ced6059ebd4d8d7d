"""The MQTT door: MQTT 3.1.1 and 5, the Jobs topics answered, all else relayed.

Rule 1: replies go to the requesting connection only, subscribed or not, at QoS 1 or what that
        connection's own subscription was granted (DG:reserved-topics).
Rule 2: what breaks MQTT, or AWS's rules, ends that one connection, and no other.
Rule 3: what is kept of clients that are gone is the broker's business; the endpoint has the time,
        and tells it once a second.
"""

import asyncio
import logging
import socket
from collections.abc import Container
from typing import Final, get_args

from simulator.endpoints.mqtt_connection import Connection
from simulator.endpoints.mqtt_rules import (
    KEEP_ALIVE,
    MAX_PAYLOAD,
    Account,
    Authorize,
    Limits,
    Permission,
)
from simulator.errors import InternalError, Rejection, RequestThrottled
from simulator.host import OPERATIONS, THROTTLED, Exchange, Fault, Host, Stage
from simulator.jobs.messages import DataRequest, Effect, JobEnded, UpdateJobExecutionRequest
from simulator.jobs.topics import notice_topic
from simulator.jobs.wire import Wire, decode_request
from simulator.mqtt import Broker, Message
from simulator.mqtt.broker import SESSION_EXPIRY
from simulator.mqtt.reasons import ADMINISTRATIVE, KEEP_ALIVE_TIMEOUT, SHUTTING_DOWN
from simulator.poller import Listener, Poller

__all__ = ["KEEP_ALIVE", "MAX_PAYLOAD", "Authorize", "Limits", "MqttEndpoint"]

log = logging.getLogger(__name__)

SWEEP_S: Final = 1.0
REPLIES: Final[dict[Fault | None, int]] = {"lose-reply": 0, "duplicate-reply": 2}
"""How often a request is answered that something befell; else once."""
KINDS: Final[tuple[type[DataRequest], ...]] = get_args(DataRequest)


class MqttEndpoint:
    """Serves a host over MQTT.

    ``limits`` switches AWS's rates on; ``authorize`` is asked what a connection may do that
    ``connection`` gave no other answer for; ``session_expiry`` is AWS's hour, in seconds.
    """

    def __init__(
        self,
        host: Host,
        wire: Wire,
        keep_alive_bounds: tuple[int, int] = KEEP_ALIVE,
        *,
        limits: Limits | None = None,
        authorize: Authorize | None = None,
        session_expiry: float = SESSION_EXPIRY,
    ) -> None:
        self.host = host
        self.wire = wire
        self.keep_alive_bounds = keep_alive_bounds
        self.limits = limits
        self.broker = Broker(session_expiry)
        self.clients: dict[str, Connection] = {}
        self.connections: dict[Connection, None] = {}
        self.counts: dict[tuple[str, str], int] = {}
        """(operation, outcome) → answers, without those in ``accepted``."""
        self.accepted: dict[type, int] = dict.fromkeys(KINDS, 0)
        self._authorize = authorize
        self._account: Account | None = None
        self._anonymous = 0
        self._server: Listener | asyncio.Server | None = None
        self._poller: Poller | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        host.listeners.append(self._tell)
        host.disconnects.append(self._disconnect)
        host.connected.append(lambda: self.clients)

    async def start(self, listening: socket.socket | None = None) -> None:
        """Serve on a socket that is bound already, or only behind doors that make connections."""
        if listening is not None:
            self._poller = Poller.on(self._loop)
            if self._poller is not None:
                self._server = self._poller.serve(listening, self.connection)
            else:
                self._server = await self._loop.create_server(
                    self.connection, sock=listening, backlog=4096
                )
        self._sweeper = asyncio.create_task(self._sweep(), name="mqtt keep-alive")

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.connections):
            if connection.closing:
                connection.abort()
            else:
                connection.close(SHUTTING_DOWN)
        if self._poller is not None:
            self._poller.close_at_last()

    def connection(self, identity: object = None, authorize: Authorize | None = None) -> Connection:
        """A connection for any transport: TLS, or what a WebSocket's bytes are fed to.

        ``identity`` is whom the transport knows its peer to be; it is handed to ``authorize``,
        the endpoint's own where none is given here. Where a peer is known only after a handshake,
        make the connection then: ``transport.set_protocol`` and ``connection_made`` hand it over.
        """
        asked = authorize or self._authorize
        permission = None if asked is None else Permission(identity, asked)
        return Connection(self, self._loop, permission)

    def requests(self) -> dict[tuple[str, str], int]:
        """(operation, outcome) → answers, for ``/metrics``."""
        accepted = {
            (OPERATIONS[kind], "accepted"): count for kind, count in self.accepted.items() if count
        }
        return {**self.counts, **accepted}

    # ----------------------------------------------------------------------- for connections

    def fresh_client_id(self) -> str:
        """An id that no client has [MQTT-3.1.3-6]."""
        while True:
            self._anonymous += 1
            client_id = f"auto-{self._anonymous}"
            if client_id not in self.broker.sessions:
                return client_id

    def account(self, now: float) -> Account | None:
        """The rates that all connections share, or None where AWS's rates are off."""
        if self._account is None and self.limits is not None:
            self._account = Account(self.limits, now)
        return self._account

    def kept_alive(self, asked: int) -> int:
        """The keep-alive that holds, in seconds, where a client asked for this one."""
        shortest, longest = self.keep_alive_bounds
        return longest if asked == 0 or asked > longest else max(asked, shortest)

    def ask(
        self, thing_name: str, job_id: str | None, kind: type[DataRequest], payload: bytes
    ) -> tuple[bool, bytes, int]:
        """Put a request to the service.

        ``host.publish`` must follow, when the reply is on its way.

        Returns:
            Whether it was accepted, the payload of the reply, and how often the reply is to be
            sent: once, unless something befalls it.
        """
        host = self.host
        if host.stage is not None:
            return self._ask_on_stage(host.stage, thing_name, job_id, kind, payload)
        now, request = host.now(), None
        try:
            request = decode_request(kind, payload)
            reply = host.handle(thing_name, job_id, request, now)
        except Exception as error:
            return False, self._refused(error, thing_name, kind, request, now)[0], 1
        self.accepted[kind] += 1
        return True, self.wire.accepted(reply, request.client_token, now), 1

    def _ask_on_stage(
        self,
        stage: Stage,
        thing_name: str,
        job_id: str | None,
        kind: type[DataRequest],
        payload: bytes,
    ) -> tuple[bool, bytes, int]:
        fault = stage.befall(thing_name)
        operation = OPERATIONS[kind]
        if fault in ("outage", "lose-request"):
            stage.saw(Exchange(thing_name, job_id, operation, None, "", fault))
            return False, b"", 0
        now, request, outcome = self.host.now(), None, "accepted"
        try:
            request = decode_request(kind, payload)
            if fault == "throttle":
                raise RequestThrottled(THROTTLED)
            reply = self.host.handle(thing_name, job_id, request, now)
        except Exception as error:
            answer, outcome = self._refused(error, thing_name, kind, request, now)
        else:
            self.accepted[kind] += 1
            answer = self.wire.accepted(reply, request.client_token, now)
        update = request if isinstance(request, UpdateJobExecutionRequest) else None
        stage.saw(Exchange(thing_name, job_id, operation, update, outcome, fault))
        return outcome == "accepted", answer, REPLIES.get(fault, 1)

    def _refused(
        self,
        error: Exception,
        thing_name: str,
        kind: type[DataRequest],
        request: DataRequest | None,
        now: float,
    ) -> tuple[bytes, str]:
        """What a request is answered that failed, and its outcome; ``request`` as far as read."""
        if not isinstance(error, Rejection):
            log.error("a request of %s failed", thing_name, exc_info=error)
            error = InternalError("The service failed; its log says why")
        self._count(OPERATIONS[kind], error.code)
        self.host.hint(error.hint)
        token = None if request is None else request.client_token
        return self.wire.rejected(error, token, now), error.code

    def refusal(self, rejection: Rejection) -> bytes:
        """The payload of a reply to what is no request at all."""
        self._count("Unknown", rejection.code)
        return self.wire.rejected(rejection, None, self.host.now())

    def _count(self, operation: str, outcome: str) -> None:
        self.counts[operation, outcome] = self.counts.get((operation, outcome), 0) + 1

    def _disconnect(self, names: Container[str]) -> int:
        """Close the connections that speak for these things, their wills published."""
        found = [c for c in self.connections if not c.closing and c.speaks_for(names)]
        for connection in found:
            connection.close(ADMINISTRATIVE)
        return len(found)

    # ----------------------------------------------------------------------- unasked

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message of the service's own, at QoS 1."""
        self.broker.publish(Message(topic, payload, 1), self._loop.time())

    def _tell(self, effect: Effect, now: float) -> None:
        if isinstance(effect, JobEnded):
            return
        topic = notice_topic(effect)
        audience = self.broker.subscriptions.match(topic)
        if audience:
            message = Message(topic, self.wire.notice(effect, now), 1)
            for subscriber, options in audience.items():
                subscriber.take(message, options)

    async def _sweep(self) -> None:
        """Close connections that were silent for one and a half keep-alives; tell the time."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._loop.time()
            self.broker.expire(now)
            for connection in list(self.connections):
                if now - connection.heard <= connection.patience:
                    continue
                if connection.closing:
                    connection.abort()
                else:
                    connection.close(KEEP_ALIVE_TIMEOUT)
