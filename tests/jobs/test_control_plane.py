"""The control plane and the ledger, as far as the conformance cases do not reach."""

import pytest

from simulator.errors import (
    InvalidRequest,
    InvalidStateTransition,
    LimitExceeded,
    Rejection,
    ResourceAlreadyExists,
    ResourceNotFound,
    VersionConflict,
)
from simulator.jobs import JobsService
from simulator.jobs.configuration import JobExecutionsRolloutConfig, TimeoutConfig
from simulator.jobs.messages import (
    CancelJobExecutionRequest,
    CancelJobRequest,
    CreateJobRequest,
    DescribeJobExecutionRequest,
    GetPendingJobExecutionsRequest,
    JobEnded,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)


def service_with(things: int) -> JobsService:
    service = JobsService()
    service.registry.create_thing_group("g")
    for number in range(things):
        service.registry.create_thing(f"t{number}")
        service.registry.add_thing_to_thing_group(f"t{number}", "g")
    return service


def create(
    service: JobsService, job_id: str = "J", per_minute: int | None = None, now: float = 0.0
) -> None:
    request = CreateJobRequest(
        [service.registry.group_arn("g")],
        "{}",
        job_executions_rollout_config=JobExecutionsRolloutConfig(per_minute),
        timeout_config=TimeoutConfig(10),
    )
    service.create_job(job_id, request, now)


def start(service: JobsService, thing: str, now: float = 0.0) -> None:
    service.start_next_pending_job_execution(thing, StartNextPendingJobExecutionRequest(), now)


def update(service: JobsService, thing: str, status: str, now: float = 0.0) -> None:
    request = UpdateJobExecutionRequest(status)  # type: ignore[arg-type]
    service.handle(thing, "J", request, now)


def test_rollout_releases_a_batch_at_each_whole_minute() -> None:
    service = service_with(25)
    create(service, per_minute=10)
    counts = [service.job("J").counts["QUEUED"]]
    while (deadline := service.next_deadline()) is not None and len(counts) < 9:
        service.expire(deadline)
        counts.append(service.job("J").counts["QUEUED"])
    assert counts == [10, 20, 25]
    assert [e.queued_at for e in service.job("J").executions[9:11]] == [0, 60]


def test_a_late_expire_makes_up_for_the_minutes_that_passed() -> None:
    service = service_with(25)
    create(service, per_minute=10)
    service.expire(119.0)
    assert service.job("J").counts["QUEUED"] == 20


def test_work_on_a_large_job_is_sliced() -> None:
    service = service_with(900)
    create(service)
    assert service.job("J").counts["QUEUED"] == 100
    assert service.next_deadline() == 0.0
    assert service.describe_job("J").is_concurrent
    assert service.expire(0.0, limit=400) == 400
    assert service.job("J").counts["QUEUED"] == 500
    assert service.expire(0.0, limit=500) == 400
    assert service.next_deadline() is None
    assert not service.describe_job("J").is_concurrent


def test_expire_does_at_most_limit_timeouts() -> None:
    service = service_with(5)
    create(service)
    for number in range(5):
        start(service, f"t{number}")
    assert service.expire(600.0, limit=3) == 3
    assert service.job("J").counts["TIMED_OUT"] == 3
    assert service.expire(600.0) == 2
    assert service.job("J").status == "COMPLETED"


def test_a_job_completes_with_its_last_execution() -> None:
    service = service_with(2)
    create(service)
    update(service, "t0", "SUCCEEDED", 1)
    assert service.job("J").status == "IN_PROGRESS"
    update(service, "t1", "FAILED", 2)
    described = service.describe_job("J")
    assert (described.status, described.completed_at) == ("COMPLETED", 2)
    details = described.job_process_details
    assert (details.number_of_succeeded_things, details.number_of_failed_things) == (1, 1)
    assert (
        service.effects[-1] == JobEnded("J", "COMPLETED")
        or JobEnded("J", "COMPLETED") in service.effects
    )


def test_an_empty_group_completes_at_once() -> None:
    service = service_with(0)
    create(service)
    assert service.describe_job("J").status == "COMPLETED"


def test_cancel_job_leaves_what_is_in_progress() -> None:
    service = service_with(3)
    create(service)
    start(service, "t0")
    update(service, "t2", "SUCCEEDED")
    reply = service.cancel_job("J", CancelJobRequest("STOPPED", "too slow"), False, 5)
    assert reply.job_id == "J"
    described = service.describe_job("J")
    assert (described.status, described.reason_code) == ("CANCELED", "STOPPED")
    assert described.force_canceled is None
    assert service.execution("t0", "J").status == "IN_PROGRESS"
    assert service.execution("t1", "J").status == "CANCELED"
    update(service, "t0", "SUCCEEDED", 6)
    assert service.describe_job("J").status == "CANCELED"


def test_cancel_job_with_force_ends_everything_in_slices() -> None:
    service = service_with(600)
    create(service)
    service.expire(0.0)
    start(service, "t599")
    service.delete_job_execution("t0", "J", 1, False, 0)
    service.cancel_job("J", CancelJobRequest(), True, 5)
    assert service.job("J").counts["CANCELED"] == 99
    assert service.describe_job("J").is_concurrent
    while service.next_deadline() is not None:
        service.expire(5.0, limit=100)
    assert service.job("J").counts["CANCELED"] == 599
    assert service.execution("t599", "J").force_canceled
    assert service.describe_job("J").force_canceled
    with pytest.raises(InvalidRequest, match="only a job in progress"):
        service.cancel_job("J", CancelJobRequest(), False, 6)


def test_a_canceled_job_releases_nothing_more() -> None:
    service = service_with(20)
    create(service, per_minute=10)
    service.cancel_job("J", CancelJobRequest(), False, 5)
    service.expire(600.0)
    assert service.job("J").released == 10


def test_cancel_job_execution_needs_force_once_in_progress() -> None:
    service = service_with(2)
    create(service)
    cancel = CancelJobExecutionRequest(status_details={"why": "test"})
    service.cancel_job_execution("t0", "J", cancel, False, 1)
    assert service.execution("t0", "J").status_details == {"why": "test"}
    start(service, "t1")
    with pytest.raises(InvalidStateTransition):
        service.cancel_job_execution("t1", "J", CancelJobExecutionRequest(), False, 1)
    with pytest.raises(VersionConflict, match="Expected version 1 but found version 2"):
        service.cancel_job_execution("t1", "J", CancelJobExecutionRequest(1), True, 1)
    service.cancel_job_execution("t1", "J", CancelJobExecutionRequest(2), True, 1)
    assert service.job("J").status == "COMPLETED"
    with pytest.raises(InvalidStateTransition):
        service.cancel_job_execution("t1", "J", CancelJobExecutionRequest(), True, 1)


def test_deleting_what_is_not_next_changes_nothing_about_next() -> None:
    service = service_with(1)
    create(service, "J")
    create(service, "K")
    service.effects.clear()
    service.delete_job_execution("t0", "K", 1, False, 1)
    assert [type(effect).__name__ for effect in service.effects] == ["Notify", "JobEnded"]


def test_timers_are_counted() -> None:
    service = service_with(1)
    create(service)
    assert service.timers == 0
    start(service, "t0")
    assert service.timers == 1


def test_a_large_job_is_let_go_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.jobs.lifecycle.LET_GO", 100)
    service = service_with(250)
    create(service)
    while service.expire(0.0, 100):
        pass
    service.delete_job("J", True, 1.0)
    assert 0 < len(service.job("J").executions) < 250
    while service.expire(1.0, 100):
        pass
    assert "J" not in service.jobs


def test_delete_forgets_an_execution_and_may_complete_the_job() -> None:
    service = service_with(2)
    create(service)
    start(service, "t0")
    with pytest.raises(InvalidStateTransition, match="only force"):
        service.delete_job_execution("t0", "J", 1, False, 1)
    with pytest.raises(ResourceNotFound):
        service.delete_job_execution("t0", "J", 2, False, 1)
    service.delete_job_execution("t0", "J", 1, True, 1)
    with pytest.raises(ResourceNotFound):
        service.execution("t0", "J")
    service.delete_job_execution("t1", "J", 1, False, 2)
    assert service.job("J").status == "COMPLETED"
    assert service.expire(10_000.0) == 0


def test_deleting_attempts_mends_the_chain_between_them() -> None:
    service = service_with(1)
    create(service)
    job = service.job("J")
    update(service, "t0", "FAILED")
    for _ in range(2):  # later attempts, as a retry will make them
        service.change(service.queue(job, "t0", 1), "FAILED", "device", 1)
    service.delete_job_execution("t0", "J", 2, False, 2)
    newest = service.execution("t0", "J")
    assert newest.previous is not None
    assert (newest.execution_number, newest.previous.execution_number) == (3, 1)
    service.change(service.queue(job, "t0", 2), "FAILED", "device", 2)
    service.delete_job_execution("t0", "J", 1, False, 2)
    newest = service.execution("t0", "J")
    assert newest.previous is not None
    assert newest.previous.previous is None
    service.queue(job, "t0", 3)
    service.delete_job_execution("t0", "J", 5, False, 3)
    assert service.execution("t0", "J").execution_number == 4
    assert service.queue(job, "t0", 4).execution_number == 5  # used again


def test_list_executions_pages_in_order_of_creation() -> None:
    service = service_with(5)
    create(service)
    update(service, "t1", "SUCCEEDED")
    service.delete_job_execution("t2", "J", 1, False, 0)
    first = service.list_job_executions_for_job("J", max_results=2)
    assert [row.thing_arn[-2:] for row in first.rows] == ["t0", "t1"]
    second = service.list_job_executions_for_job("J", max_results=2, next_token=first.next_token)
    assert [row.thing_arn[-2:] for row in second.rows] == ["t3", "t4"]
    assert second.next_token is None
    only = service.list_job_executions_for_job("J", "SUCCEEDED")
    assert [row.status for row in only.rows] == ["SUCCEEDED"]
    for results in (0, 251):
        with pytest.raises(InvalidRequest, match="maxResults"):
            service.list_job_executions_for_job("J", max_results=results)
    with pytest.raises(InvalidRequest, match="nextToken"):
        service.list_job_executions_for_job("J", next_token="mine")


@pytest.mark.parametrize(
    ("job_id", "request_", "kind"),
    [
        ("a job", CreateJobRequest(["x"], "{}"), InvalidRequest),
        ("J", CreateJobRequest(["x"], "{}"), ResourceAlreadyExists),
        ("K", CreateJobRequest(["x"]), InvalidRequest),
        ("K", CreateJobRequest(["x"], "{"), InvalidRequest),
        ("K", CreateJobRequest(["x"], "{}", target_selection="CONTINUOUS"), InvalidRequest),
        ("K", CreateJobRequest(["x"], "{}"), InvalidRequest),
        ("K", CreateJobRequest(["arn:aws:iot:us-east-1:123456789012:job/x"], "{}"), InvalidRequest),
        (
            "K",
            CreateJobRequest(["arn:aws:iot:us-east-1:123456789012:thing/nope"], "{}"),
            ResourceNotFound,
        ),
        (
            "K",
            CreateJobRequest(["arn:aws:iot:us-east-1:123456789012:thinggroup/no"], "{}"),
            ResourceNotFound,
        ),
    ],
)
def test_create_job_refuses(job_id: str, request_: CreateJobRequest, kind: type[Rejection]) -> None:
    service = service_with(1)
    create(service)
    before = len(service.effects)
    with pytest.raises(kind):
        service.create_job(job_id, request_, 1.0)
    assert list(service.jobs) == ["J"]
    assert len(service.effects) == before


def test_a_thing_targeted_twice_gets_one_execution() -> None:
    service = service_with(2)
    arns = [service.registry.thing_arn("t1"), service.registry.group_arn("g")]
    service.create_job("J", CreateJobRequest(arns, "{}"), 0.0)
    assert [e.thing_name for e in service.job("J").executions] == ["t1", "t0"]


def test_the_registry_refuses_what_does_not_exist_or_has_no_legal_name() -> None:
    service = service_with(1)
    registry = service.registry
    with pytest.raises(ResourceAlreadyExists):
        registry.create_thing_group("g")
    with pytest.raises(InvalidRequest):
        registry.create_thing("a thing")
    with pytest.raises(ResourceNotFound):
        registry.add_thing_to_thing_group("nobody", "g")
    with pytest.raises(ResourceNotFound):
        registry.add_thing_to_thing_group("t0", "nowhere")


def test_names_are_checked_where_nothing_is_found() -> None:
    service = service_with(1)
    with pytest.raises(ResourceNotFound):
        service.describe_job("nope")
    with pytest.raises(InvalidRequest):
        service.handle("x" * 129, None, GetPendingJobExecutionsRequest(), 0)
    with pytest.raises(InvalidRequest, match="names no execution"):
        service.handle("t0", "$next", UpdateJobExecutionRequest("SUCCEEDED"), 0)


def test_next_with_another_execution_number_is_nothing() -> None:
    service = service_with(1)
    create(service)
    request = DescribeJobExecutionRequest(execution_number=7)
    assert service.describe_job_execution("t0", "$next", request, 0).execution is None


def test_a_step_timer_that_moves_away_is_looked_at_again() -> None:
    service = service_with(1)
    request = CreateJobRequest([service.registry.thing_arn("t0")], "{}")
    service.create_job("J", request, 0.0)
    for at, minutes in ((0.0, 5), (60.0, 9), (120.0, 1)):
        service.update_job_execution(
            "t0",
            "J",
            UpdateJobExecutionRequest("IN_PROGRESS", step_timeout_in_minutes=minutes),
            at,
        )
    assert service.next_deadline() == 180.0
    update_request = UpdateJobExecutionRequest("IN_PROGRESS", step_timeout_in_minutes=60)
    service.update_job_execution("t0", "J", update_request, 170.0)
    assert service.next_deadline() == 170.0 + 3600
    assert service.expire(400.0) == 0
    assert service.expire(3770.0) == 1
    assert service.execution("t0", "J").status == "TIMED_OUT"


def test_limits_and_state_show_in_a_repr() -> None:
    service = service_with(1)
    create(service)
    assert repr(service.execution("t0", "J")) == "<J#1 on t0: QUEUED v1>"
    assert LimitExceeded("full").http_status == 410
