"""What a scenario expects of its run, as plain values.

Both sides of a comparison are exact fractions: 7 of 1 000 things are not more than 0.7 %, and a
float would say that they are.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

Unit = Literal["share", "count", "duration", "rate"]

OPERATORS: Final[dict[str, Callable[[Fraction, Fraction], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}

NAMES: Final[dict[str, tuple[Unit, ...]]] = {
    **dict.fromkeys(
        (
            "succeeded",
            "failed",
            "rejected",
            "timed_out",
            "canceled",
            "removed",
            "in_progress",
            "queued",
            "true_timeouts",
            "false_timeouts",
            "missed_timeouts",
            "unfinished",
        ),
        ("count", "share"),
    ),
    "conflict_rate": ("share",),
    "conflicts": ("count",),
    "no_reply": ("count",),
    "completes_within": ("duration",),
    "elapsed": ("duration",),
    "updates_per_s": ("rate",),
    "p99_latency": ("duration",),
}
"""Every name that ``expect`` knows, and in which units it may be given."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """``name operator value``: shares from 0 to 1, durations in seconds, rates per second."""

    name: str
    text: str
    operator: str
    value: Fraction
    unit: Unit


def check(symbol: str, observed: Fraction, value: Fraction) -> bool:
    """Whether ``observed`` stands to ``value`` as the operator asks."""
    return OPERATORS[symbol](observed, value)
