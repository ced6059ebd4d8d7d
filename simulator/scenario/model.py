"""The scenario file as pydantic models, which become plain values of lower floors.

Units are parsed here, so each error has a line. Descriptions are what ``jobfleet schema`` shows.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from simulator import behaviour
from simulator.behaviour.arrivals import MOST
from simulator.errors import UsageError
from simulator.expectations import Expectation
from simulator.scenario import units
from simulator.scenario.arrivals import MOST_JOBS, ArrivalsPart, JobArrivalsPart
from simulator.scenario.expecting import parse_expectation
from simulator.scenario.fleet import BatchPart, CohortPart, Things
from simulator.scenario.incidents import IncidentPart
from simulator.scenario.job import as_request
from simulator.scenario.network import NetworkPart
from simulator.scenario.outcomes import OutcomeShares, Work
from simulator.scenario.quantities import NO_TRUTH, Duration, Part, PositiveDuration, Rate
from simulator.scenario.selectors import Selector


class LoadPart(Part):
    """How the fleet comes up, and when the run ends at the latest."""

    ramp: Rate | None = Field(None, description="Things started per second; all at once if absent.")
    time_scale: Annotated[float, Field(gt=0, le=100_000), NO_TRUTH] = Field(
        1.0, description="Live runs: scenario seconds per wall second, for work and timers."
    )
    until: PositiveDuration = Field(
        86_400.0, description="The run's end in scenario time, if not sooner."
    )
    max_slip: Duration = Field(0.25, description="p99 schedule slip above which exit code is 4.")
    budget: Rate | None = Field(
        None, description="Requests per second of the run's clock, of the whole fleet, at the most."
    )
    updates: ArrivalsPart | None = Field(
        None, description="Open load: when reports are due, instead of when work is done."
    )
    jobs: JobArrivalsPart | None = Field(
        None, description="Jobs arrive over time: job is what each is made of."
    )

    @model_validator(mode="after")
    def _some_arrive(self) -> "LoadPart":
        for name, part, most in (("jobs", self.jobs, MOST_JOBS), ("updates", self.updates, MOST)):
            if part is None:
                continue
            expected = part.plain().expected(self.until)
            if expected > most:
                raise ValueError(
                    f"{expected:,.0f} {name} arrive until load.until; at most {most:,}"
                )
            if not expected:
                raise ValueError(f"no {name} arrive before load.until")
        return self


DEFAULT_SEED: Final = 1
OF_JOBS: Final = 1
"""Tells the chance of jobs that arrive from that of updates."""

DRAWS: Final = 8
"""How often the share of jobs that arrive is drawn, before it begins anew: AWS lets a thing be in
ten groups."""

MOST_OF_AN_ID: Final = 59
"""Characters of a job's id that jobs which arrive have a number behind; AWS takes 64."""

DEFAULT_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


LATEST_YEAR: Final = 9800
"""The last in which a scenario may begin: its end, 100 years on, must have a date too."""


def epoch_of(value: object) -> datetime:
    """When a simulated day begins, in UTC, in whole seconds; raises ValueError."""
    wrong = f"{units.shown(str(value))} is no time; write for example 2026-01-01T00:00:00Z"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(wrong) from None
    if not isinstance(value, datetime):
        raise ValueError(wrong)
    try:
        at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # before the year 1 or after 9999, once its offset is taken off
        raise ValueError(wrong) from None
    if at.year > LATEST_YEAR:
        raise ValueError(f"{at:%Y-%m-%d} is too late; the last year is {LATEST_YEAR}")
    return at.replace(microsecond=0)


Epoch = Annotated[
    datetime,
    BeforeValidator(epoch_of),
    PlainSerializer(lambda at: at.isoformat().replace("+00:00", "Z")),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


@lru_cache(maxsize=4)
def _job_times(arrivals: behaviour.Arrivals, until: float, seed: int) -> tuple[float, ...]:
    """When jobs arrive; asked again and again, and always the same."""
    return tuple(np.round(arrivals.due(until, seed, OF_JOBS), 3).tolist())


class JobPart(Selector):
    """One of several jobs: when it is created, for whom, and what it asks of them."""

    create: dict[str, Any] = Field(
        description="AWS's CreateJob request (document may be a mapping), or {file: NAME}."
    )
    at: Duration = Field(0.0, description="When it is created, in scenario time.")
    work: Work | None = Field(None, description="What things do with it; the cohorts' if absent.")
    outcome: OutcomeShares | None = Field(
        None, description="How attempts at it end; the cohorts' if absent."
    )

    @property
    def job_id(self) -> str:
        """The job's id."""
        return str(self.create["jobId"])

    def plain(self) -> behaviour.JobPlan:
        """As a plain value."""
        return behaviour.JobPlan(
            self.job_id,
            self.at,
            self.selection(self.job_id),
            None if self.work is None else self.work.plain(),
            None if self.outcome is None else self.outcome.plain(),
        )


class Scenario(Part):
    """A question about a rollout: fleet, network, jobs, load, and what is expected."""

    epoch: Epoch = Field(DEFAULT_EPOCH, description="When the simulated day begins.")
    seed: Annotated[int, Field(ge=0, lt=2**63), NO_TRUTH] | None = Field(
        None, description="Of all chance; --seed wins, 1 is the default."
    )
    quotas: Literal["none", "aws"] = Field(
        "none", description="aws: the service throttles and limits as AWS does by default."
    )
    whole: Things | None = Field(
        None,
        alias="things",
        description="How many things the fleet has, where cohorts have weights.",
    )
    fleet: Annotated[list[CohortPart], Field(min_length=1)]
    batch_parts: Annotated[list[BatchPart], Field(min_length=1)] | None = Field(
        None,
        alias="batches",
        description="Correlated failure: things with other outcomes than their cohorts.",
    )
    network: NetworkPart = NetworkPart()
    job: dict[str, Any] | None = Field(
        None, description="AWS's CreateJob request (document may be a mapping), or {file: NAME}."
    )
    job_parts: Annotated[list[JobPart], Field(min_length=1)] | None = Field(
        None, alias="jobs", description="Several jobs, instead of one."
    )
    service: Annotated[list[IncidentPart], Field(min_length=1)] | None = Field(
        None, description="What happens to the service."
    )
    load: LoadPart = LoadPart()
    expect: dict[str, str] = Field(
        default={},
        description="A number of the summary, or NAME[COHORT, FROM..UNTIL]: an operator and a "
        "value, or a value where the operator is plain.",
    )

    @field_validator("fleet")
    @classmethod
    def _distinct(cls, fleet: list[CohortPart]) -> list[CohortPart]:
        names = [cohort.cohort for cohort in fleet]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"cohort {twice[0]!r} stands here twice; names must differ")
        return fleet

    @model_validator(mode="after")
    def _some_job(self) -> "Scenario":
        if self.job is None and self.job_parts is None:
            raise ValueError("the key 'job' is missing (or jobs, where there are several)")
        return self

    @model_validator(mode="after")
    def _arriving_jobs(self) -> "Scenario":
        if self.load.jobs is None:
            return self
        if self.job is None or self.job_parts is not None:
            raise ValueError("load.jobs makes jobs of 'job'; leave out jobs")
        if len(str(self.job["jobId"])) > MOST_OF_AN_ID:
            raise ValueError(
                f"load.jobs puts a number behind job.jobId, which may have {MOST_OF_AN_ID} "
                "characters then"
            )
        return self

    # ----------------------------------------------------------------------- plain values

    def counts(self) -> tuple[int, ...]:
        """Things by cohort, in the file's order; a weight may be too small for one."""
        fixed = [cohort.things or 0 for cohort in self.fleet]
        weights = [0.0 if cohort.things else cohort.weight or 0.0 for cohort in self.fleet]
        left = (self.whole or 0) - sum(fixed)
        if left <= 0 or not sum(weights):
            return tuple(fixed)
        return tuple(
            one + part
            for one, part in zip(fixed, behaviour.in_proportion(weights, left), strict=True)
        )

    @property
    def things(self) -> int:
        """How many things the fleet has."""
        return sum(self.counts())

    @property
    def epoch_s(self) -> float:
        """The epoch in Unix seconds."""
        return self.epoch.timestamp()

    @property
    def requests(self) -> tuple[dict[str, Any], ...]:
        """Every job as AWS's CreateJob request with its jobId, in the file's order."""
        if self.load.jobs is not None:
            job = self.job or {}
            return tuple({**job, "jobId": plan.job_id} for plan in self.jobs())
        if self.job_parts is None:
            return (self.job or {},)
        return tuple(part.create for part in self.job_parts)

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The jobs' ids, in the file's order."""
        return tuple(str(request["jobId"]) for request in self.requests)

    @property
    def job_id(self) -> str:
        """The first job's id."""
        return self.job_ids[0]

    def cohorts(self) -> tuple[behaviour.Cohort, ...]:
        """The fleet as plain values, without cohorts that have no things."""
        return tuple(
            behaviour.Cohort(
                part.cohort,
                things,
                part.work.plain(),
                part.outcome.plain(),
                behaviour.Agent() if part.agent is None else part.agent.plain(),
                behaviour.ALWAYS if part.presence is None else part.presence.plain(),
                {name: tuple(weights.items()) for name, weights in (part.attributes or {}).items()},
                part.time_zone or "UTC",
                None if part.network is None else self.network.with_own(part.network),
            )
            for part, things in zip(self.fleet, self.counts(), strict=True)
            if things
        )

    def batches(self) -> tuple[behaviour.Batch, ...]:
        """The batches as plain values."""
        return tuple(part.plain() for part in self.batch_parts or ())

    def network_values(self) -> behaviour.Network:
        """The network as a plain value."""
        return self.network.plain()

    def jobs(self) -> tuple[behaviour.JobPlan, ...]:
        """The jobs as plain values, in the file's order, or as they arrive."""
        if self.load.jobs is not None:
            stem, part = str((self.job or {})["jobId"]), self.load.jobs
            draws = DRAWS if part.share not in (None, 1.0) else 1
            homes = [f"{stem}-{number}" for number in range(1, 1 + draws)]
            selections = [part.selection(home) for home in homes]
            return tuple(
                behaviour.JobPlan(
                    f"{stem}-{number + 1}",
                    at,
                    selections[number % draws],
                    group=homes[number % draws],
                )
                for number, at in enumerate(self._job_times(part.plain()))
            )
        if self.job_parts is None:
            return (behaviour.JobPlan(self.job_id),)
        return tuple(part.plain() for part in self.job_parts)

    def _job_times(self, arrivals: behaviour.Arrivals) -> tuple[float, ...]:
        return _job_times(arrivals, self.load.until, self._seed)

    def update_times(self) -> NDArray[np.float64] | None:
        """When reports are due, in scenario time; None where each is when its work is done."""
        if self.load.updates is None:
            return None
        return self.load.updates.plain().due(self.load.until, self._seed)

    @property
    def _seed(self) -> int:
        return DEFAULT_SEED if self.seed is None else self.seed

    def incidents(self) -> tuple[behaviour.Incident, ...]:
        """What happens to the service, as plain values, in the file's order."""
        return tuple(part.plain(number) for number, part in enumerate(self.service or (), 1))

    def create_job_request(self, target_arn: str, job_id: str | None = None) -> dict[str, Any]:
        """AWS's CreateJob request (without jobId, which is in the path) for one target.

        Of the first job, where no id is given.
        """
        if self.load.jobs is not None:
            return as_request(self.job or {}, target_arn)
        at = 0 if job_id is None else self.job_ids.index(job_id)
        return as_request(self.requests[at], target_arn)

    def expectations(self) -> tuple[Expectation, ...]:
        """What is expected, as plain values."""
        return tuple(parse_expectation(name, text) for name, text in self.expect.items())

    def resolved(self, seed: int, things: int) -> "Scenario":
        """The same scenario with its seed, and the fleet rescaled in proportion.

        A cohort that is left without things keeps its weight, so that selections may name it.

        Raises:
            UsageError: with this seed no job arrives.
        """
        fleet = [
            part.model_copy(update={"things": count or None, "weight": None if count else 0.0})
            for part, count in zip(
                self.fleet, behaviour.in_proportion(self.counts(), things), strict=True
            )
        ]
        empty = any(part.things is None for part in fleet)
        total = things if empty else None
        made = self.model_copy(update={"seed": seed, "whole": total, "fleet": fleet})
        if not made.requests:
            raise UsageError(f"with seed {seed}, no job of load.jobs arrives before load.until")
        return made

    def with_budget(self, per_s: float) -> "Scenario":
        """The same scenario with another ``load.budget``."""
        return self.model_copy(update={"load": self.load.model_copy(update={"budget": per_s})})
