"""One service, four doors: the same case body runs over each.

A door takes a request of ``simulator.jobs.messages`` and gives back a reply or raises a Rejection;
over HTTP the client is boto3, and what it raises is held against the rejection's REST-JSON twin.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

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
    NotifyNext,
    PendingReply,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
    UpdateReply,
)
from simulator.jobs.model import JobExecution
from simulator.jobs.wire import Wire
from simulator.serve import bind
from simulator.transports.aiomqtt import AiomqttLink, AiomqttNetwork
from simulator.transports.memory import MemoryBroker, MemoryLink
from simulator.transports.mqtt import MqttLink, MqttNetwork
from tests.conformance.owners import Owner, http_owner, memory_owner

EPOCH = 1_767_225_600
THING = "T"


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
        for _ in range(200):
            if len(self.listener.notices) >= count:
                break
            await asyncio.sleep(0.005)
        await self.pending()
        return self.listener.notices

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
            world = World(door, host, _boto3_call(port), listener)
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


def _boto3_call(port: int) -> Call:
    jobs = client("iot-jobs-data", port)

    async def call(job_id: str | None, request: DataRequest) -> DataReply:
        members = {k: v for k, v in msgspec.to_builtins(request).items() if k != "clientToken"}
        named = {"thingName": THING} if job_id is None else {"thingName": THING, "jobId": job_id}
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
                [_summary(s) for s in answer["inProgressJobs"]],
                [_summary(s) for s in answer["queuedJobs"]],
            )
        if kind == "UpdateJobExecution":
            state = answer.get("executionState")
            return UpdateReply(
                None if state is None else msgspec.convert(state, JobExecutionState),
                answer.get("jobDocument"),
            )
        execution = answer.get("execution")
        return ExecutionReply(None if execution is None else _execution(execution))

    return call


def _elapsed(members: dict[str, Any]) -> dict[str, Any]:
    times = ("queuedAt", "startedAt", "lastUpdatedAt")
    for name in times:
        if name in members:
            assert isinstance(members[name], int)
            members[name] -= EPOCH
    return members


def _summary(members: dict[str, Any]) -> JobExecutionSummary:
    return msgspec.convert(_elapsed(members), JobExecutionSummary)


def _execution(members: dict[str, Any]) -> JobExecutionData:
    return msgspec.convert(_elapsed(members), JobExecutionData)


Body = Callable[[World], Awaitable[None]]
ALL = ("memory", "mqtt", "aiomqtt", "http")
LINKS = ("memory", "mqtt", "aiomqtt")
"""Doors through which a thing hears notices."""


OWNERS = ("memory", "http")
"""Doors to the control plane."""


def over(
    *doors: str, dialect: Dialect = AWS, quotas: Literal["aws"] | None = None
) -> Callable[[Body], Callable[[str], None]]:
    """Make a case body a test over each of these doors."""

    def decorate(body: Body) -> Callable[[str], None]:
        @pytest.mark.parametrize("door", doors or ALL)
        def test(door: str) -> None:
            async def run() -> None:
                async with opened(door, dialect, quotas) as world:
                    await body(world)

            asyncio.run(run())

        return test

    return decorate
