"""Arithmetic of a rollout: how many executions a job may create, when it aborts, what is retried.

AWS documents a rate per minute and not how it is spread; here a batch is released at once and the
next at each whole minute from the start (docs/fidelity.md, "rollout batching").

Rule 1: ``job.allowance`` is how many of its things may have been released; it grows at each
        ``job.tick`` while something is left to release, so that idle minutes save nothing up.
Rule 2: everything here reads a job's counters and changes at most its ``tick`` and ``allowance``.
"""

from typing import Final

from simulator.jobs.configuration import (
    AbortCriteria,
    ExponentialRate,
    JobExecutionsRolloutConfig,
)
from simulator.jobs.model import Job, JobExecution, Status

DEFAULT_PER_MINUTE: Final = 1000
"""AWS's default rate (GR:dm)."""

MINUTE: Final = 60.0

RETRIED: Final[frozenset[Status]] = frozenset({"FAILED", "TIMED_OUT"})
"""REJECTED, CANCELED and REMOVED are final (DG:iot-jobs-lifecycle)."""


def per_minute(job: Job) -> int:
    """How many executions the job creates in the minute that begins now."""
    return rate(job.rollout, job.allowance, job.counts["SUCCEEDED"])


def rate(rollout: JobExecutionsRolloutConfig, notified: int, succeeded: int) -> int:
    """How many a minute, after so many things were notified and so many have succeeded."""
    maximum = rollout.maximum_per_minute or DEFAULT_PER_MINUTE
    exponential = rollout.exponential_rate
    if exponential is None:
        return maximum
    return _grown(exponential, _increases(exponential, notified, succeeded), maximum)


def _increases(exponential: ExponentialRate, notified: int, succeeded: int) -> int:
    """How often the rate has grown: by things notified, or by things that succeeded."""
    criteria = exponential.rate_increase_criteria
    by_notified, by_succeeded = (
        criteria.number_of_notified_things,
        criteria.number_of_succeeded_things,
    )
    return max(
        0 if by_notified is None else notified // by_notified,
        0 if by_succeeded is None else succeeded // by_succeeded,
    )


def _grown(exponential: ExponentialRate, times: int, maximum: int) -> int:
    """``base × factor^times`` in whole tenths, rounded down, at least 1 and at most ``maximum``."""
    above, below = exponential.base_rate_per_minute, 1
    for _ in range(times):
        above, below = above * exponential.tenths, below * 10
        if above >= maximum * below:
            break
    return max(1, min(maximum, above // below))


def accrue(job: Job, now: float) -> None:
    """Let the allowance grow by every minute that began by ``now``."""
    while job.tick <= now and job.allowance < len(job.things):
        job.allowance += per_minute(job)
        job.tick += MINUTE


def next_release(job: Job) -> float | None:
    """When the next execution may be created, or None when all are.

    The answer lies in the past (or is minus infinity) while released work is left to do.
    """
    if job.rolled_out:
        return None
    return job.tick if job.released >= job.allowance else float("-inf")


def aborting(job: Job) -> tuple[AbortCriteria, int, int] | None:
    """The first abort criterion that holds, with how many failed so and how many ended.

    Every execution that ended counts, of whatever status (docs/fidelity.md, "abort denominator").
    """
    assert job.abort is not None  # asked only where there is one
    counts = job.counts
    ended = sum(counts.values()) - counts["QUEUED"] - counts["IN_PROGRESS"]
    for criterion in job.abort.criteria_list:
        kind = criterion.failure_type
        if ended < criterion.min_number_of_executed_things:
            continue
        if kind == "ALL":
            failed = counts["FAILED"] + counts["REJECTED"] + counts["TIMED_OUT"]
        else:
            failed = counts[kind]
        if failed * 100 >= criterion.threshold_percentage * ended:
            return criterion, failed, ended
    return None


def retries_left(execution: JobExecution) -> bool:
    """Whether an execution that has just ended is to be tried again.

    Each failure type has its own number: the earlier attempts of this series that ended the same
    way have used it up (``ALL`` counts both ways).
    """
    retry, status = execution.job.retry, execution.status
    if retry is None or status not in RETRIED:
        return False
    for criterion in retry.criteria_list:
        if criterion.failure_type == "ALL":
            return execution.retry_attempt < criterion.number_of_retries
        if criterion.failure_type == status:
            return _used(execution, status) < criterion.number_of_retries
    return False


def _used(execution: JobExecution, status: Status) -> int:
    """How many earlier attempts of a series ended in ``status``."""
    used, earlier = 0, execution
    while earlier.retry_attempt and earlier.previous is not None:
        earlier = earlier.previous
        used += earlier.status == status
    return used
