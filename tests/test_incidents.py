"""Incidents, each met at every door: in memory, over MQTT and over HTTP, with real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import pytest

from simulator.behaviour import Incident, Selection
from simulator.clock import VirtualLoop
from simulator.director import Director
from simulator.endpoints.http import HttpEndpoint
from simulator.endpoints.mqtt import MqttEndpoint
from simulator.errors import Disconnected, NoReply, Rejection, UsageError
from simulator.host import Exchange, Host
from simulator.jobs import JobsService
from simulator.jobs.messages import (
    CreateJobRequest,
    DataRequest,
    ExecutionReply,
    NotifyNext,
)
from simulator.jobs.topics import parse_topic
from simulator.jobs.wire import Wire, decode_request
from simulator.mqtt import Connack, Connect, Pingreq, Pingresp, Publish
from simulator.ports import bind
from simulator.transports.memory import MemoryBroker, MemoryLink
from tests.raw_mqtt import RawClient

GROUP = "g"
INSIDE = ("t0", "t1")
THINGS = (*INSIDE, "t2")
SEED = 7
SILENT = "silence"
CLOSED = "closed"
ONLY_T0 = Selection((("name", ("t0",)),))
ONLY_T2 = Selection((("name", ("t2",)),))


def who(selection: Selection) -> list[str]:
    """A population whose only attribute is the name."""
    wanted = dict(selection.where).get("name", THINGS)
    return [name for name in THINGS if name in wanted]


class Client(Protocol):
    """One thing at a door; an answer is an outcome and its members."""

    async def ask(self, topic: str, **members: Any) -> list[tuple[str, Any]]: ...
    def close(self) -> None: ...


class MemoryClient:
    """A thing that calls the host."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self.lost = False
        self._link = MemoryLink(broker, name, self)
        self._name = name
        broker.subscribe(name, self._link, None)
        self._link.connected = True

    def notified(self, notice: NotifyNext) -> None:
        pass

    def disconnected(self) -> None:
        self.lost = True

    async def ask(self, topic: str, **members: Any) -> list[tuple[str, Any]]:
        _, job_id, kind = parse_topic(f"$aws/things/{self._name}/jobs/{topic}")
        request: DataRequest = decode_request(kind, json.dumps(members).encode())
        try:
            reply = await self._link.call(job_id, request)
        except Rejection as rejection:
            return [(rejection.code, {})]
        except NoReply:
            return [(SILENT, {})]
        except Disconnected:
            return [(CLOSED, {})]
        told = {}
        if isinstance(reply, ExecutionReply) and reply.execution is not None:
            told = {"execution": Wire().execution(reply.execution)}
        return [("accepted", told)]

    def close(self) -> None:
        self._link.close()


class MqttClient:
    """A thing at the MQTT door, under a client id that says nothing."""

    def __init__(self, raw: RawClient, name: str) -> None:
        self._raw = raw
        self._name = name

    async def ask(self, topic: str, **members: Any) -> list[tuple[str, Any]]:
        request = f"$aws/things/{self._name}/jobs/{topic}"
        self._raw.ask(request, members)
        self._raw.send(Pingreq())
        answers: list[tuple[str, Any]] = []
        try:
            while not isinstance(packet := await self._raw.receive(), Pingresp):
                if packet is None:
                    return [(CLOSED, {})]
                if isinstance(packet, Publish) and packet.topic.startswith(request + "/"):
                    told = json.loads(packet.payload)
                    answers.append((told.get("code", "accepted"), told))
        except ConnectionError:
            return [(CLOSED, {})]
        return answers or [(SILENT, {})]

    def close(self) -> None:
        self._raw.close()


class HttpClient:
    """A thing at the HTTP door, on one connection while it lasts."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name

    async def ask(self, topic: str, **members: Any) -> list[tuple[str, Any]]:
        job, _, last = topic.rpartition("/")
        method = {"start-next": "PUT", "update": "POST", "get": "GET"}[last]
        path = f"/things/{self._name}/jobs/{'$next' if last == 'start-next' else job}"
        body = b"" if method == "GET" else json.dumps(members).encode()
        head = f"{method} {path.rstrip('/')} HTTP/1.1\r\nHost: h\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        except (asyncio.IncompleteReadError, ConnectionError):
            return [(CLOSED, {})]
        length = int(answer.partition("content-length: ")[2].partition("\r")[0])
        told = json.loads(await self._reader.readexactly(length))
        if answer.startswith("http/1.1 200"):
            return [("accepted", told)]
        return [(told["__type"].removesuffix("Exception"), told)]

    def close(self) -> None:
        self._writer.close()


class Scene:
    """A service with a continuous job on a group of two things, its doors, and a clients at one."""

    def __init__(self, door: str, host: Host, connect: Callable[[str], Awaitable[Client]]) -> None:
        self.door = door
        self.host = host
        self.service = host.service
        self.connect = connect
        self.seen: list[Exchange] = []
        self.director: Director
        self._told: list[str] = []

    async def begin(self, *incidents: Incident, seed: int = SEED) -> None:
        """Let these happen, and wait until what happens at once has happened."""
        self.director = Director(self.host, incidents, seed, who, {"J": GROUP}, self._told.append)
        self.director.watchers.append(self.seen.append)
        self.director.start(self.host.now())
        await self.director.happened()

    async def done(self, *incidents: Incident) -> dict[str, int]:
        """Let these happen and end."""
        await self.begin(*incidents)
        self.director.stop()
        return self.director.counts

    def version(self, thing: str = "t0") -> int:
        return self.service.execution(thing, "J").version

    @property
    def told(self) -> str:
        return "\n".join(self._told)


@asynccontextmanager
async def scene(door: str) -> AsyncIterator[Scene]:
    host = Host(JobsService(), asyncio.get_running_loop())
    service = host.service
    service.registry.create_thing_group(GROUP)
    for name in THINGS:
        service.registry.create_thing(name)
    for name in INSIDE:
        service.registry.add_thing_to_thing_group(name, GROUP)
    request = CreateJobRequest(
        [service.registry.group_arn(GROUP)], "{}", target_selection="CONTINUOUS"
    )
    service.create_job("J", request, host.now())
    mqtt, http = MqttEndpoint(host, Wire()), HttpEndpoint(host, Wire())
    broker = MemoryBroker(host, reply_timeout=0.01)
    sockets = [bind("127.0.0.1", 0, "--port") for _ in range(2)]
    await mqtt.start(sockets[0])
    await http.start(sockets[1])
    clients: list[Client] = []

    async def connect(name: str) -> Client:
        client: Client
        if door == "memory":
            client = MemoryClient(broker, name)
        else:
            port = sockets[door == "http"].getsockname()[1]
            streams = await asyncio.open_connection("127.0.0.1", port)
            if door == "http":
                client = HttpClient(*streams, name)
            else:
                raw = RawClient(*streams)
                raw.send(Connect(f"client-{len(clients)}"))
                assert isinstance(await raw.receive(), Connack)
                client = MqttClient(raw, name)
        clients.append(client)
        return client

    made = Scene(door, host, connect)
    try:
        yield made
    finally:
        for client in clients:
            client.close()
        await http.stop()
        await mqtt.stop()
        host.close()


Body = Callable[[Scene], Awaitable[None]]


def at_every_door(body: Body) -> Callable[[str], None]:
    @pytest.mark.parametrize("door", ["memory", "mqtt", "http"])
    def test(door: str) -> None:
        async def run() -> None:
            async with scene(door) as made:
                await body(made)

        asyncio.run(run())

    return test


START = "start-next"
UPDATE = "J/update"


async def started(s: Scene, name: str = "t0") -> Client:
    client = await s.connect(name)
    assert (await client.ask(START))[0][0] == "accepted"
    return client


# ------------------------------------------------------------------------------- the owner's


@at_every_door
async def test_a_cancelled_job_takes_no_report(s: Scene) -> None:
    client = await started(s)
    counts = await s.done(Incident("stop", "cancel-job", force=True))
    assert counts == {"stop": 1}
    assert (await client.ask(UPDATE, status="SUCCEEDED"))[0][0] == "InvalidStateTransition"
    assert s.service.job("J").comment == "incident stop"


@at_every_door
async def test_only_the_selected_executions_are_cancelled(s: Scene) -> None:
    first, second = await started(s), await started(s, "t1")
    cancel = Incident("oops", "cancel-execution", where=ONLY_T0, force=True)
    assert await s.done(cancel) == {"oops": 1}
    assert (await first.ask(UPDATE, status="SUCCEEDED"))[0][0] == "InvalidStateTransition"
    assert (await second.ask(UPDATE, status="SUCCEEDED"))[0][0] == "accepted"


@at_every_door
async def test_what_is_in_progress_is_not_cancelled_without_force(s: Scene) -> None:
    client = await started(s)
    assert await s.done(Incident("oops", "cancel-execution")) == {"oops": 1}  # t1's, QUEUED
    assert (await client.ask(UPDATE, status="SUCCEEDED"))[0][0] == "accepted"


@at_every_door
async def test_a_deleted_job_is_not_found(s: Scene) -> None:
    client = await started(s)
    assert await s.done(Incident("gone", "delete-job", force=True)) == {"gone": 1}
    assert (await client.ask(UPDATE, status="SUCCEEDED"))[0][0] == "ResourceNotFound"


@at_every_door
async def test_an_updated_job_has_its_new_timeout(s: Scene) -> None:
    timeout = {"timeoutConfig": {"inProgressTimeoutInMinutes": 1}}
    assert await s.done(Incident("tight", "update-job", request=timeout)) == {"tight": 1}
    client = await s.connect("t0")
    told = (await client.ask(START))[0][1]
    assert told["execution"]["approximateSecondsBeforeTimedOut"] <= 60


@at_every_door
async def test_things_join_and_leave_the_jobs_group(s: Scene) -> None:
    newcomer, leaver = await s.connect("t2"), await s.connect("t1")
    assert (await newcomer.ask(START))[0][1].get("execution") is None
    counts = await s.done(
        Incident("in", "join"),
        Incident("out", "leave", where=Selection((("name", ("t1",)),))),
    )
    assert counts == {"in": 1, "out": 1}  # two were in it already
    assert (await newcomer.ask(START))[0][1]["execution"]["jobId"] == "J"
    assert (await leaver.ask(START))[0][1].get("execution") is None


@at_every_door
async def test_a_second_writer_moves_the_version(s: Scene) -> None:
    client, queued = await started(s), await s.connect("t1")
    assert await s.done(Incident("other", "second-writer")) == {"other": 1}
    assert s.version() == 3
    answer, told = (await client.ask(UPDATE, status="SUCCEEDED", expectedVersion=2))[0]
    assert answer in ("VersionMismatch", "InvalidRequest")  # over HTTP it has no name of its own
    if s.door == "http":
        assert told["message"] == "Expected version 2 but found version 3"
    assert s.service.execution("t0", "J").status_details == {"secondWriter": "other"}
    assert s.version("t1") == 1
    assert (await queued.ask(START))[0][0] == "accepted"


# ------------------------------------------------------------------------------- connections


@at_every_door
async def test_only_the_selected_things_are_disconnected(s: Scene) -> None:
    await s.begin()  # from now on the doors look who asks
    first, second = await started(s), await started(s, "t1")
    assert await s.done(Incident("cut", "disconnect", where=ONLY_T0)) == {"cut": 1}
    assert (await first.ask(START))[0][0] == CLOSED
    assert (await second.ask(START))[0][0] == "accepted"


# ------------------------------------------------------------------------------- requests


@at_every_door
async def test_in_an_outage_nothing_is_done(s: Scene) -> None:
    client = await started(s)
    await s.begin(Incident("dark", "outage", lasts=3600))
    answers = await client.ask(UPDATE, status="SUCCEEDED")
    assert answers[0][0] == ("ServiceUnavailable" if s.door == "http" else SILENT)
    assert s.version() == 2
    assert s.director.counts == {"dark": 1}
    assert [(e.outcome, e.fault, e.update) for e in s.seen] == [("", "outage", None)]
    s.director.stop()
    assert (await client.ask(UPDATE, status="SUCCEEDED"))[0][0] == "accepted"


@at_every_door
async def test_what_is_throttled_is_told_and_not_done(s: Scene) -> None:
    client = await started(s)
    await s.begin(Incident("busy", "throttle"))
    answers = await client.ask(UPDATE, status="SUCCEEDED")
    assert answers[0][0] == ("Throttling" if s.door == "http" else "RequestThrottled")
    assert s.version() == 2
    assert [(e.outcome, e.answered) for e in s.seen] == [("RequestThrottled", True)]


@at_every_door
async def test_a_lost_request_is_not_done(s: Scene) -> None:
    client = await started(s)
    await s.begin(Incident("lossy", "lose-requests"))
    answers = await client.ask(UPDATE, status="SUCCEEDED")
    assert answers[0][0] == (CLOSED if s.door == "http" else SILENT)
    assert s.version() == 2


@at_every_door
async def test_a_request_whose_reply_is_lost_is_done(s: Scene) -> None:
    client = await started(s)
    await s.begin(Incident("lossy", "lose-replies"))
    answers = await client.ask(UPDATE, status="SUCCEEDED")
    assert answers[0][0] == (CLOSED if s.door == "http" else SILENT)
    assert s.service.execution("t0", "J").status == "SUCCEEDED"
    assert [(e.outcome, e.answered) for e in s.seen] == [("accepted", False)]
    assert s.seen[0].update is not None
    assert s.seen[0].update.status == "SUCCEEDED"


@at_every_door
async def test_a_duplicated_reply_comes_twice_and_is_done_once(s: Scene) -> None:
    client = await started(s)
    await s.begin(Incident("twice", "duplicate-replies"))
    answers = await client.ask(UPDATE, status="IN_PROGRESS")
    assert s.version() == 3
    assert [answer for answer, _ in answers] == ["accepted"] * (2 if s.door == "mqtt" else 1)
    assert s.director.counts == {"twice": 0 if s.door == "http" else 1}  # HTTP has one response


@at_every_door
async def test_a_share_means_the_same_requests_at_every_door(s: Scene) -> None:
    client = await started(s)
    await s.begin(Incident("some", "throttle", share=0.3))
    answers = [(await client.ask(UPDATE, status="IN_PROGRESS"))[0][0] for _ in range(60)]
    fallen = [at for at, answer in enumerate(answers) if answer != "accepted"]
    assert fallen == THE_SAME
    assert s.director.counts == {"some": len(THE_SAME)}


THE_SAME = [0, 4, 7, 10, 12, 13, 16, 17, 18, 21, 22, 24, 26, 30, 31, 35, 37, 38, 41, 47, 52, 57, 58]


@at_every_door
async def test_only_the_selected_things_meet_it(s: Scene) -> None:
    first, second = await started(s), await started(s, "t1")
    await s.begin(Incident("lossy", "throttle", where=ONLY_T0))
    assert (await first.ask(UPDATE, status="IN_PROGRESS"))[0][0] != "accepted"
    assert (await second.ask(UPDATE, status="IN_PROGRESS"))[0][0] == "accepted"


# ------------------------------------------------------------------------------- the timeline


def in_virtual_time(body: Body) -> Callable[[], None]:
    def test() -> None:
        loop = VirtualLoop()  # type: ignore[abstract]  # what a simulation never asks for

        async def run() -> None:
            host = Host(JobsService(), loop)
            host.service.registry.create_thing("t0")
            target = host.service.registry.thing_arn("t0")
            host.service.create_job("J", CreateJobRequest([target], "{}"), 0.0)
            broker = MemoryBroker(host)

            async def connect(name: str) -> Client:
                return MemoryClient(broker, name)

            await body(Scene("memory", host, connect))
            host.close()

        loop.run_until_complete(run())
        loop.close()

    return test


@in_virtual_time
async def test_what_lasts_begins_and_ends_at_its_times(s: Scene) -> None:
    client = await started(s)
    assert s.host.now() == 0
    await s.begin(Incident("busy", "throttle", at=100, lasts=50))
    outcomes = []
    for at in (99.999, 100, 149.999, 150):
        await s.host.until(at)
        outcomes.append((await client.ask(UPDATE, status="IN_PROGRESS"))[0][0])
    assert outcomes == ["accepted", "RequestThrottled", "RequestThrottled", "accepted"]
    await asyncio.sleep(1)
    assert s.told.splitlines() == [
        "incident busy begins: throttle of 1 of all requests",
        "incident busy ends: 2 requests",
    ]


@in_virtual_time
async def test_a_second_writer_comes_again_while_it_lasts(s: Scene) -> None:
    await started(s)
    await s.begin(Incident("other", "second-writer", at=60, every=60, lasts=150))
    assert (s.host.now(), s.version()) == (180, 2 + 3)  # at 60, 120 and 180
    assert s.told.splitlines()[-1] == "incident other ends: 3 reports"


@in_virtual_time
async def test_what_the_service_refuses_is_told_and_the_rest_goes_on(s: Scene) -> None:
    await s.begin(
        Incident("first", "cancel-job", at=1),
        Incident("again", "cancel-job", at=2),
        Incident("nothing", "cancel-job", at=3, job_id="K"),
        Incident("gone", "delete-job", at=4),
    )
    assert s.director.counts == {"first": 1, "again": 0, "nothing": 0, "gone": 1}
    assert "incident again was refused: Job J is CANCELED" in s.told
    assert "incident nothing was refused: Job K not found" in s.told


@in_virtual_time
async def test_a_disconnected_thing_does_not_wait_for_its_reply(s: Scene) -> None:
    client = await started(s)
    asking = asyncio.ensure_future(s.begin(Incident("dark", "outage"), CUT))
    await asyncio.sleep(0)
    assert await client.ask(UPDATE, status="SUCCEEDED") == [(CLOSED, {})]
    assert s.host.now() == CUT.at
    await asking


CUT = Incident("cut", "disconnect", at=4)


def test_an_update_that_the_api_does_not_take_is_an_error() -> None:
    async def run() -> None:
        host = Host(JobsService(), asyncio.get_running_loop())
        wrong = Incident("w", "update-job", request={"jobExecutionsRolloutConfig": 5})
        with pytest.raises(UsageError, match=r"incident w: .*it is what UpdateJob takes"):
            Director(host, [wrong], 1, who, {})

    asyncio.run(run())
