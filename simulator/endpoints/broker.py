"""The Jobs service as a client of a broker that is there already: ``jobfleet serve --broker``.

Rule 1: two connections. One claims the service's things and hears of other services
        (``broker_claim.py``); the other carries requests and answers, and is there only while the
        claim is ours.
Rule 2: the session of the second is persistent: requests that come while we are away are answered
        when we are back, once (``broker_intake.py``), unless another service had our things
        meanwhile: then that one answered them, and the session is begun anew.
Rule 3: at the start, whatever is wrong is one clear error. Later nothing is: the service keeps its
        state, says on ``/health`` and in the log that the broker is lost, and comes back.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit
from zlib import crc32

from simulator.endpoints.broker_claim import FILTERS, ClaimConnection, will_of
from simulator.endpoints.broker_intake import REQUESTS, BrokerIntake
from simulator.endpoints.broker_outbox import BrokerOutbox
from simulator.endpoints.shards import Claims, Shard
from simulator.errors import Disconnected, MqttError, TargetError, UsageError
from simulator.jobs.messages import Effect, JobEnded, JobExecutionEvent, Notify, NotifyNext
from simulator.jobs.topics import notice_topic
from simulator.mqtt import V5, V311, Connack, Connect, Disconnect, Properties, Puback, Publish
from simulator.mqtt_client import ClientConnection

if TYPE_CHECKING:
    from simulator.endpoints.mqtt import MqttEndpoint

log = logging.getLogger(__name__)

VERSIONS: Final = {"3.1.1": V311, "5": V5}
PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
KEEP_ALIVE: Final = 20
SWEEP_S: Final = 1.0
SESSION_EXPIRY: Final = 24 * 3600
"""Seconds for which an MQTT 5 broker keeps requests for us; in 3.1.1 it decides by itself."""

LARGEST: Final = 268_435_455
"""The reader's limit is MQTT's own: one large message must not cost us the broker."""

BACKOFF_S: Final = 0.25
LONGEST_BACKOFF_S: Final = 15.0
LAST_ANSWERS_S: Final = 1.0
MAX_CLIENT_ID: Final = 100


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """Which broker, and as who; ``username`` and ``password`` are None where it asks for none."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    authority: Path | None = None
    """CA of the broker's certificate (PEM); None: the system's."""
    client_id: str | None = None
    shard: Shard = field(default_factory=Shard)
    level: int = V5
    sign_of_life_s: float = 3.0
    """How long the owner of a claim has to say that it is alive."""

    @classmethod
    def parse(
        cls, url: str, authority: Path | None, client_id: str | None, shard: str, version: str
    ) -> "BrokerOptions":
        """From the command line: ``mqtt[s]://[USER:PASSWORD@]HOST[:PORT]``.

        Raises:
            UsageError: one of them will not do; a password is not repeated.
        """
        try:
            parts = urlsplit(url)
            wrong = not _is_address(parts)
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:  # a port that is none, or half an IPv6 address
            wrong = True
        if wrong:
            raise UsageError(
                "--broker: write mqtt://HOST:PORT or mqtts://HOST:PORT, with USER:PASSWORD@ "
                "before the host where the broker asks for them (percent-encoded)"
            )
        if version not in VERSIONS:
            raise UsageError(f"--broker-mqtt {version}: allowed are {' and '.join(VERSIONS)}")
        if authority is not None and parts.scheme != "mqtts":
            raise UsageError("--broker-ca is about TLS: it needs --broker mqtts://…")
        if client_id is not None and not _is_client_id(client_id):
            raise UsageError(
                f"--broker-client-id {client_id!r}: use 1 to {MAX_CLIENT_ID} printable "
                "characters, without + # and /"
            )
        user, secret = parts.username, parts.password
        return cls(
            parts.hostname or "",
            port,
            parts.scheme == "mqtts",
            None if user is None else unquote(user),
            None if secret is None else unquote(secret),
            authority,
            client_id,
            Shard.parse(shard),
            VERSIONS[version],
        )

    @property
    def url(self) -> str:
        """The address, without what is nobody's business."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' * self.tls}://{host}:{self.port}"

    @property
    def service(self) -> str:
        """The client id: stable, so that the broker keeps requests for us."""
        if self.client_id is not None:
            return self.client_id
        part = "" if self.shard.count == 1 else f"-{self.shard.place}-of-{self.shard.count}"
        return f"jobfleet-{socket.gethostname()}{part}"

    def context(self) -> ssl.SSLContext | None:
        """How TLS is spoken.

        Raises:
            UsageError: the CA cannot be read.
        """
        if not self.tls:
            return None
        try:
            return ssl.create_default_context(cafile=self.authority)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"--broker-ca {self.authority}: {error}") from None


def _is_address(parts: SplitResult) -> bool:
    known = parts.scheme in PORTS and parts.hostname and parts.port != 0
    empty = parts.path in ("", "/") and not parts.query and not parts.fragment
    whole = parts.password is None or parts.username
    return bool(known and empty and whole)


def _is_client_id(text: str) -> bool:
    return 0 < len(text) <= MAX_CLIENT_ID and text.isprintable() and not set(text) & set("+#/")


class RequestConnection(ClientConnection):
    """The connection that carries requests and answers."""

    __slots__ = ("_endpoint",)

    def __init__(self, endpoint: "BrokerEndpoint", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._endpoint = endpoint

    def welcomed(self, welcome: Connack) -> None:
        """The broker knows our session, or begins a new one: before the first message of it."""
        transport = self._transport
        assert transport is not None
        if not welcome.session_present:
            self._endpoint.intake.forget_deliveries()
        self._endpoint.outbox.attach(transport.write, self.level, welcome)

    def published(self, packet: Publish) -> None:
        """A request; without the claim it is not ours to answer, nor to acknowledge."""
        if self._endpoint.claims.owner:
            self._endpoint.intake.take(packet)

    def acknowledged(self, packet: Puback) -> None:
        """An answer has arrived."""
        self._endpoint.outbox.acknowledged(packet.packet_id)

    def settled(self) -> None:
        """Write what the requests of this input led to."""
        self._endpoint.outbox.flush()

    def dismissed(self, packet: Disconnect) -> None:
        """The broker says why it closes the connection."""
        self._endpoint.lost(f"the broker closed the connection (reason {packet.reason:#x})")

    def broken(self, error: MqttError) -> None:
        """The broker broke MQTT: what it would send again is not asked for again."""
        self._endpoint.distrust()
        self._endpoint.lost(str(error))
        super().broken(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        if self._endpoint.requests is self:
            self._endpoint.outbox.detach()
            self._endpoint.lost(str(exc) if exc else "the connection was closed")


class BrokerEndpoint:
    """Serves a host over a broker that is not its own."""

    def __init__(self, options: BrokerOptions, desk: "MqttEndpoint") -> None:
        """``desk`` puts requests to the service, and counts them.

        Raises:
            UsageError: the CA cannot be read.
        """
        self.options = options
        self.outbox = BrokerOutbox()
        self.intake = BrokerIntake(desk, options.shard, self.outbox)
        instance = os.urandom(6).hex()
        self.claims = Claims(options.shard, options.service, instance)
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._tls = options.context()
        self._claim: ClaimConnection | None = None
        self.requests: RequestConnection | None = None
        self._trusted = True
        self._trouble: asyncio.Future[str] = self._loop.create_future()
        self._state = "connecting"
        self._tasks: list[asyncio.Task[None]] = []
        desk.host.listeners.append(self._tell)

    # ----------------------------------------------------------------------- its life

    async def start(self) -> None:
        """Claim our things, and serve.

        Raises:
            TargetError: the broker cannot be reached, or refuses us.
            UsageError: another service has our things.
        """
        try:
            await self._attach()
        except Disconnected as error:
            raise TargetError(f"--broker {self.options.url}: {error}") from None
        self._tasks = [
            asyncio.create_task(self._keep(), name="broker connection"),
            asyncio.create_task(self._sweep(), name="broker keep-alive"),
        ]

    async def stop(self) -> None:
        """Give the last answers a moment to arrive, then give up the claim and go."""
        for task in self._tasks:
            task.cancel()
        self._state = "stopped"
        until = self._loop.time() + LAST_ANSWERS_S
        while self.requests is not None and self.outbox.pending and self._loop.time() < until:
            if self._trouble.done():
                break
            await asyncio.sleep(0.01)
        self._detach()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def health(self) -> tuple[bool, Mapping[str, str]]:
        """Whether requests can come in, and what to say of it."""
        said = {"broker": self.options.url, "state": self._state, "shard": str(self.options.shard)}
        return self._state == "attached", said

    # ----------------------------------------------------------------------- for connections

    def lost(self, why: str) -> None:
        """A connection, or the claim, is gone; the first reason counts."""
        if not self._trouble.done():
            self._trouble.set_result(why)

    def distrust(self) -> None:
        """Do not ask for what the broker keeps for us."""
        self._trusted = False

    # ----------------------------------------------------------------------- unasked

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message of the service's own, at QoS 1."""
        if not self.outbox.batch:  # else somebody is about to flush
            self._loop.call_soon(self.outbox.flush)
        self.outbox.publish(topic.encode(), payload)

    def _tell(self, effect: Effect, now: float) -> None:
        if isinstance(effect, JobEnded):
            return
        if isinstance(effect, Notify | NotifyNext):
            ours = self.options.shard.owns(effect.thing_name)
        elif isinstance(effect, JobExecutionEvent):
            ours = self.options.shard.owns(effect.thing_arn.rpartition("/")[2])
        else:
            ours = True  # every service has its own copy of a job
        if ours:
            self.publish(notice_topic(effect), self._desk.wire.notice(effect, now))

    # ----------------------------------------------------------------------- connections

    async def _attach(self) -> None:
        """Connect, claim, take requests; raise Disconnected or UsageError."""
        options, loop = self.options, self._loop
        address = (options.host, options.port)
        self._trouble = loop.create_future()
        try:
            self._claim = claim = ClaimConnection(loop, self.claims, self.lost)
            welcome = await claim.dial(address, self._hello(claim=True), FILTERS, self._tls)
            _check(welcome)
            trusted = await claim.stand(options.sign_of_life_s)
            self._trusted = self._trusted and trusted
            self.requests = requests = RequestConnection(self, loop)
            filters = tuple((name, 1) for name in REQUESTS)
            await requests.dial(address, self._hello(claim=False), filters, self._tls, LARGEST)
            if self._trouble.done():
                raise Disconnected(self._trouble.result())
        except BaseException:
            self._detach()
            raise
        self._trusted = True
        self._state = "attached"

    def _hello(self, *, claim: bool) -> Connect:
        options, claims = self.options, self.claims
        clean = claim or not self._trusted
        properties = None
        if options.level >= V5 and not claim:
            properties = Properties(session_expiry=SESSION_EXPIRY)
        return Connect(
            f"{claims.service}-{claims.instance}" if claim else claims.service,
            clean,
            KEEP_ALIVE,
            options.username,
            None if options.password is None else options.password.encode(),
            will_of(claims) if claim else None,
            options.level,
            properties,
        )

    def _detach(self) -> None:
        """Close both connections; requests first, since they need the claim."""
        requests, self.requests = self.requests, None
        claim, self._claim = self._claim, None
        if requests is not None:
            requests.close()
            self.outbox.detach()
        if claim is not None:
            claim.leave()

    async def _keep(self) -> None:
        """Come back whenever the broker is lost."""
        url = self.options.url
        while True:
            await asyncio.wait(
                (self._trouble,)
            )  # not the future itself, which we may be cancelled in
            why = self._trouble.result()
            self._state = f"lost: {why}"
            log.warning("broker %s is lost: %s", url, why)
            self._detach()
            attempt = 0
            while self._state != "attached":
                await asyncio.sleep(self._backoff(attempt))
                attempt += 1
                try:
                    await self._attach()
                except (Disconnected, UsageError) as error:
                    if str(error) != why:
                        log.warning("broker %s: %s", url, error)
                    why = str(error)
                    self._state = f"lost: {why}"
            log.warning("broker %s is back", url)

    def _backoff(self, attempt: int) -> float:
        """Seconds until the next attempt: doubled each time, and spread between services."""
        longest = min(BACKOFF_S * 2.0 ** min(attempt, 16), LONGEST_BACKOFF_S)
        spread = crc32(f"{self.claims.instance} {attempt}".encode()) / 2**32
        return longest * (0.5 + spread / 2)

    async def _sweep(self) -> None:
        """Keep both connections alive, and give up those that are not."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._loop.time()
            for connection in (self._claim, self.requests):
                if connection is None:
                    continue
                connection.keep_alive(now, KEEP_ALIVE)
                if now - connection.heard > 1.5 * KEEP_ALIVE:
                    self.lost(f"nothing was heard for {1.5 * KEEP_ALIVE:g} s")
                    connection.abort()


def _check(welcome: Connack) -> None:
    """Raise Disconnected where a broker lacks what we need."""
    said = welcome.properties
    if said is not None and (said.maximum_qos == 0 or said.retain_available == 0):
        raise Disconnected("the broker lacks QoS 1 or retained messages: both are needed")
