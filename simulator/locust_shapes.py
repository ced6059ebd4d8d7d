"""Locust's users over time as a scenario says, for ``locustfiles/fleet_shaped.py``.

Importing this imports locust. Locust asks a shape once a second how many users there are to be.

Rule 1: the scenario's ``load.ramp`` decides when users begin, as it does in a rehearsal; ``-u``
        rescales the fleet, ``-t`` ends the run, ``-r`` means nothing.
Rule 2: time begins with the first user, which waits until the service is there; each second makes
        up for what the one before did not get done.
Rule 3: a shape never ends a run before the run ends itself (``live_run.py``), but for ``-t``.
"""

from bisect import bisect_right
from pathlib import Path
from typing import Any, Final

from locust import LoadTestShape

from simulator.behaviour import ramp
from simulator.scenario import load

TICK_S: Final = 1.0


def users_at(starts: list[float], elapsed: float, users: int) -> tuple[int, float]:
    """How many users there are to be a tick from now, and how fast to get there from ``users``."""
    wanted = max(1, bisect_right(starts, elapsed + TICK_S))
    return wanted, max(1.0, (wanted - users) / TICK_S)


class ScenarioShape(LoadTestShape):
    """As many users as things of the scenario have begun."""

    abstract = True
    use_common_options = True

    def __init__(self) -> None:
        super().__init__()
        self._starts: list[float] = []

    def tick(self) -> tuple[int, float] | None:
        """Users, and users per second; None where ``-t`` is over."""
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        if not self._starts:
            scenario = load(Path(options.scenario)).scenario
            self._starts = ramp(scenario.load.ramp, options.num_users)
        users = self.get_current_user_count()
        if not users:  # the service is coming up, the job is being created
            self.reset_time()
        elapsed = self.get_run_time()
        if options.run_time and elapsed >= options.run_time:
            return None
        return users_at(self._starts, elapsed if users else 0.0, users)
