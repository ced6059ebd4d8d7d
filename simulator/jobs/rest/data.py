"""The data plane's four operations (botocore ``iot-jobs-data`` 2017-09-29)."""

from simulator.jobs.messages import (
    DescribeJobExecutionRequest,
    ExecutionReply,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
    UpdateReply,
)
from simulator.jobs.rest.call import Call, Members
from simulator.jobs.rest.routes import Route
from simulator.jobs.wire import decode_request


def _pending(call: Call) -> Members:
    reply = call.service.get_pending_job_executions(call.names[0], call.now)
    summary = call.wire.summary
    return {
        "inProgressJobs": [summary(s) for s in reply.in_progress_jobs],
        "queuedJobs": [summary(s) for s in reply.queued_jobs],
    }


def _start_next(call: Call) -> Members:
    request = decode_request(StartNextPendingJobExecutionRequest, call.request.body, lenient=False)
    service = call.service
    return _execution(
        call, service.start_next_pending_job_execution(call.names[0], request, call.now)
    )


def _describe(call: Call) -> Members:
    request = DescribeJobExecutionRequest(
        call.flag("includeJobDocument", default=True), call.number("executionNumber")
    )
    thing, job = call.names
    return _execution(call, call.service.describe_job_execution(thing, job, request, call.now))


def _update(call: Call) -> Members:
    request = decode_request(UpdateJobExecutionRequest, call.request.body, lenient=False)
    thing, job = call.names
    reply = call.service.update_job_execution(thing, job, request, call.now)
    return update_members(reply)


def update_members(reply: UpdateReply) -> Members:
    """What an update answers: nothing unless the request asked for more."""
    members: Members = {}
    if reply.execution_state is not None:
        members["executionState"] = reply.execution_state
    if reply.job_document is not None:
        members["jobDocument"] = reply.job_document
    return members


def _execution(call: Call, reply: ExecutionReply) -> Members:
    execution = reply.execution
    return {} if execution is None else {"execution": call.wire.execution(execution, http=True)}


DATA_ROUTES = (
    Route("UpdateJobExecution", "POST", "/things/{thingName}/jobs/{jobId}", _update),
    Route("StartNextPendingJobExecution", "PUT", "/things/{thingName}/jobs/$next", _start_next),
    Route("DescribeJobExecution", "GET", "/things/{thingName}/jobs/{jobId}", _describe),
    Route("GetPendingJobExecutions", "GET", "/things/{thingName}/jobs", _pending),
)
