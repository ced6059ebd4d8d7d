"""What became of a run's executions, in columns: what ``jobfleet export`` prints from.

Rule 1: times are seconds of elapsed scenario time; ``started`` is not a number where nothing was.
Rule 2: things are numbers in the fleet's order of names, jobs in the order of their creation;
        statusDetails are numbers into a table of the few that there are (-1: none).
Rule 3: a live run hears of its executions by lists, which name neither version nor statusDetails:
        there both are -1. What AWS does not know, and a run finds out, is the ``truth`` about
        those that timed out (``report/timeouts.py``).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UsageError
from simulator.jobs.model import STATUSES, Job, JobExecution

FILE: Final = "executions.npz"

COLUMNS: Final[dict[str, str]] = {
    "thing": "i4",
    "job": "i2",
    "number": "i4",
    "retry": "i2",
    "status": "i1",
    "queued": "f8",
    "started": "f8",
    "updated": "f8",
    "version": "i4",
    "details": "i4",
    "truth": "i1",
}
"""Each an array of its own: name and numpy type. ``status`` is a place in ``STATUSES``."""

UNKNOWN: Final = -1


Details = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Executions:
    """Executions in columns of equal length, in order of creation by job."""

    columns: dict[str, NDArray[Any]]
    jobs: tuple[str, ...]
    details: tuple[str, ...]
    """Distinct statusDetails as JSON."""
    created: tuple[float, ...]
    """When each job was created."""
    until: float
    """When they were looked at."""

    def __len__(self) -> int:
        return len(self.columns["thing"])


def executions_of(jobs: Iterable[Job], names: Sequence[str], now: float) -> Executions:
    """The executions of some jobs at ``now``; those of things that are no fleet's are left out."""
    jobs = list(jobs)
    table: dict[Details, int] = {}
    parts = [_fold(job, at, names, table) for at, job in enumerate(jobs)]
    columns = {
        name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0, kind)
        for name, kind in COLUMNS.items()
    }
    details = tuple(json.dumps(dict(pairs)) for pairs in table)
    ids, created = tuple(job.job_id for job in jobs), tuple(job.created_at for job in jobs)
    return Executions(columns, ids, details, created, now)


def _fold(
    job: Job, at: int, names: Sequence[str], table: dict[Details, int]
) -> dict[str, NDArray[Any]]:
    """One job's columns. A million executions pass here: no Python per row but what must be."""
    rows = job.executions
    n = len(rows)
    places = {name: place for place, name in enumerate(STATUSES)}

    def column(name: str, read: Iterable[Any]) -> NDArray[Any]:
        return np.fromiter(read, COLUMNS[name], n)

    def member(name: str) -> Iterable[Any]:
        return map(attrgetter(name), rows)

    columns = {
        "thing": _things(rows, names),
        "job": np.full(n, at, COLUMNS["job"]),
        "number": column("number", member("execution_number")),
        "retry": column("retry", member("retry_attempt")),
        "status": column("status", map(places.__getitem__, member("status"))),
        "queued": column("queued", member("queued_at")),
        "started": np.array(list(member("started_at")), COLUMNS["started"]),  # None: not a number
        "updated": column("updated", member("last_updated_at")),
        "version": column("version", member("version")),
        "details": np.full(n, UNKNOWN, COLUMNS["details"]),
        "truth": np.zeros(n, COLUMNS["truth"]),
    }
    for row, told in enumerate(member("status_details")):
        if told is not None:
            key = tuple(sorted(told.items()))
            columns["details"][row] = table.setdefault(key, len(table))
    keep = columns["thing"] >= 0
    for row in [row for row, deleted in enumerate(member("deleted")) if deleted]:
        keep[row] = False
    if keep.all():
        return columns
    return {name: values[keep] for name, values in columns.items()}


def _things(rows: list[JobExecution], names: Sequence[str]) -> NDArray[Any]:
    """The place of each row's thing among ``names``, or -1.

    A rollout goes through the fleet in its order, with retries in between: so most rows are of the
    thing that is next, and only the others are looked up. (A dictionary of a million names would
    take 150 MB and a second.)
    """
    things = np.full(len(rows), -1, COLUMNS["thing"])
    strays: list[int] = []
    following = 0
    name = names[0] if names else None
    for row, execution in enumerate(rows):
        if execution.thing_name == name:
            things[row] = following
            following += 1
            name = names[following] if following < len(names) else None
        else:
            strays.append(row)
    if strays:
        wanted = {rows[row].thing_name for row in strays}
        index = {name: at for at, name in enumerate(names) if name in wanted}
        for row in strays:
            things[row] = index.get(rows[row].thing_name, -1)
    return things


def save(executions: Executions, file: IO[bytes]) -> None:
    """Write columns, without things that are no fleet's; the same executions, the same bytes."""
    columns, ours = executions.columns, executions.columns["thing"] >= 0
    if not ours.all():
        columns = {name: values[ours] for name, values in columns.items()}
    arrays: dict[str, Any] = {
        **columns,
        "jobs": np.array(executions.jobs, np.str_),
        "details_table": np.array(executions.details, np.str_),
        "created": np.array(executions.created, np.float64),
        "until": np.array(executions.until),
    }
    np.savez(file, **arrays)


def load(folder: Path) -> Executions:
    """Read what ``save`` wrote into a run directory.

    Raises:
        UsageError: there is no such file, or it is not one of ours.
    """
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in COLUMNS}
            jobs, details = arrays["jobs"].tolist(), arrays["details_table"].tolist()
            created, until = tuple(arrays["created"].tolist()), float(arrays["until"])
            return Executions(columns, tuple(jobs), tuple(details), created, until)
    except FileNotFoundError:
        raise UsageError(
            f"{folder} holds no {FILE}: its run was lost or has not ended, so run it again"
        ) from None
    except KeyError:
        raise UsageError(
            f"{path} cannot be read: another version of jobfleet wrote it; run the scenario again"
        ) from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
