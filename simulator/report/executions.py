"""What a service says of a run's jobs when it ends, as columns: one row per execution.

Rule 1: names become numbers here, once: a thing is its index in the fleet (-1: none of ours), a job
        its place among the scenario's.
Rule 2: a million executions are read by attribute, column for column, and never looked at again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.jobs.ledger import ABORTED
from simulator.jobs.model import STATUSES, Job, JobExecution, JobStatus
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
    """The things that it is for, by index."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the service says when the run ends."""

    counts: Mapping[str, int]
    """Executions by status, those that are not zero, over all jobs."""
    executions: Executions
    jobs: tuple[JobEnd, ...]


def outcome_of(jobs: Mapping[str, Job], job_ids: Sequence[str], names: Sequence[str]) -> Outcome:
    """What a service in this process says of the scenario's jobs (some may not have been made).

    ``names`` are the fleet's things.
    """
    index = {name: at for at, name in enumerate(names)}
    tables, ends = [np.zeros(0, DTYPE)], []
    counts = dict.fromkeys(STATUSES, 0)
    for at, job_id in enumerate(job_ids):
        job = jobs.get(job_id)
        if job is None:
            ends.append(JobEnd(job_id, "", False, 0, np.empty(0, np.int32)))
            continue
        tables.append(_table(at, job.executions, index))
        for status, count in job.counts.items():
            counts[status] += count
        left, targets = len(job.things) - job.released, things_of(job.things, index)
        ends.append(JobEnd(job_id, job.status, job.reason_code == ABORTED, left, targets))
    told: dict[str, int] = {status: count for status, count in counts.items() if count}
    return Outcome(told, series(np.concatenate(tables)), tuple(ends))


def listed(rows: Sequence[Listed], names: Sequence[str]) -> Executions:
    """The executions of the only job of a service elsewhere."""
    index = {name: at for at, name in enumerate(names)}
    table = np.zeros(len(rows), DTYPE)
    table["thing"] = things_of((row.thing_name for row in rows), index)
    table["number"] = [row.number for row in rows]
    table["status"] = [CODES[row.status] for row in rows]
    table["queued"] = [row.queued for row in rows]
    table["started"] = [NEVER if row.started is None else row.started for row in rows]
    table["ended"] = [row.ended for row in rows]
    return series(table)


def things_of(names: Iterable[str], index: Mapping[str, int]) -> NDArray[np.int32]:
    """Names as indexes, -1 for those that are none of the fleet's."""
    return np.fromiter((index.get(name, -1) for name in names), np.int32)


def _table(job: int, executions: Sequence[JobExecution], index: Mapping[str, int]) -> Executions:
    count = len(executions)
    table = np.zeros(count, DTYPE)
    table["thing"] = things_of((e.thing_name for e in executions), index)
    table["job"] = job
    table["number"] = np.fromiter((e.execution_number for e in executions), np.int32, count)
    table["status"] = np.fromiter((CODES[e.status] for e in executions), np.int8, count)
    table["queued"] = np.fromiter((e.queued_at for e in executions), np.float64, count)
    table["started"] = np.array([e.started_at for e in executions], np.float64)  # None becomes nan
    table["ended"] = np.fromiter((e.last_updated_at for e in executions), np.float64, count)
    gone = np.fromiter((e.deleted for e in executions), np.bool_, count)
    return table[~gone] if gone.any() else table


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
