"""Arrivals as a part of the file: when updates are due, or jobs are created.

Each kind of arrivals has keys of its own; one that is missing or of another kind is a fault. A file
that is replayed is read at once, so that a resolved scenario needs none.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from simulator import behaviour
from simulator.scenario import units
from simulator.scenario.columns import read_column
from simulator.scenario.quantities import (
    DURATION_SCHEMA,
    NO_TRUTH,
    Duration,
    Part,
    PositiveDuration,
    Rate,
)
from simulator.scenario.selectors import Selector

"""Of a file that is replayed."""

MOST_JOBS: Final = 1_000
"""That arrive in a run: each has numbers of its own in the summary, and a column of plans."""


def _offsets(value: object) -> object:
    """Seconds in one text, or a list of durations."""
    if isinstance(value, (list, tuple)):
        found = [units.parse_duration(one) for one in value]
    elif isinstance(value, str):
        found = [_seconds(word) for word in value.split()]
    else:
        raise ValueError(f"{units.shown(value)} is no list of durations")
    if not found:
        raise ValueError("at least one time is needed")
    return tuple(sorted(found))


def _written(times: Iterable[float]) -> str:
    return " ".join(f"{time:.6f}".rstrip("0").rstrip(".") for time in times)


Offsets = Annotated[
    tuple[float, ...],
    BeforeValidator(_offsets),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": DURATION_SCHEMA},
                {"type": "string", "examples": ["0 0.5 2.25"]},
            ]
        }
    ),
]

_NEEDS: Final = {
    "constant": ("rate",),
    "poisson": ("rate",),
    "ramp": ("to", "over"),
    "step": ("to", "over"),
    "spike": ("to", "at", "lasts"),
    "sine": ("rate", "to", "period"),
    "replay": ("times",),
}
_MAY: Final = {
    "constant": (),
    "poisson": (),
    "ramp": ("rate", "spacing"),
    "step": ("rate", "steps", "spacing"),
    "spike": ("rate", "every", "spacing"),
    "sine": ("spacing",),
    "replay": (),
}
"""Keys of each kind of arrivals, beside ``from`` and ``until``, which all may have."""

_OWN: Final = ("rate", "to", "over", "steps", "at", "lasts", "every", "period", "spacing", "times")


class ArrivalsPart(Part):
    """When something is due, whatever became of what came before."""

    arrivals: behaviour.ArrivalKind = Field(description="How the rate goes over time.")
    rate: Rate | None = Field(
        None,
        description="Arrivals per second of scenario time; where a ramp, steps or spikes rise.",
    )
    to: Rate | None = Field(None, description="The rate that is reached.")
    over: PositiveDuration | None = Field(None, description="How long a ramp or all steps take.")
    steps: Annotated[int, Field(ge=1, le=1000), NO_TRUTH] | None = Field(
        None, description="Equal stairs from rate to to; 1 if absent."
    )
    at: Duration | None = Field(None, description="When the (first) spike begins.")
    lasts: PositiveDuration | None = Field(None, description="How long a spike lasts.")
    every: PositiveDuration | None = Field(
        None, description="From one spike to the next; only one if absent."
    )
    period: PositiveDuration | None = Field(None, description="Of a sine around rate.")
    spacing: behaviour.Spacing | None = Field(
        None, description="even, or poisson: by chance; even if absent."
    )
    file: str | None = Field(
        None, description="A CSV file beside the scenario: a time in each row (seconds from from)."
    )
    column: str | None = Field(None, description="The file's column; the first if absent.")
    times: Offsets | None = Field(
        None, description="What is replayed: durations, or seconds in one text."
    )
    since: Duration = Field(0.0, alias="from", description="When it begins.")
    until: PositiveDuration | None = Field(
        None, description="When it ends; with the run if absent."
    )

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any, info: ValidationInfo) -> Any:
        """The file's times take the place of its name."""
        if not isinstance(value, dict) or not isinstance(value.get("file"), str):
            return value
        if "times" in value:
            raise ValueError("file and times stand here together; write one of them")
        folder = (info.context or {}).get("folder", Path())
        times = read_times(folder / value["file"], value.get("column"))
        kept = {key: inner for key, inner in value.items() if key not in ("file", "column")}
        return {**kept, "times": _written(times)}

    @model_validator(mode="after")
    def _fits(self) -> "ArrivalsPart":
        kind = self.arrivals
        needs, allowed = _NEEDS[kind], (*_NEEDS[kind], *_MAY[kind])
        if self.column is not None:
            raise ValueError("column is for a file")
        for name in _OWN:
            given = getattr(self, name) is not None
            if given and name not in allowed:
                known = ", ".join((*allowed, "from", "until"))
                raise ValueError(f"{name} says nothing of {kind} arrivals; allowed: {known}")
            if name in needs and not given:
                what = "file (or times)" if name == "times" else name
                raise ValueError(f"{kind} arrivals need {what}")
        if kind == "sine" and not self._swings():
            raise ValueError("to is the highest rate of a sine: from rate up to twice of it")
        if self.every is not None and self.lasts is not None and self.every < self.lasts:
            raise ValueError("a spike is to end before the next one begins: every is below lasts")
        if self.until is not None and self.until <= self.since:
            raise ValueError("until is not after from")
        return self

    def _swings(self) -> bool:
        return (
            self.rate is not None and self.to is not None and self.rate <= self.to <= 2 * self.rate
        )

    def plain(self) -> behaviour.Arrivals:
        """As a plain value."""
        return behaviour.Arrivals(
            self.arrivals,
            self.rate or 0.0,
            self.to or 0.0,
            self.over or 0.0,
            self.steps or 1,
            self.at or 0.0,
            self.lasts or 0.0,
            self.every,
            self.period or 0.0,
            self.spacing or "even",
            self.times or (),
            self.since,
            float("inf") if self.until is None else self.until,
        )


class JobArrivalsPart(ArrivalsPart, Selector):
    """Jobs that arrive over time, each made of the scenario's ``job``."""


def read_times(path: Path, column: str | None) -> list[float]:
    """The times of a CSV file, in seconds, in order.

    Raises:
        ValueError: it cannot be read, or a row of it is no time.
    """
    return read_column(path, column, _seconds, "time")


def _seconds(text: str) -> float:
    """``90``, ``90.0005`` (to the microsecond) or ``90s``."""
    if text[-1:].isdigit():
        return round(float(units.exact_duration(f"{text}s")), 6)
    return units.parse_duration(text)
