"""Timeouts held against the truth: what the service gave up, and what the things really did."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from simulator.fleet import Fates, Truth
from simulator.report.executions import IN_PROGRESS, TIMED_OUT, Executions
from simulator.report.summary import Timeouts

NOTHING, TRUE, WORKING, UNREPORTED, AWAY, MISSED = range(6)
"""The truth about an execution that timed out (or, MISSED, should have)."""

_CODES: Final[dict[Truth, int]] = {
    "hung": TRUE,
    "vanished": TRUE,
    "working": WORKING,
    "unreported": UNREPORTED,
    "away": AWAY,
}


def find_truth(
    executions: Executions,
    fates: Fates,
    names: Sequence[str],
    job_ids: Sequence[str],
    time_scale: float = 1.0,
) -> None:
    """Fill in the truth about every execution that timed out or is in progress still."""
    truth = executions["truth"]
    asked = np.flatnonzero((executions["status"] == TIMED_OUT) & (executions["thing"] >= 0))
    rows = executions[asked]
    columns = (rows[name].tolist() for name in ("thing", "job", "number", "ended"))
    truth[asked] = [
        _CODES[fates.truth(names[thing], job_ids[job], number, ended / time_scale)[0]]
        for thing, job, number, ended in zip(*columns, strict=True)
    ]
    running = np.flatnonzero((executions["status"] == IN_PROGRESS) & (executions["thing"] >= 0))
    rows = executions[running]
    columns = (rows[name].tolist() for name in ("thing", "job", "number"))
    truth[running] = [
        MISSED if fates.hung.get(names[thing]) == (job_ids[job], number) else NOTHING
        for thing, job, number in zip(*columns, strict=True)
    ]


def count_timeouts(settled: Executions) -> Timeouts:
    """Timeouts by their truth."""
    counts = np.bincount(settled["truth"], minlength=MISSED + 1)
    false = counts[WORKING] + counts[UNREPORTED] + counts[AWAY]
    return Timeouts(
        int(counts[TRUE]),
        int(false),
        int(counts[MISSED]),
        int(counts[UNREPORTED]),
        int(counts[AWAY]),
    )
