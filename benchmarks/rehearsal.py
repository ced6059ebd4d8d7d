"""Rehearsals from ten thousand things to a million, beside a bare virtual loop and SimPy.

Each is measured in a process of its own, so that its memory is its own; seconds are CPU seconds, of
the rehearsal alone. The floor does as many wake-ups as the rehearsal of a million and nothing else:
a thousand things are set going each minute, and each sleeps so many times.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import simpy

from benchmarks.table import Row, at_most
from simulator.clock import VirtualLoop
from simulator.garbage import frozen_garbage
from simulator.run import Resolved, rehearse
from simulator.scenario import load

SCENARIO = Path(__file__).parents[1] / "scenarios" / "million.yaml"
MILLION = 1_000_000
BATCH, MINUTE = 1_000, 60.0


def rows() -> list[Row]:
    """Cost per thing, how it grows, and how far above the floor it is."""
    small = measured("rehearsal", 10_000)
    large = measured("rehearsal", 100_000)
    million = measured("rehearsal", MILLION)
    waits = round(million["wakeups"] / MILLION)
    floor = measured("errands", MILLION, waits)
    tasks = measured("tasks", MILLION, waits)
    peer = measured("simpy", MILLION, waits)

    def each(found: dict[str, float], things: int) -> float:
        return found["seconds"] / things * 1e6

    per_wakeup = floor["seconds"] / floor["wakeups"] * 1e6
    same = per_wakeup * million["wakeups"] / 1e6
    return [
        Row("rehearsal of 10,000 things, us a thing", f"{each(small, 10_000):.1f}"),
        Row("rehearsal of 100,000 things, us a thing", f"{each(large, 100_000):.1f}"),
        at_most("rehearsal of 100,000 things, s", large["seconds"], 10),
        at_most("rehearsal of 1,000,000 things, s", million["seconds"], 45),
        at_most("the same, peak memory in MB", million["peak_mb"], 2_000, ",.0f"),
        at_most(
            "cost per thing, 1,000,000 / 10,000",
            each(million, MILLION) / each(small, 10_000), 1.3, ".2f",
        ),
        Row("exchanges a second, rehearsed", f"{million['records'] / million['seconds']:,.0f}"),
        Row("bare virtual loop, errands, us a wake-up", f"{per_wakeup:.2f}"),
        at_most(
            "rehearsal / bare loop, as many wake-ups", million["seconds"] / same, 4, ".2f"
        ),
        Row(
            "bare virtual loop, tasks and asyncio.sleep, us a wake-up",
            f"{tasks['seconds'] / tasks['wakeups'] * 1e6:.2f}",
        ),
        Row(
            "SimPy, the same waits, us a wake-up",
            f"{peer['seconds'] / peer['wakeups'] * 1e6:.2f}",
        ),
        Row("SimPy, the same waits, peak memory in MB", f"{peer['peak_mb']:,.0f}"),
    ]  # fmt: skip


def measured(what: str, things: int, waits: int = 0) -> dict[str, float]:
    """Run one of ``WORLDS`` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.rehearsal", what, str(things), str(waits)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


# --------------------------------------------------------------------------- in that process


def rehearsal(things: int, _waits: int) -> dict[str, float]:
    """The scenario of the million, with so many things."""
    resolved = Resolved.of(load(SCENARIO), 1, things)
    began = time.process_time()
    finished = rehearse(resolved)
    seconds = time.process_time() - began
    assert finished.summary.executions["SUCCEEDED"] > 0.98 * things
    return {
        "seconds": seconds,
        "wakeups": finished.wakeups,
        "records": len(finished.records),
    }


def nap_s(thing: int, turn: int) -> float:
    """How long a thing of the floor sleeps: up to 90 seconds, in whole milliseconds."""
    return 0.001 + (thing * 7919 + turn * 104_729) % 90_000 / 1000


def virtual(things: int, waits: int, *, errands: bool) -> dict[str, float]:
    """Coroutines on the bare virtual loop."""
    loop = VirtualLoop(20 * things)  # type: ignore[abstract]
    spawn: Callable[[Any], object] = loop.errand if errands else loop.create_task
    sleep = loop.sleep if errands else asyncio.sleep

    async def nap(thing: int) -> None:
        for turn in range(waits):
            await sleep(nap_s(thing, turn))

    async def main() -> None:
        for first in range(0, things, BATCH):
            for thing in range(first, min(things, first + BATCH)):
                spawn(nap(thing))
            await asyncio.sleep(MINUTE)
        await asyncio.sleep(waits * 100)

    with frozen_garbage():
        began = time.process_time()
        loop.run_until_complete(main())
        seconds = time.process_time() - began
    return {"seconds": seconds, "wakeups": loop.wakeups}


def peer(things: int, waits: int) -> dict[str, float]:
    """The same in SimPy."""
    environment = simpy.Environment()

    def nap(thing: int) -> Generator[Any, Any, None]:
        for turn in range(waits):
            yield environment.timeout(nap_s(thing, turn))

    def main() -> Generator[Any, Any, None]:
        for first in range(0, things, BATCH):
            for thing in range(first, min(things, first + BATCH)):
                environment.process(nap(thing))
            yield environment.timeout(MINUTE)

    environment.process(main())
    with frozen_garbage():
        began = time.process_time()
        environment.run()
        seconds = time.process_time() - began
    return {"seconds": seconds, "wakeups": things * waits}


WORLDS: dict[str, Callable[[int, int], dict[str, float]]] = {
    "rehearsal": rehearsal,
    "errands": lambda things, waits: virtual(things, waits, errands=True),
    "tasks": lambda things, waits: virtual(things, waits, errands=False),
    "simpy": peer,
}

if __name__ == "__main__":
    found = WORLDS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**found, "peak_mb": peak_kb / 1000}))
