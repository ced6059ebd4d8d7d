"""The agenda by itself: what comes when, in which order, whatever the minute."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.jobs import JobsService
from simulator.jobs.agenda import Agenda
from simulator.jobs.configuration import JobExecutionsRolloutConfig, TimeoutConfig
from simulator.jobs.messages import (
    CreateJobRequest,
    NotifyNext,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.model import Job, JobExecution


def job() -> Job:
    return Job(
        "J", 0, [], "{}", None, "SNAPSHOT", TimeoutConfig(), JobExecutionsRolloutConfig(), 0, 0, []
    )


def execution(of: Job, number: int) -> JobExecution:
    made = JobExecution(of, f"t{number}", 1, number, 0.0)
    made.status = "IN_PROGRESS"
    return made


times = st.integers(0, 4_000).map(lambda tenths: tenths / 10)


@given(st.lists(st.tuples(times, times, st.sampled_from(["stays", "ended", "moved"]))))
def test_what_is_due_comes_in_order_of_time_then_of_entry(
    plans: list[tuple[float, float, str]],
) -> None:
    """And what has ended does not come; what has moved away comes when it is due now."""
    agenda, made, expected = Agenda(), job(), []
    for number, (due, later, fate) in enumerate(plans):
        one = execution(made, number)
        one.in_progress_deadline = one.scheduled = due
        agenda.enter(due, number, one)
        if fate == "ended":
            one.in_progress_deadline, one.status = None, "SUCCEEDED"
            continue
        if fate == "moved":
            one.in_progress_deadline = due + later
        expected.append((one.in_progress_deadline, number))
    assert len(agenda) == len(plans)
    came = []
    for now in range(0, 1_000, 7):
        deadline = agenda.next_deadline()
        assert deadline is None or agenda.nothing_before(deadline)
        assert deadline is None or not agenda.nothing_before(deadline + 60)
        while (item := agenda.next_due(now)) is not None:
            assert isinstance(item, JobExecution)
            came.append((item.deadline, item.sequence))
    assert came == sorted(expected)
    assert agenda.next_deadline() is None
    assert agenda.nothing_before(0)


def test_a_job_has_one_live_entry() -> None:
    agenda, made = Agenda(), job()
    agenda.enter(500.0, 1, made)
    agenda.enter(30.0, 2, made)
    agenda.enter(20.0, 3, made)
    made.planned = 20.0
    assert agenda.nothing_before(0.0)  # nobody has looked yet
    assert [agenda.next_due(now) for now in (10.0, 20.0)] == [None, made]
    made.planned = 30.0
    assert agenda.next_deadline() == 30.0
    made.planned = 40.0
    agenda.enter(40.0, 4, made)
    assert agenda.next_deadline() == 40.0
    assert agenda.next_due(40.0) is made
    assert len(agenda) == 1  # the one at 500
    assert agenda.next_deadline() is None
    assert len(agenda) == 0


def test_where_nobody_hears_lists_only_the_next_is_told() -> None:
    service = JobsService(notify=False)
    service.registry.create_thing("lamp")
    arn = service.registry.thing_arn("lamp")
    service.create_job("J", CreateJobRequest([arn], "{}"), 0.0)
    service.handle("lamp", None, StartNextPendingJobExecutionRequest(), 1.0)
    service.handle("lamp", "J", UpdateJobExecutionRequest("SUCCEEDED"), 2.0)
    told = [e.execution is None for e in service.effects if isinstance(e, NotifyNext)]
    assert told == [False, True]
    assert [type(e).__name__ for e in service.effects] == ["NotifyNext", "NotifyNext", "JobEnded"]
