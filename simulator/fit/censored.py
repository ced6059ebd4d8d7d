"""Maximum likelihood for durations of which some were not seen to end; and how well it fits.

What is assumed (a mixture cure model): of all executions a share ``hang`` never ends, the others
take a duration of one law. An execution that was given up or is still running after c seconds
contributes hang + (1 - hang) · S(c). So what timed out is counted as hung only as far as the tail
of the law does not explain it.

Rule 1: a duration is known to its ``resolution``. Where that matters (short ones), the likelihood
        is of the whole interval, so that whole seconds and zeros are no trouble.
Rule 2: equal durations are counted once, with a weight: a million executions in whole seconds are
        some thousand numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, log
from typing import Final

import numpy as np

from simulator.fit.laws import LEAST, SEARCHED, Family, Law, law_at, start
from simulator.fit.special import Floats

FINE: Final = 20
"""Durations of so many resolutions are as good as exact."""

DISTINCT: Final = 20_000
"""Beyond so many distinct durations they are rounded to four digits."""

TESTED: Final = 1_000
"""The bootstrap looks at so many executions at most: of a million, any test rejects any model."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Durations that were seen to end, and how long the others had lasted; with their counts."""

    ended: Floats
    counts: Floats
    open_: Floats
    open_counts: Floats
    resolution: float

    @classmethod
    def of(cls, ended: Floats, open_: Floats, resolution: float) -> "Sample":
        """A sample of single durations in seconds."""
        return cls(*_distinct(ended), *_distinct(open_), resolution)

    @property
    def n(self) -> float:
        """How many were seen to end."""
        return float(self.counts.sum())

    @property
    def n_open(self) -> float:
        """How many were not."""
        return float(self.open_counts.sum())


def _distinct(values: Floats) -> tuple[Floats, Floats]:
    found, counts = np.unique(np.round(values, 6), return_counts=True)
    if len(found) > DISTINCT:
        digits = 10.0 ** (np.floor(np.log10(np.maximum(found, 1e-6))) - 3)
        found, where = np.unique(np.round(found / digits) * digits, return_inverse=True)
        counts = np.bincount(where, counts)
    return found.astype(np.float64), counts.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Others:
    """Executions that end in another way than the one whose law is sought, at another pace.

    ``share`` of those that end do so by ``upper(c)`` surviving c seconds: part of what is open is
    theirs.
    """

    share: float = 0.0
    upper: Callable[[Floats], Floats] | None = None


NO_OTHERS: Final = Others()


@dataclass(frozen=True, slots=True)
class Fit:
    """One family at its best."""

    law: Law
    hang: float
    log_likelihood: float
    parameters: int

    @property
    def aic(self) -> float:
        """Akaike's criterion: the smaller, the better."""
        return 2 * self.parameters - 2 * self.log_likelihood


def log_likelihood(law: Law, hang: float, sample: Sample, others: Others = NO_OTHERS) -> float:
    """Of a law and a share of hung executions, given a sample."""
    total = float(sample.counts @ _log_ended(law, sample)) + sample.n * log(max(1 - hang, LEAST))
    if len(sample.open_):
        lasting = law.upper(sample.open_)
        if others.upper is not None:
            lasting = (1 - others.share) * lasting + others.share * others.upper(sample.open_)
        chance = hang + (1 - hang) * lasting
        total += float(sample.open_counts @ np.log(np.maximum(chance, LEAST)))
    return total if np.isfinite(total) else -inf


def _log_ended(law: Law, sample: Sample) -> Floats:
    t, half = sample.ended, sample.resolution / 2
    found = law.log_density(np.maximum(t, half / 2))
    coarse = t < FINE * sample.resolution
    if coarse.any():
        low, high = np.maximum(t[coarse] - half, 0), t[coarse] + half
        mass = law.lower(high) - law.lower(low)
        found[coarse] = np.log(np.maximum(mass, LEAST)) - np.log(high - low)
    return found


def fit(sample: Sample, others: Others = NO_OTHERS) -> list[Fit]:
    """Every family at its best, the best by AIC first; ``sample`` has something that ended.

    Durations that are all the same (to their resolution) are a constant, and nothing else is tried.
    """
    low, high = float(sample.ended[0]), float(sample.ended[-1])
    if high - low <= 2 * sample.resolution:
        middle = float(np.average(sample.ended, weights=sample.counts))
        law = Law("constant", round(middle / sample.resolution) * sample.resolution)
        late = float(sample.open_counts[sample.open_ > high].sum())
        return [Fit(law, late / (sample.n + late) if late else 0.0, 0.0, 1 + bool(late))]
    fits = [fit_family(family, sample, others) for family in SEARCHED]
    fits.append(_uniform(sample, others))
    return sorted(fits, key=lambda one: one.aic)


def fit_family(family: Family, sample: Sample, others: Others = NO_OTHERS) -> Fit:
    """One family at its best, without hung executions or, where AIC prefers it, with some."""
    if family == "uniform":
        return _uniform(sample, others)
    if family == "constant":
        return fit(sample, others)[0]
    t = np.maximum(sample.ended, sample.resolution / 4)
    origin = start(family, t, sample.counts)

    found, lost = simplex(_plain_loss(family, sample, others), origin)
    plain = Fit(law_at(family, found), 0.0, -lost, len(origin))
    if not len(sample.open_):
        return plain
    return _mixed(family, sample, others, plain, found, origin)


def _mixed(
    family: Family, sample: Sample, others: Others, plain: Fit, found: Floats, origin: Floats
) -> Fit:
    loss = _mixed_loss(family, sample, others)
    best = plain
    share = min(max(sample.n_open / (sample.n + sample.n_open), 1e-6), 1 - 1e-6)
    for begin, guess in ((origin, share), (found, share / 10)):
        point, lost = simplex(loss, np.append(begin, log(guess / (1 - guess))))
        mix = Fit(law_at(family, point[:-1]), _share(point[-1]), -lost, len(origin) + 1)
        if mix.aic < best.aic:
            best = mix
    return best


def _plain_loss(family: Family, sample: Sample, others: Others) -> Callable[[Floats], float]:
    """The loss at a point of the search, where nothing hangs."""

    def loss(point: Floats) -> float:
        return -log_likelihood(law_at(family, point), 0.0, sample, others)

    return loss


def _mixed_loss(family: Family, sample: Sample, others: Others) -> Callable[[Floats], float]:
    """The loss at a point that has the share of hung executions as its last coordinate."""

    def loss(point: Floats) -> float:
        law, hang = law_at(family, point[:-1]), _share(point[-1])
        return -log_likelihood(law, hang, sample, others)

    return loss


def _share(logit: float) -> float:
    return 1 / (1 + exp(-min(max(float(logit), -40), 40)))


def _refit(best: Fit, sample: Sample) -> Fit:
    """The same model at its best for a sample like the one that it was fitted to."""
    family = best.law.family
    if family not in SEARCHED:
        return fit_family(family, sample)
    point = best.law.point
    loss = _plain_loss(family, sample, NO_OTHERS)
    if best.hang:
        point = np.append(point, log(best.hang / (1 - best.hang)))
        loss = _mixed_loss(family, sample, NO_OTHERS)
    found, value = _descend(loss, point, 0.1, 1e-4)
    hang = _share(found[-1]) if best.hang else 0.0
    return Fit(law_at(family, found[: len(best.law.point)]), hang, -value, best.parameters)


def _uniform(sample: Sample, others: Others) -> Fit:
    """From the shortest to the longest; whatever lasted longer than that hangs."""
    low, high = float(sample.ended[0]), float(sample.ended[-1])
    if sample.ended[0] < FINE * sample.resolution:
        low = max(0.0, low - sample.resolution / 2)
    law = Law("uniform", low, high)
    late = float(sample.open_counts[sample.open_ >= high].sum())
    hang = late / (sample.n + sample.n_open)
    return Fit(law, hang, log_likelihood(law, hang, sample, others), 2 + bool(late))


def simplex(loss: Callable[[Floats], float], origin: Floats) -> tuple[Floats, float]:
    """The least of ``loss`` near ``origin``, by Nelder and Mead's simplex; and where it is.

    It begins anew from where it ended until that gains nothing: a simplex may collapse.
    """
    best, least = origin, loss(origin)
    for size in (0.5, 0.1, 0.1):
        found, value = _descend(loss, best, size)
        gained, best, least = least - value, found, min(value, least)
        if gained < 1e-6:
            break
    return best, least


def _descend(
    loss: Callable[[Floats], float], origin: Floats, size: float, enough: float = 1e-9
) -> tuple[Floats, float]:
    n = len(origin)
    corners = [origin, *(origin + size * row for row in np.eye(n))]
    ranked = sorted(((loss(p), at, p) for at, p in enumerate(corners)), key=lambda c: c[:2])
    fresh = n + 1
    for _ in range(200 * n):
        if ranked[-1][0] - ranked[0][0] < max(enough, 1e-12 * abs(ranked[0][0])):
            break
        middle = np.mean([c[2] for c in ranked[:-1]], axis=0)
        worst = ranked[-1]
        away = middle - worst[2]
        point, value = middle + away, loss(middle + away)
        if value < ranked[0][0]:
            farther = loss(middle + 2 * away)
            if farther < value:
                point, value = middle + 2 * away, farther
        elif value >= ranked[-2][0]:
            side = 0.5 if value < worst[0] else -0.5
            point, value = middle + side * away, loss(middle + side * away)
            if value >= worst[0]:
                near = ranked[0][2]
                shrunk = [(near + c[2]) / 2 for c in ranked[1:]]
                ranked[1:] = [(loss(p), fresh + at, p) for at, p in enumerate(shrunk)]
                fresh += n
                ranked.sort(key=lambda c: c[:2])
                continue
        ranked[-1] = (value, fresh, point)
        fresh += 1
        ranked.sort(key=lambda c: c[:2])
    return ranked[0][2], ranked[0][0]


# ------------------------------------------------------------------------------- goodness of fit


def kaplan_meier(sample: Sample) -> tuple[Floats, Floats]:
    """Times at which executions ended, and the share that had ended by then."""
    before = np.searchsorted(sample.open_, sample.ended, side="left")
    opened = np.concatenate([[0.0], np.cumsum(sample.open_counts)])[before]
    ended = np.concatenate([[0.0], np.cumsum(sample.counts)[:-1]])
    at_risk = sample.n + sample.n_open - opened - ended
    return sample.ended, 1 - np.cumprod(1 - sample.counts / at_risk)


def distance(law: Law, hang: float, sample: Sample) -> float:
    """Kolmogorov and Smirnov's: the farthest that Kaplan and Meier's curve is from the model."""
    times, seen = kaplan_meier(sample)
    half = sample.resolution / 2
    said = (1 - hang) * law.lower(times + half), (1 - hang) * law.lower(times - half)
    before = np.concatenate([[0.0], seen[:-1]])
    above = np.maximum(seen - said[0], said[0] - seen)
    below = np.maximum(before - said[1], said[1] - before)
    return float(max(above.max(), below.max()))


def p_value(
    best: Fit, sample: Sample, horizons: Floats, seed: int, samples: int
) -> tuple[float, float, int]:
    """Distance, how often the model itself gives a larger one, and of how many executions.

    ``horizons`` are how long each execution could have been watched (its timeout, or until the
    observation): one per execution. Each bootstrap sample is drawn from the model, cut off there,
    and fitted anew.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 0xF17]))
    seen, whole = sample, distance(best.law, best.hang, sample)
    n = round(sample.n + sample.n_open)
    if n > TESTED:
        pick = np.sort(rng.permutation(n)[:TESTED])
        each = np.repeat(sample.ended, sample.counts.astype(int))
        still = np.repeat(sample.open_, sample.open_counts.astype(int))
        ended, open_ = each[pick[pick < len(each)]], still[pick[pick >= len(each)] - len(each)]
        if len(ended) > 1:
            seen, n = Sample.of(ended, open_, sample.resolution), TESTED
            best = _refit(best, seen)
    observed = distance(best.law, best.hang, seen)
    larger = 0
    for _ in range(samples):
        limits = rng.choice(horizons, n)
        t = np.where(rng.random(n) < best.hang, inf, best.law.draw(rng, n))
        t = np.where(np.isfinite(t), np.round(t / seen.resolution) * seen.resolution, t)
        ended, open_ = t[t <= limits], limits[t > limits]
        if len(ended) < 2:
            continue
        again = Sample.of(ended, open_, seen.resolution)
        refit = _refit(best, again)
        larger += distance(refit.law, refit.hang, again) >= observed
    return whole, (larger + 1) / (samples + 1), n
