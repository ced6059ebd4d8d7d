"""Durations of every family: their shape, their bounds, and what is the same for a seed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour import LONGEST_S, Distribution

N = 50_000

# By family: a distribution, its mean, and (quantile, seconds) that follow from its definition.
FAMILIES: list[tuple[Distribution, float, tuple[float, float]]] = [
    (Distribution("constant", 3.0), 3.0, (0.5, 3.0)),
    (Distribution("uniform", 2.0, 6.0), 4.0, (0.25, 3.0)),
    (Distribution("lognormal", 10.0, 0.5), 10 * np.exp(0.125), (0.5, 10.0)),
    (Distribution("gamma", 90.0, 2.0), 90.0, (0.5, 75.5)),
    (Distribution("weibull", 60.0, 2.0), 53.17, (1 - np.exp(-1), 60.0)),
    (Distribution("exponential", 40.0), 40.0, (0.5, 40 * np.log(2))),
    (Distribution("triangular", 0.0, 3.0, 9.0), 4.0, (1 / 3, 3.0)),
    (Distribution("empirical", values=(1.0, 2.0, 9.0)), 4.0, (0.5, 2.0)),
    (Distribution("histogram", values=(10.0, 30.0), weights=(3.0, 1.0)), 8.75, (0.75, 10.0)),
    (
        Distribution(
            "mixture",
            weights=(0.9, 0.1),
            parts=(Distribution("constant", 5.0), Distribution("exponential", 60.0)),
        ),
        10.5,
        (0.05, 5.0),
    ),
]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.mark.parametrize(("distribution", "mean", "quantile"), FAMILIES, ids=lambda x: str(x)[:30])
def test_a_family_has_the_mean_and_the_quantiles_of_its_definition(
    distribution: Distribution, mean: float, quantile: tuple[float, float]
) -> None:
    seconds = distribution.draw(rng(), N) / 1000
    assert seconds.mean() == pytest.approx(mean, rel=0.03)
    assert distribution.mean_s() == pytest.approx(mean, rel=0.02)
    share, at = quantile
    assert distribution.quantile(share) == pytest.approx(at, rel=0.04)
    assert distribution.survival(distribution.quantile(0.9) + 0.001) <= 0.101
    assert not distribution.takes_no_time


@pytest.mark.parametrize("distribution", [one for one, *_ in FAMILIES], ids=lambda one: one.kind)
def test_draws_are_whole_milliseconds_and_the_same_for_a_seed(distribution: Distribution) -> None:
    drawn = distribution.draw(rng(), 1000)
    assert drawn.dtype == np.int64
    assert 0 <= drawn.min() <= drawn.max() <= LONGEST_S * 1000
    assert (drawn == distribution.draw(rng(), 1000)).all()


@pytest.mark.parametrize(
    "distribution",
    [one for one, *_ in FAMILIES if one.kind != "constant"],
    ids=lambda one: one.kind,
)
def test_bounds_cut_off_and_do_not_pile_up(distribution: Distribution) -> None:
    whole = distribution.draw(rng(), N) / 1000
    low, high = np.quantile(whole, [0.2, 0.8], method="inverted_cdf").tolist()
    bounded = bound(distribution, low, high)
    drawn = bounded.draw(rng(), N) / 1000
    assert low - 0.001 <= drawn.min() <= drawn.max() <= high + 0.001
    assert (drawn == bounded.draw(rng(), N) / 1000).all()
    # what lies between is as it was: no heap at a bound that was none before
    within = whole[(whole >= low) & (whole <= high)]
    assert (drawn == high).mean() == pytest.approx((within == high).mean(), abs=0.02)
    assert drawn.mean() == pytest.approx(within.mean(), rel=0.03)


def bound(distribution: Distribution, low: float, high: float) -> Distribution:
    given: dict[str, Any] = {
        name: getattr(distribution, name)
        for name in ("kind", "a", "b", "c", "values", "weights", "parts")
    }
    return Distribution(**given, minimum=low, maximum=high)


def test_what_bounds_leave_is_known_and_hopeless_ones_come_to_an_end() -> None:
    wide = Distribution("exponential", 10.0, minimum=10.0)
    assert wide.share_within() == pytest.approx(np.exp(-1), abs=0.01)
    hopeless = Distribution("uniform", 0.0, 1.0, minimum=5.0, maximum=6.0)
    assert hopeless.share_within() == 0
    assert set(hopeless.draw(rng(), 10)) == {5000}


@given(
    median=st.floats(0, LONGEST_S),
    sigma=st.floats(0, 10),
    low=st.floats(0, 1e6),
    width=st.floats(0, 1e6),
)
@settings(max_examples=50, deadline=None)
def test_no_draw_ever_leaves_its_bounds(
    median: float, sigma: float, low: float, width: float
) -> None:
    drawn = Distribution("lognormal", median, sigma, minimum=low, maximum=low + width).draw(
        rng(), 9
    )
    assert drawn.min() >= np.floor(low * 1000)
    assert drawn.max() <= np.ceil((low + width) * 1000)


@pytest.mark.parametrize(
    "nothing",
    [
        Distribution("gamma", 0.0, 1.0),
        Distribution("triangular"),
        Distribution("empirical", values=(0.0,)),
        Distribution("histogram", values=(5.0,), weights=(0.0,)),
        Distribution("mixture", weights=(1.0,), parts=(Distribution("constant"),)),
        Distribution("exponential", 5.0, maximum=0.0),
    ],
    ids=lambda one: one.kind,
)
def test_what_takes_no_time(nothing: Distribution) -> None:
    assert nothing.takes_no_time
