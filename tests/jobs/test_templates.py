"""Job templates and managed templates, and jobs made from them."""

from typing import Any

import msgspec
import pytest

from simulator.errors import Conflict, InvalidRequest, LimitExceeded, ResourceNotFound
from simulator.jobs import JobsService
from simulator.jobs import quotas as limits
from simulator.jobs.configuration import (
    JobExecutionsRolloutConfig,
    MaintenanceWindow,
    PresignedUrlConfig,
    SchedulingConfig,
    TimeoutConfig,
)
from simulator.jobs.messages import CreateJobRequest
from simulator.jobs.template_messages import CreateJobTemplateRequest

EPOCH = 1_767_225_600.0
PREFIX = "arn:aws:iot:us-east-1:123456789012:"
MANAGED = "arn:aws:iot:us-east-1::jobtemplate/"


@pytest.fixture
def service() -> JobsService:
    service = JobsService(epoch=EPOCH, quotas="aws", documents=lambda source: f'["{source}"]')
    service.registry.create_thing("T")
    return service


def template(service: JobsService, name: str = "P", **members: object) -> None:
    members = {"document": '{"a":1}', **members}
    request = CreateJobTemplateRequest("what for", **members)  # type: ignore[arg-type]
    service.create_job_template(name, request, 5.0)


def job(service: JobsService, arn: str, job_id: str = "J", **members: object) -> None:
    request = CreateJobRequest([f"{PREFIX}thing/T"], job_template_arn=arn, **members)  # type: ignore[arg-type]
    service.create_job(job_id, request, 10.0)


def test_a_job_takes_from_its_template_what_its_request_does_not_say(service: JobsService) -> None:
    template(
        service,
        timeout_config=TimeoutConfig(7),
        job_executions_rollout_config=JobExecutionsRolloutConfig(3),
    )
    job(service, f"{PREFIX}jobtemplate/P", timeout_config=TimeoutConfig(9))
    described = service.describe_job("J")
    assert described.timeout_config == TimeoutConfig(9)
    assert described.job_executions_rollout_config == JobExecutionsRolloutConfig(3)
    assert (described.description, described.job_template_arn) == (
        "what for",
        f"{PREFIX}jobtemplate/P",
    )
    assert service.get_job_document("J") == '{"a":1}'
    job(service, f"{PREFIX}jobtemplate/P", "K", document='{"b":2}', description="mine")
    assert service.get_job_document("K", before_substitution=True) == '{"b":2}'
    assert service.describe_job("K").description == "mine"


def test_windows_of_a_template_need_a_start_from_the_request(service: JobsService) -> None:
    windows = (MaintenanceWindow("cron(0 2 * * ? *)", 60),)
    template(service, maintenance_windows=windows)
    arn = f"{PREFIX}jobtemplate/P"
    with pytest.raises(InvalidRequest, match="need a startTime"):
        job(service, arn, target_selection="CONTINUOUS")
    start = SchedulingConfig("2026-01-01T01:00")
    job(service, arn, target_selection="CONTINUOUS", scheduling_config=start)
    assert service.describe_job("J").scheduling_config.maintenance_windows == windows
    own = SchedulingConfig(
        "2026-01-01T01:00", maintenance_windows=(MaintenanceWindow("cron(0 3 * * ? *)", 5),)
    )
    job(service, arn, "K", target_selection="CONTINUOUS", scheduling_config=own)
    assert service.describe_job("K").scheduling_config == own


def test_a_template_is_made_from_a_job(service: JobsService) -> None:
    request = CreateJobRequest(
        [f"{PREFIX}thing/T"],
        document_source="s3://b/k",
        timeout_config=TimeoutConfig(7),
        destination_package_versions=["arn:aws:iot:us-east-1:123456789012:package/p/version/1"],
    )
    service.create_job("J", request, 0.0)
    template(service, document=None, job_arn=f"{PREFIX}job/J")
    made = service.describe_job_template("P")
    assert (made.document, made.document_source) == ('["s3://b/k"]', "s3://b/k")
    assert made.timeout_config == TimeoutConfig(7)
    assert made.destination_package_versions is not None
    own = ["arn:aws:iot:us-east-1:123456789012:package/p/version/2"]
    template(
        service, "Q", document=None, job_arn=f"{PREFIX}job/J", destination_package_versions=own
    )
    assert service.describe_job_template("Q").destination_package_versions == own


def test_templates_are_refused(service: JobsService, monkeypatch: pytest.MonkeyPatch) -> None:
    template(service)
    with pytest.raises(Conflict):
        template(service)
    with pytest.raises(InvalidRequest, match="not both"):
        template(service, "Q", job_arn=f"{PREFIX}job/J")
    with pytest.raises(InvalidRequest, match="not the ARN of a job"):
        template(service, "Q", document=None, job_arn="J")
    with pytest.raises(ResourceNotFound):
        template(service, "Q", document=None, job_arn=f"{PREFIX}job/J")
    with pytest.raises(InvalidRequest, match="Provide a document"):
        template(service, "Q", document=None)
    with pytest.raises(InvalidRequest, match="not valid JSON"):
        template(service, "Q", document="{")
    with pytest.raises(InvalidRequest, match="jobTemplateId"):
        template(service, "a template")
    with pytest.raises(InvalidRequest, match="no cron expression"):
        template(service, "Q", maintenance_windows=(MaintenanceWindow("daily", 5),))
    placeholder = '["${aws:iot:s3-presigned-url:https://s3.amazonaws.com/b/k}"]'
    with pytest.raises(InvalidRequest, match="roleArn"):
        template(service, "Q", document=placeholder)
    with pytest.raises(msgspec.ValidationError, match="must not be empty"):
        msgspec.convert({"description": ""}, CreateJobTemplateRequest)
    template(service, "Q", document=placeholder, presigned_url_config=PresignedUrlConfig("r" * 20))
    monkeypatch.setattr(limits, "TEMPLATES", 2)
    with pytest.raises(LimitExceeded):
        template(service, "R")
    assert sorted(service.templates) == ["P", "Q"]


def test_templates_are_described_listed_and_deleted(service: JobsService) -> None:
    for name in ("C", "A", "B"):
        template(service, name)
    page = service.list_job_templates(2)
    assert [row.job_template_id for row in page.rows] == ["A", "B"]
    service.delete_job_template("B")
    rest = service.list_job_templates(2, page.next_token)
    assert [row.job_template_id for row in rest.rows] == ["C"]
    assert rest.next_token is None
    for call in (service.describe_job_template, service.delete_job_template):
        with pytest.raises(ResourceNotFound):
            call("B")


def test_a_managed_template_gets_its_parameters(service: JobsService) -> None:
    arn = f"{MANAGED}AWS-Download-File:1.0"
    parameters = {"downloadUrl": 'https://e.com/"x"', "filePath": "C:\\x"}
    job(service, arn, document_parameters=parameters)
    described = service.describe_job("J")
    assert described.description == "A managed job template for downloading a file."
    assert described.document_parameters == parameters
    action = msgspec.json.decode(service.get_job_document("J"))["steps"][0]["action"]
    assert action == {
        "name": "Download-File",
        "type": "runHandler",
        "input": {
            "handler": "download-file.sh",
            "args": ['https://e.com/"x"', "C:\\x"],
            "path": "",
        },
        "runAsUser": "",
    }
    before = service.get_job_document("J", before_substitution=True)
    assert "${aws:iot:parameter:downloadUrl}" in before


def test_every_managed_template_makes_a_job(service: JobsService) -> None:
    assert set(service.managed) == {
        "AWS-Download-File",
        "AWS-Install-Application",
        "AWS-Reboot",
        "AWS-Remove-Application",
        "AWS-Restart-Application",
        "AWS-Run-Command",
        "AWS-Start-Application",
        "AWS-Stop-Application",
    }
    for name, managed in service.managed.items():
        needed = {p.key: p.example for p in managed.document_parameters if not p.optional}
        job(service, managed.template_arn, name, document_parameters=needed or None)
        assert "${aws:iot:parameter" not in service.get_job_document(name)
    found = service.describe_managed_job_template("AWS-Reboot", "1.0")
    assert found.environments == ("LINUX",)
    for name, version in (("AWS-Reboot", "2.0"), ("AWS-Nothing", None)):
        with pytest.raises(ResourceNotFound):
            service.describe_managed_job_template(name, version)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "needs the parameter 'command'"),
        ({"document_parameters": {"command": "ls", "path": "x"}}, "has no parameter 'path'"),
        (
            {"document_parameters": {"command": "ls", "runAsUser": "u" * 257}},
            "does not match",
        ),
        ({"document_parameters": {"command": "ls"}, "document": "{}"}, "brings its document"),
    ],
)
def test_a_managed_template_refuses(
    service: JobsService, members: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        job(service, f"{MANAGED}AWS-Run-Command:1.0", **members)
    assert not service.jobs


def test_parameters_and_templates_that_do_not_exist(service: JobsService) -> None:
    template(service)
    with pytest.raises(InvalidRequest, match="AWS managed templates only"):
        job(service, f"{PREFIX}jobtemplate/P", document_parameters={"a": "b"})
    for arn in (f"{PREFIX}jobtemplate/Q", f"{MANAGED}AWS-Nothing:1.0"):
        with pytest.raises(ResourceNotFound):
            job(service, arn)
