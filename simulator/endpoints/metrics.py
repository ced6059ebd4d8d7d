"""``/metrics``: what a service does, counted where it is known already and summed when scraped.

Rule 1: the doors keep one counter each per (operation, outcome); everything else is read from the
        service and the connections at the moment of the scrape, so that no request pays for it.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from simulator.host import Host

Counts = Mapping[tuple[str, str], int]


class Metrics:
    """What Prometheus scrapes."""

    def __init__(
        self,
        host: Host,
        requests: Mapping[str, Callable[[], Counts]],
        connections: Mapping[str, Callable[[], int]],
    ) -> None:
        """``requests`` and ``connections`` are asked at each scrape, by door."""
        self._host = host
        self._requests = requests
        self._connections = connections
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> tuple[str, bytes]:
        """The exposition format: its content type and all families."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every family, as the library asks for them."""
        requests = CounterMetricFamily(
            "jobfleet_requests", "Requests answered", labels=["door", "operation", "outcome"]
        )
        for door, counts in self._requests.items():
            for (operation, outcome), count in sorted(counts().items()):
                requests.add_metric([door, operation, outcome], count)
        yield requests
        service = self._host.service
        executions = GaugeMetricFamily(
            "jobfleet_job_executions", "Job executions that exist", labels=["status"]
        )
        totals: dict[str, int] = {}
        for job in service.jobs.values():
            for status, count in job.counts.items():
                totals[status] = totals.get(status, 0) + count
        for name, total in totals.items():
            executions.add_metric([name], total)
        yield executions
        yield GaugeMetricFamily("jobfleet_jobs", "Jobs that exist", value=len(service.jobs))
        connections = GaugeMetricFamily("jobfleet_connections", "Open connections", labels=["door"])
        for door, open_now in self._connections.items():
            connections.add_metric([door], open_now())
        yield connections
        stage = self._host.stage
        if stage is not None:
            incidents = CounterMetricFamily(
                "jobfleet_incidents", "What incidents did to somebody", labels=["name"]
            )
            for name, count in stage.counts.items():
                incidents.add_metric([name], count)
            yield incidents
        yield GaugeMetricFamily(
            "jobfleet_pending_timers", "Entries in the service's agenda", value=service.timers
        )
        yield CounterMetricFamily(
            "jobfleet_effects", "Notices and events told", value=self._host.effects_told
        )
