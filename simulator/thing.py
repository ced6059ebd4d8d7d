"""One virtual thing: ask for the next job, work on it, and again; come back when cut off.

Rule 1: a thing never names a transport: it holds a ``Link``, and hears from it by ``notified``
        and ``disconnected``.
Rule 2: its task exists only while it has something to do; an idle thing costs an object, and a
        notice wakes it.
Rule 3: what comes between (a lost connection, a cancel that an agent heeds) cancels the task where
        it waits for work to be done, and the task looks around anew: ``_cut``.

What it does with an execution is in ``worker.py``, what it says to the service in ``caller.py``.
"""

from asyncio import CancelledError
from collections.abc import Callable, Iterable
from typing import Final

from simulator import results
from simulator.assignment import Assignment
from simulator.behaviour import Agent
from simulator.caller import FAILURES
from simulator.errors import Disconnected
from simulator.jobs.messages import (
    DataReply,
    DescribeJobExecutionRequest,
    ExecutionReply,
    JobExecutionData,
    Notify,
    NotifyNext,
    StartNextPendingJobExecutionRequest,
)
from simulator.results import pack
from simulator.worker import Worker
from simulator.world import Activity, Ways, World

NEXT: Final = StartNextPendingJobExecutionRequest()
"""What every thing asks for: one request for all, since nobody changes it."""


class Thing(Worker):
    """One device of the fleet, which asks for its next job and does one at a time."""

    __slots__ = ("_cut", "_settling", "_task", "second")

    def __init__(self, index: int, world: World, agent: Agent | None = None) -> None:
        super().__init__(index, world, agent)
        self.second = False
        """Whether it is the second agent on its thing."""
        self._task: Activity | None = None
        self._cut = False
        """Whether its task is cancelled in order to look around anew."""
        self._settling = False
        """Whether it is about to come back to an execution."""

    # ----------------------------------------------------------------------- from outside

    @property
    def active(self) -> bool:
        """Whether it is doing something."""
        return self._task is not None

    @property
    def assignments(self) -> Iterable[Assignment]:
        """What it works on."""
        return () if self.current is None else (self.current,)

    @property
    def ways(self) -> Ways:
        """How it wants to be connected."""
        suffix = "-second" if self.second else ""
        agent = self.agent
        return Ways(suffix, self.reader, agent.reply_timeout, agent.start != "polling")

    def start(self) -> None:
        """Begin: connect and ask for work."""
        self._wanted = True
        self._wake()

    def notified(self, notice: NotifyNext) -> None:
        """Another execution is next for this thing, or none."""
        execution = notice.execution
        current = self.current
        if current is not None and (execution is None or not current.is_of(execution)):
            self._overtaken(current, execution)
        if execution is None or (current is not None and current.is_of(execution)):
            return
        self._wanted = True
        self._wake()

    @property
    def reader(self) -> Callable[[Notify], object] | None:
        """Who wants to hear of its pending list, too."""
        return None

    def disconnected(self) -> None:
        """The connection ended: come back at once, though work goes on."""
        self._lose(self.link.fault)
        self._look_around()

    def leave(self, fault: int = results.ABSENT) -> None:
        """Go away: the connection is closed, and none is made until ``come_back``."""
        self.absent = True
        if self.link.connected:
            self.link.close()
            self._lose(fault)
            self._look_around()

    def come_back(self) -> None:
        """Be there again: connect, after a jittered while."""
        self.absent = False
        self._setbacks = max(1, self._setbacks)
        self._there()

    def stop(self) -> None:
        """End for good."""
        self._wanted = self._cut = False
        if self._task is not None:
            self._task.cancel()
        self.link.close()

    # ----------------------------------------------------------------------- its life

    def _wake(self) -> None:
        if self._task is None and self.lost is None and not self.absent:
            self._task = self._world.spawn(self._live())

    def _there(self) -> None:
        """Whoever waits to connect may."""
        if self._returned is not None and not self._returned.done():
            self._returned.set_result(None)
        elif self._wanted:
            self._wake()

    def _look_around(self) -> None:
        """The connection is gone: see to it now, be it in the midst of a step."""
        self._wanted = True
        if self._task is None:
            self._wake()
        elif self.current is not None and self._working(self.current):
            self._interrupt()

    def _working(self, current: Assignment) -> bool:
        """Whether a step's work goes on: then its task waits for that and for nothing else."""
        due = current.due
        return due is not None and self._world.now() < due and not self._settling

    def _interrupt(self) -> None:
        if self._task is not None and not self._cut:
            self._cut = True
            self._task.cancel()

    async def _live(self) -> None:
        """Do what there is to do; return when nothing is left."""
        try:
            while self._wanted and self.lost is None:
                try:
                    current = self.current
                    if not self.link.connected:
                        if current is None:
                            await self._connect()
                        else:
                            await self._come_to(current)
                            current = self.current
                    if current is None:
                        self._wanted = False
                        current = self.current = await self._find()
                    if current is not None:
                        await self._work_on(current)
                except Disconnected:
                    self._wanted = True
                except CancelledError:
                    if not self._cut:
                        raise
                    self._cut = False
                    self._wanted = True
        except CancelledError:
            pass  # the end of the run
        except Exception as error:  # a fault of ours must not pass in silence
            self._report_fault(error)
        finally:
            self._task = None

    def _report_fault(self, error: Exception) -> None:
        self._world.loop.call_exception_handler(
            {"message": f"thing {self.index} failed", "exception": error}
        )

    async def _find(self) -> Assignment | None:
        """Ask for the next job."""
        request = NEXT
        link, world = self.link, self._world
        self._ordinal += 1
        sent = world.now()
        reply: DataReply | None
        try:
            prompt = self.prompt
            wait = None if prompt is None else prompt.after(0.0)
            if prompt is None or wait is None:
                reply = await link.call(None, request)
            else:
                if wait:
                    await world.nap(wait)
                reply = prompt.ask(None, request)
        except FAILURES as error:
            self._failed(error, request, None, sent, sent)
            if not self._worth(error, 1):
                return None
            await self._back_off(0)
            reply = await self._ask(None, request, 1)
            if reply is None:
                return None
        else:
            self._setbacks = 0
            world.recorder.add(
                pack(self.index, results.START_NEXT, 0, 0, 0, 0, link.fault, 0, sent, sent,
                     world.now())
            )  # fmt: skip
        assert isinstance(reply, ExecutionReply)
        execution = reply.execution
        if execution is None:
            return None
        current = self._take(execution)
        if current.plan.timeouts is not None and not await self._begin_first_step(current):
            return None
        return current

    async def _come_to(self, current: Assignment) -> None:
        """Connect, and see what has become of the execution that it works on."""
        self._settling = True
        try:
            await self._connect()
            await self._resume(current, "$next")
        finally:
            self._settling = False

    async def _resume(self, current: Assignment, job_id: str) -> None:
        """After a reconnect: is the execution that we were working on still ours?"""
        reply = await self._ask(job_id, DescribeJobExecutionRequest())
        execution = reply.execution if isinstance(reply, ExecutionReply) else None
        if execution is None or not current.is_of(execution):
            self._drop(current, offline=True)  # it ended while we were away
        else:
            current.version = execution.version_number
            current.stale = not self.second
            due = current.due
            if due is not None and due < self._world.now():
                current.behind = due  # its work has gone on

    def _overtaken(self, current: Assignment, execution: JobExecutionData | None) -> None:
        """Told that its execution is not next any more: the agent that heeds it stops its work."""
        if (
            self.agent.on_conflict == "abandon"
            and (execution is None or execution.status != "IN_PROGRESS")
            and self._working(current)
        ):
            self._drop(current)
            self._interrupt()
