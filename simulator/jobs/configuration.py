"""How a job is to be rolled out: timeout, rate, abort, retry, schedule, presigning, tags.

Shapes and bounds are botocore's ``iot`` 2015-05-28 and the quotas of GR:dm, so that decoding
validates; what types cannot say is checked after it and told in one sentence.
"""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

MAX_MINUTES: Final = 10080
"""Seven days: the longest in-progress or step timeout (GR:dm)."""

MAX_RETRIES: Final = 10
"""Retries that a thing gets at most, of both failure types (DG:jobs-configurations-details)."""

Minutes = Annotated[int, Meta(ge=1, le=MAX_MINUTES)]
PerMinute = Annotated[int, Meta(ge=1, le=1000)]
Count = Annotated[int, Meta(ge=1)]
Description = Annotated[str, Meta(max_length=2028)]
EndBehavior = Literal["STOP_ROLLOUT", "CANCEL", "FORCE_CANCEL"]


def check_text(name: str, text: str | None) -> None:
    """Refuse an empty text and characters of category C, as the model's pattern does."""
    if text is not None:
        if not text:
            raise ValueError(f"{name} must not be empty")
        check_printable(name, text)


def check_printable(name: str, text: str) -> None:
    """Refuse characters of Unicode's category C, which re has no pattern for."""
    if not text.isprintable() and any(unicodedata.category(c)[0] == "C" for c in text):
        raise ValueError(f"{name} has control characters")


class TimeoutConfig(Struct, rename="camel", frozen=True, omit_defaults=True):
    """How long an execution may stay IN_PROGRESS, in minutes (1 to 10080)."""

    in_progress_timeout_in_minutes: Minutes | None = None


class RateIncreaseCriteria(Struct, rename="camel", frozen=True, omit_defaults=True):
    """After how many things the rate grows; with both, whichever comes first (the guide's example).

    Each counts anew: the rate grows at once, twice, three times so many.
    """

    number_of_notified_things: Count | None = None
    number_of_succeeded_things: Count | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if self.number_of_notified_things is None and self.number_of_succeeded_things is None:
            raise ValueError(
                "rateIncreaseCriteria needs numberOfNotifiedThings or numberOfSucceededThings"
            )


class ExponentialRate(Struct, rename="camel", frozen=True, omit_defaults=True):
    """A rate that starts at ``base_rate_per_minute`` and is multiplied each time."""

    base_rate_per_minute: PerMinute
    increment_factor: Annotated[float, Meta(ge=1.1, le=5)]
    rate_increase_criteria: RateIncreaseCriteria

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if abs(self.increment_factor * 10 - self.tenths) > 1e-9:
            raise ValueError(
                f"incrementFactor {self.increment_factor} has more than one digit after the point"
            )

    @property
    def tenths(self) -> int:
        """The factor in whole tenths: rates are computed without rounding errors."""
        return round(self.increment_factor * 10)


class JobExecutionsRolloutConfig(Struct, rename="camel", frozen=True, omit_defaults=True):
    """How many executions a job may create per minute (1 to 1000; AWS's default is 1000)."""

    maximum_per_minute: PerMinute | None = None
    exponential_rate: ExponentialRate | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        maximum, rate = self.maximum_per_minute, self.exponential_rate
        if maximum is not None and rate is not None and rate.base_rate_per_minute > maximum:
            raise ValueError(
                f"baseRatePerMinute {rate.base_rate_per_minute} is above maximumPerMinute {maximum}"
            )


class AbortCriteria(Struct, rename="camel", frozen=True):
    """Cancel the job once so many percent of the executions that ended did so like this."""

    failure_type: Literal["FAILED", "REJECTED", "TIMED_OUT", "ALL"]
    action: Literal["CANCEL"]
    threshold_percentage: Annotated[float, Meta(gt=0, le=100)]
    min_number_of_executed_things: Count

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        hundredths = self.threshold_percentage * 100
        if abs(hundredths - round(hundredths)) > 1e-9:
            raise ValueError(
                f"thresholdPercentage {self.threshold_percentage} has more than two digits after "
                "the point"
            )


class AbortConfig(Struct, rename="camel", frozen=True):
    """When a job cancels itself; the criteria are looked at in order."""

    criteria_list: Annotated[tuple[AbortCriteria, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _check_once("abortConfig", [c.failure_type for c in self.criteria_list])


class RetryCriteria(Struct, rename="camel", frozen=True):
    """How often an execution that ended like this is tried again."""

    failure_type: Literal["FAILED", "TIMED_OUT", "ALL"]
    number_of_retries: Annotated[int, Meta(ge=0, le=MAX_RETRIES)]


class JobExecutionsRetryConfig(Struct, rename="camel", frozen=True):
    """Which executions are tried again."""

    criteria_list: Annotated[tuple[RetryCriteria, ...], Meta(min_length=1, max_length=2)]

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        types = [c.failure_type for c in self.criteria_list]
        _check_once("jobExecutionsRetryConfig", types)
        if "ALL" in types and len(types) > 1:
            raise ValueError("failureType ALL in jobExecutionsRetryConfig must stand alone")
        total = sum(c.number_of_retries for c in self.criteria_list)
        if total > MAX_RETRIES:
            raise ValueError(f"{total} retries in all are more than {MAX_RETRIES}")


class MaintenanceWindow(Struct, rename="camel", frozen=True):
    """A recurring window: a cron expression (UTC) and how long it is open, in minutes."""

    start_time: Annotated[str, Meta(min_length=1, max_length=256)]
    duration_in_minutes: Annotated[int, Meta(ge=1, le=1430)]


class SchedulingConfig(Struct, rename="camel", frozen=True, omit_defaults=True):
    """When a job begins, ends, and may roll out; times are ``YYYY-MM-DDThh:mm`` in UTC."""

    start_time: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    end_time: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    end_behavior: EndBehavior | None = None
    maintenance_windows: tuple[MaintenanceWindow, ...] | None = None


class PresignedUrlConfig(Struct, rename="camel", frozen=True, omit_defaults=True):
    """Who signs the URLs of a document, and for how many seconds (60 to 3600; 3600 if absent)."""

    role_arn: Annotated[str, Meta(min_length=20, max_length=2048)] | None = None
    expires_in_sec: Annotated[int, Meta(ge=60, le=3600)] | None = None


class Tag(Struct, rename="pascal", frozen=True):
    """A tag of a job, a template or another resource."""

    key: Annotated[str, Meta(min_length=1, max_length=128)]
    value: Annotated[str, Meta(max_length=256)] = ""

    def __post_init__(self) -> None:
        """Check what types cannot say: letters, separators, numbers and ``_.:/=+-@`` make a key."""
        for c in self.key:
            if c not in "_.:/=+-@" and unicodedata.category(c)[0] not in "LZN":
                raise ValueError(f"tag key {self.key!r} has the character {c!r}")


Tags = Annotated[list[Tag], Meta(max_length=50)]


def _check_once(config: str, types: Sequence[str]) -> None:
    if len(set(types)) < len(types):
        raise ValueError(f"a failureType stands twice in {config}")
