"""``junit.xml``: one test case per expectation, for whatever shows the results of a CI job.

Attributes and their order are those that both XSDs in use (Jenkins's, and the older one of Apache
Ant's JUnit task) take. Times are scenario time and the timestamp is the scenario's epoch, so that
the same scenario and seed give the same file. Of several runs it makes one file with a suite each:
``python -m simulator.report.junit RUN/junit.xml …``.
"""

import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from xml.etree import ElementTree as ET

from simulator.report.summary import Judged, Summary


def as_junit(summary: Summary, epoch_s: float) -> bytes:
    """The verdict as JUnit XML; a run that expects nothing is one case that passed."""
    verdict = summary.verdict
    cases = verdict.expectations or [Judged("runs to its end", "", summary.ended, passed=True)]
    failed = sum(not one.passed for one in cases)
    suites = ET.Element("testsuites")
    suite = ET.SubElement(
        suites,
        "testsuite",
        {
            "id": "0",
            "package": "jobfleet",
            "name": _clean(summary.scenario),
            "timestamp": datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": "localhost",
            "tests": str(len(cases)),
            "failures": str(failed),
            "errors": "0",
            "time": f"{summary.elapsed_s:.3f}",
        },
    )
    properties = ET.SubElement(suite, "properties")
    for name in ("seed", "things", "clock", "transport", "ended"):
        value = _clean(str(getattr(summary, name)))
        ET.SubElement(properties, "property", {"name": name, "value": value})
    for one in cases:
        _case(suite, summary.scenario, one)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")
    return _as_text(suites)


def as_single_case(name: str, tag: Literal["error", "skipped"], message: str) -> bytes:
    """A scenario of which nothing was measured, as a suite with one case that says why."""
    suites = ET.Element("testsuites")
    counted = {"tests": "1", "failures": "0", "errors": "0", "skipped": "0", "time": "0.000"}
    counted["errors" if tag == "error" else "skipped"] = "1"
    about = {"id": "0", "package": "jobfleet", "name": _clean(name), "hostname": "localhost"}
    suite = ET.SubElement(suites, "testsuite", {**about, **counted})
    case = ET.SubElement(
        suite,
        "testcase",
        {"name": "runs to its end", "classname": _clean(name), "time": "0.000"},
    )
    why = {"message": _clean(message)}
    ET.SubElement(case, tag, why if tag == "skipped" else {**why, "type": "NotRehearsed"})
    return _as_text(suites)


def merged(files: Iterable[bytes]) -> bytes:
    """The suites of several files in one, in their order, numbered anew."""
    suites = ET.Element("testsuites")
    for file in files:
        suites.extend(ET.fromstring(file))
    for at, suite in enumerate(suites):
        suite.set("id", str(at))
    return _as_text(suites)


def _as_text(suites: ET.Element) -> bytes:
    ET.indent(suites)
    text: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: ET.Element, scenario: str, one: Judged) -> None:
    name = _clean(f"{one.name} {one.expected}".strip())
    case = ET.SubElement(
        suite, "testcase", {"name": name, "classname": _clean(scenario), "time": "0.000"}
    )
    if not one.passed:
        message = f"observed {one.observed}, expected {one.expected}"
        message += f", margin {one.margin}" if one.margin else ""
        failure = ET.SubElement(
            case, "failure", {"message": _clean(message), "type": "ExpectationFailed"}
        )
        failure.text = _clean(f"{one.name}: {message}")


_NOT_XML: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def _clean(text: str) -> str:
    """Without what XML cannot carry, however it is escaped."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


if __name__ == "__main__":
    sys.stdout.buffer.write(merged(Path(name).read_bytes() for name in sys.argv[1:]))
