"""TAP version 14: a test point for each scenario, a subtest with one for each expectation."""

import json
from collections.abc import Iterable, Iterator

from simulator.report.github import Reported
from simulator.report.summary import Judged


def as_tap(reports: Iterable[Reported]) -> str:
    """The whole document."""
    rows = list(reports)
    lines = ["TAP version 14", f"1..{len(rows)}"]
    for number, one in enumerate(rows, 1):
        if one.summary is not None:
            lines += _subtest(one.path.as_posix(), one.summary.verdict.expectations)
        state = "ok" if one.outcome in ("passed", "skipped") else "not ok"
        skipped = f" # SKIP {_plain(one.note)}" if one.outcome == "skipped" else ""
        lines.append(f"{state} {number} - {_plain(one.path.as_posix())}{skipped}")
        if state == "not ok":
            lines += _why({"outcome": one.outcome, "message": one.note})
    return "\n".join(lines) + "\n"


def _subtest(name: str, expectations: list[Judged]) -> Iterator[str]:
    yield f"# Subtest: {_plain(name)}"
    yield f"    1..{len(expectations)}"
    for number, one in enumerate(expectations, 1):
        state = "ok" if one.passed else "not ok"
        yield f"    {state} {number} - {_plain(f'{one.name} {one.expected}')}"
        if not one.passed:
            why = {"observed": one.observed, "expected": one.expected, "margin": one.margin}
            yield from (f"    {line}" for line in _why(why))


def _why(members: dict[str, str]) -> Iterator[str]:
    """A YAML block; JSON's strings are YAML's."""
    yield "  ---"
    for name, value in members.items():
        yield f"  {name}: {json.dumps(value, ensure_ascii=False)}"
    yield "  ..."


def _plain(text: str) -> str:
    """A description on one line, in which nothing is a directive."""
    return text.replace("\\", "\\\\").replace("#", "\\#").replace("\n", " ")
