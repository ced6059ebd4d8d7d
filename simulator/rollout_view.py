"""A live run's snapshots as what Locust's "Rollout" tab draws: plain columns, and the same as CSV.

Rule 1: nothing here knows Locust or a browser: snapshots in, numbers out.
Rule 2: a rate is of a stretch of time, never of two neighbours: conflicts of the last ten wall
        seconds, releases of whole scenario minutes, since a minute's batch is released at once.

The subtlety: with a time scale, a snapshot a second is coarser than a rollout minute. Releases are
then counted over as many minutes as four snapshots see.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from simulator import results
from simulator.jobs import rollout
from simulator.jobs.configuration import JobExecutionsRolloutConfig
from simulator.jobs.model import STATUSES
from simulator.scenario import Scenario
from simulator.snapshots import Snapshot

WINDOW_S: Final = 10.0
"""Of conflict rates, on the wall clock."""
SNAPSHOTS_A_BAR: Final = 4
BARS: Final = 240
MINUTE: Final = 60.0
DEFAULT: Final = rollout.DEFAULT_PER_MINUTE
CAUSES: Final = results.CAUSES[1:]


@dataclass(frozen=True, slots=True)
class Pace:
    """What the jobs of a scenario may release."""

    jobs: tuple[tuple[float, JobExecutionsRolloutConfig], ...]
    """When each is created, in scenario seconds, and how it is rolled out."""
    known: bool = True
    """A job template may say more than the scenario."""

    @classmethod
    def of(cls, scenario: Scenario) -> "Pace":
        """As the scenario configures it."""
        known, jobs = True, []
        for plan, request in zip(scenario.jobs(), scenario.requests, strict=True):
            given = request.get("jobExecutionsRolloutConfig")
            known = known and (given is not None or "jobTemplateArn" not in request)
            jobs.append((plan.at, msgspec.convert(given or {}, JobExecutionsRolloutConfig)))
        return cls(tuple(jobs), known)

    @property
    def exact(self) -> bool:
        """Whether the rate follows from counts over all jobs; else the maxima are what is said."""
        return len(self.jobs) == 1 or all(one.exponential_rate is None for _, one in self.jobs)

    def allowed(self, since: float, minutes: int, released: int, succeeded: int) -> float | None:
        """Executions a minute over so many minutes from then on, None where it is not known."""
        if not self.known:
            return None
        total, most = 0, sum(config.maximum_per_minute or DEFAULT for _, config in self.jobs)
        for minute in range(1, minutes + 1):
            begun = [config for at, config in self.jobs if at < since + minute * MINUTE]
            if not self.exact:
                begun = [msgspec.structs.replace(one, exponential_rate=None) for one in begun]
            now = sum(rollout.rate(config, released, succeeded) for config in begun)
            if now == most:  # and so it stays
                total += now * (minutes + 1 - minute)
                break
            released += now
            total += now
        return total / minutes


def samples(snapshots: Sequence[Snapshot], since: float = -1.0) -> dict[str, Any]:
    """Columns of the snapshots after ``since``, on the run's wall clock."""
    first = next((at for at, one in enumerate(snapshots) if one.wall_s > since), len(snapshots))
    fresh = snapshots[first:]
    rates = [_conflicts(snapshots, at) for at in range(first, len(snapshots))]
    return {
        "wall": [round(one.wall_s, 3) for one in fresh],
        "at": [round(one.scenario_s, 3) for one in fresh],
        "connected": [one.connected for one in fresh],
        "released": [one.released for one in fresh],
        "executions": {
            status: [one.executions.get(status, 0) for one in fresh] for status in STATUSES
        },
        "conflicts": {cause: [one[cause] for one in rates] for cause in CAUSES},
        "slip_p99_ms": [one.lag.slip_p99_ms for one in fresh],
        "loop_lag_ms": [one.lag.loop_lag_ms for one in fresh],
        "cpu": [one.lag.cpu for one in fresh],
    }


def _conflicts(snapshots: Sequence[Snapshot], at: int) -> dict[str, float]:
    """Per cause, conflicts in percent of the updates of the ten seconds before a snapshot."""
    now, before = snapshots[at], at
    while before >= 0 and snapshots[before].wall_s > now.wall_s - WINDOW_S:
        before -= 1
    # Before the first snapshot of a run there is its beginning, where all counts are zero.
    then = snapshots[before] if before >= 0 else None
    updates = now.updates - (then.updates if then else 0)
    counted = {
        cause: now.conflicts.get(cause, 0) - (then.conflicts.get(cause, 0) if then else 0)
        for cause in CAUSES
    }
    return {cause: round(100 * n / updates, 3) if updates else 0.0 for cause, n in counted.items()}


def releases(snapshots: Sequence[Snapshot], pace: Pace, time_scale: float) -> dict[str, Any]:
    """Executions released per scenario minute, and what the rollout allows, bar by bar."""
    if not snapshots:
        return {"minutes": 1, "at": [], "measured": [], "configured": [], "exact": True}
    minutes = _minutes_a_bar(time_scale, snapshots[-1].scenario_s)
    width = minutes * MINUTE
    ends: dict[int, Snapshot] = {int(one.scenario_s // width): one for one in snapshots}
    bars: dict[str, list[Any]] = {"at": [], "measured": [], "configured": []}
    first = min(ends)
    done, released, succeeded = first, 0, 0
    if snapshots[0].scenario_s >= width:  # the snapshots before it are no longer kept
        released, succeeded = snapshots[0].released, snapshots[0].executions.get("SUCCEEDED", 0)
    for bar, end in ends.items():
        since = done * width  # with the bars before it that saw no snapshot
        begun = (bar + 1 - done) * minutes
        if end is snapshots[-1]:
            begun = max(1, int((end.scenario_s - since) // MINUTE) + 1)
        allowed = pace.allowed(since, begun, released, succeeded)
        bars["at"].append(bar * width)
        bars["measured"].append(round((end.released - released) / begun, 3))
        bars["configured"].append(None if allowed is None else round(allowed, 3))
        done, released, succeeded = bar + 1, end.released, end.executions.get("SUCCEEDED", 0)
    return {"minutes": minutes, **bars, "exact": pace.exact}


def _minutes_a_bar(time_scale: float, elapsed_s: float) -> int:
    seen = math.ceil(SNAPSHOTS_A_BAR * time_scale / MINUTE) if time_scale > MINUTE / 2 else 1
    return max(1, seen, math.ceil(elapsed_s / MINUTE / BARS))


def as_csv(snapshots: Iterable[Snapshot]) -> str:
    """All that is kept, a line per snapshot; counts are since the run began."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["wall_s", "scenario_s", "connected", "released", "to_come", *STATUSES,
         "requests", "updates", "failures", "no_reply", *(f"conflicts_{one}" for one in CAUSES),
         "slip_p99_ms", "loop_lag_ms", "cpu"]
    )  # fmt: skip
    for one in snapshots:
        writer.writerow(
            [round(one.wall_s, 3), round(one.scenario_s, 3), one.connected, one.released,
             one.to_come, *(one.executions.get(status, 0) for status in STATUSES),
             one.requests, one.updates, one.failures, one.no_reply,
             *(one.conflicts.get(cause, 0) for cause in CAUSES),
             one.lag.slip_p99_ms, one.lag.loop_lag_ms, one.lag.cpu]
        )  # fmt: skip
    return text.getvalue()
