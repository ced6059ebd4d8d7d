"""A live fleet in the test's own process: real sockets, a real clock, and no Locust around it."""

import time
from _thread import start_new_thread
from collections import Counter
from dataclasses import dataclass
from typing import Any

from simulator.live import LiveFleet, LoopThread
from simulator.live_jobs import GOING_ON, LiveJobs
from simulator.owner import Owner
from simulator.results import OPERATIONS, OUTCOMES
from simulator.run import Resolved
from simulator.scenario import loads
from simulator.targets import TargetOptions, aim, transport_for


@dataclass
class Lived:
    """What came of it."""

    ended: str
    """How the jobs ended; nothing where they went on to the last."""
    executions: dict[str, int]
    exchanges: Counter[tuple[str, str]]
    """(operation, outcome) → how many."""
    oddities: dict[str, int]
    refusal: str


def lived(
    scenario: str,
    target: str,
    control: str,
    options: TargetOptions | None = None,
    transport: str | None = None,
    seconds: float = 20.0,
) -> Lived:
    """Let a fleet work at a target until its jobs have ended, or for so many seconds."""
    resolved = Resolved.of(loads(scenario, "scenario.yaml"), None, None)
    aimed = aim(target, control, options or TargetOptions(), 1.0)
    assert aimed is not None
    kind = transport_for(transport, aimed.target)
    things = range(resolved.scenario.things)
    thread = LoopThread(start_new_thread, time.sleep, kind)
    owner = Owner(aimed.control)
    try:
        fleet = LiveFleet(resolved, thread, aimed.target, kind)
        jobs = LiveJobs(resolved, owner, ours=False)
        jobs.create()
        fleet.begin()
        fleet.own(things)
        for index in things:
            fleet.start(index)
        ended = _look(jobs, fleet, seconds)
        fleet.settle(1.0)
        fleet.stop()
        rows: Any = fleet.recorder.records()[["operation", "outcome"]].tolist()
        exchanges = Counter((OPERATIONS[one], OUTCOMES[other]) for one, other in rows)
        assert thread.failures == []
        return Lived(ended, jobs.counts, exchanges, fleet.oddities, fleet.refusal)
    finally:
        owner.close()
        thread.stop()


def _look(jobs: LiveJobs, fleet: LiveFleet, seconds: float) -> str:
    while fleet.now() < seconds:
        status = jobs.look(fleet.now())
        if status is not None and status not in GOING_ON:
            return status
        time.sleep(0.02)
    return ""
