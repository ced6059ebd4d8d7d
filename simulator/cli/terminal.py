"""Lines with colours in them, and errors, on a command's own streams."""

import sys

import typer

from simulator.terminal import has_colours, painted


def say(text: str, *, err: bool = False) -> None:
    """A line that may have colours in it already."""
    typer.echo(text, err=err, color=has_colours(sys.stderr if err else sys.stdout))


def complain(error: object) -> None:
    """``Error: …`` on stderr."""
    say(f"{painted('Error:', 'red', sys.stderr)} {error}", err=True)
