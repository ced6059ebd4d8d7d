"""REST-JSON without a network: routes, bodies, errors."""

import json
from typing import Any

import msgspec
import pytest

from simulator.jobs import JobsService
from simulator.jobs.rest import Request, Rest, signing_name
from simulator.jobs.rest.call import Call
from simulator.jobs.rest.data import DATA_ROUTES
from simulator.jobs.wire import Wire

EPOCH = 1_767_225_600.0
GROUP = "arn:aws:iot:us-east-1:123456789012:thinggroup/g"


class Client:
    def __init__(self) -> None:
        self.rest = Rest(JobsService(epoch=EPOCH), Wire(EPOCH))

    def __call__(
        self, method: str, path: str, body: Any = None, plane: str | None = "iot", now: float = 0.5
    ) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        response = self.rest.respond(Request(method, path, query, data, plane), now)
        members = json.loads(response.body)
        assert (response.error_type is None) == (response.status == 200)
        assert response.error_type == members.get("__type")
        return response.status, members


@pytest.fixture
def call() -> Client:
    client = Client()
    client("POST", "/things/a%3Ab", {})
    client("POST", "/thing-groups/g", {})
    member = {"thingGroupName": "g", "thingName": "a:b"}
    assert client("PUT", "/thing-groups/addThingToThingGroup", member) == (200, {})
    return client


def create(call: Client, **members: Any) -> tuple[int, Any]:
    return call("PUT", "/jobs/J", {"targets": [GROUP], "document": '{"a":1}', **members})


def test_create_describe_list_and_cancel(call: Client) -> None:
    status, created = create(call, description="first", tags=[{"Key": "a", "Value": "b"}])
    assert status == 200
    arn = "arn:aws:iot:us-east-1:123456789012:job/J"
    assert created == {"jobArn": arn, "jobId": "J", "description": "first"}
    _, described = call("GET", "/jobs/J")
    job = described["job"]
    assert (job["status"], job["createdAt"]) == ("IN_PROGRESS", EPOCH + 0.5)
    details = job["jobProcessDetails"]
    assert len(details) == 8
    assert {name: count for name, count in details.items() if count} == {"numberOfQueuedThings": 1}
    assert job["timeoutConfig"] == job["jobExecutionsRolloutConfig"] == {}
    assert job["schedulingConfig"] == job["presignedUrlConfig"] == {}
    assert not {"abortConfig", "jobExecutionsRetryConfig", "forceCanceled", "comment"} & set(job)
    assert "completedAt" not in job
    call("POST", "/things/a%3Ab/jobs/J", {"status": "IN_PROGRESS"}, plane=None, now=2)
    _, listed = call("GET", "/jobs/J/things?maxResults=1&status=IN_PROGRESS")
    (row,) = listed["executionSummaries"]
    assert row["thingArn"].endswith(":thing/a:b")
    assert row["jobExecutionSummary"] == {
        "status": "IN_PROGRESS",
        "queuedAt": EPOCH + 0.5,
        "startedAt": EPOCH + 2,
        "lastUpdatedAt": EPOCH + 2,
        "executionNumber": 1,
        "retryAttempt": 0,
    }
    assert call("PUT", "/jobs/J/cancel?force=true", {"comment": "enough"})[0] == 200
    _, described = call("GET", "/jobs/J")
    assert (described["job"]["status"], described["job"]["forceCanceled"]) == ("CANCELED", True)


def test_a_list_has_a_next_token_while_there_is_more(call: Client) -> None:
    call("POST", "/things/c", {})
    member = {"thingGroupArn": GROUP, "thingArn": "arn:aws:iot:us-east-1:123456789012:thing/c"}
    assert call("PUT", "/thing-groups/addThingToThingGroup", member)[0] == 200
    create(call)
    _, first = call("GET", "/jobs/J/things?maxResults=1")
    _, second = call("GET", f"/jobs/J/things?maxResults=1&nextToken={first['nextToken']}")
    assert "nextToken" not in second
    assert len(second["executionSummaries"]) == 1


def test_the_data_plane(call: Client) -> None:
    create(call, timeoutConfig={"inProgressTimeoutInMinutes": 10})
    thing = "/things/a%3Ab/jobs"
    _, pending = call("GET", thing, plane="iot-jobs-data")
    assert [s["jobId"] for s in pending["queuedJobs"]] == ["J"]
    _, described = call("GET", f"{thing}/%24next?executionNumber=1", plane=None)
    assert described["execution"]["jobDocument"] == '{"a":1}'
    assert described["execution"]["thingName"] == "a:b"
    _, started = call("PUT", f"{thing}/$next", {"statusDetails": {"k": "v"}}, plane=None)
    assert started["execution"]["approximateSecondsBeforeTimedOut"] == 600
    update = {
        "status": "SUCCEEDED",
        "includeJobExecutionState": True,
        "includeJobDocument": True,
    }
    assert call("POST", f"{thing}/J", update, plane=None) == (
        200,
        {
            "executionState": {
                "status": "SUCCEEDED",
                "versionNumber": 3,
                "statusDetails": {"k": "v"},
            },
            "jobDocument": '{"a":1}',
        },
    )
    assert call("GET", f"{thing}/$next", plane=None) == (200, {})
    assert call("POST", f"{thing}/J", {"status": "FAILED", "expectedVersion": 9}, plane=None) == (
        400,
        {
            "__type": "InvalidRequestException",
            "message": "Expected version 9 but found version 3",
        },
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/things/T/jobs", None, 404),  # signed for iot: no such thing in the registry
        ("DELETE", "/jobs/J", None, 404),
        ("PATCH", "/things/T/jobs/J", None, 404),
        ("PUT", "/jobs/J", b"{", 400),
        ("PUT", "/jobs/J", {"targets": [GROUP], "document": "{}", "timeoutConfig": 3}, 400),
        ("PUT", "/jobs/J", {"targets": [], "document": "{}"}, 400),
        ("PUT", "/jobs/J", {"targets": [GROUP] * 101, "document": "{}"}, 400),
        ("GET", "/jobs/nope", None, 404),
        ("PUT", "/thing-groups/addThingToThingGroup", {"thingName": "a:b"}, 400),
        ("POST", "/thing-groups/g", {}, 409),
        ("POST", "/things/a%20b", {}, 400),
    ],
)
def test_refusals(call: Client, method: str, path: str, body: Any, status: int) -> None:
    assert call(method, path, body)[0] == status


@pytest.mark.parametrize(
    "query", ["maxResults=many", "maxResults=0x1", "status=DONE", "maxResults=251", "nextToken=x"]
)
def test_bad_queries(call: Client, query: str) -> None:
    create(call)
    assert call("GET", f"/jobs/J/things?{query}")[0] == 400


def test_bad_data_plane_requests(call: Client) -> None:
    create(call)
    thing = "/things/a%3Ab/jobs"
    assert call("GET", f"{thing}/J?includeJobDocument=maybe", plane=None)[0] == 400
    assert call("PATCH", f"{thing}/J", plane=None)[0] == 404
    quoted = {"status": "SUCCEEDED", "expectedVersion": "1"}
    assert call("POST", f"{thing}/J", quoted, plane=None)[0] == 400
    control = {"status": "SUCCEEDED", "statusDetails": {"k": "a\u0007b"}}
    assert call("POST", f"{thing}/J", control, plane=None)[0] == 400
    fine = {"status": "IN_PROGRESS", "statusDetails": {"k": "a\u00a0b"}}
    assert call("POST", f"{thing}/J", fine, plane=None)[0] == 200


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, None),
        ("Bearer x", None),
        ("AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/iot/aws4_request, Signed", "iot"),
        ("AWS4-HMAC-SHA256 Credential=AK/20260101", None),
    ],
)
def test_signing_name(header: str | None, name: str | None) -> None:
    assert signing_name(header) == name


@pytest.mark.parametrize(
    "body",
    [
        {"status": "IN_PROGRESS"},
        {"status": "IN_PROGRESS", "includeJobExecutionState": True},
        {"status": "IN_PROGRESS", "includeJobDocument": True, "statusDetails": {"k": "v"}},
    ],
)
def test_the_short_way_of_an_update_does_what_its_row_does(body: dict[str, Any]) -> None:
    answers = []
    row = next(route for route in DATA_ROUTES if route.operation == "UpdateJobExecution")
    for short in (True, False):
        client = Client()
        client("POST", "/things/T", {})
        arn = "arn:aws:iot:us-east-1:123456789012:thing/T"
        client("PUT", "/jobs/J", {"targets": [arn], "document": "{}"})
        request = Request("POST", "/things/T/jobs/J", "", json.dumps(body).encode(), None)
        if short:
            answers.append(client.rest.respond(request, 1.0).body)
        else:
            rest = client.rest
            call = Call(rest.service, rest.wire, rest.endpoints, ["T", "J"], request, 1.0)
            answers.append(msgspec.json.encode(row.handler(call)))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("signed_for", ["iot", "execute-api"])
def test_the_control_plane_is_told_by_either_of_its_signing_names(signed_for: str) -> None:
    """AWS CLI 2.9 and its contemporaries sign the control plane for execute-api."""
    rest = Rest(JobsService(), Wire())
    listed = rest.respond(Request("GET", "/things/T/jobs", "", b"", signed_for), 0.0)
    assert listed.operation == "ListJobExecutionsForThing"
    pending = rest.respond(Request("GET", "/things/T/jobs", "", b"", "iot-jobs-data"), 0.0)
    assert pending.operation == "GetPendingJobExecutions"
