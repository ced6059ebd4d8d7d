"""Agents that come by their executions otherwise: told of the next, or reading the pending list.

``NotifiedThing`` describes ``$next`` when it connects, and then takes what each notice offers; it
starts an execution by an update to IN_PROGRESS. ``ListingThing`` reads the whole pending list, now
and then or when it is told of a change, and works on several executions at a time.
"""

from simulator.assignment import Assignment
from simulator.behaviour import Agent, Outcome
from simulator.jobs.messages import (
    DescribeJobExecutionRequest,
    ExecutionReply,
    JobExecutionData,
    NotifyNext,
    UpdateJobExecutionRequest,
)
from simulator.thing import Thing
from simulator.world import World


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


def thing_for(agent: Agent) -> type[Thing]:
    """The kind of thing that runs such an agent."""
    if agent.start == "notify-next":
        return NotifiedThing
    return Thing
