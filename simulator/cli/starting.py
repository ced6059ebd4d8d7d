"""``jobfleet init``: scenarios to begin with."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[
        Path, typer.Argument(help="Where to write them; made if it is not there.")
    ] = Path("scenarios"),
) -> None:
    """Write the example scenarios, one question each, to begin from; nothing is overwritten."""
    from simulator.starters import write

    written = write(folder)
    typer.echo(f"{len(written)} scenarios in {folder}; try:")
    typer.echo(f"  jobfleet rehearse {folder / 'timeouts.yaml'}")
