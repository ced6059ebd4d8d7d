"""Who calls things away and back, by the timetable of each.

Rule 1: a thing that is always there costs nothing here, any other one a timer.
"""

import asyncio
from math import inf

from simulator.behaviour import PresenceTable
from simulator.thing import Thing
from simulator.world import World


class Attendance:
    """The timers of a fleet's presence."""

    def __init__(self, world: World, table: PresenceTable) -> None:
        self._world = world
        self._table = table
        self._timers: dict[Thing, asyncio.TimerHandle] = {}

    def watch(self, thing: Thing) -> None:
        """See to it that a thing, which has not started yet, comes and goes."""
        if not self._table.always(thing.index):
            self._turn(thing)

    def close(self) -> None:
        """Nobody comes or goes any more."""
        for timer in self._timers.values():
            timer.cancel()

    def _turn(self, thing: Thing) -> None:
        world = self._world
        now = world.now() * world.time_scale
        present, until = self._table.at(thing.index, now)
        if present and thing.absent:
            thing.come_back()
        elif not present and not thing.absent:
            thing.leave()
        if until < inf:
            wait = (until - now) / world.time_scale
            self._timers[thing] = world.loop.call_later(wait, self._turn, thing)
