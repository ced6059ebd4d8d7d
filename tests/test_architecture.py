"""The house: a module imports only from lower floors, and siblings never import each other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = [
    ["errors", "refusals", "exit_codes", "terminal"],
    ["stepped_clock", "service_thread", "sdk_client"],
    ["jobs.configuration", "jobs.identity", "jobs.paging", "jobs.thing_types",
     "jobs.managed_templates", "jobs.quotas", "mqtt.fields", "mqtt.reasons", "mqtt.topics"],
    ["jobs.schedule", "jobs.registry", "jobs.registry_messages", "jobs.tags", "mqtt.properties"],
    ["jobs.model", "jobs.presign", "mqtt.packets"],
    ["jobs.messages", "jobs.descriptions", "jobs.execution", "jobs.rollout", "mqtt.parse",
     "mqtt.writer", "mqtt.session"],
    ["jobs.template_messages", "jobs.events", "jobs.board", "jobs.agenda", "jobs.settings",
     "mqtt.reader", "mqtt.broker"],
    ["mqtt"],
    ["jobs.ledger", "jobs.topics"],
    ["jobs.data_plane", "jobs.lifecycle"],
    ["jobs.enrolment"],
    ["jobs.templates"],
    ["jobs.control_plane"],
    ["jobs.listings"],
    ["jobs.service"],
    ["jobs", "jobs.wire"],
    ["jobs.rest.call"],
    ["jobs.rest.routes"],
    ["jobs.rest.data", "jobs.rest.job_routes", "jobs.rest.registry_routes",
     "jobs.rest.template_routes", "jobs.rest.account_routes"],
    ["jobs.rest"],
    ["behaviour.mixing", "behaviour.distributions", "behaviour.agents", "behaviour.selections"],
    ["behaviour.presence", "behaviour.network", "behaviour.incidents", "behaviour.arrivals"],
    ["behaviour.cohorts"],
    ["behaviour.plans", "tcp_stream"],
    ["errand", "timers", "poller"],
    ["clock", "garbage", "today", "machine", "behaviour", "results", "executions", "open_files",
     "certificates", "allotment", "awaited", "endpoints.sigv4", "endpoints.identity",
     "endpoints.documents",
     "endpoints.websocket", "endpoints.exchange", "endpoints.shards", "mqtt_client", "interlock",
     "provisioning.plan", "provisioning.ledger"],
    ["provisioning.account", "provisioning.cost", "pacing", "live_errand"],
    ["provisioning.ownership"],
    ["provisioning.making", "provisioning.cleaning"],
    ["report.summary", "snapshots", "generator"],
    ["run_metrics"],
    ["expectations", "fit.special", "fit.cohorts", "fit.executions"],
    ["fit.laws", "fit.documents", "fit.settings", "fit.shares"],
    ["fit.censored"],
    ["fit.waits"],
    ["fit.estimate"],
    ["host", "scenario.units", "sample", "endpoints.tls", "endpoints.http11", "targets",
     "websocket_client"],
    ["watching"],
    ["scenario.document", "scenario.quantities", "local_settings", "sightings", "aws_target"],
    ["scenario.columns"],
    ["scenario.durations", "scenario.selectors", "scenario.job", "scenario.expecting"],
    ["scenario.outcomes", "scenario.network", "scenario.incidents", "scenario.arrivals"],
    ["scenario.fleet"],
    ["scenario.model", "endpoints.mqtt_rules", "endpoints.broker_claim",
     "endpoints.broker_outbox"],
    ["scenario.references", "endpoints.mqtt_outbox", "endpoints.broker_intake"],
    ["scenario.contradictions", "endpoints.mqtt_intake", "endpoints.broker"],
    ["endpoints.mqtt_connection"],
    ["world", "assignment", "attribution", "endpoints.journal"],
    ["caller", "campaign"],
    ["worker"],
    ["thing", "director", "endpoints.mqtt", "endpoints.http", "endpoints.metrics",
     "scenario.file"],
    ["scenario.given", "starters", "finders", "attendance", "ports"],
    ["fleet", "scenario", "standstill", "owner", "transports.lossy", "transports.stamped",
     "transports.memory", "transports.paced",
     "transports.mqtt", "transports.aiomqtt", "transports.http"],
    ["transports.weather", "report.executions", "rollout_view"],
    ["report.evidence", "report.counts", "report.latencies", "report.lag", "report.timeouts",
     "report.budget", "report.verdict", "fit.scenario_text"],
    ["fit.fitting"],
    ["report.timeline", "fit.report"],
    ["report.fold"],
    ["report.text", "report.junit", "report.workers", "report.github", "run_directory"],
    ["report.tap"],
    ["export", "finished_run", "resolved", "compare.statistics", "compare.limits"],
    ["report.page.bins", "report.page.drawing"],
    ["report.page.rollout", "report.page.endings", "report.page.troubles",
     "report.page.verdict"],
    ["report.page.conflicts", "report.page.latency", "report.page.lag"],
    ["report.page"],
    ["tables", "compare.samples"],
    ["table_files", "compare.measures"],
    ["compare.verdict"],
    ["compare.text"],
    ["compare.page"],
    ["run"],
    ["live_view"],
    ["sweep.grid", "sweep.statistics", "explain.forecast"],
    ["explain.arithmetic"],
    ["sweep.crews", "sweep.journal", "sweep.table", "shrink", "explain.small",
     "explain.findings"],
    ["sweep.writers"],
    ["sweep", "explain", "gate"],
    ["playbook", "live"],
    ["serve", "trial"],
    ["embedded", "trying", "locust_feed", "contention", "background"],
    ["crowd"],
    ["pytest_plugin"],
    ["live_watchdog", "live_options"],
    ["live_share", "live_jobs", "live_member"],
    ["live_crew"],
    ["live_run", "stage"],
    ["live_metrics"],
    ["aws_cli.shorthand", "aws_cli.table", "aws_cli.options", "aws_cli.skeleton",
     "aws_cli.session"],
    ["aws_cli.parameters", "aws_cli.output", "aws_cli.help"],
    ["cli.distribution", "cli.interrupts", "cli.terminal"],
    ["cli.gates", "cli.watches"],
    ["locust_http", "locust_shapes", "locust_rollout"],
    ["locust_contention", "locust_control_plane"],
    ["locust_bridge", "cli.runs", "cli.serving", "cli.starting",
     "cli.trials", "cli.fitting", "cli.studies",
     "cli.provisioning", "cli.reporting", "cli.results", "aws_cli.driver"],
    ["cli.app"],
    ["cli"],
    ["cli.__main__"],
]  # fmt: skip
"""From the ground up. A package stands for its ``__init__``; empty ones stand nowhere."""

EMPTY = {"", "transports", "endpoints", "report", "aws_cli", "fit", "provisioning", "compare"}
"""Packages whose ``__init__`` is a docstring: the way in, no room."""

PURE = ("jobs", "mqtt")
FORBIDDEN = {"asyncio", "random", "secrets", "socket", "ssl", "threading", "time", "uuid"}
PURE_LIBRARIES = {
    "bisect", "calendar", "collections", "dataclasses", "datetime", "hashlib", "heapq", "msgspec",
    "re", "simulator", "struct", "typing", "unicodedata", "urllib",
}  # fmt: skip
"""What the core rests on; a new name here needs a reason that is not IO, clock or chance."""

TOO_LONG: dict[str, str] = {}
"""Modules above 400 lines, each with its reason."""

BAD_NAMES = {"utils", "common", "base", "helper", "helpers", "manager"}

FLOOR = {name: height for height, floor in enumerate(FLOORS) for name in floor}


def modules() -> dict[str, Path]:
    """Every module of the package, by its name below ``simulator``."""
    found = {}
    for path in sorted((ROOT / "simulator").rglob("*.py")):
        parts = path.relative_to(ROOT / "simulator").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(source: str) -> list[str]:
    """All modules that a source imports, in functions too, but not under TYPE_CHECKING."""
    tree = ast.parse(source)
    hidden = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for node in ast.walk(branch)
    }
    names = []
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from simulator.jobs import rollout` imports a module of that package
            names += [
                f"{node.module}.{alias.name}"
                if f"{node.module}.{alias.name}".removeprefix("simulator.") in FLOOR
                else node.module
                for alias in node.names
            ]
    return names


def climbs(module: str, source: str) -> list[str]:
    """What is wrong with a module's imports, in words."""
    wrong = []
    for name in imports(source):
        if name != "simulator" and not name.startswith("simulator."):
            continue
        below = name.removeprefix("simulator").removeprefix(".")
        if below in EMPTY:
            continue
        if below not in FLOOR:
            wrong.append(f"{module} imports {name}, which stands on no floor")
        elif FLOOR[below] >= FLOOR[module]:
            wrong.append(
                f"{module} (floor {FLOOR[module]}) imports {below} (floor {FLOOR[below]}): import "
                "only from below; move what both need down, or hand it in as an argument"
            )
    return wrong


def test_every_module_stands_on_a_floor() -> None:
    assert set(modules()) - EMPTY == set(FLOOR)


def test_imports_go_down() -> None:
    wrong = [
        line
        for module, path in modules().items()
        if module not in EMPTY
        for line in climbs(module, path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


def test_the_check_finds_what_it_is_for() -> None:
    assert climbs("thing", "from simulator.fleet import Fleet")
    assert climbs("endpoints.mqtt", "def f():\n    from simulator.endpoints.http import x")
    assert climbs("thing", "import simulator.nowhere")
    hidden = "if TYPE_CHECKING:\n    from simulator.fleet import Fleet"
    assert not climbs("thing", hidden + "\nimport simulator.errors")


@pytest.mark.parametrize("package", sorted(EMPTY))
def test_a_way_in_imports_nothing(package: str) -> None:
    assert imports(modules()[package].read_text()) == []


def test_the_core_performs_nothing() -> None:
    for module, path in modules().items():
        if module.split(".")[0] in PURE:
            used = {name.split(".")[0] for name in imports(path.read_text())}
            assert not used & FORBIDDEN, f"{module}: time and chance are handed in"
            assert used <= PURE_LIBRARIES, f"{module}: {used - PURE_LIBRARIES}"


LOCUST = {
    "locust_bridge", "locust_http", "locust_shapes", "locust_contention", "locust_control_plane",
}  # fmt: skip
"""What only locustfiles and ``jobfleet run`` load."""


def test_only_rooms_behind_locustfiles_import_locust() -> None:
    for module, path in modules().items():
        if "locust" in {name.split(".")[0] for name in imports(path.read_text())}:
            assert module in LOCUST, "importing locust patches the process"
    for module, path in modules().items():
        behind = {name.removeprefix("simulator.") for name in imports(path.read_text())} & LOCUST
        assert not behind or module in LOCUST, f"{module} would import locust by {behind}"


def test_a_thing_never_names_a_transport() -> None:
    assert "transports" not in (ROOT / "simulator/thing.py").read_text()


def test_rooms_are_readable_and_have_names() -> None:
    for module, path in modules().items():
        assert path.stem not in BAD_NAMES, f"{module}: say what it is"
        if module not in TOO_LONG:
            lines = len(path.read_text().splitlines())
            assert lines <= 400, f"{module} has {lines} lines: move the walls"
