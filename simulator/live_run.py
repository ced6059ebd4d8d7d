"""One live run in a Locust process: from the job's creation to the summary, in greenlets.

Local or master: where the things are is its crew's business (``live_crew.py``).

Rule 1: the run ends once: by the job's end, its deadline, a loss, or a signal. Whatever ends it
        first is what it ended by; whoever asks later waits for the same end.
Rule 2: it never ends in silence: a fault in here is an end, too.
Rule 3: nothing is said to a target before it has answered, and no run directory is made before
        everything that can be checked was checked.
"""

import logging
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import gevent

from simulator import results
from simulator.embedded import EmbeddedService
from simulator.errors import JobfleetError, TargetError
from simulator.fleet import Fates
from simulator.generator import as_csv, slips_of
from simulator.live import unreachable
from simulator.live_crew import NOBODY, Alone, Workers
from simulator.live_jobs import GOING_ON, LiveJobs
from simulator.live_options import aimed_at, connections, settled
from simulator.live_view import About, Lines, View, view_for
from simulator.live_watchdog import GRACE_S, WRITING_S, end_after, end_no_more, say
from simulator.locust_feed import feed
from simulator.open_files import make_room
from simulator.owner import Owner
from simulator.report.executions import Outcome
from simulator.report.lag import of_generator, warnings
from simulator.report.latencies import as_log, as_table, histograms
from simulator.report.summary import COMPLETED, INTERRUPTED, as_text
from simulator.report.text import render
from simulator.report.workers import what_happened
from simulator.results import Records
from simulator.run import Finished, RunDirectory, summarise
from simulator.run_metrics import LatencyBuckets
from simulator.snapshots import Lag, Snapshot, Tally, history
from simulator.targets import Aim, Target, TargetOptions, transport_for
from simulator.today import utc_now

log = logging.getLogger(__name__)

WATCH_S: Final = 0.5
LOST_AFTER_S: Final = 10.0
"""A service that does not answer for so long is lost."""

CONNECT_WITHIN_S: Final = 20.0
"""If not one thing has connected by then, the target cannot be reached."""

EXIT_FAILED, EXIT_USAGE, EXIT_TARGET, EXIT_SLIP, EXIT_INTERRUPTED = 1, 2, 3, 4, 130
FAULT: Final = "a fault in jobfleet"
OUT_OF_TIME: Final = "run time reached"
"""Locust's own ``-t``: from the moment when things begin, however long the setting up took."""


class LiveRun:
    """One run from ``test_start`` to its summary. ``environment`` is Locust's."""

    def __init__(self, environment: Any, things: int) -> None:
        """Read the scenario, start or find the service, create the job.

        Raises:
            JobfleetError: any of it is not possible.
        """
        options: Any = environment.parsed_options
        self.environment = environment
        self.resolved = settled(options, things)
        scenario = self.resolved.scenario
        aimed = aimed_at(options, scenario.load.time_scale)
        self.transport = transport_for(options.transport, aimed and aimed.target)
        # before the service starts, which inherits it
        make_room(scenario.things, connections(scenario, self.transport))
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
        self.incidents: dict[str, int] = {}
        self._tally = Tally()
        self.buckets = LatencyBuckets()
        self.snapshots = history()
        """One a second, oldest first."""
        self._quiet, self._as_json = bool(options.quiet), bool(options.summary_json)
        about = About.of(self.resolved)
        # Locust's own tables, or its page, would be drawn over.
        self._view: View = view_for(about, say=say) if options.brief else Lines(say)
        self.met = False
        """Whether any thing was ever answered."""
        self._service_host = options.service_host
        self._run_time_s: float | None = options.run_time
        (self.directory.path / "scenario.yaml").write_text(self.resolved.text(), encoding="utf-8")
        self.target, control = aimed or self._embed()
        self.owner = Owner(control)
        self.jobs = LiveJobs(self.resolved, self.owner, ours=self.service is not None)
        self.crew: Alone | Workers
        with ExitStack() as undo:
            undo.callback(self._stop_service)
            self.crew = self._crew()
            undo.callback(self.crew.close)
            self.jobs.create()
            undo.pop_all()
        self.crew.begin()
        end_after(scenario.load.until / scenario.load.time_scale + GRACE_S)
        self._watching = gevent.spawn(self._watch)
        if options.run_s is not None:
            gevent.spawn_later(options.run_s, self.end, OUT_OF_TIME)

    def _crew(self) -> Alone | Workers:
        """The things, in this process or with workers."""
        runner = self.environment.runner
        if hasattr(runner, "clients"):  # it is a master
            options = TargetOptions.of(self.environment.parsed_options)
            aimed = str(self.target), options
            return Workers(runner, self.resolved, aimed, self.transport, self._fire)
        return Alone(self.resolved, self.target, self.transport, self._fire)

    def _embed(self) -> Aim:
        """Where to find a service started here, the fleet registered."""
        scale = self.resolved.scenario.load.time_scale
        quotas = self.resolved.scenario.quotas
        path, host = self.directory.path / "scenario.yaml", self._service_host
        self.service = EmbeddedService(path, scale, quotas, host)
        where = self.service.addresses
        control = Target("http", where.host, where.http)
        return Aim(
            control if self.transport == "http" else Target("mqtt", where.host, where.mqtt), control
        )

    def begin_next(self) -> None:
        """The next thing may begin: a Locust user was spawned."""
        if not self.ended:
            self.crew.want()

    # ----------------------------------------------------------------------- while it runs

    def _fire(self, fresh: Records) -> None:
        """Hand fresh records to Locust."""
        self.met = self.met or bool((fresh["outcome"] == results.ACCEPTED).any())
        self._tally.take(fresh)
        self.buckets.take(fresh)
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
            now = self.crew.now()
            if now - said >= 1 or self.ended:
                said = now
                self._progress(now)

    def _judge(self, status: str | None) -> None:
        """Is it time to end?"""
        load, now = self.resolved.scenario.load, self.crew.now()
        until = now * load.time_scale >= load.until
        alone = self.crew.look()
        if self.crew.failures():
            self.end(FAULT, EXIT_FAILED)
        elif alone:
            self.end(alone, EXIT_SLIP)
        elif status not in (None, *GOING_ON):
            self.end(f"job {str(status).lower()}")
        elif self._lost():
            self.end("service lost", EXIT_TARGET)
        elif not self.met and (until or now > CONNECT_WITHIN_S):
            self.end(str(unreachable(self.target, self.crew.refusal)), EXIT_TARGET)
        elif until:
            self.end("until reached")

    def _look(self) -> str | None:
        """Create what is due, and look at the rest; None where the service does not answer."""
        try:
            status = self.jobs.look(self.crew.now() * self.resolved.scenario.load.time_scale)
        except TargetError as error:
            log.info("%s", error)
            return None
        self._last_heard = time.perf_counter()
        return status

    def _lost(self) -> bool:
        gone = self.service is not None and self.service.lost
        return gone or time.perf_counter() - self._last_heard > LOST_AFTER_S

    def _snap(self, now: float) -> Snapshot:
        """Look at the run at a moment of its clock."""
        load, tally, worst = self.resolved.scenario.load, self._tally, self.crew.log.lag(now)
        snapshot = Snapshot(
            wall_s=now,
            scenario_s=now * load.time_scale,
            until_s=load.until,
            things=self.resolved.scenario.things,
            connected=self.crew.connected,
            executions=self.jobs.counts,
            released=sum(self.jobs.counts.values()),
            to_come=self.jobs.to_come,
            requests=tally.requests,
            updates=tally.updates,
            failures=tally.failures,
            no_reply=tally.no_reply,
            conflicts=tally.conflicts,
            lag=Lag(worst.slip_p99_ms, worst.loop_lag_ms, worst.cpu),
        )
        self.snapshots.append(snapshot)
        return snapshot

    def _progress(self, now: float) -> None:
        snapshot = self._snap(now)
        if not self._quiet:
            self._view.show(snapshot)

    def end(self, why: str, exit_code: int = 0) -> None:
        """End the run: Locust stops its users and then asks for the summary."""
        if self.ended:
            return
        self.ended, self.exit_code = why, exit_code
        self.crew.close_log()
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
        end_after(WRITING_S)
        try:
            self._finish()
        except BaseException:
            self.exit_code = self.exit_code or EXIT_FAILED
            raise
        finally:
            self._over = True
            if self.environment.web_ui is None:
                end_after(GRACE_S)  # Locust has only to quit
            else:
                end_no_more()

    def _finish(self) -> None:
        clock_s = self.crew.close_log()
        gevent.kill(self._watching)
        self._view.close()
        self.owner.close()  # it may have been in the middle of a request
        alone = self.crew.look()
        if not self.ended and alone:  # Locust has noticed it first
            self.ended, self.exit_code = alone, EXIT_SLIP
        if not self.ended and self._run_time_s is not None and self.environment.web_ui is None:
            self.ended = OUT_OF_TIME  # a signal would have come by ``interrupt``
        if not self.ended:
            self.ended, self.exit_code = INTERRUPTED, EXIT_INTERRUPTED
        scenario = self.resolved.scenario
        if self.ended == COMPLETED:
            self.crew.settle(5.0 + 2 * scenario.network.reply_timeout)
        outcome = self._outcome(clock_s)
        fates = self._fates()
        self._stop_service()
        finished = self._summarise(clock_s, outcome, fates)
        self.latencies = histograms(finished.records)
        self.directory.add("latency.hlog", as_log(self.latencies, clock_s))
        self.directory.write(finished, self.started)
        self.finished = finished
        self._report()

    def _report(self) -> None:
        """Write the report; without it, the run is what it was, but not in silence."""
        if self.environment.parsed_options.no_report:
            return
        try:
            self.directory.report()
        except JobfleetError as error:
            log.error("%s", error)
            self.exit_code = self.exit_code or EXIT_USAGE

    def _fates(self) -> Fates:
        """What became of the things; nothing, where their loop is gone."""
        try:
            return self.crew.end()
        except JobfleetError as error:
            log.error("%s", error)
            self.exit_code = self.exit_code or EXIT_FAILED
            return Fates({}, {})

    def _outcome(self, clock_s: float) -> Outcome:
        """What the service says at the end, or what it said last."""
        try:
            elapsed_s = clock_s * self.resolved.scenario.load.time_scale
            outcome = self.jobs.outcome(elapsed_s, lost=self.exit_code == EXIT_TARGET)
            if self.service is not None and self.resolved.scenario.incidents():
                self.incidents = self.owner.incidents()
        except TargetError as error:
            log.error("the service was lost: %s", error)
            self.ended, self.exit_code = "service lost", EXIT_TARGET
            return self.jobs.nothing()
        return outcome

    def _summarise(self, clock_s: float, outcome: Outcome, fates: Fates) -> Finished:
        records, log = self.crew.records(), self.crew.log
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
            turns=log.turns,
        )
        paced = load.budget is not None or load.updates is not None
        slips = log.slips if paced else slips_of(records, log.until)
        summary.generator = generator = of_generator(log.readings, slips, load.max_slip)
        self.directory.add("generator.csv", as_csv(log.readings).encode())
        if self.exit_code == 0 and not summary.verdict.passed:
            self.exit_code = EXIT_FAILED
        if self.exit_code in (0, EXIT_FAILED) and not generator.kept:
            self.exit_code = EXIT_SLIP
        extra = {"p99_schedule_slip_ms": generator.slip_p99_ms, "exit_code": self.exit_code}
        extra |= self.crew.told()
        wall_s = time.perf_counter() - self._began
        return Finished(
            self.resolved, summary, records, wall_s, extra=extra, executions=outcome.found
        )

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
        out = sys.stderr if self._as_json else sys.stdout
        lines = [render(finished.summary, finished.wall_s), *as_table(self.latencies), ""]
        if self._as_json:
            say(as_text(finished.summary).rstrip("\n"), sys.stdout)
            lines = []
        elif self._quiet:
            lines = [f"Verdict: {'passed' if finished.summary.verdict.passed else 'FAILED'}"]
        lines += what_happened(finished.extra.get("workers", []))
        load, generator = self.resolved.scenario.load, finished.summary.generator
        if generator is not None:
            lines += warnings(self.crew.log.readings, generator, load.max_slip)
        alone = self.ended == NOBODY
        explanation = {
            EXIT_TARGET: f"The target was lost: {self.ended}. Counts are the last it gave.",
            EXIT_SLIP: "All workers were lost. Do not trust these results."
            if alone
            else "The generator could not keep its own schedule: p99 slip "
            f"{finished.extra['p99_schedule_slip_ms']:g} ms, more than load.max_slip "
            f"({load.max_slip * 1000:g} ms). Do not trust these results.",
            EXIT_INTERRUPTED: "Interrupted: the verdict is of what was seen until then.",
        }.get(self.exit_code)
        if explanation:
            lines.append(explanation)
        for what, count in self.crew.oddities.items():
            lines.append(f"Of the target: {count:,} {what}.")
        lines.append(f"Run directory: {self.directory.path}")
        say("\n".join(lines), out)


def exit_code_of(error: BaseException) -> int:
    """The exit code of a run that could not begin."""
    if isinstance(error, TargetError):
        return EXIT_TARGET
    return EXIT_USAGE if isinstance(error, JobfleetError) else EXIT_FAILED
