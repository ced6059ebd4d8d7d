"""Several jobs in one rehearsal: when they are created, for whom, and when the run is over."""

from simulator import results
from simulator.run import Finished, Resolved, rehearse
from simulator.scenario import loads

FLEET = """\
fleet:
  - {cohort: a, things: 10, work: {duration: 90s, steps: 3}}
  - {cohort: b, things: 5, work: {duration: 90s, steps: 3}}
"""


def run(text: str) -> Finished:
    return rehearse(Resolved.of(loads(FLEET + text), None, None))


def test_each_job_is_for_its_own_things_at_its_own_time() -> None:
    finished = run(
        "jobs:\n"
        "  - create: {jobId: first, document: {}}\n"
        "  - {create: {jobId: late, document: {}}, at: 1h, where: {cohort: b},"
        " work: {duration: 30s}}\n"
        "load: {until: 1d}\n"
    )
    assert (finished.summary.ended, finished.summary.elapsed_s) == ("job completed", 3630.0)
    assert finished.summary.executions == {"SUCCEEDED": 20}
    updates = finished.records[finished.records["operation"] == results.UPDATE]
    late = updates[updates["job"] == 1]
    assert sorted(late["thing"].tolist()) == [10, 11, 12, 13, 14]
    assert set(late["sent"].tolist()) == {3630.0}
    assert (updates["job"] == 0).sum() == 45


def test_a_run_goes_on_until_the_last_job_has_ended() -> None:
    """A continuous job never does."""
    finished = run(
        "jobs:\n"
        "  - create: {jobId: first, document: {}}\n"
        "  - create: {jobId: on, document: {}, targetSelection: CONTINUOUS}\n"
        "load: {until: 1h}\n"
    )
    assert (finished.summary.ended, finished.summary.elapsed_s) == ("until reached", 3600.0)
    assert finished.summary.executions == {"SUCCEEDED": 30}


def test_jobs_that_end_differently_are_counted() -> None:
    abort = (
        "{criteriaList: [{action: CANCEL, failureType: FAILED, minNumberOfExecutedThings: 1,"
        " thresholdPercentage: 1}]}"
    )
    finished = run(
        "jobs:\n"
        "  - create: {jobId: good, document: {}}\n"
        f"  - create: {{jobId: bad, document: {{}}, abortConfig: {abort}}}\n"
        "    outcome: {fail: 100%}\n"
        "load: {until: 1d}\n"
    )
    assert finished.summary.ended == "jobs ended: 1 completed, 1 canceled"
    assert finished.summary.executions["SUCCEEDED"] == 15


def test_a_run_is_over_when_its_job_is_deleted_and_counts_that() -> None:
    finished = run(
        "job: {jobId: j, document: {}}\n"
        "service: [{name: oops, delete_job: j, force: true, at: 40s}]\n"
        "load: {until: 1d}\n"
        "expect: {incidents.oops: 1}\n"
    )
    assert (finished.summary.ended, finished.summary.elapsed_s) == ("job deleted", 40.0)
    assert finished.summary.verdict.passed


def test_a_job_that_was_completed_before_it_is_deleted_counts_as_completed() -> None:
    finished = run(
        "jobs:\n"
        "  - create: {jobId: first, document: {}}\n"
        "  - {create: {jobId: late, document: {}}, at: 1h}\n"
        "service: [{delete_job: first, at: 30m}]\n"
        "load: {until: 1d}\n"
    )
    assert (finished.summary.ended, finished.summary.elapsed_s) == ("job completed", 3690.0)


def test_who_joins_is_a_target_and_who_leaves_before_its_turn_is_none() -> None:
    """So each target has an execution or waits for one, and no share is above the whole."""
    finished = run(
        "jobs:\n"
        "  - {create: {jobId: on, document: {}, targetSelection: CONTINUOUS,"
        " jobExecutionsRolloutConfig: {maximumPerMinute: 1}}, where: {cohort: a}}\n"
        "service:\n"
        "  - {join: {where: {cohort: b}}, at: 90s}\n"
        "  - {leave: {where: {cohort: a}}, at: 150s}\n"
        "load: {until: 330s}\n"
    )
    summary = finished.summary
    assert summary.executions == {"SUCCEEDED": 8}  # three of a, one a minute, and all of b
    assert (summary.targets, summary.not_rolled_out) == (12, 4)
    assert {name: part.targets for name, part in summary.cohorts.items()} == {"a": 7, "b": 5}
