"""What a service says of a run's jobs when it ends, as columns: one row per execution.

Rule 1: names become numbers here, once: a thing is its index in the fleet (-1: none of ours), a job
        its place among the scenario's.
Rule 2: executions come as columns already (``simulator.executions``); what the report needs of
        them, and what it finds out about each, stands in one table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.executions import COLUMNS, UNKNOWN
from simulator.executions import Executions as Columns
from simulator.jobs.ledger import ABORTED
from simulator.jobs.model import STATUSES, Job, JobStatus
from simulator.owner import Listed

Executions = NDArray[Any]
"""Rows of ``DTYPE``."""

DTYPE: Final = np.dtype(
    [
        ("thing", "<i4"),
        ("job", "<i2"),
        ("number", "<i4"),
        ("status", "i1"),
        ("truth", "i1"),
        ("last", "?"),
        ("queued", "<f8"),
        ("started", "<f8"),
        ("ended", "<f8"),
        ("since", "<f8"),
    ]
)
"""``status`` is an index into STATUSES; times are scenario seconds, not a number where there is
none; ``since`` is when the first execution of the same thing and job was queued, ``last`` whether
no later one followed; ``truth`` is for ``timeouts.py`` to fill in."""

CODES: Final[dict[str, int]] = {status: code for code, status in enumerate(STATUSES)}
QUEUED, IN_PROGRESS, TIMED_OUT = CODES["QUEUED"], CODES["IN_PROGRESS"], CODES["TIMED_OUT"]
NEVER: Final = float("nan")


class JobEnd(NamedTuple):
    """How a job stood at the end."""

    job_id: str
    status: JobStatus | str
    aborted: bool
    not_rolled_out: int
    """Targets that have no execution yet."""
    targets: NDArray[np.int32]
    """The things that it is for, by index: those with an execution (who joined later, too) and
    those whose turn is still to come. Who left, or was deleted, before its turn is none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the service says when the run ends."""

    counts: Mapping[str, int]
    """Executions by status, those that are not zero, over all jobs."""
    executions: Executions
    jobs: tuple[JobEnd, ...]
    found: Columns | None = None
    """The same executions (and those of other jobs) as the run directory keeps them."""

    def keep_truth(self) -> None:
        """Let ``found`` know what was found out about each execution."""
        if self.found is not None:
            ours = _jobs(self.found, [end.job_id for end in self.jobs]) >= 0
            self.found.columns["truth"][ours] = self.executions["truth"]


def outcome_of(
    jobs: Mapping[str, Job], job_ids: Sequence[str], names: Sequence[str], found: Columns
) -> Outcome:
    """What a service in this process says of the scenario's jobs (some may not have been made).

    ``names`` are the fleet's things, ``found`` the executions of all of the service's jobs.
    """
    table = table_of(found, job_ids)
    ends = []
    counts = dict.fromkeys(STATUSES, 0)
    for at, job_id in enumerate(job_ids):
        job = jobs.get(job_id)
        if job is None:
            ends.append(JobEnd(job_id, "", False, 0, np.empty(0, np.int32)))
            continue
        for status, count in job.counts.items():
            counts[status] += count
        meant = np.zeros(len(names), np.bool_)
        meant[table["thing"][table["job"] == at]] = True
        rolled_out = int(np.count_nonzero(meant))
        meant[_waiting(job, names)] = True
        targets = np.flatnonzero(meant).astype(np.int32)
        left = len(targets) - rolled_out
        ends.append(JobEnd(job_id, job.status, job.reason_code == ABORTED, left, targets))
    told: dict[str, int] = {status: count for status, count in counts.items() if count}
    return Outcome(told, table, tuple(ends), found)


def _waiting(job: Job, names: Sequence[str]) -> NDArray[np.int32]:
    """The things whose turn is still to come, as indexes.

    A million names are looked up only where they have to be.
    """
    if job.released >= len(job.things):
        return np.empty(0, np.int32)
    if job.things == names:
        return np.arange(job.released, len(names), dtype=np.int32)
    index = {name: at for at, name in enumerate(names)}
    found = things_of(job.things[job.released :], index)
    return found[found >= 0]


def table_of(found: Columns, job_ids: Sequence[str]) -> Executions:
    """Rows of the scenario's jobs, which have their numbers here by the scenario's order."""
    columns = found.columns
    table = np.zeros(len(found), DTYPE)
    table["job"] = _jobs(found, job_ids)
    for ours, theirs in (
        ("thing", "thing"),
        ("number", "number"),
        ("status", "status"),
        ("truth", "truth"),
        ("queued", "queued"),
        ("started", "started"),
        ("ended", "updated"),
    ):
        table[ours] = columns[theirs]
    known = table["job"] >= 0
    return series(table if known.all() else table[known])


def _jobs(found: Columns, job_ids: Sequence[str]) -> NDArray[np.int16]:
    """The place of each row's job among the scenario's, or -1."""
    places = {job_id: at for at, job_id in enumerate(job_ids)}
    job = np.array([places.get(job_id, -1) for job_id in (*found.jobs, "")], np.int16)
    places_of_rows: NDArray[np.int16] = job[found.columns["job"]]
    return places_of_rows


def listed(
    jobs: Sequence[tuple[str, float, Sequence[Listed]]], names: Sequence[str], until: float
) -> Columns:
    """What a service elsewhere lists of some jobs: id, creation in scenario time, executions."""
    index = {name: at for at, name in enumerate(names)}
    rows = [(at, created, row) for at, (_, created, rows) in enumerate(jobs) for row in rows]

    def column(name: str, values: Iterable[Any]) -> NDArray[Any]:
        return np.fromiter(values, COLUMNS[name], len(rows))

    columns = {
        "thing": things_of((row.thing_name for _, _, row in rows), index),
        "job": column("job", (at for at, _, _ in rows)),
        "number": column("number", (row.number for _, _, row in rows)),
        "retry": column("retry", (row.retry for _, _, row in rows)),
        "status": column("status", (CODES[row.status] for _, _, row in rows)),
        "queued": column("queued", (at + row.queued for _, at, row in rows)),
        "started": column(
            "started", (NEVER if row.started is None else at + row.started for _, at, row in rows)
        ),
        "updated": column("updated", (at + row.ended for _, at, row in rows)),
        "version": np.full(len(rows), UNKNOWN, COLUMNS["version"]),
        "details": np.full(len(rows), UNKNOWN, COLUMNS["details"]),
        "truth": np.zeros(len(rows), COLUMNS["truth"]),
    }
    created = tuple(created for _, created, _ in jobs)
    return Columns(columns, tuple(job_id for job_id, _, _ in jobs), (), created, until)


def things_of(names: Iterable[str], index: Mapping[str, int]) -> NDArray[np.int32]:
    """Names as indexes, -1 for those that are none of the fleet's."""
    return np.fromiter((index.get(name, -1) for name in names), np.int32)


def series(table: Executions) -> Executions:
    """Fill in ``since`` and ``last``; of what has not ended, ``ended`` is no number."""
    table["ended"][table["status"] <= IN_PROGRESS] = NEVER
    if not len(table):
        return table
    order = np.lexsort((table["number"], table["thing"], table["job"]))
    thing, job = table["thing"][order], table["job"][order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (thing[1:] != thing[:-1]) | (job[1:] != job[:-1])
    first = np.flatnonzero(new)
    lengths = np.diff(np.append(first, len(order)))
    since = np.empty(len(order))
    since[order] = np.repeat(table["queued"][order][first], lengths)
    table["since"] = since
    last = np.empty(len(order), np.bool_)
    last[order] = np.append(new[1:], True)
    table["last"] = last
    return table


def by_status(table: Executions) -> dict[str, int]:
    """Executions by status, those that are not zero, in the order of STATUSES."""
    counts = np.bincount(table["status"], minlength=len(STATUSES))
    return {status: int(counts[code]) for status, code in CODES.items() if counts[code]}
