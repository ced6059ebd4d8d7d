"""One service, four doors: the same case body runs over each.

A door takes a request of ``simulator.jobs.messages`` and gives back a reply or raises a Rejection;
over HTTP the client is boto3, and what it raises is held against the rejection's REST-JSON twin.
A body that asks its world only what a client may ask runs at AWS too (``account.py``).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Literal, NamedTuple, TypeVar

import boto3
import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from simulator.endpoints.http import HttpEndpoint
from simulator.endpoints.mqtt import MqttEndpoint
from simulator.errors import Rejection
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.configuration import JobExecutionsRolloutConfig, TimeoutConfig
from simulator.jobs.execution import AWS, Dialect
from simulator.jobs.messages import (
    CreateJobRequest,
    DataReply,
    DataRequest,
    DescribeJobExecutionRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    JobExecutionData,
    JobExecutionState,
    JobExecutionSummary,
    Notify,
    NotifyNext,
    PendingReply,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
    UpdateReply,
)
from simulator.jobs.model import JobExecution, Status
from simulator.jobs.wire import Wire
from simulator.ports import bind
from simulator.transports.aiomqtt import AiomqttLink, AiomqttNetwork
from simulator.transports.memory import MemoryBroker, MemoryLink
from simulator.transports.mqtt import MqttLink, MqttNetwork
from tests.conformance.owners import Owner, http_owner, memory_owner

EPOCH = 1_767_225_600
THING = "T"
T = TypeVar("T")


class ManualHost(Host):
    """A host whose time the test moves."""

    def __init__(self, service: JobsService, loop: asyncio.AbstractEventLoop) -> None:
        self.elapsed = 0.0
        super().__init__(service, loop)

    def now(self) -> float:
        return self.elapsed

    def _arm(self) -> None:
        """Nothing fires by itself."""

    def advance_to(self, elapsed: float) -> None:
        self.elapsed = elapsed
        self.service.expire(elapsed)
        self.publish()


class Listener:
    """Stands where a thing would: it keeps what it hears."""

    def __init__(self) -> None:
        self.notices: list[NotifyNext] = []

    def notified(self, notice: NotifyNext) -> None:
        self.notices.append(notice)

    def disconnected(self) -> None:
        self.notices.clear()


Call = Callable[[str | None, DataRequest], Awaitable[DataReply]]


class World:
    """A service with thing ``T``, and one door to it."""

    patience = 1.0
    """Seconds that a notice may take."""

    def __init__(self, door: str, host: ManualHost, call: Call, listener: Listener) -> None:
        self.door = door
        self.host = host
        self.service = host.service
        self.listener = listener
        self.owner: Owner = memory_owner(host)
        """The control plane, over this door where it is HTTP."""
        self.port = 0
        self._call = call

    def create_job(
        self,
        job_id: str,
        timeout: int | None = None,
        document: str = '{"a":1}',
        targets: list[str] | None = None,
        per_minute: int | None = None,
    ) -> None:
        arns = [self.service.registry.thing_arn(name) for name in targets or [THING]]
        request = CreateJobRequest(
            arns,
            document,
            timeout_config=TimeoutConfig(timeout),
            job_executions_rollout_config=JobExecutionsRolloutConfig(per_minute),
        )
        self.service.create_job(job_id, request, self.host.elapsed)
        self.host.publish()

    def make_thing(self, name: str) -> None:
        self.service.registry.create_thing(name)

    def make_group(self, name: str, *members: str) -> None:
        self.service.registry.create_thing_group(name)
        for member in members:
            self.make_thing(member)
            self.service.registry.add_thing_to_thing_group(member, name)

    def report(self, thing: str, status: Status, job_id: str = "J") -> None:
        """What a device reports, whatever door the case is about."""
        request = UpdateJobExecutionRequest(status)
        self.service.update_job_execution(thing, job_id, request, self.host.elapsed)
        self.host.publish()

    async def listen(self) -> list[Notify]:
        """Every notify from here on, whoever is subscribed."""
        heard: list[Notify] = []
        self.host.listeners.append(
            lambda effect, _now: heard.append(effect) if isinstance(effect, Notify) else None
        )
        return heard

    async def hears(self, heard: list[Notify], count: int) -> None:
        """Let so many come; a last request makes sure that no more do."""
        await self._come(lambda: len(heard) >= count)

    async def eventually(self, ask: Callable[[], Awaitable[object]], expected: object) -> None:
        """What is asked is so: here at once, at AWS in a while."""
        assert await ask() == expected

    def stored(self, job_id: str, thing: str = THING) -> JobExecution:
        return self.service.execution(thing, job_id)

    async def pending(self) -> PendingReply:
        reply = await self._call(None, GetPendingJobExecutionsRequest(client_token="p"))
        assert isinstance(reply, PendingReply)
        return reply

    async def start_next(self, **members: Any) -> JobExecutionData | None:
        request = StartNextPendingJobExecutionRequest(client_token="s", **members)
        reply = await self._call(None, request)
        assert isinstance(reply, ExecutionReply)
        return reply.execution

    async def describe(self, job_id: str = "J", **members: Any) -> JobExecutionData | None:
        request = DescribeJobExecutionRequest(client_token="d", **members)
        reply = await self._call(job_id, request)
        assert isinstance(reply, ExecutionReply)
        return reply.execution

    async def update(self, status: Any, job_id: str = "J", **members: Any) -> UpdateReply:
        request = UpdateJobExecutionRequest(status, client_token="u", **members)
        reply = await self._call(job_id, request)
        assert isinstance(reply, UpdateReply)
        return reply

    async def next_notices(self, count: int) -> list[NotifyNext]:
        """The first ``count`` notify-next; a last request has made sure that they are there."""
        await self._come(lambda: len(self.listener.notices) >= count)
        return self.listener.notices

    async def _come(self, come: Callable[[], bool]) -> None:
        for _ in range(int(self.patience / 0.005)):
            if come():
                break
            await asyncio.sleep(0.005)
        await self.quiet()

    async def quiet(self) -> None:
        """Let come what is on its way: an answer is behind all that was told before it."""
        await self.pending()

    @contextmanager
    def refused(self, kind: type[Rejection], state: str | None = None) -> Iterator[None]:
        """The request in the block is rejected so; ``state`` is the status sent along, if any."""
        if self.door == "http":
            with pytest.raises(ClientError) as caught:
                yield
            answer = caught.value.response
            assert answer["Error"]["Code"] == kind.http_error
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == kind.http_status
            return
        with pytest.raises(kind) as rejected:
            yield
        sent = rejected.value.execution_state
        assert (sent.status if isinstance(sent, JobExecutionState) else None) == state


@asynccontextmanager
async def opened(
    door: str, dialect: Dialect = AWS, quotas: Literal["aws"] | None = None
) -> AsyncIterator[World]:
    """A fresh service behind the door, closed at the end."""
    loop = asyncio.get_running_loop()
    host = ManualHost(JobsService(dialect=dialect, epoch=EPOCH, quotas=quotas), loop)
    for name in (THING, "T2"):
        host.service.registry.create_thing(name)
    listener: Any = Listener()
    wire = Wire(EPOCH)
    if door == "memory":
        memory = MemoryLink(MemoryBroker(host), THING, listener)
        await memory.connect()
        yield World(door, host, memory.call, listener)
        return
    endpoint = HttpEndpoint(host, wire) if door == "http" else MqttEndpoint(host, wire)
    listening = bind("127.0.0.1", 0, "--port")
    port = listening.getsockname()[1]
    await endpoint.start(listening)
    try:
        if door == "http":
            jobs = client("iot-jobs-data", port)
            world = World(door, host, boto3_call(jobs, THING, EPOCH), listener)
            world.owner = http_owner(client("iot", port), EPOCH)
            yield world
        elif door == "mqtt":
            network = MqttNetwork("127.0.0.1", port, wire)
            link = MqttLink(network, THING, listener)
            await link.connect()
            world = World(door, host, link.call, listener)
            world.port = port
            yield world
            link.close()
            await network.close()
        else:
            others = AiomqttNetwork("127.0.0.1", port, wire)
            other = AiomqttLink(others, THING, listener)
            await other.connect()
            yield World(door, host, other.call, listener)
            other.close()
            await others.close()
    finally:
        await endpoint.stop()


def client(service: str, port: int) -> Any:
    """A boto3 client of a service on a local port."""
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(
            retries={"max_attempts": 0},
            parameter_validation=False,
            connect_timeout=5,
            read_timeout=5,
        ),
    )


def boto3_call(jobs: Any, thing: str, epoch: float) -> Call:
    """The data plane of a thing over a boto3 client; times are seconds since ``epoch``."""

    def read(members: dict[str, Any], kind: type[T]) -> T:
        for name in ("queuedAt", "startedAt", "lastUpdatedAt"):
            if name in members:
                assert isinstance(members[name], int)
                members[name] -= epoch
        return msgspec.convert(members, kind)

    async def call(job_id: str | None, request: DataRequest) -> DataReply:
        members = {k: v for k, v in msgspec.to_builtins(request).items() if k != "clientToken"}
        named = {"thingName": thing} if job_id is None else {"thingName": thing, "jobId": job_id}
        kind = type(request).__name__.removesuffix("Request")
        method = {
            "GetPendingJobExecutions": jobs.get_pending_job_executions,
            "StartNextPendingJobExecution": jobs.start_next_pending_job_execution,
            "DescribeJobExecution": jobs.describe_job_execution,
            "UpdateJobExecution": jobs.update_job_execution,
        }[kind]
        answer = await asyncio.to_thread(method, **named, **members)
        if kind == "GetPendingJobExecutions":
            return PendingReply(
                [read(s, JobExecutionSummary) for s in answer["inProgressJobs"]],
                [read(s, JobExecutionSummary) for s in answer["queuedJobs"]],
            )
        if kind == "UpdateJobExecution":
            state = answer.get("executionState")
            return UpdateReply(
                None if state is None else msgspec.convert(state, JobExecutionState),
                answer.get("jobDocument"),
            )
        execution = answer.get("execution")
        return ExecutionReply(None if execution is None else read(execution, JobExecutionData))

    return call


Body = Callable[[World], Awaitable[None]]
ALL = ("memory", "mqtt", "aiomqtt", "http")
LINKS = ("memory", "mqtt", "aiomqtt")
"""Doors through which a thing hears notices."""

OWNERS = ("memory", "http")
"""Doors to the control plane."""

FARTHER: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {}
"""Doors to a service elsewhere: ``conftest.py`` puts them here, with ``--aws``."""


class Case(NamedTuple):
    """A body, and over which doors it is a test; ``conftest.py`` makes one of each."""

    body: Callable[[Any], Awaitable[None]]
    doors: tuple[str, ...]
    dialect: Dialect = AWS
    quotas: Literal["aws"] | None = None
    alone: str | None = None
    """Why it needs a service of its own, where it does."""


def over(
    *doors: str,
    dialect: Dialect = AWS,
    quotas: Literal["aws"] | None = None,
    alone: str | None = None,
) -> Callable[[Body], Callable[[str], None]]:
    """Make a case body a test over each of these doors."""

    def decorate(body: Body) -> Callable[[str], None]:
        def test(door: str) -> None:
            async def run() -> None:
                farther = FARTHER.get(door)
                async with farther() if farther else opened(door, dialect, quotas) as world:
                    await body(world)

            asyncio.run(run())

        test.case = Case(body, doors or ALL, dialect, quotas, alone)  # type: ignore[attr-defined]
        return test

    return decorate
