"""The commands that read finished runs: records, compare."""

from pathlib import Path
from typing import Annotated

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
