"""Locust measures a live run: one user is one thing, one exchange is one request.

``locustfiles/fleet.py`` and ``jobfleet run`` load this. Importing it imports locust, which patches
the process with gevent: nothing else in the package may (ruff and a test hold that).

Rule 1: nothing starts at import; the run begins at ``test_start``, when the user count is known
        and ``--processes`` has forked.
Rule 2: the run is ``live_run.LiveRun``; a Locust user only says that one more thing may begin.
        In a worker it says so to the master, which alone owns the run.
Rule 3: a rejection is a Locust failure, named by its code.
"""

import atexit
import logging
import signal
import sys
from typing import Any

import gevent
from gevent import monkey
from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from simulator.errors import JobfleetError, TargetError
from simulator.live_crew import NOBODY, Workers
from simulator.live_metrics import add_to_web_ui, metrics_of, open_door
from simulator.live_options import check_options
from simulator.live_run import EXIT_FAILED, EXIT_INTERRUPTED, LiveRun, exit_code_of
from simulator.live_share import MESSAGE, Worker
from simulator.live_watchdog import follow_parent, say
from simulator.locust_rollout import add_tab
from simulator.targets import POLL_S, redacted
from simulator.terminal import painted

log = logging.getLogger(__name__)

FILES = {
    "ca": "Authorities to trust (default: the system's)",
    "cert": "One certificate for all things",
    "key": "Its key",
    "certs": "Directory with a certificate per thing (jobfleet certs)",
}

_runs: list[LiveRun] = []
"""The runs of this process, newest last: with Locust's web UI there may be several."""
_worker: list[Worker] = []
"""This process as a worker, if it is one."""
_early: list[User] = []
"""Users that a worker was told to spawn before Locust was through with its start."""
_refused: list[str] = []
"""Why runs asked for in the web UI could not begin, newest last; emptied by one that does."""

OUR_OWN = "embedded service"
"""What Locust shows as the host: without one its web UI asks for it."""
WORKERS_WITHIN_S = 60.0
"""A master waits so long for its workers, unless ``--expect-workers-max-wait`` says otherwise."""


class ThingUser(User):
    """One Locust user is one thing."""

    def on_start(self) -> None:
        """Let the next thing begin."""
        if _worker:
            _worker[-1].want()
        elif _runs:
            _runs[-1].begin_next()
        elif self.environment.runner is None:
            _early.append(self)

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
    group.add_argument("--transport", choices=["mqtt", "aiomqtt", "http"], default=None)
    group.add_argument("--target", default=None, help="URL of a service instead of our own")
    group.add_argument("--control", default=None, help="http(s)://HOST:PORT of the target")
    group.add_argument(
        "--i-own-this-target", action="append", default=None, metavar="HOST",
        help="Host of a target that is not this machine. Repeat.",
    )  # fmt: skip
    group.add_argument("--account", default=None, help="Account id, where the target is AWS")
    group.add_argument("--budget", default=None, help="Requests of all things, as in 200/s")
    for name, what in FILES.items():
        group.add_argument(f"--{name}", default=None, help=what)
    group.add_argument("--username", default=None, env_var="JOBFLEET_USERNAME")
    group.add_argument("--password", default=None, env_var="JOBFLEET_PASSWORD")
    group.add_argument("--mqtt", default="3.1.1", help="Version of MQTT: 3.1.1 or 5")
    group.add_argument("--sigv4", action="store_true", help="Sign with AWS credentials")
    group.add_argument("--region", default=None, help="To sign for")
    group.add_argument("--poll", type=float, default=POLL_S, help="Seconds between looks over HTTP")
    group.add_argument("--service-host", default="127.0.0.1", help="Where our service listens")
    group.add_argument("--out", default=None, help="Run directory (default: a fresh one)")
    group.add_argument("--no-report", action="store_true", help="Write no report.html")
    group.add_argument("--metrics-port", type=int, default=None, help="For Prometheus; 0: any")
    group.add_argument("--metrics-host", default="127.0.0.1", help="Where that port is")
    group.add_argument("--quiet", action="store_true", help="Say only the verdict")
    group.add_argument("--summary-json", action="store_true", help="Print summary.json alone")
    group.add_argument("--brief", action="store_true", help="Leave out Locust's own tables")


@events.init.add_listener
def _init(environment: Environment, runner: object, **_: object) -> None:
    """Check the scenario before anything starts; take users and ramp from it by default."""
    options: Any = environment.parsed_options
    # Its clock stands since the imports began: a timer set now (``-t``) would end too early.
    gevent.get_hub().loop.update_now()
    if isinstance(runner, WorkerRunner):
        _worker.append(Worker(environment))
        _worker[-1].want(len(_early))
        # By SIGTERM Locust ends the process in good order, and so comes to ``_quitting``.
        gevent.signal_handler(signal.SIGINT, _worker[-1].interrupt)
        environment.process_exit_code = 0  # the verdict is the master's
        return
    follow_parent()
    try:
        scenario = check_options(options)
    except JobfleetError as error:
        _give_up(error)
    if options.brief:
        logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)
        # It warns of spawn rates above 100/s, which are high where a user is a Python program.
        logging.getLogger("locust.runners").setLevel(logging.ERROR)
    if options.num_users is None:
        options.num_users = scenario.things
    if options.spawn_rate is None:
        options.spawn_rate = scenario.load.ramp or float(options.num_users)
    ThingUser.host = redacted(options.target) if options.target else OUR_OWN
    if environment.web_ui is not None:
        add_tab(environment.web_ui, options.web_base_path, _newest)
    _take_over_run_time(environment)
    if isinstance(runner, MasterRunner):
        _lead(environment, runner)
    metrics = metrics_of(lambda: _runs[-1] if _runs else None)
    if environment.web_ui is not None:
        add_to_web_ui(metrics, environment.web_ui)
    if options.metrics_port is not None:
        try:
            open_door(metrics, options.metrics_host, options.metrics_port)
        except JobfleetError as error:
            _give_up(error)


def _newest() -> LiveRun | str:
    if _refused:
        return _refused[-1]
    return _runs[-1] if _runs else ""


def _take_over_run_time(environment: Environment) -> None:
    """Locust's own timer begins before there is a service: it could end what has not begun."""
    options: Any = environment.parsed_options
    options.run_s = None
    if options.headless and environment.shape_class is None and options.run_time:
        options.run_s, options.run_time = options.run_time, None
        logging.getLogger("locust.main").addFilter(_no_word_of_run_time)


def _no_word_of_run_time(record: logging.LogRecord) -> bool:
    """Locust would say that there is no limit."""
    return not record.getMessage().startswith("No run time limit set")


def _lead(environment: Environment, runner: MasterRunner) -> None:
    """Listen to workers, and do not wait for them for ever."""
    options: Any = environment.parsed_options

    def heard(environment: Environment, msg: Any) -> None:
        if Workers.newest is not None:
            Workers.newest.heard(msg.node_id, msg.data)

    runner.register_message(MESSAGE, heard)
    if not options.headless:
        return
    within = options.expect_workers_max_wait or WORKERS_WITHIN_S
    options.expect_workers_max_wait = 0  # Locust's own end would be exit code 1

    def enough() -> None:
        here, wanted = len(runner.clients.ready), options.expect_workers
        if not _runs and here < wanted:
            _give_up(TargetError(
                f"{here} of {wanted} workers came within {within:g} s; start them with "
                f"--worker --master-host HOST --master-port {options.master_bind_port}"
            ), runner)  # fmt: skip

    gevent.spawn_later(within, enough)

    def interrupted() -> None:
        if not _runs:
            say("Interrupted before anything was measured.")
            _dismiss(runner)
            monkey.get_original("os", "_exit")(EXIT_INTERRUPTED)

    gevent.signal_handler(signal.SIGINT, interrupted)


@events.test_start.add_listener
def _begin(environment: Environment, **_: object) -> None:
    runner = environment.runner
    if _worker or runner is None:  # a worker's, which has it only when it has joined its master
        return
    if _runs:
        _runs[-1].finish()  # the web UI lets a test begin while the one before is written down
    environment.process_exit_code = EXIT_FAILED  # until the run says otherwise
    try:
        shaped = environment.shape_class is not None  # then the first tick is not the whole fleet
        users = environment.parsed_options.num_users if shaped else runner.target_user_count
        run = LiveRun(environment, users)
    except Exception as error:
        if environment.web_ui is not None:
            _refuse(error, environment)
        else:
            _give_up(error, runner)
    else:
        _runs.append(run)
        _refused.clear()
        if environment.web_ui is None:
            # Locust's own way would break off whatever runs, the summary included.
            gevent.signal_handler(signal.SIGINT, run.interrupt)
            gevent.signal_handler(signal.SIGTERM, run.interrupt)


def _refuse(error: Exception, environment: Environment) -> None:
    """Say in the web UI why a run does not begin: Locust stays, and another may be asked for."""
    runner = environment.runner
    known = isinstance(error, JobfleetError)
    log.error("%s", error, exc_info=None if known else error)
    _refused.append(str(error) if known else f"a fault in jobfleet: {error!r}")
    environment.process_exit_code = exit_code_of(error)

    def call_off() -> None:
        # A listener cannot keep Locust from spawning users, only stop them.
        for _ in range(100):
            gevent.sleep(0.05)
            if runner.state == "running":
                break
        runner.stop()

    gevent.spawn(call_off)


def _dismiss(runner: object) -> None:
    """Send a master's workers home."""
    if isinstance(runner, MasterRunner):
        runner.send_message("quit")
        gevent.sleep(0.3)


def _give_up(error: Exception, runner: object = None) -> None:
    """End the process: from a greenlet or an init listener, before anything is worth a drain."""
    if isinstance(error, JobfleetError):
        say(f"{painted('Error:', 'red', sys.stderr)} {error}")
    else:
        log.error("a fault in jobfleet", exc_info=error)
    sys.stdout.flush()
    _dismiss(runner)
    monkey.get_original("os", "_exit")(exit_code_of(error))


@events.test_stop.add_listener
def _finish(environment: Environment, **_: object) -> None:
    if _worker:
        _worker[-1].want_no_more()
    if _runs and not _refused:
        _runs[-1].finish()
        if _runs[-1].ended == NOBODY and environment.web_ui is None and environment.runner:
            gevent.spawn(environment.runner.quit)  # Locust would wait for another worker
        environment.process_exit_code = _runs[-1].exit_code
        if environment.web_ui is not None:  # Locust stays, so nobody waits for its end
            _runs[-1].tell()


@events.quitting.add_listener
def _quitting(environment: Environment, **_: object) -> None:
    _finish(environment)
    if _worker:
        _worker[-1].close()


@events.quit.add_listener
def _quit(exit_code: int, **_: object) -> None:
    if _runs:
        _runs[-1].tell()
        options: Any = _runs[-1].environment.parsed_options
        if options.processes:
            atexit.register(_wait_for_workers, exit_code)


def _wait_for_workers(exit_code: int) -> None:
    """End with the workers that ``--processes`` forked, in place of Locust's own waiting.

    That asks for each by ``waitpid``, and gevent knows nothing any more of one that was killed a
    minute ago: it would print an error ten thousand times a second, for three seconds.
    """
    import psutil  # Locust's; only here

    # Not gevent's: no greenlet of Locust's shall run any more, its files are closed.
    sleep = monkey.get_original("time", "sleep")
    children = psutil.Process().children()
    for at in range(200):
        children = [one for one in children if one.is_running() and one.status() != "zombie"]
        if not children:
            break
        if at in (100, 190):
            for child in children:
                child.send_signal(signal.SIGINT if at < 190 else signal.SIGKILL)
        sleep(0.03)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    monkey.get_original("os", "_exit")(exit_code)
