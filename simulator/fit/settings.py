"""What the job was configured with, as far as its executions show it: rate, timers, retries.

Rule 1: the in-progress timer runs out whole minutes after the start, and nothing lasts longer:
        where the longest are several and that is whole minutes, it is that timer. What timed out
        earlier had a step timer, of no more minutes than the shortest of them lasted.
Rule 2: a rate is seen where executions were queued minute by minute without a pause.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulator.fit.executions import Execution
from simulator.jobs.configuration import MAX_MINUTES, MAX_RETRIES

LATE: Final = 10.0
"""Seconds by which a service may be late to let a timer run out."""

TOGETHER: Final = 2.0
"""What the same timer ended lasted equally long, to so many seconds."""

COMMON: Final = 0.05
"""The in-progress timer is what at least so many of the timed-out ran into."""


@dataclass(slots=True)
class Settings:
    """The job's configuration; None where nothing shows it."""

    in_progress_minutes: int | None = None
    step_minutes: int | None = None
    timed_out: int = 0
    at_step_timer: int = 0
    per_minute: int | None = None
    minutes: int = 0
    """Over how many minutes executions were queued."""
    retries: dict[str, int] | None = None
    retried: int = 0


def infer(executions: list[Execution], job: dict[str, Any] | None, notes: list[str]) -> Settings:
    """Settings from the executions; what the job's own configuration says wins."""
    settings = Settings()
    _timers(settings, executions, job, notes)
    _rate(settings, executions, notes)
    _retries(settings, executions, notes)
    return settings


def _timers(
    settings: Settings, executions: list[Execution], job: dict[str, Any] | None, notes: list[str]
) -> None:
    timed_out = [e for e in executions if e.status == "TIMED_OUT"]
    lasted = [e.lasted for e in timed_out if e.lasted is not None and not e.guessed]
    settings.timed_out = len(lasted)
    configured = ((job or {}).get("timeoutConfig") or {}).get("inProgressTimeoutInMinutes")
    if isinstance(configured, int):
        settings.in_progress_minutes = configured
    elif lasted:
        settings.in_progress_minutes = _longest_timer(lasted)
    limit = settings.in_progress_minutes
    earlier = [t for t in lasted if limit is None or t < limit * 60 - 2]
    settings.at_step_timer = len(earlier)
    if earlier and min(earlier) >= 58:
        settings.step_minutes = min(int((min(earlier) + 2) // 60), MAX_MINUTES)
    elif timed_out and limit is None:
        longest = max((e.lasted or 0.0 for e in timed_out), default=0.0)
        settings.in_progress_minutes = min(max(1, round(longest / 60)), MAX_MINUTES)
        notes.append(
            f"{len(timed_out):,} executions timed out and do not show by which timer; the scenario "
            f"has an in-progress timeout of {settings.in_progress_minutes} min. Give the job with "
            "--job"
        )


def _longest_timer(lasted: list[float]) -> int | None:
    """The in-progress timer bounds all: several lasted the longest, and that is whole minutes."""
    longest = max(lasted)
    together = sum(t >= longest - TOGETHER for t in lasted)
    minutes = int((longest + TOGETHER) // 60)
    if minutes < 1 or longest - minutes * 60 > LATE:
        return None
    return minutes if together >= max(min(2, len(lasted)), COMMON * len(lasted)) else None


def _rate(settings: Settings, executions: list[Execution], notes: list[str]) -> None:
    queued = [
        e.queued for e in executions if e.attempt == 1 and e.queued is not None and not e.guessed
    ]
    first = np.array(sorted(queued))
    if len(first) < 2:
        return
    minute = ((first - first[0] + 1) // 60).astype(np.int64)  # a batch may take a second
    settings.minutes = int(minute[-1]) + 1
    if settings.minutes == 1:
        return
    if settings.minutes > len(first):
        notes.append(
            f"executions were queued over {settings.minutes:,} minutes with pauses: no rollout "
            "rate is seen; give the job with --job"
        )
        return
    counts = np.bincount(minute)
    if (counts == 0).sum() > 0.1 * settings.minutes:
        notes.append(
            f"executions were queued in {int((counts > 0).sum()):,} of {settings.minutes:,} "
            "minutes: no rollout rate is seen; give the job with --job"
        )
        return
    settings.per_minute = min(int(counts[:-1].max()), 1000)
    if settings.minutes > 3 and counts[:-1].min() < 0.6 * counts[:-1].max():
        notes.append(
            f"between {counts[:-1].min():,} and {counts[:-1].max():,} executions a minute were "
            "queued: the rate may be exponential; give the job with --job"
        )


def _retries(settings: Settings, executions: list[Execution], notes: list[str]) -> None:
    """By failure type, the most retries that a thing was given."""
    series: dict[tuple[str, str], dict[int, Execution]] = {}
    for execution in executions:
        series.setdefault((execution.job, execution.thing), {})[execution.number] = execution
    most: Counter[str] = Counter()
    unknown = 0
    for attempts in series.values():
        used: Counter[str] = Counter()
        for number, execution in sorted(attempts.items()):
            if execution.attempt == 1:
                used.clear()
                continue
            settings.retried += 1
            before = attempts.get(number - 1)
            if before is None or before.status not in ("FAILED", "TIMED_OUT"):
                unknown += 1
                continue
            used[before.status] += 1
            most[before.status] = max(most[before.status], used[before.status])
    if most:
        settings.retries = {kind: min(count, MAX_RETRIES) for kind, count in sorted(most.items())}
        if sum(settings.retries.values()) > MAX_RETRIES:
            settings.retries = {"ALL": MAX_RETRIES}
    if unknown:
        notes.append(
            f"of {unknown:,} retries the attempt before is not in the input (or neither failed nor "
            "timed out)"
        )


def configuration(settings: Settings) -> dict[str, Any]:
    """The members of CreateJob that the settings stand for."""
    members: dict[str, Any] = {}
    if settings.in_progress_minutes is not None:
        members["timeoutConfig"] = {"inProgressTimeoutInMinutes": settings.in_progress_minutes}
    if settings.per_minute is not None:
        members["jobExecutionsRolloutConfig"] = {"maximumPerMinute": settings.per_minute}
    if settings.retries:
        members["jobExecutionsRetryConfig"] = {
            "criteriaList": [
                {"failureType": kind, "numberOfRetries": count}
                for kind, count in settings.retries.items()
            ]
        }
    return members
