"""No case is left out in silence: each is a test, or stands here with its reason."""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
CASES = json.loads((HERE / "conformance-cases.json").read_text())["cases"]

LATER: dict[str, str] = {}
"""Cases that wait, each with its reason."""


def test_every_case_is_a_test_or_waits_with_a_reason() -> None:
    text = "".join(path.read_text() for path in HERE.glob("test_area_*.py"))
    tested = {case for name in re.findall(r"def test_(\w+)\(", text) for case in name.split("_")}
    assert {case["id"] for case in CASES} - tested == set(LATER)


def test_nothing_waits_that_is_not_a_case() -> None:
    assert set(LATER) <= {case["id"] for case in CASES}
    assert {case["area"] for case in CASES} == {"A", "B", "C", "D", "E"}
