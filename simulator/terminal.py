"""What a stream can show: colours, and pictures that are drawn over each other.

Rule 1: colour is decoration: what it says stands in the words too.
Rule 2: ``NO_COLOR`` (no-color.org) wins over all; ``FORCE_COLOR`` or ``CLICOLOR_FORCE`` ask for
        colours where there is no terminal; else a terminal has them, unless it is a dumb one.
"""

import os
from collections.abc import Mapping
from typing import Final, Literal, TextIO

Colour = Literal["red", "green", "yellow", "cyan", "bright_black"]

_CODES: Final[dict[Colour, int]] = {
    "red": 31, "green": 32, "yellow": 33, "cyan": 36, "bright_black": 90,
}  # fmt: skip

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
    "QUEUED": "bright_black",
}


def is_drawable(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether something can be drawn over what was drawn before."""
    return stream.isatty() and environ.get("TERM", "dumb") not in ("dumb", "unknown", "")


def has_colours(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether text on this stream may be coloured."""
    if environ.get("NO_COLOR"):
        return False
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        if environ.get(name, "0") not in ("", "0"):
            return True
    return is_drawable(stream, environ)


def painted(text: str, colour: Colour | None, stream: TextIO) -> str:
    """The text, in a colour where the stream shows any."""
    if colour is None or not has_colours(stream):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"
