"""Cohorts and chance: work plans, outcomes and network faults, drawn ahead with numpy.

Rule 1: nothing here depends on the order in which tasks happen to run: work is drawn per cohort in
        tables indexed by (thing, attempt); chance whose count is not known ahead comes from tables
        of 65 536 draws, indexed by a 64-bit mix of (seed, kind, thing, ordinal).
Rule 2: every duration is rounded to a whole millisecond at once, so that platforms agree.
        (A step is an equal part of its job's duration, fractions of a millisecond included.)
Rule 3: the API speaks seconds of scenario time.
Rule 4: no draw is longer than ``LONGEST_S``: the far tail of a wide lognormal ends there.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Loss = Literal["request", "reply"]
"""What a network may lose of an exchange."""

LONGEST_S: Final = 36_525 * 86_400
"""100 years: the longest duration there is. Far beyond any rollout, and far from where whole
milliseconds overflow 64 bits, which numpy does in silence."""

TABLE: Final = 65_536
_MASK: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of durations, in seconds.

    ``constant(a)``, ``uniform(a, b)`` from low to high, ``lognormal(a, b)`` by median and sigma.
    """

    kind: Literal["constant", "uniform", "lognormal"]
    a: float
    b: float = 0.0

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """``n`` durations in whole milliseconds."""
        if self.kind == "constant":
            seconds = np.full(n, self.a)
        elif self.kind == "uniform":
            seconds = rng.uniform(self.a, self.b, n)
        else:
            seconds = self.a * np.exp(self.b * rng.standard_normal(n))
        seconds = np.minimum(seconds, LONGEST_S)
        milliseconds: NDArray[np.int64] = np.rint(seconds * 1000).astype(np.int64)
        return milliseconds

    @property
    def takes_no_time(self) -> bool:
        """Whether every draw is 0."""
        return not (self.b if self.kind == "uniform" else self.a)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Shares (0 to 1) of what does not succeed."""

    fail: float = 0.0
    reject: float = 0.0
    hang: float = 0.0


class Outcome(IntEnum):
    """How one attempt at a job ends."""

    SUCCEED = 0
    FAIL = 1
    REJECT = 2
    HANG = 3


_OUTCOMES: Final = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Things that behave alike. ``duration`` is the whole job's, split evenly over ``steps``."""

    name: str
    things: int
    duration: Distribution = field(default_factory=lambda: Distribution("constant", 0.0))
    steps: int = 1
    step_timeout_minutes: int | None = None
    outcome: Outcomes = field(default_factory=Outcomes)


class WorkPlan(NamedTuple):
    """What one thing will do in one attempt; a fault happens in step ``fault_step`` (from 1)."""

    outcome: Outcome
    step_s: float
    steps: int
    fault_step: int
    step_timeout_minutes: int | None


@dataclass(frozen=True, slots=True)
class Network:
    """The things' network: round-trip latency, losses, and how things wait and come back."""

    latency: Distribution = field(default_factory=lambda: Distribution("constant", 0.0))
    lost_replies: float = 0.0
    lost_requests: float = 0.0
    reply_timeout: float = 10.0
    backoff_base: float = 1.0
    backoff_maximum: float = 60.0


class WorkTable:
    """The work plans of a whole fleet, a table of draws per cohort and attempt."""

    def __init__(self, cohorts: tuple[Cohort, ...], seed: int) -> None:
        self.cohorts = cohorts
        self._seed = seed
        self._starts = np.cumsum([0, *(cohort.things for cohort in cohorts)])
        self._attempts: dict[int, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = {}
        self._single = len(cohorts) == 1

    def __len__(self) -> int:
        return int(self._starts[-1])

    def names(self) -> list[str]:
        """Every thing's name, in order: ``{cohort}-{number within the cohort}``."""
        return [f"{cohort.name}-{i:06d}" for cohort in self.cohorts for i in range(cohort.things)]

    def cohort_of(self, thing: int) -> int:
        """The index of a thing's cohort."""
        if self._single:
            return 0
        return int(np.searchsorted(self._starts, thing, side="right")) - 1

    def plan(self, thing: int, attempt: int) -> WorkPlan:
        """What thing ``thing`` does in its attempt ``attempt`` (from 1)."""
        table = self._attempts.get(attempt)
        if table is None:
            table = self._attempts[attempt] = self._draw(attempt)
        durations, outcomes, faults = table
        cohort = self.cohorts[self.cohort_of(thing)]
        return WorkPlan(
            _OUTCOMES[outcomes[thing]],
            int(durations[thing]) / (1000 * cohort.steps),
            cohort.steps,
            int(faults[thing]),
            cohort.step_timeout_minutes,
        )

    def _draw(self, attempt: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """One table row per thing: duration (ms), outcome, faulty step."""
        total = len(self)
        durations = np.empty(total, np.int64)
        outcomes = np.empty(total, np.int8)
        faults = np.empty(total, np.int32)
        for at, cohort in enumerate(self.cohorts):
            part = slice(int(self._starts[at]), int(self._starts[at + 1]))
            rng = np.random.Generator(np.random.PCG64([self._seed, at, attempt]))
            durations[part] = cohort.duration.draw(rng, cohort.things)
            shares = cohort.outcome
            edges = np.cumsum([shares.fail, shares.reject, shares.hang])
            kinds = np.array([Outcome.FAIL, Outcome.REJECT, Outcome.HANG, Outcome.SUCCEED], np.int8)
            luck = rng.random(cohort.things)
            outcomes[part] = kinds[np.searchsorted(edges, luck, side="right")]
            faults[part] = rng.integers(1, cohort.steps, cohort.things, np.int32, endpoint=True)
        return durations, outcomes, faults


def _mix(a: int, b: int, c: int) -> int:
    """A 64-bit mix of three numbers (the finalizer of splitmix64)."""
    x = (a + b * 0x9E3779B97F4A7C15 + c * 0xD1B54A32D192ED03) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


class NetworkChance:
    """What the network does to exchange ``ordinal`` of a thing.

    One mix decides it all: its low 16 bits pick the latency, the other 48 whether something is
    lost.
    """

    def __init__(self, network: Network, seed: int) -> None:
        rng = np.random.Generator(np.random.PCG64([seed, 0x6E65]))
        self._latencies: list[float] = (network.latency.draw(rng, TABLE) / 1000).tolist()
        self._exchange_key, self._jitter_key = _mix(seed, 1, 0), _mix(seed, 2, 0)
        lost = network.lost_requests + (1 - network.lost_requests) * network.lost_replies
        self._lost_requests = int(network.lost_requests * 2**48)
        self._lost = int(lost * 2**48)
        self.quiet = not lost and not any(self._latencies)
        """Whether nothing ever happens: then nobody needs to ask."""

    def exchange(self, thing: int, ordinal: int) -> tuple[float, Loss | None]:
        """The round trip in seconds, and what of the exchange is lost on the way."""
        mix = _mix(self._exchange_key, thing, ordinal)
        luck = mix >> 16
        if luck >= self._lost:
            return self._latencies[mix & 0xFFFF], None
        return self._latencies[mix & 0xFFFF], "request" if luck < self._lost_requests else "reply"

    def jitter(self, thing: int, ordinal: int) -> float:
        """A number from 0 up to 1, rounded to a thousandth."""
        return (_mix(self._jitter_key, thing, ordinal) >> 40) % 1000 / 1000


def scale_cohorts(cohorts: tuple[Cohort, ...], things: int) -> tuple[Cohort, ...]:
    """The same cohorts in proportion, ``things`` in all (largest remainders are rounded up)."""
    total = sum(cohort.things for cohort in cohorts)
    shares = [cohort.things * things // total for cohort in cohorts]
    remainders = [cohort.things * things % total for cohort in cohorts]
    order = sorted(range(len(cohorts)), key=lambda at: (-remainders[at], at))
    for at in order[: things - sum(shares)]:
        shares[at] += 1
    return tuple(
        replace(cohort, things=share) for cohort, share in zip(cohorts, shares, strict=True)
    )


def ramp(per_s: float | None, things: int) -> list[float]:
    """When each thing starts, in seconds: thing i at i / rate, or all at once without a rate."""
    if per_s is None:
        return [0.0] * things
    offsets: list[float] = np.round(np.arange(things) / per_s, 3).tolist()
    return offsets
