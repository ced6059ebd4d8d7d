"""Area B: the life of an execution, each case named by its id in conformance-cases.json."""

from simulator.errors import InvalidStateTransition, ResourceNotFound
from tests.conformance.doors import LINKS, THING, World, over


@over()
async def test_B01(w: World) -> None:
    w.create_job("J")
    versions, updated = [], []
    for at, status in ((10, "IN_PROGRESS"), (20, "IN_PROGRESS"), (30, "SUCCEEDED")):
        w.host.advance_to(at)
        state = (await w.update(status, include_job_execution_state=True)).execution_state
        assert state is not None
        versions.append(state.version_number)
        updated.append(w.stored("J").last_updated_at)
    assert versions == [2, 3, 4]
    assert updated == [10, 20, 30]
    assert (w.stored("J").queued_at, w.stored("J").started_at) == (0, 10)


@over()
async def test_B02_B04_B05(w: World) -> None:
    for status in ("QUEUED", "TIMED_OUT", "REMOVED"):
        w.create_job(status)
        await w.update("IN_PROGRESS", status)
        with w.refused(InvalidStateTransition, state=None):
            await w.update(status, status)
        assert w.stored(status).version == 2


@over()
async def test_B06(w: World) -> None:
    w.create_job("J")
    await w.start_next()
    await w.update("SUCCEEDED")
    with w.refused(InvalidStateTransition, state="SUCCEEDED"):
        await w.update("IN_PROGRESS")
    assert w.stored("J").version == 3


@over()
async def test_B07(w: World) -> None:
    w.create_job("J")
    await w.update("REJECTED")
    assert (w.stored("J").status, w.stored("J").started_at) == ("REJECTED", None)


@over()
async def test_B08(w: World) -> None:
    w.create_job("J")
    await w.update("SUCCEEDED")
    assert w.stored("J").version == 2
    assert w.stored("J").started_at is not None


@over()
async def test_B09(w: World) -> None:
    w.create_job("J")
    await w.start_next(status_details={"a": "1", "b": "2"})
    await w.update("IN_PROGRESS", status_details={"c": "3"})
    execution = await w.describe()
    assert execution is not None
    assert execution.status_details == {"c": "3"}


@over()
async def test_B10(w: World) -> None:
    w.create_job("J")
    await w.start_next(status_details={"a": "1"})
    reply = await w.update("SUCCEEDED", include_job_execution_state=True)
    assert reply.execution_state is not None
    assert reply.execution_state.status_details == {"a": "1"}


@over()
async def test_B12(w: World) -> None:
    w.create_job("jobA")
    w.create_job("jobB")
    await w.update("IN_PROGRESS", "jobB")
    execution = await w.describe("$next")
    assert execution is not None
    assert execution.job_id == "jobB"


@over(*LINKS)
async def test_B13(w: World) -> None:
    w.create_job("jobA")
    w.create_job("jobB")
    await w.update("IN_PROGRESS", "jobB")
    await w.update("IN_PROGRESS", "jobA")
    execution = await w.describe("$next")
    assert execution is not None
    assert execution.job_id == "jobA"
    notices = await w.next_notices(3)
    assert [n.execution.job_id for n in notices if n.execution] == ["jobA", "jobB", "jobA"]


@over()
async def test_B14(w: World) -> None:
    w.create_job("J")
    await w.update("IN_PROGRESS", expected_version=1)
    await w.update("IN_PROGRESS", expected_version=2)
    assert w.stored("J").version == 3


@over()
async def test_B15(w: World) -> None:
    w.create_job("J")
    await w.start_next()
    await w.owner("cancel_job_execution", thingName=THING, jobId="J", force=True)
    with w.refused(InvalidStateTransition, state="CANCELED"):
        await w.update("SUCCEEDED")


@over()
async def test_B16(w: World) -> None:
    w.create_job("J")
    await w.start_next()
    members = {"thingName": THING, "jobId": "J", "executionNumber": 1}
    await w.owner("delete_job_execution", **members, force=True)
    with w.refused(ResourceNotFound):
        await w.update("SUCCEEDED")
