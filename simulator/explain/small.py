"""A small rehearsal of a scenario: some things, at rates that make it last as long as the whole.

A thousandth of the fleet at a thousandth of the rate takes as long, times out as often and fails as
often; what it asks of the service per second is a thousandth too.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulator import results
from simulator.report.summary import Summary
from simulator.run import Rehearsal, Resolved
from simulator.scenario import units
from simulator.snapshots import Snapshot
from simulator.sweep.grid import Mapping, Source, create_requests

SMALL: Final = 2_000
"""Things of a small rehearsal, at most."""

PATIENCE_S: Final = 10.0
"""Seconds of wall time after which it is ended where it is."""

WRITES: Final = (results.START_NEXT, results.UPDATE)
READS: Final = (results.DESCRIBE, results.GET_PENDING)


@dataclass(frozen=True, slots=True)
class Small:
    """What it showed; peaks are of the whole fleet, scaled up."""

    things: int
    share: float
    """Of the fleet."""
    summary: Summary
    whole: bool
    """Whether it came to its end in the time that it had."""
    writes_per_s: float
    reads_per_s: float


def rehearse_small(source: Source, resolved: Resolved, without: str | None = None) -> Small:
    """Rehearse at most ``SMALL`` things of a resolved scenario; ``without`` a key of its cohorts.

    Raises:
        UsageError: the scenario can only be run live.
    """
    there = resolved.scenario.things
    things = min(there, SMALL)
    mapping = scaled(source.mapping, things / there)
    if without is not None:
        for cohort in mapping["fleet"]:
            cohort.pop(without, None)
    _, loaded = source.read(mapping)
    small = Resolved.of(loaded, resolved.seed, things)
    rehearsal = Rehearsal(small)
    rehearsal.progress = _ending(time.perf_counter() + PATIENCE_S, rehearsal)
    finished = rehearsal.run()
    return Small(
        things=things,
        share=things / there,
        summary=finished.summary,
        whole=finished.summary.ended != "interrupted",
        writes_per_s=_peak(finished.records, WRITES) * there / things,
        reads_per_s=_peak(finished.records, READS) * there / things,
    )


def _ending(at: float, rehearsal: Rehearsal) -> Callable[[Snapshot], None]:
    """A rehearsal's progress, which ends it when its time is over."""
    ended = False

    def progress(_: Snapshot) -> None:
        nonlocal ended
        if not ended and time.perf_counter() > at:
            ended = True
            rehearsal.interrupt()

    return progress


def _peak(records: results.Records, operations: tuple[int, ...]) -> float:
    """The most requests of these kinds in any whole second."""
    sent = records["sent"][np.isin(records["operation"], operations)]
    return float(np.bincount(np.floor(sent).astype(np.int64)).max()) if len(sent) else 0.0


def scaled(mapping: Mapping, share: float) -> Mapping:
    """A mapping whose rates and counts fit a share of its fleet. AWS's quotas do not scale."""
    small: Mapping = copy.deepcopy(mapping)
    if share == 1:
        return small
    small.pop("quotas", None)
    for request in create_requests(small):
        _scale_request(request, share)
    load = small.get("load")
    if isinstance(load, dict) and load.get("ramp") is not None:
        load["ramp"] = units.format_rate(units.parse_rate(load["ramp"]) * share)
    small["expect"] = {}  # a verdict on another fleet says nothing
    return small


_COUNTS: Final = {
    "maximumPerMinute",
    "baseRatePerMinute",
    "numberOfNotifiedThings",
    "numberOfSucceededThings",
}
"""Not minNumberOfExecutedThings: how far chance may lead astray depends on the count itself."""


def _scale_request(request: dict[str, Any], share: float) -> None:
    rollout = request.get("jobExecutionsRolloutConfig")
    if rollout is None or not (rollout.get("maximumPerMinute")):
        request["jobExecutionsRolloutConfig"] = {"maximumPerMinute": 1000, **(rollout or {})}
    _scale(request["jobExecutionsRolloutConfig"], share)


def _scale(value: Any, share: float) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _COUNTS and inner:
                value[key] = max(1, round(inner * share))
            else:
                _scale(inner, share)
