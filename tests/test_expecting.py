"""``expect`` in a scenario: names, parts of a run, bare values; and what is wrong with them."""

from fractions import Fraction

import pytest

from simulator.errors import ScenarioError
from simulator.expectations import Scope
from simulator.scenario import dump, loads
from simulator.scenario.expecting import parse_expectation

HEAD = """\
fleet:
  - {cohort: gateways, things: 10, work: {duration: 90s}}
  - {cohort: lamps, things: 10, work: {duration: 90s}}
job: {document: {}}
load: {until: 2h}
expect:
"""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("completes_within", "6h", ("<=", 21_600, "duration")),
        ("p99_latency", "200ms", ("<=", Fraction(1, 5), "duration")),
        ("aborted", "false", ("==", 0, "flag")),
        ("aborted", "!= true", ("!=", 1, "flag")),
        ("conflicts", "0", ("==", 0, "count")),
        ("succeeded", "100%", ("==", 1, "share")),
        ("peak_writes_per_s", "200", ("<=", 200, "rate")),
        ("peak_writes_per_minute", "5000", ("<=", 5000, "count")),
        ("retries", "<= 5%", ("<=", Fraction(1, 20), "share")),
        ("budget.writes.over", "0", ("==", 0, "count")),
        ("requests.Connect.latency_ms.p50", "<= 7", ("<=", Fraction(7, 1000), "duration")),
        ("requests.Connect.latency_ms.p99", "<= 7.5s", ("<=", Fraction(15, 2), "duration")),
        ("requests.Connect.per_s", "> 1.5", (">", Fraction(3, 2), "rate")),
        ("conflicts.rate", "< 0.7%", ("<", Fraction(7, 1000), "share")),
    ],
)  # fmt: skip
def test_values(name: str, text: str, expected: tuple[str, Fraction, str]) -> None:
    one = parse_expectation(name, text)
    assert (one.operator, one.value, one.unit) == expected
    assert parse_expectation(name, one.text) == one


@pytest.mark.parametrize(
    ("part", "scope"),
    [
        ("[gateways]", Scope("gateways")),
        ("[1h..2h]", Scope(None, 3600, 7200)),
        ("[..2h]", Scope(None, 0, 7200)),
        ("[gateways, 90s..]", Scope("gateways", 90)),
        (" [ 1h .. 2h , gateways ]", Scope("gateways", 3600, 7200)),
    ],
)
def test_parts_of_a_run(part: str, scope: Scope) -> None:
    assert parse_expectation(f"succeeded{part}", "> 3").scope == scope


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("succeded: 3", "Did you mean 'succeeded'?"),
        ("conflicts.by_cause.lost_replies: 3", "Did you mean 'lost_reply'?"),
        ("requests.UpdateJobExecutions.sent: 3", "Did you mean 'UpdateJobExecution'?"),
        ("conflicts.by_cause: 3", "holds some; for example conflicts.by_cause.lost_reply"),
        ("conflicts.count.lost: 3", "conflicts.count is a number, there is no 'lost' in it"),
        ("verdict.passed: true", "in the summary, 'verdict'"),
        ("succeeded: 90%", "has no operator"),
        ("updates_per_s: 5", "has no operator"),
        ("succeeded: about half", "has no operator"),
        ("aborted: 3", "allowed: true or false"),
        ("aborted: '>= true'", "allowed: == !="),
        ("p99_latency: 3", "allowed: a duration like 6h"),
        ("retries: 1.5", "allowed: a count like 0 or a share like 90%"),
        ("'succeeded[lamp]': 3", "allowed: gateways, lamps. Did you mean 'lamps'?"),
        ("cohorts.lamp.updates: 3", "no cohort 'lamp'"),
        ("jobs.x.conflicts: 3", "there is one job; write it without jobs."),
        ("incidents.flood: 3", "no incident 'flood': nothing happens to the service"),
        ("'succeeded[1h..3h]': 3", "the window ends at 3h, after the run's end at 2h (load.until)"),
        ("'succeeded[2h..]': 3", "the window begins at 2h, after the run's end at 2h"),
        ("'succeeded[2h..1h]': 3", "its end must be after its beginning"),
        ("'succeeded[1h..2h, lamps, x]': 3", "allowed: [cohort], [1h..2h], [cohort, 1h..2h]"),
        ("'succeeded[1..2]': 3", "is no duration"),
        ("'succeeded[]': 3", "is no part of a run"),
        ("'succeeded[a': 3", "write name or name[cohort, 1h..2h]"),
        ("'aborted[lamps]': true", "one number for the whole run"),
        ("'completes_within[..1h]': 1h", "is of the whole time"),
        ("failed: < 0", "is never met by any run"),
        ("succeeded: '> 100%'", "is never met by any run"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_line_and_says_what_is_allowed(line: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(f"{HEAD}  conflicts: 0\n  {line}\n", "x.yaml")
    (fault,) = str(caught.value).splitlines()
    assert fault.startswith("x.yaml:8: ")
    assert words in fault


def test_yaml_values_are_what_they_look_like() -> None:
    text = "  aborted: false\n  conflicts: 0\n  updates_per_s: '> 1.5'\n  completes_within: 1h\n"
    scenario = loads(HEAD + text, "x.yaml").scenario
    shown = {one.name: one.text for one in scenario.expectations()}
    assert shown == {
        "aborted": "== false", "conflicts": "== 0", "updates_per_s": "> 1.5",
        "completes_within": "<= 1h",
    }  # fmt: skip
    assert loads(dump(scenario), "x.yaml").scenario == scenario


def test_what_is_expected_of_a_cohort_outlives_a_smaller_fleet() -> None:
    scenario = loads(f"{HEAD}  'succeeded[lamps]': 1\n", "x.yaml").scenario
    smaller = scenario.resolved(1, 1)
    assert loads(dump(smaller), "x.yaml").scenario == smaller
