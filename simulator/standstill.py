"""What keeps a rehearsal from standing still: time that never moves is told and can be ended.

Rule 1: what cannot end is refused before it begins, in a sentence of the scenario's own.
Rule 2: what only turns out to stand still is noticed by the loop (``clock.py``), which needs its
        turn for that: no thing may go on for ever without letting go of it.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from simulator.behaviour import Cohort, Network
from simulator.clock import PATIENCE, VirtualLoop
from simulator.errors import UsageError
from simulator.jobs.messages import DataReply, DataRequest
from simulator.results import CHUNK, Recorder
from simulator.world import Link

PATIENCE_PER_THING: Final = 20
"""Callbacks at one instant that a thing may add: it is started, woken and told of its end, perhaps
of the next job too; then there is room to spare."""

UNBROKEN: Final = 100
"""Exchanges at one instant after which a thing lets the others have their turn."""


def patience(things: int) -> int:
    """How many callbacks at one instant a fleet of this size may need."""
    return PATIENCE + PATIENCE_PER_THING * things


def check_that_time_passes(scenario: str, cohorts: Iterable[Cohort], network: Network) -> None:
    """Refuse what would go on and on at one instant; the loop's own patience is for the rest.

    Raises:
        UsageError: it can only be run live, where each exchange takes its time.
    """
    for cohort in cohorts:
        if not (cohort.network or network).takes_no_time:
            continue
        exchanges = cohort.things * cohort.work.steps
        if cohort.work.duration.takes_no_time and exchanges > patience(cohort.things):
            raise UsageError(
                f"{scenario} can only be run live (jobfleet run): the things of its cohort "
                f"{cohort.name!r} report {cohort.work.steps:,} steps without work or latency, so "
                "in a rehearsal time would stand still"
            )


class TakingTurns:
    """A link where no exchange takes time, so that its thing would never let go of the loop.

    After ``UNBROKEN`` exchanges at one instant each one waits for its turn: the loop can count
    them, and an interrupt is heard.
    """

    def __init__(self, link: Link, loop: VirtualLoop, recorder: Recorder) -> None:
        self._link = link
        self._loop = loop
        self._recorder = recorder
        self._at = -1.0
        self._exchanges = 0
        self.fault = 0
        self.connect, self.close = link.connect, link.close

    @property
    def connected(self) -> bool:
        """Whether the link beneath is."""
        return self._link.connected

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Ask the link beneath."""
        now = self._loop.time()
        if now != self._at:
            self._at = now
            self._exchanges = 0
        self._exchanges += 1
        if self._exchanges > UNBROKEN:
            if len(self._recorder.fresh) >= CHUNK:
                self._recorder.drain()
            await asyncio.sleep(0)
        return await self._link.call(job_id, request, after)
