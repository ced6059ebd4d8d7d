"""What GitHub Actions shows of a run: annotations at the lines of a scenario, and a step summary.

An annotation is a line on the standard output or error of the step; GitHub shows ten of each kind a
step. The step summary is Markdown that is appended to the file that GITHUB_STEP_SUMMARY names.
Source: docs.github.com, "Workflow commands for GitHub Actions".
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from simulator.errors import ScenarioError
from simulator.report.summary import Summary
from simulator.scenario.document import Document

_PLACE: Final = re.compile(r"(?P<file>[^:\n]+\.ya?ml):(?P<line>[0-9]+): (?P<message>.*)")


class Reported(NamedTuple):
    """A scenario and what became of it, in words; without a summary it did not come to its end."""

    path: Path
    outcome: str
    note: str
    summary: Summary | None


def asked_for(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this is a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def annotation(message: str, title: str, path: str | Path = "", line: int = 0) -> str:
    """``::error file=…,line=…,title=…::message``."""
    where = [("file", _relative(path))] if str(path) else []
    where += [("line", str(line))] if line else []
    said = ",".join(f"{name}={_property(value)}" for name, value in [*where, ("title", title)])
    return f"::error {said}::{_data(message)}"


def of_error(error: Exception) -> Iterator[str]:
    """One annotation for each fault that an error tells; a scenario's at its line."""
    for line in str(error).splitlines() if isinstance(error, ScenarioError) else [str(error)]:
        found = _PLACE.fullmatch(line)
        if found is None:
            yield annotation(line, "jobfleet")
        else:
            yield annotation(found["message"], "scenario", found["file"], int(found["line"]))


def of_run(reported: Reported) -> Iterator[str]:
    """One annotation for each expectation that failed, at its line, and for any other end."""
    path, summary = reported.path, reported.summary
    if reported.outcome not in ("passed", "failed", "skipped"):
        yield annotation(reported.note, f"{path.stem}: {reported.outcome}", path)
    if summary is None:
        return
    lines = _lines(path)
    for one in summary.verdict.expectations:
        if not one.passed:
            margin = f" (margin {one.margin})" if one.margin else ""
            message = f"{one.name} {one.expected}: observed {one.observed}{margin}"
            line = lines.get(one.name, lines.get("", 0))
            yield annotation(message, f"{summary.scenario}: expectation failed", path, line)


def as_markdown(reports: Iterable[Reported], note: str = "") -> str:
    """The step summary: a table of scenarios, and of each that failed its expectations."""
    rows = list(reports)
    lines = ["### jobfleet", ""]
    if note:
        lines += [note, ""]
    lines += [
        "| scenario | verdict | things | expectations | seed | |",
        "|---|---|--:|--:|--:|---|",
    ]
    for path, outcome, said, summary in rows:
        counted = ["", "", ""]
        if summary is not None:
            expected = summary.verdict.expectations
            kept = sum(one.passed for one in expected)
            counted = [f"{summary.things:,}", f"{kept} of {len(expected)}", str(summary.seed)]
        mark = {"passed": "✅", "skipped": "⏭️"}.get(outcome, "❌")
        cells = [_cell(str(path)), f"{mark} {outcome}", *counted, _cell(said)]
        lines.append(f"| {' | '.join(cells)} |")
    for path, outcome, _, summary in rows:
        if summary is not None and (outcome != "passed" or len(rows) == 1):
            lines += ["", f"#### {_cell(path.stem)}", ""]
            lines += ["| | expected | observed | margin |", "|---|---|--:|--:|"]
            for one in summary.verdict.expectations:
                cells = [f"{one.name} {one.expected}", one.observed, one.margin]
                mark = "✅" if one.passed else "❌"
                lines.append(f"| {mark} | {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines) + "\n\n"


def append_summary(markdown: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Append to the step's summary, where there is one; returns why that failed.

    A verdict is not lost for want of a summary.
    """
    name = environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return None
    try:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(markdown)
    except OSError as error:
        return f"cannot write the step summary {name}: {error.strerror}"
    return None


def _lines(path: Path) -> dict[str, int]:
    """An expectation's name → its line; nothing → that of ``expect``."""
    try:
        document = Document(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ScenarioError):
        return {}  # it was readable when the run began
    expect = document.value.get("expect")
    names = list(expect) if isinstance(expect, dict) else []
    found = {str(name): document.line(("expect", name)) for name in names}
    return {"": document.line(("expect",)), **found} if names else found


def _relative(path: str | Path) -> str:
    """As GitHub wants it: from the root of the repository, where it is in it."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    absolute = Path(path).absolute()
    if workspace and absolute.is_relative_to(workspace):
        return absolute.relative_to(workspace).as_posix()
    return Path(path).as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    """Text that stays in its cell, and is no markup."""
    return re.sub(r"([\\|<>`*_\[\]])", r"\\\1", text).replace("\n", " ")
