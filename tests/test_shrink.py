"""jobfleet shrink: what is left still fails the same way, and nothing of it can be spared."""

from pathlib import Path

import pytest

from simulator.errors import ScenarioError, UsageError
from simulator.run import Resolved, rehearse
from simulator.scenario import load
from simulator.shrink import shrink
from tests.processes import jobfleet

TEXT = """\
fleet:
  - cohort: lamps
    things: 40
    work: {duration: 60s, steps: 2}
    outcome: {reject: 10%}
  - cohort: gateways
    things: 60
    work: {duration: {distribution: lognormal, median: 5m, sigma: 1}, steps: 3, step_timeout: 3m}
    outcome: {fail: 5%, hang: 2%}
network: {latency: 40ms, lost_replies: 2%}
job: {jobId: j, document: {}, timeoutConfig: {inProgressTimeoutInMinutes: 30}}
load: {ramp: 10/s, until: 4h}
expect: {unfinished: "== 0", false_timeouts: "== 0"}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    return path


def test_the_fewest_things_and_no_fault_that_can_be_spared(path: Path) -> None:
    shrunk = shrink(path)
    small = path.with_name("small.yaml")
    small.write_text(shrunk.text)
    loaded = load(small)
    scenario = loaded.scenario
    assert shrunk.failure == "false_timeouts == 0"
    assert [cohort.name for cohort in scenario.cohorts()] == ["gateways"]
    assert shrunk.things == scenario.things < 10
    assert scenario.expect == {"false_timeouts": "== 0"}
    assert {"fleet[lamps]", "network"} <= set(shrunk.removed)
    assert "outcome" not in small.read_text()
    assert shrunk.smallest
    verdict = rehearse(Resolved.of(loaded, None, None)).summary.verdict
    assert [(one.name, one.passed) for one in verdict.expectations] == [("false_timeouts", False)]
    for fewer in range(1, shrunk.things):
        assert rehearse(Resolved.of(loaded, None, fewer)).summary.verdict.passed


def test_the_same_seed_shrinks_to_the_same_file_and_another_is_kept_in_it(path: Path) -> None:
    assert shrink(path, seed=3).text == shrink(path, seed=3).text
    small = path.with_name("small.yaml")
    small.write_text(shrink(path, seed=3).text)
    assert load(small).scenario.seed == 3


def test_a_fault_that_is_needed_stays(path: Path) -> None:
    path.write_text(TEXT.replace('"== 0", false_timeouts: "== 0"', '"== 0", rejected: "== 0"'))
    shrunk = shrink(path)
    assert "reject: 10%" in shrunk.text
    assert "gateways" not in shrunk.text
    assert "fail" not in shrunk.text.partition("\n")[2]


def test_the_failing_expectation_is_the_one_that_is_kept(path: Path) -> None:
    """Without a timer the hung ones never end; the timeouts that are false are not in question."""
    text = TEXT.replace(", timeoutConfig: {inProgressTimeoutInMinutes: 30}", "")
    path.write_text(text.replace("hang: 2%", "hang: 20%"))
    shrunk = shrink(path)
    assert shrunk.failure == "unfinished == 0"
    assert "hang: 20%" in shrunk.text


def test_an_error_can_be_shrunk_too(path: Path) -> None:
    """A cohort that reports for ever, without work: time stands still."""
    path.write_text(
        "fleet:\n  - {cohort: a, things: 5, work: {duration: 1s}}\n"
        "  - {cohort: b, things: 9, work: {duration: 0s, steps: 1000000000}, outcome: {fail: 1%}}\n"
        "job: {document: {}}\n"
    )
    shrunk = shrink(path)
    assert "can only be run live" in shrunk.failure
    assert shrunk.things == 1
    assert "cohort: a" not in shrunk.text


def test_what_passes_cannot_be_shrunk(path: Path) -> None:
    path.write_text(TEXT.partition("expect:")[0])
    with pytest.raises(UsageError, match="passes with seed 1 and 100 things"):
        shrink(path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        shrink(path.with_name("nowhere.yaml"))


def test_the_command_writes_a_scenario_that_fails(path: Path) -> None:
    done = jobfleet("shrink", path)
    assert done.returncode == 0, done.stderr
    small = path.with_name("s-shrunk.yaml")
    assert done.stdout.splitlines()[0] == "Fails: false_timeouts == 0"
    assert done.stdout.splitlines()[-1] == f"Scenario: {small}"
    assert "# Question: why does this fail: false_timeouts == 0?" in small.read_text()
    assert jobfleet("rehearse", small, "--out", path.parent / "out").returncode == 1
    assert jobfleet("shrink", path).returncode == 0, "its own file may be replaced"


def test_a_file_of_somebody_else_is_not_replaced(path: Path) -> None:
    mine = path.with_name("mine.yaml")
    mine.write_text("mine\n")
    done = jobfleet("shrink", path, "--out", mine)
    assert done.returncode == 2
    assert "was not written by jobfleet shrink" in done.stderr
    assert mine.read_text() == "mine\n"
    done = jobfleet("shrink", path, "--out", path.parent / "no" / "x.yaml")
    assert done.returncode == 2
    assert "does not exist" in done.stderr
