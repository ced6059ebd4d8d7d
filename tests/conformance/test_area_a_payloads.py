"""Area A, the cases about bytes: payload shapes, who hears a reply, what cannot be parsed."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.conformance.doors import FARTHER, Case
from tests.raw_mqtt import RawService, raw_service

JOBS = "$aws/things/T/jobs"


def mqtt(body: Callable[[RawService], Awaitable[None]]) -> Callable[[str], None]:
    """Make a body that sees payloads as they are a test, at AWS too (``RawAccount``)."""

    def test(door: str) -> None:
        async def run() -> None:
            farther = FARTHER.get(door)
            async with farther() if farther else raw_service() as service:
                await body(service)

        asyncio.run(run())

    test.case = Case(body, ("raw",))  # type: ignore[attr-defined]
    return test


@mqtt
async def test_A17_A34(s: RawService) -> None:
    s.create_job()
    client = await s.connect()
    client.ask(f"{JOBS}/J/update", {"clientToken": "c"})
    topic, answer = await client.message()
    assert topic == f"{JOBS}/J/update/rejected"
    assert (answer["code"], answer["clientToken"]) == ("InvalidRequest", "c")


@mqtt
async def test_A25(s: RawService) -> None:
    client = await s.connect()
    await client.subscribe(f"{JOBS}/get/+")
    client.ask(f"{JOBS}/get", {"clientToken": "t"})
    topic, answer = await client.message()
    assert topic == f"{JOBS}/get/accepted"
    assert list(answer) == ["clientToken", "timestamp", "inProgressJobs", "queuedJobs"]
    assert (answer["clientToken"], answer["inProgressJobs"], answer["queuedJobs"]) == ("t", [], [])
    assert s.is_now(answer["timestamp"])
    assert await client.silent()


@mqtt
async def test_A26(s: RawService) -> None:
    client = await s.connect()
    client.ask(f"{JOBS}/get", b"")  # an empty payload counts as {}
    topic, answer = await client.message()
    assert topic == f"{JOBS}/get/accepted"
    assert "clientToken" not in answer
    assert await client.silent()


@mqtt
async def test_A27(s: RawService) -> None:
    s.create_job()
    first, second = await s.connect("first"), await s.connect("second")
    await second.subscribe(f"{JOBS}/#")
    first.ask(f"{JOBS}/J/update", {"status": "SUCCEEDED"})
    assert (await first.message())[0] == f"{JOBS}/J/update/accepted"
    assert (await second.message())[0] == f"{JOBS}/notify"
    assert (await second.message())[0] == f"{JOBS}/notify-next"
    assert await second.silent()


@mqtt
async def test_A28(s: RawService) -> None:
    s.create_job()
    client = await s.connect()
    client.ask(f"{JOBS}/$next/get", {})
    topic, answer = await client.message()
    assert topic == f"{JOBS}/$next/get/accepted"
    execution = answer["execution"]
    assert execution["jobDocument"] == {"a": 1}
    assert execution["status"] == "QUEUED"
    assert "thingName" not in execution
    assert s.is_now(execution["queuedAt"])


@mqtt
async def test_A29(s: RawService) -> None:
    client = await s.connect()
    client.ask(f"{JOBS}/$next/get", {"clientToken": "x"})
    _, answer = await client.message()
    assert list(answer) == ["clientToken", "timestamp"]


@mqtt
async def test_A31(s: RawService) -> None:
    s.create_job()
    client = await s.connect()
    # An embedded device quotes its numbers.
    request = {"status": "SUCCEEDED", "expectedVersion": "99", "clientToken": "c"}
    client.ask(f"{JOBS}/J/update", request)
    _, answer = await client.message()
    assert answer["executionState"] == {"status": "QUEUED", "versionNumber": 1}
    assert (answer["code"], answer["clientToken"]) == ("VersionMismatch", "c")
    client.ask(f"{JOBS}/J/update", {**request, "expectedVersion": "1"})
    assert (await client.message())[0] == f"{JOBS}/J/update/accepted"


@mqtt
async def test_A32(s: RawService) -> None:
    client = await s.connect()
    client.ask(f"{JOBS}/nope/update", {"status": "SUCCEEDED", "clientToken": "c"})
    _, answer = await client.message()
    assert (answer["code"], answer["clientToken"]) == ("ResourceNotFound", "c")
    assert "executionState" not in answer


@mqtt
async def test_A33(s: RawService) -> None:
    client = await s.connect()
    for payload in (b"{not json", b"\xff\xfe", b"[1]", b'{"a":' * 5000):
        client.ask(f"{JOBS}/get", payload)
        topic, answer = await client.message()
        assert topic == f"{JOBS}/get/rejected"
        assert answer["code"] == "InvalidJson"
        assert "clientToken" not in answer
        assert s.is_now(answer["timestamp"])


@mqtt
async def test_A36(s: RawService) -> None:
    client = await s.connect()
    for last in ("J/frobnicate", "frobnicate", "a/b/c/get"):
        client.ask(f"{JOBS}/{last}", {})
        topic, answer = await client.message()
        assert topic == f"{JOBS}/{last}/rejected"
        assert answer["code"] == "InvalidTopic"


@mqtt
async def test_A41_order(s: RawService) -> None:
    """Accepted, then notify, then notify-next, on the connection that asked for all three."""
    s.create_job("job1")
    s.create_job("job2")
    client = await s.connect()
    await client.subscribe(f"{JOBS}/notify", f"{JOBS}/notify-next")
    client.ask(f"{JOBS}/job1/update", {"status": "SUCCEEDED"})
    heard = [await client.message() for _ in range(3)]
    last = [topic.removeprefix(JOBS) for topic, _ in heard]
    assert last == ["/job1/update/accepted", "/notify", "/notify-next"]
    assert list(heard[1][1]["jobs"]) == ["QUEUED"]
    assert heard[2][1]["execution"]["jobId"] == "job2"


@mqtt
async def test_C09_zero(s: RawService) -> None:
    """0 is in no range, and neither is it the -1 that clears a timer."""
    s.create_job()
    client = await s.connect()
    for topic in (f"{JOBS}/start-next", f"{JOBS}/J/update"):
        client.ask(topic, {"status": "IN_PROGRESS", "stepTimeoutInMinutes": 0})
        assert (await client.message())[1]["code"] == "InvalidRequest"
