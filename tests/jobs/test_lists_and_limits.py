"""Lists and their pages, documents with signed URLs, quotas."""

import re

import msgspec
import pytest

from simulator.errors import (
    ControlPlaneThrottled,
    InvalidRequest,
    LimitExceeded,
    RequestThrottled,
    ResourceNotFound,
)
from simulator.jobs import quotas as limits
from simulator.jobs.configuration import (
    JobExecutionsRolloutConfig,
    PresignedUrlConfig,
    SchedulingConfig,
    TimeoutConfig,
)
from simulator.jobs.messages import (
    CancelJobRequest,
    CreateJobRequest,
    DescribeJobExecutionRequest,
    GetPendingJobExecutionsRequest,
    UpdateJobExecutionRequest,
    UpdateJobRequest,
)
from simulator.jobs.quotas import Bucket, Quotas
from tests.jobs.small_service import (
    HOUR,
    continuous,
    create,
    drain,
    report,
    retry,
    service_with,
)

# ------------------------------------------------------------------------------- lists


def test_pages_stay_right_when_rows_come_and_go() -> None:
    service = service_with(6)
    for number in range(6):
        create(service, f"J{number}")
    first = service.list_jobs(max_results=2)
    assert [row.job_id for row in first.rows] == ["J5", "J4"]
    service.delete_job("J4", True, 1.0)
    service.delete_job("J3", True, 1.0)
    create(service, "J6")
    service.cancel_job("J1", CancelJobRequest(), False, 1.0)
    found, token = [], first.next_token
    while token is not None:
        page = service.list_jobs(max_results=1, next_token=token)
        found += [row.job_id for row in page.rows]
        token = page.next_token
    assert found == ["J2", "J0", "J1"]  # what is in progress first, then what was cancelled
    thing = service.list_job_executions_for_thing("t0", max_results=2)
    service.delete_job("J0", True, 2.0)
    rest = service.list_job_executions_for_thing("t0", next_token=thing.next_token)
    assert [row.job_id for row in (*thing.rows, *rest.rows)] == ["J0", "J1", "J2", "J5", "J6"]


def test_jobs_are_listed_by_status_selection_group_and_namespace() -> None:
    service = service_with(1, "gh")
    create(service, "A")
    continuous(service, "B", "h", namespace_id="ns")
    create(service, "C", scheduling_config=SchedulingConfig("2026-01-01T01:00"))
    service.cancel_job("A", CancelJobRequest(), False, 1.0)
    found = [
        [row.job_id for row in page.rows]
        for page in (
            service.list_jobs(),
            service.list_jobs("CANCELED"),
            service.list_jobs(target_selection="CONTINUOUS"),
            service.list_jobs(group="g"),
            service.list_jobs(namespace_id="ns"),
            service.list_jobs("COMPLETED"),
        )
    ]
    assert found == [["B", "C", "A"], ["A"], ["B"], ["C", "A"], ["B"], []]
    with pytest.raises(ResourceNotFound):
        service.list_jobs(group="nowhere")
    for token in ("jobs/NOWHERE/1", "jobs/CANCELED/x", "executions/1", "jobs", "x"):
        with pytest.raises(InvalidRequest, match="nextToken"):
            service.list_jobs(next_token=token)


def test_executions_of_a_thing_are_listed_by_status_job_and_namespace() -> None:
    service = service_with(1)
    create(service, "A", namespace_id="ns")
    create(service, "B")
    service.update_job_execution("t0", "B", UpdateJobExecutionRequest("FAILED"), 1.0)
    lists = (
        service.list_job_executions_for_thing("t0"),
        service.list_job_executions_for_thing("t0", "FAILED"),
        service.list_job_executions_for_thing("t0", namespace_id="ns"),
        service.list_job_executions_for_thing("t0", job_id="B"),
    )
    assert [[row.job_id for row in page.rows] for page in lists] == [
        ["A", "B"],
        ["B"],
        ["A"],
        ["B"],
    ]
    with pytest.raises(ResourceNotFound):
        service.list_job_executions_for_thing("nobody")
    with pytest.raises(InvalidRequest):
        service.list_job_executions_for_thing("a thing")
    with pytest.raises(InvalidRequest, match="nextToken"):
        service.list_job_executions_for_thing("t0", next_token="executions/-1")


def test_a_page_looks_at_so_many_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.jobs.listings.LOOKED_AT", 2)
    service = service_with(5)
    create(service)
    report(service, "t4", "FAILED")
    found, token, pages = [], None, 0
    while pages == 0 or token is not None:
        page = service.list_job_executions_for_job("J", "FAILED", next_token=token)
        found += [row.thing_arn[-2:] for row in page.rows]
        token, pages = page.next_token, pages + 1
    assert (found, pages) == (["t4"], 3)
    for name in ("K", "L"):
        create(service, name)
    short = service.list_jobs("COMPLETED", target_selection="CONTINUOUS")
    assert (short.rows, short.next_token) == ([], None)
    short = service.list_jobs(target_selection="CONTINUOUS")
    assert short.rows == []
    assert short.next_token is not None


def test_describe_in_any_status_and_by_number() -> None:
    service = service_with(1)
    create(
        service,
        job_executions_retry_config=retry(("FAILED", 1)),
        timeout_config=TimeoutConfig(10),
    )
    report(service, "t0", "FAILED", 1)
    report(service, "t0", "IN_PROGRESS", 2)
    newest = service.describe_job_execution_in_any_status("t0", "J", None, 62.0)
    assert (newest.execution_number, newest.approximate_seconds_before_timed_out) == (2, 540)
    first = service.describe_job_execution_in_any_status("t0", "J", 1, 62.0)
    assert (first.status, first.status_details) == ("FAILED", {})
    for number in (0, 3):
        with pytest.raises(ResourceNotFound):
            service.describe_job_execution_in_any_status("t0", "J", number, 62.0)


# ------------------------------------------------------------------------------- documents


PLACEHOLDER = "${aws:iot:s3-presigned-url:https://s3.us-east-1.amazonaws.com/b/k}"
ROLE = "arn:aws:iam::123456789012:role/signs"


def test_a_device_gets_signed_urls_and_the_owner_the_placeholder() -> None:
    service = service_with(1)
    document = f'{{"url":"{PLACEHOLDER}","v2":"{PLACEHOLDER.replace("url:", "url-v2:")}"}}'
    signed = PresignedUrlConfig(ROLE, 600)
    create(service, document=document, presigned_url_config=signed)
    assert service.get_job_document("J") == document
    first = service.describe_job_execution("t0", "J", DescribeJobExecutionRequest(), 5.0).execution
    assert first is not None
    assert first.job_document is not None
    urls = msgspec.json.decode(first.job_document)
    assert urls["url"] == urls["v2"]
    assert urls["url"].startswith("https://s3.us-east-1.amazonaws.com/b/k?X-Amz-Algorithm=")
    assert "X-Amz-Date=20260101T000005Z&X-Amz-Expires=600&" in urls["url"]
    assert re.search(r"X-Amz-Signature=[0-9a-f]{64}$", urls["url"])
    again = service.describe_job_execution("t0", "J", DescribeJobExecutionRequest(), 5.0).execution
    later = service.describe_job_execution("t0", "J", DescribeJobExecutionRequest(), 6.0).execution
    assert again == first
    assert later != first
    update = UpdateJobExecutionRequest("IN_PROGRESS", include_job_document=True)
    assert "X-Amz" in str(service.update_job_execution("t0", "J", update, 7.0).job_document)
    service.update_job("J", UpdateJobRequest(presigned_url_config=PresignedUrlConfig(ROLE)), 8.0)
    assert "Expires=3600&" in str(service.update_job_execution("t0", "J", update, 9.0).job_document)
    with pytest.raises(InvalidRequest, match="needs a roleArn"):
        service.update_job("J", UpdateJobRequest(presigned_url_config=PresignedUrlConfig()), 10.0)


def test_placeholders_need_a_role_and_are_ten_at_most() -> None:
    service = service_with(1)
    for config in (None, PresignedUrlConfig(None, 600)):
        with pytest.raises(InvalidRequest, match="needs a roleArn"):
            create(service, document=f'["{PLACEHOLDER}"]', presigned_url_config=config)
    many = msgspec.json.encode([PLACEHOLDER] * 11).decode()
    with pytest.raises(InvalidRequest, match="11 placeholders"):
        create(service, document=many, presigned_url_config=PresignedUrlConfig(ROLE))
    create(service, document='["none"]', presigned_url_config=PresignedUrlConfig(ROLE))
    assert service.job("J").signer is None


def test_a_document_source_is_read_by_whoever_can() -> None:
    def read(source: str) -> str:
        if source != "s3://b/k":
            raise InvalidRequest(f"{source} cannot be read")
        return '{"from":"s3"}'

    service = service_with(1, documents=read)
    create(service, document=None, document_source="s3://b/k")
    assert service.get_job_document("J") == '{"from":"s3"}'
    assert service.describe_job("J").document_source == "s3://b/k"
    with pytest.raises(InvalidRequest, match="cannot be read"):
        create(service, "K", document=None, document_source="s3://b/other")
    with pytest.raises(InvalidRequest, match="not both"):
        create(service, "K", document_source="s3://b/k")
    with pytest.raises(InvalidRequest, match="give the text as document"):
        create(service_with(1), document=None, document_source="s3://b/k")


def test_a_document_source_that_the_door_has_read_is_not_read_again() -> None:
    service = service_with(1)
    targets = [service.registry.group_arn("g")]
    request = CreateJobRequest(targets, document_source="s3://b/k")
    service.create_job("J", request, 0.0, read='{"from":"the door"}')
    assert service.get_job_document("J") == '{"from":"the door"}'
    assert service.describe_job("J").document_source == "s3://b/k"


# ------------------------------------------------------------------------------- quotas


def test_a_bucket_holds_a_seconds_worth() -> None:
    bucket = Bucket(10)
    assert [bucket.take(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert [bucket.take(0.2) for _ in range(3)] == [True, True, False]
    assert [bucket.take(0.1), bucket.take(100.0)] == [False, True]
    assert sum(bucket.take(100.0) for _ in range(20)) == 9


def test_quotas_are_by_plane_and_operation() -> None:
    quotas = Quotas()
    for _ in range(200):
        quotas.read(0.0)
        quotas.write(0.0)
    with pytest.raises(RequestThrottled):
        quotas.read(0.0)
    with pytest.raises(RequestThrottled):
        quotas.write(0.0)
    for name in ("CreateJob", "DescribeJob"):
        for _ in range(10):
            quotas.operation(name, 0.0)
        with pytest.raises(ControlPlaneThrottled) as caught:
            quotas.operation(name, 0.0)
        assert (caught.value.http_status, caught.value.http_error) == (400, "ThrottlingException")


def test_reads_of_the_data_plane_have_a_quota() -> None:
    service = service_with(1, quotas="aws")
    for _ in range(200):
        service.handle("t0", None, GetPendingJobExecutionsRequest(), 0.0)
    with pytest.raises(RequestThrottled):
        service.handle("t0", None, GetPendingJobExecutionsRequest(), 0.0)


def test_limits_on_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ACTIVE_JOBS", 3)
    monkeypatch.setattr(limits, "CONCURRENT_JOBS", 1)
    service = service_with(2, quotas="aws")
    slow = JobExecutionsRolloutConfig(1)
    later = SchedulingConfig("2026-01-01T01:00")
    create(service, "A", job_executions_rollout_config=slow)
    with pytest.raises(LimitExceeded, match="1 jobs are rolling out"):
        create(service, "B")
    create(service, "C", scheduling_config=later)
    drain(service, 60.0)
    create(service, "B")
    with pytest.raises(LimitExceeded, match="3 active jobs"):
        create(service, "D", scheduling_config=later)
    service.delete_job("B", True, 60.0)
    request = CreateJobRequest(
        [service.registry.group_arn("g")], "{}", job_executions_rollout_config=slow
    )
    service.create_job("E", request, HOUR - 1)
    drain(service, HOUR)  # C would begin, and E is rolling out
    described = service.describe_job("C")
    assert (described.status, described.reason_code) == ("CANCELED", "CONCURRENT_JOB_LIMIT")


def test_too_many_targets_are_refused_without_a_wire_too() -> None:
    service = service_with(1)
    request = CreateJobRequest([service.registry.thing_arn("t0")] * 101, "{}")
    with pytest.raises(InvalidRequest, match="101 targets"):
        service.create_job("J", request, 0.0)
