"""A fitted fleet as a scenario file, written for people: every number with what it was seen in."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from math import ceil, floor, isfinite, log10
from typing import Any, Final

import yaml

from simulator.behaviour import LONGEST_S
from simulator.fit.estimate import CohortFit
from simulator.fit.laws import PURE_NUMBERS, Law
from simulator.fit.settings import Settings, configuration
from simulator.scenario.job import SUPPORTED

MARK: Final = "# Fitted by jobfleet from "
"""The second line: what tells a fitted file from one that somebody wrote."""

LEAST_TURN_S: Final = 1.0
DIGITS: Final = 4
ENOUGH_STAY: Final = 4
"""Things stay this many times their work, or being away would lengthen it."""


def scenario_text(
    cohorts: list[CohortFit],
    settings: Settings,
    job: dict[str, Any] | None,
    job_id: str,
    source: str,
    first: float,
    span: float,
    notes: list[str],
) -> str:
    """The scenario file; what it cannot say becomes a note."""
    lines = [
        "# Question: how does the fleet do that was observed?",
        MARK + source,
        f"epoch: {datetime.fromtimestamp(floor(first), UTC).isoformat().replace('+00:00', 'Z')}",
        "fleet:",
    ]
    for cohort in cohorts:
        lines += _cohort(cohort, settings, notes)
    lines += _network(cohorts)
    lines += ["job:", *_job(job, job_id, settings, notes)]
    until = ceil(max(2 * span, span + 600.0, 3600.0) / 600) * 600
    lines += [f"load: {{until: {duration(min(until, LONGEST_S))}}}", ""]
    return "\n".join(lines)


# ------------------------------------------------------------------------------- values


def duration(seconds: float) -> str:
    """A duration of four digits or so, in the unit that reads best."""
    if not seconds:
        return "0s"
    seconds = min(max(seconds, 0.001), LONGEST_S)
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    digits = max(0, min(3, DIGITS - 1 - floor(log10(seconds))))
    return f"{_plain(round(seconds, digits))}s"


def share(value: float) -> str:
    """A percentage of four digits, rounded down: shares must not add up to more than they are."""
    if value < 1e-6:
        return "0%"
    percent = value * 100 * (1 + 1e-12)  # 29 % is 28.999999999999996 otherwise
    digits = DIGITS - 1 - floor(log10(percent))
    return f"{_plain(floor(percent * 10**digits) / 10**digits)}%"


def law_text(law: Law) -> str:
    """A distribution as a scenario writes it."""
    if law.family == "constant":
        return duration(law.a)
    numbers = ", ".join(
        f"{name}: {_plain(_bounded(name, value)) if name in PURE_NUMBERS else duration(value)}"
        for name, value in law.numbers.items()
    )
    return f"{{distribution: {law.family}, {numbers}}}"


def _bounded(name: str, value: float) -> float:
    low, high = (0.001, 10.0) if name == "sigma" else (0.01, 1000.0)
    return float(f"{min(max(value, low), high):.{DIGITS}g}")


def _plain(number: float) -> str:
    text = f"{number:.6f}"
    return text.rstrip("0").rstrip(".")


def word(text: str) -> str:
    """A text as YAML reads it back."""
    return json.dumps(text, ensure_ascii=False)


# ------------------------------------------------------------------------------- parts


def _cohort(cohort: CohortFit, settings: Settings, notes: list[str]) -> Iterable[str]:
    best = cohort.best.law
    work = [f"duration: {law_text(best)}"]
    if cohort.failing.steps > 1:
        work.append(f"steps: {cohort.failing.steps}")
    if settings.step_minutes is not None:
        work.append(f"step_timeout: {settings.step_minutes}m")
    seen = f"{cohort.sample.n:,.0f} durations, {cohort.sample.n_open:,.0f} censored"
    if cohort.pooled:
        seen = "too few durations of its own: the law of all"
    yield f"  - cohort: {word(cohort.name)}"
    yield f"    things: {cohort.things}"
    yield f"    work: {{{', '.join(work)}}}  # {seen}"
    outcome = _outcome(cohort)
    if outcome:
        yield "    outcome:"
        yield from (f"      {line}" for line in outcome)
    presence = _presence(cohort, notes)
    if presence:
        yield f"    presence: {presence}"


def _outcome(cohort: CohortFit) -> list[str]:
    lines = []
    parts = cohort.by_attempt if cohort.apart else [cohort.shares]
    for name in ("fail", "reject", "hang"):
        values = [share(part.by_name[name]) for part in parts]
        if all(value == "0%" for value in values):
            continue
        text = values[0] if len(values) == 1 else f"[{', '.join(values)}]"
        more = []
        if name in cohort.reasons:
            told = (f"{word(reason)}: {n}" for reason, n in cohort.reasons[name].items())
            more.append(f"reasons: {{{', '.join(told)}}}")
        if name == "fail" and cohort.failing.step is not None:
            more.append(f"step: {cohort.failing.step}")
        if name == "hang" and cohort.hang_step is not None:
            more.append(f"step: {cohort.hang_step}")
        if name == "hang" and cohort.away is not None:
            more.append(f"away: {duration(cohort.away)}")
        lines.append(
            f"{name}: {{share: {', '.join([text, *more])}}}" if more else f"{name}: {text}"
        )
    return lines


def _presence(cohort: CohortFit, notes: list[str]) -> str | None:
    waits = cohort.waits
    if waits.away is None or waits.stay is None:
        return None
    stay = max(waits.stay, LEAST_TURN_S)
    needed = ENOUGH_STAY * cohort.best.law.median
    if stay < needed and isfinite(needed):
        there = needed / (needed + waits.away.mean)
        notes.append(
            f"{cohort.name}: {waits.there:.1%} of the things were there when their execution was "
            f"queued. So that they can finish their work before they leave again, they stay "
            f"{duration(needed)} on average in the scenario, which finds {there:.1%} there"
        )
        stay = needed
    return (
        f"{{on: {{distribution: exponential, mean: {duration(stay)}}}, "
        f"off: {law_text(waits.away)}}}  # {waits.there:.1%} started at once"
    )


def _network(cohorts: list[CohortFit]) -> list[str]:
    found = [cohort for cohort in cohorts if cohort.waits.latency is not None]
    if not found:
        return []
    largest = max(found, key=lambda cohort: cohort.waits.started)
    assert largest.waits.latency is not None  # chosen so
    return [f"network: {{latency: {law_text(largest.waits.latency)}}}"]


def _job(
    job: dict[str, Any] | None, job_id: str, settings: Settings, notes: list[str]
) -> Iterable[str]:
    members: dict[str, Any] = {"jobId": job_id, "document": {}}
    inferred = configuration(settings)
    if job is not None:
        dropped = [key for key in job if key not in SUPPORTED]
        if dropped:
            notes.append(f"of the job, {', '.join(dropped)} has no place in a scenario")
        members |= {k: v for k, v in job.items() if k in SUPPORTED and v not in ({}, None)}
    for key, value in inferred.items():
        members.setdefault(key, value)
    members.pop("targets", None)
    text = yaml.safe_dump(members, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return [f"  {line}" for line in text.splitlines()]
