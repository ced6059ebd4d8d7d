"""The command ``try-agent``: a verdict on somebody's agent, in words or as JSON."""

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.trying import Trial

LAST_LINES: Final = 15
"""Of what a failed copy printed."""

INTERRUPTED_CODE: Final = 130


def try_agent(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)],
    command: Annotated[
        list[str],
        typer.Argument(
            help="After --: the agent and its arguments. {endpoint}, {port} (MQTT), {http}, "
            "{thing}, {copy} (of its thing), and with --tls {ca}, {cert}, {key} are filled in.",
            metavar="AGENT",
            show_default=False,
        ),
    ],
    copies: Annotated[
        int | None,
        typer.Option(
            help="How many, each as a thing of its own; the fleet is rescaled to as many "
            "(default: one per thing, 20 at most).",
            min=1,
            max=1000,
            show_default=False,
        ),
    ] = None,
    per_thing: Annotated[
        int,
        typer.Option(
            help="Copies that share a thing, as {copy} 1, 2, … of it: two agents at one job. "
            "The verdict is on what they do together.",
            min=1,
            max=10,
        ),
    ] = 1,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which it is over, finished or not.", min=0.1)
    ] = 120.0,
    time_scale: Annotated[
        float | None,
        typer.Option(
            help="Scenario seconds per second (default: the scenario's load.time_scale).",
            min=1e-6,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of all chance (default: the scenario's, else 1).", min=0),
    ] = None,
    tls: Annotated[
        bool,
        typer.Option("--tls", help="Serve over TLS only, and make each copy a certificate."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where outputs and verdict go (default: a fresh folder under runs/).",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Try your own agent: play a scenario to copies of it, and judge what the service saw."""
    from simulator.run import Resolved
    from simulator.scenario import load
    from simulator.trying import INTERRUPTED, MOST_COPIES, TrialOptions, check_command, run_trial

    loaded = load(scenario)
    check_command(tuple(command), tls)
    things = loaded.scenario.things
    wanted = min(things, MOST_COPIES) if copies is None else copies
    if copies is None and wanted < things:
        typer.echo(f"Note: {wanted} copies for a fleet of {things:,}; --copies says more", err=True)
    resolved = Resolved.of(loaded, seed, wanted)
    typer.echo(
        f"Scenario {resolved.name}, seed {resolved.seed}, {_copies(wanted, per_thing)}", err=True
    )
    scale = resolved.scenario.load.time_scale if time_scale is None else time_scale
    trial = run_trial(TrialOptions(resolved, tuple(command), scale, timeout, per_thing, tls, out))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(trial), indent=2).decode())
    else:
        typer.echo("\n".join(_lines(trial)))
    if trial.ended == INTERRUPTED:
        raise typer.Exit(INTERRUPTED_CODE)
    raise typer.Exit(0 if trial.passed else 1)


def _copies(things: int, per_thing: int) -> str:
    """How many are started."""
    if per_thing == 1:
        return f"copies: {things}"
    on = "one thing" if things == 1 else f"each of {things} things"
    return f"copies: {things * per_thing}, {per_thing} on {on}"


def _lines(trial: "Trial") -> list[str]:
    """The verdict in words."""
    lines = [f"Ended: {trial.ended}"]
    for name, count in trial.incidents.items():
        lines.append(f"Incident {name}: {count}")
    for copy in trial.copies:
        ends = ", ".join(f"{e.job_id} {e.status}" for e in copy.executions) or "no execution"
        asked = sum(copy.requests.values())
        lines.append(
            f"{'passed' if copy.passed else 'FAILED'}  {copy.thing}  {ends}; {asked} requests, "
            f"{copy.conflicts} conflicts, {copy.resolved} resolved"
        )
        if not copy.passed:
            lines += [f"        {c.name}: {c.why}" for c in copy.checks if not c.passed]
            for output in copy.outputs:
                lines += [f"        | {line}" for line in _last_lines(Path(output))]
    failed = sum(not copy.passed for copy in trial.copies)
    what = "things" if any(len(copy.outputs) > 1 for copy in trial.copies) else "copies"
    verdict = "passed" if trial.passed else f"FAILED, {failed} of {len(trial.copies)} {what}"
    return [*lines, f"Verdict: {verdict}", f"Run directory: {trial.directory}"]


def _last_lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip() for line in deque(file, LAST_LINES)]
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
