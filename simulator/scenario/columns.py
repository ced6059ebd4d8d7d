"""A column of times in a CSV file: durations that were measured, moments to be replayed."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Final

MOST_ROWS: Final = 1_000_000


def read_column(
    path: Path, column: str | None, seconds: Callable[[str], float], what: str
) -> list[float]:
    """The values of a column (the first, if none is named), in seconds, in order.

    ``seconds`` reads one cell; ``what`` says what it is ("duration").

    Raises:
        ValueError: the file cannot be read, has no such column or no value, or a cell is none.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for _, row in zip(range(MOST_ROWS + 2), csv.reader(file), strict=False)]
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV file: {error}") from None
    if len(rows) > MOST_ROWS + 1:
        raise ValueError(f"{path} has more than {MOST_ROWS} rows")
    at, first = 0, 1
    if column is not None:
        heading = [cell.strip() for cell in rows[0]] if rows else []
        if column not in heading:
            raise ValueError(f"{path} has no column {column!r}; it has {', '.join(heading)}")
        at, rows, first = heading.index(column), rows[1:], 2
    elif rows and rows[0] and not rows[0][0].strip()[:1].isdigit():
        rows, first = rows[1:], 2  # a heading
    found = []
    for line, row in enumerate(rows, first):
        if not row:
            continue
        try:
            found.append(seconds(row[at].strip()))
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}:{line}: {error}") from None
    if not found:
        raise ValueError(f"{path} holds no {what}")
    return sorted(found)
