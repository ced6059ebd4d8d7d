"""Cohorts: things that behave alike, what they do with a job, and which of them are meant.

A thing has the attributes of its cohort (with ``cohort`` itself among them) and, where those leave
a choice, its own seeded draw of it. ``Selection`` speaks of things by their attributes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from simulator.behaviour.agents import Agent
from simulator.behaviour.distributions import Distribution
from simulator.behaviour.network import Network
from simulator.behaviour.presence import ALWAYS, Presence
from simulator.behaviour.selections import EVERYTHING, Selection


@dataclass(frozen=True, slots=True)
class Fate:
    """One way in which an attempt may end, or what befalls it on the way.

    ``shares`` (0 to 1) are by attempt, the last one for all later attempts too. ``reasons`` are
    (reason, weight) pairs: the reason stands in statusDetails. ``step`` (from 1) is where it
    happens; None: in one of the steps, each equally likely. ``away`` is how long the thing is gone
    (hang: until a watchdog restarts it; vanish and reboot: without power); None: for ever.
    """

    shares: tuple[float, ...] = (0.0,)
    reasons: tuple[tuple[str, float], ...] = ()
    step: int | None = None
    away: Distribution | None = None

    def share(self, attempt: int) -> float:
        """The share in an attempt (from 1)."""
        return self.shares[min(attempt, len(self.shares)) - 1]


NEVER = Fate()


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How attempts end. The first six exclude each other in an attempt; the rest succeeds.

    ``hang``: the agent stops in a step and never reports again. ``vanish``: the thing loses power
    in a step, and what it knew; back again, it begins the execution anew. ``reboot``: it restarts
    in a step, comes back and resumes where it was. ``slow``: it takes ``slow_factor`` times as
    long, and ends well. ``duplicated`` and ``out_of_order`` are shares of progress reports that
    the agent itself sends twice, or after the one that follows.
    """

    fail: Fate = NEVER
    reject: Fate = NEVER
    hang: Fate = NEVER
    vanish: Fate = NEVER
    reboot: Fate = NEVER
    slow: Fate = NEVER
    slow_factor: float = 5.0
    duplicated: float = 0.0
    out_of_order: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the work."""

    duration: Distribution
    name: str = ""
    timeout_minutes: int | None = None
    """``stepTimeoutInMinutes`` of the report that begins it."""


def _no_time() -> Distribution:
    return Distribution("constant", 0.0)


@dataclass(frozen=True, slots=True)
class Work:
    """What a thing does with an execution: ``duration`` split evenly over ``steps``, or ``each``.

    Each step but the last ends in a progress report, as far as the agent makes any.
    """

    duration: Distribution = field(default_factory=_no_time)
    steps: int = 1
    step_timeout_minutes: int | None = None
    each: tuple[Step, ...] = ()
    """Steps with durations of their own; then ``steps`` is their number."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Things that behave alike.

    ``attributes``: name → (value, weight) pairs, of which each thing draws one.
    ``time_zone`` is an IANA name: its presence follows the local day.
    """

    name: str
    things: int
    work: Work = field(default_factory=Work)
    outcome: Outcomes = field(default_factory=Outcomes)
    agent: Agent = field(default_factory=Agent)
    presence: Presence = ALWAYS
    attributes: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    time_zone: str = "UTC"
    network: Network | None = None
    """A network of its own, without partitions and storms; None: the scenario's."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Correlated failure: the selected things have other outcomes than their cohorts."""

    name: str
    where: Selection
    outcome: Outcomes


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job of a scenario: when it is created, for whom, and what it asks of them.

    ``work`` and ``outcome`` are the job's own; None: the cohort's.
    """

    job_id: str
    at: float = 0.0
    targets: Selection = EVERYTHING
    work: Work | None = None
    outcome: Outcomes | None = None
    group: str = ""
    """Jobs of one name here have their thing group in common; else each has its own."""

    @property
    def home(self) -> str:
        """What its thing group is named after."""
        return self.group or self.job_id


def in_proportion(weights: Sequence[float], things: int) -> list[int]:
    """``things`` split by weight (largest remainders are rounded up, the first of equals)."""
    exact = [Fraction(weight) for weight in weights]
    total = sum(exact)
    parts = [weight * things / total for weight in exact]
    shares = [int(part) for part in parts]
    order = sorted(range(len(parts)), key=lambda at: (shares[at] - parts[at], at))
    for at in order[: things - sum(shares)]:
        shares[at] += 1
    return shares


def scale_cohorts(cohorts: tuple[Cohort, ...], things: int) -> tuple[Cohort, ...]:
    """The same cohorts in proportion, ``things`` in all."""
    shares = in_proportion([cohort.things for cohort in cohorts], things)
    return tuple(
        replace(cohort, things=share) for cohort, share in zip(cohorts, shares, strict=True)
    )


def ramp(per_s: float | None, things: int) -> list[float]:
    """When each thing starts, in seconds: thing i at i / rate, or all at once without a rate."""
    if per_s is None:
        return [0.0] * things
    offsets: list[float] = np.round(np.arange(things) / per_s, 3).tolist()
    return offsets
