"""The settings of a sweep: how they are read, what they change, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ScenarioError, UsageError
from simulator.sweep.grid import cells, parse_vary, read_source, steps_of, with_value

TEXT = """\
# Question: which?
fleet:
  - &lamp
    cohort: lamps
    things: 10
    work: {duration: 60s, steps: 2, step_timeout: 5m}
  - {<<: *lamp, cohort: gateways}
job: {document: {a: 1}, jobExecutionsRolloutConfig: {maximumPerMinute: 10}}
load: {until: 1h}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    return path


def test_a_grid_is_every_combination_and_the_last_key_varies_fastest(path: Path) -> None:
    varies = [
        parse_vary("job.jobExecutionsRolloutConfig.maximumPerMinute=1,2"),
        parse_vary("cohorts.gateways.work.step_timeout=1m, 2m,3m"),
    ]
    grid = cells(read_source(path), varies)
    assert [cell.number for cell in grid] == list(range(6))
    assert [tuple(value for _, value in cell.settings) for cell in grid] == [
        ("1", "1m"), ("1", "2m"), ("1", "3m"), ("2", "1m"), ("2", "2m"), ("2", "3m"),
    ]  # fmt: skip
    last = grid[-1].loaded.scenario
    assert last.cohorts()[1].work.step_timeout_minutes == 3
    assert last.cohorts()[0].work.step_timeout_minutes == 5, "an alias shares nothing"
    assert last.create_job_request("arn")["jobExecutionsRolloutConfig"]["maximumPerMinute"] == 2


def test_nothing_varied_is_one_setting(path: Path) -> None:
    (cell,) = cells(read_source(path), [])
    assert cell.settings == ()


def test_values_are_yaml_and_a_comma_within_brackets_or_quotes_is_theirs() -> None:
    vary = parse_vary('a.b=5m,{distribution: uniform, low: 1s, high: 2s},[1,2],"x,y",null,3')
    assert vary.values == (
        "5m", {"distribution": "uniform", "low": "1s", "high": "2s"}, [1, 2], "x,y", None, 3,
    )  # fmt: skip


@given(st.lists(st.integers(0, 99) | st.text("abc", min_size=1), min_size=1, unique=True))
def test_what_is_written_is_what_is_read(values: list[Any]) -> None:
    texts = [yaml.safe_dump(value).splitlines()[0] for value in values]
    assert list(parse_vary(f"k={','.join(texts)}").values) == values


def test_a_key_is_made_where_it_is_not_and_the_original_stays_as_it_is(path: Path) -> None:
    mapping = read_source(path).mapping
    changed = with_value(mapping, "job.timeoutConfig.inProgressTimeoutInMinutes", 7)
    assert changed["job"]["timeoutConfig"] == {"inProgressTimeoutInMinutes": 7}
    assert "timeoutConfig" not in mapping["job"]
    assert steps_of("fleet[1].work.steps") == ["fleet", 1, "work", "steps"]
    assert with_value(mapping, "fleet[1].work.steps", 9)["fleet"][1]["work"]["steps"] == 9


def test_a_job_in_a_file_of_its_own_can_be_varied(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"document": "{}", "jobId": "j"}')
    path = tmp_path / "s.yaml"
    path.write_text(
        "fleet: [{cohort: g, things: 1, work: {duration: 1s}}]\njob: {file: job.json}\n"
    )
    vary = parse_vary("job.timeoutConfig.inProgressTimeoutInMinutes=3")
    (cell,) = cells(read_source(path), [vary])
    request = cell.loaded.scenario.create_job_request("arn")
    assert request["timeoutConfig"] == {"inProgressTimeoutInMinutes": 3}


RATE = "job.jobExecutionsRolloutConfig"


@pytest.mark.parametrize(
    ("varies", "words"),
    [
        (["nothing"], "write a key, = and values"),
        (["a..b=1"], "write a key, = and values"),
        (["a.b="], "a value is missing"),
        (["a.b=1,,2"], "a value is missing"),
        (["a.b=[1,2"], "a bracket or a quote is not closed"),
        (["a.b={x: 1: 2}"], "is not YAML"),
        (["a.b=1,2,1"], "1 stands there twice"),
        (["seed=1,2"], "--seeds N"),
        (
            [f"{RATE}.maximumPerMinute=1", f"{RATE}.maximumPerMinute=2"],
            "give all its values in one",
        ),
        (["cohorts.lamp.work.steps=1"], "there are lamps, gateways. Did you mean 'lamps'?"),
        (["fleet[2].things=1"], "its last entry is [1]"),
        (["job[0].x=1"], "job is no list"),
        (["fleet[0].work.duration.median=1s"], "fleet[0].work.duration is '60s' and has no keys"),
        (["jop.x=1"], "Did you mean 'job'?"),
        ([f"{RATE}.maximumPerMinit=1"], "Did you mean 'maximumPerMinute'?"),
        ([f"{RATE}.maximumPerMinute=10,1001"], f"{RATE}.maximumPerMinute=1001: "),
        (["cohorts.lamps.work.step_timeout=90s"], "AWS takes whole minutes"),
        (["cohorts.lamps.things=many"], "'many' is not a whole number"),
        (
            [
                f"{RATE}.maximumPerMinute=5",
                f"{RATE}.exponentialRate={{baseRatePerMinute: 8, incrementFactor: 2, "
                "rateIncreaseCriteria: {numberOfNotifiedThings: 1}}",
            ],
            "baseRatePerMinute 8 is above maximumPerMinute 5",
        ),
        ([f"cohorts.lamps.things={','.join(map(str, range(1, 10_002)))}"], "at most 10,000"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    path: Path, varies: list[str], words: str
) -> None:
    with pytest.raises(UsageError) as raised:
        cells(read_source(path), [parse_vary(vary) for vary in varies])
    assert words in str(raised.value)
    assert "s.yaml" not in str(raised.value), "lines of a text that nobody has seen"
    assert "\n" not in str(raised.value)


def test_a_combination_that_only_fails_together_is_told_as_one(path: Path) -> None:
    varies = [
        parse_vary("cohorts.lamps.outcome.fail=60%"),
        parse_vary("cohorts.lamps.outcome.hang=60%"),
    ]
    with pytest.raises(UsageError, match=r"all at once: .*120%"):
        cells(read_source(path), varies)


def test_a_wrong_scenario_is_told_with_its_lines(path: Path) -> None:
    path.write_text(TEXT.replace("steps: 2", "steps: two"))
    with pytest.raises(ScenarioError, match=r"s.yaml:6: fleet\[0\].work.steps"):
        read_source(path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_source(path.with_name("nowhere.yaml"))
