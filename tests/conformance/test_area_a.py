"""Area A: the data plane, each case named by its id in conformance-cases.json."""

from simulator.errors import (
    InvalidRequest,
    RequestThrottled,
    ResourceNotFound,
    TerminalStateReached,
    VersionMismatch,
)
from simulator.jobs.messages import (
    JobExecutionState,
    JobExecutionSummary,
    Notify,
    NotifyNext,
    UpdateJobExecutionRequest,
)
from tests.conformance.doors import LINKS, THING, World, over


@over()
async def test_A01(w: World) -> None:
    w.create_job("J")
    reply = await w.pending()
    assert reply.in_progress_jobs == []
    (summary,) = reply.queued_jobs
    assert summary == JobExecutionSummary("J", summary.queued_at, summary.queued_at, 1, 1)
    assert summary.started_at is None


@over()
async def test_A02(w: World) -> None:
    reply = await w.pending()
    assert (reply.in_progress_jobs, reply.queued_jobs) == ([], [])


@over()
async def test_A03(w: World) -> None:
    assert await w.start_next() is None


@over()
async def test_A05(w: World) -> None:
    w.create_job("J")
    first = await w.start_next(status_details={"step": "a"})
    again = await w.start_next(status_details={"step": "b"})
    assert first is not None
    assert again is not None
    assert again.status_details == {"step": "a"}
    assert (again.version_number, again.started_at) == (2, first.started_at)


@over()
async def test_A06(w: World) -> None:
    w.create_job("J")
    execution = await w.describe("$next")
    assert execution is not None
    assert (execution.job_id, execution.status, execution.version_number) == ("J", "QUEUED", 1)


@over()
async def test_A08(w: World) -> None:
    w.create_job("J")
    execution = await w.describe(include_job_document=False)
    assert execution is not None
    assert execution.job_document is None


@over()
async def test_A09(w: World) -> None:
    w.create_job("J")
    execution = await w.describe()
    assert execution is not None
    assert execution.job_document == '{"a":1}'


@over()
async def test_A10(w: World) -> None:
    w.create_job("J")
    await w.update("SUCCEEDED")
    with w.refused(TerminalStateReached):
        await w.describe()


@over()
async def test_A11(w: World) -> None:
    with w.refused(ResourceNotFound):
        await w.describe("X")


@over()
async def test_A12(w: World) -> None:
    w.create_job("J")
    with w.refused(ResourceNotFound):
        await w.describe(execution_number=7)
    with w.refused(ResourceNotFound):
        await w.update("SUCCEEDED", execution_number=7)
    assert await w.describe(execution_number=1) is not None


@over()
async def test_A14(w: World) -> None:
    w.create_job("J")
    await w.start_next()
    reply = await w.update("IN_PROGRESS", include_job_execution_state=True)
    assert reply.execution_state == JobExecutionState("IN_PROGRESS", 3)
    assert reply.job_document is None
    assert (await w.update("IN_PROGRESS")).execution_state is None
    document = await w.update("IN_PROGRESS", include_job_document=True)
    assert document.job_document == '{"a":1}'


@over("mqtt", "aiomqtt", "http")
async def test_A18(w: World) -> None:
    w.create_job("J")
    with w.refused(InvalidRequest):
        await w.update("SUCCESS")
    assert w.stored("J").version == 1


@over("mqtt", "aiomqtt", "http")
async def test_A19(w: World) -> None:
    w.create_job("J")
    with w.refused(InvalidRequest):
        await w.update("IN_PROGRESS", status_details={"a key": "v"})


@over("mqtt", "aiomqtt", "http")
async def test_A20(w: World) -> None:
    w.create_job("J")
    with w.refused(InvalidRequest):
        await w.update("IN_PROGRESS", status_details={"k": "x" * 1025})
    await w.update("IN_PROGRESS", status_details={"k": "x" * 1024})
    assert w.stored("J").version == 2


@over("mqtt", "aiomqtt", "http")
async def test_A21(w: World) -> None:
    w.create_job("J")
    with w.refused(InvalidRequest):
        await w.update("IN_PROGRESS", status_details={f"k{i}": "v" for i in range(11)})
    await w.update("IN_PROGRESS", status_details={f"k{i}": "v" for i in range(10)})
    assert w.stored("J").version == 2


@over("mqtt", "aiomqtt", "http")
async def test_A22(w: World) -> None:
    w.create_job("J")
    with w.refused(InvalidRequest):
        await w.update("IN_PROGRESS", status_details={"k": ""})


@over()
async def test_A23(w: World) -> None:
    with w.refused(InvalidRequest):
        await w.describe("a job")
    with w.refused(InvalidRequest):
        await w.update("SUCCEEDED", "a job")
    with w.refused(InvalidRequest):
        await w.update("SUCCEEDED", "x" * 65)


@over()
async def test_A31(w: World) -> None:
    w.create_job("J")
    with w.refused(VersionMismatch, state="QUEUED"):
        await w.update("SUCCEEDED", expected_version=99)
    assert w.stored("J").status == "QUEUED"


@over()
async def test_A32(w: World) -> None:
    with w.refused(ResourceNotFound):
        await w.update("SUCCEEDED", "nope")


# ------------------------------------------------------------------------------- notices


def ids(notice: Notify) -> tuple[list[str], list[str]]:
    return [s.job_id for s in notice.in_progress], [s.job_id for s in notice.queued]


def heads(notices: list[NotifyNext]) -> list[tuple[str, str, int] | None]:
    return [
        None if e is None else (e.job_id, e.status, e.version_number)
        for e in (notice.execution for notice in notices)
    ]


@over(*LINKS)
async def test_A38(w: World) -> None:
    heard = await w.listen()
    w.create_job("job1")
    await w.hears(heard, 1)
    assert [ids(n) for n in heard] == [([], ["job1"])]
    notices = await w.next_notices(1)
    assert heads(notices) == [("job1", "QUEUED", 1)]
    execution = notices[0].execution
    assert execution is not None
    assert execution.job_document == '{"a":1}'


@over(*LINKS)
async def test_A39(w: World) -> None:
    w.create_job("job1")
    heard = await w.listen()
    w.create_job("job2")
    await w.hears(heard, 1)
    assert [ids(n) for n in heard] == [([], ["job1", "job2"])]
    assert len(await w.next_notices(1)) == 1


@over(*LINKS)
async def test_A40(w: World) -> None:
    w.create_job("job1")
    heard = await w.listen()
    await w.start_next()
    await w.hears(heard, 0)
    assert heard == []
    assert heads(await w.next_notices(1)) == [("job1", "QUEUED", 1)]


@over(*LINKS)
async def test_A41(w: World) -> None:
    for job in ("job1", "job2", "job3"):
        w.create_job(job)
    await w.start_next()
    heard = await w.listen()
    await w.update("SUCCEEDED", "job1")
    await w.hears(heard, 1)
    assert [ids(n) for n in heard] == [([], ["job2", "job3"])]
    assert heads(await w.next_notices(2))[1:] == [("job2", "QUEUED", 1)]


@over(*LINKS)
async def test_A42(w: World) -> None:
    w.create_job("job2")
    w.create_job("job3")
    heard = await w.listen()
    await w.update("IN_PROGRESS", "job3")
    await w.hears(heard, 0)
    assert heard == []
    notices = await w.next_notices(2)
    assert heads(notices)[1:] == [("job3", "IN_PROGRESS", 2)]
    assert notices[1].execution is not None
    assert notices[1].execution.started_at is not None


@over(*LINKS)
async def test_A43(w: World) -> None:
    w.create_job("job2")
    w.create_job("job3")
    await w.update("IN_PROGRESS", "job3")
    heard = await w.listen()
    await w.update("REJECTED", "job2")
    await w.hears(heard, 1)
    assert [ids(n) for n in heard] == [(["job3"], [])]
    assert len(await w.next_notices(2)) == 2


@over(*LINKS)
async def test_A44(w: World) -> None:
    w.create_job("job3")
    await w.start_next()
    heard = await w.listen()
    members = {"thingName": THING, "jobId": "job3", "executionNumber": 1}
    await w.owner("delete_job_execution", **members, force=True)
    await w.hears(heard, 1)
    assert [ids(n) for n in heard] == [([], [])]
    assert heads(await w.next_notices(2))[1:] == [None]


@over(*LINKS)
async def test_A45(w: World) -> None:
    for number in range(11):
        w.create_job(f"job{number}")
    heard = await w.listen()
    w.create_job("job11")
    await w.hears(heard, 1)
    assert len(heard[0].queued) == 10
    assert len((await w.pending()).queued_jobs) == 10


@over("memory", "http")
async def test_A24(w: World) -> None:
    w.create_job("J")
    listed = await w.owner("list_job_executions_for_thing", thingName=THING)
    (row,) = listed["executionSummaries"]
    assert (row["jobId"], row["jobExecutionSummary"]["status"]) == ("J", "QUEUED")
    assert "inProgressJobs" not in listed


@over(quotas="aws")
async def test_A37(w: World) -> None:
    w.create_job("J")
    for _ in range(200):
        w.service.update_job_execution(THING, "J", UpdateJobExecutionRequest("IN_PROGRESS"), 0)
    with w.refused(RequestThrottled):
        await w.update("IN_PROGRESS")
    with w.refused(RequestThrottled):
        await w.start_next()
    assert await w.describe() is not None  # reads have a quota of their own
    assert w.stored("J").version == 201
    w.host.advance_to(1.0)
    await w.update("IN_PROGRESS")
