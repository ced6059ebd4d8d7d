"""Service and response times as HDR histograms, by operation.

Service time is from an exchange's sending to its answer; response time from when it was due, so
that a generator that is late, or waits for a slow answer before it asks again, does not hide the
wait (coordinated omission). Both are of answered exchanges, in microseconds, to three significant
digits, up to an hour.

``latency.hlog`` is a histogram log as HdrHistogram's tools read it: a line for each tag
(``UpdateJobExecution.service``, ``UpdateJobExecution.response``). Such histograms add up without
loss, those of several runs, too.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from simulator import results
from simulator.results import Records

LONGEST_US: Final = 3_600_000_000
DIGITS: Final = 3
SUB_BUCKET_BITS: Final = 11
"""What three digits need: within a power of two, 1024 values are told apart."""
_SHOWN: Final = (50.0, 99.0, 99.9, 100.0)


def histograms(records: Records) -> dict[str, Any]:
    """By tag: ``OPERATION.service`` and ``OPERATION.response``, where any was answered."""
    found = {}
    answered = records[~np.isin(records["outcome"], (results.NO_REPLY, results.DISCONNECTED))]
    for operation, name in enumerate(results.OPERATIONS):
        mine = answered[answered["operation"] == operation]
        if len(mine):
            for kind, since in (("service", "sent"), ("response", "due")):
                found[f"{name}.{kind}"] = _histogram(mine["done"] - mine[since])
    return found


def _histogram(seconds: NDArray[np.float64]) -> Any:
    """One histogram. A value is recorded as the least of its bucket, each bucket in one call."""
    micros = np.clip(np.rint(seconds * 1e6), 1, LONGEST_US).astype(np.int64)
    _, bits = np.frexp(micros.astype(np.float64))
    shift = np.maximum(0, bits - SUB_BUCKET_BITS)
    histogram = HdrHistogram(1, LONGEST_US, DIGITS)
    for value, count in zip(*np.unique(micros >> shift << shift, return_counts=True), strict=True):
        histogram.record_value(int(value), int(count))
    return histogram


def as_log(found: dict[str, Any], lasted_s: float) -> bytes:
    """The histogram log."""
    lines = [
        "#[Histogram log format version 1.2]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for tag, histogram in found.items():
        longest_ms = histogram.get_max_value() / 1000
        payload = histogram.encode().decode()
        lines.append(f"Tag={tag},0.000,{lasted_s:.3f},{longest_ms:.3f},{payload}")
    return ("\n".join(lines) + "\n").encode()


def as_table(found: dict[str, Any]) -> Iterator[str]:
    """Lines of text: service and response time side by side."""
    if not found:
        return
    columns = " ".join(f"{name:>8}" for name in ("p50", "p99", "p99.9", "max"))
    yield f"{'Milliseconds':<30} service {columns}   response {columns}"
    for name in results.OPERATIONS:
        if f"{name}.service" in found:
            service, response = (_row(found[f"{name}.{kind}"]) for kind in ("service", "response"))
            yield f"  {name:<28}         {service}            {response}"


def _row(histogram: Any) -> str:
    shown = (histogram.get_value_at_percentile(percentile) / 1000 for percentile in _SHOWN)
    return " ".join(f"{value:>8.1f}" for value in shown)
