"""Continuous jobs: things that join and leave, targets that are added."""

import pytest

from simulator.errors import (
    InvalidRequest,
    LimitExceeded,
    Rejection,
    ResourceNotFound,
)
from simulator.jobs.configuration import (
    JobExecutionsRolloutConfig,
)
from simulator.jobs.messages import (
    AssociateTargetsWithJobRequest,
    CancelJobRequest,
    CreateJobRequest,
    StartNextPendingJobExecutionRequest,
)
from tests.jobs.small_service import (
    continuous,
    create,
    drain,
    report,
    retry,
    service_with,
    statuses,
)

# ------------------------------------------------------------------------------- continuous


def test_a_second_target_group_means_nothing() -> None:
    service = service_with(1, "gh")
    continuous(service, groups="gh")
    report(service, "t0", "SUCCEEDED")
    service.add_thing_to_thing_group("t0", "h", 1.0)
    service.remove_thing_from_thing_group("t0", "g", 2.0)
    assert statuses(service) == {"SUCCEEDED": 1}
    service.remove_thing_from_thing_group("t0", "h", 3.0)
    service.add_thing_to_thing_group("t0", "h", 4.0)
    assert statuses(service) == {"SUCCEEDED": 1, "QUEUED": 1}
    service.add_thing_to_thing_group("t0", "h", 5.0)
    assert len(service.job("J").executions) == 2


def test_a_thing_in_progress_that_leaves_goes_on_and_is_not_retried() -> None:
    service = service_with(2)
    continuous(service, job_executions_retry_config=retry(("FAILED", 3)))
    report(service, "t0", "IN_PROGRESS")
    report(service, "t1", "IN_PROGRESS")
    service.remove_thing_from_thing_group("t0", "g", 1.0)
    service.add_thing_to_thing_group("t1", "g", 1.0)
    report(service, "t0", "FAILED", 2.0)
    report(service, "t1", "FAILED", 2.0)
    assert statuses(service) == {"FAILED": 2, "QUEUED": 1}
    service.add_thing_to_thing_group("t0", "g", 3.0)
    newest = service.execution("t0", "J")
    assert (newest.execution_number, newest.retry_attempt) == (2, 0)
    service.remove_thing_from_thing_group("t0", "g", 4.0)
    service.add_thing_to_thing_group("t0", "g", 5.0)
    report(service, "t0", "IN_PROGRESS", 5.0)
    service.remove_thing_from_thing_group("t0", "g", 6.0)
    service.add_thing_to_thing_group("t0", "g", 6.0)  # still pending: nothing new
    assert service.execution("t0", "J").execution_number == 3


def test_things_of_child_groups_are_targets_too() -> None:
    service = service_with(1)
    service.registry.create_thing_group("child", "g")
    service.registry.create_thing("deep")
    continuous(service)
    service.add_thing_to_thing_group("deep", "child", 1.0)
    assert service.execution("deep", "J").queued_at == 1.0
    service.remove_thing_from_thing_group("deep", "child", 2.0)
    assert service.execution("deep", "J").status == "REMOVED"
    service.update_thing_groups_for_thing("deep", ["child"], [], 3.0)
    service.update_thing_groups_for_thing("deep", [], ["child"], 4.0)
    assert service.execution("deep", "J").execution_number == 2
    assert statuses(service) == {"QUEUED": 1, "REMOVED": 2}
    with pytest.raises(InvalidRequest, match="added and removed"):
        service.update_thing_groups_for_thing("deep", ["child"], ["child"], 5.0)
    with pytest.raises(ResourceNotFound):
        service.update_thing_groups_for_thing("deep", ["nowhere"], ["child"], 5.0)


def test_a_deleted_group_lets_go_of_its_things_in_slices() -> None:
    service = service_with(600, "gh")
    continuous(service, groups="gh")
    create(service, "S")
    drain(service)
    report(service, "t1", "IN_PROGRESS")
    service.add_thing_to_thing_group("t2", "h", 0.0)
    service.delete_thing_group("g", None, 1.0)
    service.expire(1.0, 100)
    assert 0 < statuses(service)["REMOVED"] <= 100
    drain(service, 1.0)
    assert statuses(service) == {"QUEUED": 1, "IN_PROGRESS": 1, "REMOVED": 598}
    assert statuses(service, "S") == {"QUEUED": 600}
    service.delete_thing_group("g", None, 2.0)  # gone already: no error, as AWS


def test_a_deleted_thing_loses_what_is_queued_for_it() -> None:
    service = service_with(2)
    create(service, "A")
    create(service, "B")
    request = StartNextPendingJobExecutionRequest()
    service.start_next_pending_job_execution("t0", request, 1.0)
    service.delete_thing("t0", None, 2.0)
    assert statuses(service, "A") == {"IN_PROGRESS": 1, "QUEUED": 1}
    assert statuses(service, "B") == {"REMOVED": 1, "QUEUED": 1}
    service.delete_thing("t0", None, 3.0)


def test_a_thing_deleted_before_its_turn_gets_nothing() -> None:
    service = service_with(4)
    one = JobExecutionsRolloutConfig(1)
    create(service, job_executions_rollout_config=one)
    continuous(service, "C", job_executions_rollout_config=one)
    service.delete_thing("t1", None, 1.0)
    service.remove_thing_from_thing_group("t2", "g", 1.0)
    service.add_thing_to_thing_group("t2", "g", 2.0)  # at once, whatever the rate
    drain(service, 600.0)
    assert set(service.job("J").latest) == {"t0", "t2", "t3"}
    assert [e.thing_name for e in service.job("C").executions] == ["t0", "t2", "t3"]


def test_direct_targets_of_a_continuous_job_do_not_care_for_groups() -> None:
    service = service_with(1)
    arns = [service.registry.thing_arn("t0"), service.registry.group_arn("g")]
    request = CreateJobRequest(arns, "{}", target_selection="CONTINUOUS")
    service.create_job("J", request, 0.0)
    service.remove_thing_from_thing_group("t0", "g", 1.0)
    assert statuses(service) == {"QUEUED": 1}
    report(service, "t0", "SUCCEEDED", 2.0)
    service.add_thing_to_thing_group("t0", "g", 3.0)
    assert statuses(service) == {"SUCCEEDED": 1}


def test_jobs_that_ended_do_not_notice_who_joins() -> None:
    service = service_with(1)
    service.registry.create_thing("late")
    continuous(service)
    service.cancel_job("J", CancelJobRequest(), False, 1.0)
    service.add_thing_to_thing_group("late", "g", 2.0)
    assert statuses(service) == {"CANCELED": 1}


def test_associate_targets() -> None:
    service = service_with(2, "gh")
    for name in ("a", "b"):
        service.registry.create_thing(name)
        service.registry.add_thing_to_thing_group(name, "h")
    service.registry.add_thing_to_thing_group("t1", "h")
    continuous(service, job_executions_rollout_config=JobExecutionsRolloutConfig(1))
    drain(service, 60.0)
    assert statuses(service) == {"QUEUED": 2}
    more = AssociateTargetsWithJobRequest([service.registry.group_arn("h")] * 2, "more")
    reply = service.associate_targets_with_job("J", more, 600.0)
    assert reply.job_id == "J"
    assert statuses(service) == {"QUEUED": 3}  # one a minute, nothing saved up
    drain(service, 660.0)
    assert [e.thing_name for e in service.job("J").executions] == ["t0", "t1", "a", "b"]
    service.associate_targets_with_job("J", more, 700.0)
    assert len(service.job("J").targets) == 2
    service.registry.create_thing("c")
    service.add_thing_to_thing_group("c", "h", 701.0)
    assert "c" in service.job("J").latest


def test_associate_targets_in_the_middle_of_a_rollout() -> None:
    service = service_with(5, "gh")
    service.registry.create_thing("a")
    service.registry.add_thing_to_thing_group("a", "h")
    continuous(service, job_executions_rollout_config=JobExecutionsRolloutConfig(2))
    request = AssociateTargetsWithJobRequest([service.registry.group_arn("h")])
    service.associate_targets_with_job("J", request, 30.0)
    assert statuses(service) == {"QUEUED": 2}
    drain(service, 120.0)
    assert statuses(service) == {"QUEUED": 6}


def test_associate_targets_refuses() -> None:
    service = service_with(1)
    create(service, "SNAPSHOT")
    continuous(service)
    group = service.registry.group_arn("g")
    for number in range(100):
        service.registry.create_thing_group(f"h{number}")
    many = [service.registry.group_arn(f"h{number}") for number in range(100)]
    wrong: list[tuple[str, list[str], type[Rejection]]] = [
        ("SNAPSHOT", [group], InvalidRequest),
        ("J", [service.registry.thing_arn("t0")], InvalidRequest),
        ("J", [service.registry.group_arn("nowhere")], ResourceNotFound),
        ("J", many, LimitExceeded),
        ("nope", [group], ResourceNotFound),
    ]
    for job_id, targets, kind in wrong:
        request = AssociateTargetsWithJobRequest(targets)
        with pytest.raises(kind):
            service.associate_targets_with_job(job_id, request, 1.0)
    assert service.job("J").targets == [group]
