"""A Jobs service in a thread of somebody's test: ``jobs_service`` of the pytest plugin.

Rule 1: the doors are those of ``serve``, on free ports of the loopback, others for each test: an
        agent that an earlier test left behind finds nobody there.
Rule 2: its time stands still until ``advance`` moves it (``stepped_clock.py``), or follows the wall
        clock where that is asked for. The network's own time is the wall clock in any case.
Rule 3: everything here may be called from any thread; what it does, it does in the service's. There
        it is called at once, so that a condition of ``wait_until`` may call it too.
Rule 4: whatever goes wrong in the service's thread is raised in the test, at its end at the latest.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from simulator.errors import JobfleetError, UsageError
from simulator.host import Exchange, Fault, Host
from simulator.jobs.execution import DIALECTS
from simulator.jobs.messages import CreateJobRequest, Effect, JobEvent, JobExecutionEvent
from simulator.jobs.model import Job, Status
from simulator.jobs.topics import notice_topic
from simulator.jobs.wire import Wire
from simulator.local_settings import Duration, Settings, listed, seconds_of
from simulator.sdk_client import sdk_client
from simulator.serve import Addresses, ServeOptions, opened
from simulator.service_thread import ServiceThread
from simulator.sightings import Event, Execution, NotInTime, Onlooker, as_seen
from simulator.stepped_clock import SteppedClock

FAULTS: Final = ("outage", "throttle", "lose-request", "lose-reply", "duplicate-reply")
LOOK_S: Final = 0.02
"""How soon it is noticed what no request or notice tells of: a connection, the test's own state."""
SHOWN: Final = 5
"""Requests that a message quotes, the last ones."""


class LocalJobs:
    """A service of one test: fixture ``jobs_service``."""

    def __init__(self, thread: ServiceThread, settings: Settings) -> None:
        """Open its doors."""
        self.settings = settings
        self.thread = thread
        self.host: Host
        """The service's owner, for what is not offered here; it belongs to the thread."""
        self.clock: SteppedClock | None = None
        self._addresses: Addresses
        self._events: list[Event] = []
        self._stage = Onlooker(self._look_again)
        self._open = AsyncExitStack()
        self._changed: asyncio.Event
        self._clients: dict[str, Any] = {}
        thread.run(self._start())

    async def _start(self) -> None:
        settings, loop = self.settings, asyncio.get_running_loop()
        if settings.clock == "stepped":
            self.clock = SteppedClock(loop)
        self._changed = asyncio.Event()
        options = ServeOptions(
            mqtt_port=0,
            http_port=0,
            time_scale=settings.time_scale,
            epoch=settings.epoch_s(),
            dialect=DIALECTS[settings.dialect],
            quotas="aws" if settings.quotas == "aws" else None,
            timepiece=self.clock,
            events=True,  # who tests wants to see what happened
        )
        self._addresses, self.host = await self._open.enter_async_context(opened(options))
        host = self.host
        host.stage = self._stage
        host.listeners.append(self._told)
        self._wire = Wire(host.service.settings.epoch)

    def close(self) -> None:
        """Close every connection and port; the thread stays for the next test.

        Raises:
            JobfleetError: something failed in the service's thread.
        """
        for client in self._clients.values():
            client.close()
        self.thread.run(self._open.aclose())
        failures, self.thread.failures = self.thread.failures, []
        if failures:
            raise JobfleetError("in the service's thread: " + "; ".join(failures))

    # ----------------------------------------------------------------------- where it is

    @property
    def mqtt_host(self) -> str:
        """Where it listens."""
        return self._addresses.host

    @property
    def mqtt_port(self) -> int:
        """MQTT 3.1.1 and 5, without TLS."""
        return self._addresses.mqtt

    @property
    def http_port(self) -> int:
        """HTTP, and MQTT over WebSocket at ``/mqtt``."""
        return self._addresses.http

    @property
    def http_url(self) -> str:
        """``--endpoint-url`` of the AWS CLI, ``endpoint_url`` of boto3."""
        return f"http://{self._addresses.host}:{self._addresses.http}"

    @property
    def mqtt_url(self) -> str:
        """``mqtt://HOST:PORT``."""
        return f"mqtt://{self._addresses.host}:{self._addresses.mqtt}"

    def client(self, service_name: str) -> Any:
        """A client of the AWS SDK, as ``boto3.client(service_name)`` makes it, for this service.

        Nothing of the machine's own AWS configuration is read. ``service_name`` is ``iot`` or
        ``iot-jobs-data``.
        """
        if service_name not in self._clients:
            self._clients[service_name] = sdk_client(service_name, self.http_url)
        return self._clients[service_name]

    # ----------------------------------------------------------------------- time

    @property
    def now(self) -> float:
        """Seconds since this service began, in its time."""
        return self.thread.call(self.host.now)

    @property
    def time(self) -> datetime:
        """The same on the calendar, UTC: what its timestamps say."""
        epoch = self.host.service.settings.epoch
        return datetime.fromtimestamp(epoch, UTC) + timedelta(seconds=self.now)

    def advance(self, duration: Duration) -> float:
        """Let time pass: ``"10m"``, ``"7d"``; returns the new ``now``.

        Every timer and rollout batch on the way comes at its own instant, in order, and what is to
        be told of it has been handed to the sockets when this returns. What an agent then does
        takes as long as it takes: wait for it with ``wait_for``.

        Raises:
            UsageError: this is no duration, or time follows the wall clock.
        """
        if self.clock is None:
            raise UsageError('advance() needs stepped time: leave clock="wall" out of the marker')
        seconds = seconds_of(duration)
        self.thread.run(self.clock.advance(seconds))
        return self.now

    # ----------------------------------------------------------------------- the fleet's owner

    def create_thing(self, *names: str, **attributes: str) -> None:
        """Register things; one that is there stays as it is."""
        registry = self.host.service.registry

        def create() -> None:
            for name in names:
                registry.create_thing(name, None, attributes or None)

        self._act(create)

    def create_job(
        self,
        job_id: str,
        targets: str | list[str],
        document: Mapping[str, Any] | str | None = None,
        **request: Any,
    ) -> None:
        """CreateJob, its first executions made when this returns.

        Args:
            job_id: the job's id.
            targets: names of things, which are registered where they are not, or ARNs.
            document: the job document; ``{}`` if absent.
            request: what else AWS's request has, in its own words: ``timeoutConfig={…}``.

        Raises:
            Rejection: as AWS would refuse it.
        """
        service = self.host.service
        wanted = [targets] if isinstance(targets, str) else list(targets)
        if document is None and not {"documentSource", "jobTemplateArn"} & set(request):
            document = {}
        if document is not None:
            request["document"] = document if isinstance(document, str) else json.dumps(document)

        def create() -> None:
            names = [one for one in wanted if not one.startswith("arn:")]
            for name in names:
                service.registry.create_thing(name)
            arns = [one if one not in names else service.registry.thing_arn(one) for one in wanted]
            asked = {"targets": arns, **request}
            try:
                made = msgspec.convert(asked, CreateJobRequest)
            except msgspec.ValidationError as error:
                raise UsageError(f"create_job({job_id!r}): {error}") from None
            unknown = set(asked) - {f.encode_name for f in msgspec.structs.fields(CreateJobRequest)}
            if unknown:
                raise UsageError(f"create_job({job_id!r}): CreateJob has no {sorted(unknown)[0]!r}")
            service.create_job(job_id, made, self.host.now())

        self._act(create)

    def job_status(self, job_id: str) -> str:
        """IN_PROGRESS, COMPLETED and so on."""
        return self.thread.call(lambda: self._job(job_id).status)

    def execution(self, thing_name: str, job_id: str) -> Execution:
        """The newest execution of a job on a thing.

        Raises:
            UsageError: there is none.
        """

        def look() -> Execution:
            found = self._job(job_id).latest.get(thing_name)
            if found is None:
                raise UsageError(
                    f"job {job_id} has no execution on {thing_name!r} (yet); it has some on: "
                    f"{listed(tuple(self._job(job_id).latest)[:SHOWN]) or 'nothing'}"
                )
            return as_seen(found)

        return self.thread.call(look)

    def executions(self, job_id: str) -> list[Execution]:
        """Every execution of a job, retries too, in order of creation."""
        return self.thread.call(lambda: [as_seen(e) for e in self._job(job_id).executions])

    @property
    def events(self) -> list[Event]:
        """What was told on ``$aws/events/…`` so far. (Unlike at AWS, it is told unasked.)"""
        return self.thread.call(lambda: list(self._events))

    @property
    def requests(self) -> list[Exchange]:
        """What agents asked so far, over whatever door, and what came of it."""
        return self.thread.call(lambda: list(self._stage.requests))

    # ----------------------------------------------------------------------- trouble

    def befall(self, thing_name: str, fault: Fault, times: int = 1) -> None:
        """Let something befall the next requests of a thing.

        ``lose-reply``: it is done and not answered. ``lose-request``: it never came in.
        ``duplicate-reply``: it is answered twice. ``throttle``: it is answered RequestThrottled.
        """
        if fault not in FAULTS:
            raise UsageError(f"befall({fault!r}): allowed are {listed(FAULTS)}")
        planned = self._stage.planned
        self.thread.call(lambda: planned.setdefault(thing_name, []).extend([fault] * times))

    @property
    def clients(self) -> list[str]:
        """The client ids that are connected over MQTT."""
        doors = self.host.connected
        return self.thread.call(lambda: sorted(name for door in doors for name in door()))

    def disconnect(self, *thing_names: str) -> int:
        """Close the MQTT connections of these things; how many there were."""
        return self.thread.call(lambda: self.host.disconnect(thing_names))

    # ----------------------------------------------------------------------- waiting

    def wait_until(
        self, condition: Callable[[], object], within: float = 5.0, what: str = "the condition"
    ) -> None:
        """Wait for something that an agent does, at most ``within`` seconds of the wall clock.

        The condition is asked again whenever something happened at the service, and now and then.

        Raises:
            NotInTime: an AssertionError that says what the service saw last.
        """

        async def until() -> bool:
            try:
                async with asyncio.timeout(within):
                    while not condition():
                        self._changed.clear()
                        with suppress(TimeoutError):
                            async with asyncio.timeout(LOOK_S):
                                await self._changed.wait()
            except TimeoutError:
                return bool(condition())
            return True

        if not self.thread.run(until()):
            raise NotInTime(f"{what} did not come about within {within:g} s; {self._last()}")

    def wait_for(
        self, thing_name: str, job_id: str, status: Status, within: float = 5.0
    ) -> Execution:
        """Wait until the thing's newest execution of the job has a status; returns it.

        Raises:
            NotInTime: as ``wait_until``.
        """
        latest = self.thread.call(lambda: self._job(job_id).latest)

        def there() -> bool:
            return thing_name in latest and latest[thing_name].status == status

        try:
            self.wait_until(there, within, f"{status} of {job_id} on {thing_name}")
        except NotInTime as error:
            found = latest.get(thing_name)
            seen = "there is no execution" if found is None else f"it is {found!r}"
            raise NotInTime(f"{error} ({seen})") from None
        return self.execution(thing_name, job_id)

    def _last(self) -> str:
        told = [
            f"{one.thing_name} {one.operation} {one.fault or one.outcome}"
            for one in self.requests[-SHOWN:]
        ]
        return f"the last requests: {', '.join(told)}" if told else "nobody asked for anything"

    # ----------------------------------------------------------------------- in the thread

    def _job(self, job_id: str) -> Job:
        jobs = self.host.service.jobs
        if job_id not in jobs:
            raise UsageError(
                f"there is no job {job_id!r}; there are: {listed(tuple(jobs)) or 'none'}"
            )
        return jobs[job_id]

    def _act(self, what: Callable[[], object]) -> None:
        """Do something to the service and let it be told; with stepped time, all of it."""
        clock = self.clock

        async def act() -> None:
            try:
                what()
            finally:
                self.host.publish()
            if clock is not None:
                await clock.settle()

        self.thread.run(act())

    def _told(self, effect: Effect, now: float) -> None:
        if isinstance(effect, JobEvent | JobExecutionEvent):
            payload = json.loads(self._wire.notice(effect, now))
            self._events.append(Event(notice_topic(effect), now, payload))
        self._look_again()

    def _look_again(self) -> None:
        self._changed.set()
