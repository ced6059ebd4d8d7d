"""Rollout, abort, retry, cancel and delete, as far as the cases do not reach."""

import re

import msgspec
import pytest

from simulator.errors import (
    InvalidRequest,
    InvalidStateTransition,
    ResourceNotFound,
)
from simulator.jobs.configuration import (
    JobExecutionsRolloutConfig,
    SchedulingConfig,
    Tag,
    TimeoutConfig,
)
from simulator.jobs.messages import (
    CancelJobExecutionRequest,
    CancelJobRequest,
    JobEnded,
    JobEvent,
    JobExecutionEvent,
    Notify,
    NotifyNext,
    UpdateJobExecutionRequest,
    UpdateJobRequest,
)
from simulator.jobs.rollout import per_minute
from tests.jobs.small_service import (
    HOUR,
    abort,
    create,
    drain,
    rate,
    report,
    retry,
    service_with,
    statuses,
)

# ------------------------------------------------------------------------------- rollout


@pytest.mark.parametrize(
    ("base", "factor", "notified", "allowance", "expected"),
    [
        (50, 2, 1000, 999, 50),
        (50, 2, 1000, 1000, 100),
        (10, 1.1, 10, 10, 11),
        (10, 1.1, 10, 20, 12),
        (1, 1.1, 1, 7, 1),
        (1, 1.1, 1, 8, 2),
        (3, 5, 1, 10_000, 1000),
    ],
)
def test_an_exponential_rate_is_rounded_down_and_capped(
    base: int, factor: float, notified: int, allowance: int, expected: int
) -> None:
    service = service_with(1)
    config = JobExecutionsRolloutConfig(None, rate(base, factor, notified, None))
    create(service, job_executions_rollout_config=config)
    job = service.job("J")
    job.allowance = allowance
    assert per_minute(job) == expected


def test_a_rate_may_grow_by_success() -> None:
    service = service_with(100)
    config = JobExecutionsRolloutConfig(30, rate(2, 5, None, 2))
    create(service, job_executions_rollout_config=config)
    service.expire(60.0)
    assert statuses(service) == {"QUEUED": 4}
    report(service, "t0", "SUCCEEDED", 61)
    report(service, "t1", "SUCCEEDED", 61)
    service.expire(120.0)
    assert service.job("J").released == 14
    report(service, "t2", "SUCCEEDED", 121)
    report(service, "t3", "SUCCEEDED", 121)
    service.expire(180.0)
    assert service.job("J").released == 44


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"exponentialRate": {"baseRatePerMinute": 5, "incrementFactor": 2}}, "rateIncrease"),
        (
            {
                "maximumPerMinute": 4,
                "exponentialRate": {
                    "baseRatePerMinute": 5,
                    "incrementFactor": 2,
                    "rateIncreaseCriteria": {"numberOfNotifiedThings": 1},
                },
            },
            "above maximumPerMinute 4",
        ),
        (
            {
                "exponentialRate": {
                    "baseRatePerMinute": 5,
                    "incrementFactor": 1.55,
                    "rateIncreaseCriteria": {"numberOfNotifiedThings": 1},
                }
            },
            "more than one digit",
        ),
        (
            {
                "exponentialRate": {
                    "baseRatePerMinute": 5,
                    "incrementFactor": 2,
                    "rateIncreaseCriteria": {},
                }
            },
            "needs numberOfNotifiedThings",
        ),
        ({"maximumPerMinute": 1001}, "<= 1000"),
    ],
)
def test_rates_are_checked(config: object, words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(config, JobExecutionsRolloutConfig)


def test_update_job_changes_what_follows() -> None:
    service = service_with(30)
    create(service, job_executions_rollout_config=JobExecutionsRolloutConfig(5))
    request = UpdateJobRequest(
        description="faster",
        job_executions_rollout_config=JobExecutionsRolloutConfig(20),
        abort_config=abort(("FAILED", 50, 1)),
        timeout_config=TimeoutConfig(7),
    )
    service.update_job("J", request, 30.0)
    assert service.job("J").released == 5
    service.expire(60.0)
    assert service.job("J").released == 25
    described = service.describe_job("J")
    assert (described.description, described.last_updated_at) == ("faster", 30.0)
    assert described.timeout_config == TimeoutConfig(7)
    report(service, "t0", "FAILED", 61)
    drain(service, 61)
    assert service.describe_job("J").status == "CANCELED"
    with pytest.raises(InvalidRequest, match="only a job in progress is updated"):
        service.update_job("J", request, 62.0)


def test_update_job_may_only_stop_retries() -> None:
    service = service_with(1)
    create(service, job_executions_retry_config=retry(("FAILED", 3)))
    for asked, words in (
        (retry(("TIMED_OUT", 0)), "none can be added"),
        (retry(("FAILED", 2)), "to 0"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            service.update_job("J", UpdateJobRequest(job_executions_retry_config=asked), 1.0)
    with pytest.raises(InvalidRequest, match="Nothing to update"):
        service.update_job("J", UpdateJobRequest(), 1.0)
    stop = UpdateJobRequest(job_executions_retry_config=retry(("FAILED", 0)))
    service.update_job("J", stop, 1.0)
    report(service, "t0", "FAILED", 2.0)
    assert service.describe_job("J").status == "COMPLETED"
    create(service, "K")
    with pytest.raises(InvalidRequest, match="none can be added"):
        service.update_job("K", stop, 3.0)


# ------------------------------------------------------------------------------- abort, retry


def test_abort_criteria_are_looked_at_in_order_and_all_counts_every_failure() -> None:
    service = service_with(10)
    criteria = abort(("TIMED_OUT", 50, 1), ("ALL", 30, 4))
    create(service, abort_config=criteria, job_executions_retry_config=retry(("FAILED", 1)))
    report(service, "t0", "REJECTED")
    report(service, "t1", "SUCCEEDED")
    report(service, "t2", "SUCCEEDED")
    assert service.describe_job("J").status == "IN_PROGRESS"
    report(service, "t3", "FAILED")  # 2 of 4
    assert service.describe_job("J").status == "CANCELED"
    assert JobEnded("J", "CANCELED") not in service.effects  # what it cancels comes in slices
    drain(service)
    assert JobEnded("J", "CANCELED") in service.effects
    assert statuses(service) == {"REJECTED": 1, "SUCCEEDED": 2, "FAILED": 1, "CANCELED": 6}
    assert service.job("J").comment == (
        "Abort criteria met: 2 of 4 executions ended as ALL, threshold 30%"
    )


def test_a_threshold_has_two_digits_after_the_point() -> None:
    for hundredths in range(1, 10_001):
        abort(("FAILED", hundredths / 100, 1))
    for percent in (0.001, 10.999, 33.333):
        with pytest.raises(ValueError, match="more than two digits"):
            abort(("FAILED", percent, 1))


def test_deleting_an_execution_changes_the_abort_arithmetic() -> None:
    service = service_with(6)
    create(service, abort_config=abort(("FAILED", 60, 2)))
    report(service, "t0", "FAILED")
    service.delete_job_execution("t0", "J", 1, False, 0.0)
    report(service, "t1", "FAILED")
    assert service.describe_job("J").status == "IN_PROGRESS"


def test_each_failure_type_has_retries_of_its_own() -> None:
    service = service_with(1)
    create(
        service,
        job_executions_retry_config=retry(("FAILED", 1), ("TIMED_OUT", 1)),
        timeout_config=TimeoutConfig(1),
    )
    report(service, "t0", "FAILED", 1)
    report(service, "t0", "IN_PROGRESS", 2)
    service.expire(62)
    report(service, "t0", "FAILED", 63)
    assert [(e.status, e.retry_attempt) for e in service.job("J").executions] == [
        ("FAILED", 0),
        ("TIMED_OUT", 1),
        ("FAILED", 2),
    ]
    assert service.describe_job("J").status == "COMPLETED"


def test_all_counts_both_ways_and_others_are_not_retried() -> None:
    service = service_with(2)
    create(service, job_executions_retry_config=retry(("ALL", 1)), timeout_config=TimeoutConfig(1))
    report(service, "t0", "IN_PROGRESS", 0)
    service.expire(60)
    report(service, "t0", "FAILED", 61)
    report(service, "t1", "SUCCEEDED", 61)
    assert statuses(service) == {"TIMED_OUT": 1, "FAILED": 1, "SUCCEEDED": 1}
    create(service, "K", job_executions_retry_config=retry(("TIMED_OUT", 1)))
    service.update_job_execution("t0", "K", UpdateJobExecutionRequest("FAILED"), 62)
    assert statuses(service, "K") == {"FAILED": 1, "QUEUED": 1}


def test_a_retry_is_told_as_left_joined_and_next() -> None:
    service = service_with(1)
    create(service, job_executions_retry_config=retry(("FAILED", 1)))
    service.effects.clear()
    report(service, "t0", "FAILED", 5)
    left, joined, following = service.effects
    assert isinstance(left, Notify)
    assert left.queued == []
    assert isinstance(joined, Notify)
    assert [s.execution_number for s in joined.queued] == [2]
    assert isinstance(following, NotifyNext)
    assert following.execution is not None
    assert (following.execution.execution_number, following.execution.version_number) == (2, 1)


# ------------------------------------------------------------------------------- cancel, delete


def test_a_job_is_deleted_in_slices_and_its_id_is_free_again() -> None:
    service = service_with(600)
    service.events.update({"JOB": True}, 0.0)
    create(service, tags=[Tag("a", "b")])
    drain(service)
    service.delete_job("J", True, 1.0)
    assert service.describe_job("J").status == "DELETION_IN_PROGRESS"
    assert service.describe_job("J").is_concurrent
    with pytest.raises(InvalidStateTransition):
        service.delete_job("J", True, 1.0)
    drain(service, 1.0)
    assert not service.jobs
    assert service.history("t0") == []
    assert service.by_status["DELETION_IN_PROGRESS"] == []
    operations = [e.operation for e in service.effects if isinstance(e, JobEvent)]
    assert operations == ["deletion_in_progress", "deleted"]
    assert service.tags.of(service.registry.job_arn("J")) == []
    create(service)
    report(service, "t0", "SUCCEEDED", 2.0)
    with pytest.raises(ResourceNotFound):
        service.execution("t599", "J")


def test_a_forced_cancel_stays_forced_and_a_deletion_ends_all_other_work() -> None:
    service = service_with(600)
    create(service)
    drain(service)
    report(service, "t599", "IN_PROGRESS")
    service.cancel_job("J", CancelJobRequest(), True, 1.0)
    service.sweep(service.job("J"), "CANCEL", 1.0)
    drain(service, 1.0)
    assert statuses(service) == {"CANCELED": 600}
    create(service, "K")
    drain(service, 1.0)
    service.cancel_job("K", CancelJobRequest(), False, 2.0)
    service.delete_job("K", False, 2.0)
    drain(service, 2.0)
    assert list(service.jobs) == ["J"]


def test_a_scheduled_job_is_cancelled_and_deleted() -> None:
    service = service_with(1)
    later = SchedulingConfig("2026-01-01T01:00")
    create(service, scheduling_config=later)
    create(service, "K", scheduling_config=later)
    with pytest.raises(InvalidStateTransition):
        service.delete_job("K", False, 1.0)
    service.delete_job("K", True, 1.0)
    service.cancel_job("J", CancelJobRequest("WHY"), False, 1.0)
    drain(service, 2 * HOUR)
    assert service.describe_job("J").status == "CANCELED"
    assert service.job("J").executions == []


def test_events_tell_what_they_are_about() -> None:
    service = service_with(1)
    service.events.update({"JOB_EXECUTION": True}, 3.0)
    assert (service.events.created_at, service.events.modified_at) == (3.0, 3.0)
    create(service)
    cancel = CancelJobExecutionRequest(status_details={"why": "test"})
    service.cancel_job_execution("t0", "J", cancel, False, 4.0)
    (event,) = [e for e in service.effects if isinstance(e, JobExecutionEvent)]
    assert (event.operation, event.status, event.status_details) == (
        "canceled",
        "CANCELED",
        {"why": "test"},
    )
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event.event_id)
    assert not [e for e in service.effects if isinstance(e, JobEvent)]
    service.events.update({"JOB_EXECUTION": False}, 5.0)
    assert (service.events.created_at, service.events.modified_at) == (3.0, 5.0)
    with pytest.raises(InvalidRequest, match="none of THING"):
        service.events.update({"JOBS": True}, 6.0)
