"""Families of durations: density, distribution, means, draws; and how a scenario writes them.

Exponential, Weibull and gamma are one formula, the generalised gamma: (T / scale)^power is
Gamma(shape), so each needs nothing of its own but which of its numbers are 1.

A law's ``size_biased`` is the distribution of lengths as an inspector meets them who comes at any
time: with it, the rest of an interval that is found open has a closed form (``waits.py``).
"""

from dataclasses import dataclass
from math import exp, lgamma, log, sqrt
from typing import Final, Literal

import numpy as np

from simulator.fit.special import Floats, lower_and_upper, normal_lower_and_upper

Family = Literal["lognormal", "gamma", "weibull", "exponential", "uniform", "constant"]

SEARCHED: Final[tuple[Family, ...]] = ("lognormal", "gamma", "weibull", "exponential")
"""Families whose likelihood is searched for its maximum; the other two have their ends."""

LEAST: Final = 1e-300
EULER: Final = 0.5772156649015329
NARROWEST: Final = 1000.0
"""The largest shape, as a scenario may say it."""


@dataclass(frozen=True, slots=True)
class Law:
    """One distribution of durations, in seconds.

    ``a`` and ``b``: lognormal median and sigma; gamma and weibull shape and scale; exponential
    mean; uniform low and high; constant value.
    """

    family: Family
    a: float
    b: float = 0.0

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return 1 if self.family in ("exponential", "constant") else 2

    @property
    def point(self) -> Floats:
        """Where ``law_at`` finds it."""
        return np.log([self.a, self.b][: self.parameters])

    @property
    def mean(self) -> float:
        """Its mean in seconds."""
        match self.family:
            case "lognormal":
                return self.a * exp(min(self.b * self.b / 2, 700))
            case "uniform":
                return (self.a + self.b) / 2
            case "constant":
                return self.a
            case _:
                shape, power, scale = self._gamma
                return scale * exp(min(lgamma(shape + 1 / power) - lgamma(shape), 700))

    @property
    def median(self) -> float:
        """Half of all durations are shorter."""
        low, high = 0.0, max(self.mean, 1e-9)
        while self.lower(np.array([high]))[0] < 0.5:
            high *= 2
        for _ in range(60):
            middle = (low + high) / 2
            if self.lower(np.array([middle]))[0] < 0.5:
                low = middle
            else:
                high = middle
        return high

    @property
    def _gamma(self) -> tuple[float, float, float]:
        """Shape, power and scale as a generalised gamma."""
        match self.family:
            case "gamma":
                return self.a, 1.0, self.b
            case "weibull":
                return 1.0, self.a, self.b
            case _:
                return 1.0, 1.0, self.a

    def log_density(self, t: Floats) -> Floats:
        """The logarithm of the density; minus infinity where there is none."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            match self.family:
                case "lognormal":
                    z = (np.log(t) - log(self.a)) / self.b
                    return -z * z / 2 - np.log(t) - log(self.b * sqrt(2 * np.pi))
                case "uniform":
                    inside = (t >= self.a) & (t <= self.b)
                    return np.where(inside, -log(self.b - self.a), -np.inf)
                case "constant":
                    return np.where(t == self.a, 0.0, -np.inf)
                case _:
                    shape, power, scale = self._gamma
                    y = np.log(t / scale)
                    return (
                        log(power) - log(scale) - lgamma(shape)
                        + (shape * power - 1) * y - np.exp(power * y)
                    )  # fmt: skip

    def lower(self, t: Floats) -> Floats:
        """The share of durations up to ``t``."""
        return self._both(t)[0]

    def upper(self, t: Floats) -> Floats:
        """The share of durations beyond ``t``."""
        return self._both(t)[1]

    def _both(self, t: Floats) -> tuple[Floats, Floats]:
        t = np.maximum(t, 0)
        with np.errstate(divide="ignore", over="ignore"):
            match self.family:
                case "lognormal":
                    return normal_lower_and_upper((np.log(t) - log(self.a)) / self.b)
                case "uniform":
                    share = np.clip((t - self.a) / (self.b - self.a), 0, 1)
                    return share, 1 - share
                case "constant":
                    reached = (t >= self.a).astype(np.float64)
                    return reached, 1 - reached
                case _:
                    shape, power, scale = self._gamma
                    return lower_and_upper(shape, (t / scale) ** power)

    def rest(self, t: Floats) -> Floats:
        """The share of intervals, found open at any time, whose rest is longer than ``t``.

        It is ∫ₜ^∞ S / mean = (1 - F₁(t)) - t S(t) / mean, with F₁ the size-biased distribution.
        """
        t = np.maximum(t, 0)
        with np.errstate(divide="ignore", over="ignore"):
            match self.family:
                case "lognormal":
                    z = (np.log(t) - log(self.a)) / self.b
                    beyond = normal_lower_and_upper(z - self.b)[1]
                case "constant":
                    return np.clip(1 - t / self.a, 0, 1)
                case "uniform":
                    width = self.b**2 - self.a**2
                    beyond = np.clip((self.b**2 - np.maximum(t, self.a) ** 2) / width, 0, 1)
                case _:
                    shape, power, scale = self._gamma
                    beyond = lower_and_upper(shape + 1 / power, (t / scale) ** power)[1]
        return np.clip(beyond - t * self.upper(t) / self.mean, 0, 1)

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """``n`` durations."""
        match self.family:
            case "lognormal":
                return self.a * np.exp(self.b * rng.standard_normal(n))
            case "uniform":
                return rng.uniform(self.a, self.b, n)
            case "constant":
                return np.full(n, self.a)
            case _:
                shape, power, scale = self._gamma
                return scale * rng.standard_gamma(shape, n) ** (1 / power)

    @property
    def numbers(self) -> dict[str, float]:
        """Its numbers by the names that a scenario gives them."""
        match self.family:
            case "lognormal":
                return {"median": self.a, "sigma": self.b}
            case "gamma":
                return {"mean": self.mean, "shape": self.a}
            case "weibull":
                return {"scale": self.b, "shape": self.a}
            case "exponential":
                return {"mean": self.a}
            case "uniform":
                return {"low": self.a, "high": self.b}
            case _:
                return {"value": self.a}


PURE_NUMBERS: Final = ("sigma", "shape")
"""The numbers that are no durations."""


def law_at(family: Family, point: Floats) -> Law:
    """The law of a searched family at a point of the search: logarithms of its numbers.

    Shapes and sigma stay within what a scenario may say, which keeps the expansions short too.
    """
    numbers = [float(number) for number in np.exp(np.clip(point, -60, 60))]
    match family:
        case "exponential":
            return Law(family, numbers[0])
        case "lognormal":
            return Law(family, numbers[0], min(max(numbers[1], 0.001), 10.0))
        case _:
            return Law(family, min(max(numbers[0], 0.01), NARROWEST), numbers[1])


def start(family: Family, t: Floats, weights: Floats) -> Floats:
    """Where to begin the search: by moments of what was seen to end (all above 0)."""
    mean = float(np.average(t, weights=weights))
    logs = np.log(t)
    middle = float(np.average(logs, weights=weights))
    spread = sqrt(max(float(np.average((logs - middle) ** 2, weights=weights)), 1e-8))
    match family:
        case "lognormal":
            return np.array([middle, log(spread)])
        case "weibull":
            shape = 1.2825 / spread
            return np.array([log(shape), middle + EULER / shape])
        case "gamma":
            variance = max(float(np.average((t - mean) ** 2, weights=weights)), mean**2 / NARROWEST)
            return np.array([log(mean**2 / variance), log(variance / mean)])
        case _:
            return np.array([log(mean)])
