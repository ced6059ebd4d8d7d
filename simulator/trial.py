"""The verdict on somebody's agent: what the service saw of a thing, held against the rules.

Rule 1: the service is the witness: nothing is read from what an agent prints.
Rule 2: nobody is blamed for what he could not know. A first report after the service ended an
        execution, and a repeated one whose reply was lost, are answered and forgiven; the next one
        is not.

The subtlety is in what an agent knows: it has been told of an end when an answer that says so was
sent to it. Then one more report on that execution is one too many. Copies that share a thing cannot
be told apart: each of them may be told once.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from simulator.errors import ResourceNotFound
from simulator.host import Exchange
from simulator.jobs import JobsService
from simulator.jobs.messages import UpdateJobExecutionRequest
from simulator.jobs.model import PENDING, JobExecution, Status

BY_DEVICE: Final = ("IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED")
UNRESOLVED: Final = ("QUEUED", "IN_PROGRESS", "TIMED_OUT")
"""Where an execution with an open conflict stands that nobody went on with."""


class Check(msgspec.Struct, frozen=True):
    """One thing that is asked of an agent."""

    name: str
    passed: bool
    why: str = ""
    """What was wrong."""


class Ended(msgspec.Struct, frozen=True, rename="camel"):
    """One execution of the thing at the end of the trial."""

    job_id: str
    execution_number: int
    status: Status
    version_number: int


class CopyVerdict(msgspec.Struct, frozen=True):
    """What became of one copy of the agent."""

    thing: str
    passed: bool
    executions: list[Ended]
    requests: dict[str, int]
    """By operation."""
    faults: dict[str, int]
    """What befell its requests."""
    conflicts: int
    resolved: int
    exit_code: int | None
    """Of its process, where that ended by itself; of several, the first that is not 0."""
    checks: list[Check]
    outputs: list[str] = []
    """The file with what it printed; where copies share the thing, one each."""


class _Case:
    """What is known of one execution."""

    __slots__ = ("claimed", "open", "told")

    def __init__(self) -> None:
        self.open = 0
        """Conflicts that it was told of and has not got over yet."""
        self.told = 0
        """How often somebody was told that it has ended."""
        self.claimed: Status | None = None
        """The end that it reported in vain."""


class Witness:
    """Sees all that one thing asks."""

    def __init__(self, service: JobsService, thing: str, copies: int = 1) -> None:
        self.thing = thing
        self.copies = copies
        """How many share the thing."""
        self.requests: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.conflicts = 0
        self.resolved = 0
        self.forbidden: list[str] = []
        self.late: list[str] = []
        self._service = service
        self._cases: dict[tuple[str, int], _Case] = {}

    def saw(self, exchange: Exchange) -> None:
        """One of its requests was dealt with."""
        self.requests[exchange.operation] += 1
        if exchange.fault is not None:
            self.faults[exchange.fault] += 1
        if exchange.update is None or exchange.job_id is None:
            return
        try:
            execution = self._service.execution(self.thing, exchange.job_id)
        except ResourceNotFound:
            return
        case = self._case(execution)
        if exchange.outcome == "accepted":
            self._accepted(case, exchange.update, exchange.answered)
        elif exchange.answered and exchange.outcome == "VersionMismatch":
            self._mismatch(case, execution, exchange.update)
        elif exchange.answered and exchange.outcome == "InvalidStateTransition":
            self._invalid(case, execution, exchange.update)

    def _case(self, execution: JobExecution) -> _Case:
        key = execution.job.job_id, execution.execution_number
        return self._cases.setdefault(key, _Case())

    def _accepted(self, case: _Case, update: UpdateJobExecutionRequest, answered: bool) -> None:
        self.resolved += case.open
        case.open = 0
        case.claimed = None
        if update.status != "IN_PROGRESS" and answered:
            case.told += 1

    def _mismatch(
        self, case: _Case, execution: JobExecution, update: UpdateJobExecutionRequest
    ) -> None:
        self.conflicts += 1
        if execution.status in PENDING:
            case.open += 1
            if update.status != "IN_PROGRESS":
                case.claimed = update.status
            return
        if self._knew(case):
            self._too_late(execution, update)
        case.told += 1
        self.resolved += 1 + case.open  # there is nothing left to go on with
        case.open = 0

    def _invalid(
        self, case: _Case, execution: JobExecution, update: UpdateJobExecutionRequest
    ) -> None:
        if execution.status in PENDING or update.status not in BY_DEVICE:
            self.forbidden.append(f"{execution.status} → {update.status} of {_name(execution)}")
        elif self._knew(case):
            self._too_late(execution, update)
            self.forbidden.append(f"{execution.status} → {update.status} of {_name(execution)}")
        case.told += execution.status not in PENDING

    def _knew(self, case: _Case) -> bool:
        """Whether every copy has been told of the execution's end."""
        return case.told >= self.copies

    def _too_late(self, execution: JobExecution, update: UpdateJobExecutionRequest) -> None:
        self.late.append(f"{update.status} after {_name(execution)} had {execution.status}")

    # ----------------------------------------------------------------------- the verdict

    def verdict(self, exit_codes: Sequence[int | None], outputs: Sequence[str] = ()) -> CopyVerdict:
        """Judge; ``exit_codes`` are the processes', where they ended by themselves."""
        failures = [code for code in exit_codes if code]
        ended = [code for code in exit_codes if code is not None]
        executions = self._service.history(self.thing)
        checks = [
            self._finished(executions),
            self._conflicts(executions),
            _check("transitions", self.forbidden),
            self._lost_work(executions),
            _check("process", [f"ended with exit code {code}" for code in failures]),
        ]
        return CopyVerdict(
            self.thing,
            all(check.passed for check in checks),
            [Ended(e.job.job_id, e.execution_number, e.status, e.version) for e in executions],
            dict(self.requests),
            dict(self.faults),
            self.conflicts,
            self.resolved,
            next(iter(failures or ended), None),
            checks,
            list(outputs),
        )

    def _finished(self, executions: list[JobExecution]) -> Check:
        """The newest execution of each job has ended, and not because time was up."""
        newest = [e for e in executions if e.job.latest.get(self.thing) is e]
        wrong = [f"{_name(e)} is {e.status}" for e in newest if e.status in (*PENDING, "TIMED_OUT")]
        if not self.requests and executions:
            wrong.append("it never asked the service anything as this thing")
        return _check("finished", wrong)

    def _conflicts(self, executions: list[JobExecution]) -> Check:
        """What was told of a conflict went on."""
        wrong = []
        for execution in executions:
            open_ones = self._case(execution).open
            if open_ones and execution.status in UNRESOLVED:
                times = "a VersionMismatch" if open_ones == 1 else f"{open_ones} VersionMismatches"
                wrong.append(f"{times} of {_name(execution)}, and no accepted report after it")
        return _check("conflicts", wrong)

    def _lost_work(self, executions: list[JobExecution]) -> Check:
        wrong = list(self.late)
        for execution in executions:
            claimed = self._case(execution).claimed
            if claimed is not None and execution.status in UNRESOLVED:
                wrong.append(f"{claimed} of {_name(execution)} was reported and never accepted")
            elif execution.status == "IN_PROGRESS":
                wrong.append(f"{_name(execution)} was left IN_PROGRESS")
        return _check("lost work", wrong)


def _check(name: str, wrong: list[str]) -> Check:
    """Passed where nothing is wrong; of much that is, the first and how much more."""
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return Check(name, not wrong, wrong[0] + more if wrong else "")


def _name(execution: JobExecution) -> str:
    number = execution.execution_number
    return f"job {execution.job.job_id}" + (f" (execution {number})" if number > 1 else "")
