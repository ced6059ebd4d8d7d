"""A Jobs service on real ports: ``jobfleet serve``, and the same as a process of its own.

Rule 1: a port that is taken is one clear error, before anything is served.
Rule 2: a plain door listens on the loopback, unless ``--insecure`` says that the network is meant.
"""

import asyncio
import hashlib
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import uvloop

from simulator.endpoints.broker import BrokerEndpoint, BrokerOptions
from simulator.endpoints.documents import Documents
from simulator.endpoints.http import HttpEndpoint, Verify
from simulator.endpoints.identity import Action, Device, Policies
from simulator.endpoints.journal import Identity, Journal, JournalledHost
from simulator.endpoints.mqtt import Limits, MqttEndpoint
from simulator.endpoints.sigv4 import Verifier
from simulator.endpoints.tls import Identification, TlsEndpoint
from simulator.errors import JobfleetError, UsageError
from simulator.garbage import short_pauses
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.execution import AWS, Dialect
from simulator.jobs.rest import ENDPOINT_TYPES, Rest
from simulator.jobs.wire import Wire
from simulator.open_files import make_all_room
from simulator.ports import LOOPBACK, bind, is_loopback, let_go
from simulator.sample import create_sample
from simulator.today import utc_now

if TYPE_CHECKING:
    from simulator.endpoints.metrics import Metrics
    from simulator.playbook import Playbook
    from simulator.run import Resolved

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a service listens; a port is 0 where there is no such door."""

    host: str
    mqtt: int
    http: int
    tls_host: str = ""
    mqtts: int = 0
    https: int = 0
    alpn: int = 0
    broker: str = ""
    """The URL of the broker that requests come over, if not our own."""

    def as_json(self) -> str:
        """One line for a program to read: the doors that there are."""
        return json.dumps({name: v for name, v in asdict(self).items() if v})


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """The TLS doors; port 0 picks a free one."""

    files: Identification
    mqtts_port: int = 8883
    https_port: int = 8443
    alpn_port: int | None = None
    """MQTT and HTTP on one port, told apart by ALPN (443 at AWS); None: no such port."""
    policies: Policies = field(default_factory=Policies)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What ``jobfleet serve`` was asked for; port 0 picks a free one."""

    host: str = LOOPBACK
    mqtt_port: int | None = 1883
    """None: no MQTT port of our own, because requests come over a broker."""
    http_port: int = 8080
    time_scale: float = 1.0
    epoch: float | None = None
    """Unix seconds at which the service begins; None: the scenario's epoch, else now."""
    scenario: "Resolved | None" = None
    """Whose fleet to register at the start, whose jobs to create, whose incidents to let happen."""
    jobs: bool = True
    """Whether to create them; else the timeline begins when somebody else creates the first."""
    incidents: bool = True
    with_parent: bool = False
    """End when standard input closes."""
    dialect: Dialect = AWS
    sample: bool = False
    """Create the AWS CLI page's sample job at the start."""
    quotas: Literal["aws"] | None = None
    """Throttle and limit as AWS does."""
    tls: TlsOptions | None = None
    keys: tuple[str, str] | None = field(default=None, repr=False)
    """Access key and secret key to verify signatures with; None: they are not verified."""
    plain: bool = True
    """Whether to open the plain doors beside the TLS ones."""
    insecure: bool = False
    """Whether the plain doors may listen beyond the loopback."""
    documents: Path | None = None
    """The directory that ``file:`` document sources are read from."""
    s3_endpoint_url: str | None = None
    broker: BrokerOptions | None = None
    """The broker over which requests come, beside the doors of our own."""
    journal: Path | None = None
    """Where every command is kept, and done again at the next start."""
    utc_now: Callable[[], datetime] = utc_now
    """Reads the calendar: for the ``Date`` header and the age of signatures."""


def plain_host(options: ServeOptions) -> str:
    """Where the plain doors listen.

    Raises:
        UsageError: they would be open to the network, and nobody said that this is meant.
    """
    if options.insecure or is_loopback(options.host):
        return options.host
    if options.tls is not None:
        return LOOPBACK
    raise UsageError(
        f"--host {options.host} would open MQTT and HTTP to the network without TLS; "
        "use --tls DIR (`jobfleet certs DIR` makes the files), or say --insecure"
    )


def _bind_all(options: ServeOptions) -> dict[str, socket.socket]:
    """A socket per door."""
    host, wanted = plain_host(options), []
    if options.plain:
        if options.mqtt_port is not None:
            wanted.append(("mqtt", host, options.mqtt_port))
        wanted.append(("http", host, options.http_port))
    if options.tls is not None:
        tls = options.tls
        wanted += [("mqtts", options.host, tls.mqtts_port), ("https", options.host, tls.https_port)]
        if tls.alpn_port is not None:
            wanted.append(("alpn", options.host, tls.alpn_port))
    sockets: dict[str, socket.socket] = {}
    try:
        for door, where, port in wanted:
            sockets[door] = bind(where, port, f"--{door}-port")
    except UsageError:
        for bound in sockets.values():
            bound.close()
        raise
    return sockets


def serve(options: ServeOptions, announce: Callable[[Addresses], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``announce`` is called once all ports take connections.

    Raises:
        UsageError: the doors cannot be opened as asked.
    """
    make_all_room()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, announce))


async def _serve(options: ServeOptions, announce: Callable[[Addresses], None]) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if options.with_parent:
        loop.add_reader(sys.stdin.fileno(), ended.set)
    async with opened(options) as (addresses, host):
        journal = host.journal if isinstance(host, JournalledHost) else None
        if journal is not None:
            journal.on_failure = ended.set
        with short_pauses():
            announce(addresses)
            await ended.wait()
    if journal is not None and journal.failure is not None:
        raise journal.failure


@asynccontextmanager
async def opened(options: ServeOptions) -> AsyncIterator[tuple[Addresses, Host]]:
    """A service with all its doors, on the running loop; closed at the end.

    Raises:
        UsageError: the doors cannot be opened as asked.
    """
    if not options.plain and options.tls is None and options.broker is None:
        raise UsageError("--no-plain leaves no door; open the TLS ones with --tls DIR")
    scenario, epoch = options.scenario, options.epoch
    if epoch is None:
        now = options.utc_now().timestamp()
        epoch = now if scenario is None else scenario.scenario.epoch_s
    sockets, journal = _bind_all(options), None
    try:
        if options.journal is not None:
            journal = open_journal(options, options.journal, epoch)
            epoch = journal.header.service.epoch
        host, playbook = _host(options, epoch, journal)
        doors = _doors(options, host, Wire(epoch))
    except BaseException:
        for bound in sockets.values():
            bound.close()
        if journal is not None:
            journal.close()
        raise
    ports = {name: bound.getsockname()[1] for name, bound in sockets.items()}
    try:
        for name, door in doors.items():
            if isinstance(door, BrokerEndpoint):
                await _attach(door, sockets)
            elif name in sockets:
                await door.start(sockets[name])
            elif not isinstance(door, TlsEndpoint):
                await door.start()  # without a port of its own it serves behind TLS
        tls_host = options.host if options.tls is not None else ""
        if playbook is not None:
            playbook.start()
        yield (
            Addresses(
                plain_host(options), ports.get("mqtt", 0), ports.get("http", 0), tls_host,
                ports.get("mqtts", 0), ports.get("https", 0), ports.get("alpn", 0),
                "" if options.broker is None else options.broker.url,
            ),
            host,
        )  # fmt: skip
    finally:
        if playbook is not None:
            playbook.stop()
        for door in reversed(doors.values()):
            await door.stop()
        await let_go(doors.values())
        host.close()
        if journal is not None:
            journal.close()


def _host(
    options: ServeOptions, epoch: float, journal: Journal | None
) -> "tuple[Host, Playbook | None]":
    """The service on the running loop, with all that its journal knows of it."""
    service = JobsService(dialect=options.dialect, epoch=epoch, quotas=options.quotas)
    if options.sample:
        create_sample(service)
    loop, scale, stopwatch = asyncio.get_running_loop(), options.time_scale, time.perf_counter
    if journal is None:
        host = Host(service, loop, scale, stopwatch)
    else:
        host = JournalledHost(service, loop, scale, stopwatch, journal)
    playbook = None if options.scenario is None else _playbook(options.scenario, options, host)
    if isinstance(host, JournalledHost):
        host.resume(Rest(service, Wire(epoch)), options.utc_now().timestamp())
    return host, playbook


def open_journal(options: ServeOptions, path: Path, epoch: float) -> Journal:
    """The journal of a service, begun or found.

    Raises:
        UsageError: it cannot be used, or what is asked for is not kept in it.
    """
    digest = ""
    if options.scenario is not None:
        from simulator.scenario import dump

        scenario = options.scenario.scenario
        if options.jobs or (options.incidents and scenario.incidents()):
            raise UsageError(
                "--journal keeps what clients ask, and not what a scenario does: use --no-jobs "
                "(and --no-incidents), and create the jobs as a client"
            )
        digest = hashlib.sha256(dump(scenario).encode()).hexdigest()[:16]
    shard = "" if options.broker is None else str(options.broker.shard)
    identity = Identity(
        epoch, options.time_scale, options.dialect.name, options.quotas or "none",
        options.sample, digest, shard,
    )  # fmt: skip
    return Journal(
        path, identity, options.utc_now().timestamp(), version("jobfleet"), epoch=options.epoch
    )


def _playbook(scenario: "Resolved", options: ServeOptions, host: Host) -> "Playbook":
    """The scenario's part of this service's."""
    from simulator.playbook import Playbook  # numpy and pydantic: half of the time to get ready

    owns = None if options.broker is None else options.broker.shard.owns
    return Playbook(
        scenario,
        host,
        owns=owns,
        jobs=options.jobs,
        incidents=options.incidents,
        tell=log.warning,
    )


async def _attach(broker: BrokerEndpoint, sockets: dict[str, socket.socket]) -> None:
    """Serve over a broker, or over nothing."""
    try:
        await broker.start()
    except JobfleetError:
        for bound in sockets.values():
            bound.close()
        raise


Door = MqttEndpoint | HttpEndpoint | TlsEndpoint | BrokerEndpoint


def _verify(options: ServeOptions) -> Verify | None:
    """How signatures are verified, or None where nobody gave keys to do it with."""
    if options.keys is None:
        return None
    verifier = Verifier(*options.keys)
    return lambda signed, services: verifier.verify(signed, services, options.utc_now())


def _may(device: object, action: Action, resource: str) -> bool:
    assert isinstance(device, Device)
    return device.authorize(action, resource)


def _doors(options: ServeOptions, host: Host, wire: Wire) -> dict[str, Door]:
    """Every door by the name of its port, in the order in which they open.

    The broker comes first, since it may refuse us; those that others stand in front of, next.
    """
    mqtt = MqttEndpoint(host, wire, limits=Limits() if options.quotas == "aws" else None)
    broker = None if options.broker is None else BrokerEndpoint(options.broker, mqtt)

    def mqtt_for(device: Device | None, trusted: bool = True) -> asyncio.Protocol:
        return mqtt.connection() if device is None else mqtt.connection(device, _may)

    scraped: list[Metrics] = []

    def metrics() -> tuple[str, bytes]:
        if not scraped:
            from simulator.endpoints.metrics import Metrics

            doors = {"mqtt": mqtt.requests, "http": lambda: http.counts}
            open_now = {
                "mqtt": lambda: len(mqtt.connections),
                "http": lambda: len(http.connections),
            }
            scraped.append(Metrics(host, doors, open_now))
        return scraped[0].text()

    http = HttpEndpoint(
        host,
        wire,
        utc_now=options.utc_now,
        verify=_verify(options),
        documents=Documents(options.documents, options.s3_endpoint_url),
        mqtt=mqtt_for,
        metrics=metrics,
        endpoints=dict.fromkeys(ENDPOINT_TYPES, options.host),
        health=None if broker is None else broker.health,
    )
    doors: dict[str, Door] = {} if broker is None else {"broker": broker}
    doors |= {"mqtt": mqtt, "http": http}
    if options.tls is not None:
        files, policies = options.tls.files, options.tls.policies
        doors["mqtts"] = TlsEndpoint(files, policies, mqtt=mqtt_for)
        doors["https"] = TlsEndpoint(files, policies, http=http.connection)
        if options.tls.alpn_port is not None:
            doors["alpn"] = TlsEndpoint(files, policies, mqtt=mqtt_for, http=http.connection)
    return doors
