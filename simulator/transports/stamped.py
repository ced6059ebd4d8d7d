"""A link through which a thing's own clock shows: its reports carry ``reportedAt``.

The value is in Unix seconds, as the thing's clock has it when it first sends the report.
"""

from collections.abc import Callable
from typing import Final

from simulator.jobs.messages import DataReply, DataRequest, UpdateJobExecutionRequest
from simulator.world import Link

REPORTED_AT: Final = "reportedAt"


class StampedLink:
    """A link whose updates say when the thing believes that it sent them."""

    __slots__ = ("_clock", "_link", "_scale", "close", "connect")

    def __init__(self, link: Link, clock: Callable[[], float], time_scale: float) -> None:
        """``clock`` is the thing's, in Unix seconds of scenario time."""
        self._link = link
        self._clock = clock
        self._scale = time_scale
        self.connect, self.close = link.connect, link.close

    @property
    def fault(self) -> int:
        """What befell the last exchange."""
        return self._link.fault

    @fault.setter
    def fault(self, fault: int) -> None:
        self._link.fault = fault

    @property
    def connected(self) -> bool:
        """Whether the link beneath is."""
        return self._link.connected

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask the link beneath, the time added to an update."""
        if isinstance(request, UpdateJobExecutionRequest):
            details = request.status_details or {}
            if REPORTED_AT not in details:
                at = self._clock() + after * self._scale
                request.status_details = {**details, REPORTED_AT: str(round(at))}
        return await self._link.call(job_id, request, after)
