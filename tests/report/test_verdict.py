"""Expectations at their borders: of any number, of a cohort, of a window; and their margins."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from simulator import results
from simulator.expectations import FRIENDLY, PARTS, Expectation, subject_of
from simulator.report.summary import Judged, Summary, as_json
from simulator.scenario.expecting import parse_expectation
from tests.report.made import execution, record, summary
from tests.report.test_counts import RECORDS, histories, named

ROWS = [
    execution(0, "SUCCEEDED", 0, 10, 60),
    execution(1, "FAILED", 0, 20, 100),
    execution(1, "SUCCEEDED", 100, 110, 200, number=2),
    execution(2, "TIMED_OUT", 50, 60, 300),
    execution(3, "SUCCEEDED", 50, 70, 150),
    execution(4, "IN_PROGRESS", 50, 90, 90),
]
RECORDED = [
    record(0, sent=10.0, done=10.25),
    record(1, sent=20.0, done=21.0, outcome=results.VERSION_MISMATCH, cause=1, attempt=2),
    record(3, sent=70.0, done=70.5),
    record(4, sent=400.0, done=410.0, outcome=results.NO_REPLY),
]


def judged(name: str, text: str, **more: Any) -> Judged:
    whole = summary(RECORDED, ROWS, expectations=[parse_expectation(name, text)], **more)
    return whole.verdict.expectations[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("succeeded", "3"),
        ("succeeded", "60%"),
        ("succeeded[a]", "2"),
        ("succeeded[b]", "50%"),
        ("succeeded[..100s]", "1"),
        ("succeeded[100s..200s]", "1"),
        ("succeeded[a, 100s..200s]", "0"),
        ("succeeded[ 150s..  , b ]", "1"),
        ("failed[100s..101s]", "20%"),
        ("queued[..60s]", "3"),
        ("in_progress[..60s]", "2"),
        ("unfinished[b]", "50%"),
        ("retries", "1"),
        ("retries", "20%"),
        ("retries[100s..]", "1"),
        ("retries[b]", "0"),
        ("false_timeouts[a]", "1"),
        ("conflicts.by_cause.lost_reply", "25%"),
        ("conflicts.by_attempt.2.lost_reply", "1"),
        ("conflicts.by_attempt.3.lost_reply", "0"),
        ("conflict_rate[a]", "50%"),
        ("conflicts[15s..20s]", "0"),
        ("conflicts[20s..21s]", "1"),
        ("requests.UpdateJobExecution.latency_ms.max", "1s"),
        ("requests.UpdateJobExecution.latency_ms.max", "1000"),
        ("max_latency[..15s]", "250ms"),
        ("requests.UpdateJobExecution.rejected.InvalidRequest", "0"),
        ("requests.DescribeJobExecution.sent", "0"),
        ("no_reply", "25%"),
        ("executions.CANCELED", "0"),
        ("cohorts.b.executions.SUCCEEDED", "50%"),
        ("attempts.2.by_status.SUCCEEDED", "1"),
        ("time_to_terminal_max", "250s"),
        ("time_to_terminal_max[b]", "100s"),
        ("completes_within[a]", "300s"),
        ("elapsed_s", "1000s"),
        ("elapsed_s", "1000"),
        ("peak_writes_per_s", "1"),
        ("aborted", "false"),
        ("throttled_for", "0s"),
    ],
)
def test_at_the_border(name: str, value: str) -> None:
    assert judged(name, f"== {value}").passed, judged(name, f"== {value}")
    assert not judged(name, f"!= {value}").passed
    if name != "aborted":
        for symbol in ("<=", ">="):
            one = judged(name, f"{symbol} {value}")
            assert (one.passed, one.spare) == (True, 0)
        for symbol in ("<", ">"):
            assert not judged(name, f"{symbol} {value}").passed


@pytest.mark.parametrize(
    "name",
    [
        "completes_within[b]",
        "requests.DescribeJobExecution.latency_ms.p50",
        "budget.reads.peak_at_s",
        "max_latency[b, 300s..]",
        "updates_per_s[500s..600s]",
    ],
)
def test_what_was_not_measured_holds_nothing(name: str) -> None:
    rate = name.startswith("updates_per_s")
    one = judged(name, "<= 1000" if rate else "<= 1000s")
    assert (one.observed, one.passed, one.margin, one.value) == (
        "nothing measured",
        False,
        "",
        None,
    )


@pytest.mark.parametrize(
    ("name", "text", "margin"),
    [
        ("succeeded", ">= 50%", "10.00%"),
        ("succeeded", ">= 90%", "-30.00%"),
        ("succeeded", "<= 60.001%", "0.001%"),
        ("succeeded", "== 5", "-2"),
        ("succeeded", "!= 5", "2"),
        ("completes_within[a]", "6m", "60.000s"),
        ("p99_latency", "< 100ms", "-0.890s"),
        ("aborted", "true", ""),
    ],
)
def test_a_margin_is_how_far_from_failing(name: str, text: str, margin: str) -> None:
    one = judged(name, text)
    assert one.margin == margin
    assert one.passed == (not margin.startswith("-") and name != "aborted")


def test_an_aborted_job_is_seen() -> None:
    assert judged("aborted", "true", aborted=True).passed
    assert judged("aborted", "false", aborted=True).observed == "true"


@given(RECORDS, histories(), st.integers(0, 100), st.integers(1, 200), st.sampled_from("ab"))
@settings(max_examples=60, deadline=None)
def test_a_part_is_what_is_left_when_all_else_is_taken_away(
    rows: list[Any], history: list[Any], begin: int, lasts: int, cohort: str
) -> None:
    things = range(3) if cohort == "a" else range(3, 5)
    inside = [
        row for row in map(named, rows)
        if row["thing"] in things and begin <= row["sent"] < begin + lasts
    ]  # fmt: skip
    mine = [row for row in history if row[0] in things]
    wanted = {
        "requests.UpdateJobExecution.sent": sum(r["operation"] == results.UPDATE for r in inside),
        "faults.partition": sum(r["fault"] == results.PARTITION for r in inside),
        "succeeded": sum(row[3] == 2 and begin <= row[8] < begin + lasts for row in mine),
        "retries": sum(row[2] > 1 and begin <= row[6] < begin + lasts for row in mine),
        "budget.connects.requests": sum(
            r["operation"] == results.CONNECT
            and (
                r["outcome"] not in (results.NO_REPLY, results.DISCONNECTED)
                or r["fault"] not in (results.LOST_REQUEST_FAULT, results.PARTITION, results.ABSENT)
            )
            for r in inside
        ),
    }
    part = f"[{cohort}, {begin}s..{begin + lasts}s]"
    expected = [parse_expectation(f"{name}{part}", f"== {n}") for name, n in wanted.items()]
    verdict = summary(rows, history, expectations=expected).verdict
    assert verdict.passed, (part, verdict)


def leaves(value: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in leaves(inner, (*path, name))]
    return [] if isinstance(value, str | list) else [path]


def test_every_number_of_a_summary_can_be_expected() -> None:
    """As it stands there: what is written in the file is what the expectation compares."""
    whole = summary(RECORDED, ROWS)
    paths = [p for p in leaves(as_json(whole), ()) if p[0] in PARTS]
    assert len(paths) > 150
    for path in paths:
        subject = subject_of(".".join(path))
        assert subject.path == path
        number = at(whole, path)
        if number is not None:
            text = str(number).lower() if subject.units == ("flag",) else f"{number:.10g}"
            kind = "%" if subject.units == ("share",) else ""
            text = f"{number * 100:.10g}{kind}" if kind else text
            one = expectation_of(".".join(path), f"== {text}")
            found = summary(RECORDED, ROWS, expectations=[one]).verdict
            assert found.passed, (path, found)


def at(whole: Summary, path: tuple[str, ...]) -> Any:
    value: Any = as_json(whole)
    for part in path:
        value = value[part]
    return value


def expectation_of(name: str, text: str) -> Expectation:
    return parse_expectation(name, text)


def test_friendly_names_stand_for_numbers_that_there_are() -> None:
    for name, subject in FRIENDLY.items():
        if subject.path and subject.path != ("aborted",):
            assert set(subject.units) <= {*subject_of(".".join(subject.path)).units, "share"}, name
