"""Which thing belongs to which cohort: all to one, by a rule for names, or by a CSV file.

A rule is ``prefix`` (what stands before the number at a name's end) or a regular expression with
one group. A CSV file has a header and the columns ``thing`` and ``cohort`` (or, of two columns, the
other one). Things that a rule does not know are the cohort ``other``.
"""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulator.errors import UsageError

MOST: Final = 200
"""A rule that gives more cohorts than these names things, not kinds of them."""

OTHER: Final = "other"
PREFIX: Final = "prefix"

_NUMBERED: Final = re.compile(r"(.*?)[-_:]?[0-9]+(?:#\d+)?")


def rule(by: str | None, whole: str = "fleet") -> Callable[[str], str]:
    """Thing name → cohort; ``whole`` is the one cohort without a rule.

    Raises:
        UsageError: neither prefix, nor a CSV file that can be read, nor a pattern with one group.
    """
    if by is None:
        return lambda _: whole
    if by == PREFIX:
        return _prefix
    path = Path(by)
    if by.endswith(".csv") or path.is_file():
        table = _table(path)
        return lambda thing: table.get(thing, OTHER)
    try:
        pattern = re.compile(by)
    except re.error as error:
        raise UsageError(f"--by {by}: no regular expression: {error}") from None
    if pattern.groups != 1:
        raise UsageError(
            f"--by {by}: {pattern.groups} groups; a pattern needs one, which is the cohort, as in "
            "'^([a-z]+)-'. Allowed beside it: prefix, or a CSV file with thing and cohort"
        )

    def cohort(thing: str) -> str:
        found = pattern.search(thing)
        return OTHER if found is None or not found[1] else _clean(found[1])

    return cohort


def _prefix(thing: str) -> str:
    found = _NUMBERED.fullmatch(thing)
    return OTHER if found is None or not found[1] else _clean(found[1])


def _clean(name: str) -> str:
    """A name as a scenario allows it."""
    return re.sub(r"[^a-zA-Z0-9:_-]", "-", name)[:100]


def _table(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"--by {path}: cannot be read: {reason}") from None
    header = [name.strip().lower() for name in rows[0]] if rows else []
    thing = next((at for at, name in enumerate(header) if name in ("thing", "thingname")), None)
    cohort = header.index("cohort") if "cohort" in header else None
    if thing is not None and cohort is None and len(header) == 2:
        cohort = 1 - thing
    if thing is None or cohort is None:
        raise UsageError(
            f"--by {path}:1: the header is {', '.join(header) or 'missing'}; it needs the columns "
            "thing and cohort"
        )
    table = {}
    for line, row in enumerate(rows[1:], 2):
        if len(row) <= max(thing, cohort) or not row[cohort].strip():
            raise UsageError(f"--by {path}: row {line} has no cohort")
        table[row[thing].strip()] = _clean(row[cohort].strip())
    return table
