"""Whether a stream shows colours, and text in them.

Rule 1: colour is decoration: what it says stands in the words too.
Rule 2: ``NO_COLOR`` (no-color.org) wins over all; ``FORCE_COLOR`` or ``CLICOLOR_FORCE`` ask for
        colours where there is no terminal; else a terminal has them, unless it is a dumb one.
"""

import os
import sys
from collections.abc import Mapping
from typing import Final, Literal, TextIO

import typer

Colour = Literal["red", "green", "yellow", "cyan", "bright_black"]

OF_STATUS: Final[dict[str, Colour]] = {
    "SUCCEEDED": "green",
    "COMPLETED": "green",
    "IN_PROGRESS": "cyan",
    "FAILED": "red",
    "TIMED_OUT": "yellow",
    "REJECTED": "yellow",
    "CANCELED": "yellow",
    "CANCELLATION_IN_PROGRESS": "yellow",
    "REMOVED": "bright_black",
    "DELETED": "bright_black",
}


def has_colours(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether text on this stream may be coloured."""
    if environ.get("NO_COLOR"):
        return False
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        if environ.get(name, "0") not in ("", "0"):
            return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def painted(text: str, colour: Colour | None, stream: TextIO) -> str:
    """The text, in a colour where the stream shows any."""
    if colour is None or not has_colours(stream):
        return text
    return typer.style(text, fg=colour)


def say(text: str, *, err: bool = False) -> None:
    """A line that may have colours in it already."""
    typer.echo(text, err=err, color=has_colours(sys.stderr if err else sys.stdout))


def complain(error: object) -> None:
    """``Error: …`` on stderr."""
    say(f"{painted('Error:', 'red', sys.stderr)} {error}", err=True)
