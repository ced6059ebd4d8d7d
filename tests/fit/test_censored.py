"""Maximum likelihood: closed forms are met, censoring and hangs handled; AIC picks the family."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.fit.censored import Sample, distance, fit, fit_family, kaplan_meier, p_value
from simulator.fit.laws import Family, Law
from simulator.fit.special import Floats, lower_and_upper, normal_lower_and_upper

NONE = np.empty(0)
LAWS = [
    Law("lognormal", 90, 0.6),
    Law("gamma", 3, 20),
    Law("weibull", 1.7, 120),
    Law("exponential", 300),
    Law("uniform", 30, 300),
]


def drawn(law: Law, n: int, seed: int = 1) -> Floats:
    return law.draw(np.random.Generator(np.random.PCG64(seed)), n)


@given(st.floats(0.05, 5_000), st.floats(1e-6, 10_000))
@settings(max_examples=200, deadline=None)
def test_incomplete_gamma_holds_its_recurrence(a: float, x: float) -> None:
    """P(a + 1, x) = P(a, x) - x^a e^-x / Γ(a + 1)."""
    at = np.array([x])
    step = math.exp(a * math.log(x) - x - math.lgamma(a + 1))
    assert lower_and_upper(a + 1, at)[0][0] == pytest.approx(
        lower_and_upper(a, at)[0][0] - step, abs=1e-9
    )


def test_incomplete_gamma_where_it_has_other_names() -> None:
    x = np.linspace(0, 40, 401)
    assert lower_and_upper(1.0, x)[0] == pytest.approx(1 - np.exp(-x), abs=1e-14)
    for v in (0.1, 1.0, 4.0, 6.0):
        assert lower_and_upper(0.5, np.array([v * v]))[1][0] == pytest.approx(
            math.erfc(v), rel=1e-12
        )
    below, above = normal_lower_and_upper(np.array([-1.959963984540054, 0.0]))
    assert below == pytest.approx([0.025, 0.5])
    assert above == pytest.approx([0.975, 0.5])
    assert lower_and_upper(2.0, np.array([0.0, math.inf]))[0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.family)
def test_a_law_agrees_with_its_own_draws_and_integrals(law: Law) -> None:
    t = drawn(law, 200_000)
    assert t.mean() == pytest.approx(law.mean, rel=0.01)
    assert np.median(t) == pytest.approx(law.median, rel=0.01)
    grid = np.linspace(1e-9, 6000, 600_001)
    width = grid[1] - grid[0]
    assert np.exp(law.log_density(grid)).sum() * width == pytest.approx(1, abs=1e-3)
    for c in (0.0, law.median, 2 * law.mean):
        beyond = law.upper(grid[grid >= c]).sum() * width / law.mean
        assert law.rest(np.array([c]))[0] == pytest.approx(beyond, abs=2e-3)


def test_the_maximum_is_the_one_in_the_books() -> None:
    t = drawn(LAWS[0], 500)
    found = fit_family("lognormal", Sample.of(t, NONE, 1e-9)).law
    logs = np.log(t)
    assert found.a == pytest.approx(math.exp(logs.mean()), rel=1e-4)
    assert found.b == pytest.approx(logs.std(), rel=1e-4)
    censored = Sample.of(t[t < 100], np.full((t >= 100).sum(), 100.0), 1e-9)
    plain = fit_family("exponential", censored)
    if not plain.hang:  # time at risk over what ended
        assert plain.law.a == pytest.approx(np.minimum(t, 100).sum() / (t < 100).sum(), rel=1e-4)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.family)
@pytest.mark.parametrize("cut", [math.inf, 250.0])
def test_known_samples_give_their_family_and_numbers_back(law: Law, cut: float) -> None:
    t = drawn(law, 4000)
    if law.family == "uniform":
        cut = math.inf
    sample = Sample.of(t[t <= cut], np.full((t > cut).sum(), cut), 0.001)
    best = fit(sample)[0]
    assert best.law.family == law.family
    assert best.law.median == pytest.approx(law.median, rel=0.04)
    assert best.law.mean == pytest.approx(law.mean, rel=0.05)
    assert best.hang < 0.03


@pytest.mark.parametrize("family", ["lognormal", "gamma", "weibull"])
def test_what_hangs_is_told_from_the_tail(family: Family) -> None:
    """A tenth of what would end does so after the timer; 5 % never would."""
    law = next(one for one in LAWS if one.family == family)
    rng = np.random.Generator(np.random.PCG64(7))
    t = law.draw(rng, 6000)
    cut = float(np.quantile(t, 0.9))
    hung = rng.random(len(t)) < 0.05
    ended = t[(t <= cut) & ~hung]
    best = fit_family(family, Sample.of(ended, np.full(len(t) - len(ended), cut), 0.001))
    assert best.hang == pytest.approx(0.05, abs=0.025)
    assert best.law.median == pytest.approx(law.median, rel=0.04)
    without = fit_family(family, Sample.of(t[t <= cut], np.full((t > cut).sum(), cut), 0.001))
    assert without.hang < 0.02


def test_whole_seconds_and_zeros_are_no_trouble() -> None:
    law = Law("exponential", 2.0)
    best = fit_family("exponential", Sample.of(np.round(drawn(law, 5000)), NONE, 1.0))
    assert best.law.a == pytest.approx(2.0, rel=0.05)


def test_equal_durations_are_a_constant_and_late_ones_hang() -> None:
    best = fit(Sample.of(np.full(90, 30.0), np.full(10, 600.0), 1.0))
    assert [one.law for one in best] == [Law("constant", 30.0)]
    assert best[0].hang == pytest.approx(0.1)


def test_kaplan_and_meier_by_hand() -> None:
    """Five at risk: one ends at 1, one is lost at 2, one ends at 3, two at 4."""
    times, seen = kaplan_meier(Sample.of(np.array([1, 3, 4, 4.0]), np.array([2.0]), 0.001))
    assert times.tolist() == [1, 3, 4]
    assert seen == pytest.approx([1 / 5, 1 - 4 / 5 * 2 / 3, 1])


def test_the_distance_is_the_farthest_apart() -> None:
    law = Law("uniform", 0, 10)
    sample = Sample.of(np.array([1.0, 2.0, 3.0]), NONE, 1e-9)
    assert distance(law, 0.0, sample) == pytest.approx(0.7)


def test_p_tells_a_right_model_from_a_wrong_one_and_repeats() -> None:
    t = drawn(LAWS[0], 600)
    sample, horizons = Sample.of(t, NONE, 0.001), np.full(600, math.inf)
    right = p_value(fit_family("lognormal", sample), sample, horizons, 1, 39)
    wrong = p_value(fit_family("exponential", sample), sample, horizons, 1, 39)
    assert right[1] > 0.1
    assert wrong[1] == pytest.approx(1 / 40)
    assert right == p_value(fit_family("lognormal", sample), sample, horizons, 1, 39)
