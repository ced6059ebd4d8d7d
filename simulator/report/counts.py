"""Counts over records and executions: requests, conflicts, faults, attempts, retries, times.

Every function is a fold over columns: no loop is longer than there are operations or cohorts.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.jobs.model import STATUSES
from simulator.report.executions import CODES, IN_PROGRESS, Executions
from simulator.report.summary import (
    LATENCIES,
    TERMINALS,
    AttemptNumbers,
    Conflicts,
    RequestNumbers,
    Retries,
)
from simulator.results import Records


def count_requests(
    records: Records,
    clock_s: float,
    begin_s: float = 0.0,
    operations: Iterable[int] = range(len(results.OPERATIONS)),
) -> dict[str, RequestNumbers]:
    """Exchanges by operation, in a fixed order.

    ``clock_s`` is the end of the run (or of a window that began at ``begin_s``) on its clock.
    """
    numbers = {}
    span = clock_s - begin_s
    for code in operations:
        name = results.OPERATIONS[code]
        at = np.flatnonzero(records["operation"] == code)
        if not len(at):
            continue
        outcome, sent = records["outcome"][at], records["sent"][at]
        by_outcome = np.bincount(outcome, minlength=len(results.OUTCOMES))
        answered = (outcome != results.NO_REPLY) & (outcome != results.DISCONNECTED)
        in_time = int(np.count_nonzero(sent <= clock_s))
        done, due = records["done"][at][answered], records["due"][at][answered]
        latency = _percentiles((done - sent[answered]) * 1000, LATENCIES)
        late = bool((due != sent[answered]).any())
        numbers[name] = RequestNumbers(
            sent=len(at),
            accepted=int(by_outcome[results.ACCEPTED]),
            rejected={
                results.OUTCOMES[at]: int(count)
                for at, count in enumerate(by_outcome)
                if at > results.DISCONNECTED and count
            },
            no_reply=int(by_outcome[results.NO_REPLY] + by_outcome[results.DISCONNECTED]),
            per_s=round(in_time / span, 3) if span > 0 else 0.0,
            latency_ms=latency,
            response_ms=_percentiles((done - due) * 1000, LATENCIES) if late else dict(latency),
        )
    return numbers


def _percentiles(values: NDArray[Any], shares: tuple[tuple[str, float], ...]) -> dict[str, float]:
    if not len(values):
        return {}
    found = np.percentile(values, [share for _, share in shares])
    named = {name: round(float(v), 3) for (name, _), v in zip(shares, found, strict=True)}
    return {**named, "max": round(float(values.max()), 3)}


def count_conflicts(records: Records) -> Conflicts:
    """Version conflicts and why they came about."""
    update = records["operation"] == results.UPDATE
    updates = int(np.count_nonzero(update))
    mismatched = records[update & (records["outcome"] == results.VERSION_MISMATCH)]
    causes = np.bincount(mismatched["cause"], minlength=len(results.CAUSES))
    edges = _by_cause(mismatched["edge"], mismatched["cause"])
    return Conflicts(
        count=len(mismatched),
        rate=round(len(mismatched) / updates, 6) if updates else 0.0,
        by_cause={name: int(causes[at]) for at, name in enumerate(results.CAUSES) if at},
        by_edge={results.edge_name(edge): by for edge, by in edges.items() if edge},
        by_attempt={
            str(number): by
            for number, by in _by_cause(mismatched["attempt"], mismatched["cause"]).items()
        },
    )


def _by_cause(keys: NDArray[Any], causes: NDArray[Any]) -> dict[int, dict[str, int]]:
    """How many of each key and cause, those that are not zero, in order."""
    width = len(results.CAUSES)
    pairs, counts = np.unique(keys.astype(np.int64) * width + causes, return_counts=True)
    found: dict[int, dict[str, int]] = {}
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        key, cause = divmod(pair, width)
        found.setdefault(key, {})[results.CAUSES[cause] or "unknown"] = count
    return found


def count_faults(records: Records) -> dict[str, int]:
    """Exchanges by what the thing's network did to them, those that are not zero."""
    counts = np.bincount(records["fault"], minlength=len(results.FAULTS))
    return {name: int(counts[at]) for at, name in enumerate(results.FAULTS) if at and counts[at]}


def count_retries(created: Executions) -> Retries:
    """Executions beyond the first of each thing and job."""
    beyond = created["number"] > 1
    return Retries(
        count=int(np.count_nonzero(beyond)),
        things=len(np.unique(created["thing"][beyond])),
    )


def count_attempts(settled: Executions, records: Records) -> dict[str, AttemptNumbers]:
    """What became of first, second, … executions, and the conflicts of each."""
    width = len(STATUSES)
    numbers = np.clip(settled["number"], 0, None).astype(np.int64)
    grid = np.bincount(numbers * width + settled["status"]).astype(np.int64)
    conflicts = np.bincount(
        np.clip(records["attempt"], 0, None)[records["outcome"] == results.VERSION_MISMATCH]
    )
    found = {}
    for number in np.unique(numbers).tolist():
        row = grid[number * width : (number + 1) * width]
        found[str(number)] = AttemptNumbers(
            executions=int(row.sum()),
            by_status={status: int(row[code]) for status, code in CODES.items()
                       if code < len(row) and row[code]},
            conflicts=int(conflicts[number]) if number < len(conflicts) else 0,
        )  # fmt: skip
    return found


def time_to_terminal(settled: Executions) -> dict[str, float]:
    """Percentiles of the time from a thing's first execution queued to its last one's end."""
    over = settled[settled["last"] & (settled["status"] > IN_PROGRESS)]
    return _percentiles(over["ended"] - over["since"], TERMINALS)
