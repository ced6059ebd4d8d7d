"""A fit as text for people, and as plain values for JSON."""

from typing import Any

from simulator.fit.estimate import CohortFit
from simulator.fit.fitting import Fitted, moment
from simulator.fit.laws import PURE_NUMBERS, Law
from simulator.fit.scenario_text import duration
from simulator.fit.shares import wilson


def render(fitted: Fitted) -> str:
    """The whole report."""
    jobs = "job " + next(iter(fitted.jobs)) if len(fitted.jobs) == 1 else f"{len(fitted.jobs)} jobs"
    lines = [
        f"Read {fitted.executions:,} executions of {jobs} on {fitted.things:,} things: "
        f"{moment(fitted.first)} to {moment(fitted.seen_at)}",
        *_settings(fitted),
    ]
    for cohort in fitted.cohorts:
        lines += ["", *_cohort(cohort)]
    if fitted.notes:
        lines += ["", *(f"Note: {note}" for note in fitted.notes)]
    return "\n".join(lines)


def law_words(law: Law) -> str:
    """``median 89.65s, sigma 0.595``."""
    return ", ".join(
        f"{name} {value:.4g}" if name in PURE_NUMBERS else f"{name} {duration(value)}"
        for name, value in law.numbers.items()
    )


def _settings(fitted: Fitted) -> list[str]:
    settings, told = fitted.settings, []
    if settings.per_minute is not None:
        told.append(f"{settings.per_minute} executions/min over {settings.minutes} min")
    elif settings.minutes == 1:
        told.append("all queued within a minute")
    if settings.in_progress_minutes is not None:
        told.append(f"in-progress timeout {settings.in_progress_minutes} min")
    if settings.step_minutes is not None:
        told.append(f"step timeout {settings.step_minutes} min")
    if settings.retries:
        kinds = ", ".join(f"{kind} {n}" for kind, n in settings.retries.items())
        told.append(f"retries: {kinds} ({settings.retried:,} seen)")
    return ["Job: " + "; ".join(told)] if told else []


def _cohort(cohort: CohortFit) -> list[str]:
    lines = [
        f"Cohort {cohort.name}: {cohort.things:,} things, {cohort.executions:,} executions "
        f"({', '.join(f'{n:,} {status}' for status, n in sorted(cohort.statuses.items()))})",
        "  outcome      share   90 % interval",
    ]
    rows = [("", cohort.shares)]
    if len(cohort.by_attempt) > 1:
        words = "differ" if cohort.apart else "do not differ"
        lines[1] += f"     (attempts {words}, by BIC)"
        last = len(cohort.by_attempt)
        rows += [
            (f" {at}{'+' if at == last else ''}", part)
            for at, part in enumerate(cohort.by_attempt, 1)
        ]
    for which, part in rows:
        for name, value in part.by_name.items():
            if value or name == "succeed":
                low, high = wilson(value, part.n)
                lines.append(f"  {name + which:<10} {value:>7.2%}   {low:.2%} to {high:.2%}")
    for name, counts in cohort.reasons.items():
        told = ", ".join(f"{reason} {n:,}" for reason, n in counts.items())
        lines.append(f"  {name} ({cohort.reason_key}): {told}")
    lines += _durations(cohort)
    lines += _waits(cohort)
    return lines


def _durations(cohort: CohortFit) -> list[str]:
    sample = cohort.sample
    if cohort.pooled:
        head = f"  duration: {sample.n:.0f} are too few, so the law of all cohorts is taken"
    else:
        head = f"  duration: {sample.n:,.0f} seen, {sample.n_open:,.0f} censored"
        if cohort.median_seen is not None:
            head += f"; median seen {duration(cohort.median_seen)}"
        head += f", fitted {duration(cohort.best.law.median)}"
    lines = [head]
    if cohort.failing.steps > 1 or cohort.failing.step is not None:
        where = "any step" if cohort.failing.step is None else f"step {cohort.failing.step}"
        lines.append(f"  steps: {cohort.failing.steps}; what fails does so in {where}")
    for at, one in enumerate(cohort.fits):
        hang = f", hang {one.hang:.2%}" if one.hang else ""
        lines.append(
            f"  {'*' if at == 0 else ' '} {one.law.family:<12} AIC {one.aic:>12,.1f}   "
            f"{law_words(one.law)}{hang}"
        )
    if cohort.distance is not None and cohort.p is not None:
        lines.append(
            f"  fit: Kolmogorov-Smirnov distance {cohort.distance:.4f} from Kaplan-Meier's curve, "
            f"p = {cohort.p:.2f} (bootstrap of {cohort.tested:,})"
        )
    return lines


def _waits(cohort: CohortFit) -> list[str]:
    waits = cohort.waits
    if waits.quantiles is None:
        return []
    middle, most, nearly = (duration(q) for q in waits.quantiles)
    line = f"  queue wait: median {middle}, 90 % {most}, 99 % {nearly}"
    if waits.away is None:
        return [f"{line}; things are always there"]
    assert waits.stay is not None  # it comes with ``away``
    return [
        f"{line}; {waits.there:.1%} started at once",
        f"  presence: away {waits.away.family} {law_words(waits.away)}; "
        f"there {duration(waits.stay)} on average",
    ]


# ------------------------------------------------------------------------------- JSON


def as_json(fitted: Fitted) -> dict[str, Any]:
    """The whole report as plain values; times in seconds, shares from 0 to 1."""
    settings = fitted.settings
    return {
        "source": fitted.source,
        "executions": fitted.executions,
        "things": fitted.things,
        "jobs": fitted.jobs,
        "first_queued": moment(fitted.first),
        "observed_at": moment(fitted.seen_at),
        "settings": {
            "maximum_per_minute": settings.per_minute,
            "in_progress_timeout_minutes": settings.in_progress_minutes,
            "step_timeout_minutes": settings.step_minutes,
            "retries": settings.retries,
        },
        "cohorts": {cohort.name: _cohort_values(cohort) for cohort in fitted.cohorts},
        "notes": fitted.notes,
        "scenario": fitted.text,
    }


def _cohort_values(cohort: CohortFit) -> dict[str, Any]:
    waits = cohort.waits
    return {
        "things": cohort.things,
        "executions": cohort.executions,
        "statuses": cohort.statuses,
        "outcome": _shares(cohort.shares.by_name, cohort.shares.n),
        "outcome_by_attempt": [_shares(part.by_name, part.n) for part in cohort.by_attempt],
        "attempts_differ": cohort.apart,
        "reasons": cohort.reasons,
        "duration": {
            "seen": cohort.sample.n,
            "censored": cohort.sample.n_open,
            "pooled": cohort.pooled,
            "steps": cohort.failing.steps,
            "failing_step": cohort.failing.step,
            "families": [
                {
                    "family": one.law.family,
                    **one.law.numbers,
                    "hang": one.hang,
                    "aic": one.aic,
                }
                for one in cohort.fits
            ],
            "ks_distance": cohort.distance,
            "p_value": cohort.p,
            "bootstrap_of": cohort.tested,
        },
        "queue_wait": {
            "quantiles_50_90_99": waits.quantiles,
            "never_started": waits.waiting,
            "there": waits.there,
            "away": None
            if waits.away is None
            else {"family": waits.away.family, **waits.away.numbers},
            "stay": waits.stay,
        },
    }


def _shares(shares: dict[str, float], n: float) -> dict[str, Any]:
    return {
        name: {"share": value, "interval_90": list(wilson(value, n))}
        for name, value in shares.items()
    }
