"""A link that asks for a token of the fleet's budget before each request.

Rule 1: what counts is a request about jobs, as a quota of AWS's counts it, sent again or not; a
        connection and what a broker needs to keep it do not.
Rule 2: a request that waits for its token is due when it was, and sent when it has it: its record
        says both.

The subtlety is that record. Whoever awaits a link records the exchange before the loop goes on, so
what was waited is told to the recorder at the exchange's end, and put into that one record.
"""

from collections.abc import Awaitable, Callable

from simulator.errors import Disconnected, NoReply, Rejection
from simulator.jobs.messages import DataReply, DataRequest
from simulator.pacing import Budget
from simulator.results import Recorder, pack, unpack
from simulator.world import Link


class Pace:
    """A budget, and the records of those who wait for it."""

    def __init__(self, budget: Budget, recorder: Recorder, *, scheduled: bool = False) -> None:
        """From now on, ``recorder`` takes its records by way of this.

        ``scheduled``: reports wait for their turn as well, and slip is measured there.
        """
        self._scheduled = scheduled
        self.budget = budget
        self.waited = 0.0
        """For how long the exchange that ends now had to wait for its token."""
        self.slips: list[float] = []
        """Seconds by which requests with a time to begin at asked late; not those in time."""
        self._add = recorder.add
        recorder.add = self._take

    def _take(self, row: bytes) -> None:
        *about, due, sent, done = unpack(row)
        if sent > due and not self._scheduled:
            self.slips.append(sent - due)
        waited, self.waited = self.waited, 0.0
        if waited:
            row = pack(*about, due, sent + waited, done)
        self._add(row)

    def around(self, link: Link, sleep: Callable[[float], Awaitable[None]]) -> Link:
        """A link that keeps the pace."""
        return PacedLink(link, self, sleep)


class PacedLink:
    """One thing's link; all but ``call`` is the link's beneath."""

    __slots__ = ("_link", "_pace", "_sleep", "close", "connect")

    def __init__(self, link: Link, pace: Pace, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._link = link
        self._pace = pace
        self._sleep = sleep
        self.connect, self.close = link.connect, link.close

    @property
    def fault(self) -> int:
        """What the network did to the last exchange."""
        return self._link.fault

    @fault.setter
    def fault(self, fault: int) -> None:
        self._link.fault = fault

    @property
    def connected(self) -> bool:
        """Whether the link beneath is."""
        return self._link.connected

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask once there is a token for it."""
        if after:
            await self._sleep(after)
        pace = self._pace
        waited = await pace.budget.take()
        try:
            reply = await self._link.call(job_id, request)
        except (NoReply, Disconnected, Rejection):
            pace.waited = waited
            raise
        pace.waited = waited
        return reply
