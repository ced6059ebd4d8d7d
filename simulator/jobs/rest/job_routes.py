"""The control plane's job operations (botocore ``iot`` 2015-05-28)."""

from typing import Any

from simulator.errors import ResourceNotFound
from simulator.jobs.descriptions import ExecutionListing, ExecutionPage
from simulator.jobs.identity import identity
from simulator.jobs.messages import (
    AssociateTargetsWithJobRequest,
    CancelJobExecutionRequest,
    CancelJobRequest,
    CreateJobRequest,
    UpdateJobRequest,
)
from simulator.jobs.model import JOB_STATUSES, STATUSES, TargetSelection
from simulator.jobs.rest.call import Call, Members, members_of, whole_number, with_token
from simulator.jobs.rest.routes import Route

_SELECTIONS: tuple[TargetSelection, ...] = ("SNAPSHOT", "CONTINUOUS")


def _create(call: Call) -> Members:
    request = call.body(CreateJobRequest)
    read = call.request.document
    return members_of(call.service.create_job(call.names[0], request, call.now, read))


def _describe(call: Call) -> Members:
    call.flag("beforeSubstitution")
    job = members_of(call.service.describe_job(call.names[0], call.now))
    details: dict[str, Any] = job["jobProcessDetails"]
    targets = job.pop("processingTargets", None)
    if targets is not None:
        job["jobProcessDetails"] = {"processingTargets": targets, **details}
    source = job.pop("documentSource", None)
    beside = {} if source is None else {"documentSource": source}
    return {**beside, "job": call.stamped(job)}


def _update(call: Call) -> Members:
    call.service.update_job(call.names[0], call.body(UpdateJobRequest), call.now)
    return {}


def _cancel(call: Call) -> Members:
    request, force = call.body(CancelJobRequest), call.flag("force")
    return members_of(call.service.cancel_job(call.names[0], request, force, call.now))


def _delete(call: Call) -> Members:
    call.service.delete_job(call.names[0], call.flag("force"), call.now)
    return {}


def _document(call: Call) -> Members:
    before = call.flag("beforeSubstitution")
    return {"document": call.service.get_job_document(call.names[0], before)}


def _associate(call: Call) -> Members:
    request = call.body(AssociateTargetsWithJobRequest)
    return members_of(call.service.associate_targets_with_job(call.names[0], request, call.now))


def _list(call: Call) -> Members:
    page = call.service.list_jobs(
        call.choice("status", JOB_STATUSES),
        call.choice("targetSelection", _SELECTIONS),
        _group(call),
        call.text("namespaceId"),
        call.max_results(),
        call.text("nextToken"),
    )
    rows = [call.stamped(members_of(row)) for row in page.rows]
    return with_token({"jobs": rows}, page.next_token)


def _group(call: Call) -> str | None:
    """The group that a list of jobs is narrowed to, by its name or by its id."""
    registry, wanted = call.service.registry, call.text("thingGroupId")
    if wanted is not None:
        for name in registry.groups:
            if identity(registry.group_arn(name)) == wanted:
                return name
        raise ResourceNotFound(f"Thing group with id {wanted} not found")
    return call.text("thingGroupName")


def _executions_of_job(call: Call) -> Members:
    page = call.service.list_job_executions_for_job(
        call.names[0], call.choice("status", STATUSES), call.max_results(), call.text("nextToken")
    )
    return _page(call, page, "thingArn")


def _executions_of_thing(call: Call) -> Members:
    page = call.service.list_job_executions_for_thing(
        call.names[0],
        call.choice("status", STATUSES),
        call.text("namespaceId"),
        call.text("jobId"),
        call.max_results(),
        call.text("nextToken"),
    )
    return _page(call, page, "jobId")


def _page(call: Call, page: ExecutionPage, named: str) -> Members:
    rows = [
        {
            named: row.thing_arn if named == "thingArn" else row.job_id,
            "jobExecutionSummary": _summary(call, row),
        }
        for row in page.rows
    ]
    return with_token({"executionSummaries": rows}, page.next_token)


def _summary(call: Call, row: ExecutionListing) -> Members:
    members: Members = {
        "status": row.status,
        "queuedAt": row.queued_at,
        "lastUpdatedAt": row.last_updated_at,
        "executionNumber": row.execution_number,
        "retryAttempt": row.retry_attempt,
    }
    if row.started_at is not None:
        members["startedAt"] = row.started_at
    return call.stamped(members)


def _describe_execution(call: Call) -> Members:
    thing, job = call.names
    found = call.service.describe_job_execution_in_any_status(
        thing, job, call.number("executionNumber"), call.now
    )
    return {"execution": call.stamped(members_of(found))}


def _cancel_execution(call: Call) -> Members:
    thing, job = call.names
    request = call.body(CancelJobExecutionRequest)
    call.service.cancel_job_execution(thing, job, request, call.flag("force"), call.now)
    return {}


def _delete_execution(call: Call) -> Members:
    thing, job, text = call.names
    number = whole_number("executionNumber", text)
    call.service.delete_job_execution(thing, job, number, call.flag("force"), call.now)
    return {}


JOB_ROUTES = tuple(
    Route(operation, method, path, handler, throttled=True)
    for operation, method, path, handler in (
        ("CreateJob", "PUT", "/jobs/{jobId}", _create),
        ("DescribeJob", "GET", "/jobs/{jobId}", _describe),
        ("UpdateJob", "PATCH", "/jobs/{jobId}", _update),
        ("CancelJob", "PUT", "/jobs/{jobId}/cancel", _cancel),
        ("DeleteJob", "DELETE", "/jobs/{jobId}", _delete),
        ("ListJobs", "GET", "/jobs", _list),
        ("GetJobDocument", "GET", "/jobs/{jobId}/job-document", _document),
        ("AssociateTargetsWithJob", "POST", "/jobs/{jobId}/targets", _associate),
        ("ListJobExecutionsForJob", "GET", "/jobs/{jobId}/things", _executions_of_job),
        ("ListJobExecutionsForThing", "GET", "/things/{thingName}/jobs", _executions_of_thing),
        ("DescribeJobExecution", "GET", "/things/{thingName}/jobs/{jobId}", _describe_execution),
        (
            "CancelJobExecution",
            "PUT",
            "/things/{thingName}/jobs/{jobId}/cancel",
            _cancel_execution,
        ),
        (
            "DeleteJobExecution",
            "DELETE",
            "/things/{thingName}/jobs/{jobId}/executionNumber/{executionNumber}",
            _delete_execution,
        ),
    )
)
