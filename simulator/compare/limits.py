"""How much worse is too much: thresholds, as a user gives them.

Rule 1: a difference is a regression only if it is both more than chance and more than its limit.
Rule 2: shares are limited in percentage points, all else in per cent of the baseline.
Rule 3: what has no test (one number for each run) is judged by its limit alone, and only where a
        limit was asked for.
"""

import re
from dataclasses import dataclass
from typing import Final

from simulator.errors import UsageError

LEAST_MS: Final = 1.0
"""Latencies that differ by less are the same, whatever their ratio; ``LEAST_S`` likewise."""
LEAST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """As fractions: 0.01 is one percentage point, or one per cent."""

    share: float = 0.01
    conflicts: float = 0.01
    time: float = 0.10
    latency: float = 0.10
    requests: float = 0.10
    elapsed: float | None = None
    peak: float | None = None
    alpha: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise UsageError(f"--alpha {self.alpha:g}: more than 0 and less than 0.5, as 0.01")


def parse(option: str, text: str | None) -> float | None:
    """A limit as ``10%``, ``1pp`` or ``1``; all are per cent, or percentage points.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:%|pp)?\s*", text)
    if found is None:
        raise UsageError(f"{option} {text}: write a number of per cent, as in 10%")
    return float(found[1]) / 100
