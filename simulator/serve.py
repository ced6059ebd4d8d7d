"""A Jobs service on real ports: ``jobfleet serve``, and the same as a process of its own.

Rule 1: a port that is taken is one clear error, before anything is served.
Rule 2: an embedded service ends with whoever started it: when its standard input closes.
"""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import uvloop

from simulator.endpoints.http import HttpEndpoint
from simulator.endpoints.mqtt import MqttEndpoint
from simulator.errors import TargetError, UsageError
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.execution import AWS, Dialect
from simulator.jobs.rest import ENDPOINT_TYPES
from simulator.jobs.wire import Wire
from simulator.open_files import make_all_room
from simulator.run import Resolved, register, utc_now
from simulator.sample import create_sample

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a service listens."""

    host: str
    mqtt: int
    http: int

    def as_json(self) -> str:
        """One line for a program to read."""
        return json.dumps({"host": self.host, "mqtt": self.mqtt, "http": self.http})


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What ``jobfleet serve`` was asked for; port 0 picks a free one."""

    host: str = LOOPBACK
    mqtt_port: int = 1883
    http_port: int = 8080
    time_scale: float = 1.0
    epoch: float | None = None
    """Unix seconds at which the service begins; None: the scenario's epoch, else now."""
    scenario: Resolved | None = None
    """Whose fleet to register at the start."""
    with_parent: bool = False
    """End when standard input closes."""
    dialect: Dialect = AWS
    sample: bool = False
    """Create the AWS CLI page's sample job at the start."""
    quotas: Literal["aws"] | None = None
    """Throttle and limit as AWS does."""


def bind(host: str, port: int, option: str) -> socket.socket:
    """A listening socket.

    Raises:
        UsageError: the address cannot be had; ``option`` is how to choose another.
    """
    try:
        return socket.create_server((host, port), backlog=4096)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error}; choose another port with {option} "
            "(0 picks a free one)"
        ) from None


def serve(options: ServeOptions, announce: Callable[[Addresses], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``announce`` is called once both ports take connections."""
    make_all_room()
    mqtt = bind(options.host, options.mqtt_port, "--mqtt-port")
    try:
        http = bind(options.host, options.http_port, "--http-port")
    except UsageError:
        mqtt.close()
        raise
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, mqtt, http, announce))


async def _serve(
    options: ServeOptions,
    mqtt: socket.socket,
    http: socket.socket,
    announce: Callable[[Addresses], None],
) -> None:
    loop = asyncio.get_running_loop()
    scenario, epoch = options.scenario, options.epoch
    if epoch is None:
        epoch = utc_now().timestamp() if scenario is None else scenario.scenario.epoch_s
    service = JobsService(dialect=options.dialect, epoch=epoch, quotas=options.quotas)
    if scenario is not None:
        register(service.registry, scenario.work().names())
    if options.sample:
        create_sample(service)
    host = Host(service, loop, options.time_scale)
    wire = Wire(epoch)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ended.set)
    if options.with_parent:
        loop.add_reader(sys.stdin.fileno(), ended.set)
    doors: tuple[MqttEndpoint | HttpEndpoint, ...] = (
        MqttEndpoint(host, wire),
        HttpEndpoint(host, wire, dict.fromkeys(ENDPOINT_TYPES, options.host)),
    )
    addresses = Addresses(options.host, mqtt.getsockname()[1], http.getsockname()[1])
    for door, listening in zip(doors, (mqtt, http), strict=True):
        await door.start(listening)
    announce(addresses)
    await ended.wait()
    for door in doors:
        await door.stop()
    host.close()


class EmbeddedService:
    """A service in a process of its own, on free ports of the loopback, with a fleet registered."""

    def __init__(self, scenario: Path, time_scale: float) -> None:
        """Start it; ``scenario`` is a resolved scenario file.

        Raises:
            TargetError: it did not come up.
        """
        command = [sys.executable, "-m", "simulator.cli", "serve", "--mqtt-port", "0"]
        command += ["--http-port", "0", "--time-scale", str(time_scale), "--json", "--with-parent"]
        self.process = subprocess.Popen(
            [*command, "--scenario", str(scenario)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the run, which then ends its service
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        try:
            said = json.loads(line)
        except ValueError:
            code = self.process.wait()
            raise TargetError(f"the embedded service did not start (exit code {code})") from None
        self.addresses = Addresses(said["host"], said["mqtt"], said["http"])

    @property
    def lost(self) -> bool:
        """Whether its process has ended."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
