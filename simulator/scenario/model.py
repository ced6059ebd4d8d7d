"""The scenario file as pydantic models, which become plain values of lower floors.

Units are parsed here, so each error has a line. Descriptions are what ``jobfleet schema`` shows.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simulator import behaviour
from simulator.expectations import Expectation
from simulator.scenario import units
from simulator.scenario.expecting import parse_expectation
from simulator.scenario.job import as_request

_DURATION_SCHEMA: Final[JsonSchemaValue] = {
    "type": "string",
    "pattern": units.DURATION_PATTERN,
    "examples": ["90s"],
}

Duration = Annotated[
    float,
    BeforeValidator(units.parse_duration),
    PlainSerializer(units.format_duration),
    WithJsonSchema(_DURATION_SCHEMA),
]
Share = Annotated[
    float,
    BeforeValidator(units.parse_share),
    PlainSerializer(units.format_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": units.SHARE_PATTERN},
                {"type": "number", "minimum": 0, "maximum": 1},
            ],
            "examples": ["3%"],
        }
    ),
]
Rate = Annotated[
    float,
    BeforeValidator(units.parse_rate),
    PlainSerializer(units.format_rate),
    WithJsonSchema({"type": "string", "pattern": units.RATE_PATTERN, "examples": ["100/s"]}),
]


def _above_zero(seconds: float) -> float:
    if not seconds:
        raise ValueError("0ms is not possible; it must be at least 1ms, or time stands still")
    return seconds


PositiveDuration = Annotated[Duration, AfterValidator(_above_zero)]
"""A wait that things repeat, or the length of a run."""


def _whole_minutes(seconds: float) -> float:
    if seconds % 60 or not 60 <= seconds <= 10080 * 60:
        raise ValueError(
            f"{units.format_duration(seconds)} is no step timeout; "
            "AWS takes whole minutes from 1m to 7d"
        )
    return seconds


StepTimeout = Annotated[Duration, AfterValidator(_whole_minutes)]


class Part(BaseModel):
    """Any part of the file: a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Constant(Part):
    """Always the same."""

    distribution: Literal["constant"]
    value: Duration

    def plain(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("constant", self.value)


class Uniform(Part):
    """Anything from ``low`` to ``high``, equally likely."""

    distribution: Literal["uniform"]
    low: Duration
    high: Duration

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self

    def plain(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("uniform", self.low, self.high)


class Lognormal(Part):
    """Half of all draws lie below ``median``; ``sigma`` is the spread of the logarithm."""

    distribution: Literal["lognormal"]
    median: Duration
    sigma: Annotated[float, Field(ge=0, le=10)]

    def plain(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("lognormal", self.median, self.sigma)


def _constant(value: object) -> object:
    """``90s`` is short for a constant."""
    if isinstance(value, dict):
        return value
    units.parse_duration(value)
    return {"distribution": "constant", "value": value}


class _OrItsShortForm:
    """Tells the JSON Schema what ``_constant`` lets a scenario say."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [_DURATION_SCHEMA, handler(core_schema)]}


Distribution = Annotated[
    Annotated[Constant | Uniform | Lognormal, Field(discriminator="distribution")],
    BeforeValidator(_constant),
    _OrItsShortForm(),
]


class Work(Part):
    """What a thing does with a job."""

    duration: Distribution = Field(description="The whole job, split evenly over the steps.")
    steps: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        1, description="Each step but the last ends in a progress report."
    )
    step_timeout: StepTimeout | None = Field(
        None, description="stepTimeoutInMinutes of each progress report, as a duration."
    )


class OutcomeShares(Part):
    """How attempts end; the rest succeeds."""

    fail: Share = 0.0
    reject: Share = 0.0
    hang: Share = 0.0

    @model_validator(mode="after")
    def _at_most_all(self) -> "OutcomeShares":
        total = self.fail + self.reject + self.hang
        if total > 1 + 1e-9:
            raise ValueError(f"fail, reject and hang add up to {total:.0%}; at most 100% can")
        return self


class CohortPart(Part):
    """Things that behave alike."""

    cohort: Annotated[str, Field(pattern=r"^[a-zA-Z0-9:_-]{1,100}$")] = Field(
        description="Its name; the things are called {cohort}-000000 and so on."
    )
    things: Annotated[int, Field(ge=1, le=10_000_000)]
    work: Work
    outcome: OutcomeShares = OutcomeShares()


class Backoff(Part):
    """How long a thing waits before it tries again: doubling, with full jitter."""

    base: PositiveDuration = 1.0
    maximum: PositiveDuration = 60.0


_NO_LATENCY: Final = Constant(distribution="constant", value="0ms")


class NetworkPart(Part):
    """The things' network. Its times are never scaled."""

    latency: Distribution = Field(_NO_LATENCY, description="Round trip of one exchange.")
    lost_replies: Share = Field(0.0, description="The request arrives, its reply does not.")
    lost_requests: Share = Field(0.0, description="The request never arrives.")
    reply_timeout: PositiveDuration = Field(10.0, description="How long a thing waits for a reply.")
    backoff: Backoff = Backoff()


class LoadPart(Part):
    """How the fleet comes up, and when the run ends at the latest."""

    ramp: Rate | None = Field(None, description="Things started per second; all at once if absent.")
    time_scale: Annotated[float, Field(gt=0, le=100_000)] = Field(
        1.0, description="Live runs: scenario seconds per wall second, for work and timers."
    )
    until: PositiveDuration = Field(
        86_400.0, description="The run's end in scenario time, if not sooner."
    )
    max_slip: Duration = Field(0.25, description="p99 schedule slip above which exit code is 4.")


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


class Scenario(Part):
    """A question about a rollout: fleet, network, job, load, and what is expected."""

    epoch: Epoch = Field(DEFAULT_EPOCH, description="When the simulated day begins.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None, description="Of all chance; --seed wins, 1 is the default."
    )
    fleet: Annotated[list[CohortPart], Field(min_length=1)]
    network: NetworkPart = NetworkPart()
    job: dict[str, Any] = Field(
        description="AWS's CreateJob request (document may be a mapping), or {file: NAME}."
    )
    load: LoadPart = LoadPart()
    quotas: Literal["none", "aws"] = Field(
        "none", description="aws: the service throttles and limits as AWS does by default."
    )
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

    # ----------------------------------------------------------------------- plain values

    @property
    def things(self) -> int:
        """How many things the fleet has."""
        return sum(cohort.things for cohort in self.fleet)

    @property
    def epoch_s(self) -> float:
        """The epoch in Unix seconds."""
        return self.epoch.timestamp()

    @property
    def job_id(self) -> str:
        """The job's id."""
        return str(self.job["jobId"])

    def cohorts(self) -> tuple[behaviour.Cohort, ...]:
        """The fleet as plain values."""
        return tuple(
            behaviour.Cohort(
                part.cohort,
                part.things,
                behaviour.Work(
                    part.work.duration.plain(),
                    part.work.steps,
                    None if part.work.step_timeout is None else int(part.work.step_timeout // 60),
                ),
                behaviour.Outcomes(
                    behaviour.Fate((part.outcome.fail,)),
                    behaviour.Fate((part.outcome.reject,)),
                    behaviour.Fate((part.outcome.hang,)),
                ),
            )
            for part in self.fleet
        )

    def network_values(self) -> behaviour.Network:
        """The network as a plain value."""
        part = self.network
        return behaviour.Network(
            part.latency.plain(),
            part.lost_replies,
            part.lost_requests,
            part.reply_timeout,
            part.backoff.base,
            part.backoff.maximum,
        )

    def create_job_request(self, target_arn: str) -> dict[str, Any]:
        """AWS's CreateJob request (without jobId, which is in the path) for one target."""
        return as_request(self.job, target_arn)

    def expectations(self) -> tuple[Expectation, ...]:
        """What is expected, as plain values."""
        return tuple(parse_expectation(name, text) for name, text in self.expect.items())

    def resolved(self, seed: int, things: int) -> "Scenario":
        """The same scenario with its seed, and the fleet rescaled in proportion."""
        scaled = behaviour.scale_cohorts(self.cohorts(), things)
        fleet = [
            part.model_copy(update={"things": cohort.things})
            for part, cohort in zip(self.fleet, scaled, strict=True)
            if cohort.things
        ]
        return self.model_copy(update={"seed": seed, "fleet": fleet})
