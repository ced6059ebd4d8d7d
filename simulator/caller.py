"""A thing's exchanges with the service: connected for, sent, recorded, and sent again.

Rule 1: every exchange leaves one record, whatever became of it; one that was cut off before its
        request was sent, or by the end of the run, leaves none.
Rule 2: a request is sent again as it was, after a jittered backoff, until it is answered or the
        agent has tried often enough.
Rule 3: after a conflict an agent goes on with the version that it found, drops the execution, or
        sends without a version, as its policy says. Over HTTP it describes it first.
Rule 4: latency, reply timeouts and backoff are the network's and are not scaled.

The subtlety is a lost reply. The thing cannot know whether its update was applied, so it sends the
same update again, with the same expectedVersion. Answered VersionMismatch with a state that is
exactly what it wanted, one version on, the first one had been applied: it goes on.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from simulator import results
from simulator.assignment import Assignment
from simulator.attribution import Unanswered, Writer, attribute, remember
from simulator.behaviour import Agent
from simulator.errors import (
    Disconnected,
    InternalError,
    InvalidStateTransition,
    NoReply,
    Rejection,
    RequestThrottled,
    VersionMismatch,
)
from simulator.jobs.messages import (
    DataReply,
    DataRequest,
    DescribeJobExecutionRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    JobExecutionState,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.model import Status
from simulator.results import pack
from simulator.world import Absence, Link, Prompt, World

BUSY: Final = (RequestThrottled, InternalError)
"""Rejections that AWS's own device client treats as worth another try."""

FAILURES: Final = (NoReply, Disconnected, Rejection)
"""What an exchange may end in other than a reply."""

OPERATION: Final[dict[type[DataRequest], int]] = {
    GetPendingJobExecutionsRequest: results.GET_PENDING,
    StartNextPendingJobExecutionRequest: results.START_NEXT,
    DescribeJobExecutionRequest: results.DESCRIBE,
    UpdateJobExecutionRequest: results.UPDATE,
}


class Caller:
    """One agent and its link."""

    __slots__ = (
        "_ordinal", "_returned", "_setbacks", "_world", "absent", "agent", "gone", "index", "link",
        "off", "prompt",
    )  # fmt: skip

    def __init__(self, index: int, world: World, agent: Agent | None = None) -> None:
        self.index = index
        self.link: Link
        self.prompt: Prompt | None = None
        """Its link, where that can be asked at once."""
        self.agent = world.agent_of(index) if agent is None else agent
        self.absent = False
        """Away by its timetable: it has no connection and makes none."""
        self.off = False
        """Without power."""
        self._world = world
        self._setbacks = 0
        """Connections lost or refused since the last reply."""
        self._ordinal = 0
        self.gone: tuple[float, int] | None = None
        """Since when it works without a connection, and by which fault that is gone."""
        self._returned: asyncio.Future[None] | None = None

    @property
    def assignments(self) -> Iterable[Assignment]:
        """What it works on."""
        return ()

    # ----------------------------------------------------------------------- the connection

    async def _connect(self) -> None:
        """Connect, with jittered backoff after every setback: a lost connection is one, too."""
        world, link = self._world, self.link
        while True:
            if self.absent or self.off:
                await self._until_there()
            if self._setbacks:
                await self._back_off(self._setbacks - 1)
                if self._away():
                    continue
            due = world.now()
            try:
                await link.connect()
            except Disconnected:
                self._record(results.CONNECT, results.DISCONNECTED, due)
                self._lose(link.fault)
            else:
                world.recorder.add(
                    pack(self.index, results.CONNECT, 0, 0, 0, 0, link.fault, 0, due, due,
                         world.now())
                )  # fmt: skip
                if self.gone is not None:
                    world.absences.append(Absence(self.index, *self.gone, world.now()))
                    self.gone = None
                return

    async def _until_there(self) -> None:
        """Wait until the thing may connect."""
        while self._away():
            if self._returned is None or self._returned.done():
                self._returned = self._world.loop.create_future()
            await self._returned

    def _away(self) -> bool:
        return self.absent or self.off

    def _lose(self, fault: int) -> None:
        """The connection is gone."""
        self._setbacks += 1
        if self.gone is None and self.assignments:
            self.gone = (self._world.now(), fault)

    async def _back_off(self, tries: int) -> None:
        """Wait before the next try: exponential with full jitter below a maximum."""
        agent, world = self.agent, self._world
        base, maximum = agent.backoff_base, agent.backoff_maximum
        assert base is not None  # the fleet fills in what the network says
        assert maximum is not None
        self._ordinal += 1
        bound = min(maximum, base * 2 ** min(tries, 30))
        await world.sleep(bound * world.chance.jitter(self.index, self._ordinal))

    # ----------------------------------------------------------------------- questions

    async def _ask(
        self, job_id: str | None, request: DataRequest, tries: int = 0
    ) -> DataReply | None:
        """Ask until there is an answer; None where it is a refusal, or none ever comes.

        ``tries`` is how often it was asked already.
        """
        if not tries:
            self._ordinal += 1
        while True:
            sent = self._world.now()
            try:
                reply = await self.link.call(job_id, request)
            except FAILURES as error:
                self._failed(error, request, None, sent, sent)
                tries += 1
                if not self._worth(error, tries):
                    return None
            else:
                self._setbacks = 0
                self._record(OPERATION[type(request)], results.ACCEPTED, sent)
                return reply
            await self._back_off(tries - 1)

    def _worth(self, error: Exception, tries: int) -> bool:
        """Whether the same request is worth another try; raise what has cut the connection."""
        if isinstance(error, Disconnected):
            raise error
        most = self.agent.tries
        return isinstance(error, (NoReply, *BUSY)) and (most is None or tries < most)

    # ----------------------------------------------------------------------- reports

    async def _tell(
        self, current: Assignment, request: UpdateJobExecutionRequest, *, fault: int = 0
    ) -> bool:
        """Report now, until the service has it; False where the execution is no longer ours."""
        self._ordinal += 1
        sent = self._world.now()
        try:
            await self.link.call(current.job_id, request)
        except FAILURES as error:
            self._failed(error, request, current, sent, sent, fault=fault)
            return await self._insist(current, request, error)
        self._accepted(current, sent, fault)
        return True

    async def _insist(
        self, current: Assignment, request: UpdateJobExecutionRequest, error: Exception
    ) -> bool:
        """Send a report that failed again; return False where the execution is no longer ours."""
        tries = 1
        unanswered: Unanswered | None = None
        lost: Status | None = None
        """Of what had no answer, as far as the agent knows: the request may be lost as well."""
        while True:
            if isinstance(error, NoReply):
                lost = request.status
                unanswered = remember(unanswered, request.status, error, self.link.fault)
            elif isinstance(error, (VersionMismatch, InvalidStateTransition)):
                state = error.execution_state
                if state is None and isinstance(error, VersionMismatch):
                    state = await self._look_up(current)
                if not isinstance(state, JobExecutionState):
                    return False
                before, current.version = current.version, state.version_number
                current.stale = False
                if state.status == lost and _one_on(error, before, state):
                    return True
                if not self._goes_on(error, request, state):
                    return False
                lost = unanswered = None
                self._ordinal += 1
            if not isinstance(error, VersionMismatch):
                if not self._worth(error, tries):
                    return False
                await self._back_off(tries - 1)
                tries += 1
            sent = self._world.now()
            try:
                await self.link.call(current.job_id, request)
            except FAILURES as failure:
                self._failed(failure, request, current, sent, sent, unanswered)
                error = failure.with_traceback(None)  # which knows this frame, and it the error
            else:
                self._accepted(current, sent, 0)
                return True

    async def _look_up(self, current: Assignment) -> JobExecutionState | None:
        """Describe an execution, as HTTP does not show it with a conflict; None: it has ended."""
        request = DescribeJobExecutionRequest(False, current.identity[1])
        reply = await self._ask(current.job_id, request)
        execution = reply.execution if isinstance(reply, ExecutionReply) else None
        if execution is None:
            return None
        return JobExecutionState(
            execution.status, execution.version_number, execution.status_details
        )

    def _goes_on(
        self, error: Exception, request: UpdateJobExecutionRequest, state: JobExecutionState
    ) -> bool:
        """After a contradiction: whether the agent sends again, and how."""
        policy = self.agent.on_conflict
        if isinstance(error, InvalidStateTransition) or policy == "abandon":
            return False
        if policy == "force":
            request.expected_version = None
            return True
        if state.status != "IN_PROGRESS":
            return False  # it ended, or a retry is queued in its place
        request.expected_version = state.version_number
        return True

    # ----------------------------------------------------------------------- records

    def _accepted(self, current: Assignment, sent: float, fault: int) -> None:
        """An update came back with a reply."""
        self._setbacks = 0
        current.version += 1
        current.stale = False
        self._record(results.UPDATE, results.ACCEPTED, sent, current, fault=fault)

    def _failed(
        self,
        error: Exception,
        request: DataRequest,
        current: Assignment | None,
        due: float,
        sent: float,
        unanswered: Unanswered | None = None,
        *,
        fault: int = 0,
    ) -> None:
        """Record an exchange that came to no good end."""
        cause = edge = 0
        if isinstance(error, NoReply):
            outcome = results.NO_REPLY
        elif isinstance(error, Disconnected):
            outcome = results.DISCONNECTED
            fault = results.ABSENT if self.absent else fault
        else:
            assert isinstance(error, Rejection)
            outcome = results.REJECTED[error.code]
            if current is not None and isinstance(error, VersionMismatch):
                assert isinstance(request, UpdateJobExecutionRequest)  # only it has a version
                expected = request.expected_version
                assert expected is not None
                accompanied = self._world.accompanied(self.index)
                writer = Writer(
                    unanswered, current.stale, accompanied, fault, current.held is not None
                )
                cause, edge = attribute(error, request.status, expected, writer)
        self._record(
            OPERATION[type(request)], outcome, sent, current, due, cause=cause, edge=edge,
            fault=fault,
        )  # fmt: skip

    def _record(
        self,
        operation: int,
        outcome: int,
        sent: float,
        current: Assignment | None = None,
        due: float | None = None,
        *,
        cause: int = 0,
        edge: int = 0,
        fault: int = 0,
    ) -> None:
        world = self._world
        number, job = (0, 0) if current is None else (current.number, current.job)
        world.recorder.add(
            pack(self.index, operation, outcome, cause, number, edge, fault or self.link.fault, job,
                 sent if due is None else due, sent, world.now())
        )  # fmt: skip


def _one_on(error: Exception, before: int, state: JobExecutionState) -> bool:
    """Whether what was found may be what the agent's own unanswered update made.

    Refused without a version (its transition is not possible any more), there is no other sign.
    """
    return isinstance(error, InvalidStateTransition) or state.version_number == before + 1
