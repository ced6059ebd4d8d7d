"""Locust users over HTTP: the data plane and the control plane, without asyncio.

Importing this imports locust, which patches the process with gevent.

Rule 1: nothing starts at import; the stage is set in the process that runs the test or leads it
        (at ``init``, with the web UI at ``test_start``), and its workers are told with the first
        users that they are to spawn.
Rule 2: a refused ``expectedVersion`` is no failure but a row of its own in Locust's tables: with
        optimistic concurrency it is what is expected to happen. Any other refusal is a failure,
        named by its code.
Rule 3: with a ceiling (``load.budget``; a service elsewhere always has one) the users of a process
        take turns; what a user waits for its turn is in no response time. A test of a service
        elsewhere ends after a day at the latest.
"""

import logging
import re
import sys
import time
from typing import Any, Final

from gevent import sleep
from locust import FastHttpUser, constant, events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, Runner, WorkerRunner

from simulator.errors import JobfleetError
from simulator.interlock import MOST_SECONDS
from simulator.live_run import exit_code_of
from simulator.ports import is_loopback
from simulator.run import Resolved
from simulator.stage import Stage, check_host, name_of, resolve

log = logging.getLogger(__name__)

UPDATE: Final = "UpdateJobExecution"
CONFLICT: Final = "UpdateJobExecution VersionMismatch"
NOTHING_S: Final = 0.5
"""So long a thing waits where nothing is pending for it (the rollout may not have reached it)."""

_FOUND: Final = re.compile(r"Expected version \d+ but found version (\d+)")

_stages: list[Stage] = []
"""The stage of this process's test, while there is one."""

_spawned: list[int] = [0]
"""How many users this process has made, over all of its tests."""


def found_version(status: int, text: str) -> int | None:
    """The version that an update should have expected; None where that is not what was wrong.

    AWS's model has no code for it on the data plane over HTTP: it is recognised by its message.
    """
    match = _FOUND.search(text) if status in (400, 409) else None
    return int(match[1]) if match else None


def members_of(reply: Any) -> dict[str, Any]:
    """What a reply says; one that is no JSON object is a failure, and says nothing."""
    try:
        members = reply.json()
    except ValueError:
        members = None
    if isinstance(members, dict):
        return members
    reply.failure(f"{reply.status_code} with a body that is no JSON object")
    return {}


class _Held:
    """A client that keeps a ceiling of requests with all others of its process."""

    free_at = 0.0
    """When the next request of any of them may begin, on the performance counter."""

    def __init__(self, client: Any, per_s: float) -> None:
        self._client = client
        self._apart_s = 1 / per_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def request(self, method: str, path: str, **more: Any) -> Any:
        """Wait for a turn, and ask."""
        now = time.perf_counter()
        at = max(now, _Held.free_at)
        _Held.free_at = at + self._apart_s
        if at > now:
            sleep(at - now)
        return self._client.request(method, path, **more)

    def post(self, path: str, **more: Any) -> Any:
        """The same for a POST."""
        return self.request("POST", path, **more)


class JobsUser(FastHttpUser):
    """A user that has a thing's name, and sends requests named as AWS names the operations."""

    abstract = True
    wait_time = constant(0)
    things: int | None = None
    """How many things there are without ``--things`` and ``--scenario``; None: one per user."""
    with_job = True
    client: Any

    def on_start(self) -> None:
        """Find out who this is."""
        self.stage: dict[str, Any] = self.environment.parsed_options.stage
        runner = self.environment.runner
        worker = runner.worker_index if isinstance(runner, WorkerRunner) else 0
        self.index = worker + self.stage["workers"] * _spawned[0]
        _spawned[0] += 1
        self.name = name_of(self.stage["fleet"], self.index)
        ceiling = self.stage["ceiling"]
        if ceiling is not None:
            self.client = _Held(self.client, ceiling / self.stage["workers"])

    def ask(
        self, operation: str, method: str, path: str, body: Any = None, allow: tuple[int, ...] = ()
    ) -> dict[str, Any]:
        """One request; what it answers, or nothing where it was refused.

        A status of ``allow`` is no failure.
        """
        with self.client.request(
            method, path, name=operation, json=body, catch_response=True
        ) as reply:
            if 0 < reply.status_code < 400:
                return members_of(reply)
            if reply.status_code in allow:
                reply.success()
                return {}
            code = (reply.headers or {}).get("x-amzn-ErrorType") or reply.error
            reply.failure(f"{reply.status_code} {code}")
        return {}


class ThingOverHttp(JobsUser):
    """A thing that holds an execution IN_PROGRESS and reports on it."""

    abstract = True
    job = ""
    version = 0

    def on_start(self) -> None:
        """Begin what is pending."""
        super().on_start()
        self.reports = 0
        self.start_next()

    def start_next(self) -> None:
        """StartNextPendingJobExecution: the one that is begun is answered again, as it is."""
        body = {"statusDetails": {"by": "locust"}}
        found = self.ask(
            "StartNextPendingJobExecution", "PUT", f"/things/{self.name}/jobs/%24next", body
        ).get("execution")
        if found is None:
            self.job = ""
            sleep(NOTHING_S)
        else:
            self.job, self.version = found["jobId"], found["versionNumber"]

    def describe(self) -> None:
        """DescribeJobExecution, and go on from its version; where it has ended, from the next."""
        if not self.job:
            return self.start_next()
        path = f"/things/{self.name}/jobs/{self.job}?includeJobDocument=false"
        found = self.ask("DescribeJobExecution", "GET", path).get("execution")
        if found is None:
            return self.start_next()
        self.version = found["versionNumber"]
        return None

    def update(self) -> None:
        """UpdateJobExecution with ``expectedVersion``; after a conflict, describe and go on."""
        if not self.job:
            return self.start_next()
        self.reports += 1
        body = {
            "status": "IN_PROGRESS",
            "expectedVersion": self.version,
            "statusDetails": {"report": str(self.reports)},
            "includeJobExecutionState": True,
        }
        path = f"/things/{self.name}/jobs/{self.job}"
        with self.client.post(path, name=UPDATE, json=body, catch_response=True) as reply:
            if reply.status_code == 200:
                state = members_of(reply).get("executionState")
                if state:
                    self.version = state["versionNumber"]
                    return None
                reply.failure("200 without the executionState that was asked for")
            elif found_version(reply.status_code, reply.text or "") is None:
                code = (reply.headers or {}).get("x-amzn-ErrorType") or reply.error
                reply.failure(f"{reply.status_code} {code}")
            else:
                reply.request_meta["name"] = CONFLICT
                reply.success()
        return self.describe()


def updates_of(environment: Environment) -> tuple[int, int]:
    """Updates accepted, and updates that conflicted, as Locust has counted them."""
    rows = {name: environment.stats.get(name, "POST") for name in (UPDATE, CONFLICT)}
    accepted = rows[UPDATE].num_requests - rows[UPDATE].num_failures
    return accepted, rows[CONFLICT].num_requests


# ------------------------------------------------------------------------------- Locust's events


@events.init_command_line_parser.add_listener
def _options(parser: LocustArgumentParser) -> None:
    group = parser.add_argument_group("jobfleet")
    group.add_argument("--scenario", default=None, help="Whose things and job to take")
    group.add_argument("--things", type=int, default=None, help="How many things there are")
    group.add_argument("--seed", type=int, default=None, help="Seed of all chance")
    group.add_argument("--i-own-this-target", metavar="HOST", default=None,
                       help="Needed with a --host that is not this machine")  # fmt: skip


@events.init.add_listener
def _init(environment: Environment, runner: Runner, **_: object) -> None:
    """Check everything; without the web UI, set the stage before ``-t`` begins to count."""
    if isinstance(runner, WorkerRunner):
        return
    options: Any = environment.parsed_options
    environment.given_host, options.stage = environment.host, None
    try:
        _resolved(environment, 1, 1)
        address = _address(environment)
        if address is not None and not is_loopback(address[0]):
            options.run_time = min(options.run_time or MOST_SECONDS, MOST_SECONDS)
        if environment.web_ui is None:
            expected = options.expect_workers if isinstance(runner, MasterRunner) else 1
            _set(environment, options.num_users or 1, expected)
    except Exception as error:
        _give_up(error)


def _resolved(environment: Environment, users: int, workers: int) -> Resolved:
    options: Any = environment.parsed_options
    things = options.things
    if things is None and options.scenario is None:
        kinds = [kind.things for kind in environment.user_classes]
        # Locust gives each worker as many users, but for one: so each user has a thing of its own
        things = -(-users // workers) * workers if None in kinds else max(kinds)
    return resolve(options.scenario, options.seed, things)


def _address(environment: Environment) -> tuple[str, int] | None:
    options: Any = environment.parsed_options
    if environment.host is None:
        return None
    scale = _resolved(environment, 1, 1).scenario.load.time_scale
    return check_host(environment.host, options.i_own_this_target, scale)


def _set(environment: Environment, users: int, workers: int) -> None:
    stage = Stage(
        _resolved(environment, users, workers),
        _address(environment),
        users=users,
        workers=workers,
        with_job=any(kind.with_job for kind in environment.user_classes),
    )
    _stages.append(stage)
    environment.parsed_options.stage = stage.told
    environment.host = stage.host


@events.test_start.add_listener
def _begin(environment: Environment, **_: object) -> None:
    runner = environment.runner
    if runner is None or isinstance(runner, WorkerRunner):
        return
    workers = runner.worker_count if isinstance(runner, MasterRunner) else 1
    try:
        if not _stages:
            _set(environment, runner.target_user_count, workers)
    except Exception as error:
        _give_up(error)
    told = environment.parsed_options.stage
    told["workers"] = max(told["workers"], workers)


@events.test_stop.add_listener
def _finish(environment: Environment, **_: object) -> None:
    """With the web UI, Locust stays. Else a master's users end after this, and ``_quit`` closes."""
    if environment.web_ui is not None and _stages:
        _stages.pop().close()
        environment.host = environment.given_host


def _give_up(error: Exception) -> None:
    """End the process: SystemExit passes through Locust's events, and its workers end with it."""
    if isinstance(error, JobfleetError):
        print(f"Error: {error}", file=sys.stderr, flush=True)
    else:
        log.error("a fault in jobfleet", exc_info=error)
    sys.exit(exit_code_of(error))


@events.quit.add_listener
def _quit(**_: object) -> None:
    while _stages:
        _stages.pop().close()
