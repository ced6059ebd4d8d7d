"""The job of a scenario: what the service can do is taken, all else has a line and a reason."""

import pytest

from simulator.errors import ScenarioError
from simulator.run import Finished, Resolved, rehearse
from simulator.scenario import dump, loads

TEXT = """\
fleet:
  - cohort: g
    things: 20
    work: {work}
    outcome: {outcome}
job:
  document: {{a: 1}}
{job}
load: {{until: {until}}}
"""


def text(
    job: str = "", work: str = "{duration: 60s}", outcome: str = "{}", until: str = "4h"
) -> str:
    lines = "\n".join(f"  {line}" for line in job.strip().splitlines())
    return TEXT.format(job=lines, work=work, outcome=outcome, until=until)


def run(
    job: str, work: str = "{duration: 60s}", outcome: str = "{}", until: str = "4h"
) -> Finished:
    return rehearse(Resolved.of(loads(text(job, work, outcome, until)), None, None))


RETRY = "jobExecutionsRetryConfig: {criteriaList: [{failureType: FAILED, numberOfRetries: 2}]}"
ABORT = (
    "abortConfig: {criteriaList: [{failureType: FAILED, action: CANCEL, "
    "thresholdPercentage: 50, minNumberOfExecutedThings: 5}]}"
)


def test_a_retried_execution_is_attempt_two() -> None:
    finished = run(RETRY, outcome="{fail: 50%}")
    executions = finished.summary.executions
    assert executions["FAILED"] + executions["SUCCEEDED"] > 20
    assert finished.summary.ended == "job completed"
    assert finished.summary.not_rolled_out == 0
    attempts = {int(number) for number in finished.records["attempt"]}
    assert {1, 2, 3} <= attempts
    assert max(attempts) == 3


def test_everything_fails_three_times_with_two_retries() -> None:
    assert run(RETRY, outcome="{fail: 100%}").summary.executions == {"FAILED": 60}


def test_a_slow_thing_learns_that_its_retry_is_queued() -> None:
    job = """
timeoutConfig: {inProgressTimeoutInMinutes: 1}
jobExecutionsRetryConfig: {criteriaList: [{failureType: TIMED_OUT, numberOfRetries: 1}]}
"""
    summary = run(job, work="{duration: 90s, steps: 3}").summary
    assert summary.executions == {"TIMED_OUT": 40}
    assert summary.timeouts.false_ == 40
    assert summary.conflicts.by_cause["service"] == summary.conflicts.count > 0
    assert summary.ended == "job completed"


def test_abort_ends_the_run_with_what_it_cancelled() -> None:
    rate = "jobExecutionsRolloutConfig: {maximumPerMinute: 5}"
    summary = run(f"{ABORT}\n{rate}", "{duration: 30s}", "{fail: 100%}").summary
    assert summary.ended == "job canceled"
    assert summary.executions == {"FAILED": 5}
    assert (summary.elapsed_s, summary.not_rolled_out) == (30.0, 15)


def test_an_exponential_rate_is_rehearsed() -> None:
    job = """
jobExecutionsRolloutConfig:
  exponentialRate:
    baseRatePerMinute: 2
    incrementFactor: 2
    rateIncreaseCriteria: {numberOfNotifiedThings: 4}
"""
    summary = run(job, work="{duration: 1s}").summary
    # 2, 2, then 4 are out: 4, then 8 are out: 8, then the last 4
    assert summary.elapsed_s == 4 * 60 + 1


def test_a_schedule_begins_and_ends_a_run() -> None:
    job = """
jobExecutionsRolloutConfig: {maximumPerMinute: 1}
schedulingConfig: {startTime: "2026-01-01T01:00", endTime: "2026-01-01T01:30"}
"""
    assert run(job, work="{duration: 1s}").summary.elapsed_s == 3600 + 19 * 60 + 1
    cancel = job.replace('01:30"', '01:30", endBehavior: FORCE_CANCEL')
    summary = run(cancel, work="{duration: 2h}", until="5h").summary
    assert (summary.executions, summary.elapsed_s) == ({"CANCELED": 20}, 5400.0)


def test_a_continuous_job_and_a_managed_template_are_taken() -> None:
    summary = run("targetSelection: CONTINUOUS", until="10m").summary
    assert (summary.executions, summary.ended) == ({"SUCCEEDED": 20}, "until reached")
    template = "arn:aws:iot:us-east-1::jobtemplate/AWS-Reboot:1.0"
    managed = text(f'jobTemplateArn: "{template}"').replace("  document: {a: 1}\n", "")
    assert rehearse(Resolved.of(loads(managed), None, None)).summary.executions == {"SUCCEEDED": 20}


def test_what_was_read_is_written_again() -> None:
    loaded = loads(text(f"{RETRY}\n{ABORT}"), "x.yaml")
    assert loads(dump(loaded.scenario), "x.yaml").scenario == loaded.scenario


@pytest.mark.parametrize(
    ("job", "line", "words"),
    [
        (RETRY.replace("2}", "11}"), 8, "numberOfRetries: Expected a whole number <= 10"),
        (RETRY.replace("FAILED", "REJECTED"), 8, "job.jobExecutionsRetryConfig.criteriaList[0]"),
        (RETRY.replace("failureType", "failuretype"), 8, "Did you mean 'failureType'?"),
        ("jobExecutionsRetryConfig: {criteriaList: 3}", 8, "Expected a list, got a whole number"),
        (ABORT.replace("50", "0"), 8, "Expected a number > 0"),
        (ABORT.replace("CANCEL", "STOP"), 8, "'STOP'"),
        ("abortConfig: [1]", 8, "job.abortConfig: must be a mapping"),
        ("schedulingConfig: {endBehavior: CANCEL}", 8, "endBehavior needs an endTime"),
        ('schedulingConfig: {startTime: "2026-01-01T00:10"}', 8, "30 minutes to one year from now"),
        ("schedulingConfig: {startTime: tomorrow}", 8, "write YYYY-MM-DDThh:mm"),
        ("description: 3", 8, "job.description: Expected text"),
        ("documentParameters: {a: b}", 8, "AWS managed templates only"),
        ("jobTemplateArn: mine", 8, "job.jobTemplateArn"),
        ("presignedUrlConfig: {expiresInSec: 5}", 8, "Expected a whole number >= 60"),
        ("namespaceId: x", 8, "is not supported in a scenario"),
        (
            "jobExecutionsRolloutConfig:\n  exponentialRate:\n    baseRate: 1",
            10,
            "Did you mean 'baseRatePerMinute'?",
        ),
        (
            "jobExecutionsRolloutConfig:\n  exponentialRate: {baseRatePerMinute: 1, "
            "incrementFactor: 2, rateIncreaseCriteria: {}}",
            9,
            "rateIncreaseCriteria needs",
        ),
    ],
)
def test_a_fault_has_one_message_with_its_line(job: str, line: int, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(text(job), "x.yaml")
    (message,) = str(caught.value).splitlines()
    assert message.startswith(f"x.yaml:{line}: job"), message
    assert words in message


def test_a_schedule_is_held_against_the_scenarios_epoch() -> None:
    job = 'schedulingConfig: {startTime: "2026-06-01T01:00"}'
    loads(text(job))
    with pytest.raises(ScenarioError, match="30 minutes to one year from now"):
        loads("epoch: 2026-07-01T00:00:00Z\n" + text(job))
    for epoch, words in (("null", "is no time"), ("never", "is no time")):
        with pytest.raises(ScenarioError, match=words):
            loads(f"epoch: {epoch}\n" + text(job))


def test_placeholders_without_a_role_are_told() -> None:
    job = "x"
    placeholder = "${aws:iot:s3-presigned-url:https://s3.amazonaws.com/b/k}"
    wrong = text(job).replace("  x\n", "").replace("{a: 1}", f'["{placeholder}"]')
    with pytest.raises(ScenarioError, match="a mapping or JSON text"):
        loads(wrong)
    wrong = text(job).replace("  x\n", "").replace("{a: 1}", f'{{url: "{placeholder}"}}')
    with pytest.raises(ScenarioError, match="presignedUrlConfig needs a roleArn"):
        loads(wrong)
