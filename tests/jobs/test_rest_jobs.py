"""The job operations over REST: members, queries, refusals; tags, events, endpoint."""

from typing import Any

import pytest

from simulator.jobs import JobsService
from simulator.jobs.rest import Request, Rest
from simulator.jobs.wire import Wire
from tests.jobs.test_rest import EPOCH, GROUP, Client

PREFIX = "arn:aws:iot:us-east-1:123456789012:"
RETRY = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1}]}
ABORT = {
    "criteriaList": [
        {
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": 12.5,
            "minNumberOfExecutedThings": 10,
        }
    ]
}


@pytest.fixture
def call() -> Client:
    client = Client()
    client("POST", "/things/T", {})
    client("POST", "/thing-groups/g", {})
    member = {"thingGroupName": "g", "thingName": "T"}
    client("PUT", "/thing-groups/addThingToThingGroup", member)
    return client


def create(call: Client, job_id: str = "J", **members: Any) -> tuple[int, Any]:
    body = {"targets": [GROUP], "document": '{"a":1}', **members}
    return call("PUT", f"/jobs/{job_id}", body)


def test_describe_tells_what_was_asked_for(call: Client) -> None:
    members: dict[str, Any] = {
        "description": "first",
        "targetSelection": "CONTINUOUS",
        "presignedUrlConfig": {"roleArn": "r" * 20, "expiresInSec": 60},
        "jobExecutionsRolloutConfig": {
            "maximumPerMinute": 100,
            "exponentialRate": {
                "baseRatePerMinute": 10,
                "incrementFactor": 1.5,
                "rateIncreaseCriteria": {"numberOfSucceededThings": 5},
            },
        },
        "abortConfig": ABORT,
        "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
        "namespaceId": "ns",
        "jobExecutionsRetryConfig": RETRY,
        "schedulingConfig": {
            "startTime": "2026-01-01T01:00",
            "endTime": "2026-02-01T01:00",
            "endBehavior": "CANCEL",
            "maintenanceWindows": [{"startTime": "cron(0 2 * * ? *)", "durationInMinutes": 60}],
        },
        "destinationPackageVersions": [f"{PREFIX}package/p/version/1"],
    }
    assert create(call, **members)[0] == 200
    _, described = call("GET", "/jobs/J?beforeSubstitution=true")
    job = described["job"]
    assert {name: job[name] for name in members} == members
    assert (job["status"], job["targets"], job["isConcurrent"]) == ("SCHEDULED", [GROUP], False)
    assert job["jobProcessDetails"]["processingTargets"] == [GROUP]
    assert job["scheduledJobRollouts"][:2] == [
        {"startTime": "2026-01-01T02:00"},
        {"startTime": "2026-01-02T02:00"},
    ]
    assert len(job["scheduledJobRollouts"]) == 7


@pytest.mark.parametrize(
    "members",
    [
        {"targets": "x"},
        {"targets": [3]},
        {"targets": ["x" * 2049]},
        {"document": {}},
        {"document": '"' + "x" * 32767 + '"'},
        {"documentSource": ""},
        {"documentSource": "x" * 1351},
        {"description": "x" * 2029},
        {"description": ""},
        {"description": "a\u0007b"},
        {"targetSelection": "ALL"},
        {"presignedUrlConfig": {"roleArn": "short"}},
        {"presignedUrlConfig": {"roleArn": "r" * 20, "expiresInSec": 59}},
        {"presignedUrlConfig": {"roleArn": "r" * 20, "expiresInSec": 3601}},
        {"jobExecutionsRolloutConfig": {"maximumPerMinute": 0}},
        {"jobExecutionsRolloutConfig": {"maximumPerMinute": 1.5}},
        {"jobExecutionsRolloutConfig": {"exponentialRate": {}}},
        {"abortConfig": {}},
        {"abortConfig": {"criteriaList": []}},
        {"abortConfig": {"criteriaList": [{**ABORT["criteriaList"][0], "action": "STOP"}]}},
        {"abortConfig": {"criteriaList": [{**ABORT["criteriaList"][0], "failureType": "REMOVED"}]}},
        {"abortConfig": {"criteriaList": [{**ABORT["criteriaList"][0], "thresholdPercentage": 0}]}},
        {
            "abortConfig": {
                "criteriaList": [{**ABORT["criteriaList"][0], "thresholdPercentage": 10.999}]
            }
        },
        {
            "abortConfig": {
                "criteriaList": [{**ABORT["criteriaList"][0], "thresholdPercentage": 101}]
            }
        },
        {
            "abortConfig": {
                "criteriaList": [{**ABORT["criteriaList"][0], "minNumberOfExecutedThings": 0}]
            }
        },
        {"abortConfig": {"criteriaList": ABORT["criteriaList"] * 2}},
        {"timeoutConfig": {"inProgressTimeoutInMinutes": 10081}},
        {"timeoutConfig": {"inProgressTimeoutInMinutes": "5"}},
        {"tags": [{"Key": ""}]},
        {"tags": [{"Key": "a*b"}]},
        {"tags": [{"Key": "a", "Value": "x" * 257}]},
        {"tags": [{"Key": f"k{number}"} for number in range(51)]},
        {"namespaceId": "a b"},
        {"jobTemplateArn": "P"},
        {"jobTemplateArn": f"{PREFIX}jobtemplate/nowhere"},
        {"jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "FAILED"}]}},
        {"documentParameters": {"a b": "c"}},
        {"documentParameters": {"a": ""}},
        {"documentParameters": {"a": "\u0007"}},
        {"schedulingConfig": {"startTime": 3}},
        {"schedulingConfig": {"endBehavior": "STOP"}},
        {"schedulingConfig": {"maintenanceWindows": [{"startTime": "cron(0 2 * * ? *)"}]}},
        {
            "schedulingConfig": {
                "startTime": "2026-01-01T01:00",
                "maintenanceWindows": [
                    {"startTime": "cron(0 2 * * ? *)", "durationInMinutes": 1431}
                ],
            }
        },
        {"destinationPackageVersions": ["x"]},
        {"destinationPackageVersions": [f"{PREFIX}package/p/version/{n}" for n in range(26)]},
    ],
)
def test_create_job_refuses_wrong_members(call: Client, members: dict[str, Any]) -> None:
    status, answer = create(call, **members)
    assert status in (400, 404), answer
    assert answer["message"]
    assert not call.rest.service.jobs
    assert call.rest.service.effects == []


def test_unknown_members_are_passed_over_as_by_aws(call: Client) -> None:
    assert create(call, surprise={"deep": [1]})[0] == 200


def test_update_associate_and_delete(call: Client) -> None:
    create(call, targetSelection="CONTINUOUS")
    assert call("PATCH", "/jobs/J?namespaceId=x", {"description": "second"}) == (200, {})
    assert call("GET", "/jobs/J")[1]["job"]["description"] == "second"
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"description": 3},
        {"timeoutConfig": {"inProgressTimeoutInMinutes": 0}},
    )
    for body in wrong:
        assert call("PATCH", "/jobs/J", body)[0] == 400
    call("POST", "/thing-groups/h", {})
    other = {"targets": [f"{PREFIX}thinggroup/h"], "comment": "more"}
    status, reply = call("POST", "/jobs/J/targets", other)
    assert (status, reply["jobArn"]) == (200, f"{PREFIX}job/J")
    wrong = ({"targets": []}, {"targets": [GROUP], "comment": "\u0007"}, {})
    for body in wrong:
        assert call("POST", "/jobs/J/targets", body)[0] == 400
    assert call("DELETE", "/jobs/J")[0] == 409
    assert call("DELETE", "/jobs/J?force=yes")[0] == 400
    assert call("DELETE", "/jobs/J?force=true&namespaceId=x") == (200, {})
    assert call("DELETE", "/jobs/J?force=true")[0] == 404
    assert call("DELETE", "/jobs/a%20job")[0] == 400


def test_cancel_checks_its_members(call: Client) -> None:
    create(call)
    for body in ({"reasonCode": "lower"}, {"comment": ""}, {"comment": "x" * 2029}):
        assert call("PUT", "/jobs/J/cancel", body)[0] == 400
    assert call("PUT", "/jobs/J/cancel?force=1", {})[0] == 400
    assert call("GET", "/jobs/J")[1]["job"]["status"] == "IN_PROGRESS"


def test_the_document_and_its_source(call: Client) -> None:
    create(call)
    assert call("GET", "/jobs/J/job-document") == (200, {"document": '{"a":1}'})
    assert call("GET", "/jobs/J/job-document?beforeSubstitution=maybe")[0] == 400
    assert call("GET", "/jobs/nope/job-document")[0] == 404
    service = JobsService(documents=lambda source: "{}")
    service.registry.create_thing("T")
    rest = Rest(service, Wire(EPOCH))
    body = b'{"targets":["arn:aws:iot:us-east-1:123456789012:thing/T"],"documentSource":"s3://b/k"}'
    assert rest.respond(Request("PUT", "/jobs/J", "", body, "iot"), 0.0).status == 200
    answer = rest.respond(Request("GET", "/jobs/J", "", b"", "iot"), 0.0)
    assert answer.body.startswith(b'{"documentSource":"s3://b/k","job":{')


def test_lists_take_their_filters(call: Client) -> None:
    for name in ("A", "B"):
        create(call, name, targetSelection="CONTINUOUS", namespaceId="ns")
    call("PUT", "/jobs/A/cancel", {})
    group_id = call("GET", "/thing-groups/g")[1]["thingGroupId"]
    found = [
        [row["jobId"] for row in call("GET", f"/jobs?{query}")[1]["jobs"]]
        for query in (
            "",
            "status=CANCELED",
            "targetSelection=CONTINUOUS&maxResults=1",
            "thingGroupName=g",
            f"thingGroupId={group_id}",
            "namespaceId=other",
        )
    ]
    assert found == [["B", "A"], ["A"], ["B"], ["B", "A"], ["B", "A"], []]
    _, page = call("GET", "/jobs")
    assert page["jobs"][0] == {
        "jobArn": f"{PREFIX}job/B",
        "jobId": "B",
        "targetSelection": "CONTINUOUS",
        "status": "IN_PROGRESS",
        "createdAt": EPOCH + 0.5,
        "lastUpdatedAt": EPOCH + 0.5,
        "isConcurrent": False,
    }
    wrong = (
        "status=DONE",
        "targetSelection=x",
        "thingGroupName=nowhere",
        "thingGroupId=nowhere",
        "maxResults=0",
        "maxResults=-1",
        "maxResults=1e2",
        "nextToken=x",
    )
    for query in wrong:
        assert call("GET", f"/jobs?{query}")[0] in (400, 404), query


def test_executions_over_the_control_plane(call: Client) -> None:
    create(call)
    status, listed = call("GET", "/things/T/jobs?jobId=J&status=QUEUED&maxResults=1")
    assert status == 200
    (row,) = listed["executionSummaries"]
    assert row["jobId"] == "J"
    assert row["jobExecutionSummary"]["queuedAt"] == EPOCH + 0.5
    _, described = call("GET", "/things/T/jobs/J?executionNumber=1")
    assert described["execution"] == {
        "jobId": "J",
        "status": "QUEUED",
        "thingArn": f"{PREFIX}thing/T",
        "queuedAt": EPOCH + 0.5,
        "lastUpdatedAt": EPOCH + 0.5,
        "executionNumber": 1,
        "versionNumber": 1,
        "statusDetails": {},
    }
    assert call("GET", "/things/T/jobs/J?executionNumber=2")[0] == 404
    assert call("GET", "/things/T/jobs/J?executionNumber=x")[0] == 400
    assert call("GET", "/things/T/jobs/$next")[0] == 400
    wrong = {"expectedVersion": 9}
    assert call("PUT", "/things/T/jobs/J/cancel", wrong)[0] == 409
    assert call("PUT", "/things/T/jobs/J/cancel", {"statusDetails": {"a b": "c"}})[0] == 400
    assert call("PUT", "/things/T/jobs/J/cancel?force=true", {"expectedVersion": 1}) == (200, {})
    assert call("DELETE", "/things/T/jobs/J/executionNumber/x")[0] == 400
    assert call("DELETE", "/things/T/jobs/J/executionNumber/2")[0] == 404
    assert call("DELETE", "/things/T/jobs/J/executionNumber/1") == (200, {})
    assert call("GET", "/jobs/J")[1]["job"]["status"] == "COMPLETED"


def test_unsigned_requests_reach_the_control_plane_where_the_data_plane_has_no_path(
    call: Client,
) -> None:
    create(call)
    assert "queuedJobs" in call("GET", "/things/T/jobs", plane=None)[1]
    assert call("PUT", "/things/T/jobs/J/cancel", {}, plane=None) == (200, {})
    assert call("PUT", "/things/T/jobs/J/cancel", {}, plane="iot-jobs-data")[0] == 404
    assert call("GET", "/jobs/J", plane="iot-jobs-data")[0] == 404


def test_templates_over_rest(call: Client) -> None:
    body = {"description": "what for", "document": '{"a":1}', "tags": [{"Key": "k"}]}
    arn = f"{PREFIX}jobtemplate/P"
    assert call("PUT", "/job-templates/P", body) == (
        200,
        {"jobTemplateArn": arn, "jobTemplateId": "P"},
    )
    assert call("PUT", "/job-templates/P", body)[1]["__type"] == "ConflictException"
    assert call("PUT", "/job-templates/R", {"description": "x", "document": "{}"})[0] == 200
    for wrong in ({}, {"description": "x"}, {**body, "maintenanceWindows": [{"startTime": "x"}]}):
        assert call("PUT", "/job-templates/Q", wrong)[0] == 400
    _, described = call("GET", "/job-templates/P")
    assert described == {
        "jobTemplateArn": arn,
        "jobTemplateId": "P",
        "description": "what for",
        "createdAt": EPOCH + 0.5,
        "document": '{"a":1}',
    }
    _, listed = call("GET", "/job-templates?maxResults=1")
    assert listed["jobTemplates"][0]["createdAt"] == EPOCH + 0.5
    assert call("GET", f"/tags?resourceArn={arn}")[1] == {"tags": [{"Key": "k", "Value": ""}]}
    assert call("DELETE", "/job-templates/P") == (200, {})
    assert call("GET", f"/tags?resourceArn={arn}")[0] == 404


def test_managed_templates_over_rest(call: Client) -> None:
    _, page = call("GET", "/managed-job-templates?maxResults=2")
    assert [row["templateName"] for row in page["managedJobTemplates"]] == [
        "AWS-Download-File",
        "AWS-Install-Application",
    ]
    assert "document" not in page["managedJobTemplates"][0]
    _, one = call("GET", "/managed-job-templates?templateName=AWS-Reboot")
    assert one["managedJobTemplates"] == [
        {
            "templateName": "AWS-Reboot",
            "templateArn": "arn:aws:iot:us-east-1::jobtemplate/AWS-Reboot:1.0",
            "description": "A managed job template for rebooting the device.",
            "templateVersion": "1.0",
            "environments": ["LINUX"],
        }
    ]
    _, described = call("GET", "/managed-job-templates/AWS-Download-File?templateVersion=1.0")
    assert [p["key"] for p in described["documentParameters"]] == [
        "downloadUrl",
        "filePath",
        "runAsUser",
        "pathToHandler",
    ]
    assert call("GET", "/managed-job-templates/AWS-Nothing")[0] == 404


def test_tags(call: Client) -> None:
    create(call, tags=[{"Key": "a", "Value": "1"}])
    arn = f"{PREFIX}job/J"
    body = {"resourceArn": arn, "tags": [{"Key": "a", "Value": "2"}, {"Key": "b"}]}
    assert call("POST", "/tags", body) == (200, {})
    tags = {"tags": [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}]}
    assert call("GET", f"/tags?resourceArn={arn}") == (200, tags)
    assert call("POST", "/untag", {"resourceArn": arn, "tagKeys": ["a", "z"]}) == (200, {})
    assert call("GET", f"/tags?resourceArn={arn}")[1] == {"tags": [{"Key": "b", "Value": ""}]}
    many = {"resourceArn": arn, "tags": [{"Key": f"k{number}"} for number in range(50)]}
    assert call("POST", "/tags", many)[0] == 400
    for resource in (f"{PREFIX}thing/T", "x"):
        assert call("GET", f"/tags?resourceArn={resource}")[0] == 400
    assert call("GET", f"/tags?resourceArn={PREFIX}job/K")[0] == 404
    assert call("GET", "/tags")[0] == 400
    for kind, path in (("thinggroup", "thing-groups"), ("thingtype", "thing-types")):
        call("POST", f"/{path}/tagged", {"tags": [{"Key": "k"}]})
        status, listed = call("GET", f"/tags?resourceArn={PREFIX}{kind}/tagged")
        assert (status, len(listed["tags"])) == (200, 1)


def test_event_configurations(call: Client) -> None:
    _, before = call("GET", "/event-configurations")
    assert len(before["eventConfigurations"]) == 11
    assert "creationDate" not in before
    body = {"eventConfigurations": {"JOB": {"Enabled": True}}}
    assert call("PATCH", "/event-configurations", body, now=7) == (200, {})
    _, after = call("GET", "/event-configurations")
    assert after["eventConfigurations"]["JOB"] == {"Enabled": True}
    assert after["creationDate"] == after["lastModifiedDate"] == EPOCH + 7
    for wrong in ({"JOBS": {"Enabled": True}}, {"JOB": {"Enabled": "yes"}}, {"JOB": True}):
        assert call("PATCH", "/event-configurations", {"eventConfigurations": wrong})[0] == 400
    assert call("PATCH", "/event-configurations", {}) == (200, {})


def test_the_endpoint_is_what_the_door_says(call: Client) -> None:
    for query in ("", "?endpointType=iot:Data-ATS"):
        assert call("GET", f"/endpoint{query}") == (200, {"endpointAddress": "127.0.0.1"})
    assert call("GET", "/endpoint?endpointType=iot:Nothing")[0] == 400
    rest = Rest(JobsService(), Wire(EPOCH), {"iot:Data-ATS": "localhost:8883"})
    request = Request("GET", "/endpoint", "endpointType=iot%3AData-ATS", b"", "iot")
    assert rest.respond(request, 0.0).body == b'{"endpointAddress":"localhost:8883"}'


def test_job_operations_are_throttled_and_others_are_not() -> None:
    client = Client()
    client.rest = Rest(JobsService(quotas="aws"), Wire(EPOCH))
    answers = [client("GET", "/jobs", now=0.0) for _ in range(11)]
    assert [status for status, _ in answers] == [200] * 10 + [400]
    assert answers[-1][1]["__type"] == "ThrottlingException"
    assert client("GET", "/job-templates", now=0.0)[0] == 200
    assert {client("GET", "/things", now=0.0)[0] for _ in range(50)} == {200}
    assert client("GET", "/jobs", now=0.2)[0] == 200
