"""The run as a table over time: what stood where, and what happened, bucket by bucket.

A bucket holds what came after its beginning and until its end, that instant included; the first
one holds the run's beginning, too. So its end shows what everything has come to by then.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.jobs.model import STATUSES
from simulator.report.evidence import Evidence
from simulator.report.executions import IN_PROGRESS, QUEUED
from simulator.report.summary import Timeline

BUCKETS: Final = 200
"""At most."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
WIDTHS: Final = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30,
    *(m * _MINUTE for m in (1, 2, 5, 10, 15, 30)),
    *(h * _HOUR for h in (1, 2, 3, 6, 12)),
    *(d * _DAY for d in (1, 2, 7, 28, 365)),
)  # fmt: skip
"""Seconds of a bucket that a person likes to read."""


def width_of(end: float) -> float:
    """The smallest width of which ``BUCKETS`` reach up to ``end`` seconds."""
    return next((width for width in WIDTHS if width * BUCKETS >= end), WIDTHS[-1])


def draw_timeline(evidence: Evidence) -> Timeline:
    """The run over time."""
    records, table, scale = evidence.records, evidence.settled, evidence.time_scale
    sent = records["sent"] * scale
    end = max(evidence.clock_s * scale, float(sent.max()) if len(sent) else 0.0)
    width = width_of(end)
    count = max(1, math.ceil(round(end / width, 9)))

    def per_bucket(times: NDArray[Any]) -> NDArray[np.int64]:
        at = np.ceil(np.round(times / width, 9)).astype(np.int64) - 1
        return np.bincount(np.clip(at, 0, count - 1), minlength=count).astype(np.int64)

    status, queued, started, ended = (table[n] for n in ("status", "queued", "started", "ended"))
    over, ran = status > IN_PROGRESS, ~np.isnan(started)
    released = per_bucket(queued)
    began = per_bucket(started[ran])
    stock = {
        STATUSES[QUEUED]: released - began - per_bucket(ended[over & ~ran]),
        STATUSES[IN_PROGRESS]: began - per_bucket(ended[over & ran]),
        **{
            name: per_bucket(ended[status == code])
            for code, name in enumerate(STATUSES)
            if code > IN_PROGRESS
        },
    }
    mismatched = records["outcome"] == results.VERSION_MISMATCH
    return Timeline(
        bucket_s=width,
        end_s=[round((at + 1) * width, 3) for at in range(count)],
        executions={name: np.cumsum(flow).tolist() for name, flow in stock.items() if flow.any()},
        released=released.tolist(),
        updates=per_bucket(sent[records["operation"] == results.UPDATE]).tolist(),
        requests=per_bucket(sent).tolist(),
        conflicts={
            name: per_bucket(sent[mismatched & (records["cause"] == code)]).tolist()
            for code, name in enumerate(results.CAUSES)
            if code and (mismatched & (records["cause"] == code)).any()
        },
    )


def as_csv(timeline: Timeline) -> str:
    """``timeline.csv``: one row per bucket."""
    columns: dict[str, list[Any]] = {
        "end_s": [f"{end:g}" if end < 1e5 else f"{end:.0f}" for end in timeline.end_s],
        **timeline.executions,
        "released": timeline.released,
        "updates": timeline.updates,
        "requests": timeline.requests,
        **{f"conflicts_{cause}": column for cause, column in timeline.conflicts.items()},
    }
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n"
