"""What a thing does with a job and how that ends: ``work`` and ``outcome`` in the file."""

from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
    model_validator,
)

from simulator import behaviour
from simulator.scenario import units
from simulator.scenario.durations import NO_TIME, Distribution
from simulator.scenario.quantities import (
    NO_TRUTH,
    SHARE_SCHEMA,
    OrShort,
    Part,
    Share,
    StepTimeout,
    Weights,
    Whole,
    minutes,
)

MOST_STEPS: Final = 1000
"""Steps with durations of their own."""


class StepPart(Part):
    """One step of the work, with a duration of its own."""

    name: str | None = Field(None, description="What it is called in reports.")
    duration: Distribution
    timeout: StepTimeout | None = Field(
        None, description="stepTimeoutInMinutes of the report that begins it, as a duration."
    )


WAYS: Final = ("number", "list")
"""In which ``steps`` may be given."""


def _how_steps_are_given(value: object) -> str:
    return "list" if isinstance(value, list) else "number"


class Work(Part):
    """What a thing does with a job."""

    duration: Distribution | None = Field(
        None, description="The whole job, split evenly over the steps."
    )
    steps: Annotated[
        Annotated[Whole, Tag("number")]
        | Annotated[list[StepPart], Field(min_length=1, max_length=MOST_STEPS), Tag("list")],
        Discriminator(_how_steps_are_given),
    ] = Field(
        1,
        description="Each step but the last ends in a progress report. Their number, or a list of "
        "steps with durations of their own.",
    )
    step_timeout: StepTimeout | None = Field(
        None, description="stepTimeoutInMinutes of each progress report, as a duration."
    )

    @model_validator(mode="after")
    def _one_duration(self) -> "Work":
        if isinstance(self.steps, int):
            if self.duration is None:
                raise ValueError("the key 'duration' is missing")
        elif self.duration is not None:
            raise ValueError("the steps have durations of their own; leave out work.duration")
        return self

    @property
    def count(self) -> int:
        """How many steps."""
        return self.steps if isinstance(self.steps, int) else len(self.steps)

    def plain(self) -> behaviour.Work:
        """As a plain value."""
        timeout = minutes(self.step_timeout)
        if isinstance(self.steps, int):
            duration = NO_TIME if self.duration is None else self.duration
            return behaviour.Work(duration.plain(), self.steps, timeout)
        each = tuple(
            behaviour.Step(
                step.duration.plain(),
                step.name or "",
                timeout if step.timeout is None else minutes(step.timeout),
            )
            for step in self.steps
        )
        return behaviour.Work(steps=len(each), step_timeout_minutes=timeout, each=each)


# ------------------------------------------------------------------------------- outcomes


def _shares(value: object) -> object:
    if isinstance(value, (list, tuple)):
        if not value:
            raise ValueError("at least one share is needed")
        return tuple(value)
    return (value,)


Shares = Annotated[
    tuple[Share, ...],
    BeforeValidator(_shares),
    PlainSerializer(
        lambda shares: (
            units.format_share(shares[0])
            if len(shares) == 1
            else [units.format_share(share) for share in shares]
        )
    ),
    WithJsonSchema({"anyOf": [*SHARE_SCHEMA["anyOf"], {"type": "array", "items": SHARE_SCHEMA}]}),
]
"""One share, or one by attempt: the last is for all later ones too."""


class FatePart(Part):
    """One way in which attempts end, or what befalls them on the way."""

    share: Shares = Field(description="Of attempts; or a list by attempt, the last for all later.")

    def plain(self) -> behaviour.Fate:
        """As a plain value."""
        return behaviour.Fate(
            tuple(self.share),
            tuple((getattr(self, "reasons", None) or {}).items()),
            getattr(self, "step", None),
            None if (away := getattr(self, "away", None)) is None else away.plain(),
        )


_STEP: Final = "The step (from 1) in which it happens; any, equally likely, if absent."


class Rejected(FatePart):
    """Refused at once."""

    reasons: Weights | None = Field(
        None, description="Reasons with weights: which one stands in statusDetails."
    )


class Failed(Rejected):
    """FAILED in a step."""

    step: Whole | None = Field(None, description=_STEP)


class Gone(FatePart):
    """The thing stops in a step, and may come back."""

    step: Whole | None = Field(None, description=_STEP)
    away: Distribution | None = Field(None, description="Until it is back; for ever if absent.")


class Rebooted(FatePart):
    """It restarts in a step and goes on."""

    step: Whole | None = Field(None, description=_STEP)
    away: Distribution = Field(description="Until it is back.")


class Slow(FatePart):
    """It takes longer and ends well."""

    factor: Annotated[float, Field(gt=1, le=1000), NO_TRUTH] = Field(
        5.0, description="So much longer."
    )


FATES: Final = ("fail", "reject", "hang", "vanish", "reboot", "slow")
"""What may befall an attempt, by its keys."""


def _of_share(value: object) -> object:
    """``3%`` is short for ``{share: 3%}``, and so is a list by attempt."""
    return value if isinstance(value, (dict, FatePart)) else {"share": value}


_SHORT: Final = BeforeValidator(_of_share)
_OR_SHARES: Final = OrShort(*SHARE_SCHEMA["anyOf"], {"type": "array", "items": SHARE_SCHEMA})


class OutcomeShares(Part):
    """How attempts end; the rest succeeds."""

    fail: Annotated[Failed, _SHORT, _OR_SHARES] = Field(
        Failed(share=0), description="FAILED in a step."
    )
    reject: Annotated[Rejected, _SHORT, _OR_SHARES] = Field(
        Rejected(share=0), description="REJECTED at once."
    )
    hang: Annotated[Gone, _SHORT, _OR_SHARES] = Field(
        Gone(share=0),
        description="The agent stops in a step; away: until a watchdog restarts it.",
    )
    vanish: Annotated[Gone, _SHORT, _OR_SHARES] | None = Field(
        None,
        description="The thing loses power in a step, and what it knew; it begins anew when back.",
    )
    reboot: Annotated[Rebooted, _SHORT, _OR_SHARES] | None = Field(
        None, description="The thing restarts in a step, comes back and goes on where it was."
    )
    slow: Annotated[Slow, _SHORT, _OR_SHARES] | None = Field(
        None, description="The work takes longer by a factor, and ends well."
    )
    duplicated: Share | None = Field(
        None, description="Share of progress reports that the agent sends twice."
    )
    out_of_order: Share | None = Field(
        None, description="Share of progress reports that it sends after the next one."
    )

    @model_validator(mode="after")
    def _at_most_all(self) -> "OutcomeShares":
        for attempt in range(1, 1 + max(len(fate.share) for fate in self.fates().values())):
            shares = {
                name: fate.plain().share(attempt)
                for name, fate in self.fates().items()
                if fate.plain().share(attempt) or name in ("fail", "reject", "hang")
            }
            total = sum(shares.values())
            if total > 1 + 1e-9:
                *names, last = shares
                which = "" if attempt == 1 else f" in attempt {attempt}"
                raise ValueError(
                    f"{', '.join(names)} and {last} add up to {total:.0%}{which}; at most 100% can"
                )
        return self

    def fates(self) -> dict[str, FatePart]:
        """Everything that may befall an attempt, by its key."""
        named: dict[str, FatePart | None] = {name: getattr(self, name) for name in FATES}
        return {name: fate for name, fate in named.items() if fate is not None}

    def plain(self) -> behaviour.Outcomes:
        """As a plain value."""
        fates: dict[str, Any] = {name: fate.plain() for name, fate in self.fates().items()}
        if self.slow is not None:
            fates["slow_factor"] = self.slow.factor
        return behaviour.Outcomes(
            **fates,
            duplicated=self.duplicated or 0.0,
            out_of_order=self.out_of_order or 0.0,
        )
