"""What a test sees of its service: executions, job events, the requests of agents."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simulator.host import Exchange, Fault
from simulator.jobs.model import JobExecution, Status


class NotInTime(AssertionError):
    """What a test waited for did not come about."""


class Execution(NamedTuple):
    """An execution as the service has it; times in seconds since the test's service began."""

    thing_name: str
    job_id: str
    status: Status
    version: int
    number: int
    """Attempts count up from 1."""
    details: dict[str, str]
    queued_at: float
    started_at: float | None
    updated_at: float
    deadline: float | None
    """When it times out, as things are: the earlier of its two timers."""


class Event(NamedTuple):
    """A job event as it was published."""

    topic: str
    at: float
    payload: dict[str, Any]


@dataclass(slots=True)
class Onlooker:
    """What befalls requests, and who saw them (``host.Stage``)."""

    changed: Callable[[], None]
    """Is told of every request."""
    counts: dict[str, int] = field(default_factory=dict)
    requests: list[Exchange] = field(default_factory=list)
    planned: dict[str, list[Fault]] = field(default_factory=dict)

    def befall(self, thing_name: str, *, twice: bool = True) -> Fault | None:
        """What was planned for it; what cannot be done at this door waits for one where it can."""
        planned = self.planned.get(thing_name)
        if not planned or (planned[0] == "duplicate-reply" and not twice):
            return None
        return planned.pop(0)

    def saw(self, exchange: Exchange) -> None:
        """Keep it."""
        self.requests.append(exchange)
        self.changed()


def as_seen(execution: JobExecution) -> Execution:
    """An execution as it is now."""
    return Execution(
        execution.thing_name,
        execution.job.job_id,
        execution.status,
        execution.version,
        execution.execution_number,
        dict(execution.status_details or {}),
        execution.queued_at,
        execution.started_at,
        execution.last_updated_at,
        execution.deadline,
    )
