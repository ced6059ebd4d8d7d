"""18 000 things in one worker process: what each costs while connected, and while it works.

The worker is a process of its own (``jobfleet run --worker``), since a worker keeps no records: its
memory is its things'. Two runs: in the first each thing connects, starts, and works for an hour
without a word; in the second each reports in a closed loop, as fast as the service answers.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.broker import free_port
from benchmarks.served import CLOSED_LOOP, JOBFLEET, Served, begun, ended, served, write_scenario
from benchmarks.table import Row, at_least, at_most
from benchmarks.worker_memory import Look, base, full, watched
from simulator import results

THINGS = 18_000
RAMP = 1_000
SECONDS = 60
LATE_S = 10
BOUND_S = 150.0
SILENT = "{duration: 1h, steps: 1}"


def rows() -> list[Row]:
    """KiB a thing, and how many there were."""
    connected, _, _, _ = _run(SILENT)
    working, more, things, rate = _run(CLOSED_LOOP)
    return [
        at_least("things in one worker process, connected and working", things, THINGS),
        Row("updates/s by them in a closed loop", f"{rate:,.0f}"),
        at_most("the worker's whole memory, KiB a thing, connected", connected, 30),
        at_most("the worker's whole memory, KiB a thing, working", working, 30),
        Row("the same without what it had before its first connection", f"{more:.1f}"),
    ]


def _run(work: str) -> tuple[float, float, int, float]:
    """KiB a thing at most, the same beyond the base, things at work, their updates a second."""
    with tempfile.TemporaryDirectory() as name, served() as service:
        folder = Path(name)
        write_scenario(folder / "scenario.yaml", THINGS, SECONDS, work=work, ramp=RAMP)
        looks = _master_and_worker(folder, service)
        records = np.load(folder / "run" / "records.npz")["records"]
    most = full(looks)
    held = max(one.resident for one in most) / 1024 / THINGS
    more = held - base(looks) / 1024 / THINGS
    # The last ten seconds, in which all are there.
    started = records[(records["operation"] == results.START_NEXT) & (records["outcome"] == 0)]
    updates = records[(records["operation"] == results.UPDATE) & (records["outcome"] == 0)]
    late = updates[updates["done"] >= records["done"].max() - LATE_S]
    things = np.unique((late if work == CLOSED_LOOP else started)["thing"])
    return held, more, len(things), len(late) / LATE_S


def _master_and_worker(folder: Path, service: Served) -> list[Look]:
    port = str(free_port())
    run = [*JOBFLEET, "run"]
    master = begun(
        *run, str(folder / "scenario.yaml"), *service.target, "--no-report", "--out",
        str(folder / "run"), "--master", "--expect-workers", "1", "--master-bind-host", "127.0.0.1",
        "--master-bind-port", port,
    )  # fmt: skip
    worker = begun(*run, "--worker", "--master-port", port)
    try:
        looks = watched([worker], BOUND_S)[0]
        ended(master, BOUND_S)
    finally:
        for process in (worker, master):
            process.kill()
            process.communicate()
    return looks
