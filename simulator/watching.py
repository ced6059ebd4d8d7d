"""A running service's job events, followed over MQTT: ``jobfleet watch``.

Rule 1: who watches changes nothing: a clean session, a client id of its own, nothing published.
Rule 2: nobody there at the beginning is an error; a connection that is lost later is taken up
        again, and both are told, since what happened in between was missed.
Rule 3: what is no event is told as it is: a service of others may say what we do not know.
"""

import asyncio
import json
import os
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from simulator.errors import Disconnected, InvalidRequest, TargetError, UsageError
from simulator.jobs.registry import check_job_id, check_thing_name
from simulator.mqtt import Connect, Publish, encode_puback
from simulator.mqtt_client import ClientConnection
from simulator.targets import Target
from simulator.websocket_client import WebSocketClient

KEEP_ALIVE_S: Final = 60
GOODBYE_S: Final = 1.0
LOOK_S: Final = 5.0
PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Between two attempts to connect again; the last one for good."""


class Happening(NamedTuple):
    """One message."""

    topic: str
    payload: dict[str, Any]
    thing_name: str | None
    job_id: str | None
    status: str | None
    """Of the job or of the execution."""
    of_job: bool
    at: float | None
    """Unix seconds, by the service's own clock."""


@dataclass(slots=True)
class Watched:
    """What was seen."""

    executions: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    others: int = 0
    reconnections: int = 0

    def take(self, one: Happening) -> None:
        """Count it."""
        if one.status is None or one.topic.endswith("/notify-next"):
            self.others += 1
        elif one.of_job:
            self.jobs[one.status] += 1
        else:
            self.executions[one.status] += 1


class _Ear(ClientConnection):
    """A connection that hears."""

    __slots__ = ("messages",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.messages: asyncio.Queue[Publish | None] = asyncio.Queue()
        """None: the connection is gone."""

    def published(self, packet: Publish) -> None:
        """A message came."""
        if packet.qos and self._transport is not None:
            self._transport.write(encode_puback(packet.packet_id))
        self.messages.put_nowait(packet)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        super().connection_lost(exc)
        self.messages.put_nowait(None)


class Watcher:
    """Follows the events of one service."""

    def __init__(self, target: Target, thing: str | None, job: str | None) -> None:
        """Follow all, or what concerns a thing, a job, or a job on a thing.

        Raises:
            UsageError: these are no names, or the target speaks no MQTT.
        """
        if target.web:
            raise UsageError(
                f"--endpoint {target}: events come over MQTT; write mqtt://HOST[:PORT]"
            )
        try:
            if thing is not None:
                check_thing_name(thing)
            if job is not None:
                check_job_id(job)
        except InvalidRequest as error:
            raise UsageError(str(error)) from None
        self.watched = Watched()
        self._target = target
        self._thing = thing
        self._job = job
        self._ear: _Ear | None = None

    @property
    def filters(self) -> tuple[str, ...]:
        """What it subscribes to."""
        job = "+" if self._job is None else self._job
        events = (f"$aws/events/job/{job}/+", f"$aws/events/jobExecution/{job}/+")
        if self._thing is None:
            return events
        return (*events, f"$aws/things/{self._thing}/jobs/notify-next")

    async def follow(self, told: Callable[[str], None]) -> AsyncGenerator[Happening, None]:
        """Everything that happens, without end; ``told`` hears of the connection.

        Raises:
            TargetError: nobody is there.
        """
        try:
            await self._connect()
        except Disconnected as error:
            raise TargetError(
                f"{error}; is the service running, and this its MQTT port? (--endpoint)"
            ) from None
        told(f"Watching {self._target}")
        while True:
            packet = await self._next()
            if packet is None:
                self._ear = None
                told("The connection was lost; what happens now is missed")
                await self._connect_again()
                told(f"Watching {self._target} again")
                continue
            one = read(packet.topic, packet.payload)
            if self._is_meant(one):
                self.watched.take(one)
                yield one

    async def close(self) -> None:
        """Say goodbye, and see the connection closed, if that is soon."""
        ear, self._ear = self._ear, None
        if ear is None:
            return
        ear.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                while await ear.messages.get() is not None:
                    pass

    async def _next(self) -> Publish | None:
        """The next message; None when the connection is gone."""
        ear = self._ear
        assert ear is not None  # it has connected
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    return await ear.messages.get()
            except TimeoutError:
                if loop.time() - ear.heard > 1.5 * KEEP_ALIVE_S:
                    ear.abort()  # half open
                else:
                    ear.keep_alive(loop.time(), KEEP_ALIVE_S)

    async def _connect(self) -> None:
        target, ear = self._target, _Ear(asyncio.get_running_loop())
        name = f"jobfleet-watch-{socket.gethostname()[:40]}-{os.getpid()}"
        password = None if target.password is None else target.password.encode()
        hello = Connect(name, True, KEEP_ALIVE_S, target.username, password, None, target.level)
        through: Callable[[asyncio.Protocol], WebSocketClient] | None = None
        if target.websocket:
            path = target.request_path()
            through = lambda inner: WebSocketClient(inner, target.netloc, path)  # noqa: E731
        filters = tuple((name, 1) for name in self.filters)
        await ear.dial(target.address, hello, filters, target.tls(name), through=through)
        self._ear = ear

    async def _connect_again(self) -> None:
        self.watched.reconnections += 1
        attempt = 0
        while True:
            try:
                await self._connect()
            except Disconnected:
                await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
                attempt += 1
            else:
                return

    def _is_meant(self, one: Happening) -> bool:
        """Whether it is about the thing and the job that were asked for."""
        if self._thing is not None and not one.of_job and one.thing_name != self._thing:
            return False
        return self._job is None or one.job_id in (self._job, None)


def read(topic: str, payload: bytes) -> Happening:
    """What a message says, as far as it can be understood."""
    try:
        members = json.loads(payload)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        members = {"unreadable": payload.decode(errors="replace")}
    parts = topic.split("/")
    of_job = parts[:3] == ["$aws", "events", "job"]
    about = members
    thing = None
    if topic.endswith("/notify-next"):
        found = members.get("execution")
        about = found if isinstance(found, dict) else {}
        thing = parts[2]
    elif isinstance(arn := members.get("thingArn"), str):
        thing = arn.rpartition("thing/")[2]
    job, status, at = about.get("jobId"), about.get("status"), members.get("timestamp")
    return Happening(
        topic,
        members,
        thing,
        job if isinstance(job, str) else None,
        status if isinstance(status, str) else None,
        of_job,
        float(at) if isinstance(at, int | float) else None,
    )
