"""A seeded bad network around any link: latency, and requests or replies lost, doubled or late.

Rule 1: one sleep stands for the work before a request and its whole round trip: it comes before
        the request, so the service meets that half a round trip late, and the sequence of all else
        is as on a real network.
Rule 2: a reply timeout is waited for only where the reply will not come (a timer around every
        request costs a third more).
Rule 3: ``fault`` says what befell an exchange from the moment it ends until the loop's next turn:
        whoever awaited it reads it first, however many others are under way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NoReturn

from simulator import results
from simulator.behaviour import NetworkChance, Trouble
from simulator.errors import Disconnected, NoReply, Rejection
from simulator.jobs.messages import DataReply, DataRequest
from simulator.world import Link, Prompt

FAULT: Final[dict[Trouble, int]] = {
    "lost_request": results.LOST_REQUEST_FAULT,
    "lost_reply": results.LOST_REPLY_FAULT,
    "duplicated": results.DUPLICATED,
    "reordered": results.REORDERED,
}


class LossyLink:
    """A link whose requests take time and get lost, as the scenario's ``network`` says."""

    __slots__ = (
        "_chance", "_held", "_link", "_number", "_ordinal", "_sleep", "_timeout",
        "ask", "fault",
    )  # fmt: skip

    def __init__(
        self,
        link: Link,
        number: int,
        chance: NetworkChance,
        reply_timeout: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``number`` is what its chance is drawn by, ``sleep`` is the world's."""
        self._number = number
        self.fault = 0
        self._link = link
        self._chance = chance
        self.ask: Callable[[str | None, DataRequest], DataReply]
        """As ``Prompt`` says: what lies beneath, since on the way nothing befalls it."""
        self._timeout = reply_timeout
        self._sleep = sleep
        self._ordinal = 0
        self._held: Sequence[asyncio.Future[bool]] = ()
        """Requests that the next one overtakes."""

    @property
    def connected(self) -> bool:
        """Whether the link beneath is."""
        return self._link.connected

    async def connect(self) -> None:
        """Connect, one round trip late."""
        latency = self._chance.untroubled(self._number, self._ordinal + 1)
        if latency is None:
            latency, _ = self._next()
        else:
            self._ordinal += 1
        if latency:
            await self._sleep(latency)
        await self._link.connect()

    @property
    def prompt(self) -> Prompt | None:
        """Itself, where the link beneath answers at once."""
        prompt: Prompt | None = getattr(self._link, "prompt", None)  # who answers at once says so
        if prompt is None:
            return None
        self.ask = prompt.ask
        return self

    def after(self, seconds: float) -> float | None:
        """As ``Prompt`` says: where nothing befalls the request, it is in time."""
        ordinal = self._ordinal + 1
        latency = self._chance.untroubled(self._number, ordinal)
        if latency is None or self._held:
            return None
        self._ordinal = ordinal
        self.fault = 0
        return seconds + latency

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask through the bad network; raise NoReply where it swallows something."""
        self._ordinal = ordinal = self._ordinal + 1
        latency, trouble = self._chance.exchange(self._number, ordinal)
        if after or latency:
            await self._sleep(after + latency)
        if trouble is not None:
            return await self._befallen(trouble, latency, job_id, request)
        try:
            return await self._link.call(job_id, request)
        finally:
            self.fault = 0
            if self._held:
                self._overtake()

    def close(self) -> None:
        """Close the link beneath."""
        self._link.close()

    def _next(self) -> tuple[float, Trouble | None]:
        self._ordinal = ordinal = self._ordinal + 1
        return self._chance.exchange(self._number, ordinal)

    # ----------------------------------------------------------------------- troubles

    async def _befallen(
        self, trouble: Trouble, latency: float, job_id: str | None, request: DataRequest
    ) -> DataReply:
        """What becomes of a request that meets trouble, from its arrival on."""
        fault = FAULT[trouble]
        try:
            if trouble == "lost_request":
                await self._silence(self._timeout - latency, applied=False)
            if trouble == "reordered" and await self._hold():
                return await self._arrive(job_id, request)
            if trouble == "duplicated":
                return await self._twice(job_id, request)
            applied = await self._swallow(job_id, request)
            await self._silence(self._timeout if trouble == "lost_reply" else 0.0, applied=applied)
        finally:
            self.fault = fault

    async def _arrive(self, job_id: str | None, request: DataRequest) -> DataReply:
        try:
            return await self._link.call(job_id, request)
        finally:
            if self._held:
                self._overtake()

    async def _silence(self, wait: float, *, applied: bool | None) -> NoReturn:
        """Nobody answers until the thing gives up."""
        if wait > 0:
            await self._pause(wait)
        raise NoReply(f"no reply within {self._timeout:g} s", applied)

    async def _pause(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def _hold(self) -> bool:
        """Keep a request back; whether another one overtook it before the thing gave up."""
        loop = asyncio.get_running_loop()
        overtaken: asyncio.Future[bool] = loop.create_future()
        self._held = [*self._held, overtaken]
        at_the_latest = loop.call_later(self._timeout, _settle, overtaken)
        try:
            return await overtaken
        finally:
            at_the_latest.cancel()
            self._held = [one for one in self._held if one is not overtaken]

    def _overtake(self) -> None:
        for overtaken in self._held:
            if not overtaken.done():
                overtaken.set_result(True)

    async def _twice(self, job_id: str | None, request: DataRequest) -> DataReply:
        """It arrives twice, one right after the other; the first reply counts."""
        try:
            reply = await self._arrive(job_id, request)
        except Rejection:
            await self._swallow(job_id, request)
            raise
        await self._swallow(job_id, request)
        return reply

    async def _swallow(self, job_id: str | None, request: DataRequest) -> bool | None:
        """Let a request arrive and drop its reply; whether the service took it."""
        try:
            await self._arrive(job_id, request)
        except Rejection:
            return False
        except (NoReply, Disconnected):
            return None
        return True


def _settle(overtaken: asyncio.Future[bool]) -> None:
    if not overtaken.done():
        overtaken.set_result(False)
