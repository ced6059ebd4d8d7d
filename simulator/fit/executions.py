"""One observed execution, and how what several documents say of it becomes one.

Rule 1: an execution is identified by job, thing and execution number; whoever knows more adds to
        it: the later state wins, and what one does not know is taken from the other.
Rule 2: times are Unix seconds, as they were read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from simulator.jobs.model import PENDING

SLACK: Final = 2.0
"""Seconds by which two clocks, or two roundings, of the same moment may differ."""

Key = tuple[str, str, int]


@dataclass(slots=True)
class Execution:
    """One attempt of one job on one thing, as far as it is known."""

    job: str
    thing: str
    number: int
    status: str
    queued: float | None = None
    started: float | None = None
    updated: float | None = None
    retry: int | None = None
    version: int | None = None
    details: dict[str, str] | None = None
    guessed: bool = False
    """Whether its start is not known, and is taken to be when it was queued."""

    @property
    def key(self) -> Key:
        """What identifies it."""
        return (self.job, self.thing, self.number)

    @property
    def attempt(self) -> int:
        """Which try of its series it is, from 1."""
        return self.number if self.retry is None else self.retry + 1

    @property
    def lasted(self) -> float | None:
        """Seconds from its start to its last change, or None where it never started."""
        if self.started is None or self.updated is None:
            return None
        return max(0.0, self.updated - self.started)

    @property
    def latest(self) -> float:
        """The last moment at which something is known of it."""
        times = (self.queued, self.started, self.updated)
        return max((t for t in times if t is not None), default=float("-inf"))

    def merge(self, other: "Execution") -> None:
        """Take in what another document says of the same execution."""
        if _news(other) > _news(self):
            self.status = other.status
            self.updated = self.updated if other.updated is None else other.updated
            self.started = self.started if other.started is None else other.started
            self.version = self.version if other.version is None else other.version
            self.details = self.details if other.details is None else other.details
        self.queued = other.queued if self.queued is None else self.queued
        self.started = other.started if self.started is None else self.started
        self.updated = other.updated if self.updated is None else self.updated
        self.retry = other.retry if self.retry is None else self.retry
        self.version = other.version if self.version is None else self.version
        self.details = other.details if self.details is None else self.details


def _news(execution: Execution) -> tuple[bool, float]:
    """What has ended is newer than what has not."""
    return execution.status not in PENDING, execution.latest


@dataclass(frozen=True, slots=True)
class Event:
    """The end of an execution as ``$aws/events/jobExecution`` tells it: no number, no start."""

    job: str
    thing: str
    status: str
    at: float
    details: dict[str, str] | None


@dataclass(slots=True)
class Observed:
    """Everything that was read."""

    executions: dict[Key, Execution] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    """By eventId: MQTT delivers at least once."""
    created: dict[str, float] = field(default_factory=dict)
    """When jobs were created, where an event of the job says it."""
    repeated: int = 0
    """Events that came again."""
    fine: bool = False
    """Whether any time has a fraction of a second."""
    described: dict[str, object] | None = None
    """A job as ``describe-job`` prints it."""
    notes: list[str] = field(default_factory=list)

    def add(self, execution: Execution) -> None:
        """Take in an execution."""
        known = self.executions.setdefault(execution.key, execution)
        if known is not execution:
            known.merge(execution)

    def settle(self) -> list[Execution]:
        """All executions in a fixed order, with what the events add to them."""
        series: dict[tuple[str, str], list[Execution]] = {}
        for execution in sorted(self.executions.values(), key=lambda e: e.key):
            series.setdefault((execution.job, execution.thing), []).append(execution)
        told = sorted(self.events.items(), key=lambda item: (item[1].at, item[0]))
        lonely = 0
        for _, event in told:
            attempts = series.setdefault((event.job, event.thing), [])
            known = _meant(event, attempts)
            if known is None:
                lonely += 1
                number = attempts[-1].number + 1 if attempts else 1
                queued = attempts[-1].updated if attempts else self.created.get(event.job)
                known = Execution(event.job, event.thing, number, event.status, queued)
                known.retry = number - 1
                attempts.append(known)
            known.merge(
                Execution(event.job, event.thing, known.number, event.status,
                          updated=event.at, details=event.details)
            )  # fmt: skip
        if lonely:
            self.notes.append(_without_start(lonely, bool(self.created)))
        everything = [execution for attempts in series.values() for execution in attempts]
        for execution in everything:
            if execution.started is None and execution.queued is not None and lonely:
                _start_at_queued(execution)
        return sorted(everything, key=lambda e: e.key)


def _meant(event: Event, attempts: Iterable[Execution]) -> Execution | None:
    """The execution whose end an event tells: one that ended so then, or the one still pending."""
    pending = None
    for execution in attempts:
        if execution.status in PENDING:
            if execution.queued is None or execution.queued <= event.at + SLACK:
                pending = execution
        elif execution.status == event.status and (
            execution.updated is None or abs(execution.updated - event.at) <= SLACK
        ):
            return execution
    return pending


def _start_at_queued(execution: Execution) -> None:
    """What only an event tells of is taken to have started when it was queued."""
    if execution.status not in PENDING and execution.status not in ("CANCELED", "REMOVED"):
        execution.started = execution.queued
        execution.guessed = True


def _without_start(lonely: int, created: bool) -> str:
    if created:
        return (
            f"{lonely:,} executions are known from their events alone, which tell no start: their "
            "durations are counted from the job's creation (later attempts: from the end of the "
            "one before), so they contain the rollout and the queue wait. Add the output of "
            "list-job-executions-for-job"
        )
    return (
        f"{lonely:,} executions are known from their events alone, which tell no start; they count "
        "in the outcome rates and not in the durations. Add the output of "
        "list-job-executions-for-job, or record $aws/events/job/# too, whose createdAt helps"
    )
