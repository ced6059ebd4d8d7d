"""What a test may ask of its service: the ``jobfleet`` marker's arguments, and durations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from simulator.errors import UsageError
from simulator.jobs.execution import DIALECTS
from simulator.scenario.units import parse_duration

Duration = str | float | timedelta
"""``"10m"``, ``"7d"`` and so on, or a timedelta, or seconds."""

EPOCH: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``@pytest.mark.jobfleet(…)`` may say."""

    clock: Literal["stepped", "wall"] = "stepped"
    dialect: str = "aws"
    quotas: Literal["none", "aws"] = "none"
    time_scale: float = 1.0
    """How much faster than the wall clock, where it follows that."""
    epoch: str | datetime = EPOCH
    """When the service's time begins: ISO 8601, UTC; ``now``; or a datetime."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, allowed in (
            ("clock", ("stepped", "wall")),
            ("dialect", tuple(DIALECTS)),
            ("quotas", ("none", "aws")),
        ):
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name}={getattr(self, name)!r}: allowed are {listed(allowed)}")
        if not self.time_scale > 0:
            raise UsageError(f"time_scale={self.time_scale!r}: it must be above 0")
        if self.clock == "stepped" and self.time_scale != 1:
            raise UsageError('time_scale is for clock="wall": stepped time moves only by advance()')
        self.epoch_s()

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Settings":
        """Read a marker's arguments.

        Raises:
            UsageError: one of them is unknown, or its value is not allowed.
        """
        names = tuple(cls.__dataclass_fields__)
        for name in said:
            if name not in names:
                raise UsageError(f"jobfleet marker: {name!r} is none of {listed(names)}")
        try:
            return cls(**said)
        except (TypeError, UsageError) as error:
            raise UsageError(f"jobfleet marker: {error}") from None

    def epoch_s(self) -> float | None:
        """Unix seconds at which it begins; None: now."""
        epoch = self.epoch
        if epoch == "now":
            return None
        try:
            at = datetime.fromisoformat(epoch) if isinstance(epoch, str) else epoch
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
            return float(int(at.timestamp()))
        except (ValueError, AttributeError, OverflowError):
            raise UsageError(f'epoch={epoch!r}: write "{EPOCH}", "now" or a datetime') from None


def listed(names: tuple[str, ...]) -> str:
    """Names for a message."""
    return ", ".join(names)


def seconds_of(duration: Duration) -> float:
    """Seconds of ``"10m"``, a timedelta or a number.

    Raises:
        UsageError: it is none of these, or negative.
    """
    try:
        if isinstance(duration, str):
            return parse_duration(duration)
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    except (ValueError, TypeError) as error:
        raise UsageError(f"advance({duration!r}): {error}") from None
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"advance({duration!r}): time passes forwards, and not for ever")
    return seconds
