"""Scenario files: what is right reads back, what is wrong has file, line, key and advice."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from simulator.errors import ScenarioError, UsageError
from simulator.expectations import NAMES, OPERATORS, check
from simulator.run import Resolved
from simulator.scenario import dump, json_schema, load, loads
from simulator.scenario.expecting import parse_expectation
from simulator.scenario.units import (
    format_duration,
    format_share,
    parse_duration,
    parse_rate,
    parse_share,
)

SHIPPED = sorted(Path("scenarios").glob("*.yaml"))
GOOD = """\
# Question: does it work?
fleet:
  - cohort: g
    things: 10
    work: {duration: 90s}
job: {document: {}}
"""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_reads_back_from_its_resolved_form(path: Path) -> None:
    loaded = load(path)
    assert loaded.question
    resolved = loaded.scenario.resolved(7, 13)
    assert resolved.things == 13
    again = loads(dump(resolved), str(path)).scenario
    assert again == resolved
    assert dump(again) == dump(resolved)


def test_defaults() -> None:
    loaded = loads(GOOD, "some where/my scenario.yaml")
    scenario = loaded.scenario
    assert (loaded.name, loaded.question) == ("my scenario", "does it work?")
    assert scenario.job_id == "my-scenario"
    assert scenario.epoch_s == 1_767_225_600
    assert scenario.create_job_request("arn") == {"targets": ["arn"], "document": "{}"}
    (cohort,) = scenario.cohorts()
    assert (cohort.work.steps, cohort.work.step_timeout_minutes) == (1, None)
    assert scenario.network_values().reply_timeout == 10


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("fleet:", "fleeet:"), 2, "unknown key; allowed: epoch, seed, quotas, things, fleet"),
        (("things: 10", "things: -1"), 4, "-1 is not possible; it must be at least 1"),
        (("things: 10", "things: many"), 4, "'many' is not a whole number"),
        (("duration: 90s", "duration: 90 sec"), 5, "a number with ms, s, m, h or d"),
        (("duration: 90s", "duration: 90"), 5, "has no unit; write for example 90s"),
        (("duration", "duraton"), 5, "Did you mean 'duration'?"),
        (("duration: 90s", "steps: 3"), 5, "the key 'duration' is missing"),
        (("90s}", "90s, step_timeout: 90s}"), 5, "whole minutes from 1m to 7d"),
        (("90s}", "90s}\n    outcome: {fail: 120%}"), 6, "a share is 0% to 100%"),
        (("90s}", "90s}\n    outcome: {fail: 60%, hang: 60%}"), 6, "add up to 120%"),
        (("90s}", "90s}\n    outcome: {fail: often}"), 6, "a percentage like 3%"),
        (("90s", "{distribution: lognorml}"), 5, "Did you mean 'lognormal'?"),
        (("90s", "{median: 3s}"), 5, "the key 'distribution' is missing"),
        (("90s", "{distribution: lognormal, median: 3s}"), 5, "the key 'sigma' is missing"),
        (("90s", "{distribution: uniform, low: 3s, high: 1s}"), 5, "low is above high"),
        (("cohort: g", "cohort: a b"), 3, "is no name"),
        (("{document: {}}", "{}"), 6, "job.document: is missing"),
        (("{document: {}}", "{document: {}, documentSource: x}"), 6, "is not supported"),
        (("{document: {}}", "{document: {}, abortConfig: {}}"), 6, "required field `criteriaList`"),
        (("{document: {}}", "{document: {}, timeoutConfg: {}}"), 6, "'timeoutConfig'?"),
        (("{document: {}}", "{document: {}, timeoutConfig: 3}"), 6, "must be a mapping"),
        (
            ("{document: {}}", "{document: {}, timeoutConfig: {inProgressTimeoutInMinutes: 0}}"),
            6,
            "a whole number from 1 to 10080",
        ),
        (
            ("{document: {}}", "{document: {}, jobExecutionsRolloutConfig: {exponentialRate: 1}}"),
            6,
            "Expected a mapping, got a whole number",
        ),
        (
            ("{document: {}}", "{document: {}, jobExecutionsRolloutConfig: {perMinute: 1}}"),
            6,
            "allowed: maximumPerMinute, exponentialRate",
        ),
        (("{document: {}}", "{document: {}, targetSelection: ALL}"), 6, "SNAPSHOT, CONTINUOUS"),
        (("{document: {}}", "{document: {}, jobId: a b}"), 6, "is no job id"),
        (("{document: {}}", "{file: nowhere.json}"), 6, "cannot be read"),
        (("{document: {}}", "{file: x.json, jobId: a}"), 6, "stands beside file"),
        (("{document: {}}", "3"), 6, "is not a mapping of keys"),
        (("job:", "expect: {succeded: '> 1'}\njob:"), 6, "Did you mean 'succeeded'?"),
        (("job:", "expect: {succeeded: '90%'}\njob:"), 6, "has no operator"),
        (("job:", "expect: {succeeded: '> most'}\njob:"), 6, "a count like 0 or a share"),
        (("job:", "load: {ramp: 100}\njob:"), 6, "a number with /s, /m or /h"),
        (("job:", "load: {ramp: 0/s}\njob:"), 6, "it must be above 0"),
        (("job:", "load: {time_scale: 0}\njob:"), 6, "it must be more than 0"),
        (("job:", "epoch: yesterday\njob:"), 6, "is no time"),
        (("job:", "epoch: 3\njob:"), 6, "is no time"),
        (("job:", "fleet: 3\njob:"), 6, "this key stands in line 2 already"),
        (
            ("job:", "  - {cohort: g, things: 1, work: {duration: 1s}}\njob:"),
            2,
            "stands here twice",
        ),
        (("things: 10", "things: 10: 3"), 4, "this is not YAML"),
    ],
)
def test_a_fault_has_its_line_and_says_what_is_allowed(
    change: tuple[str, str], line: int, words: str
) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    with pytest.raises(ScenarioError) as caught:
        loads(text, "x.yaml")
    message = str(caught.value)
    assert words in message
    assert any(part.startswith(f"x.yaml:{line}: ") for part in message.splitlines()), message
    assert "pydantic" not in message
    assert "Input should" not in message


@pytest.mark.parametrize("text", ["", "[1]", "3"])
def test_a_scenario_is_a_mapping(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"x\.yaml:1: a scenario is a mapping"):
        loads(text, "x.yaml")


def test_every_fault_is_told_at_once() -> None:
    text = GOOD.replace("things: 10", "things: 0").replace("90s", "90")
    with pytest.raises(ScenarioError) as caught:
        loads(text + "surprise: 1\n")
    assert len(str(caught.value).splitlines()) == 3


def test_a_missing_file_is_a_scenario_error(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        load(tmp_path / "latin.yaml")


def test_a_job_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    job = {"jobId": "mine", "targets": ["x"], "document": '{"a":1}', "tags": []}
    (tmp_path / "job.json").write_text(json.dumps(job))
    (tmp_path / "s.yaml").write_text(GOOD.replace("{document: {}}", "{file: job.json}"))
    loaded = load(tmp_path / "s.yaml")
    request = loaded.scenario.create_job_request("arn")
    assert (loaded.scenario.job_id, request["document"]) == ("mine", '{"a":1}')
    assert [note.split()[0] for note in loaded.notes] == ["job.targets", "job.tags"]
    for text, words in (("{", "is not JSON"), ("[]", "holds no JSON object")):
        (tmp_path / "job.json").write_text(text)
        with pytest.raises(ScenarioError, match=words):
            load(tmp_path / "s.yaml")


def test_the_seed_is_the_given_one_else_the_scenarios_else_1() -> None:
    plain, seeded = loads(GOOD), loads("seed: 5\n" + GOOD)
    assert Resolved.of(plain, None, None).seed == 1
    assert Resolved.of(seeded, None, None).seed == 5
    assert Resolved.of(seeded, 9, None).scenario.seed == 9
    for seed, things in ((-1, None), (None, 0)):
        with pytest.raises(UsageError):
            Resolved.of(plain, seed, things)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("40ms", 0.04), ("1h30m", 5400), ("1.5d", 129_600)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(format_duration(seconds)) == seconds


def test_shares_and_rates() -> None:
    assert (parse_share("3%"), parse_share(0.03), format_share(0.005)) == (0.03, 0.03, "0.5%")
    assert (parse_rate("100/s"), parse_rate("90/m"), parse_rate("36/h")) == (100, 1.5, 0.01)
    with pytest.raises(ValueError, match="is no share"):
        parse_share(True)


@pytest.mark.parametrize(
    ("name", "text", "value", "unit"),
    [
        ("succeeded", ">= 90%", Fraction(9, 10), "share"),
        ("succeeded", "> 3", Fraction(3), "count"),
        ("completes_within", "<= 6h", Fraction(21_600), "duration"),
        ("updates_per_s", "> 1.5", Fraction(3, 2), "rate"),
    ],
)
def test_expectations(name: str, text: str, value: Fraction, unit: str) -> None:
    expectation = parse_expectation(name, text)
    assert (expectation.value, expectation.unit) == (value, unit)


def test_operators_do_what_they_say() -> None:
    numbers = [Fraction(x) for x in (1, 2, 3)]
    outcomes = {symbol: [check(symbol, x, numbers[1]) for x in numbers] for symbol in OPERATORS}
    assert outcomes == {
        ">=": [False, True, True],
        "<=": [True, True, False],
        "==": [False, True, False],
        "!=": [True, False, True],
        ">": [False, False, True],
        "<": [True, False, False],
    }


def test_the_schema_names_every_key() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == {
        "epoch", "seed", "quotas", "things", "fleet", "batches", "network", "job", "jobs",
        "service", "load", "expect",
    }  # fmt: skip
    names = schema["properties"]["expect"]["propertyNames"]["anyOf"]
    assert names[0]["enum"] == list(NAMES)
    assert schema["additionalProperties"] is False


def test_faults_come_in_the_order_of_the_file() -> None:
    text = "fleet: []\nnetwrk: {}\njob: {document: 3}\nload: {ramp: 3}\nexpect: {x: y}\n"
    with pytest.raises(ScenarioError) as caught:
        loads(text, "a:b.yaml")
    lines = [line.split(":")[2] for line in str(caught.value).splitlines()]
    assert lines == ["1", "2", "3", "4", "5"]
