"""What follows from a forecast: whether abort can trip, and which setting is the bottleneck."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from simulator.explain.arithmetic import decoded, several
from simulator.explain.forecast import Forecast, Scale, middle
from simulator.jobs.quotas import DATA_PLANE_PER_S
from simulator.scenario import Scenario

NOTICEABLE: Final = 0.02
"""A change of the elapsed time below this share of it is none."""


@dataclass(frozen=True, slots=True)
class AbortChance:
    """One abort criterion."""

    failure_type: str
    threshold: float
    """Percent."""
    minimum: int
    expected: float
    """The share of executions (0 to 1) that end so, as far as is to be expected."""
    at_the_minimum: float
    """The chance that it holds just when ``minimum`` executions have ended (binomial)."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A setting, and the elapsed time if it were twice or half of what it is."""

    setting: Literal["rollout rate", "ramp", "work duration", "in-progress timeout", "step timeout"]
    now: str
    doubled: Forecast
    halved: Forecast
    better: Literal["doubled", "halved"]
    """Which of them could shorten the rollout."""

    @property
    def improved(self) -> Forecast:
        """The better one of the two."""
        return self.doubled if self.better == "doubled" else self.halved


@dataclass(frozen=True, slots=True)
class Findings:
    """All of it."""

    forecast: Forecast
    low_s: float
    high_s: float
    """When the job ends by itself, over the forecasts' seeds: soonest and latest."""
    seeds: int
    abort_chance: float
    """The share of the forecasts in which a criterion comes to hold."""
    aborts: tuple[AbortChance, ...]
    what_ifs: tuple[WhatIf, ...]
    bottleneck: str
    why: str
    saves_s: float
    """What changing it saves; 0 where that is not a matter of time."""


def find(scenario: Scenario, seed: int) -> Findings:
    """Forecast a scenario, as it is and with its settings changed."""
    forecasts = several(scenario, seed)
    now = middle(forecasts)
    changed = tuple(_what_ifs(scenario, seed))
    bottleneck, why, saves_s = _bottleneck(now, changed)
    return Findings(
        forecast=now,
        low_s=min(one.ends_s for one in forecasts),
        high_s=max(one.ends_s for one in forecasts),
        seeds=len(forecasts),
        abort_chance=sum(one.aborts_s is not None for one in forecasts) / len(forecasts),
        aborts=tuple(_abort_chances(scenario, forecasts)),
        what_ifs=changed,
        bottleneck=bottleneck,
        why=why,
        saves_s=saves_s,
    )


# ------------------------------------------------------------------------------- abort


def _abort_chances(scenario: Scenario, forecasts: list[Forecast]) -> Iterator[AbortChance]:
    abort = decoded(scenario).abort
    if abort is None:
        return
    for criterion in abort.criteria_list:
        kinds = (
            ("FAILED", "REJECTED", "TIMED_OUT")
            if criterion.failure_type == "ALL"
            else (criterion.failure_type,)
        )
        shares = [_share(one, kinds) for one in forecasts]
        share = sum(shares) / len(shares)
        minimum = criterion.min_number_of_executed_things
        needed = math.ceil(criterion.threshold_percentage * minimum / 100 - 1e-9)
        yield AbortChance(
            failure_type=criterion.failure_type,
            threshold=criterion.threshold_percentage,
            minimum=minimum,
            expected=share,
            at_the_minimum=_at_least(needed, minimum, share) if minimum <= scenario.things else 0.0,
        )


def _share(forecast: Forecast, kinds: tuple[str, ...]) -> float:
    """Of all attempts that end, those that end in one of these ways."""
    ended = sum(
        attempt["share"] * sum(v for name, v in attempt.items() if name in _TERMINAL)
        for attempt in forecast.attempts
    )
    so = sum(
        attempt["share"] * sum(attempt.get(kind, 0.0) for kind in kinds)
        for attempt in forecast.attempts
    )
    return so / ended if ended else 0.0


_TERMINAL: Final = {"SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT"}


def _at_least(needed: int, n: int, p: float) -> float:
    """The chance of ``needed`` or more of ``n`` with chance ``p`` each."""
    if needed <= 0:
        return 1.0
    if needed > n or p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    if n > 100_000:  # where the normal distribution is as good
        z = (needed - 0.5 - n * p) / math.sqrt(n * p * (1 - p))
        return math.erfc(z / math.sqrt(2)) / 2
    total = math.fsum(
        math.exp(
            math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(p) + (n - k) * math.log1p(-p)
        )
        for k in range(needed, n + 1)
    )  # fmt: skip
    return min(1.0, total)


# ------------------------------------------------------------------------------- what if


def _what_ifs(scenario: Scenario, seed: int) -> Iterator[WhatIf]:
    job, load = decoded(scenario), scenario.load

    def of(**factor: float) -> Forecast:
        return middle(several(scenario, seed, Scale(**factor), 8))

    rate = job.rollout.maximum_per_minute or 1000
    growing = job.rollout.exponential_rate
    said = f"{rate}/min" if growing is None else f"{growing.base_rate_per_minute} to {rate}/min"
    yield WhatIf("rollout rate", said, of(rate=2.0), of(rate=0.5), "doubled")
    if load.ramp is not None:
        yield WhatIf("ramp", f"{load.ramp:g}/s", of(ramp=2.0), of(ramp=0.5), "doubled")
    yield WhatIf("work duration", "as drawn", of(work=2.0), of(work=0.5), "halved")
    timer = job.timeout.in_progress_timeout_in_minutes
    if timer is not None:
        doubled, halved = of(in_progress_timeout=2.0), of(in_progress_timeout=0.5)
        yield WhatIf("in-progress timeout", f"{timer}m", doubled, halved, "halved")
    timers = sorted(
        {
            minutes
            for cohort in scenario.cohorts()
            for minutes in (
                cohort.work.step_timeout_minutes,
                *(step.timeout_minutes for step in cohort.work.each),
            )
            if minutes is not None
        }
    )
    if timers:
        said = "m, ".join(map(str, timers)) + "m"
        yield WhatIf("step timeout", said, of(step_timeout=2.0), of(step_timeout=0.5), "halved")


def _bottleneck(now: Forecast, what_ifs: tuple[WhatIf, ...]) -> tuple[str, str, float]:
    """The setting that costs the most time, why it does, and the seconds."""
    if now.writes / DATA_PLANE_PER_S > 0.9 * now.elapsed_s > 0:
        why = (
            f"{now.writes:,.0f} writes take {now.writes / DATA_PLANE_PER_S:,.0f} s at AWS's "
            f"{DATA_PLANE_PER_S} per second"
        )
        return "quota", why, 0.0
    if now.aborts_s is not None:
        why = "an abort criterion comes to hold: nothing else matters until it does not"
        return "abort", why, 0.0
    if now.stuck:
        why = (
            f"{now.stuck:.1%} of things never end: they hang or are gone, and no timer ends them "
            "(timeoutConfig.inProgressTimeoutInMinutes), or a retry waits for them"
        )
        return "timeout", why, 0.0
    if math.isinf(now.ends_s):
        return "nothing", "the job never ends by itself: it is CONTINUOUS", 0.0
    most, best = max(
        ((now.ends_s - one.improved.ends_s, one) for one in what_ifs), key=lambda pair: pair[0]
    )
    if most < NOTICEABLE * now.ends_s:
        return "nothing", "no setting alone makes it noticeably shorter", 0.0
    return best.setting, f"{best.better}, {in_words(most, now.ends_s)}", most


def in_words(saves_s: float, of_s: float) -> str:
    """What a change saves."""
    return f"the rollout takes {saves_s:,.0f} s less ({saves_s / of_s:.0%} of {of_s:,.0f} s)"
