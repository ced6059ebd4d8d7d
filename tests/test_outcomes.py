"""What befalls one thing with an execution, as the service sees it."""

from typing import Any

import pytest

from simulator import results
from simulator.behaviour import Agent, Outcome, WorkPlan
from tests.one_thing import NAME, SUCCEED, live

MINUTE = 60.0


def plan(outcome: Outcome, step: int = 2, **more: Any) -> WorkPlan:
    return SUCCEED._replace(outcome=outcome, fault_step=step, **more)


def test_success_is_start_next_a_report_for_each_step_and_the_end() -> None:
    seen = live()
    assert seen.requests == [
        (0.0, "StartNext", "accepted"),
        (60.0, "job IN_PROGRESS v2", "accepted"),
        (120.0, "job IN_PROGRESS v3", "accepted"),
        (180.0, "job SUCCEEDED v4", "accepted"),
    ]
    assert seen.end() == ("SUCCEEDED", 5, None)


def test_steps_have_durations_and_timeouts_of_their_own() -> None:
    """The report that begins a step says how long it may take; start-next knows no job's steps."""
    work = SUCCEED._replace(each=(10.0, 20.5, 3.25), timeouts=(5, None, 7))
    assert live(work).updates() == [
        (0.0, "IN_PROGRESS v2 5m", "accepted"),
        (10.0, "IN_PROGRESS v3", "accepted"),
        (30.5, "IN_PROGRESS v4 7m", "accepted"),
        (33.75, "SUCCEEDED v5", "accepted"),
    ]


def test_a_failure_says_why_and_in_which_step() -> None:
    seen = live(plan(Outcome.FAIL, reason="bad-signature"))
    assert seen.updates()[-1] == (120.0, "FAILED v3", "accepted")
    assert seen.end() == ("FAILED", 4, {"reason": "bad-signature", "failedStep": "2"})
    assert live(plan(Outcome.FAIL)).end()[2] == {"failedStep": "2"}


def test_a_rejection_says_why_at_once() -> None:
    seen = live(plan(Outcome.REJECT, reason="battery"))
    assert seen.updates() == [(0.0, "REJECTED v2", "accepted")]
    assert seen.end() == ("REJECTED", 3, {"reason": "battery"})


def test_who_hangs_for_ever_says_nothing_more() -> None:
    seen = live(plan(Outcome.HANG), timeout_minutes=30)
    assert seen.updates() == [(60.0, "IN_PROGRESS v2", "accepted")]
    assert seen.end() == ("TIMED_OUT", 4, None)
    assert seen.fates.hung == {NAME: ("job", 1)}
    assert seen.fates.truth(NAME, "job", 1, 1800.0) == ("hung", "")


def test_a_watchdog_restarts_an_agent_that_hangs_and_it_begins_anew() -> None:
    seen = live(plan(Outcome.HANG, away_s=600.0))
    assert seen.connects() == [0.0, 660.0]
    assert seen.requests[2:] == [
        (660.0, "StartNext", "accepted"),
        (720.0, "job IN_PROGRESS v3", "accepted"),
        (780.0, "job IN_PROGRESS v4", "accepted"),
        (840.0, "job SUCCEEDED v5", "accepted"),
    ]
    assert seen.fates.truth(NAME, "job", 1, 659.0)[0] == "hung"
    assert seen.fates.truth(NAME, "job", 1, 661.0)[0] == "working"


def test_who_vanishes_knows_nothing_of_it_afterwards() -> None:
    """Power is lost half-way through the step; StartNext hands out the same execution again."""
    seen = live(plan(Outcome.VANISH, away_s=600.0))
    assert seen.connects() == [0.0, 690.0]
    assert seen.requests[2:] == [
        (690.0, "StartNext", "accepted"),
        (750.0, "job IN_PROGRESS v3", "accepted"),
        (810.0, "job IN_PROGRESS v4", "accepted"),
        (870.0, "job SUCCEEDED v5", "accepted"),
    ]


def test_who_vanishes_for_ever_is_gone() -> None:
    seen = live(plan(Outcome.VANISH), timeout_minutes=30)
    assert seen.end()[0] == "TIMED_OUT"
    assert seen.fates.truth(NAME, "job", 1, 1800.0) == ("vanished", "")
    assert seen.fates.truth(NAME, "job", 1, 80.0) == ("working", "")


def test_a_reboot_resumes_at_its_step() -> None:
    seen = live(plan(Outcome.REBOOT, away_s=40.0))
    assert seen.connects() == [0.0, 130.0]
    assert seen.requests[2:] == [
        (130.0, "Describe $next", "accepted"),
        (190.0, "job IN_PROGRESS v3", "accepted"),
        (250.0, "job SUCCEEDED v4", "accepted"),
        (250.0, "StartNext", "accepted"),  # what it may have missed
    ]


@pytest.mark.parametrize("outcome", [Outcome.HANG, Outcome.VANISH, Outcome.REBOOT])
def test_a_thing_that_was_gone_too_long_does_the_retry(outcome: Outcome) -> None:
    """Timed out meanwhile, and queued again: the second attempt has a plan of its own."""
    plans = {(1, 0): plan(outcome, away_s=7200.0)}
    seen = live(plans, timeout_minutes=30, retries=1)
    assert seen.end() == ("SUCCEEDED", 5, None)
    assert seen.service.execution(NAME, "job").execution_number == 2
    assert [what for _, what, _ in seen.updates()] == [
        "IN_PROGRESS v2", "IN_PROGRESS v2", "IN_PROGRESS v3", "SUCCEEDED v4",
    ]  # fmt: skip


def test_a_report_that_is_sent_twice_changes_nothing() -> None:
    seen = live(SUCCEED._replace(duplicated=1.0))
    assert seen.updates() == [
        (60.0, "IN_PROGRESS v2", "accepted"),
        (60.0, "IN_PROGRESS v2", "VersionMismatch"),
        (120.0, "IN_PROGRESS v3", "accepted"),
        (120.0, "IN_PROGRESS v3", "VersionMismatch"),
        (180.0, "SUCCEEDED v4", "accepted"),
    ]
    strays = [row for row in seen.records() if row.outcome == results.VERSION_MISMATCH]
    assert {(row.fault, row.cause) for row in strays} == {(results.DUPLICATED, results.DUPLICATE)}


def test_a_report_out_of_order_goes_out_after_the_next_one() -> None:
    seen = live(SUCCEED._replace(out_of_order=1.0))
    assert seen.updates() == [
        (120.0, "IN_PROGRESS v3", "VersionMismatch"),
        (120.0, "IN_PROGRESS v2", "accepted"),
        (120.0, "IN_PROGRESS v2", "VersionMismatch"),
        (180.0, "SUCCEEDED v3", "accepted"),
    ]
    unversioned = live(SUCCEED._replace(out_of_order=1.0), Agent(expected_version=False))
    assert [how for _, _, how in unversioned.updates()] == ["accepted"] * 3
    assert unversioned.end() == ("SUCCEEDED", 5, None)


def test_what_is_sent_twice_is_a_share() -> None:
    """Of 99 reports, by a mix of seed, thing, job, attempt and step."""
    seen = live(SUCCEED._replace(steps=100, step_s=1.0, duplicated=0.3))
    assert 15 < sum(how == "VersionMismatch" for _, _, how in seen.updates()) < 45
