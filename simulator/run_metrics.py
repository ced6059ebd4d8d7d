"""``/metrics`` of a live run: its newest snapshot and its latencies as Prometheus families.

Rule 1: what a snapshot has is as old as the snapshot, at most a second or so; a scrape computes
        nothing of the run.
Rule 2: every name begins with ``jobfleet_run_``; the service's own do not. Times are seconds,
        counters are since the run began, so a new run in the same process is a counter reset.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from simulator import results
from simulator.results import Records
from simulator.snapshots import Snapshot

if TYPE_CHECKING:
    from prometheus_client.core import HistogramMetricFamily, Metric

BOUNDS_S: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
_KINDS: Final = (("service", "sent"), ("response", "due"))


class LatencyBuckets:
    """Answered exchanges by operation and latency, counted as they come."""

    def __init__(self) -> None:
        shape = (len(results.OPERATIONS), len(BOUNDS_S) + 1)
        self._counts = {kind: np.zeros(shape, np.int64) for kind, _ in _KINDS}
        self._sums = {kind: np.zeros(len(results.OPERATIONS)) for kind, _ in _KINDS}

    def take(self, fresh: Records) -> None:
        """Count fresh records."""
        answered = fresh[~np.isin(fresh["outcome"], (results.NO_REPLY, results.DISCONNECTED))]
        operation = answered["operation"].astype(np.int64)
        for kind, since in _KINDS:
            seconds = answered["done"] - answered[since]
            counts = self._counts[kind]
            place = operation * counts.shape[1] + np.searchsorted(BOUNDS_S, seconds, "left")
            counts += np.bincount(place, minlength=counts.size).reshape(counts.shape)
            self._sums[kind] += np.bincount(operation, seconds, len(results.OPERATIONS))

    def families(self) -> "Iterator[HistogramMetricFamily]":
        """A histogram of service times and one of response times."""
        from prometheus_client.core import HistogramMetricFamily

        bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
        for kind, _ in _KINDS:
            family = HistogramMetricFamily(
                f"jobfleet_run_{kind}_time_seconds",
                f"{kind.capitalize()} time of answered exchanges",
                labels=["operation"],
            )
            for at, name in enumerate(results.OPERATIONS):
                below = np.cumsum(self._counts[kind][at]).tolist()
                if below[-1]:
                    pairs = list(zip(bounds, below, strict=True))
                    family.add_metric([name], pairs, float(self._sums[kind][at]))
            yield family


class Shown(NamedTuple):
    """What is shown of a run."""

    scenario: str
    seed: int
    transport: str
    snapshot: Snapshot | None
    buckets: LatencyBuckets


class RunMetrics:
    """What Prometheus scrapes of the newest run of a process; ``newest`` is asked each time."""

    def __init__(self, newest: Callable[[], Shown | None]) -> None:
        from prometheus_client import CollectorRegistry

        self._newest = newest
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> tuple[str, bytes]:
        """The exposition format: its content type and all families."""
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        return CONTENT_TYPE_LATEST, generate_latest(self._registry)

    def collect(self) -> "Iterator[Metric]":
        """Every family, as the library asks for them."""
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        shown = self._newest()
        yield GaugeMetricFamily(
            "jobfleet_run_begun", "Whether a run has begun", value=shown is not None
        )
        if shown is None:
            return
        about = InfoMetricFamily("jobfleet_run", "The run")
        about.add_metric(
            [],
            {
                "scenario": shown.scenario,
                "seed": str(shown.seed),
                "transport": shown.transport,
            },
        )
        yield about
        if shown.snapshot is not None:
            yield from _gauges(shown.snapshot)
            yield from _counters(shown.snapshot)
        yield from shown.buckets.families()


def _gauges(now: Snapshot) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    for name, what, value in (
        ("wall_seconds", "Wall time since the run began", now.wall_s),
        ("scenario_seconds", "Scenario time since the run began", now.scenario_s),
        ("until_seconds", "Scenario time at which it ends at the latest", now.until_s),
        ("things", "Things of the fleet", now.things),
        ("connected", "Things that have a connection", now.connected),
        ("released", "Job executions that the service has created", now.released),
        ("to_come", "Targets without an execution yet", now.to_come),
        (
            "schedule_slip_seconds",
            "The 99th percentile of how late exchanges began, in the last second",
            now.lag.slip_p99_ms / 1000,
        ),
        (
            "loop_lag_seconds",
            "The largest delay of a timer of the generator, in the last second",
            now.lag.loop_lag_ms / 1000,
        ),
        ("cpu_ratio", "Share of one core, of the busiest process with things", now.lag.cpu),
    ):
        yield GaugeMetricFamily(f"jobfleet_run_{name}", what, value=value)
    executions = GaugeMetricFamily(
        "jobfleet_run_job_executions", "Job executions of the run's jobs", labels=["status"]
    )
    for status, count in now.executions.items():
        executions.add_metric([status], count)
    yield executions


def _counters(now: Snapshot) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily

    for name, what, value in (
        ("requests", "Exchanges that ended", now.requests),
        ("updates", "UpdateJobExecution exchanges among them", now.updates),
        ("failures", "Exchanges that were rejected or never answered", now.failures),
        ("no_reply", "Exchanges that were never answered", now.no_reply),
    ):
        yield CounterMetricFamily(f"jobfleet_run_{name}", what, value=value)
    conflicts = CounterMetricFamily("jobfleet_run_conflicts", "Version conflicts", labels=["cause"])
    for cause in results.CAUSES[1:]:  # those that never came about, too: a rate needs their zero
        conflicts.add_metric([cause], now.conflicts.get(cause, 0))
    yield conflicts
