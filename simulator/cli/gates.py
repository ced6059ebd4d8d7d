"""The command ``ci``, and what GitHub Actions is told by every command that judges."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from simulator.cli.interrupts import INTERRUPTED_CODE, until_interrupted
from simulator.cli.terminal import say
from simulator.terminal import Colour, painted

if TYPE_CHECKING:
    from simulator.gate import Result
    from simulator.report.github import Reported

OF_CODE: Final[dict[int, tuple[str, str]]] = {
    0: ("passed", ""),
    1: ("failed", ""),
    3: ("target lost", "the target could not be reached, or was lost"),
    4: ("not to be trusted", "the generator could not keep its own schedule"),
    INTERRUPTED_CODE: ("interrupted", "interrupted: the verdict is of what was seen until then"),
}
"""What an exit code of a run says."""

COLOURS: Final[dict[str, Colour]] = {"passed": "green", "skipped": "bright_black"}


def ci(
    scenarios: Annotated[
        list[Path], typer.Argument(help="Scenario files (YAML).", show_default=False)
    ],
    budget: Annotated[
        str | None,
        typer.Option(
            help="Wall time for all, like 5m; what does not fit is told, and exit code 5.",
            show_default=False,
        ),
    ] = None,
    max_things: Annotated[
        int | None,
        typer.Option(
            help="Rescale larger fleets to so many things; told beside the verdict.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of all chance (default: each scenario's, else 1).", min=0),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(help="How many are rehearsed at a time (default: one a core)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for run directories and junit.xml (default: a fresh one under runs/).",
            show_default=False,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(help="Where JUnit goes (default: junit.xml in that folder)."),
    ] = None,
    tap: Annotated[
        bool, typer.Option("--tap", help="Print TAP (version 14) instead of the table.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as JSON instead of the table.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing of each on the way.")
    ] = False,
) -> None:
    """Check and rehearse many scenarios within a budget of time, for a CI job.

    Exit code 2: a scenario is wrong; 1: an expectation failed; 5: the budget was used up; where
    several hold, the first of these. 0: all passed; 130: interrupted.
    """
    from simulator.errors import UsageError
    from simulator.gate import Gate, Result, code_of, cores, entries
    from simulator.report.github import as_markdown
    from simulator.report.tap import as_tap
    from simulator.scenario.units import parse_duration

    if tap and as_json:
        raise UsageError("--tap and --json are two ways to print the results: use one")
    try:
        budget_s = None if budget is None else parse_duration(budget)
    except ValueError as error:
        raise UsageError(f"--budget: {error}") from None
    if junit is not None and not junit.parent.is_dir():
        raise UsageError(f"--junit {junit}: there is no folder {junit.parent}")
    listed = entries(scenarios, seed, max_things)
    gate = Gate(listed, out, budget_s, cores() if jobs is None else jobs)
    stopping = until_interrupted()
    results = []
    for result in gate.results(stopping):
        results.append(result)
        if not quiet:
            say(_line(result, sys.stderr), err=True)
    done = {result.entry.name for result in results}
    left = [entry for entry in listed if entry.name not in done]  # only where it was interrupted
    results += [Result(entry, "not run", "interrupted") for entry in left]
    results.sort(key=lambda one: listed.index(one.entry))
    reports = [_reported(result) for result in results]
    file = junit or gate.folder.path / "junit.xml"
    _write(file, gate.junit(results))
    note = f"{len(done)} of {len(listed)} scenarios in {gate.wall_s:.0f} s of wall time"
    tell_github(reports, as_markdown(reports, note))
    if tap:
        typer.echo(as_tap(reports), nl=False)
    elif as_json:
        typer.echo(json.dumps([*map(_members, results)], indent=2))
    else:
        for line in _table(results):
            say(line)
        say(f"{_counted(results)}; {gate.wall_s:.1f} s{_of_budget(budget_s)}")
        say(f"JUnit: {file}")
    if stopping():
        say("Interrupted", err=True)
        raise typer.Exit(INTERRUPTED_CODE)
    raise typer.Exit(code_of(results))


def tell_github(reports: "Sequence[Reported]", markdown: str) -> None:
    """Annotate and append to the step summary, where this is GitHub Actions."""
    from simulator.report import github

    if not github.asked_for():
        return
    for reported in reports:
        for line in github.of_run(reported):
            typer.echo(line, err=True)
    failure = github.append_summary(markdown)
    if failure is not None:
        typer.echo(f"Note: {failure}", err=True)


def tell_github_of(path: Path, run_directory: Path, code: int) -> None:
    """The same of one run that left its directory behind, and its exit code."""
    from simulator.report import github

    if not github.asked_for():
        return
    import msgspec

    from simulator.report.summary import Summary

    outcome, note = OF_CODE.get(code, ("ended", f"exit code {code}: its log says why"))
    summary = None
    with suppress(OSError):  # it may not have come so far
        text = (run_directory / "summary.json").read_bytes()
        summary = msgspec.json.decode(text, type=Summary)
    reports = [github.Reported(path, outcome, note or (summary.ended if summary else ""), summary)]
    tell_github(reports, github.as_markdown(reports))


def _write(file: Path, content: bytes) -> None:
    from simulator.errors import UsageError

    aside = file.with_name(f".{file.name}.new")
    try:
        aside.write_bytes(content)
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {error.strerror}") from None


def _reported(result: "Result") -> "Reported":
    from simulator.report.github import Reported

    return Reported(result.entry.path, result.outcome, result.note, result.summary)


def _expected(result: "Result") -> str:
    if result.summary is None:
        return ""
    expected = result.summary.verdict.expectations
    kept = sum(one.passed for one in expected)
    return f"{kept} of {len(expected)}"


def _line(result: "Result", stream: TextIO) -> str:
    """One line of one scenario."""
    outcome, entry = result.outcome, result.entry
    word = outcome if outcome in COLOURS else outcome.upper()
    shown = painted(f"{word:<8}", COLOURS.get(outcome, "red"), stream)
    line = f"{shown} {entry.name:<22} {entry.things:>9,} things {_expected(result):>9}"
    line += f" {result.wall_s:>6.1f} s"
    return f"{line}  {result.note}".rstrip()


def _failures(result: "Result") -> Iterator[str]:
    if result.summary is not None:
        for one in result.summary.verdict.expectations:
            if not one.passed:
                yield f"         {one.name} {one.expected}: observed {one.observed}"


def _table(results: "list[Result]") -> Iterator[str]:
    yield f"{'':<8} {'scenario':<22} {'things':>9}        {'kept':>9} {'took':>8}"
    for result in results:
        yield _line(result, sys.stdout)
        yield from _failures(result)


def _counted(results: "list[Result]") -> str:
    """``16 scenarios: 14 passed, 1 failed, 1 skipped``."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"{len(results)} scenario{'s' * (len(results) != 1)}: {said or 'nothing was done'}"


def _of_budget(budget_s: float | None) -> str:
    return "" if budget_s is None else f" of {budget_s:g} s"


def _members(result: "Result") -> dict[str, object]:
    """For ``--json``."""
    from simulator.report.summary import as_json

    summary = result.summary
    return {
        "scenario": str(result.entry.path),
        "outcome": result.outcome,
        "note": result.note,
        "things": result.entry.things,
        "wall_s": round(result.wall_s, 3),
        "verdict": None if summary is None else as_json(summary)["verdict"],
    }
