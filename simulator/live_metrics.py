"""The door for Prometheus of a live run: ``--metrics-port``, and ``/metrics`` of Locust's web UI.

It is served by greenlets of the process that owns the run, alone or as a master: a scrape takes
milliseconds, and no thread touches what the run's greenlets write.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIServer

from simulator.live_run import LiveRun
from simulator.ports import bind
from simulator.run_metrics import RunMetrics, Shown

PATH = "/metrics"


def metrics_of(newest: Callable[[], LiveRun | None]) -> RunMetrics:
    """The metrics of the newest run."""

    def shown() -> Shown | None:
        run = newest()
        if run is None:
            return None
        snapshot = run.snapshots[-1] if run.snapshots else None
        resolved = run.resolved
        return Shown(resolved.name, resolved.seed, run.transport, snapshot, run.buckets)

    return RunMetrics(shown)


def open_door(metrics: RunMetrics, host: str, port: int) -> WSGIServer:
    """Serve on a port of its own, and say where.

    Raises:
        UsageError: the port cannot be had.
    """

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH:
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [f"There is only {PATH} here.\n".encode()]
        kind, text = metrics.text()
        start("200 OK", [("Content-Type", kind)])
        return [text]

    server = WSGIServer(bind(host, port, "--metrics-port"), answer, log=None)
    server.start()
    where = f"[{host}]" if ":" in host else host
    print(f"Metrics: http://{where}:{server.server_port}{PATH}", file=sys.stderr, flush=True)
    return server


def add_to_web_ui(metrics: RunMetrics, web_ui: Any) -> None:
    """Answer at Locust's own address, too; with its login, where it has one."""

    @web_ui.app.route(PATH)  # type: ignore[untyped-decorator]  # Flask's, by way of Any
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]
    def scraped() -> tuple[bytes, int, dict[str, str]]:
        kind, text = metrics.text()
        return text, 200, {"Content-Type": kind}
