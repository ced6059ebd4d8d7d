"""50 000 things on one machine: three workers, and three services that know nothing of each other.

Each service listens on an address of its own (127.0.0.2 and up: an address has some 28 000 ports to
connect from), owns one range of the things, and has its own copy of the job. Each worker is a
``jobfleet run`` of its own against one of them, all at the same time; what is printed is their sum.
It is therefore three runs and three verdicts, not one run with one summary.
"""

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.served import JOBFLEET, begun, ended, served, write_scenario
from benchmarks.table import Row, at_least
from benchmarks.worker_memory import Look, full, look, watched

THINGS = 50_000
PARTS = 3
FIRST = 2
RAMP = 300
"""A second and part: all are there after 56 s."""
SECONDS = 85
BOUND_S = 170.0
WORK = "{duration: 10h, steps: 1800}"
"""One report each 20 s."""


def rows() -> list[Row]:
    """Things at work at the end, their updates, and the memory of all six processes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services, runs = [], []
        for part in range(PARTS):
            own = THINGS // PARTS + (part < THINGS % PARTS)
            scenario = folder / f"part-{part}.yaml"
            write_scenario(scenario, own, SECONDS, cohort=f"range-{part}", work=WORK, ramp=RAMP)
            service = stack.enter_context(served(host=f"127.0.0.{FIRST + part}"))
            services.append(service)
            command = [*JOBFLEET, "run", str(scenario), *service.target, "--no-report"]
            runs.append(begun(*command, "--quiet", "--out", str(folder / f"run-{part}")))
        for run in runs:
            stack.callback(run.kill)
        looks = watched(runs, BOUND_S)
        theirs = [look(service.pid) for service in services]
        for run in runs:
            ended(run, 5)
        told = [_summary(folder / f"run-{part}") for part in range(PARTS)]
    return _rows(looks, theirs, told)


def _rows(looks: list[list[Look]], theirs: list[Look | None], told: list[Any]) -> list[Row]:
    working = sum(summary["executions"]["IN_PROGRESS"] for summary in told)
    updates = [summary["requests"]["UpdateJobExecution"] for summary in told]
    workers = sum(max(one.resident for one in full(part)) for part in looks)
    services = sum(one.resident for one in theirs if one is not None)
    return [
        at_least(f"{PARTS} workers, {PARTS} services: things IN_PROGRESS", working, THINGS),
        Row("updates accepted; without a reply", _of(updates)),
        Row("the three runs' whole memory, KiB a thing", f"{workers / 1024 / THINGS:.1f}"),
        Row("the services' whole memory, KiB a thing", f"{services / 1024 / THINGS:.1f}"),
    ]


def _of(updates: list[Any]) -> str:
    accepted, silent = (sum(one[what] for one in updates) for what in ("accepted", "no_reply"))
    return f"{accepted:,}; {silent:,}"


def _summary(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text())
