"""One virtual thing: connect, ask for the next job, work, report, resolve conflicts, reconnect.

Rule 1: a thing never names a transport: it holds a ``Link``, and hears from it by ``notified``
        and ``disconnected``.
Rule 2: its task exists only while it has something to do; an idle thing costs an object, and a
        notice wakes it.
Rule 3: work takes scenario time (divided by ``time_scale``); latency, reply timeouts and backoff
        are the network's and are not scaled.

The subtlety is a lost reply. The thing cannot know whether its update was applied, so it sends the
same update again, same token and same expectedVersion. Answered VersionMismatch with a state that
is exactly what it wanted, one version on, the first one had been applied: it goes on.
"""

from dataclasses import dataclass
from typing import Final

from simulator import results
from simulator.behaviour import Outcome, WorkPlan
from simulator.errors import Disconnected, InternalError, NoReply, Rejection, RequestThrottled
from simulator.errors import VersionMismatch as Mismatch
from simulator.jobs.messages import (
    DataReply,
    DataRequest,
    DescribeJobExecutionRequest,
    ExecutionReply,
    JobExecutionData,
    JobExecutionState,
    NotifyNext,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.model import Status
from simulator.world import Going, Link, World

BUSY: Final = (RequestThrottled, InternalError)
"""Rejections that AWS's own device client treats as worth another try."""

OPERATION: Final[dict[type[DataRequest], int]] = {
    StartNextPendingJobExecutionRequest: results.START_NEXT,
    DescribeJobExecutionRequest: results.DESCRIBE,
    UpdateJobExecutionRequest: results.UPDATE,
}


@dataclass(slots=True)
class Assignment:
    """The execution that a thing works on, as far as the thing knows."""

    job_id: str
    number: int
    version: int
    plan: WorkPlan
    worked: int = 0
    """Steps done."""
    reported: int = 0
    """Steps done whose report was accepted."""
    stale: bool = False
    """Its version was learned by reconnecting."""
    done: float | None = None
    """When its work was done, on the run's clock; None while there is some left."""

    @property
    def identity(self) -> tuple[str, int]:
        """What tells this execution from every other one of the thing."""
        return (self.job_id, self.number)


class Thing:
    """One device of the fleet."""

    __slots__ = (
        "_ordinal", "_setbacks", "_task", "_wanted", "_world", "current", "hung", "index", "link",
    )  # fmt: skip

    def __init__(self, index: int, world: World) -> None:
        self.index = index
        self.link: Link
        self.current: Assignment | None = None
        self.hung: tuple[str, int] | None = None
        """The execution in which it hung; a hung thing never does anything again."""
        self._world = world
        self._task: Going | None = None
        self._wanted = False
        self._setbacks = 0
        """Connections lost or refused since the last reply."""
        self._ordinal = 0

    # ----------------------------------------------------------------------- from outside

    @property
    def active(self) -> bool:
        """Whether it is doing something."""
        return self._task is not None

    def start(self) -> None:
        """Begin: connect and ask for work."""
        self._wanted = True
        self._wake()

    def notified(self, notice: NotifyNext) -> None:
        """Another execution is next for this thing, or none."""
        execution = notice.execution
        current = self.current
        if execution is None or (
            current is not None
            and current.identity == (execution.job_id, execution.execution_number)
        ):
            return
        self._wanted = True
        self._wake()

    def disconnected(self) -> None:
        """The connection ended: come back, unless a request in flight will notice anyway."""
        self._setbacks += 1
        self._wanted = True
        self._wake()

    def stop(self) -> None:
        """End for good."""
        self._wanted = False
        if self._task is not None:
            self._task.cancel()
        self.link.close()

    # ----------------------------------------------------------------------- its life

    def _wake(self) -> None:
        if self._task is None and self.hung is None:
            self._task = self._world.spawn(self._live())
            self._task.add_done_callback(self._rested)

    def _rested(self, task: Going) -> None:
        self._task = None
        if not task.cancelled():
            task.result()  # a fault of ours must not pass in silence
            if self._wanted:
                self._wake()

    async def _live(self) -> None:
        """Do what there is to do; return when nothing is left."""
        while self._wanted and self.hung is None:
            try:
                if not self.link.connected:
                    await self._connect()
                    if self.current is not None:
                        await self._resume()
                if self.current is None:
                    self._wanted = False
                    await self._begin()
                while self.current is not None and self.hung is None:
                    await self._work(self.current)
            except Disconnected:
                self._wanted = True

    async def _connect(self) -> None:
        """Connect, with jittered backoff after every setback: a lost connection is one, too."""
        world = self._world
        while True:
            if self._setbacks:
                await self._back_off(self._setbacks - 1)
            due = world.now()
            try:
                await self.link.connect()
            except Disconnected:
                self._record(results.CONNECT, results.DISCONNECTED, 0, due, due)
                self._setbacks += 1
            else:
                self._record(results.CONNECT, results.ACCEPTED, 0, due, due)
                return

    async def _begin(self) -> None:
        """Ask for the next job."""
        request = StartNextPendingJobExecutionRequest(client_token=self._token())
        execution = await self._ask_execution(None, request)
        if execution is not None:
            self._take(execution)

    async def _resume(self) -> None:
        """After a reconnect: is the execution that we were working on still ours?"""
        request = DescribeJobExecutionRequest(client_token=self._token())
        execution = await self._ask_execution("$next", request)
        current = self.current
        if current is None:
            return
        if execution is None or current.identity != (execution.job_id, execution.execution_number):
            self.current = None  # it ended while we were away
        else:
            current.version = execution.version_number
            current.stale = True

    def _take(self, execution: JobExecutionData) -> None:
        plan = self._world.work.plan(self.index, execution.execution_number)
        self.current = Assignment(
            execution.job_id, execution.execution_number, execution.version_number, plan
        )

    async def _work(self, current: Assignment) -> None:
        """Do the next step and report it; the last report ends the assignment."""
        plan = current.plan
        if plan.outcome == Outcome.REJECT:
            current.done = self._world.now()
            await self._finish(current, "REJECTED", {"reason": "rejected by the device"})
            return
        due = None
        if current.worked == current.reported and current.worked < plan.steps:
            if plan.outcome == Outcome.HANG and current.worked + 1 == plan.fault_step:
                self.hung = current.identity
                return
            due = await self._step(plan.step_s)
            current.worked += 1
        status, details = _news(current)
        if status != "IN_PROGRESS":
            if current.done is None:
                current.done = self._world.now()
            await self._finish(current, status, details, due)
            return
        ours = await self._report(current, status, details, due)
        current.reported = current.worked
        if not ours:
            self.current = None

    async def _finish(
        self,
        current: Assignment,
        status: Status,
        details: dict[str, str] | None,
        due: float | None = None,
    ) -> None:
        """Report the end; whether it was taken or came too late, the assignment is over."""
        if not await self._report(current, status, details, due):
            assert current.done is not None  # set before its end is reported
            self._world.unreported.append((self.index, current.identity, current.done))
        self.current = None

    async def _step(self, step_s: float) -> float | None:
        """One step's work; return when its report is due, None where the work takes no time."""
        if not step_s:
            return None
        world = self._world
        scaled = step_s / world.time_scale
        due = world.now() + scaled
        await world.sleep(scaled)
        return due

    # ----------------------------------------------------------------------- exchanges

    async def _report(
        self,
        current: Assignment,
        status: Status,
        details: dict[str, str] | None,
        due: float | None = None,
    ) -> bool:
        """Report until the service has it; return False where the execution is no longer ours."""
        timeout = current.plan.step_timeout_minutes if status == "IN_PROGRESS" else None
        request = UpdateJobExecutionRequest(
            status, details, timeout, current.version, client_token=self._token()
        )
        unsure = False
        tries = 0
        while True:
            try:
                await self._exchange(current, request, due, unsure)
            except NoReply:
                unsure = True
            except Mismatch as mismatch:
                state = mismatch.execution_state
                assert isinstance(state, JobExecutionState)
                applied = unsure and state.version_number == current.version + 1
                current.version = state.version_number
                current.stale = False
                if applied and state.status == status:
                    return True
                if state.status != "IN_PROGRESS":
                    return False  # it ended, or a retry is queued in its place
                request.expected_version = state.version_number
                request.client_token = self._token()
                unsure = False
                due = None
                continue
            except BUSY:
                pass
            except Rejection:
                return False
            else:
                current.version += 1
                current.stale = False
                return True
            due = None
            await self._back_off(tries)
            tries += 1

    async def _ask_execution(
        self, job_id: str | None, request: DataRequest
    ) -> JobExecutionData | None:
        """StartNext or Describe, again until there is an answer."""
        tries = 0
        while True:
            try:
                reply = await self._exchange(None, request, None, False, job_id)
            except (NoReply, *BUSY):
                await self._back_off(tries)
                tries += 1
            except Rejection:
                return None
            else:
                assert isinstance(reply, ExecutionReply)
                return reply.execution

    async def _exchange(
        self,
        current: Assignment | None,
        request: DataRequest,
        due: float | None,
        unsure: bool,
        job_id: str | None = None,
    ) -> DataReply:
        """One request and what became of it, recorded."""
        sent = self._world.now()
        outcome, cause = results.ACCEPTED, 0
        try:
            reply = await self.link.call(job_id if current is None else current.job_id, request)
            self._setbacks = 0
            return reply
        except NoReply:
            outcome = results.NO_REPLY
            raise
        except Disconnected:
            outcome = results.DISCONNECTED
            raise
        except Rejection as rejection:
            outcome = results.REJECTED[rejection.code]
            if current is not None and isinstance(rejection, Mismatch):
                assert isinstance(request, UpdateJobExecutionRequest)  # nothing else has a version
                cause = _cause(current, rejection, request.status if unsure else None)
            raise
        except BaseException:  # the run ends: this exchange never came to an end
            outcome = -1
            raise
        finally:
            if outcome >= 0:
                attempt = 0 if current is None else current.number
                operation = OPERATION[type(request)]
                self._record(operation, outcome, attempt, sent if due is None else due, sent, cause)

    def _record(
        self, operation: int, outcome: int, attempt: int, due: float, sent: float, cause: int = 0
    ) -> None:
        world = self._world
        world.recorder.add(
            (self.index, operation, outcome, cause, attempt, 0, 0, 0, due, sent, world.now())
        )

    async def _back_off(self, tries: int) -> None:
        """Wait before the next try: exponential with full jitter below a maximum."""
        network = self._world.network
        bound = min(network.backoff_maximum, network.backoff_base * 2 ** min(tries, 30))
        self._ordinal += 1
        await self._world.sleep(bound * self._world.chance.jitter(self.index, self._ordinal))

    def _token(self) -> str:
        self._ordinal += 1
        return f"{self.index}-{self._ordinal}"


def _news(current: Assignment) -> tuple[Status, dict[str, str] | None]:
    """What there is to report after a step: status and details."""
    plan = current.plan
    if plan.outcome == Outcome.FAIL and current.worked == plan.fault_step:
        return "FAILED", {"failedStep": str(current.worked)}
    return ("SUCCEEDED" if current.worked >= plan.steps else "IN_PROGRESS"), None


def _cause(current: Assignment, mismatch: Mismatch, unanswered: Status | None) -> int:
    """Why the stored version is not the expected one, as the thing can know it.

    ``unanswered`` is the status that it sent before and got no reply to.
    """
    state = mismatch.execution_state
    if not isinstance(state, JobExecutionState):
        return results.UNKNOWN
    if state.status == unanswered and state.version_number == current.version + 1:
        return results.LOST_REPLY
    if state.status != "IN_PROGRESS":
        return results.SERVICE
    if current.stale:
        return results.STALE_START
    return results.SECOND_WRITER if state.version_number > current.version else results.UNKNOWN
