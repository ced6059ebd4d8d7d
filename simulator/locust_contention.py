"""Locust users that write into one execution: the measured conflict rate beside the theoretical.

Importing this imports locust. The theory, and why it holds, is in ``contention.py``.
"""

from collections import Counter

import numpy as np
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from simulator.contention import overall_conflict_rate
from simulator.locust_http import ThingOverHttp, updates_of
from simulator.stage import size


class Writer(ThingOverHttp):
    """One of several that know a version, think, and update with it."""

    abstract = True
    things = 1

    def on_start(self) -> None:
        """Learn the version, and think a first time."""
        super().on_start()
        self._chance = np.random.default_rng((self.stage["seed"], self.index))
        self.wait()

    def wait_time(self) -> float:
        """Exponential: whoever comes next is any of the writers, as the theory asks."""
        think: float = self.environment.parsed_options.think
        return float(self._chance.exponential(think))


@events.init_command_line_parser.add_listener
def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--think", type=float, default=0.2,
                        help="Mean seconds between knowing a version and writing")  # fmt: skip


@events.init.add_listener
def _init(environment: Environment, **_: object) -> None:
    """Say the result below Locust's tables; with the web UI, when the test stops."""
    if isinstance(environment.runner, WorkerRunner):
        return
    end = events.quit if environment.web_ui is None else events.test_stop
    end.add_listener(lambda **_: _tell(environment))


def _tell(environment: Environment) -> None:
    accepted, conflicts = updates_of(environment)
    stage = environment.parsed_options.stage
    if not accepted or stage is None:
        return
    things, users = size(stage["fleet"]), stage["users"]
    writers = Counter(user % things for user in range(users)).values()
    sent, expected = accepted + conflicts, overall_conflict_rate(writers)
    print(
        f"{users} writers on {things} execution{'s'[: things != 1]}: {conflicts} of {sent} "
        f"updates conflicted, {conflicts / sent:.1%}; in theory {expected:.1%}",
        flush=True,
    )
