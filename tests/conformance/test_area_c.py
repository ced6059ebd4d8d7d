"""Area C: the two timers, each case named by its id in conformance-cases.json."""

from simulator.errors import InvalidRequest, ResourceNotFound
from simulator.jobs.messages import (
    Effect,
    JobExecutionEvent,
    Notify,
    UpdateJobExecutionRequest,
)
from tests.conformance.doors import OWNERS, World, over
from tests.conformance.test_area_d import create, job

MINUTE = 60.0
ENABLED = {"JOB": {"Enabled": True}, "JOB_EXECUTION": {"Enabled": True}}


@over()
async def test_C01(w: World) -> None:
    w.create_job("J", timeout=20)
    await w.start_next()
    deadlines = []
    for minute, step in ((5, 7), (10, 5), (13, 9)):
        w.host.advance_to(minute * MINUTE)
        await w.update("IN_PROGRESS", step_timeout_in_minutes=step)
        execution = await w.describe()
        assert execution is not None
        left = execution.approximate_seconds_before_timed_out
        assert left is not None
        deadlines.append(minute + left / MINUTE)
    assert deadlines == [12, 15, 20]
    w.host.advance_to(20 * MINUTE - 1)
    assert w.stored("J").status == "IN_PROGRESS"
    w.host.advance_to(20 * MINUTE)
    assert w.stored("J").status == "TIMED_OUT"


@over()
async def test_C02(w: World) -> None:
    await w.owner("update_event_configurations", eventConfigurations=ENABLED)
    w.create_job("J")
    await w.start_next(step_timeout_in_minutes=1)
    heard: list[Effect] = []
    w.host.listeners.append(lambda effect, _: heard.append(effect))
    w.host.advance_to(MINUTE)
    assert w.stored("J").status == "TIMED_OUT"
    notices = [n for n in heard if isinstance(n, Notify)]
    assert [(n.in_progress, n.queued) for n in notices] == [([], [])]
    events = [e for e in heard if isinstance(e, JobExecutionEvent)]
    assert [e.operation for e in events] == ["timed_out"]


@over("memory", "http")
async def test_C11(w: World) -> None:
    w.create_job("J", timeout=10, targets=["T", "T2"])
    await w.start_next()
    await w.owner("update_job", jobId="J", timeoutConfig={"inProgressTimeoutInMinutes": 2})
    request = UpdateJobExecutionRequest("IN_PROGRESS")
    w.service.update_job_execution("T2", "J", request, w.host.elapsed)
    w.host.advance_to(2 * MINUTE)
    assert (w.stored("J").status, w.stored("J", "T2").status) == ("IN_PROGRESS", "TIMED_OUT")
    w.host.advance_to(10 * MINUTE)
    assert w.stored("J").status == "TIMED_OUT"


@over()
async def test_C03(w: World) -> None:
    w.create_job("J")
    await w.start_next(step_timeout_in_minutes=1)
    await w.update("IN_PROGRESS", step_timeout_in_minutes=-1)
    execution = await w.describe()
    assert execution is not None
    assert execution.approximate_seconds_before_timed_out is None
    w.host.advance_to(60 * MINUTE)
    assert w.stored("J").status == "IN_PROGRESS"


@over()
async def test_C05(w: World) -> None:
    w.create_job("J", timeout=1)
    w.host.advance_to(5 * MINUTE)
    execution = await w.describe()
    assert execution is not None
    assert execution.status == "QUEUED"


@over()
async def test_C06(w: World) -> None:
    w.create_job("J", timeout=1)
    await w.start_next()
    w.host.advance_to(50)
    await w.update("IN_PROGRESS")
    w.host.advance_to(59)
    assert w.stored("J").status == "IN_PROGRESS"
    w.host.advance_to(60)
    assert w.stored("J").status == "TIMED_OUT"


@over()
async def test_C08(w: World) -> None:
    w.create_job("J")
    await w.start_next(step_timeout_in_minutes=1)
    await w.update("SUCCEEDED")
    w.host.advance_to(10 * MINUTE)
    assert w.stored("J").status == "SUCCEEDED"
    assert w.service.next_deadline() is None


@over("mqtt", "aiomqtt", "http")
async def test_C09(w: World) -> None:
    w.create_job("J")
    for minutes in (-2, 10081):
        with w.refused(InvalidRequest):
            await w.start_next(step_timeout_in_minutes=minutes)
    await w.start_next()
    for minutes in (-2, 10081):
        with w.refused(InvalidRequest):
            await w.update("IN_PROGRESS", step_timeout_in_minutes=minutes)
    await w.update("IN_PROGRESS", step_timeout_in_minutes=10080)


@over(*OWNERS)
async def test_C10(w: World) -> None:
    for minutes in (0, 10081):
        with w.refused(InvalidRequest):
            await create(w, timeoutConfig={"inProgressTimeoutInMinutes": minutes})
    with w.refused(ResourceNotFound):
        await job(w)
