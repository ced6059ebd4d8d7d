"""Agents that come by their executions otherwise: told of the next, or reading the pending list.

``NotifiedThing`` describes ``$next`` when it connects, and then takes what each notice offers; it
starts an execution by an update to IN_PROGRESS. ``ListingThing`` reads the whole pending list, now
and then or when it is told of a change, and works on several executions at a time.
"""

from asyncio import CancelledError, Future
from collections.abc import Callable, Iterable

from simulator.assignment import Assignment
from simulator.behaviour import Agent, Outcome
from simulator.errors import Disconnected
from simulator.jobs.messages import (
    DescribeJobExecutionRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    JobExecutionData,
    Notify,
    NotifyNext,
    PendingReply,
    UpdateJobExecutionRequest,
)
from simulator.thing import Thing
from simulator.world import Activity, World

POLL = 0x706F6C
"""The kind of chance that jitters polls."""


class NotifiedThing(Thing):
    """An agent that starts what it is told of by an update."""

    __slots__ = ("_offered",)

    def __init__(self, index: int, world: World, agent: Agent | None = None) -> None:
        super().__init__(index, world, agent)
        self._offered: JobExecutionData | None = None

    def notified(self, notice: NotifyNext) -> None:
        """Keep what is offered until the thing has time for it."""
        self._offered = notice.execution
        super().notified(notice)

    async def _find(self) -> Assignment | None:
        """Take what was offered, or ask what is next."""
        execution, self._offered = self._offered, None
        if execution is None:
            reply = await self._ask("$next", DescribeJobExecutionRequest())
            execution = reply.execution if isinstance(reply, ExecutionReply) else None
        if execution is None:
            return None
        return await self._start(execution)

    async def _start(self, execution: JobExecutionData) -> Assignment | None:
        """Set an execution IN_PROGRESS; None where it is no longer there to be started."""
        current = self._take(execution, begun_by_update=True)
        if execution.status == "IN_PROGRESS" or current.plan.outcome is Outcome.REJECT:
            return current  # ours from before, or to be refused unstarted
        request = UpdateJobExecutionRequest("IN_PROGRESS", None, current.timeout(1))
        if self.agent.expected_version:
            request.expected_version = current.version
        return current if await self._tell(current, request) else None


class ListingThing(NotifiedThing):
    """An agent that reads the pending list, and works on several executions at a time.

    Its task looks for executions and sees to the connection; each execution that it works on has a
    coroutine of its own.
    """

    __slots__ = ("_back", "_cuts", "_free", "_held", "_next_poll", "_polled", "_resting", "_tasks")

    def __init__(self, index: int, world: World, agent: Agent | None = None) -> None:
        super().__init__(index, world, agent)
        self._held: dict[tuple[str, int], Assignment] = {}
        """What it works on."""
        self._tasks: dict[Assignment, Activity] = {}
        self._cuts: dict[Assignment, None] = {}
        """Those whose coroutine is cancelled in order to look around anew."""
        self._back: list[Future[None]] = []
        """There is a connection again."""
        self._free: Future[None] | None = None
        """There is room for another execution."""
        self._next_poll = 0.0
        self._polled = 0
        self._resting = False
        """Whether it waits for its next poll."""

    # ----------------------------------------------------------------------- from outside

    @property
    def active(self) -> bool:
        """Whether it is doing something; to wait for the next poll is to do nothing."""
        return bool(self._tasks) or (self._task is not None and not self._resting)

    @property
    def assignments(self) -> Iterable[Assignment]:
        """What it works on."""
        return list(self._held.values())

    @property
    def reader(self) -> Callable[[Notify], object] | None:
        """It hears of its pending list, unless it polls."""
        return None if self._polls else self._listed

    @property
    def _polls(self) -> bool:
        return self.agent.start == "polling"

    def notified(self, notice: NotifyNext) -> None:
        """What is next is on the list, too: that is what it looks at."""

    def _listed(self, notice: Notify) -> None:
        """Its pending list changed."""
        shown = {
            (one.job_id, one.execution_number): None
            for one in (*notice.in_progress, *notice.queued)
        }
        if self.agent.on_conflict == "abandon":
            for current in self.assignments:
                if current.identity not in shown and self._working(current):
                    self._drop(current)
                    self._cut_off(current)
        if any(identity not in self._held for identity in shown):
            self._wanted = True
            self._wake()

    def stop(self) -> None:
        """End for good."""
        self._cuts.clear()
        for task in self._tasks.values():
            task.cancel()
        super().stop()

    # ----------------------------------------------------------------------- looking for work

    async def _live(self) -> None:
        """See to the connection and look for executions; return when there is nothing to find."""
        try:
            while (self._wanted or self._polls) and self.lost is None:
                try:
                    if not self.link.connected:
                        await self._connect()
                        self._tell_workers()
                    if len(self._held) >= self.agent.parallel:
                        if not self._polls:
                            return  # who is done first wakes it
                        self._free = self._world.loop.create_future()
                        await self._free
                        continue
                    if self._polls:
                        await self._rest()
                    self._wanted = False
                    await self._read_list()
                except Disconnected:
                    self._wanted = True
                except CancelledError:
                    if not self._cut:
                        raise
                    self._cut = False
        except CancelledError:
            pass  # the end of the run
        except Exception as error:
            self._report_fault(error)
        finally:
            self._task = None

    async def _rest(self) -> None:
        """Wait until it is time for the next poll."""
        world, agent = self._world, self.agent
        wait = self._next_poll - world.now()
        if wait > 0:
            self._resting = True
            try:
                await world.sleep(wait)
            finally:
                self._resting = False
        self._polled += 1
        jitter = 0.9 + 0.2 * world.luck(POLL, self.index, self._polled)
        self._next_poll = world.now() + round(agent.poll_every * jitter, 3) / world.time_scale

    async def _read_list(self) -> None:
        """Take on what is pending, as far as there is room."""
        reply = await self._ask(None, GetPendingJobExecutionsRequest())
        if not isinstance(reply, PendingReply):
            return
        for one in (*reply.in_progress_jobs, *reply.queued_jobs):
            if len(self._held) >= self.agent.parallel:
                self._wanted = True  # there is more to do than it can
                return
            if (one.job_id, one.execution_number) in self._held:
                continue
            request = DescribeJobExecutionRequest(execution_number=one.execution_number)
            described = await self._ask(one.job_id, request)
            if isinstance(described, ExecutionReply) and described.execution is not None:
                current = await self._start(described.execution)
                if current is not None:
                    self._held[current.identity] = current
                    self._tasks[current] = self._world.spawn(self._carry_out(current))

    # ----------------------------------------------------------------------- working

    async def _carry_out(self, current: Assignment) -> None:
        """Work on an execution until it is over."""
        try:
            while self._held.get(current.identity) is current:
                try:
                    if self.link.connected:
                        await self._work_on(current)
                    else:
                        await self._wait_for_connection()
                        await self._resume(current, current.job_id)
                except Disconnected:
                    pass
                except CancelledError:
                    if current not in self._cuts:
                        raise
                    del self._cuts[current]
                if current.fault_step < 0:
                    return  # it hangs for ever
        except CancelledError:
            pass  # the end of the run
        except Exception as error:
            self._report_fault(error)
        finally:
            self._tasks.pop(current, None)
            if self._free is not None and not self._free.done():
                self._free.set_result(None)
            if self._wanted:
                self._wake()

    async def _wait_for_connection(self) -> None:
        """Let the other coroutine connect."""
        back: Future[None] = self._world.loop.create_future()
        self._back.append(back)  # one for each who waits: to cancel one is not to cancel all
        self._wanted = True
        self._wake()
        await back

    def _tell_workers(self) -> None:
        waiting, self._back = self._back, []
        for back in waiting:
            if not back.done():
                back.set_result(None)

    def _look_around(self) -> None:
        self._wanted = True
        for current in self.assignments:
            if self._working(current):
                self._cut_off(current)
        if self._task is None:
            self._wake()
        elif self._resting:
            self._interrupt()

    def _cut_off(self, current: Assignment) -> None:
        if current in self._tasks and current not in self._cuts:
            self._cuts[current] = None
            self._tasks[current].cancel()

    def _over(self, current: Assignment) -> None:
        if self._held.get(current.identity) is current:
            del self._held[current.identity]

    # ----------------------------------------------------------------------- what befalls it

    def _go_down(self, current: Assignment, outcome: Outcome) -> None:
        """A power cut takes all of its executions with it; one that hangs, only itself."""
        if outcome is Outcome.HANG:
            return
        self.off = True
        self.link.close()
        for other in self.assignments:
            if other is not current:
                if outcome is Outcome.VANISH:
                    self._over(other)
                if self._working(other):
                    self._cut_off(other)
                other.due = None

    def _never_return(self, current: Assignment, outcome: Outcome) -> None:
        if outcome is Outcome.HANG:
            current.fault_step = -1
        else:
            self.lost = current.identity

    def _come_up(self, current: Assignment, outcome: Outcome) -> None:
        if outcome is not Outcome.REBOOT:
            self._over(current)
        self._wanted = True
        if outcome is not Outcome.HANG:
            self.off = False
            self._setbacks = 0
        self._there()


def thing_for(agent: Agent) -> type[Thing]:
    """The kind of thing that runs such an agent."""
    if agent.start == "polling" or agent.parallel > 1:
        return ListingThing
    if agent.start == "notify-next":
        return NotifiedThing
    return Thing
