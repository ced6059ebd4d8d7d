"""Locust measures a live run: one user is one thing, one exchange is one request.

``locustfiles/fleet.py`` and ``jobfleet run`` load this. Importing it imports locust, which patches
the process with gevent: nothing else in the package may (ruff and a test hold that).

Rule 1: nothing starts at import; the run begins at ``test_start``, when the user count is known
        and ``--processes`` would have forked.
Rule 2: the things live in ``live.LiveFleet``; a Locust user only says that one may begin.
Rule 3: a rejection is a Locust failure, named by its code.
"""

import logging
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import gevent
from gevent import monkey
from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import LocalRunner

from simulator import results
from simulator.embedded import EmbeddedService
from simulator.errors import JobfleetError, ScenarioError, TargetError, UsageError
from simulator.fleet import Fates
from simulator.live import LiveFleet, LoopThread, check_scale, parse_target, unreachable
from simulator.open_files import make_room
from simulator.owner import Owner
from simulator.report import summary as report
from simulator.report.summary import Outcome
from simulator.report.text import render
from simulator.run import GROUP, Finished, Resolved, RunDirectory, summarise, utc_now
from simulator.scenario import dump, load

log = logging.getLogger(__name__)

DRAIN_S: Final = 0.1
WATCH_S: Final = 0.5
LOST_AFTER_S: Final = 10.0
"""A service that does not answer for so long is lost."""

CONNECT_WITHIN_S: Final = 20.0
"""If not one thing has connected by then, the target cannot be reached."""

EXIT_FAILED, EXIT_USAGE, EXIT_TARGET, EXIT_SLIP, EXIT_INTERRUPTED = 1, 2, 3, 4, 130


class LiveRun:
    """One run from ``test_start`` to its summary."""

    def __init__(self, environment: Environment, things: int) -> None:
        """Read the scenario, start or find the service, create the job.

        Raises:
            JobfleetError: any of it is not possible.
        """
        options: Any = environment.parsed_options
        self.environment = environment
        self.resolved = Resolved.of(load(Path(options.scenario)), options.seed, things)
        scenario = self.resolved.scenario
        check_scale(scenario.load.time_scale, foreign=options.target is not None)
        make_room(scenario.things)  # before the service starts, which inherits it
        self.started: datetime = utc_now()
        self._began = time.perf_counter()
        self._last_heard = self._began
        out = Path(options.out) if options.out else None
        self.directory = RunDirectory(out, self.resolved.name)
        self.ended = ""
        self.exit_code = 0
        self.finished: Finished | None = None
        self.service: EmbeddedService | None = None
        self.counts: dict[str, int] = {}
        self.next_index = 0
        self._told = False
        self._shown = (0.0, 0)
        """When the last progress line was printed, and requests until then."""
        self.met = False
        """Whether any thing was ever answered."""
        self.transport = options.transport
        (self.directory.path / "scenario.yaml").write_text(dump(scenario), encoding="utf-8")
        self.address, control = self._find(options)
        self.owner = Owner(*control)
        start_thread = monkey.get_original("_thread", "start_new_thread")
        self.thread = LoopThread(start_thread, gevent.sleep, self.transport)
        try:
            self.fleet = LiveFleet(self.resolved, self.thread, self.address, self.transport)
            if self.service is None:
                self.owner.register(GROUP, self.fleet.names)
            target = self.owner.group_arn(GROUP, self.fleet.names[0])
            self.owner.create_job(scenario.job_id, scenario.create_job_request(target))
        except JobfleetError:
            self._stop_service()
            raise
        self._greenlets = [gevent.spawn(self._drain), gevent.spawn(self._watch)]

    def _find(self, options: Any) -> tuple[tuple[str, int], tuple[str, int]]:
        """MQTT and HTTP address: of the target named, or of a service started here."""
        if options.target is not None:
            if options.control is None:
                raise UsageError("--target needs --control http://HOST:PORT to create the job at")
            return parse_target(options.target), parse_target(options.control)
        scale = self.resolved.scenario.load.time_scale
        self.service = EmbeddedService(self.directory.path / "scenario.yaml", scale)
        where = self.service.addresses
        return (where.host, where.mqtt), (where.host, where.http)

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
        fire = self.environment.events.request.fire
        names, outcomes = results.OPERATIONS, results.OUTCOMES
        for _, operation, outcome, _, _, _, sent, done in self.fleet.recorder.drain():
            self.met = self.met or not outcome
            fire(
                request_type="MQTT",
                name=names[operation],
                response_time=(done - sent) * 1000,
                response_length=0,
                exception=outcomes[outcome] if outcome else None,
                context={},
            )

    def _watch(self) -> None:
        """Look at the job; end the run when it ends, at its deadline, or when all is lost."""
        load = self.resolved.scenario.load
        said = 0.0
        while not self.ended:
            gevent.sleep(WATCH_S)
            status = self._look()
            now = self.fleet.now()
            if self.thread.failures:
                self._end("a fault in jobfleet", EXIT_FAILED)
                log.error("a fault in jobfleet", exc_info=self.thread.failures[0])
            elif status not in (None, "IN_PROGRESS", "SCHEDULED"):
                self._end(f"job {str(status).lower()}")
            elif self._lost():
                self._end("service lost", EXIT_TARGET)
            elif now > CONNECT_WITHIN_S and not self.met:
                self._end(str(unreachable(self.address)), EXIT_TARGET)
            elif now * load.time_scale >= load.until:
                self._end("until reached")
            if now - said >= 1 or self.ended:
                said = now
                self._progress(now)

    def _look(self) -> str | None:
        try:
            status, self.counts = self.owner.describe_job(self.resolved.scenario.job_id)
        except TargetError as error:
            log.info("%s", error)
            return None
        self._last_heard = time.perf_counter()
        return status

    def _lost(self) -> bool:
        gone = self.service is not None and self.service.lost
        return gone or time.perf_counter() - self._last_heard > LOST_AFTER_S

    def _progress(self, now: float) -> None:
        counts = " ".join(f"{status}={count}" for status, count in self.counts.items())
        fresh = self.environment.stats.total.num_requests
        rate = (fresh - self._shown[1]) / max(0.1, now - self._shown[0])
        self._shown = (now, fresh)
        failures = self.environment.stats.total.num_failures
        line = (
            f"{now:5.0f}s  {self.fleet.connected}/{self.resolved.scenario.things} connected  "
            f"{counts}  {rate:,.0f} requests/s  {failures} failures"
        )
        print(line, file=sys.stderr, flush=True)

    def _end(self, why: str, exit_code: int = 0) -> None:
        """End the run: Locust stops its users and then asks for the summary."""
        if self.ended:
            return
        self.ended, self.exit_code = why, exit_code
        runner = self.environment.runner
        assert runner is not None
        if self.environment.web_ui is None:
            gevent.spawn(runner.quit)
        else:
            gevent.spawn(runner.stop)

    # ----------------------------------------------------------------------- at its end

    def finish(self) -> None:
        """Let things finish, stop everything, write the run directory. Only once."""
        if self.finished is not None:
            return
        if not self.ended:
            self.ended, self.exit_code = "interrupted", EXIT_INTERRUPTED
        scenario = self.resolved.scenario
        clock_s = self.fleet.now()
        if self.ended == report.COMPLETED and not self.thread.ended:
            self.fleet.settle(5.0 + 2 * scenario.network.reply_timeout)
        outcome = self._outcome()
        fates = self._fates()
        gevent.killall(self._greenlets)
        self._fire()
        self.thread.stop()
        self._stop_service()
        self.finished = self._summarise(clock_s, outcome, fates)
        self.directory.write(self.finished, self.started)

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
        job_id = self.resolved.scenario.job_id
        timed_out: list[tuple[str, int]] = []
        in_progress: list[tuple[str, int]] = []
        try:
            if self.exit_code != EXIT_TARGET:
                _, self.counts = self.owner.describe_job(job_id)
                timed_out = list(self.owner.executions(job_id, "TIMED_OUT"))
                in_progress = list(self.owner.executions(job_id, "IN_PROGRESS"))
        except TargetError as error:
            log.error("the service was lost: %s", error)
            self.ended, self.exit_code = "service lost", EXIT_TARGET
        # With retries there may be more executions than things: then all are rolled out.
        left = max(0, self.resolved.scenario.things - sum(self.counts.values()))
        return Outcome(self.counts, timed_out, in_progress, job_id, left)

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
        )
        slip = report.schedule_slip(records)
        if self.exit_code == 0 and not summary.verdict.passed:
            self.exit_code = EXIT_FAILED
        if self.exit_code in (0, EXIT_FAILED) and slip > load.max_slip:
            self.exit_code = EXIT_SLIP
        extra = {"p99_schedule_slip_ms": round(slip * 1000, 3), "exit_code": self.exit_code}
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
        print(f"Run directory: {self.directory.path}", flush=True)


_runs: list[LiveRun] = []
"""The runs of this process, newest last: with Locust's web UI there may be several."""


class ThingUser(User):
    """One Locust user is one thing."""

    def on_start(self) -> None:
        """Let the next thing begin."""
        if _runs:
            _runs[-1].begin_next()

    @task
    def live(self) -> None:
        """The thing lives on the fleet's loop; the user only stands for it."""
        gevent.sleep(3600)


# ------------------------------------------------------------------------------- Locust's events


@events.init_command_line_parser.add_listener
def _options(parser: LocustArgumentParser) -> None:
    group = parser.add_argument_group("jobfleet")
    group.add_argument("--scenario", help="Scenario file", default="scenarios/rollout.yaml")
    group.add_argument("--seed", type=int, default=None, help="Seed of all chance")
    group.add_argument("--transport", choices=["mqtt", "aiomqtt"], default="mqtt")
    group.add_argument("--target", default=None, help="mqtt://HOST:PORT instead of our service")
    group.add_argument("--control", default=None, help="http://HOST:PORT of the target")
    group.add_argument("--out", default=None, help="Run directory (default: a fresh one)")
    group.add_argument("--brief", action="store_true", help="Leave out Locust's own tables")


@events.init.add_listener
def _init(environment: Environment, runner: object, **_: object) -> None:
    """Check the scenario before anything starts; take users and ramp from it by default."""
    options: Any = environment.parsed_options
    try:
        if not isinstance(runner, LocalRunner):
            raise UsageError("distributed runs are not supported yet: run without --master, "
                             "--worker and --processes")  # fmt: skip
        scenario = load(Path(options.scenario)).scenario
        check_scale(scenario.load.time_scale, foreign=options.target is not None)
    except JobfleetError as error:
        _give_up(error)
    if options.brief:
        logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)
    if options.num_users is None:
        options.num_users = scenario.things
    if options.spawn_rate is None:
        options.spawn_rate = scenario.load.ramp or float(options.num_users)


@events.test_start.add_listener
def _begin(environment: Environment, **_: object) -> None:
    runner = environment.runner
    assert runner is not None
    environment.process_exit_code = EXIT_FAILED  # until the run says otherwise
    try:
        _runs.append(LiveRun(environment, runner.target_user_count))
    except JobfleetError as error:
        if environment.web_ui is not None:
            log.error("%s", error)
            raise
        _give_up(error)


def _give_up(error: JobfleetError) -> None:
    print(f"Error: {error}", file=sys.stderr, flush=True)
    code = EXIT_USAGE if isinstance(error, (ScenarioError, UsageError)) else EXIT_TARGET
    # From a greenlet or an init listener, and before anything is worth a clean shutdown.
    sys.stdout.flush()
    monkey.get_original("os", "_exit")(code)


@events.test_stop.add_listener
def _finish(environment: Environment, **_: object) -> None:
    if _runs:
        _runs[-1].finish()
        environment.process_exit_code = _runs[-1].exit_code
        if environment.web_ui is not None:  # Locust stays, so nobody waits for its end
            _runs[-1].tell()


@events.quitting.add_listener
def _quitting(environment: Environment, **_: object) -> None:
    _finish(environment)


@events.quit.add_listener
def _quit(exit_code: int, **_: object) -> None:
    if _runs:
        _runs[-1].tell()
