"""jobfleet explain: arithmetic held against rehearsals, and against what can be counted."""

import json
import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from simulator.explain import Explained, as_json, explain, render, with_presence
from simulator.explain.arithmetic import forecast
from simulator.explain.findings import find
from simulator.explain.forecast import Forecast
from simulator.explain.small import Small, scaled
from simulator.run import Resolved, rehearse
from simulator.scenario import Scenario, loads
from tests.processes import ROOT, jobfleet

RATE = "jobExecutionsRolloutConfig"


def scenario(
    things: int = 1000, work: str = "{duration: 10m}", job: str = "", outcome: str = "{}",
    load: str = "{until: 48h}",
) -> Scenario:  # fmt: skip
    text = (
        f"fleet: [{{cohort: g, things: {things}, work: {work}, outcome: {outcome}}}]\n"
        f"job: {{document: {{}}{', ' if job else ''}{job}}}\nload: {load}\n"
    )
    return loads(text).scenario


def rehearsed(of: Scenario) -> float:
    return rehearse(Resolved("s", of, 1)).summary.elapsed_s


def exponential(criterion: str) -> str:
    return (
        f"{RATE}: {{maximumPerMinute: 400, exponentialRate: {{baseRatePerMinute: 10, "
        f"incrementFactor: 1.5, rateIncreaseCriteria: {{{criterion}: 30}}}}}}"
    )


@pytest.mark.parametrize(
    "given",
    [
        scenario(job=f"{RATE}: {{maximumPerMinute: 100}}"),
        scenario(job=f"{RATE}: {{maximumPerMinute: 300}}", load="{ramp: 2/s, until: 48h}"),
        scenario(job=exponential("numberOfNotifiedThings")),
        scenario(job=exponential("numberOfSucceededThings"), work="{duration: 45s, steps: 3}"),
        scenario(
            things=50, outcome="{fail: 100%}",
            job="jobExecutionsRetryConfig: "
            "{criteriaList: [{failureType: FAILED, numberOfRetries: 2}]}",
        ),
        scenario(
            things=50, outcome="{hang: 100%}", work="{duration: 8m, steps: 1}",
            job="timeoutConfig: {inProgressTimeoutInMinutes: 30}",
        ),
        scenario(
            things=50, work="{duration: 30m, steps: 3, step_timeout: 7m}",
        ),
    ],
    ids=["rate", "ramp", "by notified", "by succeeded", "retries", "timeout", "step timeout"],
)  # fmt: skip
def test_where_chance_has_no_part_the_arithmetic_is_the_rehearsal(given: Scenario) -> None:
    found = forecast(given, 1)
    assert found.elapsed_s == pytest.approx(rehearsed(given), abs=1e-6)
    assert found.completes


def test_a_constant_rate_is_counted_on_fingers() -> None:
    found = forecast(scenario(job=f"{RATE}: {{maximumPerMinute: 100}}"), 1)
    assert (found.rolled_out_s, found.ends_s) == (540, 1140)
    assert (found.shares, found.not_rolled_out) == ({"SUCCEEDED": 1.0}, 0)
    # all ask at once when they come up, and those of the first minute need not ask again
    assert (found.writes_per_s, found.writes_at_s) == (1000, 0)


def test_attempts_are_drawn_as_the_scenario_says() -> None:
    retry = "jobExecutionsRetryConfig: {criteriaList: [{failureType: ALL, numberOfRetries: 2}]}"
    found = forecast(scenario(things=20_000, outcome="{fail: 20%, reject: 10%}", job=retry), 3)
    shares = [attempt["share"] for attempt in found.attempts]
    assert shares == pytest.approx([1, 0.2, 0.04], abs=0.01)
    assert found.attempts[0]["FAILED"] == pytest.approx(0.2, abs=0.01)
    assert found.attempts[0]["REJECTED"] == pytest.approx(0.1, abs=0.01)


def test_the_share_of_steps_that_outlast_their_timer_is_that_of_the_distribution() -> None:
    whole = "duration: {distribution: lognormal, median: 20m, sigma: 0.5}"
    work = f"{{{whole}, steps: 2, step_timeout: 10m}}"
    found = forecast(scenario(things=50_000, work=work), 1)
    assert found.over_step_timer == pytest.approx(0.5, abs=0.01), "the median of a step is 10m"
    assert found.false_timeouts == pytest.approx(0.5, abs=0.01)
    timed = scenario(
        things=50_000,
        work=f"{{{whole}}}",
        job="timeoutConfig: {inProgressTimeoutInMinutes: 40}",
    )
    beyond = math.erfc(math.log(2) / 0.5 / math.sqrt(2)) / 2
    assert forecast(timed, 1).over_in_progress_timer == pytest.approx(beyond, abs=0.005)


def test_what_hangs_without_a_timer_never_ends_and_is_the_bottleneck() -> None:
    found = find(scenario(outcome="{hang: 10%}"), 1)
    assert found.forecast.ends_s == float("inf")
    assert not found.forecast.completes
    assert found.forecast.stuck == pytest.approx(0.1, abs=0.03)
    assert found.bottleneck == "timeout"
    assert "inProgressTimeoutInMinutes" in found.why


@pytest.mark.parametrize(
    ("given", "bottleneck"),
    [
        (scenario(things=5000, job=f"{RATE}: {{maximumPerMinute: 50}}"), "rollout rate"),
        (scenario(job=f"{RATE}: {{maximumPerMinute: 1000}}"), "work duration"),
        (scenario(load="{ramp: 20/m, until: 48h}"), "ramp"),
        (
            scenario(outcome="{hang: 2%}", job="timeoutConfig: {inProgressTimeoutInMinutes: 90}"),
            "in-progress timeout",
        ),
        (scenario(work="{duration: 100s, steps: 100}"), "quota"),
        (
            scenario(
                outcome="{fail: 50%}",
                job="abortConfig: {criteriaList: [{failureType: FAILED, action: CANCEL, "
                "thresholdPercentage: 20, minNumberOfExecutedThings: 10}]}",
            ),
            "abort",
        ),
    ],
)
def test_the_bottleneck_is_the_setting_that_costs_the_most(
    given: Scenario, bottleneck: str
) -> None:
    assert find(given, 1).bottleneck == bottleneck


def test_whether_abort_can_trip_is_a_binomial_and_a_forecast() -> None:
    def chance(fail: str, threshold: int) -> tuple[float, float]:
        abort = (
            "abortConfig: {criteriaList: [{failureType: FAILED, action: CANCEL, "
            f"thresholdPercentage: {threshold}, minNumberOfExecutedThings: 10}}]}}"
        )
        found = find(scenario(things=2000, outcome=f"{{fail: {fail}}}", job=abort), 1)
        return found.aborts[0].at_the_minimum, found.abort_chance

    at_the_tenth, ever = chance("50%", 50)
    assert at_the_tenth == pytest.approx(0.623, abs=0.05)
    assert ever > 0.8
    assert chance("0%", 50) == (0, 0)
    assert max(chance("3%", 90)) < 1e-6
    assert chance("100%", 90) == (1, 1)


def test_what_absence_costs_is_told_by_two_rehearsals() -> None:
    of = scenario(job=f"{RATE}: {{maximumPerMinute: 100}}")
    findings, summary = find(of, 1), rehearse(Resolved("s", of, 1)).summary
    there = Small(1000, 1.0, summary, True, 0.0, 0.0)
    away = replace(there, summary=msgspec.structs.replace(summary, elapsed_s=90_000.0))
    assert with_presence(findings, away, there).bottleneck == "presence"
    assert with_presence(findings, there, there) is findings
    assert with_presence(findings, replace(away, whole=False), there) is findings


def test_what_never_ends_is_null_in_json(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "fleet: [{cohort: g, things: 40, work: {duration: 10m}, outcome: {hang: 50%}}]\n"
        "job: {document: {}}\n"
    )
    told = json.dumps(as_json(explain(path)), allow_nan=False)
    assert json.loads(told)["forecast"]["ends_s"] is None
    assert "the job ends at                    never" in render(explain(path))


def close(found: Forecast, explained: Explained) -> None:
    summary = explained.small.summary
    total = sum(summary.executions.values())
    assert found.elapsed_s == pytest.approx(summary.elapsed_s, rel=0.05)
    for status in set(found.shares) | set(summary.executions):
        there = summary.executions.get(status, 0) / total
        assert found.shares.get(status, 0) == pytest.approx(there, abs=0.02)
    assert found.writes_per_s == pytest.approx(explained.small.writes_per_s, rel=0.1)


@pytest.mark.parametrize("name", ["smoke", "timeouts", "rollout", "conflicts"])
def test_arithmetic_and_rehearsal_of_shipped_scenarios_agree(name: str) -> None:
    explained = explain(ROOT / f"scenarios/{name}.yaml")
    close(explained.findings.forecast, explained)
    assert explained.small.share == 1
    assert "Bottleneck: " in render(explained)


def test_a_part_of_the_fleet_at_a_part_of_the_rate_stands_for_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "fleet: [{cohort: g, things: 40000, work: {duration: 10m, steps: 2}, "
        "outcome: {fail: 5%}}]\n"
        f"job: {{document: {{}}, {RATE}: {{maximumPerMinute: 800}}}}\n"
        "load: {ramp: 100/s, until: 6h}\nexpect: {succeeded: '== 100%'}\n"
    )
    explained = explain(path)
    assert (explained.small.things, explained.small.share) == (2000, 0.05)
    close(explained.findings.forecast, explained)
    text = render(explained)
    assert "2,000 things, rates scaled with the fleet" in text
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"], "nothing is written"


def test_the_example_of_the_planning_page_is_as_it_says() -> None:
    page = (ROOT / "docs/planning.md").read_text()
    example = loads(page.partition("```yaml\n")[2].partition("```")[0]).scenario
    found = find(example, 1)
    assert found.bottleneck == "abort"
    assert found.abort_chance == pytest.approx(0.8, abs=0.2)
    assert found.forecast.writes_per_s == 2000


def test_rates_are_scaled_with_the_fleet_and_quotas_are_not() -> None:
    small = scaled(
        {
            "quotas": "aws",
            "job": {RATE: {"exponentialRate": {"baseRatePerMinute": 50, "incrementFactor": 2,
                    "rateIncreaseCriteria": {"numberOfNotifiedThings": 1000}}}},
            "load": {"ramp": "100/s"},
        },
        0.01,
    )  # fmt: skip
    assert "quotas" not in small
    assert small["load"]["ramp"] == "1/s"
    assert small["job"][RATE] == {
        "maximumPerMinute": 10,
        "exponentialRate": {"baseRatePerMinute": 1, "incrementFactor": 2,
                            "rateIncreaseCriteria": {"numberOfNotifiedThings": 10}},
    }  # fmt: skip


def test_the_command_says_the_same_twice_as_text_and_as_json() -> None:
    once, twice = (jobfleet("explain", "scenarios/timeouts.yaml", "--things", "90") for _ in "12")
    assert once.returncode == 0, once.stderr
    assert once.stdout == twice.stdout
    assert "timeouts: 90 things, seed 1" in once.stdout
    done = jobfleet("explain", "scenarios/timeouts.yaml", "--json", "--seed", "4")
    told = json.loads(done.stdout)
    assert (told["scenario"], told["seed"]) == ("timeouts", 4)
    assert told["forecast"]["things"] == 800
    again = as_json(explain(ROOT / "scenarios/timeouts.yaml", 4))
    assert told == json.loads(json.dumps(again))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.yaml"], "cannot be read"),
        (["scenarios/saturate.yaml"], "can only be run live"),
        (["scenarios/smoke.yaml", "--things", "0"], "at least one thing"),
    ],
)
def test_bad_input_is_told(arguments: list[str], words: str) -> None:
    done = jobfleet("explain", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
