"""The calendar: for ``machine.json``, and for what the world dates (signatures, certificates)."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time of day, in UTC.

    Nothing that a run computes may depend on it; a service that no scenario dates begins now.
    """
    return datetime.now(UTC)
