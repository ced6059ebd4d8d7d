"""The table that a benchmark prints: what was measured, what is held, and whether it was."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One number; ``hold`` and ``held`` are empty for a floor or a mere fact."""

    what: str
    measured: str
    hold: str = ""
    held: bool | None = None


def at_least(what: str, value: float, hold: float, shown: str = ",.0f") -> Row:
    """A number that must not be smaller than ``hold``."""
    return Row(what, f"{value:{shown}}", f">= {hold:{shown}}", value >= hold)


def at_most(what: str, value: float, hold: float, shown: str = ".1f") -> Row:
    """A number that must not be larger than ``hold``."""
    return Row(what, f"{value:{shown}}", f"<= {hold:{shown}}", value <= hold)


def show(rows: Iterable[Row]) -> None:
    """Print rows as Markdown."""
    marks = {None: "", True: "ok", False: "MISS"}
    print(f"| {'what':<62} | {'measured':>10} | {'hold':>9} | {'':<4} |")
    print(f"|{'-' * 64}|{'-' * 11}:|{'-' * 10}:|{'-' * 6}|")
    for row in rows:
        print(f"| {row.what:<62} | {row.measured:>10} | {row.hold:>9} | {marks[row.held]:<4} |")
