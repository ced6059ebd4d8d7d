"""Where everything meets: scenario + seed + clock → host, fleet, records, summary, run directory.

``rehearse`` runs a scenario in virtual time. ``locust_bridge`` runs one live, with the pieces
``Resolved``, ``summarise`` and ``RunDirectory`` from here.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from simulator.behaviour import ramp
from simulator.campaign import Campaign as Campaign
from simulator.campaign import create_job_request as create_job_request
from simulator.campaign import group_of as group_of
from simulator.campaign import register as register
from simulator.clock import VirtualLoop
from simulator.director import population
from simulator.errors import UsageError
from simulator.executions import FILE as EXECUTIONS
from simulator.executions import Executions, executions_of, save
from simulator.fleet import Fates, Fleet
from simulator.garbage import frozen_garbage
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.machine import machine
from simulator.report.executions import Outcome, outcome_of
from simulator.report.fold import About, fold
from simulator.report.junit import as_junit
from simulator.report.summary import COMPLETED, INTERRUPTED, OpenLoad, Summary, as_text
from simulator.report.timeline import as_csv
from simulator.resolved import Resolved as Resolved
from simulator.results import Recorder, Records
from simulator.run_directory import REPORT, SCENARIO, Folder
from simulator.scenario import Scenario
from simulator.scenario.given import given
from simulator.scenario.model import DEFAULT_SEED as DEFAULT_SEED
from simulator.snapshots import Snapshot, Tally, of_rehearsal
from simulator.standstill import TakingTurns, check_that_time_passes, patience
from simulator.thing import Thing
from simulator.today import utc_now as utc_now
from simulator.transports.lossy import LossyLink
from simulator.transports.memory import MemoryBroker, MemoryLink
from simulator.world import Link, Listener, World

SETTLE_S: Final = 120.0
"""After the job's end the things may finish what they are at (a retry, say) for so long."""

WATCH_S: Final = 30.0
SAY_S: Final = 0.5  # wall time between two looks at how far a rehearsal is
DRAIN_EVERY: Final = 2_000
"""Every ``WATCH_S`` virtual seconds, records are packed if so many are fresh: a million of them as
Python tuples would be a gigabyte, and a cold one."""


@dataclass(slots=True)
class Finished:
    """A run that came to its end."""

    resolved: Resolved
    summary: Summary
    records: Records
    wall_s: float
    wakeups: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    executions: Executions | None = None


def summarise(
    resolved: Resolved,
    records: Records,
    outcome: Outcome,
    fates: Fates,
    *,
    clock: Literal["virtual", "wall"],
    transport: str,
    clock_s: float,
    time_scale: float,
    ended: str,
    incidents: Mapping[str, int],
    turns: int = 0,
) -> Summary:
    """Fold a run into its summary, verdict included; ``incidents`` are counted by name.

    ``turns`` is how many updates of ``load.updates`` began.
    """
    scenario = resolved.scenario
    throttling, due = scenario.quotas == "aws", scenario.update_times()
    load = None
    if due is not None:
        came = int(np.searchsorted(due, clock_s * time_scale, side="right"))
        load = OpenLoad(came, turns, max(0, came - turns))
    summary = fold(
        About(
            resolved.name,
            resolved.seed,
            clock,
            transport,
            clock_s,
            time_scale,
            ended,
            throttling,
            load,
        ),
        scenario.cohorts(),
        resolved.work().names(),
        records,
        outcome,
        fates,
        scenario.expectations(),
        incidents,
    )
    outcome.keep_truth()
    return summary


# ------------------------------------------------------------------------------- rehearsal


class Rehearsal:
    """One scenario in virtual time."""

    def __init__(self, resolved: Resolved) -> None:
        """Prepare it.

        Raises:
            UsageError: in this scenario, virtual time would never get on.
        """
        self.resolved = resolved
        self.progress: Callable[[Snapshot], None] | None = None
        """Is told now and then how far it is."""
        self._ended: asyncio.Future[str] | None = None
        scenario = resolved.scenario
        self._patience = patience(scenario.things)
        if scenario.load.updates is None and scenario.load.budget is None:  # else they wait
            check_that_time_passes(resolved.name, scenario.cohorts(), scenario.network_values())

    def interrupt(self) -> None:
        """End it where it is; what was seen until then is summed up. For a signal handler.

        Raises:
            KeyboardInterrupt: it has not begun, so there is nothing to sum up; or it was asked to
                end already.
        """
        if self._ended is None or self._ended.done():
            raise KeyboardInterrupt
        self._end(INTERRUPTED)

    def run(self) -> Finished:
        """Run it to its end; the same scenario and seed give the same result to the byte.

        Raises:
            TimeStandsStill: virtual time does not get on.
        """
        began = time.perf_counter()
        # what is abstract is what a simulation never asks for
        loop = VirtualLoop(self._patience)  # type: ignore[abstract]
        with frozen_garbage():
            try:
                seen = loop.run_until_complete(self._run(loop))
            finally:
                loop.close()
        assert isinstance(seen, _Seen)
        summary = summarise(  # the world has gone by now: this needs its memory
            self.resolved,
            seen.records,
            seen.outcome,
            seen.fates,
            clock="virtual",
            transport="memory",
            clock_s=seen.clock_s,
            time_scale=1.0,
            ended=seen.ended,
            incidents=seen.incidents,
            turns=seen.turns,
        )
        finished = Finished(
            self.resolved, summary, seen.records, 0.0, executions=seen.outcome.found
        )
        finished.wall_s = time.perf_counter() - began
        finished.wakeups = loop.wakeups
        return finished

    async def _run(self, loop: VirtualLoop) -> "_Seen":
        scenario, recorder = self.resolved.scenario, Recorder()
        quotas: Literal["aws"] | None = "aws" if scenario.quotas == "aws" else None
        service = JobsService(epoch=scenario.epoch_s, quotas=quotas, notify=False)
        host = Host(service, loop)
        world = self.resolved.world(loop, loop.time, recorder, time_scale=1.0)
        names = world.work.names()
        broker = MemoryBroker(host, world.sleep, world.network.reply_timeout)
        director = self.resolved.director(host, population(world.work))
        weather, pace = self.resolved.weather(world), self.resolved.pace(world)

        def make_link(index: int, name: str, thing: Thing) -> Link:
            def memory(listener: Listener) -> Link:
                link = MemoryLink(broker, name, listener, thing.reader)
                at_once = weather.chance_of(index).takes_no_time
                return TakingTurns(link, loop, recorder) if at_once else link

            link = weather.around(index, thing, memory, second=thing.second)
            if isinstance(link, LossyLink):
                thing.prompt = link.prompt if pace is None else None
            return link if pace is None else pace.around(link, world.sleep)

        fleet = Fleet(names, world, make_link)
        self._ended = loop.create_future()
        campaign = self.resolved.campaign(host, world.work, self._end)
        campaign.start(loop)
        starting = world.spawn(fleet.ramp(ramp(scenario.load.ramp, len(names))))
        watching = loop.create_task(self._watch(world, service))
        weather.begin()
        if world.desk is not None:
            world.desk.own(range(len(names)))
            world.desk.begin()
        if scenario.incidents():
            director.start()
        at_the_latest = loop.call_later(scenario.load.until, self._end, "until reached")
        ended = await self._ended
        clock_s, turns = world.now(), 0 if world.desk is None else world.desk.taken
        if ended == COMPLETED:
            await fleet.settle(min(SETTLE_S, scenario.load.until - clock_s))
        executions = executions_of(service.jobs.values(), names, world.now())
        outcome = outcome_of(service.jobs, scenario.job_ids, names, executions)
        fates = fleet.fates()
        for task in (starting, watching):
            task.cancel()
        at_the_latest.cancel()
        campaign.close()
        weather.close()
        director.stop()
        host.close()
        fleet.stop()
        _untie(fleet, service, host)
        records, incidents = recorder.records(), director.counts
        return _Seen(outcome, fates, records, incidents, clock_s, ended, turns)

    def _end(self, why: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(why)

    async def _watch(self, world: World, service: JobsService) -> None:
        """Pack records now and then, and say how far the run is."""
        until, things = self.resolved.scenario.load.until, self.resolved.scenario.things
        often, rarely = min(until / 200, WATCH_S), until / 200
        wait, seen, progress, tally = often, 0, self.progress, Tally()
        began = said = time.perf_counter()
        while True:
            await asyncio.sleep(wait)
            fresh = len(world.recorder.fresh)
            # Where nothing happens for years, nobody needs to look every half minute.
            wait = often if fresh != seen else min(2 * wait, rarely)
            telling = progress is not None and time.perf_counter() - said > SAY_S
            if fresh > DRAIN_EVERY or (telling and fresh):
                drained, fresh = world.recorder.drain(), 0
                if progress is not None:
                    tally.take(drained)
            seen = fresh
            if progress is not None and telling:
                said, jobs = time.perf_counter(), service.jobs.values()
                progress(of_rehearsal(jobs, tally, world.now(), until, said - began, things))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is left of a world that was rehearsed."""

    outcome: Outcome
    fates: Fates
    records: Records
    incidents: dict[str, int]
    clock_s: float
    ended: str
    turns: int


def _untie(fleet: Fleet, service: JobsService, host: Host) -> None:
    """Let things, jobs and host not know each other any more, once nobody asks them.

    Then a world of a million things goes at once, and the garbage collector, which has rested all
    the time, does not find it.
    """
    fleet.untie()
    for job in service.jobs.values():
        job.latest.clear()
        job.executions.clear()
    host.listeners.clear()


def rehearse(
    scenario: Path | str | Mapping[str, Any] | Scenario | Resolved,
    *,
    seed: int | None = None,
    things: int | None = None,
) -> Finished:
    """Run a scenario in virtual time; the same scenario and seed give the same result to the byte.

    Args:
        scenario: a file's path, a mapping as the file would say it, a ``Scenario`` that was read
            before, or one that is settled already.
        seed: of all chance; default: the scenario's, else 1.
        things: the size of the fleet; its cohorts are rescaled in proportion.

    Returns:
        ``summary`` holds every number and the verdict, ``records`` a row per exchange and
        ``executions`` one per execution. Nothing is written: that is ``RunDirectory``'s.

    Raises:
        ScenarioError: one line per fault of the scenario.
        UsageError: no fleet of that size, no such seed, or virtual time would never get on.
        TimeStandsStill: virtual time does not get on.
    """
    if not isinstance(scenario, Resolved):
        scenario = Resolved.of(given(scenario), seed, things)
    elif seed is not None or things is not None:
        raise UsageError("seed and things are settled already: give the scenario itself")
    return Rehearsal(scenario).run()


# ------------------------------------------------------------------------------- run directory


class RunDirectory:
    """The folder that keeps a run: scenario, summary, timeline, verdict, machine, records."""

    def __init__(self, path: Path | None, name: str) -> None:
        """Make the folder: ``path``, or a fresh one under ``runs/``; see ``run_directory.py``.

        Raises:
            UsageError: it cannot be made or written to, or files of others stand in it.
        """
        self._folder = Folder(path, name)
        self.path = self._folder.path

    def write(self, finished: Finished, started: datetime) -> None:
        """Write everything that a finished run leaves behind; the summary last.

        Raises:
            UsageError: a file cannot be written.
        """
        summary, scenario = finished.summary, finished.resolved.scenario
        about = {**machine(started, finished.wall_s), **finished.extra}
        self._text(SCENARIO, finished.resolved.text())
        self._folder.write("records.npz", lambda file: np.savez(file, records=finished.records))
        if finished.executions is not None:
            self._folder.write(EXECUTIONS, partial(save, finished.executions))
        self._text("machine.json", json.dumps(about, indent=2) + "\n")
        self._text("timeline.csv", as_csv(summary.timeline))
        junit = as_junit(summary, scenario.epoch_s)
        self._folder.write("junit.xml", lambda file: file.write(junit))
        self._text("summary.json", as_text(summary))

    def report(self) -> None:
        """Write ``report.html`` from what has been written; raises as ``write`` does."""
        from simulator.finished_run import read
        from simulator.report.page import as_html

        self.add(REPORT, as_html(read(self.path)))

    def add(self, name: str, content: bytes) -> None:
        """Write one more file; raises as ``write`` does."""
        self._folder.write(name, lambda file: file.write(content))

    def _text(self, name: str, text: str) -> None:
        self._folder.write(name, lambda file: file.write(text.encode()))
