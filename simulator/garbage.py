"""The garbage collector's manners: it must not walk through a million live things to find nothing.

Rule 1: a rehearsal comes to its end before cycles could fill the memory: the collector rests.
Rule 2: a service lives on, and so does a live fleet: there the collector works, but what survived
        one full collection is taken to be there for good (``gc.freeze``) and is never walked
        through again. So a pause depends on what came since the last one and not on how much there
        is.
Rule 3: hence whoever makes cycles that live long unties them at their end: connections when they
        are lost, jobs when they are deleted. Reference counts do the rest.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = (1_000, 10, 1)
"""Containers made and not freed before the youngest are looked at; so many looks at those before
the older ones are; and so many of those before a full collection: 20 000 containers at most, a few
milliseconds (docs/benchmarks.md)."""


@contextmanager
def frozen_garbage() -> Iterator[None]:
    """Let the garbage collector rest: a million live things are not worth walking through."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


@contextmanager
def short_pauses() -> Iterator[None]:
    """Walk only through what is new: for a process that serves, or drives a fleet."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*YOUNG)
    gc.callbacks.append(_keep_survivors)
    try:
        yield
    finally:
        gc.callbacks.remove(_keep_survivors)
        gc.set_threshold(*before)
        gc.unfreeze()


def _keep_survivors(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()
