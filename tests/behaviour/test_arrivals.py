"""Arrival processes: as many as their rate says, when it says so, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour import Arrivals, share_of

MINUTE = 60.0


def by_minute(arrivals: Arrivals, minutes: int) -> list[int]:
    edges = np.arange(minutes + 1) * MINUTE
    found: list[int] = np.histogram(arrivals.due(minutes * MINUTE, 1), edges)[0].tolist()
    return found


@pytest.mark.parametrize(
    ("arrivals", "counts"),
    [
        (Arrivals("constant", 2.0), [120, 120, 120]),
        (Arrivals("ramp", 0.0, 4.0, over=120), [60, 180, 240]),
        (Arrivals("step", 1.0, 3.0, over=120, steps=2), [60, 120, 180]),
        (Arrivals("step", 1.0, 3.0, over=60), [60, 180, 180]),
        (Arrivals("spike", 1.0, 11.0, at=70, lasts=6, every=60), [60, 120, 120]),
        (Arrivals("spike", 0.0, 10.0, at=60, lasts=3), [0, 30, 0]),
        (Arrivals("sine", 10.0, 20.0, period=60), [600, 600, 600]),
        (Arrivals("replay", times=(0.0, 59.0, 61.0, 500.0)), [2, 1, 0]),
        (Arrivals("constant", 1.0, since=30, until=90), [30, 30, 0]),
    ],
)
def test_a_rate_over_time_gives_its_integral(arrivals: Arrivals, counts: list[int]) -> None:
    assert by_minute(arrivals, 3) == pytest.approx(counts, abs=1)
    assert arrivals.expected(3 * MINUTE) == pytest.approx(sum(counts), abs=1)


def test_a_sine_swings() -> None:
    first, second = by_minute(Arrivals("sine", 10.0, 20.0, period=120), 2)
    assert (first, second) == pytest.approx((600 + 382, 600 - 382), abs=2)


def test_poisson_arrivals_come_by_chance_and_the_same_by_seed() -> None:
    arrivals = Arrivals("poisson", 100.0)
    times = arrivals.due(600, 7)
    gaps = np.diff(times)
    assert len(times) == pytest.approx(60_000, abs=1_000)  # four standard deviations
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.02)  # as an exponential's
    assert (times == arrivals.due(600, 7)).all()
    assert len(times) != len(arrivals.due(600, 8)) or (times != arrivals.due(600, 8)).any()
    assert (np.round(times, 6) == times).all()


@given(st.floats(0.01, 500), st.floats(0.01, 500), st.floats(1, 500), st.integers(1, 9))
def test_arrivals_are_in_order_and_before_the_end(
    rate: float, to: float, over: float, steps: int
) -> None:
    for kind in ("ramp", "step"):
        for spacing in ("even", "poisson"):
            shape = Arrivals(kind, rate, to, over, steps, spacing=spacing)
            times = shape.due(100, 1)
            assert (np.diff(times) >= 0).all()
            assert not len(times) or (times[0] >= 0 and times[-1] < 100)


def test_any_range_of_things_has_its_part_of_any_stretch_of_arrivals() -> None:
    homes = share_of(np.arange(10_000), 900)
    assert (homes >= 0).all()
    assert (homes < 900).all()
    for begin in range(0, 10_000, 1_000):
        part = homes[begin : begin + 1_000]
        for first in (0, 300, 600):
            mine = np.count_nonzero((part >= first) & (part < first + 300))
            assert mine == pytest.approx(1_000 / 3, abs=5)


def test_too_many_arrivals_are_refused_before_they_are_drawn() -> None:
    with pytest.raises(ValueError, match="arrivals are too many"):
        Arrivals("constant", 1e6).due(1e6, 1)
