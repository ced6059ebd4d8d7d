"""How a thing works on an execution: step after step, each reported, and what befalls it meanwhile.

Rule 1: a step's work ends when it was to end, whatever becomes of the connection; the next step
        waits for the answer to what is reported of it, but not for a connection.
Rule 2: work takes scenario time (divided by ``time_scale``).
Rule 3: what befalls a thing in an execution befalls it once: in its second try there, nothing does.
Rule 4: under open load (``load.updates``) a step has no work to wait for: it ends when the fleet's
        schedule has a turn for it.

In virtual time, a step and the exchange that reports it are one sleep, and what an agent does as a
rule is written out in ``_work_on``: a million things walk this path.
"""

from typing import Final

from simulator import results
from simulator.assignment import Assignment, adapt, half_way
from simulator.behaviour import Agent, Outcome
from simulator.caller import FAILURES, Caller
from simulator.errors import Disconnected
from simulator.jobs.messages import JobExecutionData, UpdateJobExecutionRequest
from simulator.results import UPDATE, pack
from simulator.world import Mishap, World

DUPLICATED, OUT_OF_ORDER = 0x6475, 0x6F6F
"""Kinds of chance."""

FOR_EVER: Final = float("inf")


class Worker(Caller):
    """One agent at work."""

    __slots__ = ("_survived", "_wanted", "current", "lost")

    def __init__(self, index: int, world: World, agent: Agent | None = None) -> None:
        super().__init__(index, world, agent)
        self.current: Assignment | None = None
        self.lost: tuple[str, int] | None = None
        """The execution in which it hung or vanished for ever; it never does anything again."""
        self._wanted = False
        """Whether there may be something to do."""
        self._survived: dict[tuple[str, int], None] | None = None
        """Executions in which something befell it."""

    def _take(self, execution: JobExecutionData, *, begun_by_update: bool = False) -> Assignment:
        """Begin with an execution, its work at its first step."""
        world, job_id, number = self._world, execution.job_id, execution.execution_number
        job = world.jobs.get(job_id, 0)
        plan = world.work.plan(self.index, number, job)
        current = Assignment(job_id, job, number, execution.version_number, plan)
        if self._survived is not None and current.identity in self._survived:
            current.fault_step = 0
        agent = self.agent
        if agent.step_timer != "renew" or agent.progress_every is not None or not agent.progress:
            adapt(current, agent, begun_by_update=begun_by_update)
        return current

    # ----------------------------------------------------------------------- its work

    async def _work_on(self, current: Assignment) -> None:
        """Do step after step and report each, until the last report or until it is not ours."""
        world, link, prompt, plan = self._world, self.link, self.prompt, current.plan
        if plan.outcome is Outcome.REJECT:
            await self._reject(current)
            return
        versioned, unruly = self.agent.expected_version, plan.duplicated or plan.out_of_order
        desk, time_scale = world.desk, world.time_scale
        each, step_s, timeouts = plan.each, plan.step_s, plan.timeouts
        minutes = plan.step_timeout_minutes
        now = world.now()
        while True:
            step = current.reported + 1
            if step == current.fault_step:
                await self._befall(current)
                return
            if desk is not None:  # open load: it is not for work to say when a report is due
                current.due, current.behind = FOR_EVER, None
                current.due = await desk.turn()
                now = world.now()
            due = current.due
            if due is None:
                after = (step_s if each is None else each[step - 1]) / time_scale
                if current.behind is None:
                    current.due = now + after
                else:
                    after = current.catch_up(after, now)
            else:
                after = due - now if due > now else 0.0
            last = step >= current.ends_at
            if last:
                request = UpdateJobExecutionRequest(*current.end())
            elif timeouts is None:
                request = UpdateJobExecutionRequest("IN_PROGRESS", None, minutes)
            else:
                request = UpdateJobExecutionRequest("IN_PROGRESS", None, current.timeout(step + 1))
            if versioned:
                request.expected_version = current.version
            self._ordinal += 1
            if unruly and not last and self._holds_back(current, request):
                continue
            sent = now + after
            if desk is None or due is None:
                due = sent
            wait = None if prompt is None else prompt.after(after)
            if wait is None and after and not world.virtual:
                await world.sleep(after)
                sent, after = world.now(), 0.0
            try:
                if prompt is None or wait is None:
                    await link.call(current.job_id, request, after)
                else:
                    if wait:
                        await world.nap(wait)
                    prompt.ask(current.job_id, request)
            except FAILURES as error:
                self._failed(error, request, current, due, sent)
                if not await self._insist(current, request, error):
                    self._drop(current)
                    return
                now = world.now()
            else:
                self._setbacks = 0
                current.version += 1
                current.stale = False
                now = world.now()
                world.recorder.add(
                    pack(self.index, UPDATE, 0, 0, current.number, 0, link.fault, current.job,
                         due, sent, now)
                )  # fmt: skip
            if current.behind is not None:
                current.behind = current.due
            current.reported = step
            current.due = None
            if last:
                self._over(current)
            if unruly:
                await self._afterwards(current, request)
                now = world.now()
            if last:
                return

    def _over(self, current: Assignment) -> None:
        """The thing is done with an execution."""
        self.current = None

    def _drop(self, current: Assignment, *, offline: bool = False) -> None:
        """Its execution is not ours any more: remember it if the work was done all the same."""
        world = self._world
        done = current.done(world.now(), world.time_scale, offline=offline)
        if done is not None:
            world.unreported.append((self.index, current.identity, done))
        self._over(current)

    async def _reject(self, current: Assignment) -> None:
        """Refuse the work."""
        current.due = self._world.now()
        request = UpdateJobExecutionRequest(*current.end())
        if self.agent.expected_version:
            request.expected_version = current.version
        if await self._tell(current, request):
            self._over(current)
        else:
            self._drop(current)

    async def _begin_first_step(self, current: Assignment) -> bool:
        """Report that the first step begins, where it has a timeout of its own."""
        minutes = current.timeout(1)
        if current.plan.timeouts is None or minutes is None:
            return True
        request = UpdateJobExecutionRequest("IN_PROGRESS", None, minutes)
        if self.agent.expected_version:
            request.expected_version = current.version
        return await self._tell(current, request)

    # ----------------------------------------------------------------------- what befalls it

    async def _befall(self, current: Assignment) -> None:
        """Hang, or lose power, in the midst of a step; come back after a while, or never."""
        world, outcome = self._world, current.plan.outcome
        if current.due is None:
            at = current.fault_s
            if at is None:
                at = half_way(outcome, current.seconds(current.fault_step))
            current.due = world.now() + at / world.time_scale
        wait = current.due - world.now()
        if wait > 0:
            await world.sleep(wait)
        current.due = None
        current.fault_step = 0
        if self._survived is None:
            self._survived = {}
        self._survived[current.identity] = None
        since, away = world.now(), current.plan.away_s / world.time_scale
        world.mishaps.append(Mishap(self.index, current.identity, outcome, since, since + away))
        self._go_down(current, outcome)
        if away == FOR_EVER:
            self._never_return(current, outcome)
            return
        await world.sleep(away)
        self._come_up(current, outcome)

    def _go_down(self, current: Assignment, outcome: Outcome) -> None:
        """It hangs, or has no power any more."""
        if outcome is not Outcome.HANG:
            self.link.close()

    def _never_return(self, current: Assignment, outcome: Outcome) -> None:
        """That was all of it."""
        self.lost = current.identity

    def _come_up(self, current: Assignment, outcome: Outcome) -> None:
        """It is back, or a watchdog restarts it; what it worked on it knows after a reboot only."""
        self.link.close()
        self._setbacks = 0
        if outcome is not Outcome.REBOOT:
            self._over(current)
        self._wanted = True

    def _holds_back(self, current: Assignment, request: UpdateJobExecutionRequest) -> bool:
        """Whether this progress report goes out after the next one."""
        if current.held is not None or not self._by_chance(
            OUT_OF_ORDER, current, current.plan.out_of_order
        ):
            return False
        current.held = request
        current.version += 1  # as if it had been sent
        current.reported += 1
        current.behind, current.due = current.due, None
        return True

    async def _afterwards(self, current: Assignment, request: UpdateJobExecutionRequest) -> None:
        """After a report: the one that was held back, or the same again."""
        held, current.held = current.held, None
        if held is not None:
            await self._send_stray(current, held, results.REORDERED)
        elif request.status == "IN_PROGRESS" and self._by_chance(
            DUPLICATED, current, current.plan.duplicated
        ):
            await self._send_stray(current, request, results.DUPLICATED)

    async def _send_stray(
        self, current: Assignment, request: UpdateJobExecutionRequest, fault: int
    ) -> None:
        """Send what the agent should not have sent; it takes no notice of the answer."""
        sent = self._world.now()
        try:
            await self.link.call(current.job_id, request)
        except FAILURES as error:
            self._failed(error, request, current, sent, sent, fault=fault)
            if isinstance(error, Disconnected):
                raise
        else:
            self._accepted(current, sent, fault)

    def _by_chance(self, kind: int, current: Assignment, share: float) -> bool:
        ordinal = (current.job << 40) + (current.number << 24) + current.reported
        return share > 0 and self._world.luck(kind, self.index, ordinal) < share
