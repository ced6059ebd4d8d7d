"""A generator's readings in numbers, and in words where it was too slow."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from simulator.generator import BUSY, Reading, Slips, p99
from simulator.report.summary import Generator

LEAST: Final = 2
"""Busy seconds that are worth a warning; and a tenth of all."""


def of_generator(readings: Sequence[Reading], slips: Slips, max_slip_s: float) -> Generator:
    """What the readings of all processes come to; ``slips`` are every one of the run."""
    lags = np.array([one.loop_lag_ms for one in readings] or [0.0])
    cpu = np.array([one.cpu for one in readings] or [0.0])
    slip = p99(slips)
    return Generator(
        slip_p99_ms=round(slip * 1000, 3),
        slip_max_ms=round(max(0.0, float(slips.max())) * 1000, 3) if len(slips) else 0.0,
        loop_lag_p99_ms=round(float(np.percentile(lags, 99)), 3),
        loop_lag_max_ms=round(float(lags.max()), 3),
        cpu_mean=round(float(cpu.mean()), 3),
        cpu_max=round(float(cpu.max()), 3),
        kept=slip <= max_slip_s,
    )


def warnings(readings: Sequence[Reading], found: Generator, max_slip_s: float) -> Iterator[str]:
    """Sentences on a generator that may have been what slowed the run down."""
    busy = [one for one in readings if one.cpu >= BUSY]
    why = []
    if len(busy) >= max(LEAST, len(readings) / 10):
        why.append(
            f"used {BUSY:.0%} of a core or more in {len(busy)} of {len(readings)} seconds "
            f"(at most {found.cpu_max:.0%})"
        )
    if found.loop_lag_max_ms > max_slip_s * 1000:
        why.append(f"had a loop {found.loop_lag_max_ms:,.0f} ms late")
    if why:
        yield (
            f"The generator was the bottleneck: it {' and '.join(why)}. A service may be faster "
            "than these numbers; more --processes or fewer things would tell."
        )
