"""What a service is made with, in one place."""

from collections.abc import Callable
from dataclasses import dataclass

from simulator.jobs.execution import AWS, Dialect
from simulator.jobs.quotas import Quotas

Documents = Callable[[str], str]
"""Reads the text behind a documentSource; raises InvalidRequest where it cannot."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom the service believes, when its time began, and what it may do."""

    dialect: Dialect = AWS
    epoch: float = 0.0
    """The Unix time at which elapsed time is 0."""
    documents: Documents | None = None
    quotas: Quotas | None = None
    """None: nothing is throttled."""
    notify: bool = True
    """Whether anybody hears ``jobs/notify``; ``notify-next`` is told in any case."""
