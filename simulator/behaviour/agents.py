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


PRESETS: Final[dict[str, Agent]] = {
    "default": Agent(),
    # AWS IoT Device Client, source/jobs/JobsFeature.cpp at 07a12e2. StartNext once it runs, then
    # what notify-next says; each update is awaited for 10 s and sent again, whatever the answer
    # was, after 10 s, doubling up to 640 s, without end. No expectedVersion, no step timer, no
    # progress but the IN_PROGRESS that it begins with. Its backoff has no jitter, which ours has.
    "device-client": Agent(
        start="start-next",
        expected_version=False,
        progress=False,
        step_timer="none",
        reply_timeout=10.0,
        backoff_base=10.0,
        backoff_maximum=640.0,
    ),
    # AWS IoT Greengrass nucleus, deployment/IotJobsHelper.java at 047724c. Describes $next at
    # connect and at each notice of QUEUED jobs, one deployment at a time; an update is awaited for
    # 5 minutes. Rejected, it is dropped; without an answer, it is kept and sent again after the
    # next reconnect. No expectedVersion, no step timer. How long it waits between tries of one
    # update is nowhere documented: here it is the network's backoff.
    "greengrass": Agent(
        start="notify-next",
        expected_version=False,
        on_conflict="abandon",
        progress=False,
        step_timer="none",
        reply_timeout=300.0,
    ),
    # AWS IoT Device SDK for Embedded C, demos/jobs/jobs_demo_mosquitto.c of 202412.00 (the Jobs
    # library itself builds topics and sends nothing). Describes $next once it runs, then what
    # notify-next says; a rejected update ends its work on the job, and nothing is ever sent twice:
    # on an error it exits, and whoever runs it starts it anew, how soon is not documented. It
    # reports progress only where --updateinv asks for it. No expectedVersion, no step timer.
    "embedded-c": Agent(
        start="notify-next",
        expected_version=False,
        on_conflict="abandon",
        progress=False,
        step_timer="none",
        tries=1,
    ),
    # Nobody's in particular: a loop around the AWS CLI, as one writes it in an afternoon. It asks
    # every half minute, believes that nobody else writes, and asks again at once when it fails.
    "naive-script": Agent(
        start="polling",
        poll_every=30.0,
        expected_version=False,
        on_conflict="force",
        progress=False,
        step_timer="none",
        backoff_base=1.0,
        backoff_maximum=1.0,
    ),
}
"""Agents by name: ``default``, and those that mirror real ones as far as they are documented (with
what was read, and what was not found)."""
