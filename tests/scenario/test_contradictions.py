"""What contradicts itself is pointed out with its line, and runs nevertheless."""

import pytest

from simulator.scenario import loads

FLEET = """\
load: {until: 2h}
fleet:
  - cohort: gateways
    things: 1000
    work: {duration: 90s, steps: 4}
"""
TIMEOUT = "timeoutConfig: {inProgressTimeoutInMinutes: 9}"
RETRY = "jobExecutionsRetryConfig: {criteriaList: [{failureType: TIMED_OUT, numberOfRetries: 1}]}"
RETRY_FAILED = RETRY.replace("TIMED_OUT", "FAILED")


def notes(cohort: str = "", job: str = "", rest: str = "", fleet: str = FLEET) -> list[str]:
    text = f"{fleet}    {cohort}\njob: {{document: {{}}, {job}}}\n{rest}\n"
    return loads(text, "x.yaml").notes


@pytest.mark.parametrize(
    ("cohort", "job", "words"),
    [
        (
            "outcome: {hang: 2%}",
            "",
            "hang: for ever, and no timer ends the execution",
        ),
        ("outcome: {vanish: 2%}", "", "vanish: for ever, and no timer ends the execution"),
        ("outcome: {hang: 2%}", f"{TIMEOUT}, {RETRY}", "so the retry after a timeout stays QUEUED"),
        ("outcome: {hang: [0%, 2%]}", "", "no timer ends the execution"),
    ],
)
def test_what_stops_for_ever_needs_a_timer(cohort: str, job: str, words: str) -> None:
    (note,) = notes(cohort, job)
    assert note.startswith("x.yaml:6: fleet[0].outcome.")
    assert words in note


@pytest.mark.parametrize(
    ("cohort", "job"),
    [
        ("outcome: {hang: 2%}", TIMEOUT),
        ("outcome: {hang: {share: 2%, away: 1h}, vanish: {share: 2%, away: 1h}}", RETRY),
        ("outcome: {fail: 2%, reject: 1%}", ""),
        ("", RETRY),
    ],
)
def test_what_comes_to_an_end_is_no_contradiction(cohort: str, job: str) -> None:
    assert notes(cohort, job) == []


@pytest.mark.parametrize(
    ("work", "agent", "words"),
    [
        ("duration: 9s, steps: 4, step_timeout: 9m", "device-client", "(step_timer: none)"),
        ("duration: 9s, steps: 4, step_timeout: 9m", "{progress: none}", "(progress: none)"),
        ("duration: 9s, step_timeout: 9m", "default", "work of one step has no progress report"),
        ("steps: [{duration: 9s}, {duration: 9s, timeout: 1m}]", "{progress: none}", "never set"),
    ],
)
def test_a_step_timeout_that_no_report_carries(work: str, agent: str, words: str) -> None:
    fleet = FLEET.replace("duration: 90s, steps: 4", work)
    (note,) = notes(f"agent: {agent}", fleet=fleet)
    assert note.startswith("x.yaml:5: fleet[0].work.step")
    assert words in note


@pytest.mark.parametrize(
    ("work", "agent"),
    [
        ("duration: 9s, steps: 4, step_timeout: 9m", "default"),
        ("duration: 9s, step_timeout: 9m", "{start: notify-next}"),
        ("duration: 9s, step_timeout: 9m", "{progress: 5s}"),
        ("steps: [{duration: 9s, timeout: 1m}]", "default"),
    ],
)
def test_a_step_timeout_that_some_report_carries(work: str, agent: str) -> None:
    fleet = FLEET.replace("duration: 90s, steps: 4", work)
    assert notes(f"agent: {agent}", fleet=fleet) == []


def test_no_step_timer_runs_in_the_first_step_of_start_next() -> None:
    fleet = FLEET.replace("steps: 4", "steps: 4, step_timeout: 9m")
    (note,) = notes("outcome: {hang: 2%}", fleet=fleet)
    assert "in the first step no timer runs yet" in note
    assert notes("outcome: {hang: {share: 2%, step: 2}}", fleet=fleet) == []
    assert notes("outcome: {hang: 2%}", TIMEOUT, fleet=fleet) == []


@pytest.mark.parametrize(
    ("expect", "cohort", "job", "words"),
    [
        ('succeeded: ">= 99%"', "outcome: {fail: 3%}", "", "leave about 97.0% that succeed"),
        ('succeeded: "== 1000"', "outcome: {reject: 5%}", "", "leave about 95.0% that succeed"),
        ('succeeded: ">= 1001"', "", "", "more than the 1000 executions that there can be"),
        ('failed: ">= 1001"', "", "", "more than the 1000 executions that there can be"),
        ('failed: "> 2000"', "", RETRY_FAILED, "more than the 2000 executions that there can be"),
        ('true_timeouts: ">= 1"', "", "", "nothing hangs or vanishes"),
        ('completes_within: "<= 3h"', "", "", "reaches beyond the run, which ends at load.until"),
        ('completes_within: ">= 2h"', "", "", "the run ends at load.until (2h)"),
        ('completes_within: "<= 1h"', "", "targetSelection: CONTINUOUS", "never completes without"),
        ('conflicts: "> 3"', "agent: device-client", "", "no agent sends expectedVersion"),
        (
            'succeeded: ">= 90%"',
            "",
            "jobExecutionsRolloutConfig: {maximumPerMinute: 5}",
            "maximumPerMinute 5 releases 605 executions until load.until (2h), and 900 are asked",
        ),
    ],
)
def test_an_expectation_that_can_never_be_met(
    expect: str, cohort: str, job: str, words: str
) -> None:
    (note,) = notes(cohort, job, f"expect: {{{expect}}}")
    assert note.startswith(f"x.yaml:8: expect.{expect.partition(':')[0]}: ")
    assert words in note


@pytest.mark.parametrize(
    ("expect", "cohort", "job"),
    [
        ('succeeded: ">= 96%"', "outcome: {fail: 5%}", ""),  # chance may still have it so
        ('succeeded: ">= 99%"', "outcome: {fail: 5%}", RETRY_FAILED),
        ('succeeded: "<= 99%"', "outcome: {fail: 5%}", ""),
        ('failed: ">= 1001"', "outcome: {fail: 90%}", RETRY_FAILED),
        ('completes_within: "<= 2h"', "", ""),
        ('conflicts: "== 0"', "agent: device-client", ""),
        ('succeeded: ">= 60%"', "", "jobExecutionsRolloutConfig: {maximumPerMinute: 5}"),
    ],
)
def test_an_expectation_that_may_be_met(expect: str, cohort: str, job: str) -> None:
    assert notes(cohort, job, f"expect: {{{expect}}}") == []


def test_an_expectation_of_one_cohort_is_held_against_that() -> None:
    fleet = FLEET + "    outcome: {fail: 50%}\n  - {cohort: b, things: 9, work: {duration: 1s}}\n"
    wanted = 'expect: {"succeeded[gateways]": ">= 90%", "succeeded[b]": "== 9"}'
    (note,) = notes(fleet=fleet, rest=wanted)
    assert "expect.succeeded[gateways]" in note


def test_a_cohort_without_things_and_a_group_that_nobody_follows() -> None:
    fleet = "things: 1000\n" + FLEET + "  - {cohort: few, weight: 1, work: {duration: 1s}}\n"
    (note,) = notes(fleet=fleet)
    assert "the cohort 'few' is empty" in note
    joins = "service: [{join: true, at: 1h}]"
    (note,) = notes(rest=joins)
    assert "service[0].join: the job 'x' is a SNAPSHOT and does not follow its group" in note
    assert notes(rest=joins, job="targetSelection: CONTINUOUS") == []


@pytest.mark.parametrize(
    ("presence", "words"),
    [
        (f"{{hourly: [{', '.join('0' * 24)}]}}", "presence.hourly: all shares are 0%"),
        ("{schedule: [{from: 2h, until: 3h}]}", "nobody is there before the run ends"),
    ],
)
def test_who_is_never_there(presence: str, words: str) -> None:
    (note,) = notes(f"presence: {presence}")
    assert words in note


def test_a_job_of_its_own_outcome_is_told_too() -> None:
    jobs = "jobs: [{create: {document: {}}, outcome: {hang: 1%}}]\n"
    (note,) = loads(FLEET + jobs, "x.yaml").notes
    assert "no timer ends the execution" in note
