"""Cohort by cohort: the law of the work, how it ends, how it waits; and how well that fits.

An execution's outcome is drawn first (succeed, fail, reject, hang), then its duration: of what
succeeds the law itself, of what fails the part of it up to the failing step. What is open when last
seen may be any of the three. So shares and law depend on each other; two rounds settle it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from simulator.errors import UsageError
from simulator.fit import shares as outcome_rates
from simulator.fit.censored import NO_OTHERS, Fit, Others, Sample, fit, p_value
from simulator.fit.cohorts import MOST, OTHER
from simulator.fit.executions import Execution
from simulator.fit.laws import Law
from simulator.fit.settings import Settings
from simulator.fit.shares import Shares
from simulator.fit.special import Floats
from simulator.fit.waits import Waits, fit_waits

ENOUGH: Final = 5
"""With fewer durations than these a cohort takes the law of all."""

STEPS: Final = (1, 2, 3, 4)
"""Numbers of steps that are tried where no version number shows it."""

WORTH: Final = 3.0
"""How much more likely the failures must be for another number of steps."""

MOST_STEPS: Final = 1000
RETRIED: Final = 30
"""Shares of a later attempt need so many executions."""


@dataclass(frozen=True, slots=True)
class Failing:
    """When what fails does: at the end of step ``step`` of ``steps``; None: in any of them."""

    steps: int = 1
    step: int | None = None

    @property
    def parts(self) -> list[float]:
        """The parts of the whole work after which it may fail."""
        chosen = range(1, self.steps + 1) if self.step is None else [self.step]
        return [step / self.steps for step in chosen]

    def upper(self, law: Law) -> Callable[[Floats], Floats]:
        """The tail of the durations of what fails."""

        def tail(t: Floats) -> Floats:
            found: Floats = np.mean([law.upper(t / part) for part in self.parts], axis=0)
            return found

        return tail


@dataclass(slots=True)
class CohortFit:
    """All that was found of one cohort."""

    name: str
    things: int
    executions: int
    statuses: dict[str, int]
    sample: Sample
    fits: list[Fit]
    pooled: bool
    """Whether its law is that of all cohorts, for want of durations."""
    failing: Failing
    shares: Shares
    by_attempt: list[Shares]
    apart: bool
    """Whether the attempts differ."""
    reason_key: str | None
    reasons: dict[str, dict[str, int]]
    """Of ``fail`` and of ``reject``, where any are told."""
    waits: Waits
    watched: Floats
    """How long each execution could have been watched."""
    hang_step: int | None = None
    away: float | None = None
    """After how many seconds what hung was back."""
    distance: float | None = None
    p: float | None = None
    tested: int = 0
    median_seen: float | None = None
    median_failed: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def best(self) -> Fit:
        """The law that was chosen."""
        return self.fits[0]


def by_cohort(
    executions: list[Execution], cohort_of: Callable[[str], str]
) -> dict[str, list[Execution]]:
    """Executions by cohort, in order of name, ``other`` last.

    Raises:
        UsageError: more cohorts than make sense.
    """
    found: dict[str, list[Execution]] = {}
    for execution in executions:
        found.setdefault(cohort_of(execution.thing), []).append(execution)
    if len(found) > MOST:
        raise UsageError(
            f"--by gives {len(found):,} cohorts, such as {', '.join(sorted(found)[:3])}; at most "
            f"{MOST} make sense"
        )
    return dict(sorted(found.items(), key=lambda item: (item[0] == OTHER, item[0])))


def durations(executions: list[Execution], resolution: float) -> Sample:
    """What ended well (or, if nothing did, what failed), and what was not seen to end."""
    lasted = [e.lasted for e in executions if e.status == "SUCCEEDED" and e.lasted is not None]
    if not lasted:
        lasted = [e.lasted for e in executions if e.status == "FAILED" and e.lasted is not None]
    return Sample.of(np.array(lasted, np.float64), _open(executions, np.inf), resolution)


def _open(executions: list[Execution], seen_at: float) -> Floats:
    """For how long what started and did not end by itself had lasted."""
    found = []
    for execution in executions:
        if execution.started is None:
            continue
        if execution.status == "IN_PROGRESS":
            if np.isfinite(seen_at):
                found.append(max(0.0, seen_at - execution.started))
        elif execution.status in ("TIMED_OUT", "CANCELED", "REMOVED"):
            found.append(execution.lasted or 0.0)
    return np.array(found, np.float64)


def estimate(
    name: str,
    executions: list[Execution],
    settings: Settings,
    seen_at: float,
    resolution: float,
    general: list[Fit] | None,
) -> CohortFit:
    """One cohort; ``general`` is the law of all, for a cohort that has too few durations."""
    counts = Counter(e.status for e in executions)
    open_ = _open(executions, seen_at)
    sample = durations(executions, resolution)
    sample = Sample.of(np.repeat(sample.ended, sample.counts.astype(int)), open_, resolution)
    failed = _lasted(executions, "FAILED") if counts["SUCCEEDED"] else np.empty(0)
    known = _steps(executions)
    failing, others = Failing(known or 1), NO_OTHERS
    pooled = sample.n < ENOUGH and general is not None
    fits = general if pooled and general is not None else fit(sample)
    hang = fits[0].hang > 0 or _hopeless(fits[0], open_)
    for _ in range(2):
        law = fits[0].law
        failing = _failing(law, failed, known, resolution)
        tails = (law.upper, failing.upper(law))
        found = _shares(executions, open_, tails, hang)
        if pooled or not len(failed) or not len(open_):
            break
        of_ended = found.fail / max(found.fail + found.succeed, 1e-12)
        others = Others(of_ended, failing.upper(law))
        fits = fit(sample, others)
        hang = fits[0].hang > 0 or _hopeless(fits[0], open_)
    law = fits[0].law
    tails = (law.upper, failing.upper(law))
    pooled_shares = _shares(executions, open_, tails, hang)
    by_attempt = _by_attempt(executions, seen_at, tails, hang)
    key, told = _reasons(executions)
    if settings.step_minutes is not None:
        failing = _with_step_timer(failing, known, settings)
    return CohortFit(
        name, len({e.thing for e in executions}), len(executions), dict(counts), sample, fits,
        pooled, failing, pooled_shares, by_attempt,
        outcome_rates.differ(pooled_shares, by_attempt), key, told,
        _waits(executions, seen_at, resolution), _watched(executions, settings, seen_at),
        _hang_step(executions, law, failing, settings), _away(executions),
        median_seen=_median(np.repeat(sample.ended, sample.counts.astype(int))),
        median_failed=_median(failed),
    )  # fmt: skip


def judge(cohort: CohortFit, seed: int, samples: int) -> None:
    """Add how well the law fits."""
    if cohort.pooled or cohort.sample.n < ENOUGH or cohort.best.law.family == "constant":
        return
    if samples:
        cohort.distance, cohort.p, cohort.tested = p_value(
            cohort.best, cohort.sample, cohort.watched, seed, samples
        )


# ------------------------------------------------------------------------------- parts


def _reasons(executions: list[Execution]) -> tuple[str | None, dict[str, dict[str, int]]]:
    """The key that tells why something failed (else: was rejected), and the reasons of both."""
    chosen, found = None, {}
    for name, status in (("fail", "FAILED"), ("reject", "REJECTED")):
        key, told = outcome_rates.reasons(e for e in executions if e.status == status)
        if told:
            chosen, found[name] = chosen or key, told
    return chosen, found


def _lasted(executions: list[Execution], status: str) -> Floats:
    lasted = [e.lasted for e in executions if e.status == status and e.lasted is not None]
    return np.array(lasted, np.float64)


def _median(values: Floats) -> float | None:
    return float(np.median(values)) if len(values) else None


def _hopeless(best: Fit, open_: Floats) -> bool:
    """Whether something is open that the law gives no chance to end."""
    return bool(len(open_)) and bool((best.law.upper(open_) < 1e-9).any())


def _steps(executions: list[Execution]) -> int | None:
    """Steps by version: 1 when queued, one more at the start, at each report, and at the end."""
    versions = [e.version for e in executions if e.status == "SUCCEEDED" and e.version is not None]
    if not versions:
        return None
    return min(max(1, int(np.median(versions)) - 2), MOST_STEPS)


def _failing(law: Law, failed: Floats, known: int | None, resolution: float) -> Failing:
    """The step in which executions fail under which their durations are the most likely."""
    plain = Failing(known or 1)
    if len(failed) < ENOUGH or law.median < 4 * resolution:
        return plain
    options = [
        Failing(steps, step)
        for steps in ([known] if known is not None else STEPS)
        for step in (None, *(range(1, steps + 1) if steps <= 20 else ()))
        if steps > 1 or step is None
    ]
    best, most = plain, -np.inf
    for option in options:
        gain = _gain(law, failed, option, resolution)
        if gain > most + (WORTH if np.isfinite(most) else 0.0):
            best, most = option, gain
    return best


def _gain(law: Law, failed: Floats, failing: Failing, resolution: float) -> float:
    half = resolution / 2
    mass = np.mean(
        [
            law.lower((failed + half) / part) - law.lower(np.maximum(failed - half, 0) / part)
            for part in failing.parts
        ],
        axis=0,
    )
    return float(np.log(np.maximum(mass, 1e-12)).sum())


def _shares(
    executions: list[Execution],
    open_: Floats,
    tails: tuple[outcome_rates.Tail, outcome_rates.Tail],
    hang: bool,
) -> Shares:
    counts = Counter(e.status for e in executions)
    return outcome_rates.estimate(
        counts["SUCCEEDED"], counts["FAILED"], counts["REJECTED"], open_, tails, hang
    )


def _by_attempt(
    executions: list[Execution],
    seen_at: float,
    tails: tuple[outcome_rates.Tail, outcome_rates.Tail],
    hang: bool,
) -> list[Shares]:
    """Shares of attempt 1, 2, … as far as there are enough; the last holds all later ones."""
    last = max((e.attempt for e in executions), default=1)
    found: list[Shares] = []
    for attempt in range(1, last + 1):
        exact = [e for e in executions if e.attempt == attempt]
        later = [e for e in executions if e.attempt > attempt]
        closes = sum(e.started is not None for e in later) < RETRIED
        chosen = [*exact, *later] if closes and attempt > 1 else exact
        part = _shares(chosen, _open(chosen, seen_at), tails, hang)
        if part.n < RETRIED and attempt > 1:
            break
        found.append(part)
        if closes and attempt > 1:
            break
    return found


def _with_step_timer(failing: Failing, known: int | None, settings: Settings) -> Failing:
    """A step timer starts with a report, so there are two steps at least.

    What hangs in the first step meets the in-progress timer only: its part is one in ``steps``.
    """
    if known is not None and known > 1:
        return failing
    whole = settings.timed_out - settings.at_step_timer
    steps = min(max(round(settings.timed_out / whole), 2), 10) if whole else 4
    if failing.step is None:
        return Failing(max(steps, failing.steps))
    return failing if failing.steps > 1 else Failing(steps, steps)


def _hang_step(
    executions: list[Execution], law: Law, failing: Failing, settings: Settings
) -> int | None:
    """Where all that hung had a step timer: the step in which it most probably did."""
    if settings.step_minutes is None or settings.at_step_timer < settings.timed_out:
        return None
    late = _lasted(executions, "TIMED_OUT")
    if not len(late) or failing.steps < 2:
        return None
    part = (float(np.median(late)) - settings.step_minutes * 60) / max(law.median, 1e-9)
    return min(max(2, 1 + round(part * failing.steps)), failing.steps)


def _away(executions: list[Execution]) -> float | None:
    """After how long things that timed out started their retry, if at least half did."""
    series = {(e.job, e.thing, e.number): e for e in executions}
    back, retried = [], 0
    for execution in executions:
        before = series.get((execution.job, execution.thing, execution.number - 1))
        if before is None or before.status != "TIMED_OUT" or execution.attempt == 1:
            continue
        retried += 1
        if execution.started is not None and before.started is not None:
            back.append(execution.started - before.started)
    return float(np.median(back)) if back and 2 * len(back) >= retried else None


def _waits(executions: list[Execution], seen_at: float, resolution: float) -> Waits:
    waits, still = [], []
    for execution in executions:
        if execution.attempt > 1 or execution.queued is None:
            continue
        if execution.started is not None:
            waits.append(max(0.0, execution.started - execution.queued))
        elif execution.status == "QUEUED":
            still.append(seen_at - execution.queued)
        elif execution.status == "REJECTED" and execution.updated is not None:
            waits.append(max(0.0, execution.updated - execution.queued))
        elif execution.updated is not None:
            still.append(execution.updated - execution.queued)
    return fit_waits(np.array(waits, np.float64), np.array(still, np.float64), resolution)


def _watched(executions: list[Execution], settings: Settings, seen_at: float) -> Floats:
    """How long each started execution could have been watched at most."""
    limit = np.inf if settings.in_progress_minutes is None else settings.in_progress_minutes * 60.0
    found = []
    for execution in executions:
        if execution.started is None or execution.status == "REJECTED":
            continue
        horizon = max(min(limit, seen_at - execution.started), 0.0)
        if execution.status in ("TIMED_OUT", "CANCELED", "REMOVED") and execution.lasted:
            horizon = min(horizon, execution.lasted)
        found.append(horizon)
    return np.array(found or [np.inf], np.float64)
