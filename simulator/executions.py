"""What became of a rehearsal's executions, in columns: what ``jobfleet export`` prints from.

Rule 1: times are seconds of elapsed scenario time; ``started`` is not a number where nothing was.
Rule 2: things are numbers in the fleet's order of names, jobs in the order of their creation;
        statusDetails are numbers into a table of the few that there are (-1: none).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UsageError
from simulator.jobs.model import STATUSES, Job

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
}
"""Each an array of its own: name and numpy type. ``status`` is a place in ``STATUSES``."""


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
    index = dict(zip(names, range(len(names)), strict=True))
    table: dict[str, int] = {}
    parts = [_fold(job, at, index, table) for at, job in enumerate(jobs)]
    columns = {
        name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0, kind)
        for name, kind in COLUMNS.items()
    }
    ids, created = tuple(job.job_id for job in jobs), tuple(job.created_at for job in jobs)
    return Executions(columns, ids, tuple(table), created, now)


def _fold(
    job: Job, at: int, index: dict[str, int], table: dict[str, int]
) -> dict[str, NDArray[Any]]:
    rows = [e for e in job.executions if not e.deleted and e.thing_name in index]
    status = {name: place for place, name in enumerate(STATUSES)}
    nan = float("nan")
    read: dict[str, Iterable[Any]] = {
        "thing": (index[e.thing_name] for e in rows),
        "job": (at for _ in rows),
        "number": (e.execution_number for e in rows),
        "retry": (e.retry_attempt for e in rows),
        "status": (status[e.status] for e in rows),
        "queued": (e.queued_at for e in rows),
        "started": (nan if e.started_at is None else e.started_at for e in rows),
        "updated": (e.last_updated_at for e in rows),
        "version": (e.version for e in rows),
        "details": (
            -1
            if e.status_details is None
            else table.setdefault(json.dumps(e.status_details, sort_keys=True), len(table))
            for e in rows
        ),
    }
    return {name: np.fromiter(read[name], kind, len(rows)) for name, kind in COLUMNS.items()}


def save(executions: Executions, file: IO[bytes]) -> None:
    """Write columns; the same executions give the same bytes."""
    arrays: dict[str, Any] = {
        **executions.columns,
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
            f"{folder} holds no {FILE}: it is written by `jobfleet rehearse`, so rehearse the "
            "scenario (again)"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
