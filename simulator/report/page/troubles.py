"""What went wrong most often, each with one exchange to look at."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

import numpy as np

from simulator import results
from simulator.finished_run import FinishedRun
from simulator.report.page.drawing import Cell, Chart, Table, moment, percent, several

MOST: Final = 12
"""Kinds of trouble in the table."""
_SILENT: Final = {"NoReply": "no reply", "Disconnected": "connection lost"}


def top(run: FinishedRun) -> Chart:
    """Rejections and silences by operation, code and cause, most frequent first."""
    title = "What went wrong, and where to look first?"
    records = run.records
    wrong = np.flatnonzero(records["outcome"] != results.ACCEPTED)
    if not len(wrong):
        asked = several(len(records), "request")
        return Chart("errors", title, f"Nothing: of {asked}, all were accepted."
                     if len(records) else "Nothing: no request was sent.")  # fmt: skip
    bad = records[wrong]
    kind = (bad["operation"].astype(np.int64) * 100 + bad["outcome"]) * 100 + bad["cause"]
    kinds, first, counts = np.unique(kind, return_index=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    name_of = _Names(run)
    rows = [
        tuple(_row(run, bad[first[at]], int(counts[at]), name_of)) for at in order[:MOST].tolist()
    ]
    columns = ("operation", "answer", "count", "of that operation", "for example")
    more = "" if len(kinds) <= MOST else f" The table has the {MOST} most frequent kinds."
    text = (
        f"{several(len(wrong), 'request')} of {len(records):,} "
        f"({percent(len(wrong), len(records))}) were rejected or never answered, in "
        f"{several(len(kinds), 'kind')}. A conflict that a thing resolves is among them.{more}"
    )
    return Chart("errors", title, text, Table(columns, rows))


def _row(run: FinishedRun, one: Any, count: int, name_of: "_Names") -> Iterator[Cell]:
    operation = results.OPERATIONS[one["operation"]]
    yield operation
    answer = results.OUTCOMES[one["outcome"]]
    cause = results.CAUSES[one["cause"]]
    yield _SILENT.get(answer, answer) + (f": {cause}" if cause else "")
    yield count
    sent = run.summary.requests.get(operation)
    yield percent(count, sent.sent) if sent else "–"
    yield _example(run, one, name_of)


def _example(run: FinishedRun, one: Any, name_of: "_Names") -> str:
    """One exchange in words."""
    at = moment(round(float(one["sent"]) * run.summary.time_scale))
    text = f"{name_of(int(one['thing']))} at {at}"
    job_ids, job, attempt = run.loaded.scenario.job_ids, int(one["job"]), int(one["attempt"])
    if attempt and job < len(job_ids):
        text += f", attempt {attempt} of {job_ids[job]}"
    text += f", after {1000 * float(one['done'] - one['sent']):,.4g} ms"
    edge = results.edge_name(int(one["edge"]))
    if edge:
        text += f"; {edge}"
    fault = results.FAULTS[one["fault"]]
    return f"{text}; its network: {fault}" if fault else text


class _Names:
    """Things' names, of which a few are asked: not a million strings."""

    def __init__(self, run: FinishedRun) -> None:
        self._cohorts = run.loaded.scenario.cohorts()
        self._starts = [0, *accumulate(cohort.things for cohort in self._cohorts)]

    def __call__(self, thing: int) -> str:
        at = bisect_right(self._starts, thing) - 1
        return f"{self._cohorts[at].name}-{thing - self._starts[at]:06d}"
