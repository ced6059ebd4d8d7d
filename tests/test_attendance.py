"""Things that come and go by their timetable: the connection is gone, the work goes on."""

import pytest

from simulator import results
from simulator.behaviour import Agent, Presence
from tests.one_thing import NAME, SUCCEED, live


def schedule(*intervals: tuple[float, float]) -> Presence:
    return Presence("schedule", intervals=intervals)


def test_reports_wait_while_the_work_goes_on() -> None:
    """Away from 90 s to 1000 s: three steps of a minute are done when it is back."""
    seen = live(presence=schedule((0.0, 90.0), (1000.0, 2000.0)))
    back = seen.connects()[1]
    assert 1000.0 <= back < 1001.0  # jittered below the backoff's base
    assert seen.requests[1:5] == [
        (60.0, "job IN_PROGRESS v2", "accepted"),
        (back, "Describe $next", "accepted"),
        (back, "job IN_PROGRESS v3", "accepted"),
        (back, "job SUCCEEDED v4", "accepted"),
    ]


def test_who_is_back_before_a_step_ends_reports_it_in_time() -> None:
    seen = live(presence=schedule((0.0, 70.0), (80.0, 2000.0)))
    assert 80.0 <= seen.connects()[1] < 81.0
    assert seen.updates() == [
        (60.0, "IN_PROGRESS v2", "accepted"),
        (120.0, "IN_PROGRESS v3", "accepted"),
        (180.0, "SUCCEEDED v4", "accepted"),
    ]


def test_work_catches_up_only_so_far() -> None:
    """Back at 130 s, the second step's report is late; the third step ends when it was to end."""
    seen = live(presence=schedule((0.0, 70.0), (130.0, 2000.0)))
    late = seen.connects()[1]
    assert seen.updates()[1:] == [
        (late, "IN_PROGRESS v3", "accepted"),
        (180.0, "SUCCEEDED v4", "accepted"),
    ]


def test_nobody_connects_before_it_is_there() -> None:
    seen = live(presence=schedule((500.0, 2000.0)))
    assert 500.0 <= seen.requests[0][0] < 501.0
    assert [what for _, what, _ in seen.requests][:2] == ["StartNext", "job IN_PROGRESS v2"]
    assert [row.outcome for row in seen.records(results.CONNECT)] == [results.ACCEPTED]


@pytest.mark.parametrize(("until", "truth"), [(100.0, "unreported"), (2000.0, "away")])
def test_the_truth_about_who_was_away(until: float, truth: str) -> None:
    """Timed out at 10 minutes, when the work was done, or was not."""
    work = SUCCEED if until == 100.0 else SUCCEED._replace(step_s=1000.0)
    seen = live(work, presence=schedule((0.0, 100.0), (5000.0, 9000.0)), timeout_minutes=10)
    assert seen.end()[0] == "TIMED_OUT"
    assert seen.fates.truth(NAME, "job", 1, 600.0) == (truth, "absent")
    never = live(work, presence=schedule((0.0, 100.0)), timeout_minutes=10)
    assert never.fates.truth(NAME, "job", 1, 600.0) == (truth, "absent")


def test_several_at_a_time_wait_as_one() -> None:
    seen = live(
        agent=Agent(parallel=2),
        jobs=("job", "other"),
        presence=schedule((0.0, 90.0), (1000.0, 2000.0)),
    )
    back = seen.connects()[1]
    for job_id in ("job", "other"):
        assert seen.updates(job_id)[2:] == [
            (back, "IN_PROGRESS v3", "accepted"),
            (back, "SUCCEEDED v4", "accepted"),
        ]
    assert len(seen.connects()) == 2
