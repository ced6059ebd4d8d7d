"""The commands that choose a plan (explain, sweep, shrink); each imports what it needs."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.interrupts import INTERRUPTED_CODE, until_interrupted
from simulator.errors import UsageError

ScenarioArgument = Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)]
ThingsOption = Annotated[
    int | None,
    typer.Option(help="Number of things; cohorts are rescaled in proportion.", show_default=False),
]
SeedOption = Annotated[
    int | None,
    typer.Option(help="Seed of all chance (default: the scenario's, else 1).", show_default=False),
]


def sweep(
    scenario: ScenarioArgument,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE,VALUE,…: a key of the scenario. Repeat.", show_default=False),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Replications of each setting.")] = 5,
    seed: Annotated[
        int | None,
        typer.Option(help="The first seed (default: the scenario's, else 1).", show_default=False),
    ] = None,
    things: ThingsOption = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that rehearse (default: one a core).", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder; an interrupted sweep in it is resumed (default: fresh, under runs/).",
            show_default=False,
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler to rehearse on.", show_default=False),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="A number of summary.json as a column, by its dotted path, or a status in small "
            "letters for its share of targets. Repeat.",
            show_default=False,
        ),
    ] = None,
    objective: Annotated[
        str, typer.Option(help="What is best of settings that pass: min:PATH or max:PATH.")
    ] = "min:elapsed_s",
    target_arn: Annotated[
        str | None,
        typer.Option(
            help="Target of create-job.json (default: the scenario's).", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Rehearse a grid of settings with many seeds: which rate, which timeout, which threshold?

    Exit code 0: the best setting passes with every seed; 1: none does; 130: interrupted.
    """
    from simulator.sweep import Plan, Progress
    from simulator.sweep import sweep as run_sweep
    from simulator.sweep.crews import Crew, Dask, Processes
    from simulator.sweep.table import DEFAULT_METRICS
    from simulator.sweep.writers import as_json as members
    from simulator.sweep.writers import line, render

    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: at least one process is needed")
    if dask is not None and workers is not None:
        raise UsageError("--workers is for this machine; a Dask cluster has its own workers")
    plan = Plan.of(scenario, vary or [], seeds, seed, things, metric or [], objective)
    total = len(plan.cells) * len(plan.seeds)
    stopping = until_interrupted()
    crew: Crew = Processes(min(workers or _cores(), total)) if dask is None else Dask(dask)

    def began(folder: Path, done: int) -> None:
        resumed = f", {done:,} of them are here already" if done else ""
        typer.echo(
            f"{len(plan.cells):,} settings × {len(plan.seeds):,} seeds = {total:,} rehearsals of "
            f"{plan.cells[0].loaded.name}{resumed}; {crew.size} at a time, in {folder}",
            err=True,
        )

    def progress(now: Progress) -> None:
        if now.row is not None:
            shown = plan.metrics or DEFAULT_METRICS[:2]
            typer.echo(f"[{now.done:,}/{now.of:,}] {line(now.row, shown)}", err=True)

    swept = run_sweep(
        plan,
        out,
        crew,
        target_arn=target_arn,
        progress=progress,
        began=began,
        stopping=stopping,
    )
    created = [str(path) for path in swept.create_jobs]
    if as_json:
        about = {
            "scenario": plan.cells[0].loaded.name,
            **members(swept.table),
            "interrupted": swept.stopped,
            "folder": str(swept.folder),
            "create_jobs": created,
        }
        typer.echo(json.dumps(about, indent=2))
    else:
        typer.echo(f"\n{render(swept.table)}", nl=False)
        for path in created:
            typer.echo(f"  aws iot create-job --cli-input-json file://{path}")
        if swept.stopped:
            typer.echo("Interrupted: the same command with this --out goes on where it stopped")
        typer.echo(f"Sweep folder: {swept.folder}")
    if swept.stopped:
        raise typer.Exit(INTERRUPTED_CODE)
    best = swept.table.best
    raise typer.Exit(0 if best is not None and best.passes else 1)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def explain(
    scenario: ScenarioArgument,
    seed: SeedOption = None,
    things: ThingsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Say before anything runs what is to be expected, and which setting is the bottleneck."""
    from simulator.explain import as_json as members
    from simulator.explain import explain as work_out
    from simulator.explain import render

    explained = work_out(scenario, seed, things)
    typer.echo(json.dumps(members(explained), indent=2) if as_json else render(explained), nl=False)
    if as_json:
        typer.echo()


def shrink(
    scenario: ScenarioArgument,
    seed: SeedOption = None,
    things: ThingsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The small scenario (default: NAME-shrunk.yaml beside it).", show_default=False
        ),
    ] = None,
) -> None:
    """Find the fewest things and faults with which a failing scenario still fails the same way."""
    from simulator import shrink as shrinking

    path = out or scenario.with_name(f"{scenario.stem}-shrunk.yaml")
    shrinking.check_out(path)
    try:
        shrunk = shrinking.shrink(scenario, seed, things, lambda line: typer.echo(line, err=True))
    except KeyboardInterrupt:
        typer.echo("Interrupted; nothing was written", err=True)
        raise typer.Exit(INTERRUPTED_CODE) from None
    shrinking.keep(shrunk, path)
    typer.echo(f"Fails: {shrunk.failure}")
    fewest = "the fewest" if shrunk.smallest else f"more than {shrinking.COUNTED} are needed, fewer"
    fewest += "" if shrunk.smallest else " than these perhaps"
    typer.echo(
        f"{shrunk.things:,} of {shrunk.was:,} things ({fewest}), {shrunk.rehearsals} rehearsals"
    )
    if shrunk.removed:
        typer.echo(f"Fails without: {', '.join(shrunk.removed)}")
    typer.echo(f"Scenario: {path}")
