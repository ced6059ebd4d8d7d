"""Area E: job events, heard on ``$aws/events/…`` over MQTT, each case named by its id."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from simulator.jobs.messages import CancelJobRequest, CreateJobRequest, UpdateJobExecutionRequest
from tests.raw_mqtt import EPOCH, RawClient, RawService, raw_service

MILLISECONDS = EPOCH * 1000


class Heard:
    """A service, and somebody who listens to all of its events."""

    def __init__(self, service: RawService, client: RawClient) -> None:
        self.host = service.host
        self.service = service.host.service
        self.client = client

    def enable(self) -> None:
        self.service.events.update({"JOB": True, "JOB_EXECUTION": True}, 0.0)

    def create(self, description: str | None = "for events") -> None:
        arn = self.service.registry.thing_arn("T")
        self.service.create_job("J", CreateJobRequest([arn], "{}", description), 0.0)
        self.host.publish()

    def report(self, status: Any) -> None:
        request = UpdateJobExecutionRequest(status, {"k": "v"})
        self.service.update_job_execution("T", "J", request, self.host.now())
        self.host.publish()

    async def events(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """The next so many, and that no more come before the answer to a ping."""
        found = [await self.client.message() for _ in range(count)]
        assert await self.client.silent()
        return found


def listening(body: Callable[[Heard], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        async def run() -> None:
            async with raw_service() as service:
                client = await service.connect("events")
                await client.subscribe("$aws/events/#")
                await body(Heard(service, client))

        asyncio.run(run())

    return test


@listening
async def test_E01(h: Heard) -> None:
    h.create()
    h.report("SUCCEEDED")
    assert h.service.job("J").status == "COMPLETED"
    assert await h.events(0) == []


@listening
async def test_E03(h: Heard) -> None:
    h.enable()
    h.create()
    h.report("SUCCEEDED")
    ended, completed = await h.events(2)
    assert ended[0] == "$aws/events/jobExecution/J/succeeded"
    topic, event = completed
    assert topic == "$aws/events/job/J/completed"
    assert len(event.pop("eventId")) == 36
    assert MILLISECONDS <= event.pop("completedAt") < MILLISECONDS + 60_000
    assert MILLISECONDS <= event.pop("lastUpdatedAt") < MILLISECONDS + 60_000
    assert EPOCH <= event.pop("timestamp") < EPOCH + 60
    assert event == {
        "eventType": "JOB",
        "operation": "completed",
        "jobId": "J",
        "status": "COMPLETED",
        "targetSelection": "SNAPSHOT",
        "targets": [h.service.registry.thing_arn("T")],
        "description": "for events",
        "createdAt": MILLISECONDS,
        "jobProcessDetails": {
            "numberOfCanceledThings": 0,
            "numberOfSucceededThings": 1,
            "numberOfFailedThings": 0,
            "numberOfRejectedThings": 0,
            "numberOfQueuedThings": 0,
            "numberOfInProgressThings": 0,
            "numberOfRemovedThings": 0,
            "numberOfTimedOutThings": 0,
        },
    }


@listening
async def test_E04(h: Heard) -> None:
    h.enable()
    h.create()
    h.service.cancel_job("J", CancelJobRequest(comment="enough"), False, 0.0)
    h.host.publish()
    begun, execution, done = await h.events(3)
    assert begun[0] == "$aws/events/job/J/cancellation_in_progress"
    assert (begun[1]["status"], begun[1]["comment"]) == ("CANCELLATION_IN_PROGRESS", "enough")
    assert execution[0] == "$aws/events/jobExecution/J/canceled"
    assert execution[1]["thingArn"] == h.service.registry.thing_arn("T")
    assert (execution[1]["operation"], execution[1]["status"]) == ("canceled", "CANCELED")
    assert done[0] == "$aws/events/job/J/canceled"
    assert done[1]["status"] == "CANCELED"


@listening
async def test_E05(h: Heard) -> None:
    h.enable()
    h.create(description=None)
    h.service.delete_job("J", True, 0.0)
    h.host.publish()
    begun, execution, done = await h.events(3)
    assert begun[0] == "$aws/events/job/J/deletion_in_progress"
    assert begun[1]["status"] == "DELETION_IN_PROGRESS"
    assert execution[0] == "$aws/events/jobExecution/J/deleted"
    assert (execution[1]["operation"], execution[1]["status"]) == ("deleted", "QUEUED")
    assert (done[0], done[1]["status"]) == ("$aws/events/job/J/deleted", "DELETED")
    assert len({event["eventId"] for _, event in (begun, execution, done)}) == 3


@listening
async def test_E06(h: Heard) -> None:
    h.enable()
    h.create()
    h.report("IN_PROGRESS")
    assert await h.events(0) == []
    h.report("FAILED")
    (topic, event), _ = await h.events(2)
    assert topic == "$aws/events/jobExecution/J/failed"
    assert event["statusDetails"] == {"k": "v"}
    assert event["eventType"] == "JOB_EXECUTION"
