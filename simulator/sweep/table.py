"""Replications → a row for each setting, and the best of them.

Rule 1: a column is a number of ``summary.json``, by its dotted path, or the share of targets
        (things, once for each job) whose executions have a status, by that status in small letters.
Rule 2: the best setting is the one with the largest share of verdicts passed, then of runs that
        completed, then with the best mean of the objective; of equals, the first in the grid.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulator.errors import UsageError
from simulator.jobs.model import STATUSES
from simulator.report.summary import COMPLETED
from simulator.sweep.grid import Cell
from simulator.sweep.statistics import LEVEL, Estimate, estimate

Summary = Mapping[str, Any]

DEFAULT_METRICS: Final = (
    "elapsed_s",
    "succeeded",
    "timed_out",
    "timeouts.false",
    "conflicts.rate",
    "budget.writes.peak_per_s",
)
"""Those that the summaries have."""

DEFAULT_OBJECTIVE: Final = "min:elapsed_s"

_COUNTED: Final = ("executions", "rejected", "unfinished")
"""Mappings that leave out what is zero."""

SHARES: Final = {status.lower(): status for status in STATUSES}


# ------------------------------------------------------------------------------- numbers


def number_at(summary: Summary, path: str) -> float | None:
    """The number at a path of a summary; None where it has none.

    What is true or false (``aborted``) is 1 or 0, so that its mean is the share of runs.
    A count that is zero may be absent from ``executions`` and from what is counted by a name.
    """
    if path in SHARES:
        targets = summary["targets"]
        count = summary["executions"].get(SHARES[path], 0)
        return float(count / targets) if targets else None
    place: Any = summary
    steps = path.split(".")
    for at, step in enumerate(steps):
        if not isinstance(place, Mapping):
            return None
        if step not in place:
            zero = at == len(steps) - 1 and steps[at - 1] in (
                "executions",
                "rejected",
                "unfinished",
            )
            return 0.0 if zero else None
        place = place[step]
    return float(place) if isinstance(place, (bool, int, float)) else None


def paths_in(summary: Summary) -> list[str]:
    """Every path of a summary that leads to a number."""
    return [*_paths(summary, ""), *SHARES]


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (bool, int, float)):
        yield path


def check_metric(path: str, summaries: Sequence[Summary]) -> None:
    """Refuse a path that no summary has.

    Raises:
        UsageError: it says the nearest that there is.
    """
    if not summaries or any(number_at(summary, path) is not None for summary in summaries):
        return
    known = sorted({known for summary in summaries for known in paths_in(summary)})
    nearest = difflib.get_close_matches(path, known, 3, 0.4)
    hint = f"; near it: {', '.join(nearest)}" if nearest else ""
    raise UsageError(f"{path!r} is no number of any summary.json here{hint}")


@dataclass(frozen=True, slots=True)
class Objective:
    """What is best: the least or the most of a number."""

    path: str
    way: Literal["min", "max"] = "min"

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Of ``min:elapsed_s``, ``max:succeeded``, or a path alone, which is its least."""
        way, colon, path = text.partition(":")
        if not colon:
            return cls(text)
        if way not in ("min", "max") or not path:
            raise UsageError(
                f"--objective {text}: write min: or max: and a number of summary.json, as in "
                f"{DEFAULT_OBJECTIVE}"
            )
        return cls(path, "max" if way == "max" else "min")

    def cost(self, mean: float) -> float:
        """The less, the better."""
        return mean if self.way == "min" else -mean

    def __str__(self) -> str:
        return f"{'least' if self.way == 'min' else 'most'} {self.path}"


# ------------------------------------------------------------------------------- rows


@dataclass(frozen=True, slots=True)
class Row:
    """One setting."""

    cell: int
    settings: tuple[tuple[str, str], ...]
    asked: int
    """Replications that the sweep asks for."""
    done: int
    passed: int
    completed: int
    errors: tuple[tuple[int, str], ...]
    """(seed, why) pairs of rehearsals that came to no result."""
    metrics: Mapping[str, Estimate | None]
    goal: Mapping[int, float]
    """The objective's number by seed."""

    @property
    def whole(self) -> bool:
        """Whether every replication is there, with its result or its error."""
        return self.done + len(self.errors) == self.asked

    @property
    def passes(self) -> bool:
        """Whether every replication passed."""
        return self.passed == self.asked


@dataclass(frozen=True, slots=True)
class Table:
    """All settings, and the best of those that are whole."""

    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    objective: Objective
    rows: tuple[Row, ...]
    best: Row | None
    remarks: tuple[str, ...] = field(default=())
    """What is to be said about the best."""


def tabulate(
    cells: Sequence[Cell],
    seeds: Sequence[int],
    results: Mapping[tuple[int, int], Mapping[str, Any]],
    metrics: Sequence[str],
    objective: Objective,
) -> Table:
    """The table of what is there; ``results`` are journal rows by (cell, seed).

    Raises:
        UsageError: a metric or the objective is no number of any summary.
    """
    summaries = [
        results[cell.number, seed]["summary"]
        for cell in cells
        for seed in seeds
        if "summary" in results.get((cell.number, seed), {})
    ]
    for path in (*metrics, objective.path):
        check_metric(path, summaries)
    columns = tuple(metrics) or tuple(
        path
        for path in DEFAULT_METRICS
        if any(number_at(one, path) is not None for one in summaries)
    )
    needed = dict.fromkeys((*columns, objective.path))
    rows = tuple(row_of(cell, seeds, results, tuple(needed), objective) for cell in cells)
    best, remarks = _best(rows, objective)
    return Table(tuple(seeds), columns, objective, rows, best, remarks)


def row_of(
    cell: Cell,
    seeds: Sequence[int],
    results: Mapping[tuple[int, int], Mapping[str, Any]],
    metrics: Sequence[str],
    objective: Objective,
) -> Row:
    """One setting's row."""
    there = [(seed, results[cell.number, seed]) for seed in seeds if (cell.number, seed) in results]
    summaries = [row["summary"] for _, row in there if "summary" in row]
    numbers = {
        path: [number for one in summaries if (number := number_at(one, path)) is not None]
        for path in metrics
    }
    return Row(
        cell=cell.number,
        settings=cell.settings,
        asked=len(seeds),
        done=len(summaries),
        passed=sum(bool(one["verdict"]["passed"]) for one in summaries),
        completed=sum(one["ended"] == COMPLETED for one in summaries),
        errors=tuple((seed, row["error"]) for seed, row in there if "error" in row),
        metrics={path: estimate(values) for path, values in numbers.items()},
        goal={
            seed: number
            for seed, row in there
            if "summary" in row
            and (number := number_at(row["summary"], objective.path)) is not None
        },
    )


def _best(rows: Sequence[Row], objective: Objective) -> tuple[Row | None, tuple[str, ...]]:
    ranked = sorted(
        (row for row in rows if row.whole and row.done),
        key=lambda row: (
            -row.passed / row.asked,
            -row.completed / row.asked,
            *_cost(row, objective),
        ),
    )
    if not ranked:
        return None, ()
    best, remarks = ranked[0], []
    if not best.passes:
        remarks.append(
            f"no setting passes with every seed; this one does with {best.passed} of {best.asked}"
        )
    else:
        sure = (1 - LEVEL) ** (1 / best.asked)
        remarks.append(
            f"it passes with {best.passed} of {best.asked} seeds; with {LEVEL:.0%} confidence, "
            f"with at least {sure:.0%} of all seeds"
        )
    if best.completed < best.asked:
        remarks.append(f"the job completes with {best.completed} of {best.asked} seeds only")
    equals = [
        row
        for row in ranked[1:]
        if (row.passed, row.completed) == (best.passed, best.completed)
        and not _apart(row.goal, best.goal)
    ]
    if equals:
        others = ", ".join(settings_of(row.settings) for row in equals[:3])
        more = f" and {len(equals) - 3} more" if len(equals) > 3 else ""
        remarks.append(
            f"in {objective.path} these are as good, seed for seed, as far as {best.done} seeds "
            f"can tell: {others}{more}"
        )
    return best, tuple(remarks)


def _cost(row: Row, objective: Objective) -> tuple[bool, float]:
    found = row.metrics[objective.path]
    return (True, 0.0) if found is None else (False, objective.cost(found.mean))


def _apart(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    """Whether two settings differ more than by chance: by the differences seed for seed.

    The same seed draws the same fleet, so what the seeds have in common falls out.
    """
    differences = estimate([one[seed] - other[seed] for seed in one if seed in other])
    if differences is None or differences.low is None or differences.high is None:
        return one != other
    return differences.low > 0 or differences.high < 0


# ------------------------------------------------------------------------------- names


def short_names(paths: Sequence[str]) -> list[str]:
    """The ends of paths, as long as it takes to tell them apart."""
    names = []
    for path in paths:
        steps = path.split(".")
        for length in range(1, len(steps) + 1):
            end = ".".join(steps[-length:])
            if sum(other == end or other.endswith(f".{end}") for other in paths) == 1:
                break
        names.append(end)
    return names


def headings(metrics: Sequence[str]) -> list[str]:
    """Names of columns: two steps say what is counted."""
    return [".".join(path.split(".")[-2:]) for path in metrics]


def settings_of(settings: Sequence[tuple[str, str]]) -> str:
    """``maximumPerMinute=200 step_timeout=5m``."""
    names = short_names([path for path, _ in settings])
    return " ".join(f"{name}={value}" for name, (_, value) in zip(names, settings, strict=True))
