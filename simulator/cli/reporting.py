"""The command ``report``: a finished run's page, written anew."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write (default: report.html in it).", show_default=False),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show it in a browser.")] = False,
) -> None:
    """Write a run's report.html anew, or somewhere else: one file that needs no network."""
    from simulator.finished_run import read
    from simulator.report.page import MARK, as_html
    from simulator.run_directory import REPORT, replace

    path = run_dir / REPORT if out is None else out
    run = read(run_dir)
    replace(path, lambda: as_html(run), MARK)
    typer.echo(f"Report: {path}")
    if show:
        typer.launch(str(path))
