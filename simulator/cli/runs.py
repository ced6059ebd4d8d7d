"""The commands around scenarios: rehearse, run, check, schema."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import typer

from simulator.errors import ScenarioError, UsageError
from simulator.report.text import render
from simulator.run import INTERRUPTED, Rehearsal, Resolved, RunDirectory, utc_now
from simulator.scenario import json_schema, load


def rehearse(
    scenario: Path, seed: int | None, things: int | None, out: Path | None, quiet: bool
) -> int:
    """Rehearse; return the exit code."""
    resolved = _resolve(scenario, seed, things, quiet)
    directory = RunDirectory(out, resolved.name)
    started = utc_now()
    interactive = sys.stderr.isatty() and not quiet
    rehearsal = Rehearsal(resolved, _say if interactive else None)
    signal.signal(signal.SIGINT, lambda *_: rehearsal.interrupt())
    finished = rehearsal.run()
    if interactive:
        typer.echo("\r\033[K", err=True, nl=False)
    directory.write(finished, started)
    if quiet:
        typer.echo(f"Verdict: {'passed' if finished.summary.verdict.passed else 'FAILED'}")
    else:
        typer.echo(render(finished.summary, finished.wall_s))
    typer.echo(f"Run directory: {directory.path}")
    if finished.summary.ended == INTERRUPTED:
        return 130
    return 0 if finished.summary.verdict.passed else 1


def live(
    scenario: Path,
    seed: int | None,
    things: int | None,
    out: Path | None,
    transport: str,
    target: str | None,
    control: str | None,
) -> int:
    """Run live in a fresh Locust process; return its exit code."""
    if transport not in ("mqtt", "aiomqtt"):
        raise UsageError(f"--transport {transport}: allowed are mqtt and aiomqtt")
    resolved = _resolve(scenario, seed, things)
    directory = RunDirectory(out, resolved.name).path
    bridge = Path(__file__).parents[1] / "locust_bridge.py"
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(bridge),
        "--headless",
        "--only-summary",
        "--brief",
    ]
    command += ["--scenario", str(scenario), "--seed", str(resolved.seed)]
    command += ["--users", str(resolved.scenario.things), "--out", str(directory)]
    command += ["--csv", str(directory / "locust"), "--html", str(directory / "locust.html")]
    command += ["--transport", transport, "--loglevel", "WARNING"]
    if target is not None:
        command += ["--target", target]
    if control is not None:
        command += ["--control", control]
    # A session of its own: a Ctrl-C reaches it once, through us, and not also from the terminal.
    process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _frame: process.send_signal(number))
    return process.wait()


def check(scenarios: list[Path]) -> int:
    """Check files; return 2 if any is wrong."""
    wrong = 0
    for path in scenarios:
        try:
            loaded = load(path)
        except ScenarioError as error:
            wrong += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{path}: ok, {loaded.scenario.things:,} things")
            for note in loaded.notes:
                typer.echo(f"  note: {note}")
    return 2 if wrong else 0


def schema() -> None:
    """Print the JSON Schema."""
    typer.echo(json.dumps(json_schema(), indent=2))


def _resolve(scenario: Path, seed: int | None, things: int | None, quiet: bool = False) -> Resolved:
    resolved = Resolved.of(load(scenario), seed, things)
    if quiet:
        return resolved
    typer.echo(f"Scenario {resolved.name}, seed {resolved.seed}", err=True)
    if resolved.question:
        typer.echo(f"Question: {resolved.question}", err=True)
    for note in resolved.notes:
        typer.echo(f"Note: {note}", err=True)
    return resolved


def _say(line: str) -> None:
    typer.echo(f"\r\033[K{line}", err=True, nl=False)
