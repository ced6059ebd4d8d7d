"""Records into Locust's tables, a drain's worth at a time.

Locust takes one request at a time, at some six microseconds each: at forty thousand a second that
would be a quarter of the process. Its tables also take what a worker reports to its master, whole
entries at once, and that is the way in here. Where somebody else listens to requests
(OpenTelemetry, a plugin), each one is fired as Locust itself would.
"""

import sys
from typing import Any, Final

import numpy as np

from simulator import results
from simulator.results import Records

METHOD: Final = "MQTT"
TENTHS: Final = 10
"""Of a millisecond: how finely response times are counted before Locust rounds them."""


def feed(environment: Any, records: Records, now: float, method: str = METHOD) -> None:
    """Tell Locust of exchanges that ended just now, at Unix time ``now``."""
    if not len(records):
        return
    if len(environment.events.request._handlers) > 1:  # more than the runner's own
        _fire(environment, records, method)
        return
    stats = environment.stats
    took = (records["done"] - records["sent"]) * 1000
    for operation in np.unique(records["operation"]):
        mine = records["operation"] == operation
        name = results.OPERATIONS[operation]
        entry = stats.get(name, method)
        part = _summed(entry, stats, took[mine], now)
        entry.extend(part)
        stats.total.extend(part)
        failed = records["outcome"][mine]
        for outcome in failed[failed != results.ACCEPTED]:
            stats.log_error(method, name, results.OUTCOMES[outcome])


def _summed(entry: Any, stats: Any, took: Records, now: float) -> Any:
    """Response times in milliseconds as one more of Locust's entries."""
    # Whoever has an environment has imported locust, and nobody else shall; looked up each time,
    # since users may replace it.
    bucket = sys.modules["locust.stats"].bucket_response_time
    part = type(entry)(stats, entry.name, entry.method)
    part.start_time = entry.start_time
    part.num_requests = len(took)
    part.total_response_time = float(took.sum())
    part.min_response_time, part.max_response_time = float(took.min()), float(took.max())
    part.num_reqs_per_sec[int(now)] = len(took)
    part.last_request_timestamp = now
    tenths, counts = np.unique((took * TENTHS).astype(np.int64), return_counts=True)
    for tenth, count in zip(tenths.tolist(), counts.tolist(), strict=True):
        part.response_times[bucket(tenth / TENTHS)] += count
    return part


def tell_others(environment: Any, records: Records, method: str = METHOD) -> None:
    """Tell whoever else listens to requests in a worker: its own tables are the master's to fill.

    The master's come from the records of all workers, so that they are the same requests.
    """
    if len(records) and len(environment.events.request._handlers) > 1:
        _fire(environment, records, method)
        environment.stats.clear_all()


def _fire(environment: Any, records: Records, method: str) -> None:
    fire = environment.events.request.fire
    names, outcomes = results.OPERATIONS, results.OUTCOMES
    columns = ("operation", "outcome", "sent", "done")
    for operation, outcome, sent, done in zip(
        *(records[column].tolist() for column in columns), strict=True
    ):
        fire(
            request_type=method,
            name=names[operation],
            response_time=(done - sent) * 1000,
            response_length=0,
            exception=outcomes[outcome] if outcome else None,
            context={},
        )
