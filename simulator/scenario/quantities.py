"""The quantities of a scenario as pydantic types: durations, shares, rates, counts, weights, times.

Each is read by ``units.py``, written back as it is read, and described in the JSON Schema.
"""

import difflib
import re
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simulator.scenario import units


class Part(BaseModel):
    """Any part of the file: a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OrShort:
    """Tells the JSON Schema of a short form that a validator takes for the long one."""

    def __init__(self, *short: JsonSchemaValue) -> None:
        self._short = short

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [*self._short, handler(core_schema)]}


DURATION_SCHEMA: Final[JsonSchemaValue] = {
    "type": "string",
    "pattern": units.DURATION_PATTERN,
    "examples": ["90s"],
}
SHARE_SCHEMA: Final[JsonSchemaValue] = {
    "anyOf": [
        {"type": "string", "pattern": units.SHARE_PATTERN},
        {"type": "number", "minimum": 0, "maximum": 1},
    ],
    "examples": ["3%"],
}

Duration = Annotated[
    float,
    BeforeValidator(units.parse_duration),
    PlainSerializer(units.format_duration),
    WithJsonSchema(DURATION_SCHEMA),
]
Share = Annotated[
    float,
    BeforeValidator(units.parse_share),
    PlainSerializer(units.format_share),
    WithJsonSchema(SHARE_SCHEMA),
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


def minutes(timeout: float | None) -> int | None:
    """A step timeout as AWS takes it."""
    return None if timeout is None else int(timeout // 60)


def _no_truth(value: object) -> object:
    """Pydantic takes ``true`` for 1."""
    if isinstance(value, bool):
        raise ValueError(f"{units.shown(value)} is not a number")
    return value


NO_TRUTH: Final = BeforeValidator(_no_truth)
"""For every number of the file; it stands last, so that the bounds before it reach the schema."""

Whole = Annotated[int, Field(ge=1, le=1_000_000_000), NO_TRUTH]

NAME_PATTERN: Final = r"^[a-zA-Z0-9:_-]{1,100}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


# ------------------------------------------------------------------------------- weights


def _weights(value: object) -> object:
    """``{a: 70%, b: 30%}`` or ``{a: 3, b: 1}``: percentages add up to 100%, numbers to anything."""
    if not isinstance(value, Mapping):
        return value
    if not value:
        raise ValueError("at least one entry is needed")
    weights = {str(key): _weight(weight) for key, weight in value.items()}
    total = sum(weights.values())
    given = [isinstance(weight, str) for weight in value.values()]
    if any(given) and not all(given):
        raise ValueError("percentages and weights stand here together; write one or the other")
    if all(given) and abs(total - 1) > 1e-9:
        raise ValueError(
            f"these add up to {units.format_share(round(total, 6))}; percentages must add up "
            "to 100% (or write weights, as in 3 and 1)"
        )
    if not total > 0:
        raise ValueError("all weights are 0; at least one must be above")
    return weights


def _weight(value: object) -> float:
    if isinstance(value, str):
        return units.parse_share(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e9:
        raise ValueError(
            f"{units.shown(value)} is no weight; allowed: a percentage like 70%, or a number "
            "from 0 to 1000000000"
        )
    return float(value)


Weights = Annotated[
    dict[str, float],
    BeforeValidator(_weights),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "anyOf": [
                    {"type": "string", "pattern": units.SHARE_PATTERN},
                    {"type": "number", "minimum": 0},
                ]
            },
            "examples": [{"a": "70%", "b": "30%"}, {"a": 3, "b": 1}],
        }
    ),
]
"""Percentages that add up to 100%, or weights of any sum, by name."""

Weight = Annotated[
    float,
    BeforeValidator(_weight),
    WithJsonSchema({"anyOf": [SHARE_SCHEMA, {"type": "number", "minimum": 0}]}),
]


# ------------------------------------------------------------------------------- calendar


def _time_of_day(value: object) -> float:
    """Seconds since midnight of ``"08:00"`` or ``"08:00:30"``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 600:
        # YAML 1.1 reads 18:00 as a number to the base of 60
        short = value < 1440
        hours, rest = divmod(value, 60) if short else divmod(value // 60, 60)
        raise ValueError(f'YAML reads this as the number {value}; write "{hours:02}:{rest:02}"')
    match = re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", value) if isinstance(value, str) else None
    if match is not None:
        hour, minute, second = (int(part or 0) for part in match.groups())
        seconds = hour * 3600 + minute * 60 + second
        if minute < 60 and second < 60 and seconds <= 86_400:
            return float(seconds)
    raise ValueError(f'{units.shown(value)} is no time of day; write "08:00", in quotes')


def _clock(seconds: float) -> str:
    minute, second = divmod(int(seconds), 60)
    text = f"{minute // 60:02}:{minute % 60:02}"
    return f"{text}:{second:02}" if second else text


TimeOfDay = Annotated[
    float,
    BeforeValidator(_time_of_day),
    PlainSerializer(_clock),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:\d\d(:\d\d)?$", "examples": ["08:00"]}),
]


def _zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{units.shown(value)} is no time zone; write an IANA name like Europe/Berlin"
            f"{did_you_mean(value, sorted(zoneinfo.available_timezones()))}"
        ) from None
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]


def did_you_mean(name: object, allowed: Any) -> str:
    """The nearest of the allowed names, as the end of a sentence."""
    names = [str(one) for one in allowed]
    lower = {one.lower(): one for one in names}
    nearest = difflib.get_close_matches(str(name).lower(), lower, 1)
    return f". Did you mean {lower[nearest[0]]!r}?" if nearest else ""
