"""Arithmetic of a rollout: how many executions a job may have created by ``now``.

AWS documents a rate per minute and not how it is spread; here a batch is released at once and the
next at each whole minute from the start (docs/fidelity.md, "rollout batching").
"""

from typing import Final

from simulator.jobs.model import Job

DEFAULT_PER_MINUTE: Final = 1000
"""AWS's default rate (GR:dm)."""

MINUTE: Final = 60.0


def per_minute(job: Job) -> int:
    """The most executions that a job creates per minute."""
    return job.rollout.maximum_per_minute or DEFAULT_PER_MINUTE


def allowed(job: Job, now: float) -> int:
    """How many executions of ``job`` may exist by ``now``, at most its targets."""
    minutes = int((now - job.created_at) // MINUTE)
    return min(len(job.things), (minutes + 1) * per_minute(job))


def next_release(job: Job) -> float | None:
    """When the next execution may be created, or None when all are.

    The answer lies in the past (or now) while released work is left to do.
    """
    if job.rolled_out or job.status != "IN_PROGRESS":
        return None
    return job.created_at + (job.released // per_minute(job)) * MINUTE
