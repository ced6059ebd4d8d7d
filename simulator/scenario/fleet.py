"""The fleet: cohorts with their agents, their presence, and the batches among their things."""

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from simulator import behaviour
from simulator.behaviour.agents import OnConflict, Start, StepTimer
from simulator.scenario import units
from simulator.scenario.durations import Distribution
from simulator.scenario.network import Backoff, OwnNetwork
from simulator.scenario.outcomes import OutcomeShares, Work
from simulator.scenario.quantities import (
    DURATION_SCHEMA,
    NO_TRUTH,
    Duration,
    Name,
    OrShort,
    Part,
    PositiveDuration,
    Share,
    TimeOfDay,
    TimeZone,
    Weights,
    did_you_mean,
)
from simulator.scenario.selectors import Selector

MOST_THINGS: Final = 10_000_000
Things = Annotated[int, Field(ge=1, le=MOST_THINGS), NO_TRUTH]

# ------------------------------------------------------------------------------- agents


def _preset(name: str) -> str:
    if name not in behaviour.PRESETS:
        raise ValueError(
            f"{units.shown(name)} is no agent that we know; allowed: "
            f"{', '.join(behaviour.PRESETS)}{did_you_mean(name, behaviour.PRESETS)}"
        )
    return name


def _progress(value: object) -> object:
    if value in ("none", "step"):
        return value
    if isinstance(value, str) and value[:1].isdigit():
        seconds = units.parse_duration(value)
        if not seconds:
            raise ValueError("0ms is not possible; it must be at least 1ms")
        return seconds
    raise ValueError(f"{units.shown(value)} is not possible; allowed: none, step, or a duration")


Progress = Annotated[
    Literal["none", "step"] | float,
    BeforeValidator(_progress),
    PlainSerializer(lambda it: it if isinstance(it, str) else units.format_duration(it)),
    WithJsonSchema({"anyOf": [{"enum": ["none", "step"]}, DURATION_SCHEMA]}),
]


class AgentPart(Part):
    """What a thing's agent does; what is not said is the preset's."""

    preset: Annotated[str, AfterValidator(_preset)] = Field(
        "default",
        description="The agent that this one is like.",
        json_schema_extra={"enum": list(behaviour.PRESETS)},
    )
    start: Start | None = Field(None, description="How it comes by an execution.")
    poll_every: PositiveDuration | None = Field(
        None, description="Polling: how often, jittered by up to a tenth."
    )
    expected_version: bool | None = Field(
        None, description="Whether its updates carry expectedVersion."
    )
    on_conflict: OnConflict | None = Field(
        None, description="After a VersionMismatch: go on, drop the execution, or overwrite."
    )
    parallel: Annotated[int, Field(ge=1, le=1000), NO_TRUTH] | None = Field(
        None, description="Executions that it works on at a time."
    )
    progress: Progress | None = Field(
        None, description="When it reports progress: never, after each step, or every so often."
    )
    step_timer: StepTimer | None = Field(
        None, description="Which of its reports carry stepTimeoutInMinutes."
    )
    reply_timeout: PositiveDuration | None = Field(
        None, description="How long it waits for a reply; the network's if absent."
    )
    backoff: Backoff | None = Field(
        None, description="How long it waits before it tries again; the network's if absent."
    )
    tries: Annotated[int, Field(ge=1, le=1_000_000), NO_TRUTH] | None = Field(
        None, description="How often it sends one request; until it is answered if absent."
    )
    second: Share | None = Field(
        None, description="Share of things on which a second such agent runs."
    )

    def plain(self) -> behaviour.Agent:
        """As a plain value."""
        names = ("start", "poll_every", "expected_version", "on_conflict", "parallel",
                 "step_timer", "reply_timeout", "tries", "second")  # fmt: skip
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        changes = {name: value for name, value in given.items() if value is not None}
        if self.backoff is not None:
            changes["backoff_base"] = self.backoff.base
            changes["backoff_maximum"] = self.backoff.maximum
        if self.progress is not None:
            changes["progress"] = self.progress != "none"
            often = None if isinstance(self.progress, str) else self.progress
            changes["progress_every"] = often
        return replace(behaviour.PRESETS[self.preset], **changes)


def _of_preset(value: object) -> object:
    """A name is short for ``{preset: NAME}``."""
    return {"preset": value} if isinstance(value, str) else value


AgentOf = Annotated[
    AgentPart,
    BeforeValidator(_of_preset),
    OrShort({"enum": list(behaviour.PRESETS)}),
]

# ------------------------------------------------------------------------------- presence


class Daily(Part):
    """There from one time of the local day until another, which may be past midnight."""

    since: TimeOfDay = Field(alias="from")
    until: TimeOfDay
    spread: Duration = Field(
        0.0, description="Each thing is shifted by up to so much, earlier or later."
    )

    @model_validator(mode="after")
    def _some_time(self) -> "Daily":
        if self.since == self.until:
            raise ValueError("from and until are the same time of day; write always instead")
        return self


class Interval(Part):
    """There from one moment of the scenario until another."""

    since: Duration = Field(alias="from")
    until: PositiveDuration

    @model_validator(mode="after")
    def _some_time(self) -> "Interval":
        if self.since >= self.until:
            raise ValueError("until is not after from")
        return self


LEAST_TURN_S: Final = 1.0
"""Shorter turns on average would cost more than they say."""


class PresencePart(Part):
    """When things are connected: exactly one pattern."""

    daily: Daily | None = Field(None, description="By the local time of day.")
    hourly: Annotated[list[Share], Field(min_length=24, max_length=24)] | None = Field(
        None, description="24 shares of things that are there, by the local hour."
    )
    schedule: Annotated[list[Interval], Field(min_length=1)] | None = Field(
        None, description="Intervals of scenario time, in order."
    )
    on: Distribution | None = Field(None, description="How long a thing is there at a time.")
    off: Distribution | None = Field(None, description="How long it is away at a time.")

    @model_validator(mode="after")
    def _one_pattern(self) -> "PresencePart":
        if (self.on is None) != (self.off is None):
            raise ValueError("on and off belong together; one of them is missing")
        given = [name for name in ("daily", "hourly", "schedule", "on") if self._has(name)]
        if len(given) != 1:
            raise ValueError(
                "exactly one pattern is needed: always, daily, hourly, schedule, or on with off"
            )
        for name, turn in (("on", self.on), ("off", self.off)):
            if turn is not None and turn.plain().mean_s() < LEAST_TURN_S:
                raise ValueError(f"{name} takes less than 1s on average; at least 1s is needed")
        return self

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None

    def plain(self) -> behaviour.Presence:
        """As a plain value."""
        if self.daily is not None:
            daily = self.daily
            return behaviour.Presence("daily", daily.since, daily.until, daily.spread)
        if self.hourly is not None:
            return behaviour.Presence("hourly", hours=tuple(self.hourly))
        if self.schedule is not None:
            intervals = tuple((part.since, part.until) for part in self.schedule)
            return behaviour.Presence("schedule", intervals=intervals)
        assert self.on is not None
        assert self.off is not None  # on and off belong together
        return behaviour.Presence("on-off", on=self.on.plain(), off=self.off.plain())


def _always(value: object) -> object:
    if value == "always":
        return None
    if isinstance(value, str):
        raise ValueError(
            f"{units.shown(value)} is no pattern; allowed: always, or a mapping with daily, "
            "hourly, schedule, or on and off"
        )
    return value


PresenceOf = Annotated[
    PresencePart | None,
    BeforeValidator(_always),
    OrShort({"const": "always"}),
]

# ------------------------------------------------------------------------------- cohorts


def _attribute(value: object) -> object:
    """A value is short for all weight on it."""
    return {value: 1} if isinstance(value, str) else value


def _short_attribute(weights: dict[str, float]) -> Any:
    return next(iter(weights)) if len(weights) == 1 else weights


AttributeOf = Annotated[
    Weights,
    BeforeValidator(_attribute),
    PlainSerializer(_short_attribute),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {
                        "anyOf": [
                            {"type": "string", "pattern": units.SHARE_PATTERN},
                            {"type": "number", "minimum": 0},
                        ]
                    },
                },
            ]
        }
    ),
]


class CohortPart(Part):
    """Things that behave alike."""

    cohort: Name = Field(description="Its name; the things are called {cohort}-000000 and so on.")
    things: Things | None = Field(None, description="How many; or else a weight.")
    weight: Annotated[float, Field(ge=0, le=1e9), NO_TRUTH] | None = Field(
        None, description="Its part of the things that the top-level key things leaves."
    )
    attributes: dict[str, AttributeOf] | None = Field(
        None,
        description="Attribute: value, or values with shares or weights, of which each thing has "
        "one.",
    )
    time_zone: TimeZone | None = Field(
        None, description="IANA name; what presence calls a day follows it. UTC if absent."
    )
    work: Work
    outcome: OutcomeShares = OutcomeShares()
    agent: AgentOf | None = Field(None, description="A preset's name, or what it does.")
    presence: PresenceOf = Field(None, description="always, or one pattern.")
    network: OwnNetwork | None = Field(None, description="What is different for this cohort.")

    @model_validator(mode="after")
    def _how_many(self) -> "CohortPart":
        if self.things is None and self.weight is None:
            raise ValueError("the key 'things' is missing (or weight, with things at the top)")
        if self.things is not None and self.weight is not None:
            raise ValueError("things and weight stand here together; write one of them")
        for name in self.attributes or {}:
            if name == "cohort":
                raise ValueError("every thing has the attribute cohort already: its cohort's name")
        return self


class BatchPart(Selector):
    """Correlated failure: these things have other outcomes than their cohorts."""

    name: Name
    outcome: OutcomeShares

    def plain(self) -> behaviour.Batch:
        """As a plain value."""
        return behaviour.Batch(self.name, self.selection(self.name), self.outcome.plain())
