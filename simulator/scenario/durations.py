"""Durations that vary: each family of distributions as a part of the file.

``90s`` is short for a constant. ``min`` and ``max`` cut any family off: what falls outside is drawn
again.
"""

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    model_validator,
)

from simulator import behaviour
from simulator.scenario import units
from simulator.scenario.columns import read_column
from simulator.scenario.quantities import (
    DURATION_SCHEMA,
    NO_TRUTH,
    Duration,
    OrShort,
    Part,
    PositiveDuration,
    Weight,
)

LEAST_WITHIN: Final = 0.01
"""Bounds that leave less of a distribution than this are a mistake."""

MOST_VALUES: Final = 1000
"""Of a file with more durations than these, so many quantiles stand for it: a resolved scenario
stays readable."""


Shape = Annotated[float, Field(ge=0.01, le=1000), NO_TRUTH]


class Family(Part):
    """A family of distributions, cut off at ``min`` and ``max``."""

    min: Duration | None = Field(None, description="Shorter draws are drawn again.")
    max: Duration | None = Field(None, description="Longer draws are drawn again.")

    @abstractmethod
    def family(self) -> behaviour.Distribution:
        """As a plain value, without its bounds."""

    def plain(self) -> behaviour.Distribution:
        """As a plain value."""
        low = 0.0 if self.min is None else self.min
        high = float(behaviour.LONGEST_S) if self.max is None else self.max
        return replace(self.family(), minimum=low, maximum=high)

    @model_validator(mode="after")
    def _leaves_something(self) -> "Family":
        if self.min is None and self.max is None:
            return self
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        left = self.plain().share_within()
        if left < LEAST_WITHIN:
            raise ValueError(
                f"min and max leave {left:.2%} of the draws; at least {LEAST_WITHIN:.0%} must lie "
                "between them"
            )
        return self


class Constant(Family):
    """Always the same."""

    distribution: Literal["constant"]
    value: Duration

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("constant", self.value)


class Uniform(Family):
    """Anything from ``low`` to ``high``, equally likely."""

    distribution: Literal["uniform"]
    low: Duration
    high: Duration

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("uniform", self.low, self.high)


class Lognormal(Family):
    """Half of all draws lie below ``median``; ``sigma`` is the spread of the logarithm."""

    distribution: Literal["lognormal"]
    median: Duration
    sigma: Annotated[float, Field(ge=0, le=10), NO_TRUTH]

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("lognormal", self.median, self.sigma)


class Gamma(Family):
    """A sum of waits: ``shape`` 1 is exponential, larger ones are narrower."""

    distribution: Literal["gamma"]
    mean: PositiveDuration
    shape: Shape

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("gamma", self.mean, self.shape)


class Weibull(Family):
    """63 % of all draws lie below ``scale``; a ``shape`` below 1 has a long tail."""

    distribution: Literal["weibull"]
    scale: PositiveDuration
    shape: Shape

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("weibull", self.scale, self.shape)


class Exponential(Family):
    """A wait without memory."""

    distribution: Literal["exponential"]
    mean: PositiveDuration

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("exponential", self.mean)


class Triangular(Family):
    """From ``low`` to ``high``, most likely near ``mode``."""

    distribution: Literal["triangular"]
    low: Duration
    mode: Duration
    high: Duration

    @model_validator(mode="after")
    def _ordered(self) -> "Triangular":
        if not self.low <= self.mode <= self.high:
            raise ValueError("low, mode and high must stand in this order")
        return self

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution("triangular", self.low, self.mode, self.high)


class Bin(Part):
    """A bin of a histogram: from the end of the one before, or 0."""

    up_to: PositiveDuration
    weight: Weight


class Empirical(Family):
    """What was measured: a list, a CSV file, or a histogram."""

    distribution: Literal["empirical"]
    values: Annotated[list[Duration], Field(min_length=1)] | None = Field(
        None, description="Any of these, equally likely."
    )
    file: str | None = Field(
        None,
        description="A CSV file beside the scenario, a duration in each row (a number is seconds).",
    )
    column: str | None = Field(
        None, description="The file's column, by its heading; the first if absent."
    )
    histogram: Annotated[list[Bin], Field(min_length=1)] | None = Field(
        None, description="Bins from 0 on; within a bin, all is equally likely."
    )

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any, info: ValidationInfo) -> Any:
        """The file's durations take the place of its name: a resolved scenario needs no file."""
        if not isinstance(value, dict) or not isinstance(value.get("file"), str):
            return value
        given = {"values", "histogram"} & set(value)
        if given:
            raise ValueError(f"file and {min(given)} stand here together; write one of them")
        folder = (info.context or {}).get("folder", Path())
        durations = read_durations(folder / value["file"], value.get("column"))
        kept = {key: inner for key, inner in value.items() if key not in ("file", "column")}
        return {**kept, "values": [units.format_duration(seconds) for seconds in durations]}

    @model_validator(mode="after")
    def _one_source(self) -> "Empirical":
        if (self.values is None) == (self.histogram is None):
            raise ValueError("exactly one of values, file and histogram is needed")
        if self.column is not None:
            raise ValueError("column is for a file")
        edges = [one.up_to for one in self.histogram or ()]
        if edges != sorted(set(edges)):
            raise ValueError("the bins of a histogram must grow: each up_to above the one before")
        if edges and not any(one.weight for one in self.histogram or ()):
            raise ValueError("all weights are 0; at least one must be above")
        return self

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        if self.histogram is not None:
            return behaviour.Distribution(
                "histogram",
                values=tuple(one.up_to for one in self.histogram),
                weights=tuple(one.weight for one in self.histogram),
            )
        return behaviour.Distribution("empirical", values=tuple(self.values or ()))


class Component(Part):
    """One part of a mixture."""

    weight: Weight
    duration: "Distribution"


class Mixture(Family):
    """One of several, by weight: most updates take a minute, those on a bad line an hour."""

    distribution: Literal["mixture"]
    of: Annotated[list[Component], Field(min_length=1)]

    @model_validator(mode="after")
    def _weighs_something(self) -> "Mixture":
        if not any(part.weight for part in self.of):
            raise ValueError("all weights are 0; at least one must be above")
        return self

    def family(self) -> behaviour.Distribution:
        """As a plain value."""
        return behaviour.Distribution(
            "mixture",
            weights=tuple(part.weight for part in self.of),
            parts=tuple(part.duration.plain() for part in self.of),
        )


def _constant(value: object) -> object:
    """``90s`` is short for a constant."""
    if isinstance(value, (dict, Family)):
        return value
    units.parse_duration(value)
    return {"distribution": "constant", "value": value}


AnyFamily = (
    Constant
    | Uniform
    | Lognormal
    | Gamma
    | Weibull
    | Exponential
    | Triangular
    | Empirical
    | Mixture
)
Distribution = Annotated[
    Annotated[AnyFamily, Field(discriminator="distribution")],
    BeforeValidator(_constant),
    OrShort(DURATION_SCHEMA),
]
FAMILIES: Final = tuple(kind.__name__.lower() for kind in get_args(AnyFamily))

Component.model_rebuild()
Mixture.model_rebuild()

NO_TIME: Final = Constant(distribution="constant", value="0ms")


def read_durations(path: Path, column: str | None) -> list[float]:
    """The durations of a CSV file, in seconds, in order; their quantiles, where they are many.

    Raises:
        ValueError: it cannot be read, or a row of it is no duration.
    """
    found = read_column(path, column, _seconds, "duration")
    if len(found) > MOST_VALUES:
        middles = (np.arange(MOST_VALUES) + 0.5) / MOST_VALUES
        quantiles: list[float] = np.quantile(found, middles, method="inverted_cdf").tolist()
        return quantiles
    return found


def _seconds(text: str) -> float:
    """``90``, ``90.5`` or ``90s``."""
    return units.parse_duration(f"{text}s" if text[-1:].isdigit() else text)
