"""``junit.xml``: what CI systems show of a verdict."""

from xml.etree import ElementTree as ET

import msgspec

from simulator.report.junit import as_junit, merged
from simulator.report.summary import Judged, Summary, Verdict
from simulator.scenario.expecting import parse_expectation
from tests.report.made import execution, summary

ROWS = [execution(0, "SUCCEEDED", 0, 1, 5), execution(1, "FAILED", 0, 1, 5)]


def test_one_case_for_each_expectation_and_a_failure_that_says_why() -> None:
    expected = [parse_expectation("failed[a]", "<= 10%"), parse_expectation("conflicts", "0")]
    text = as_junit(summary((), ROWS, expectations=expected), 1_767_225_600)
    suite = ET.fromstring(text).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "timestamp")} == {
        "tests": "2", "failures": "1", "errors": "0", "timestamp": "2026-01-01T00:00:00",
    }  # fmt: skip
    assert [child.tag for child in suite] == [
        "properties", "testcase", "testcase", "system-out", "system-err",
    ]  # fmt: skip
    wrong, right = suite.findall("testcase")
    assert (wrong.get("classname"), wrong.get("name")) == ("s", "failed[a] <= 10%")
    failure = wrong.find("failure")
    assert failure is not None
    assert failure.get("message") == "observed 33.33%, expected <= 10%, margin -23.33%"
    assert right.find("failure") is None


def test_a_run_that_expects_nothing_is_one_case() -> None:
    suite = ET.fromstring(as_junit(summary((), ROWS), 0)).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")


def test_what_xml_cannot_carry_is_replaced() -> None:
    odd = Judged("a\x00<b>\ud800", "\x1b[0m & >", "]]>", passed=False)
    whole = msgspec.structs.replace(
        summary((), ROWS), scenario="s\x08", verdict=Verdict(False, [odd])
    )
    case = ET.fromstring(as_junit(whole, 0)).find("testsuite/testcase")
    assert case is not None
    assert case.get("name") == "a\ufffd<b>\ufffd \ufffd[0m & >"


def test_several_runs_become_one_file_with_a_suite_each() -> None:
    passed, failed = as_junit(summary((), ROWS), 0), as_junit(broken(), 0)
    suites = ET.fromstring(merged([passed, failed])).findall("testsuite")
    assert [suite.get("id") for suite in suites] == ["0", "1"]
    assert [suite.get("failures") for suite in suites] == ["0", "1"]


def broken() -> Summary:
    wrong = Judged("failed", "<= 1%", "2%", passed=False)
    return msgspec.structs.replace(summary((), ROWS), verdict=Verdict(False, [wrong]))
