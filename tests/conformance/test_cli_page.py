"""The dialect ``cli-page`` over every door, and beside it what ``aws`` makes of the same."""

import asyncio

import pytest

from simulator.errors import InvalidStateTransition, VersionMismatch
from simulator.jobs.execution import (
    AWS,
    CLI_PAGE,
    CLI_PAGE_TRANSITIONS,
    DIALECTS,
    TRANSITIONS,
)
from simulator.jobs.model import PENDING, STATUSES
from tests.conformance.doors import ALL, LINKS, World, opened, over

NOT_BY_DEVICE = ("QUEUED", "TIMED_OUT", "REMOVED", "CANCELED")


def test_the_wider_table_holds_the_narrower_one_and_only_pending_executions() -> None:
    for pair, actors in TRANSITIONS.items():
        assert CLI_PAGE_TRANSITIONS[pair].items() >= actors.items()
    assert {before for before, _ in CLI_PAGE_TRANSITIONS} == PENDING
    assert CLI_PAGE.device_settable == set(STATUSES)
    assert set(AWS.device_settable) == set(STATUSES) - set(NOT_BY_DEVICE)
    assert DIALECTS == {"aws": AWS, "cli-page": CLI_PAGE}


@over(*ALL, dialect=CLI_PAGE)
async def test_a_device_sets_all_eight_and_hears_the_state(w: World) -> None:
    for started in (False, True):
        for status in STATUSES:
            job = f"{status}-{started}"
            w.create_job(job)
            if started:
                await w.update("IN_PROGRESS", job)
            reply = await w.update(status, job)
            assert reply.execution_state is not None
            assert reply.execution_state.status == status
            assert reply.execution_state.version_number == 2 + started
            stored = w.stored(job)
            assert stored.job.counts[status] == 1
            assert stored.job.status == ("IN_PROGRESS" if status in PENDING else "COMPLETED")
            if status in PENDING:
                await w.update("REMOVED", job)
    assert (await w.pending()).queued_jobs == []
    assert (await w.pending()).in_progress_jobs == []


@over(*ALL, dialect=CLI_PAGE)
async def test_no_state_only_where_it_is_refused(w: World) -> None:
    w.create_job("J")
    assert (await w.update("IN_PROGRESS")).execution_state is not None
    assert (await w.update("IN_PROGRESS", include_job_execution_state=True)).execution_state
    reply = await w.update("IN_PROGRESS", include_job_execution_state=False)
    assert (reply.execution_state, reply.job_document) == (None, None)
    reply = await w.update("REMOVED", include_job_execution_state=False, include_job_document=True)
    assert reply.execution_state is None
    assert reply.job_document == '{"a":1}'


@over(*ALL)
async def test_under_aws_absent_means_false_and_the_four_are_refused(w: World) -> None:
    w.create_job("J")
    assert (await w.update("IN_PROGRESS")).execution_state is None
    reply = await w.update("IN_PROGRESS", include_job_execution_state=False)
    assert reply.execution_state is None
    for status in NOT_BY_DEVICE:
        with w.refused(InvalidStateTransition):
            await w.update(status)
    assert (w.stored("J").status, w.stored("J").version) == ("IN_PROGRESS", 3)


@over(*ALL, dialect=CLI_PAGE)
async def test_what_has_ended_has_ended(w: World) -> None:
    w.create_job("J")
    await w.update("REMOVED")
    for status in STATUSES:
        with w.refused(InvalidStateTransition, "REMOVED"):
            await w.update(status)
    with w.refused(VersionMismatch, "REMOVED"):
        await w.update("QUEUED", expected_version=1)
    assert w.stored("J").version == 2


@over(*ALL, dialect=CLI_PAGE)
async def test_back_in_the_queue_it_waits_as_before(w: World) -> None:
    w.create_job("J", timeout=1)
    w.create_job("K")
    await w.update("IN_PROGRESS", "K", step_timeout_in_minutes=1)
    w.host.advance_to(30)
    await w.update("QUEUED", "K")
    pending = await w.pending()
    assert [s.job_id for s in pending.queued_jobs] == ["J", "K"]
    assert pending.in_progress_jobs == []
    assert pending.queued_jobs[1].started_at is None
    w.host.advance_to(200)  # no timer of its first start is left
    assert w.stored("K").status == "QUEUED"
    await w.update("IN_PROGRESS", "J")
    await w.update("QUEUED", "J")
    w.host.advance_to(300)
    started = await w.start_next()
    assert started is not None
    assert (started.job_id, started.started_at, started.version_number) == ("J", 300, 4)
    assert started.approximate_seconds_before_timed_out == 60
    w.host.advance_to(360)
    assert w.stored("J").status == "TIMED_OUT"


@over(*LINKS, dialect=CLI_PAGE)
async def test_notify_next_tells_who_is_next(w: World) -> None:
    w.create_job("J")
    w.create_job("K")
    await w.start_next()
    await w.update("REMOVED", "J")  # K is next
    await w.update("IN_PROGRESS", "K")
    w.create_job("L")
    await w.update("QUEUED", "K")  # K again: no news
    await w.update("CANCELED", "K")  # L
    await w.update("TIMED_OUT", "L")  # nobody
    heard = await w.next_notices(4)
    told = [None if notice.execution is None else notice.execution.job_id for notice in heard]
    assert told == ["J", "K", "L", None]


@pytest.mark.parametrize("door", ["mqtt", "http"])
def test_the_log_names_the_dialect_once_for_each_status(
    door: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with opened(door) as w:
            w.create_job("J")
            for status in (*NOT_BY_DEVICE, *NOT_BY_DEVICE):
                with w.refused(InvalidStateTransition):
                    await w.update(status)
            await w.update("FAILED")
            with w.refused(InvalidStateTransition, "FAILED"):
                await w.update("FAILED")

    asyncio.run(run())
    logged = [r.getMessage() for r in caplog.records if r.name == "simulator.host"]
    assert logged == [
        f"refused: a device may not set {status} on AWS; --dialect cli-page allows it, "
        "as the AWS CLI's page does"
        for status in NOT_BY_DEVICE
    ]
