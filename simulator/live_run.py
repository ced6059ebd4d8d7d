"""One live run in a Locust process: from the job's creation to the summary, in greenlets.

Rule 1: the run ends once: by the job's end, its deadline, a loss, or a signal. Whatever ends it
        first is what it ended by; whoever asks later waits for the same end.
Rule 2: it never ends in silence: a fault in here is an end, too.
Rule 3: nothing is said to a target before it has answered, and no run directory is made before
        everything that can be checked was checked.
"""

import logging
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import gevent
import numpy as np
from gevent import monkey

from simulator import results
from simulator.behaviour import EVERYTHING
from simulator.embedded import EmbeddedService
from simulator.errors import JobfleetError, TargetError, UsageError
from simulator.fleet import Fates
from simulator.garbage import short_pauses
from simulator.live import LiveFleet, LoopThread, unreachable
from simulator.locust_feed import feed
from simulator.open_files import make_room
from simulator.owner import DELETED, Owner
from simulator.report.counts import schedule_slip
from simulator.report.executions import JobEnd, Outcome, listed
from simulator.report.summary import COMPLETED
from simulator.report.text import render
from simulator.run import INTERRUPTED, Finished, Resolved, RunDirectory, group_of, summarise
from simulator.scenario import dump, load
from simulator.targets import Aim, Target, TargetOptions, aim, transport_for
from simulator.today import utc_now

log = logging.getLogger(__name__)

DRAIN_S: Final = 0.1
WATCH_S: Final = 0.5
LOST_AFTER_S: Final = 10.0
"""A service that does not answer for so long is lost."""

CONNECT_WITHIN_S: Final = 20.0
"""If not one thing has connected by then, the target cannot be reached."""

EXIT_FAILED, EXIT_USAGE, EXIT_TARGET, EXIT_SLIP, EXIT_INTERRUPTED = 1, 2, 3, 4, 130
FAULT: Final = "a fault in jobfleet"
OUT_OF_TIME: Final = "run time reached"
"""Locust's own ``-t``."""


class LiveRun:
    """One run from ``test_start`` to its summary. ``environment`` is Locust's."""

    def __init__(self, environment: Any, things: int) -> None:
        """Read the scenario, start or find the service, create the job.

        Raises:
            JobfleetError: any of it is not possible.
        """
        options: Any = environment.parsed_options
        self.environment = environment
        self.resolved = Resolved.of(load(Path(options.scenario)), options.seed, things)
        scenario = self.resolved.scenario
        aimed = aimed_at(options, scenario.load.time_scale)
        make_room(scenario.things)  # before the service starts, which inherits it
        self.transport = transport_for(options.transport, aimed and aimed.target)
        if aimed is not None:
            aimed.target.knock()  # else every thing would find out for itself, again and again
        self.started: datetime = utc_now()
        self._began = time.perf_counter()
        self._last_heard = self._began
        out = Path(options.out) if options.out else None
        self.directory = RunDirectory(out, self.resolved.name)
        self.ended = ""
        self.exit_code = 0
        self.finished: Finished | None = None
        self._finishing = self._over = False
        self._told = False
        self.service: EmbeddedService | None = None
        self.counts: dict[str, int] = {}
        self.incidents: dict[str, int] = {}
        self.plans = scenario.jobs()
        self._targets: dict[str, str] = {}
        """Of jobs that are not created yet: what each is for."""
        self.next_index = 0
        self._shown = (0.0, 0)
        """When the last progress line was printed, and requests until then."""
        self.met = False
        """Whether any thing was ever answered."""
        self._run_time_s: float | None = options.run_time
        (self.directory.path / "scenario.yaml").write_text(dump(scenario), encoding="utf-8")
        self.target, control = aimed or self._embed()
        self.owner = Owner(control)
        start_thread = monkey.get_original("_thread", "start_new_thread")
        self.thread = LoopThread(start_thread, gevent.sleep, self.transport)
        try:
            self.fleet = LiveFleet(self.resolved, self.thread, self.target, self.transport)
            self._create_jobs()
        except BaseException:
            self.thread.stop()
            self._stop_service()
            raise
        self._manners = ExitStack()
        self._manners.enter_context(short_pauses())
        self.fleet.begin()
        self._draining, self._watching = gevent.spawn(self._drain), gevent.spawn(self._watch)

    def _embed(self) -> Aim:
        """Where to find a service started here, the fleet registered."""
        scale = self.resolved.scenario.load.time_scale
        quotas = self.resolved.scenario.quotas
        self.service = EmbeddedService(self.directory.path / "scenario.yaml", scale, quotas)
        where = self.service.addresses
        control = Target("http", where.host, where.http)
        return Aim(
            control if self.transport == "http" else Target("mqtt", where.host, where.mqtt), control
        )

    def _create_jobs(self) -> None:
        """Create the jobs that begin at once, and see to it that the others come in time."""
        names, work = self.fleet.names, self.resolved.work()
        for at, plan in enumerate(self.plans):
            group = group_of(plan.job_id)
            if self.service is None or at:  # a service of ours has the first one's
                meant = names
                if plan.targets != EVERYTHING:
                    meant = [names[one] for one in np.flatnonzero(work.select(plan.targets))]
                self.owner.register(group, meant, ours=self.service is not None)
            self._targets[plan.job_id] = self.owner.group_arn(group, names[0])
        for plan in self.plans:
            if not plan.at:
                self._create_job(plan.job_id)

    def _create_job(self, job_id: str) -> None:
        request = self.resolved.scenario.create_job_request(self._targets.pop(job_id), job_id)
        self.owner.create_job(job_id, request)

    def begin_next(self) -> None:
        """The next thing may begin: a Locust user was spawned."""
        index, self.next_index = self.next_index, self.next_index + 1
        if index < self.resolved.scenario.things and not (self.ended or self.thread.ended):
            self.fleet.start(index)

    # ----------------------------------------------------------------------- while it runs

    def _drain(self) -> None:
        """Hand fresh records to Locust."""
        while True:
            gevent.sleep(DRAIN_S)
            self._fire()

    def _fire(self) -> None:
        fresh = self.fleet.recorder.drain()
        self.met = self.met or bool((fresh["outcome"] == results.ACCEPTED).any())
        feed(self.environment, fresh, utc_now().timestamp())

    def _watch(self) -> None:
        """Look at the job; end the run when it ends, at its deadline, or when all is lost."""
        said = 0.0
        while not self.ended:
            gevent.sleep(WATCH_S)
            try:
                self._judge(self._look())
            except Exception as error:
                log.error(FAULT, exc_info=error)
                self.end(FAULT, EXIT_FAILED)
            now = self.fleet.now()
            if now - said >= 1 or self.ended:
                said = now
                self._progress(now)

    def _judge(self, status: str | None) -> None:
        """Is it time to end?"""
        load, now = self.resolved.scenario.load, self.fleet.now()
        until = now * load.time_scale >= load.until
        if self.thread.failures:
            log.error(FAULT, exc_info=self.thread.failures[0])
            self.end(FAULT, EXIT_FAILED)
        elif status not in (None, "IN_PROGRESS", "SCHEDULED"):
            self.end(f"job {str(status).lower()}")
        elif self._lost():
            self.end("service lost", EXIT_TARGET)
        elif not self.met and (until or now > CONNECT_WITHIN_S):
            self.end(str(unreachable(self.target, self.fleet.refusal)), EXIT_TARGET)
        elif until:
            self.end("until reached")

    def _look(self) -> str | None:
        """Create what is due, and look at the rest; a status other than IN_PROGRESS ends the run.

        Several jobs have ended when the last one has, and count as COMPLETED when all did.
        """
        statuses: dict[str, None] = {}
        counts: Counter[str] = Counter()
        try:
            for plan in self.plans:
                if plan.job_id in self._targets:
                    if self.fleet.now() * self.resolved.scenario.load.time_scale < plan.at:
                        statuses["SCHEDULED"] = None
                        continue
                    self._create_job(plan.job_id)
                status, found = self.owner.describe_job(plan.job_id)
                statuses[status] = None
                counts.update(found)
        except TargetError as error:
            log.info("%s", error)
            return None
        self.counts = dict(counts)
        self._last_heard = time.perf_counter()
        going_on = next((s for s in statuses if s in ("IN_PROGRESS", "SCHEDULED")), None)
        return going_on or " and ".join(statuses)

    def _lost(self) -> bool:
        gone = self.service is not None and self.service.lost
        return gone or time.perf_counter() - self._last_heard > LOST_AFTER_S

    def _progress(self, now: float) -> None:
        counts = " ".join(f"{status}={count}" for status, count in self.counts.items())
        total = self.environment.stats.total
        fresh = total.num_requests
        rate = (fresh - self._shown[1]) / max(0.1, now - self._shown[0])
        self._shown = (now, fresh)
        line = (
            f"{now:5.0f}s  {self.fleet.connected}/{self.resolved.scenario.things} connected  "
            f"{counts}  {rate:,.0f} requests/s  {total.num_failures} failures"
        )
        print(line, file=sys.stderr, flush=True)

    def end(self, why: str, exit_code: int = 0) -> None:
        """End the run: Locust stops its users and then asks for the summary."""
        if self.ended:
            return
        self.ended, self.exit_code = why, exit_code
        runner = self.environment.runner
        gevent.spawn(runner.quit if self.environment.web_ui is None else runner.stop)

    def interrupt(self) -> None:
        """A signal came."""
        self.end(INTERRUPTED, EXIT_INTERRUPTED)

    # ----------------------------------------------------------------------- at its end

    def finish(self) -> None:
        """Let things finish, stop everything, write the run directory; only once."""
        if self._finishing:
            while not self._over:
                gevent.sleep(WATCH_S / 10)
            return
        self._finishing = True
        try:
            self._finish()
        except BaseException:
            self.exit_code = self.exit_code or EXIT_FAILED
            raise
        finally:
            self._over = True

    def _finish(self) -> None:
        clock_s = self.fleet.now()
        gevent.kill(self._watching)
        self.owner.close()  # it may have been in the middle of a request
        if not self.ended and self._run_time_s is not None and self.environment.web_ui is None:
            self.ended = OUT_OF_TIME  # a signal would have come by ``interrupt``
        if not self.ended:
            self.ended, self.exit_code = INTERRUPTED, EXIT_INTERRUPTED
        scenario = self.resolved.scenario
        if self.ended == COMPLETED and not self.thread.ended:
            self.fleet.settle(5.0 + 2 * scenario.network.reply_timeout)
        outcome = self._outcome()
        fates = self._fates()
        gevent.kill(self._draining)
        self._fire()
        self.thread.stop()
        self._manners.close()
        self._stop_service()
        finished = self._summarise(clock_s, outcome, fates)
        self.directory.write(finished, self.started)
        self.finished = finished

    def _fates(self) -> Fates:
        """What became of the things; nothing, where their loop is gone."""
        try:
            return self.fleet.stop()
        except JobfleetError as error:
            log.error("%s", error)
            self.exit_code = self.exit_code or EXIT_FAILED
            return Fates({}, {})

    def _outcome(self) -> Outcome:
        """What the service says at the end, or what it said last."""
        counts: Counter[str] = Counter()
        tables, ends, begin = [listed([], ())], [], 0.0
        try:
            for at, plan in enumerate(self.plans):
                gone = self.exit_code == EXIT_TARGET or plan.job_id in self._targets
                status, found = (DELETED, {}) if gone else self.owner.describe_job(plan.job_id)
                if status == DELETED:
                    ends.append(JobEnd(plan.job_id, "", False, 0, np.empty(0, np.int32)))
                    continue
                counts.update(found)
                table = listed(list(self.owner.executions(plan.job_id)), self.fleet.names)
                table["job"] = at
                begin = begin or self.owner.created_at - plan.at
                for column in ("queued", "started", "ended", "since"):
                    table[column] += self.owner.created_at - begin
                tables.append(table)
                meant = np.flatnonzero(self.resolved.work().select(plan.targets)).astype(np.int32)
                # With retries there may be more executions than things: then all are rolled out.
                left = max(0, len(meant) - sum(found.values()))
                ends.append(JobEnd(plan.job_id, status, self.owner.aborted, left, meant))
            self.counts = dict(counts) or self.counts
            if self.service is not None and self.resolved.scenario.incidents():
                self.incidents = self.owner.incidents()
        except TargetError as error:
            log.error("the service was lost: %s", error)
            self.ended, self.exit_code = "service lost", EXIT_TARGET
        return Outcome(self.counts, np.concatenate(tables), tuple(ends))

    def _summarise(self, clock_s: float, outcome: Outcome, fates: Fates) -> Finished:
        records = self.fleet.recorder.records()
        load = self.resolved.scenario.load
        summary = summarise(
            self.resolved,
            records,
            outcome,
            fates,
            clock="wall",
            transport=self.transport,
            clock_s=clock_s,
            time_scale=load.time_scale,
            ended=self.ended,
            incidents=self.incidents,
        )
        slip = schedule_slip(records)
        if self.exit_code == 0 and not summary.verdict.passed:
            self.exit_code = EXIT_FAILED
        if self.exit_code in (0, EXIT_FAILED) and slip > load.max_slip:
            self.exit_code = EXIT_SLIP
        extra = {"p99_schedule_slip_ms": round(slip * 1000, 3), "exit_code": self.exit_code}
        extra |= self.fleet.oddities
        wall_s = time.perf_counter() - self._began
        return Finished(self.resolved, summary, records, wall_s, extra=extra)

    def _stop_service(self) -> None:
        self.owner.close()
        if self.service is not None:
            self.service.stop()

    def tell(self) -> None:
        """Print the summary and where the run is kept. Only once."""
        finished = self.finished
        if finished is None or self._told:
            return
        self._told = True
        print(render(finished.summary, finished.wall_s))
        explanation = {
            EXIT_TARGET: f"The target was lost: {self.ended}. Counts are the last it gave.",
            EXIT_SLIP: "The generator could not keep its own schedule: p99 slip "
            f"{finished.extra['p99_schedule_slip_ms']:g} ms. Do not trust these results.",
            EXIT_INTERRUPTED: "Interrupted: the verdict is of what was seen until then.",
        }.get(self.exit_code)
        if explanation:
            print(explanation)
        for what, count in self.fleet.oddities.items():
            print(f"Of the target: {count:,} {what}.")
        print(f"Run directory: {self.directory.path}", flush=True)


def exit_code_of(error: BaseException) -> int:
    """The exit code of a run that could not begin."""
    if isinstance(error, TargetError):
        return EXIT_TARGET
    return EXIT_USAGE if isinstance(error, JobfleetError) else EXIT_FAILED


def aimed_at(options: Any, time_scale: float) -> Aim | None:
    """What Locust's options aim at; raises UsageError."""
    return aim(options.target, options.control, TargetOptions.of(options), time_scale)


def check_options(options: Any) -> Any:
    """Check what can be checked before anything starts; return the scenario.

    Raises:
        JobfleetError: the scenario or an option is wrong.
    """
    scenario = load(Path(options.scenario)).scenario
    aimed = aimed_at(options, scenario.load.time_scale)
    transport_for(options.transport, aimed and aimed.target)
    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed {options.seed}: a seed is 0 or more")
    return scenario
