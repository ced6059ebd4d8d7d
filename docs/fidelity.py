"""The fidelity table: ``docs/fidelity.toml`` read and checked, and ``docs/fidelity.md`` made of it.

Rule 1: the TOML file is what people edit and review; the page is never written by hand.
Rule 2: a row that is not *absent* names what holds it: cases of ``conformance-cases.json`` by id,
        or tests as ``tests/….py::test_name``. A name that does not exist is a fault.
Rule 3: every conformance case stands in a row.
"""

import ast
import json
import re
import tomllib
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
TABLE: Final = ROOT / "docs" / "fidelity.toml"
PAGE: Final = ROOT / "docs" / "fidelity.md"
CASES: Final = ROOT / "tests" / "conformance" / "conformance-cases.json"

VERDICTS: Final = ("same", "simplified", "chosen", "absent")
MEMBERS: Final = {"section", "verdict", "what", "here", "source", "tests"}

_CASE: Final = re.compile(r"[A-E]\d\d")
_TEST: Final = re.compile(r"(tests/[\w/]+\.py)::((?:test_|Test)\w+)")


class Row(NamedTuple):
    """One behaviour."""

    section: str
    verdict: str
    what: str
    """What AWS does, or what its documentation leaves open."""
    here: str
    """What is done here, and why; empty where it is the same."""
    source: str
    tests: tuple[str, ...]


class Table(NamedTuple):
    """The whole of it."""

    head: str
    sources: dict[str, str]
    """What a source's tag stands for; the part of a tag before ``:`` counts."""
    rows: tuple[Row, ...]


def load(path: Path = TABLE) -> Table:
    """Read the table; raises ValueError for a row without its members."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return Table(found["head"], found["sources"], tuple(_row(one) for one in found["row"]))


def _row(members: dict[str, Any]) -> Row:
    strange = set(members) ^ (MEMBERS if "here" in members else MEMBERS - {"here"})
    if strange:
        raise ValueError(f"row {members.get('what')!r}: {', '.join(sorted(strange))}?")
    return Row(**{"here": "", **members, "tests": tuple(members["tests"])})


@cache
def cases() -> dict[str, dict[str, str]]:
    """The conformance cases by id."""
    return {case["id"]: case for case in json.loads(CASES.read_text(encoding="utf-8"))["cases"]}


@cache
def tests_in(path: str) -> frozenset[str]:
    """The names of the tests in a file; none where there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):  # Hypothesis: TestX = Machine.TestCase
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def faults(table: Table) -> list[str]:
    """Everything that is wrong with a table, each in one sentence."""
    found = [fault for row in table.rows for fault in _faults(row, table.sources)]
    told = {test for row in table.rows for test in row.tests}
    found += [f"conformance case {case} stands in no row" for case in cases() if case not in told]
    names = [row.what for row in table.rows]
    found += [f"{name!r} stands there twice" for name in set(names) if names.count(name) > 1]
    sections = [section for section, _ in groupby(row.section for row in table.rows)]
    found += [f"section {s!r} is torn apart" for s in set(sections) if sections.count(s) > 1]
    return sorted(found)


def _faults(row: Row, sources: dict[str, str]) -> list[str]:
    found = []
    if row.verdict not in VERDICTS:
        found.append(f"{row.verdict!r} is no verdict; allowed: {', '.join(VERDICTS)}")
    elif row.verdict == "same" and row.here:
        found.append("what is the same needs no reason")
    elif row.verdict != "same" and not row.here:
        found.append(f"it is {row.verdict}, and nothing says what is done here and why")
    if row.verdict != "absent" and not row.tests:
        found.append("no test holds it")
    strange = [tag for tag in row.source.split("; ") if tag.split(":")[0] not in sources]
    found += [f"source {tag!r} is none of {', '.join(sources)}" for tag in strange]
    found += [f"{test!r} does not exist" for test in row.tests if not exists(test)]
    return [f"{row.what!r}: {fault}" for fault in found]


def exists(test: str) -> bool:
    """Whether there is such a case or test."""
    if _CASE.fullmatch(test):
        return test in cases()
    named = _TEST.fullmatch(test)
    return named is not None and named[2] in tests_in(named[1])


# ------------------------------------------------------------------------------- the page


def page(table: Table) -> str:
    """The table as Markdown."""
    counted = dict.fromkeys(VERDICTS, 0)
    for row in table.rows:
        counted[row.verdict] += 1
    total = ", ".join(f"{count} {verdict}" for verdict, count in counted.items())
    lines = [
        "<!-- Written by `make docs` from docs/fidelity.toml: edit that. -->",
        "",
        table.head.strip(),
        "",
        f"{len(table.rows)} rows: {total}.",
    ]
    for section, rows in groupby(table.rows, key=lambda row: row.section):
        lines += ["", f"## {section}", ""]
        lines += ["| | AWS | here, and why | source | held by |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in rows]
    lines += ["", "## Sources", ""]
    lines += [f"- **{tag}**: {meaning}" for tag, meaning in table.sources.items()]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    tests = ", ".join(_link(test) for test in row.tests)
    cells = (row.verdict, row.what, row.here, row.source, tests)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _link(test: str) -> str:
    named = _TEST.fullmatch(test)
    return test if named is None else f"[{named[2]}](../{named[1]})"
