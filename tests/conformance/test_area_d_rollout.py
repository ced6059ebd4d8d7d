"""Area D: rollout, abort, retry and scheduling, each case named by its id."""

from typing import Any

from simulator.errors import InvalidRequest, ResourceNotFound
from tests.conformance.doors import EPOCH, OWNERS, World, over
from tests.conformance.test_area_d import (
    GROUP,
    MINUTE,
    counts,
    create,
    job,
    number_of,
    status,
    thing,
)

DAY = 86_400.0


def criterion(kind: str, percent: float, least: int) -> dict[str, Any]:
    return {
        "criteriaList": [
            {
                "failureType": kind,
                "action": "CANCEL",
                "thresholdPercentage": percent,
                "minNumberOfExecutedThings": least,
            }
        ]
    }


def retries(*pairs: tuple[str, int]) -> dict[str, Any]:
    return {"criteriaList": [{"failureType": k, "numberOfRetries": n} for k, n in pairs]}


def names(count: int) -> list[str]:
    return [f"t{number}" for number in range(count)]


def settle(w: World) -> None:
    """Let the service do all that is due now."""
    while w.service.expire(w.host.elapsed):
        pass
    w.host.publish()


def at(w: World, elapsed: float) -> None:
    w.host.elapsed = elapsed
    settle(w)


@over(*OWNERS)
async def test_D22(w: World) -> None:
    w.make_group("G", *names(25))
    await create(w, "J", GROUP, jobExecutionsRolloutConfig={"maximumPerMinute": 10})
    seen = []
    for minute in range(3):
        at(w, minute * MINUTE)
        described = await job(w)
        seen.append(((await counts(w))["Queued"], described["isConcurrent"]))
        if w.door == "http":
            told = "processingTargets" in described["jobProcessDetails"]
            assert told == described["isConcurrent"]
        if minute == 1:
            at(w, 2 * MINUTE - 1)
            assert (await counts(w))["Queued"] == 20
    assert seen == [(10, True), (20, True), (25, False)]


@over(*OWNERS)
async def test_D23(w: World) -> None:
    w.make_group("G", *names(10_000))
    rate = {
        "baseRatePerMinute": 50,
        "incrementFactor": 2,
        "rateIncreaseCriteria": {"numberOfNotifiedThings": 1000},
    }
    config = {"maximumPerMinute": 1000, "exponentialRate": rate}
    await create(w, "J", GROUP, jobExecutionsRolloutConfig=config)
    made, rates = 0, []
    for minute in range(40):
        at(w, minute * MINUTE)
        total = w.service.job("J").counts["QUEUED"]
        rates.append(total - made)
        made = total
    # 50 until 1000 are notified (20 minutes), 100 until 2000 (10), 200 until 3000 (5), …
    assert rates[:20] == [50] * 20
    assert rates[20:30] == [100] * 10
    assert rates[30:35] == [200] * 5
    assert rates[35:38] == [400] * 3  # 3000, 3400, 3800
    assert rates[38:40] == [800, 1000]  # 4200 notified; 5000: 1600, capped


@over(*OWNERS)
async def test_D24(w: World) -> None:
    w.make_group("G", *names(50))
    await create(w, "J", GROUP, abortConfig=criterion("FAILED", 20, 10))
    w.report("t20", "IN_PROGRESS")
    for name in names(8):
        w.report(name, "SUCCEEDED")
    w.report("t8", "FAILED")
    await w.eventually(lambda: status(w), "IN_PROGRESS")
    w.report("t9", "FAILED")
    settle(w)
    described = await job(w)
    assert described["status"] == "CANCELED"
    assert described["reasonCode"] == "ABORT_CANCEL"
    assert "FAILED" in described["comment"]
    await w.eventually(
        lambda: counts(w), {"Succeeded": 8, "Failed": 2, "InProgress": 1, "Canceled": 39}
    )


@over(*OWNERS)
async def test_D25(w: World) -> None:
    w.make_group("G", *names(50))
    await create(w, "J", GROUP, abortConfig=criterion("FAILED", 20, 10))
    for name in names(9):
        w.report(name, "FAILED")
    settle(w)
    await w.eventually(lambda: status(w), "IN_PROGRESS")
    await w.eventually(lambda: counts(w), {"Failed": 9, "Queued": 41})


@over(*OWNERS)
async def test_D26(w: World) -> None:
    await create(w, jobExecutionsRetryConfig=retries(("FAILED", 2)))
    w.report("T", "IN_PROGRESS")
    w.report("T", "FAILED")
    assert (await number_of(w, "T", 1))["status"] == "FAILED"
    again = await number_of(w, "T", 2)
    assert (again["status"], again["versionNumber"]) == ("QUEUED", 1)
    listed = await w.owner("list_job_executions_for_thing", thingName="T", status="QUEUED")
    (row,) = listed["executionSummaries"]
    assert row["jobExecutionSummary"]["retryAttempt"] == 1
    await w.eventually(lambda: status(w), "IN_PROGRESS")


@over(*OWNERS)
async def test_D27(w: World) -> None:
    await create(w, jobExecutionsRetryConfig=retries(("FAILED", 2)))
    for _ in range(3):
        w.report("T", "FAILED")
    await w.eventually(lambda: counts(w), {"Failed": 3})
    await w.eventually(lambda: status(w), "COMPLETED")
    reply = await w.pending()
    assert reply.queued_jobs == []


@over(*OWNERS)
async def test_D28(w: World) -> None:
    await create(w, jobExecutionsRetryConfig=retries(("FAILED", 2)))
    w.report("T", "REJECTED")
    await w.eventually(lambda: counts(w), {"Rejected": 1})
    await w.eventually(lambda: status(w), "COMPLETED")


@over(*OWNERS)
async def test_D29(w: World) -> None:
    await create(
        w,
        jobExecutionsRetryConfig=retries(("TIMED_OUT", 1)),
        timeoutConfig={"inProgressTimeoutInMinutes": 1},
    )
    w.report("T", "IN_PROGRESS")
    at(w, MINUTE)
    await w.eventually(lambda: counts(w), {"TimedOut": 1, "Queued": 1})
    w.report("T", "IN_PROGRESS")
    at(w, 2 * MINUTE)
    await w.eventually(lambda: counts(w), {"TimedOut": 2})
    await w.eventually(lambda: status(w), "COMPLETED")


@over(*OWNERS)
async def test_D30(w: World) -> None:
    wrongs: tuple[dict[str, Any], ...] = (
        retries(("ALL", 1), ("FAILED", 1)),
        retries(("FAILED", 11)),
        retries(("FAILED", 1), ("FAILED", 2)),
        retries(("FAILED", 6), ("TIMED_OUT", 5)),
        retries(("REJECTED", 1)),
        {"criteriaList": []},
    )
    for wrong in wrongs:
        with w.refused(InvalidRequest):
            await create(w, jobExecutionsRetryConfig=wrong)
    with w.refused(ResourceNotFound):
        await job(w)


@over(*OWNERS)
async def test_D32(w: World) -> None:
    assert EPOCH == 1_767_225_600  # 2026-01-01T00:00Z
    for wrong in (
        {"startTime": "2026-01-01T00:10"},
        {"startTime": "2026-01-01T01:00", "endTime": "2026-01-01T01:20"},
        {"startTime": "2027-01-02T00:00"},
        {"endTime": "2028-01-03T00:00"},
        {"startTime": "2026-01-01 01:00"},
        {"startTime": "2026-01-01T01:00:00Z"},
        {"startTime": "2026-02-30T01:00"},
        {"startTime": "2026-01-01T25:00"},
        {"endBehavior": "CANCEL"},
    ):
        with w.refused(InvalidRequest):
            await create(w, schedulingConfig=wrong)
    assert not w.service.jobs
    await create(w, schedulingConfig={"startTime": "2026-01-01T00:30"})
    await w.eventually(lambda: status(w), "SCHEDULED")
    await w.eventually(lambda: counts(w), {})
    at(w, 30 * MINUTE)
    await w.eventually(lambda: status(w), "IN_PROGRESS")
    await w.eventually(lambda: counts(w), {"Queued": 1})


@over(*OWNERS)
async def test_D33(w: World) -> None:
    end = {"endTime": "2026-01-01T01:00", "endBehavior": "CANCEL"}
    await create(w, "J", thing("T"), thing("T2"), schedulingConfig=end)
    w.report("T2", "IN_PROGRESS")
    at(w, 60 * MINUTE)
    await w.eventually(lambda: counts(w), {"Canceled": 1, "InProgress": 1})
    await w.eventually(lambda: status(w), "IN_PROGRESS")
    w.report("T2", "SUCCEEDED")
    await w.eventually(lambda: status(w), "COMPLETED")


@over(*OWNERS)
async def test_D34(w: World) -> None:
    end = {"endTime": "2026-01-01T01:00", "endBehavior": "FORCE_CANCEL"}
    await create(w, "J", thing("T"), thing("T2"), schedulingConfig=end)
    w.report("T2", "IN_PROGRESS")
    at(w, 60 * MINUTE)
    await w.eventually(lambda: counts(w), {"Canceled": 2})
    await w.eventually(lambda: status(w), "COMPLETED")
