"""Records and executions made by hand, and what a fold over them is called with."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from simulator import results
from simulator.behaviour import Cohort, Distribution, Work
from simulator.expectations import Expectation
from simulator.fleet import Fates
from simulator.report.executions import CODES, DTYPE, Executions, JobEnd, Outcome, series
from simulator.report.fold import About, fold
from simulator.report.summary import COMPLETED, Summary
from simulator.results import Records

NAMES = ("a-000000", "a-000001", "a-000002", "b-000000", "b-000001")
COHORTS = tuple(
    Cohort(name, things, Work(Distribution("constant", 1.0)))
    for name, things in (("a", 3), ("b", 2))
)
NOTHING = Fates({}, {})


def record(thing: int = 0, operation: int = results.UPDATE, sent: float = 0.0, **more: Any) -> Any:
    """One record: accepted at once, about the first attempt, unless ``more`` says otherwise."""
    row = {
        "thing": thing, "operation": operation, "outcome": 0, "cause": 0, "attempt": 1, "edge": 0,
        "fault": 0, "job": 0, "due": sent, "sent": sent, "done": sent, **more,
    }  # fmt: skip
    return tuple(row[name] for name in results.DTYPE.names or ())


def records(rows: Iterable[Any]) -> Records:
    """Records as columns."""
    return np.array(list(rows), results.DTYPE)


def execution(
    thing: int, status: str, queued: float, started: float | None, ended: float, number: int = 1,
    job: int = 0,
) -> Any:  # fmt: skip
    """One execution as a row of the table."""
    began = float("nan") if started is None else started
    return (thing, job, number, CODES[status], 0, False, queued, began, ended, 0.0)


def executions(rows: Iterable[Any]) -> Executions:
    """Executions as columns."""
    return series(np.array(list(rows), DTYPE))


def summary(
    recorded: Iterable[Any] = (),
    executed: Iterable[Any] = (),
    *,
    clock_s: float = 1000.0,
    time_scale: float = 1.0,
    fates: Fates = NOTHING,
    jobs: Sequence[str] = ("j",),
    expectations: Sequence[Expectation] = (),
    ended: str = COMPLETED,
    throttling: bool = False,
    aborted: bool = False,
) -> Summary:
    """The summary of five things in two cohorts."""
    table = executions(executed)
    counts = {
        status: n for status, code in CODES.items() if (n := int((table["status"] == code).sum()))
    }
    everybody = np.arange(len(NAMES), dtype=np.int32)
    ends = []
    for at, job_id in enumerate(jobs):
        left = len(NAMES) - int(((table["job"] == at) & (table["number"] == 1)).sum())
        ends.append(JobEnd(job_id, "COMPLETED", aborted, left, everybody))
    return fold(
        About("s", 1, "virtual", "memory", clock_s, time_scale, ended, throttling),
        COHORTS,
        NAMES,
        records(recorded),
        Outcome(counts, table, tuple(ends)),
        fates,
        expectations,
    )
