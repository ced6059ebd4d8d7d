"""Rehearsals of ten thousand and of a hundred thousand things."""

from benchmarks.table import Row, at_most
from simulator.run import Resolved, rehearse
from simulator.scenario import loads

REHEARSAL = """\
fleet:
  - cohort: g
    things: 100000
    work: {duration: {distribution: lognormal, median: 90s, sigma: 0.6}, steps: 2, step_timeout: 1h}
    outcome: {fail: 3%, reject: 1%, hang: 2%}
network: {latency: {distribution: lognormal, median: 40ms, sigma: 0.4}, lost_replies: 0.5%}
job:
  document: {operation: firmware-update}
  timeoutConfig: {inProgressTimeoutInMinutes: 120}
load: {ramp: 1000/s, until: 7d}
"""
"""Everything rolled out at AWS's 1 000 a minute; start-next, one progress report, the end."""


def rows() -> list[Row]:
    """Cost per thing, and how it grows."""
    small, _ = rehearsal(10_000)
    large, count = rehearsal(100_000)
    return [
        Row("rehearsal of 10,000 things, us a thing", f"{small * 100:.0f}"),
        Row("rehearsal of 100,000 things, us a thing", f"{large * 10:.0f}"),
        at_most("rehearsal of 100,000 things, s", large, 10),
        at_most("cost per thing, 100,000 / 10,000", large / small / 10, 1.3, ".2f"),
        Row("exchanges a second, rehearsed", f"{count / large:,.0f}"),
    ]


def rehearsal(things: int) -> tuple[float, int]:
    """Seconds of wall time for a rehearsal, and its records."""
    finished = rehearse(Resolved.of(loads(REHEARSAL), 1, things))
    assert sum(finished.summary.executions.values()) == things
    return finished.wall_s, len(finished.records)
