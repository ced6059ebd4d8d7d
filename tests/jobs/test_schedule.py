"""Times, cron expressions and timetables; and jobs that keep to them."""

import pytest

from simulator.errors import InvalidRequest
from simulator.jobs import JobsService
from simulator.jobs.configuration import (
    AbortConfig,
    AbortCriteria,
    JobExecutionsRetryConfig,
    JobExecutionsRolloutConfig,
    MaintenanceWindow,
    RetryCriteria,
    SchedulingConfig,
)
from simulator.jobs.messages import (
    CreateJobRequest,
    GetPendingJobExecutionsRequest,
    Notify,
    NotifyNext,
    PendingReply,
    UpdateJobExecutionRequest,
)
from simulator.jobs.schedule import Cron, Timetable, parse_time, show_time

EPOCH = 1_767_225_600.0  # 2026-01-01T00:00Z, a Thursday
HOUR = 3600.0
DAY = 24 * HOUR


def test_times_go_both_ways() -> None:
    assert parse_time("startTime", "2026-01-01T00:00") == EPOCH
    assert show_time(parse_time("startTime", "2028-02-29T23:59")) == "2028-02-29T23:59"


@pytest.mark.parametrize("text", ["2026-1-1T00:00", "2026-13-01T00:00", "2026-01-01T00:60", "now"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM-DDThh:mm"):
        parse_time("startTime", text)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        # the guide's own examples
        ("cron(0 10 * * ? *)", ["2026-01-01T10:00", "2026-01-02T10:00"]),
        ("cron(15 12 * * ? *)", ["2026-01-01T12:15", "2026-01-02T12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-01-01T18:00", "2026-01-02T18:00", "2026-01-05T18:00"]),
        ("cron(0 8 1 * ? *)", ["2026-01-01T08:00", "2026-02-01T08:00"]),
        ("cron(1/20 0 * * ? *)", ["2026-01-01T00:01", "2026-01-01T00:21", "2026-01-01T00:41"]),
        ("cron(0 0 ? * 3#2 *)", ["2026-01-13T00:00", "2026-02-10T00:00"]),
        ("cron(0 0 ? * FRIL *)", ["2026-01-30T00:00", "2026-02-27T00:00"]),
        ("cron(0 0 ? * L *)", ["2026-01-03T00:00", "2026-01-10T00:00"]),
        ("cron(0 0 L * ? *)", ["2026-01-31T00:00", "2026-02-28T00:00"]),
        ("cron(0 0 LW * ? *)", ["2026-01-30T00:00", "2026-02-27T00:00"]),
        ("cron(0 0 3W * ? *)", ["2026-01-02T00:00", "2026-02-03T00:00"]),
        ("cron(0 0 1W FEB,MAR,AUG ? *)", ["2026-02-02T00:00", "2026-03-02T00:00"]),
        ("cron(0 0 1W 8 ? 2026)", ["2026-08-03T00:00"]),
        ("cron(0 0 31W 5 ? 2026)", ["2026-05-29T00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("cron(*/30 0 1 1 ? 2027-2199/2)", ["2027-01-01T00:00", "2027-01-01T00:30"]),
        ("cron(0 0 1,15 1 ? 2026)", ["2026-01-01T00:00", "2026-01-15T00:00"]),
    ],
)
def test_cron(text: str, times: list[str]) -> None:
    cron, at = Cron(text), EPOCH
    found: list[str] = []
    while len(found) < len(times):
        when = cron.after(at)
        assert when is not None
        assert cron.before(when) == when
        found.append(show_time(when))
        at = when + 60
    assert found == times


def test_a_cron_expression_may_have_no_more_times() -> None:
    assert Cron("cron(0 0 31 2 ? *)").after(EPOCH) is None
    cron = Cron("cron(0 12 1 1 ? 2026)")
    assert cron.after(EPOCH + DAY) is None
    assert cron.before(EPOCH) is None
    assert cron.before(EPOCH + 5 * HOUR) is None
    assert cron.before(EPOCH + DAY) == EPOCH + 12 * HOUR


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 10 * * ? *", "no cron expression"),
        ("cron(0 10 * * ?)", "no cron expression"),
        ("cron(0 10 * * * *)", "must be '?'"),
        ("cron(0 10 ? * ? *)", "must be '?'"),
        ("cron(60 10 * * ? *)", "not between 0 and 59"),
        ("cron(0 ten * * ? *)", "not between 0 and 23"),
        ("cron(0 10-8 * * ? *)", "runs backwards"),
        ("cron(0 10 ? * MON#6 *)", "not between 1 and 5"),
        ("cron(0 10 32W * ? *)", "not between 1 and 31"),
        ("cron(0 0/0 * * ? *)", "not between 1 and 23"),
    ],
)
def test_what_is_wrong_with_a_cron_expression_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Cron(text)


def window(start: str = "cron(0 2 * * ? *)", minutes: int = 60) -> MaintenanceWindow:
    return MaintenanceWindow(start, minutes)


def test_a_timetable_says_phase_and_next_change() -> None:
    config = SchedulingConfig(
        "2026-01-01T02:30", "2026-01-03T02:10", maintenance_windows=(window(),)
    )
    table = Timetable(config, True, 0.0, EPOCH)
    seen, at = [], 0.0
    while True:
        seen.append((at / HOUR, table.phase(at)))
        change = table.next_change(at)
        if change is None:
            break
        at = change
    assert seen == [
        (0, "WAITING"),
        (2.5, "OPEN"),
        (3, "CLOSED"),
        (26, "OPEN"),
        (27, "CLOSED"),
        (50, "OPEN"),
        (50 + 1 / 6, "ENDED"),
    ]
    assert table.coming(0.0) == ["2026-01-02T02:00", "2026-01-03T02:00"]


def test_windows_that_touch_are_one() -> None:
    config = SchedulingConfig(
        "2026-01-01T01:00",
        maintenance_windows=(window("cron(0 2 * * ? *)", 60), window("cron(30 2 * * ? *)", 90)),
    )
    table = Timetable(config, True, 0.0, EPOCH)
    assert table.phase(2.9 * HOUR) == "OPEN"
    assert table.next_change(2.9 * HOUR) == 4 * HOUR
    assert table.phase(3.5 * HOUR) == "OPEN"
    assert len(table.coming(0.0)) == 7


def test_windows_that_never_come_again_close_for_good() -> None:
    config = SchedulingConfig(
        "2026-01-01T01:00", maintenance_windows=(window("cron(0 2 1 1 ? 2026)", 60),)
    )
    table = Timetable(config, True, 0.0, EPOCH)
    assert table.phase(4 * HOUR) == "CLOSED"
    assert table.next_change(4 * HOUR) is None


@pytest.mark.parametrize(
    ("config", "continuous", "words"),
    [
        (SchedulingConfig(maintenance_windows=(window(),)), True, "need a startTime"),
        (
            SchedulingConfig("2026-01-01T01:00", maintenance_windows=(window(),)),
            False,
            "CONTINUOUS jobs only",
        ),
        (
            SchedulingConfig("2026-01-01T01:00", maintenance_windows=(window("daily"),)),
            True,
            "no cron expression",
        ),
    ],
)
def test_what_is_wrong_with_a_schedule_is_told(
    config: SchedulingConfig, continuous: bool, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Timetable(config, continuous, 0.0, EPOCH)


# ------------------------------------------------------------------------------- jobs


def service_with(things: int) -> JobsService:
    service = JobsService(epoch=EPOCH)
    service.registry.create_thing_group("g")
    for number in range(things):
        service.registry.create_thing(f"t{number}")
        service.registry.add_thing_to_thing_group(f"t{number}", "g")
    return service


def windowed(
    service: JobsService, job_id: str = "J", per_minute: int | None = None, **more: object
) -> None:
    abort = more.pop("abort_config", None)
    members = {"end_time": None, "end_behavior": None, **more}
    config = SchedulingConfig("2026-01-01T02:00", maintenance_windows=(window(),), **members)  # type: ignore[arg-type]
    retry = JobExecutionsRetryConfig((RetryCriteria("FAILED", 1),))
    request = CreateJobRequest(
        [service.registry.group_arn("g")],
        "{}",
        target_selection="CONTINUOUS",
        job_executions_rollout_config=JobExecutionsRolloutConfig(per_minute),
        job_executions_retry_config=retry,
        scheduling_config=config,
        abort_config=abort,  # type: ignore[arg-type]
    )
    service.create_job(job_id, request, 0.0)


def run_to(service: JobsService, now: float, limit: int = 100) -> None:
    while (deadline := service.next_deadline()) is not None and deadline <= now:
        service.expire(deadline, limit)
    service.expire(now)


def report(service: JobsService, thing: str, status: str, now: float) -> None:
    request = UpdateJobExecutionRequest(status)  # type: ignore[arg-type]
    service.update_job_execution(thing, "J", request, now)


def queued(service: JobsService, thing: str) -> list[str]:
    reply = service.handle(thing, None, GetPendingJobExecutionsRequest(), 0.0)
    assert isinstance(reply, PendingReply)
    return [summary.job_id for summary in reply.queued_jobs]


def test_between_windows_what_is_queued_is_out_of_sight() -> None:
    service = service_with(3)
    windowed(service)
    assert service.describe_job("J").status == "SCHEDULED"
    assert service.describe_job("J").scheduled_job_rollouts is not None
    run_to(service, 2 * HOUR)
    assert service.describe_job("J").status == "IN_PROGRESS"
    assert service.job("J").counts["QUEUED"] == 3
    report(service, "t0", "IN_PROGRESS", 2.5 * HOUR)
    service.effects.clear()
    run_to(service, 3 * HOUR)
    assert service.describe_job("J").status == "SCHEDULED"
    assert service.job("J").counts["QUEUED"] == 2
    assert (queued(service, "t1"), service.pending("t0")[0].status) == ([], "IN_PROGRESS")
    told = [(type(e).__name__, e.thing_name) for e in service.effects]  # type: ignore[union-attr]
    assert told == [("Notify", "t1"), ("NotifyNext", "t1"), ("Notify", "t2"), ("NotifyNext", "t2")]
    report(service, "t0", "FAILED", 4 * HOUR)  # its retry waits for the window
    assert service.job("J").counts["QUEUED"] == 2
    service.effects.clear()
    run_to(service, 26 * HOUR)
    assert service.describe_job("J").status == "IN_PROGRESS"
    assert queued(service, "t1") == ["J"]
    newest = service.execution("t0", "J")
    assert (newest.execution_number, newest.retry_attempt) == (2, 1)
    assert {e.thing_name for e in service.effects if isinstance(e, NotifyNext)} == {
        "t0",
        "t1",
        "t2",
    }


def test_a_hidden_execution_may_be_started_cancelled_removed_or_deleted() -> None:
    service = service_with(4)
    windowed(service)
    run_to(service, 3 * HOUR)
    service.effects.clear()
    report(service, "t0", "IN_PROGRESS", 4 * HOUR)
    assert [type(e).__name__ for e in service.effects] == ["Notify", "NotifyNext"]
    service.effects.clear()
    report(service, "t1", "REJECTED", 4 * HOUR)
    service.delete_job_execution("t2", "J", 1, False, 4 * HOUR)
    service.remove_thing_from_thing_group("t3", "g", 4 * HOUR)
    assert service.effects == []  # they stood in no list
    counts = service.job("J").counts
    assert (counts["IN_PROGRESS"], counts["REJECTED"], counts["REMOVED"]) == (1, 1, 1)
    run_to(service, 26 * HOUR)
    assert [e.status for e in service.job("J").executions if not e.deleted] == [
        "IN_PROGRESS",
        "REJECTED",
        "REMOVED",
    ]


def test_a_job_aborts_between_windows_too() -> None:
    service = service_with(3)
    criteria = AbortConfig((AbortCriteria("FAILED", "CANCEL", 50, 1),))
    windowed(service, abort_config=criteria)
    run_to(service, 2 * HOUR)
    report(service, "t0", "IN_PROGRESS", 2 * HOUR)
    run_to(service, 5 * HOUR)
    assert service.job("J").status == "SCHEDULED"
    report(service, "t0", "FAILED", 5 * HOUR)
    assert service.job("J").status == "CANCELED"
    run_to(service, 40 * HOUR)
    assert service.job("J").counts["CANCELED"] == 2  # what was queued for the next window
    assert service.job("J").counts["QUEUED"] == 0


def test_what_is_hidden_behind_another_job_leaves_the_head_alone() -> None:
    service = service_with(1)
    create = CreateJobRequest([service.registry.thing_arn("t0")], "{}")
    service.create_job("first", create, 0.0)
    windowed(service)
    run_to(service, 2 * HOUR)
    assert queued(service, "t0") == ["first", "J"]
    service.effects.clear()
    run_to(service, 3 * HOUR)
    assert queued(service, "t0") == ["first"]
    run_to(service, 26 * HOUR)
    assert queued(service, "t0") == ["first", "J"]
    assert not [e for e in service.effects if isinstance(e, NotifyNext)]


def test_a_thing_that_joins_between_windows_waits_for_the_next() -> None:
    service = service_with(1)
    for name in ("early", "late", "gone"):
        service.registry.create_thing(name)
    windowed(service)
    service.add_thing_to_thing_group("early", "g", 1 * HOUR)
    run_to(service, 3 * HOUR)
    assert set(service.job("J").latest) == {"t0", "early"}
    service.add_thing_to_thing_group("late", "g", 4 * HOUR)
    service.add_thing_to_thing_group("gone", "g", 4 * HOUR)
    service.remove_thing_from_thing_group("gone", "g", 5 * HOUR)
    assert "late" not in service.job("J").latest
    run_to(service, 26 * HOUR)
    assert service.execution("late", "J").queued_at == 26 * HOUR
    assert "gone" not in service.job("J").latest


def test_a_rollout_rests_between_windows_and_goes_on_at_its_rate() -> None:
    service = service_with(150)
    windowed(service, per_minute=1)
    run_to(service, 25 * HOUR)
    assert service.job("J").released == 60
    run_to(service, 26 * HOUR)
    assert service.job("J").released == 61


def test_retries_that_wait_are_dropped_when_they_make_no_sense_any_more() -> None:
    service = service_with(3)
    windowed(service)
    run_to(service, 2 * HOUR)
    for name in ("t0", "t1", "t2"):
        report(service, name, "IN_PROGRESS", 2 * HOUR)
    run_to(service, 3 * HOUR)
    for name in ("t0", "t1", "t2"):
        report(service, name, "FAILED", 4 * HOUR)
    assert len(service.job("J").backlog) == 3
    service.remove_thing_from_thing_group("t0", "g", 4 * HOUR)
    service.delete_job_execution("t1", "J", 1, False, 4 * HOUR)
    run_to(service, 26 * HOUR)
    assert [e.thing_name for e in service.job("J").executions if e.status == "QUEUED"] == ["t2"]


@pytest.mark.parametrize(
    ("behavior", "counts"),
    [
        (None, {"QUEUED": 2, "IN_PROGRESS": 1}),
        ("CANCEL", {"CANCELED": 2, "IN_PROGRESS": 1}),
        ("FORCE_CANCEL", {"CANCELED": 3}),
    ],
)
def test_the_end_comes_between_windows_too(behavior: object, counts: dict[str, int]) -> None:
    service = service_with(3)
    windowed(service, end_time="2026-01-01T05:00", end_behavior=behavior)
    run_to(service, 2 * HOUR)
    report(service, "t0", "IN_PROGRESS", 2 * HOUR)
    run_to(service, 5 * HOUR)
    job = service.job("J")
    assert {status: n for status, n in job.counts.items() if n} == counts
    assert queued(service, "t1") == (["J"] if behavior is None else [])
    service.registry.create_thing("late")
    service.add_thing_to_thing_group("late", "g", 5 * HOUR)
    run_to(service, 30 * HOUR)
    for execution in list(job.executions):
        if execution.status in ("QUEUED", "IN_PROGRESS"):
            report(service, execution.thing_name, "FAILED", 30 * HOUR)
    assert job.status == "COMPLETED"
    assert not [e for e in job.executions if e.retry_attempt]
    assert "late" not in job.latest


def test_an_end_inside_a_window_needs_nothing_shown() -> None:
    service = service_with(1)
    windowed(service, end_time="2026-01-01T02:30")
    run_to(service, 3 * HOUR)
    assert service.job("J").phase == "ENDED"
    assert queued(service, "t0") == ["J"]


def test_a_service_that_slept_through_start_and_end_completes_the_job() -> None:
    service = service_with(1)
    windowed(service, end_time="2026-01-01T02:30")
    service.expire(10 * HOUR)
    assert service.job("J").status == "COMPLETED"
    assert service.job("J").executions == []


def test_a_start_between_windows_waits_for_one() -> None:
    service = service_with(1)
    config = SchedulingConfig("2026-01-01T04:00", maintenance_windows=(window(),))
    request = CreateJobRequest(
        [service.registry.group_arn("g")],
        "{}",
        target_selection="CONTINUOUS",
        scheduling_config=config,
    )
    service.create_job("J", request, 0.0)
    run_to(service, 25 * HOUR)
    assert (service.job("J").status, service.job("J").executions) == ("SCHEDULED", [])
    run_to(service, 26 * HOUR)
    assert service.job("J").counts["QUEUED"] == 1


def test_windows_open_and_close_in_slices() -> None:
    service = service_with(500)
    windowed(service)
    run_to(service, 2 * HOUR + 60)
    assert service.job("J").counts["QUEUED"] == 500
    service.effects.clear()
    assert service.expire(3 * HOUR, limit=200) == 200
    assert sum(isinstance(e, Notify) for e in service.effects) == 200
    assert service.next_deadline() == 3 * HOUR
    service.expire(26 * HOUR, limit=100)  # the window opens before all is hidden
    run_to(service, 26 * HOUR)
    assert all(not e.hidden for e in service.job("J").executions)


def test_jobs_with_windows_are_reported_beside_ten_others() -> None:
    service = service_with(1)
    for number in range(7):
        windowed(service, f"W{number}")
    run_to(service, 2 * HOUR)
    plain = CreateJobRequest([service.registry.thing_arn("t0")], "{}")
    for number in range(12):
        service.create_job(f"P{number}", plain, 2 * HOUR)
    shown = queued(service, "t0")
    assert [name[0] for name in shown].count("W") == 5
    assert [name[0] for name in shown].count("P") == 10
    last = service.effects[-1]
    assert isinstance(last, Notify)
    assert len(last.queued) == 15


def test_a_bad_schedule_is_refused_and_changes_nothing() -> None:
    service = service_with(1)
    with pytest.raises(InvalidRequest, match="schedulingConfig: endBehavior needs an endTime"):
        windowed(service, end_behavior="CANCEL")
    assert not service.jobs
