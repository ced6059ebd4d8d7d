"""An execution that a thing works on: how far it is, and what it will say of it and when.

Rule 1: work is a row of steps, and each step ends in a report: progress, or the end. What an agent
        does otherwise (no progress, a report every n seconds, a step timer only once) is made into
        another row of steps when it takes the execution on, so that nobody has to ask later.
Rule 2: a thing hangs at the beginning of a step; it loses its power in the middle of one.
"""

from itertools import accumulate
from math import ceil
from typing import Final

from simulator.behaviour import Agent, Outcome, WorkPlan
from simulator.jobs.messages import JobExecutionData, UpdateJobExecutionRequest
from simulator.jobs.model import Status

ENDS: Final[dict[Outcome, Status]] = {Outcome.FAIL: "FAILED", Outcome.REJECT: "REJECTED"}
"""What is reported at the end; all else ends well, if nothing befalls it."""

MOST_PIECES: Final = 10_000
"""An agent that reports every n seconds makes at most so many reports of one execution."""


class Assignment:
    """The execution that a thing works on, as far as the thing knows."""

    __slots__ = (
        "behind", "due", "ends_at", "failed_step", "fault_s", "fault_step", "held", "job",
        "job_id", "number", "plan", "reported", "stale", "version",
    )  # fmt: skip

    def __init__(self, job_id: str, job: int, number: int, version: int, plan: WorkPlan) -> None:
        self.job_id = job_id
        self.job = job
        """The job's index in the scenario."""
        self.number = number
        self.version = version
        self.plan = plan
        outcome = plan.outcome
        self.ends_at = plan.fault_step if outcome is Outcome.FAIL else plan.steps
        """The step whose report is the last one."""
        self.fault_step = plan.fault_step if outcome >= Outcome.HANG else 0
        """The step in which something befalls the thing; 0: none, or it is over."""
        self.fault_s: float | None = None
        """After so many seconds of that step; None: as Rule 2 says."""
        self.failed_step: str | None = None
        """The step that fails, where it is not ``ends_at``."""
        self.reported = 0
        """Steps done whose report was accepted."""
        self.due: float | None = None
        """When the step that is under way ends, or ended, on the run's clock; None before."""
        self.behind: float | None = None
        """When the last reported step ended, where its report had to wait for a connection: the
        work has gone on since."""
        self.stale = False
        """Its version was learned by reconnecting."""
        self.held: UpdateJobExecutionRequest | None = None
        """A progress report that goes out after the next one."""

    @property
    def identity(self) -> tuple[str, int]:
        """What tells this execution from every other one of the thing."""
        return (self.job_id, self.number)

    def is_of(self, execution: JobExecutionData) -> bool:
        """Whether a reply or notice is about this execution."""
        return self.number == execution.execution_number and self.job_id == execution.job_id

    def seconds(self, step: int) -> float:
        """How long a step (from 1) takes, in seconds of scenario time."""
        each = self.plan.each
        return self.plan.step_s if each is None else each[step - 1]

    def timeout(self, step: int) -> int | None:
        """``stepTimeoutInMinutes`` of the report that begins a step (from 1)."""
        timeouts = self.plan.timeouts
        if timeouts is None:
            return self.plan.step_timeout_minutes
        return timeouts[step - 1] if step <= len(timeouts) else None

    def catch_up(self, took: float, now: float) -> float:
        """Begin the next step where the one before it ended; return how long it still takes."""
        assert self.behind is not None
        self.due = due = self.behind + took
        if due <= now:
            return 0.0
        self.behind = None
        return due - now

    def done(self, now: float, time_scale: float, *, offline: bool) -> float | None:
        """When its work was done, if it was by ``now``.

        ``offline``: there is no connection, so that steps have followed each other since.
        """
        at = self.due
        if at is None or self.fault_step:
            return None
        left = range(self.reported + 2, self.ends_at + 1)
        if left and self.plan.outcome is not Outcome.REJECT:
            if not offline:
                return None
            each = self.plan.each
            seconds = (
                self.plan.step_s * len(left)
                if each is None
                else sum(each[left[0] - 1 : self.ends_at])
            )
            at += seconds / time_scale
        return at if at <= now else None

    def end(self) -> tuple[Status, dict[str, str] | None]:
        """What is reported at the end: status and statusDetails."""
        plan = self.plan
        if plan.outcome is Outcome.SUCCEED:
            return "SUCCEEDED", None
        status = ENDS.get(plan.outcome, "SUCCEEDED")
        if status == "SUCCEEDED":
            return status, None
        if status == "REJECTED":
            return status, {"reason": plan.reason or "rejected by the device"}
        details = {} if plan.reason is None else {"reason": plan.reason}
        details["failedStep"] = self.failed_step or str(self.ends_at)
        return status, details


def adapt(assignment: Assignment, agent: Agent, *, begun_by_update: bool) -> None:
    """Make the assignment's steps those of an agent with habits of its own."""
    plan = assignment.plan
    if agent.step_timer == "none":
        plan = plan._replace(step_timeout_minutes=None, timeouts=None)
    if not agent.progress or agent.progress_every is not None:
        plan = _in_pieces(assignment, plan, agent.progress_every if agent.progress else None)
    assignment.plan = plan
    if agent.step_timer == "once":
        explicit = plan.timeouts is not None and plan.timeouts[0] is not None
        if begun_by_update or explicit:
            timeouts: tuple[int | None, ...] = (assignment.timeout(1),)
        else:
            timeouts = (None, assignment.timeout(2))
        assignment.plan = plan._replace(timeouts=timeouts)


def _in_pieces(assignment: Assignment, plan: WorkPlan, every: float | None) -> WorkPlan:
    """The same work in pieces of ``every`` seconds, or in one piece."""
    steps, each = assignment.ends_at, plan.each
    ends = [plan.step_s * steps] if each is None else list(accumulate(each[:steps]))
    whole = ends[-1]
    if every is None:
        pieces = [whole]
    else:
        every = max(every, whole / MOST_PIECES)
        full = max(1, ceil(whole / every))
        pieces = [every] * (full - 1) + [whole - every * (full - 1)]
    starts = list(accumulate(pieces[:-1], initial=0.0))
    timeouts = plan.timeouts
    if timeouts is not None:  # each piece has that of the step in which it begins
        under_way = [sum(end <= start for end in ends) for start in starts]
        timeouts = tuple(timeouts[min(step, len(timeouts) - 1)] for step in under_way)
    if plan.outcome is Outcome.FAIL:
        assignment.failed_step = str(steps)
    if assignment.fault_step:
        step = assignment.fault_step
        before = plan.step_s * (step - 1) if each is None else sum(each[: step - 1])
        at = before + half_way(plan.outcome, assignment.seconds(step))
        piece = max(at_piece for at_piece, start in enumerate(starts) if start <= at)
        assignment.fault_step, assignment.fault_s = piece + 1, at - starts[piece]
    assignment.ends_at = len(pieces)
    return plan._replace(steps=len(pieces), each=tuple(pieces), timeouts=timeouts)


def half_way(outcome: Outcome, seconds: float) -> float:
    """After how much of a step it befalls the thing (Rule 2)."""
    return 0.0 if outcome is Outcome.HANG else seconds / 2
