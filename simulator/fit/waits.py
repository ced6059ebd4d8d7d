"""Queue waits → presence: who is there starts at once, who is away starts on coming back.

What is assumed: a thing is there and away in turns, and a rollout finds it at any moment of that.
Then the wait of one that is away is the rest of an interval, whose density is S(t) / mean, S being
the tail of the law of the away times: so that law is found by maximum likelihood from waits alone.
A thing that has not started yet contributes the integral of that density beyond its wait so far.
How long things stay follows from the share that is there.

Rule 1: a wait of up to ``IMMEDIATE`` seconds is no absence; where all waits are so short, they are
        the network's latency (as far as timestamps have fractions of seconds).
Rule 2: first attempts only: a retry meets a thing that has just been there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np

from simulator.behaviour import LONGEST_S
from simulator.fit.censored import DISTINCT, Fit, Sample, fit, simplex
from simulator.fit.laws import LEAST, SEARCHED, Family, Law, law_at, start
from simulator.fit.special import Floats

IMMEDIATE: Final = 5.0
NOWHERE: Final = 1e300
"""What a law costs that no presence can have."""
FEW: Final = 0.005
"""A smaller share of late starts than this is not worth a pattern of presence."""


WIDE: Final = 1.0
"""Short waits that vary more than this (sigma of the logarithm) are not those of a network alone:
things that came up one after the other, say. Then their median stands for the latency."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How first attempts waited for their things."""

    started: int
    waiting: int
    """Those that had not started when last seen."""
    there: float
    """The share that started at once."""
    quantiles: tuple[float, float, float] | None
    """The median, 90 % and 99 % of the waits of those that started."""
    away: Law | None = None
    """How long things are away at a time; None: they are always there."""
    stay: float | None = None
    """How long they stay on average, in seconds."""
    latency: Law | None = None
    aic: tuple[tuple[str, float], ...] = ()


def fit_waits(waits: Floats, open_: Floats, resolution: float) -> Waits:
    """Presence from waits in seconds and from the waits so far of those that had not started."""
    late, still = waits[waits > IMMEDIATE], open_[open_ > IMMEDIATE]
    n = len(waits) + len(still)
    quantiles = None
    if len(waits):
        middle, most, nearly = np.quantile(waits, [0.5, 0.9, 0.99]).tolist()
        quantiles = (middle, most, nearly)
    there = (len(waits) - len(late)) / n if n else 1.0
    if n == 0 or (len(late) + len(still)) <= FEW * n or not len(late):
        latency = _latency(waits[waits <= IMMEDIATE], resolution)
        return Waits(len(waits), len(open_), there, quantiles, latency=latency)
    fits = sorted(_fits(late, still), key=lambda one: one.aic)
    away = fits[0].law
    share = max(there, 0.5 / n)
    stay = away.mean * share / (1 - share)
    aic = tuple((one.law.family, one.aic) for one in fits)
    return Waits(len(waits), len(open_), there, quantiles, away, stay, None, aic)


def _latency(waits: Floats, resolution: float) -> Law | None:
    if resolution >= 1 or not len(waits) or float(np.median(waits)) < 2 * resolution:
        return None
    sample = Sample.of(np.maximum(waits, resolution), np.empty(0), resolution)
    best = fit(sample)[0].law
    if best.family == "lognormal" and best.b <= WIDE:
        return best
    return Law("constant", float(np.median(waits)))


def _fits(late: Floats, still: Floats) -> list[Fit]:
    """Laws of the away times, by the likelihood of the waits beyond ``IMMEDIATE``."""
    step = max(1, len(late) // DISTINCT)
    late, weight = np.sort(late)[::step], float(step)

    def gain(law: Law) -> float:
        seen = np.log(np.maximum(law.upper(late), LEAST)) - log(law.mean)
        found = weight * float(seen.sum())
        if len(still):
            found += float(np.log(np.maximum(law.rest(still), LEAST)).sum())
        beyond = max(float(law.rest(np.array([IMMEDIATE]))[0]), LEAST)
        return found - (weight * len(late) + len(still)) * log(beyond)

    fits = []
    for family in SEARCHED:
        law = _searched(family, late, gain)
        if law is not None:
            fits.append(Fit(law, 0.0, gain(law), law.parameters))
    end = float(max(late.max(), still.max(initial=0.0))) * (1 + 1 / len(late))
    longest = Law("constant", min(end, LONGEST_S))
    fits.append(Fit(longest, 0.0, gain(longest), 1))
    return [one for one in fits if np.isfinite(one.log_likelihood)]


def _searched(family: Family, late: Floats, gain: Callable[[Law], float]) -> Law | None:
    """A family at its best; None: it is only where no presence can be."""
    # Beyond ``IMMEDIATE`` a law of tiny intervals with a huge tail may look like any other.
    shortest = max(1.0, float(late.mean()) / 10)

    def loss(point: Floats) -> float:
        law = law_at(family, point)
        if not shortest < law.mean < LONGEST_S:
            return NOWHERE
        return -gain(law)

    origin = start(family, late, np.ones_like(late))
    point, lost = simplex(loss, origin)
    return law_at(family, point) if lost < NOWHERE else None
