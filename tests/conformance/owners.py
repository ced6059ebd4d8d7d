"""The fleet owner's side of a case: the control plane called directly, or over HTTP by boto3.

``owner("create_job", jobId=…)`` takes boto3's names either way and gives back plain members, times
in elapsed seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from simulator.errors import InvalidRequest
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.messages import (
    AssociateTargetsWithJobRequest,
    CancelJobExecutionRequest,
    CancelJobRequest,
    CreateJobRequest,
    UpdateJobRequest,
)

Owner = Callable[..., Awaitable[dict[str, Any]]]
T = TypeVar("T", bound=msgspec.Struct)


def memory_owner(host: Host) -> Owner:
    """Calls the service."""

    async def owner(operation: str, **members: Any) -> dict[str, Any]:
        try:
            reply = getattr(_Direct(host.service, host.now()), operation)(members)
        except msgspec.ValidationError as error:
            raise InvalidRequest(str(error)) from None
        finally:
            host.publish()
        found = msgspec.to_builtins(reply)
        assert isinstance(found, dict)
        return found

    return owner


class _Direct:
    """boto3's operations and members as calls of the service."""

    def __init__(self, service: JobsService, now: float) -> None:
        self.service = service
        self.now = now

    def create_job(self, m: dict[str, Any]) -> Any:
        return self.service.create_job(m.pop("jobId"), _as(CreateJobRequest, m), self.now)

    def describe_job(self, m: dict[str, Any]) -> Any:
        return {"job": self.service.describe_job(m["jobId"], self.now)}

    def update_job(self, m: dict[str, Any]) -> Any:
        self.service.update_job(m.pop("jobId"), _as(UpdateJobRequest, m), self.now)
        return {}

    def cancel_job(self, m: dict[str, Any]) -> Any:
        job, force = m.pop("jobId"), m.pop("force", False)
        return self.service.cancel_job(job, _as(CancelJobRequest, m), force, self.now)

    def delete_job(self, m: dict[str, Any]) -> Any:
        self.service.delete_job(m["jobId"], m.get("force", False), self.now)
        return {}

    def associate_targets_with_job(self, m: dict[str, Any]) -> Any:
        request = _as(AssociateTargetsWithJobRequest, m)
        return self.service.associate_targets_with_job(m["jobId"], request, self.now)

    def list_jobs(self, m: dict[str, Any]) -> Any:
        page = self.service.list_jobs(
            max_results=m.get("maxResults", 250), next_token=m.get("nextToken")
        )
        return _paged("jobs", page.rows, page.next_token)

    def list_job_executions_for_thing(self, m: dict[str, Any]) -> Any:
        page = self.service.list_job_executions_for_thing(m["thingName"], m.get("status"))
        rows = [{"jobId": row.job_id, "jobExecutionSummary": _summary(row)} for row in page.rows]
        return _paged("executionSummaries", rows, page.next_token)

    def describe_job_execution(self, m: dict[str, Any]) -> Any:
        execution = self.service.describe_job_execution_in_any_status(
            m["thingName"], m["jobId"], m.get("executionNumber"), self.now
        )
        return {"execution": execution}

    def cancel_job_execution(self, m: dict[str, Any]) -> Any:
        thing, job, force = m.pop("thingName"), m.pop("jobId"), m.pop("force", False)
        request = _as(CancelJobExecutionRequest, m)
        self.service.cancel_job_execution(thing, job, request, force, self.now)
        return {}

    def delete_job_execution(self, m: dict[str, Any]) -> Any:
        number, force = m["executionNumber"], m.get("force", False)
        self.service.delete_job_execution(m["thingName"], m["jobId"], number, force, self.now)
        return {}

    def add_thing_to_thing_group(self, m: dict[str, Any]) -> Any:
        service = self.service
        service.add_thing_to_thing_group(m["thingName"], m["thingGroupName"], self.now)
        return {}

    def remove_thing_from_thing_group(self, m: dict[str, Any]) -> Any:
        service = self.service
        service.remove_thing_from_thing_group(m["thingName"], m["thingGroupName"], self.now)
        return {}

    def update_event_configurations(self, m: dict[str, Any]) -> Any:
        enabled = {name: one["Enabled"] for name, one in m["eventConfigurations"].items()}
        self.service.events.update(enabled, self.now)
        return {}


def _as(kind: type[T], members: dict[str, Any]) -> T:
    return msgspec.convert(members, kind)


def _summary(row: Any) -> dict[str, Any]:
    return {
        "status": row.status,
        "executionNumber": row.execution_number,
        "retryAttempt": row.retry_attempt,
    }


def _paged(name: str, rows: Any, token: str | None) -> dict[str, Any]:
    return {name: rows} if token is None else {name: rows, "nextToken": token}


def http_owner(iot: Any, epoch: float) -> Owner:
    """Calls boto3's ``iot`` client."""

    async def owner(operation: str, **members: Any) -> dict[str, Any]:
        answer = await asyncio.to_thread(getattr(iot, operation), **members)
        assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
        found = _elapsed(answer, epoch)
        assert isinstance(found, dict)
        return found

    return owner


def _elapsed(value: Any, epoch: float) -> Any:
    if isinstance(value, datetime):
        return value.timestamp() - epoch
    if isinstance(value, dict):
        return {name: _elapsed(inner, epoch) for name, inner in value.items()}
    return [_elapsed(inner, epoch) for inner in value] if isinstance(value, list) else value
