"""A seeded bad network around any link: latency, lost requests, lost replies.

One sleep stands for the whole round trip: it comes before the request, so the service meets the
request half a round trip late, and the sequence of all else is as on a real network.
A reply timeout is waited for only where the reply will not come (a timer around every request
costs a third more).
"""

import asyncio

from simulator.behaviour import Loss, NetworkChance
from simulator.errors import NoReply, Rejection
from simulator.jobs.messages import DataReply, DataRequest
from simulator.world import Link


class LossyLink:
    """A link whose requests take time and get lost, as the scenario's ``network`` says."""

    __slots__ = ("_chance", "_link", "_ordinal", "_thing", "_timeout", "fault")

    def __init__(self, link: Link, thing: int, chance: NetworkChance, reply_timeout: float) -> None:
        self._link = link
        self._thing = thing
        self._chance = chance
        self._timeout = reply_timeout
        self._ordinal = 0
        self.fault = 0

    @property
    def connected(self) -> bool:
        """Whether the link beneath is."""
        return self._link.connected

    async def connect(self) -> None:
        """Connect, one round trip late."""
        latency, _ = self._next()
        if latency:
            await asyncio.sleep(latency)
        await self._link.connect()

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask through the bad network; raise NoReply where it swallows something."""
        latency, lost = self._next()
        if after:
            await asyncio.sleep(after)
        if lost != "request":
            if latency:
                await asyncio.sleep(latency)
            if lost is None:
                return await self._link.call(job_id, request)
            try:
                await self._link.call(job_id, request)
            except Rejection:
                pass  # lost as well
        await asyncio.sleep(self._timeout)
        raise NoReply(f"no reply within {self._timeout:g} s")

    def close(self) -> None:
        """Close the link beneath."""
        self._link.close()

    def _next(self) -> tuple[float, Loss | None]:
        self._ordinal = ordinal = self._ordinal + 1
        return self._chance.exchange(self._thing, ordinal)
