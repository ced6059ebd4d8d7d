"""A sweep's table as text, CSV and JSON."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from simulator.sweep.statistics import Estimate
from simulator.sweep.table import SHARES, Row, Table, headings, settings_of, short_names


def shown(path: str, found: Estimate | None) -> str:
    """``3,780 ± 12``; shares as percentages."""
    if found is None:
        return "–"
    share = path in SHARES or path.rpartition(".")[2] == "rate"
    factor, sign = (100, " %") if share else (1, "")
    mean, half = found.mean * factor, None if found.half is None else found.half * factor
    digits = 2 if share else 0 if abs(mean) >= 1000 else 1 if abs(mean) >= 10 else 2
    text = f"{mean:,.{digits}f}"
    return f"{text}{sign}" if half is None else f"{text} ± {half:,.{digits}f}{sign}"


def line(row: Row, metrics: Sequence[str]) -> str:
    """One finished setting, for the terminal as the sweep goes on."""
    names = headings(metrics)
    numbers = "  ".join(
        f"{name} {shown(path, row.metrics.get(path))}"
        for name, path in zip(names, metrics, strict=True)
    )
    failed = f", {len(row.errors)} without result" if row.errors else ""
    settings = settings_of(row.settings) or "as it is"
    return f"{settings}: {row.passed}/{row.asked} passed{failed}  {numbers}"


def render(table: Table) -> str:
    """The table for a terminal."""
    paths = [path for path, _ in table.rows[0].settings]
    head = [*short_names(paths), "passed", "completed", *headings(table.metrics)]
    body = [
        [
            *(value for _, value in row.settings),
            f"{row.passed}/{row.asked}",
            f"{row.completed}/{row.asked}",
            *(shown(path, row.metrics.get(path)) for path in table.metrics),
        ]
        for row in table.rows
    ]
    widths = [max(len(line[at]) for line in (head, *body)) for at in range(len(head))]
    lines = [
        "  "
        + "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *body)
    ]
    for row, at in zip(table.rows, range(1, len(lines)), strict=True):
        if row is table.best:
            lines[at] = "*" + lines[at][1:]
    lines.append("")
    n = len(table.seeds)
    seeds = f"seed {table.seeds[0]}" if n == 1 else f"seeds {table.seeds[0]} to {table.seeds[-1]}"
    interval = "" if n == 1 else "; mean ± half of its 90 % interval (Student's t)"
    lines.append(f"{seeds}{interval}")
    lines += list(_errors(table))
    lines += list(_about_best(table))
    return "\n".join(lines) + "\n"


def _errors(table: Table) -> Iterator[str]:
    for row in table.rows:
        for seed, why in row.errors[:1]:
            more = f" ({len(row.errors)} seeds)" if len(row.errors) > 1 else ""
            yield f"No result: {settings_of(row.settings)}, seed {seed}: {why}{more}"
    missing = sum(row.asked - row.done - len(row.errors) for row in table.rows)
    if missing:
        yield f"{missing:,} of {sum(row.asked for row in table.rows):,} rehearsals are not done yet"


def _about_best(table: Table) -> Iterator[str]:
    if table.best is None:
        yield "No setting has all its results, so none is the best"
        return
    settings = settings_of(table.best.settings) or "the scenario as it is"
    yield f"Best (most verdicts passed, then {table.objective}): {settings}"
    for remark in table.remarks:
        yield f"  {remark}"


def as_json(table: Table) -> dict[str, Any]:
    """The table as JSON members."""
    return {
        "seeds": list(table.seeds),
        "objective": {"path": table.objective.path, "way": table.objective.way},
        "rows": [_row_as_json(row) for row in table.rows],
        "best": None if table.best is None else _row_as_json(table.best),
        "remarks": list(table.remarks),
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "cell": row.cell,
        "settings": dict(row.settings),
        "asked": row.asked,
        "done": row.done,
        "passed": row.passed,
        "completed": row.completed,
        "errors": [{"seed": seed, "error": why} for seed, why in row.errors],
        "metrics": {
            path: None
            if found is None
            else {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
            for path, found in row.metrics.items()
        },
    }


def as_csv(table: Table) -> str:
    """The table for a spreadsheet: for each metric mean, low and high."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    paths = [path for path, _ in table.rows[0].settings]
    columns = [f"{path} {end}" for path in table.metrics for end in ("mean", "low", "high")]
    writer.writerow([*paths, "asked", "done", "passed", "completed", "errors", *columns])
    for row in table.rows:
        numbers: list[float | None] = []
        for path in table.metrics:
            found = row.metrics.get(path)
            numbers += (None, None, None) if found is None else (found.mean, found.low, found.high)
        writer.writerow([*(value for _, value in row.settings), row.asked, row.done, row.passed,
                         row.completed, len(row.errors), *numbers])  # fmt: skip
    return text.getvalue()
