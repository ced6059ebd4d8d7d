"""When a thing is there: always, by the hour of its day, by a schedule, or on and off by chance.

Presence is about the connection: a thing that is away loses it and comes back with it. Its work
goes on meanwhile, and what it has to report waits.
"""

from dataclasses import dataclass
from typing import Literal

from simulator.behaviour.distributions import Distribution


@dataclass(frozen=True, slots=True)
class Presence:
    """A pattern; exactly the fields of its ``kind`` matter.

    ``daily``: from ``start`` to ``end``, seconds of the local day, each thing shifted by up to
    ``spread`` seconds. ``hourly``: 24 shares of things that are there, by the local hour; a thing
    is there in every hour whose share is above its own fixed number. ``schedule``: (from, until)
    in scenario seconds. ``on-off``: draws of ``on`` and ``off`` in turns, begun at a random phase.
    """

    kind: Literal["always", "daily", "hourly", "schedule", "on-off"] = "always"
    start: float = 0.0
    end: float = 86_400.0
    spread: float = 0.0
    hours: tuple[float, ...] = ()
    intervals: tuple[tuple[float, float], ...] = ()
    on: Distribution | None = None
    off: Distribution | None = None


ALWAYS = Presence()
