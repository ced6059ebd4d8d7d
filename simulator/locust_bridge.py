"""Locust measures a live run: one user is one thing, one exchange is one request.

``locustfiles/fleet.py`` and ``jobfleet run`` load this. Importing it imports locust, which patches
the process with gevent: nothing else in the package may (ruff and a test hold that).

Rule 1: nothing starts at import; the run begins at ``test_start``, when the user count is known
        and ``--processes`` would have forked.
Rule 2: the run is ``live_run.LiveRun``; a Locust user only says that one more thing may begin.
Rule 3: a rejection is a Locust failure, named by its code.
"""

import logging
import signal
import sys
from typing import Any

import gevent
from gevent import monkey
from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import LocalRunner

from simulator.errors import JobfleetError, UsageError
from simulator.live_run import EXIT_FAILED, LiveRun, check_options, exit_code_of
from simulator.targets import POLL_S

log = logging.getLogger(__name__)

FILES = {
    "ca": "Authorities to trust (default: the system's)",
    "cert": "One certificate for all things",
    "key": "Its key",
    "certs": "Directory with a certificate per thing (jobfleet certs)",
}

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
    group.add_argument("--transport", choices=["mqtt", "aiomqtt", "http"], default=None)
    group.add_argument("--target", default=None, help="URL of a service instead of our own")
    group.add_argument("--control", default=None, help="http(s)://HOST:PORT of the target")
    for name, what in FILES.items():
        group.add_argument(f"--{name}", default=None, help=what)
    group.add_argument("--username", default=None, env_var="JOBFLEET_USERNAME")
    group.add_argument("--password", default=None, env_var="JOBFLEET_PASSWORD")
    group.add_argument("--mqtt", default="3.1.1", help="Version of MQTT: 3.1.1 or 5")
    group.add_argument("--sigv4", action="store_true", help="Sign with AWS credentials")
    group.add_argument("--region", default=None, help="To sign for")
    group.add_argument("--poll", type=float, default=POLL_S, help="Seconds between looks over HTTP")
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


@events.test_start.add_listener
def _begin(environment: Environment, **_: object) -> None:
    runner = environment.runner
    assert runner is not None
    environment.process_exit_code = EXIT_FAILED  # until the run says otherwise
    try:
        shaped = environment.shape_class is not None  # then the first tick is not the whole fleet
        users = environment.parsed_options.num_users if shaped else runner.target_user_count
        run = LiveRun(environment, users)
    except Exception as error:
        if environment.web_ui is not None:
            log.error("%s", error)
            raise
        _give_up(error)
    else:
        _runs.append(run)
        if environment.web_ui is None:
            # Locust's own way would break off whatever runs, the summary included.
            gevent.signal_handler(signal.SIGINT, run.interrupt)
            gevent.signal_handler(signal.SIGTERM, run.interrupt)


def _give_up(error: Exception) -> None:
    """End the process: from a greenlet or an init listener, before anything is worth a drain."""
    if isinstance(error, JobfleetError):
        print(f"Error: {error}", file=sys.stderr, flush=True)
    else:
        log.error("a fault in jobfleet", exc_info=error)
    sys.stdout.flush()
    monkey.get_original("os", "_exit")(exit_code_of(error))


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
