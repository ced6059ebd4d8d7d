"""Which operation an HTTP request names: method and path of both planes, as botocore has them.

Both planes own ``GET /things/{thingName}/jobs…``, so the plane comes first. A test holds the table
equal to the models that botocore publishes (``iot-jobs-data`` 2017-09-29, ``iot`` 2015-05-28).
"""

from typing import Final, Literal

Plane = Literal["iot", "iot-jobs-data"]

OPERATIONS: Final[dict[Plane, dict[str, str]]] = {
    "iot-jobs-data": {
        "DescribeJobExecution": "GET /things/{thingName}/jobs/{jobId}",
        "GetPendingJobExecutions": "GET /things/{thingName}/jobs",
        "StartNextPendingJobExecution": "PUT /things/{thingName}/jobs/$next",
        "UpdateJobExecution": "POST /things/{thingName}/jobs/{jobId}",
    },
    "iot": {
        "AddThingToThingGroup": "PUT /thing-groups/addThingToThingGroup",
        "AssociateTargetsWithJob": "POST /jobs/{jobId}/targets",
        "CancelJob": "PUT /jobs/{jobId}/cancel",
        "CancelJobExecution": "PUT /things/{thingName}/jobs/{jobId}/cancel",
        "CreateJob": "PUT /jobs/{jobId}",
        "CreateJobTemplate": "PUT /job-templates/{jobTemplateId}",
        "CreateThing": "POST /things/{thingName}",
        "CreateThingGroup": "POST /thing-groups/{thingGroupName}",
        "DeleteJob": "DELETE /jobs/{jobId}",
        "DeleteJobExecution":
            "DELETE /things/{thingName}/jobs/{jobId}/executionNumber/{executionNumber}",
        "DeleteJobTemplate": "DELETE /job-templates/{jobTemplateId}",
        "DeleteThing": "DELETE /things/{thingName}",
        "DeleteThingGroup": "DELETE /thing-groups/{thingGroupName}",
        "DescribeEndpoint": "GET /endpoint",
        "DescribeEventConfigurations": "GET /event-configurations",
        "DescribeJob": "GET /jobs/{jobId}",
        "DescribeJobExecution": "GET /things/{thingName}/jobs/{jobId}",
        "DescribeJobTemplate": "GET /job-templates/{jobTemplateId}",
        "DescribeManagedJobTemplate": "GET /managed-job-templates/{templateName}",
        "DescribeThing": "GET /things/{thingName}",
        "DescribeThingGroup": "GET /thing-groups/{thingGroupName}",
        "GetJobDocument": "GET /jobs/{jobId}/job-document",
        "ListJobExecutionsForJob": "GET /jobs/{jobId}/things",
        "ListJobExecutionsForThing": "GET /things/{thingName}/jobs",
        "ListJobTemplates": "GET /job-templates",
        "ListJobs": "GET /jobs",
        "ListManagedJobTemplates": "GET /managed-job-templates",
        "ListThingGroups": "GET /thing-groups",
        "ListThings": "GET /things",
        "ListThingsInThingGroup": "GET /thing-groups/{thingGroupName}/things",
        "RemoveThingFromThingGroup": "PUT /thing-groups/removeThingFromThingGroup",
        "UpdateEventConfigurations": "PATCH /event-configurations",
        "UpdateJob": "PATCH /jobs/{jobId}",
        "UpdateThing": "PATCH /things/{thingName}",
        "UpdateThingGroup": "PATCH /thing-groups/{thingGroupName}",
    },
}  # fmt: skip


def _split(route: str) -> tuple[str, tuple[str | None, ...]]:
    """Method and segments of a route; None stands for a label."""
    method, _, path = route.partition(" ")
    return method, tuple(None if "{" in part else part for part in path[1:].split("/"))


_ROUTES: Final = {
    plane: [(name, *_split(route)) for name, route in operations.items()]
    for plane, operations in OPERATIONS.items()
}


def operation_of(plane: Plane, method: str, segments: list[str]) -> str | None:
    """The operation that a request names, or None; ``segments`` are decoded.

    A route that spells a segment out wins over one that has a label there (``$next``).
    """
    best: tuple[int, str] | None = None
    for name, wanted, pattern in _ROUTES[plane]:
        if method != wanted or len(pattern) != len(segments):
            continue
        if all(part in (None, segment) for part, segment in zip(pattern, segments, strict=True)):
            spelled = len(pattern) - pattern.count(None)
            if best is None or spelled > best[0]:
                best = (spelled, name)
    return None if best is None else best[1]
