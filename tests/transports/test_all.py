"""One body for every transport: what a link does against the real service on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from simulator.errors import (
    Disconnected,
    InvalidStateTransition,
    NoReply,
    ResourceNotFound,
    VersionMismatch,
)
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.messages import (
    CreateJobRequest,
    DescribeJobExecutionRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    JobExecutionState,
    NotifyNext,
    PendingReply,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.wire import Wire
from simulator.serve import ServeOptions, opened
from simulator.targets import Target, TargetOptions, parse
from simulator.transports.aiomqtt import AiomqttLink, AiomqttNetwork
from simulator.transports.http import HttpLink, HttpNetwork
from simulator.transports.memory import MemoryBroker, MemoryLink
from simulator.transports.mqtt import MqttLink, MqttNetwork
from simulator.world import Link
from tests.doors_in_thread import KEY, SECRET, make_certificates, tls_options

ARN = "arn:aws:iot:us-east-1:123456789012:thing/T"
WAYS = [
    "memory", "mqtt 3.1.1", "mqtt 5", "mqtts", "mqtts 5 certs", "ws", "ws 5", "wss certs",
    "wss sigv4", "aiomqtt", "aiomqtt 5", "aiomqtt mqtts", "aiomqtt ws", "http", "https certs",
    "https sigv4",
]  # fmt: skip


class Ear:
    """A thing that only listens."""

    def __init__(self) -> None:
        self.notices: list[NotifyNext] = []
        self.lost = 0

    def notified(self, notice: NotifyNext) -> None:
        self.notices.append(notice)

    def disconnected(self) -> None:
        self.lost += 1


class Scene:
    """A service, and one thing's link to it."""

    def __init__(self, host: Host, link: Link, ear: Ear) -> None:
        self.host, self.link, self.ear = host, link, ear

    def create(self, job_id: str) -> None:
        self.host.service.create_job(job_id, CreateJobRequest([ARN], '{"a":1}'), self.host.now())
        self.host.publish()

    async def start(self) -> Any:
        reply = await self.link.call(None, StartNextPendingJobExecutionRequest())
        assert isinstance(reply, ExecutionReply)
        return reply.execution


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"), "T")


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def target_of(way: str, pki: Path, addresses: Any) -> Target:
    words = way.split()
    scheme = words[0] if words[0] != "aiomqtt" else next(
        (word for word in words if word in ("mqtts", "ws")), "mqtt"
    )  # fmt: skip
    web = {"ws": addresses.http, "http": addresses.http}
    port = getattr(addresses, scheme, None) or web.get(scheme, addresses.https)
    secure = scheme in ("mqtts", "wss", "https")
    certified = scheme == "mqtts" or "certs" in words
    options = TargetOptions(
        ca=pki / "ca.pem" if secure else None, certs=pki if certified else None,
        mqtt="5" if "5" in words else "3.1.1", sigv4="sigv4" in words, poll=0.1,
    )  # fmt: skip
    return parse(f"{scheme}://localhost:{port}", options)


@asynccontextmanager
async def scene(way: str, pki: Path, reply_timeout: float = 10.0) -> AsyncIterator[Scene]:
    ear = Ear()
    if way == "memory":
        host = Host(JobsService(), asyncio.get_running_loop())
        host.service.registry.create_thing("T")
        memory = MemoryLink(MemoryBroker(host, asyncio.sleep), "T", ear)
        await memory.connect()
        yield Scene(host, memory, ear)
        host.close()
        return
    keys = (KEY, SECRET) if "sigv4" in way else None
    asked = ServeOptions(
        mqtt_port=0, http_port=0, tls=tls_options(pki, mutual="certs" in way), keys=keys
    )
    async with opened(asked) as (addresses, host):
        host.service.registry.create_thing("T")
        target = target_of(way, pki, addresses)
        async with linked(way, target, ear, reply_timeout) as link:
            await link.connect()
            yield Scene(host, link, ear)


@asynccontextmanager
async def linked(
    way: str, target: Target, ear: Ear, reply_timeout: float = 10.0
) -> AsyncIterator[Any]:
    wire = Wire()
    made: Any
    link: Any
    if target.web:
        made = HttpNetwork(target, wire, reply_timeout)
        link = HttpLink(made, "T", ear)
    elif way.startswith("aiomqtt"):
        made = AiomqttNetwork(*target.address, wire, reply_timeout, target=target)
        link = AiomqttLink(made, "T", ear)
    else:
        made = MqttNetwork(*target.address, wire, reply_timeout, target=target)
        link = MqttLink(made, "T", ear)
    try:
        yield link
    finally:
        link.close()
        await made.close()


def run(way: str, body: Callable[[], Any]) -> None:
    """On the loop that a live run has."""
    factory = asyncio.SelectorEventLoop if way.startswith("aiomqtt") else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(body())


@pytest.mark.parametrize("way", WAYS)
def test_start_report_conflict_rejection_and_the_unknown(way: str, pki: Path) -> None:
    async def body() -> None:
        async with scene(way, pki) as here:
            assert await here.start() is None
            here.create("one")
            execution = await here.start()
            assert (execution.job_id, execution.status) == ("one", "IN_PROGRESS")
            assert execution.version_number == 2
            assert execution.job_document == '{"a":1}'
            update = UpdateJobExecutionRequest("IN_PROGRESS", {"step": "1"})
            update.expected_version = 2
            update.include_job_execution_state = update.include_job_document = True
            reply: Any = await here.link.call("one", update)
            assert reply.execution_state.version_number == 3
            assert reply.execution_state.status_details == {"step": "1"}
            assert reply.job_document == '{"a":1}'
            with pytest.raises(VersionMismatch) as conflict:
                await here.link.call("one", update)
            state = conflict.value.execution_state
            if way.startswith("http"):  # which sends none: the thing describes
                assert state is None
                described: Any = await here.link.call("one", DescribeJobExecutionRequest(False))
                assert described.execution.version_number == 3
                assert described.execution.job_document is None
            else:
                assert state == JobExecutionState("IN_PROGRESS", 3, {"step": "1"})
            pending = await here.link.call(None, GetPendingJobExecutionsRequest())
            assert isinstance(pending, PendingReply)
            assert [one.job_id for one in pending.in_progress_jobs] == ["one"]
            with pytest.raises(ResourceNotFound):
                await here.link.call("none", UpdateJobExecutionRequest("SUCCEEDED"))
            await here.link.call("one", UpdateJobExecutionRequest("SUCCEEDED"))
            with pytest.raises(InvalidStateTransition):
                await here.link.call("one", UpdateJobExecutionRequest("IN_PROGRESS"))

    run(way, body)


@pytest.mark.parametrize("way", WAYS)
def test_a_thing_is_told_what_is_next(way: str, pki: Path) -> None:
    """Over HTTP, its link looks."""

    async def body() -> None:
        async with scene(way, pki) as here:
            here.create("one")
            for _ in range(500):
                if here.ear.notices:
                    break
                await asyncio.sleep(0.01)
            (notice,) = here.ear.notices
            assert notice.execution is not None
            assert notice.execution.job_id == "one"
            assert not here.ear.lost

    run(way, body)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "memory"])
def test_a_link_connects_again(way: str, pki: Path) -> None:
    async def body() -> None:
        async with scene(way, pki) as here:
            here.create("one")
            assert await here.start() is not None
            here.link.close()
            with pytest.raises(Disconnected):
                await here.start()
            await asyncio.sleep(0.05)
            await here.link.connect()
            again = await here.start()
            assert (again.job_id, again.version_number) == ("one", 2)

    run(way, body)


class Door:
    """A door that passes bytes on to the service, until it is shut or mute."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.mute = False
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> int:
        self.server = await asyncio.start_server(self._through, "localhost", 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("localhost", self._port)
        self._writers += [writer, back]
        task = asyncio.create_task(self._pump(there, writer))
        self._tasks.append(task)
        await self._pump(reader, back)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.mute:
                    writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def shut(self) -> None:
        self.server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "memory" and "sigv4" not in way])
def test_silence_and_a_loss_are_told_apart(way: str, pki: Path) -> None:
    async def body() -> None:
        asked = ServeOptions(mqtt_port=0, http_port=0, tls=tls_options(pki, mutual="certs" in way))
        async with opened(asked) as (addresses, host):
            host.service.registry.create_thing("T")
            ear, straight = Ear(), target_of(way, pki, addresses)
            door = Door(straight.port)
            port = await door.open()
            target = parse(
                f"{straight.scheme}://localhost:{port}",
                TargetOptions(straight.ca, certs=straight.certificates,
                              mqtt="5" if straight.level == 5 else "3.1.1", poll=100.0),
            )  # fmt: skip
            async with linked(way, target, ear, reply_timeout=0.5) as link:
                await link.connect()
                await link.call(None, StartNextPendingJobExecutionRequest())
                door.mute = True
                with pytest.raises(NoReply):
                    await link.call(None, StartNextPendingJobExecutionRequest())
                assert link.connected
                door.cut()
                if target.web:  # it notices with its next request
                    door.mute = False
                    await link.call(None, StartNextPendingJobExecutionRequest())
                    await door.shut()
                    with pytest.raises(Disconnected):
                        await link.call(None, StartNextPendingJobExecutionRequest())
                for _ in range(500):
                    if ear.lost:
                        break
                    await asyncio.sleep(0.01)
                assert (ear.lost, link.connected) == (1, False)
                await door.shut()
                with pytest.raises(Disconnected):
                    await link.connect()

    run(way, body)
