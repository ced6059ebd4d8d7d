"""The borders of the scenario file: what is too deep, too large, too long, or reads as another."""

import json
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour import LONGEST_S
from simulator.errors import ScenarioError
from simulator.scenario import dump, json_schema, load, loads
from simulator.scenario.document import DEPTH, VALUES
from simulator.scenario.units import (
    exact_share,
    format_duration,
    format_rate,
    format_share,
    parse_duration,
    parse_rate,
    parse_share,
)

GOOD = """\
fleet:
  - cohort: g
    things: 10
    work: {duration: 90s}
job: {document: {}}
"""
SHIPPED = sorted(Path("scenarios").glob("*.yaml"))
LAUGHS = "\n".join(
    ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def fault(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        loads(text, "x.yaml")
    message = str(caught.value)
    assert len(message) < 400
    return message


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("&a {x: *a}", "job.document.x: an alias stands inside what it stands for"),
        ("[" * 3000 + "]" * 3000, "x.yaml:5: "),
        ("[" * (DEPTH + 10) + "]" * (DEPTH + 10), f"more than {DEPTH} mappings and lists"),
        ("{release: 2026-01-01}", 'job.document.release: YAML reads this as a date; for a text'),
        ("!!binary aGk=", "job.document: JSON has no bytes"),
        ("{a: !!set {b}}", "job.document.a: JSON has no set"),
        ("{a: !!omap [b: 1]}", "job.document.a[0]: JSON has no tuple"),
        ("{a: .nan}", "job.document.a: nan is no number that JSON knows"),
        ("{a: [1, .inf]}", "job.document.a[1]: inf is no number that JSON knows"),
        ('"not json"', "job.document: 'not json' is not JSON"),
        ("'%s'" % ("[" * 9000), "is not JSON"),
        ("{a: %s}" % ("x" * 40_000), "job.document: Expected text of length <= 32768"),
        ("[1]", "job.document: is missing"),
        ("{1: a}", "job.document.1: a key is text, and YAML reads this one as int; write '1'"),
        ("{on: a}", "a key is text, and YAML reads this one as bool; write 'on'"),
        ("{[a]: b}", "a key is text, and YAML reads this one as seq"),
        ("{a: 2026-13-01}", "job.document.a: '2026-13-01' is no time: month must be in 1..12"),
        ("{a: %s}" % ("9" * 5000), "is no whole number"),
        ("{a: !!bool x}", "'x' is no truth value"),
        ("{a: !!timestamp x}", "'x' is no time"),
        ("{a: !!int x}", "'x' is no whole number"),
        ("{}, description: 5", "job.description: Expected text"),
        ("{}, description: %s" % ("x" * 3000), "job.description: Expected text of length <= 2028"),
        ("{}, jobId: 2026-01-01", "job.jobId: YAML reads this as a date"),
    ],
)  # fmt: skip
def test_a_job_that_is_no_request_is_told_with_its_line(document: str, words: str) -> None:
    message = fault(GOOD.replace("{document: {}}", f"{{document: {document}}}"))
    assert words in message
    assert message.startswith("x.yaml:5: ")


def test_aliases_of_aliases_are_bounded() -> None:
    assert f"more than {VALUES} values" in fault(f"{LAUGHS}\n{GOOD}")


def test_a_job_from_a_file_is_held_to_the_same(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD.replace("{document: {}}", "{file: job.json}"))
    for text, words in (
        ('{"document": {"a": "\\ud800"}}', "half of a surrogate pair"),
        ('{"document": {"a": NaN}}', "nan is no number"),
        (json.dumps({"document": nested(60)}), "within each other"),
        ('{"document": %s}' % ("[" * 100_000), "is not JSON"),
    ):  # fmt: skip
        (tmp_path / "job.json").write_text(text)
        with pytest.raises(ScenarioError, match=words):
            load(tmp_path / "s.yaml")


def test_an_alias_may_be_used_twice_and_a_mapping_merged() -> None:
    text = GOOD.replace("{document: {}}", "{document: {a: &x {n: null}, b: *x, c: {<<: *x, m: 1}}}")
    scenario = loads(text).scenario
    assert scenario.requests[0]["document"]["c"] == {"n": None, "m": 1}
    written = dump(scenario)
    assert "&" not in written
    assert loads(written).scenario == scenario


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("load: {until: 0s}", "load.until: 0ms is not possible"),
        ("load: {until: 0.0001s}", "load.until: 0ms is not possible"),
        ("load: {until: 99999999999999d}", "is too long; at most 36525d (100 years)"),
        (f"load: {{until: {'9' * 400}s}}", "(403 characters) is too long"),
        ("network: {reply_timeout: 0s}", "network.reply_timeout: 0ms is not possible"),
        ("network: {backoff: {base: 0s}}", "network.backoff.base: 0ms is not possible"),
        ("network: {backoff: {maximum: 0s}}", "network.backoff.maximum: 0ms is not possible"),
        ("network: {lost_replies: .nan}", "nan is impossible"),
        (f"network: {{lost_replies: {'9' * 400}%}}", "is impossible"),
        (f"load: {{ramp: {'9' * 400}/s}}", "from one in 100 years to"),
        ("load: {ramp: 0.0000000001/h}", "from one in 100 years to"),
        (f"load: {{ramp: 0.{'0' * 500}1/s}}", "it must be above 0"),
        (f"seed: {'9' * 4000}", "it must be less than"),
        ("epoch: 2026-13-01", "epoch: '2026-13-01' is no time: month must be in 1..12"),
        ("epoch: 0001-01-01T00:00:00+05:00", "is no time"),
        ("epoch: 9999-01-01T00:00:00Z", "is too late; the last year is 9800"),
        ("expect: {updates_per_s: '>= nan'}", "'nan' is no value"),
        ("expect: {updates_per_s: '>= inf'}", "'inf' is no value"),
        ("expect: {succeeded: '>= 1_0'}", "'1_0' is no value"),
        ("expect: {succeeded: '>= 1.5'}", "'1.5' is no value"),
        ("7: x", "7: a key is text"),
    ],
)
def test_what_is_not_possible_is_refused_in_its_line(more: str, words: str) -> None:
    message = fault(f"{GOOD}{more}\n")
    assert words in message
    assert message.startswith("x.yaml:6: ")


# ------------------------------------------------------------------------------- there and back


@given(st.integers(0, LONGEST_S * 1000))
def test_a_duration_reads_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.floats(0, 1))
def test_a_share_reads_back(share: float) -> None:
    assert exact_share(format_share(share)) == Fraction(repr(share))
    assert parse_share(format_share(share)) == share


@given(st.floats(1 / 3e9, 1e9))
def test_a_rate_reads_back(per_s: float) -> None:
    assert parse_rate(format_rate(per_s)) == per_s


def durations(least: int = 0) -> st.SearchStrategy[str]:
    return st.integers(least, LONGEST_S * 1000).map(lambda ms: f"{ms}ms")


def shares() -> st.SearchStrategy[object]:
    fractions = st.tuples(st.integers(0, 32), st.integers(0, 10**7))
    return st.floats(0, 0.33) | fractions.map(lambda pair: f"{pair[0]}.{pair[1]}%")


distributions = st.one_of(
    durations(),
    st.builds(lambda v: {"distribution": "constant", "value": v}, durations()),
    st.builds(
        lambda a, b: {"distribution": "uniform", "low": f"{min(a, b)}s", "high": f"{max(a, b)}s"},
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
    st.builds(
        lambda m, s: {"distribution": "lognormal", "median": m, "sigma": s},
        durations(),
        st.floats(0, 10),
    ),
)
text = st.text(st.characters(codec="utf-8"), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | text
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
networks = st.fixed_dictionaries(
    {},
    optional={
        "latency": distributions,
        "lost_replies": shares(),
        "lost_requests": shares(),
        "reply_timeout": durations(1),
        "backoff": st.fixed_dictionaries(
            {}, optional={"base": durations(1), "maximum": durations(1)}
        ),
    },
)
loads_ = st.fixed_dictionaries(
    {},
    optional={
        "ramp": st.tuples(st.integers(1, 10**8), st.sampled_from("smh")).map(
            lambda pair: f"{pair[0]}/{pair[1]}"
        ),
        "time_scale": st.floats(1e-3, 1e5),
        "until": durations(1),
        "max_slip": durations(),
    },
)
cohorts = st.fixed_dictionaries(
    {
        "cohort": st.from_regex(r"\A[a-zA-Z0-9:_-]{1,20}\Z"),
        "things": st.integers(1, 10_000_000),
        "work": st.fixed_dictionaries(
            {"duration": distributions},
            optional={
                "steps": st.integers(1, 10**9),
                "step_timeout": st.integers(1, 10_080).map(lambda minutes: f"{minutes}m"),
            },
        ),
    },
    optional={"outcome": st.fixed_dictionaries({}, optional={"fail": shares(), "hang": shares()})},
)
scenarios: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "fleet": st.lists(cohorts, min_size=1, max_size=3, unique_by=lambda one: one["cohort"]),
        "job": st.fixed_dictionaries({"document": st.dictionaries(text, values, max_size=4)}),
    },
    optional={
        "epoch": st.datetimes(datetime(1, 1, 2), datetime(9800, 12, 30)).map(  # noqa: DTZ001
            lambda at: at.replace(tzinfo=UTC, microsecond=0).isoformat()
        ),
        "seed": st.integers(0, 2**63 - 1),
        "network": networks,
        "load": loads_,
        "expect": st.fixed_dictionaries(
            {}, optional={"succeeded": st.just(">= 99.9%"), "elapsed": st.just("< 1h30m")}
        ),
    },
)


@settings(deadline=None, max_examples=60)
@given(scenarios)
def test_a_scenario_reads_back_as_it_was_resolved(members: dict[str, Any]) -> None:
    scenario = loads(yaml.safe_dump(members, allow_unicode=True), "x.yaml").scenario
    again = loads(dump(scenario), "x.yaml").scenario
    assert again == scenario
    assert json.dumps(again.job) == json.dumps(scenario.job)
    jsonschema.validate(yaml.safe_load(dump(scenario)), json_schema())


@pytest.mark.parametrize(
    "more",
    [
        "load: {ramp: 3000000/s}",
        "network: {lost_replies: 0.00001%}",
        "epoch: 0500-01-01T00:00:00Z",
        "epoch: 2026-01-01T00:00:00.5+02:00",
    ],
)
def test_what_once_did_not_read_back(more: str) -> None:
    scenario = loads(f"{GOOD}{more}\n", "x.yaml").scenario
    assert loads(dump(scenario), "x.yaml").scenario == scenario


# ------------------------------------------------------------------------------- the JSON Schema


def as_an_editor_sees_it(value: Any) -> Any:
    """YAML in terms of JSON: a time is a string there."""
    return json.loads(json.dumps(value, default=lambda at: at.isoformat()))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_schema_takes_every_shipped_scenario(path: Path) -> None:
    jsonschema.validate(as_an_editor_sees_it(yaml.safe_load(path.read_text())), json_schema())


@pytest.mark.parametrize(
    "change",
    [
        ("duration: 90s", "duration: 90"),
        ("duration: 90s", "duration: 90 sec"),
        ("duration: 90s", "duration: {distribution: lognormal, median: 3s}"),
        ("duration: 90s", "duration: {distribution: normal, median: 3s, sigma: 1}"),
        ("duration", "duraton"),
        ("things: 10", "things: 0"),
        ("things: 10", "things: many"),
        ("job:", "expect: {succeded: '> 1'}\njob:"),
        ("job:", "load: {ramp: 100}\njob:"),
        ("document", "documents"),
        ("fleet:", "fleets:"),
    ],
)
def test_the_schema_refuses_what_is_wrong(change: tuple[str, str]) -> None:
    jsonschema.validate(yaml.safe_load(GOOD), json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(GOOD.replace(*change)), json_schema())


def test_every_default_in_the_schema_is_one_that_can_be_written() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    checked = 0
    for part in [schema, *schema["$defs"].values()]:
        for value in part["properties"].values():
            if "default" in value:
                jsonschema.validate(value["default"], {"$defs": schema["$defs"], **value})
                checked += 1
    assert checked > 10
