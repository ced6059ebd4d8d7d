"""Area D: the control plane's jobs and targets, each case named by its id."""

from typing import Any

import pytest

from simulator.errors import (
    InvalidRequest,
    InvalidStateTransition,
    LimitExceeded,
    ResourceAlreadyExists,
    ResourceNotFound,
)
from simulator.jobs.messages import Effect, JobExecutionEvent, Notify
from tests.conformance.doors import OWNERS, World, over

MINUTE = 60.0
ARN = "arn:aws:iot:us-east-1:123456789012:"
GROUP = f"{ARN}thinggroup/G"


def thing(name: str) -> str:
    return f"{ARN}thing/{name}"


async def create(w: World, job_id: str = "J", *targets: str, **members: Any) -> dict[str, Any]:
    return await w.owner(
        "create_job", jobId=job_id, targets=list(targets) or [thing("T")], document="{}", **members
    )


async def job(w: World, job_id: str = "J") -> dict[str, Any]:
    described = (await w.owner("describe_job", jobId=job_id))["job"]
    assert isinstance(described, dict)
    return described


async def counts(w: World, job_id: str = "J") -> dict[str, int]:
    """The counters that are not zero, by status."""
    details = (await job(w, job_id))["jobProcessDetails"]
    return {
        name.removeprefix("numberOf").removesuffix("Things"): count
        for name, count in details.items()
        if name != "processingTargets" and count
    }


async def status(w: World, job_id: str = "J") -> str:
    found = (await job(w, job_id))["status"]
    assert isinstance(found, str)
    return found


def heard(w: World) -> list[Effect]:
    effects: list[Effect] = []
    w.host.listeners.append(lambda effect, _: effects.append(effect))
    return effects


async def number_of(w: World, name: str, number: int, job_id: str = "J") -> dict[str, Any]:
    answer = await w.owner(
        "describe_job_execution", thingName=name, jobId=job_id, executionNumber=number
    )
    execution = answer["execution"]
    assert isinstance(execution, dict)
    return execution


@over(*OWNERS)
async def test_D01(w: World) -> None:
    created = await create(w)
    assert created == {"jobArn": f"{ARN}job/J", "jobId": "J"}
    described = await job(w)
    assert (described["status"], described["targetSelection"]) == ("IN_PROGRESS", "SNAPSHOT")
    await w.eventually(lambda: counts(w), {"Queued": 1})


@over(*OWNERS)
async def test_D02(w: World) -> None:
    await create(w)
    with w.refused(ResourceAlreadyExists):
        await create(w)


@over(*OWNERS)
async def test_D04(w: World) -> None:
    with w.refused(InvalidRequest):
        await w.owner("create_job", jobId="J", targets=[thing("T")])
    with w.refused(InvalidRequest):
        await create(w, documentSource="https://s3.amazonaws.com/bucket/key")
    with w.refused(ResourceNotFound):
        await job(w)


@over(*OWNERS)
async def test_D05(w: World) -> None:
    names = [f"t{number}" for number in range(101)]
    for name in names:
        w.make_thing(name)
    with w.refused(InvalidRequest):
        await create(w, "J", *map(thing, names))
    await create(w, "J", *map(thing, names[:100]))
    await w.eventually(lambda: counts(w), {"Queued": 100})


@over(*OWNERS)
async def test_D06(w: World) -> None:
    w.make_group("G", "t1")
    w.make_thing("t2")
    await create(w, "J", GROUP)
    await w.owner("add_thing_to_thing_group", thingName="t2", thingGroupName="G")
    await w.eventually(lambda: counts(w), {"Queued": 1})
    listed = await w.owner("list_job_executions_for_thing", thingName="t2")
    assert listed["executionSummaries"] == []


@over(*OWNERS)
async def test_D07(w: World) -> None:
    w.make_group("G", "t1")
    w.make_thing("t2")
    rate = {"maximumPerMinute": 1}
    await create(w, "J", GROUP, targetSelection="CONTINUOUS", jobExecutionsRolloutConfig=rate)
    effects = heard(w)
    await w.owner("add_thing_to_thing_group", thingName="t2", thingGroupName="G")
    execution = await number_of(w, "t2", 1)
    assert (execution["status"], execution["versionNumber"]) == ("QUEUED", 1)
    (notice,) = [e for e in effects if isinstance(e, Notify)]
    assert (notice.thing_name, len(notice.queued)) == ("t2", 1)


@over(*OWNERS)
async def test_D08(w: World) -> None:
    w.make_group("G", "t1")
    await create(w, "J", GROUP, targetSelection="CONTINUOUS")
    w.report("t1", "SUCCEEDED")
    await w.owner("remove_thing_from_thing_group", thingName="t1", thingGroupName="G")
    await w.owner("add_thing_to_thing_group", thingName="t1", thingGroupName="G")
    newest = await number_of(w, "t1", 2)
    assert (newest["status"], newest["versionNumber"]) == ("QUEUED", 1)
    assert (await number_of(w, "t1", 1))["status"] == "SUCCEEDED"


@over(*OWNERS)
async def test_D09(w: World) -> None:
    w.make_group("G", "t1")
    enabled = {"JOB_EXECUTION": {"Enabled": True}}
    await w.owner("update_event_configurations", eventConfigurations=enabled)
    await create(w, "J", GROUP, targetSelection="CONTINUOUS")
    effects = heard(w)
    await w.owner("remove_thing_from_thing_group", thingName="t1", thingGroupName="G")
    execution = await number_of(w, "t1", 1)
    assert (execution["status"], execution["versionNumber"]) == ("REMOVED", 1)
    await w.eventually(lambda: counts(w), {"Removed": 1})
    assert [e.queued for e in effects if isinstance(e, Notify)] == [[]]
    assert [e.operation for e in effects if isinstance(e, JobExecutionEvent)] == ["removed"]


@over(*OWNERS)
async def test_D11(w: World) -> None:
    await create(w, "J", thing("T"), thing("T2"))
    w.report("T", "SUCCEEDED")
    await w.eventually(lambda: status(w), "IN_PROGRESS")
    w.host.elapsed = 5.0
    w.report("T2", "FAILED")
    described = await job(w)
    assert (described["status"], described["completedAt"]) == ("COMPLETED", 5.0)
    await w.eventually(lambda: counts(w), {"Succeeded": 1, "Failed": 1})


@over(*OWNERS)
async def test_D12(w: World) -> None:
    w.make_group("G", "t1", "t2")
    await create(w, "J", GROUP, targetSelection="CONTINUOUS")
    for name in ("t1", "t2"):
        w.report(name, "SUCCEEDED")
    await w.eventually(lambda: status(w), "IN_PROGRESS")


@over(*OWNERS)
async def test_D13(w: World) -> None:
    await create(w, "J", thing("T"), thing("T2"))
    w.report("T2", "IN_PROGRESS")
    await w.owner("cancel_job", jobId="J", reasonCode="STOP", comment="enough")
    described = await job(w)
    assert (described["status"], described["reasonCode"]) == ("CANCELED", "STOP")
    assert described["comment"] == "enough"
    assert "forceCanceled" not in described
    await w.eventually(lambda: counts(w), {"Canceled": 1, "InProgress": 1})
    w.report("T2", "SUCCEEDED")
    await w.eventually(lambda: counts(w), {"Canceled": 1, "Succeeded": 1})
    await w.eventually(lambda: status(w), "CANCELED")


@over(*OWNERS)
async def test_D14(w: World) -> None:
    await create(w, "J", thing("T"), thing("T2"))
    w.report("T2", "IN_PROGRESS")
    await w.owner("cancel_job", jobId="J", force=True)
    await w.eventually(lambda: counts(w), {"Canceled": 2})
    assert (await job(w))["forceCanceled"] is True
    assert (await number_of(w, "T2", 1))["forceCanceled"] is True


@over(*OWNERS)
async def test_D15(w: World) -> None:
    await create(w)
    w.report("T", "IN_PROGRESS")
    with w.refused(InvalidStateTransition):
        await w.owner("cancel_job_execution", thingName="T", jobId="J")
    assert (await number_of(w, "T", 1))["status"] == "IN_PROGRESS"


@over(*OWNERS)
async def test_D17(w: World) -> None:
    await create(w)
    w.report("T", "SUCCEEDED")
    with w.refused(InvalidStateTransition):
        await w.owner("cancel_job_execution", thingName="T", jobId="J", force=True)


@over(*OWNERS)
async def test_D18(w: World) -> None:
    await create(w, "J", thing("T"), thing("T2"))
    w.report("T2", "IN_PROGRESS")
    with w.refused(InvalidStateTransition):
        await w.owner("delete_job", jobId="J")
    effects = heard(w)
    await w.owner("delete_job", jobId="J", force=True)
    with w.refused(ResourceNotFound):
        await job(w)
    with w.refused(ResourceNotFound):
        await number_of(w, "T", 1)
    notices = [e for e in effects if isinstance(e, Notify)]
    assert [(n.thing_name, n.queued, n.in_progress) for n in notices] == [
        ("T", [], []),
        ("T2", [], []),
    ]
    await create(w)  # the id is free again


@over(*OWNERS)
async def test_D20(w: World) -> None:
    w.make_group("G", *(f"t{number}" for number in range(300)))
    for number in range(11):
        await create(w, f"J{number}", GROUP)
        w.host.advance_to(w.host.elapsed)
    for number in range(10):
        await w.owner("delete_job", jobId=f"J{number}", force=True)
        assert (await job(w, f"J{number}"))["status"] == "DELETION_IN_PROGRESS"
    with w.refused(LimitExceeded):
        await w.owner("delete_job", jobId="J10", force=True)
    while w.service.expire(w.host.elapsed):
        pass
    assert list(w.service.jobs) == ["J10"]
    await w.owner("delete_job", jobId="J10", force=True)


@over(*OWNERS)
async def test_D36(w: World) -> None:
    await create(w)
    await w.owner("cancel_job_execution", thingName="T", jobId="J", statusDetails={"why": "test"})
    execution = await number_of(w, "T", 1)
    assert execution["status"] == "CANCELED"
    assert execution["statusDetails"] == {"detailsMap": {"why": "test"}}
    assert execution["thingArn"] == thing("T")
    assert "approximateSecondsBeforeTimedOut" not in execution


@over(*OWNERS, alone="it lists every job there is")
async def test_D37(w: World) -> None:
    for number in range(5):
        await create(w, f"J{number}")
    found: list[str] = []
    more: dict[str, str] = {}
    for expected in (2, 2, 1):
        page = await w.owner("list_jobs", maxResults=2, **more)
        assert len(page["jobs"]) == expected
        found += [row["jobId"] for row in page["jobs"]]
        more = {"nextToken": page["nextToken"]} if "nextToken" in page else {}
    assert not more
    assert sorted(found) == [f"J{number}" for number in range(5)]
    with w.refused(InvalidRequest):
        await w.owner("list_jobs", maxResults=251)


@pytest.mark.parametrize("name", ["a job", "x" * 65])
def test_ids_are_checked(name: str) -> None:
    @over("memory")
    async def body(w: World) -> None:
        with w.refused(InvalidRequest):
            await create(w, name)

    body("memory")
