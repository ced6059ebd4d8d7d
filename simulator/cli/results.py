"""The commands that read finished runs: records, compare."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def records(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="parquet or csv (default: parquet, if pyarrow is installed).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to (default: the run's own).", show_default=False),
    ] = None,
) -> None:
    """Write a run's exchanges, executions and things as tables: Parquet or CSV."""
    from simulator.finished_run import read
    from simulator.table_files import choose, write

    chosen = choose(form)
    for path, rows in write(read(run_dir), chosen, out):
        typer.echo(f"{path}: {rows:,} rows")


def _limit(what: str) -> Any:
    return typer.Option(help=what, rich_help_panel="Limits")


def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder of the baseline.", show_default=False)],
    run_b: Annotated[Path, typer.Argument(help="Folder of the run to judge.", show_default=False)],
    html: Annotated[
        Path | None, typer.Option(help="Also write a page, one file.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    alpha: Annotated[
        float, typer.Option(help="How probable a false alarm may be, of all tests together.")
    ] = 0.01,
    max_share: Annotated[
        str, _limit("Points by which a share of targets or requests may get worse.")
    ] = "1%",
    max_conflicts: Annotated[str, _limit("Points by which a conflict rate may rise.")] = "1%",
    max_time: Annotated[str, _limit("By which times from queued to the end may rise.")] = "10%",
    max_latency: Annotated[str, _limit("By which latencies may rise.")] = "10%",
    max_requests: Annotated[str, _limit("By which requests of a thing may rise.")] = "10%",
    max_elapsed: Annotated[
        str | None, _limit("By which the run's duration may rise (default: not judged).")
    ] = None,
    max_peak: Annotated[
        str | None, _limit("By which peaks may rise (default: not judged).")
    ] = None,
) -> None:
    """Hold a run against a baseline: every number, its difference, and whether it is a regression.

    Exit code 0: no regression; 1: a regression; 2: a folder cannot be read.
    """
    from simulator.compare import limits as limiting
    from simulator.compare import text
    from simulator.compare.page import write
    from simulator.compare.verdict import compare as compared
    from simulator.finished_run import read

    def limit(option: str, given: str | None) -> Any:
        return limiting.parse(f"--max-{option}", given)

    limits = limiting.Limits(
        limit("share", max_share), limit("conflicts", max_conflicts), limit("time", max_time),
        limit("latency", max_latency), limit("requests", max_requests),
        limit("elapsed", max_elapsed), limit("peak", max_peak), alpha,
    )  # fmt: skip
    found = compared(read(run_a), read(run_b), limits)
    if html is not None:
        write(found, html)
    if as_json:
        typer.echo(json.dumps(text.as_json(found), indent=2))
    else:
        typer.echo(text.render(found), nl=False)
        if html is not None:
            typer.echo(f"Page: {html}")
    raise typer.Exit(1 if found.regressions else 0)
