"""What a device's agent does when it is told of a job, asked again, contradicted or left alone.

Rule 1: an agent is a set of choices and no code: ``thing.py`` lives by them, live and rehearsed.
"""

from dataclasses import dataclass
from typing import Final, Literal

Start = Literal["start-next", "notify-next", "polling"]
"""How it comes by an execution. ``start-next``: StartNextPendingJobExecution at connect and at each
notify-next. ``notify-next``: DescribeJobExecution of $next at connect, then what each notice says,
started by an UpdateJobExecution to IN_PROGRESS. ``polling``: GetPendingJobExecutions every
``poll_every`` seconds, no notices, started by an update too."""

OnConflict = Literal["continue", "abandon", "force"]
"""After a VersionMismatch: take the version that was found and go on; drop the execution; or send
the same update again without ``expectedVersion``."""

StepTimer = Literal["renew", "once", "none"]
"""``stepTimeoutInMinutes`` with every progress report, with the first one only, or never."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent's choices; times in seconds."""

    start: Start = "start-next"
    poll_every: float = 60.0
    """Polling only, jittered by up to a tenth."""
    expected_version: bool = True
    """Whether its updates carry ``expectedVersion``."""
    on_conflict: OnConflict = "continue"
    parallel: int = 1
    """Executions that it works on at a time."""
    progress: bool = True
    """Whether it reports anything but the end."""
    progress_every: float | None = None
    """Seconds of work between two progress reports; None: after each step but the last."""
    step_timer: StepTimer = "renew"
    reply_timeout: float | None = None
    """None: the network's. Wall time, as on the network."""
    backoff_base: float | None = None
    backoff_maximum: float | None = None
    tries: int | None = None
    """How often it sends one request before it drops the execution; None: until it is answered."""
    second: float = 0.0
    """Share (0 to 1) of its things on which a second such agent runs, with a connection of its own,
    and works on the same executions."""


PRESETS: Final[dict[str, Agent]] = {"default": Agent()}
"""Agents by name: ``default`` and those that mirror real ones as far as documented."""
