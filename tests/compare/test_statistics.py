"""The tests of two samples, held against what they promise: false alarms, power, known values."""

import math

import numpy as np
import pytest

from simulator.compare.statistics import (
    Answer,
    Numbers,
    Ratio,
    Spread,
    bootstrap,
    compare_percentile,
    compare_ratios,
    fisher,
    holm,
    interval,
    mann_whitney,
    normal_quantile,
    sign_test,
    two_sided,
    wilcoxon,
)

SEEDS = 300
LEVEL = 0.05
MOST_ALARMS = 27
"""Of 300 at 5 %: 15 are to be expected, and more than 27 come once in 1 500 times."""


def _alone(values: Numbers) -> Spread:
    return Spread(np.arange(len(values)), values, len(values))


def _clustered(rng: np.random.Generator, things: int, by: float = 1.0) -> Spread:
    """Five exchanges of each thing, which resemble each other."""
    of = np.repeat(np.arange(things), 5)
    link = rng.lognormal(4, 0.6, things)
    return Spread(of, by * link[of] * rng.lognormal(0, 0.2, len(of)), things)


def _events(rng: np.random.Generator, things: int, share: float) -> Ratio:
    """Conflicts of things, of which a few are prone to them."""
    prone = rng.beta(share * 4, (1 - share) * 4, things)
    return Ratio(rng.binomial(6, prone).astype(float), np.full(things, 6.0))


def _alarms(test: str, by: float) -> int:
    """In how many of the seeds B, whose things are slower or worse by a factor, is told from A."""
    count = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, len(test)])
        if test == "ratios":
            found: Answer | None = compare_ratios(
                _events(rng, 150, 0.1), _events(rng, 150, 0.1 * by), paired=False
            )
        elif test == "rare ratios":
            found = compare_ratios(
                _events(rng, 150, 0.005), _events(rng, 150, 0.005 * by), paired=False
            )
        elif test == "ratios in pairs":
            a = _events(rng, 150, 0.1)
            worse = rng.random(150) < (by - 1) / 10
            b = Ratio(np.where(rng.random(150) < 0.3, rng.permutation(a.events), a.events) + worse,
                      a.chances)  # fmt: skip
            found = compare_ratios(a, b, paired=True)
        elif test == "mann-whitney":
            found = mann_whitney(rng.lognormal(4, 0.6, 150), by * rng.lognormal(4, 0.6, 150))
        elif test == "wilcoxon":
            a_values = rng.lognormal(4, 0.6, 150)
            found = wilcoxon(a_values, by * a_values * rng.lognormal(0, 0.3, 150))
        else:
            found = compare_percentile(
                _clustered(rng, 150), _clustered(rng, 150, by), 95, paired=False
            )
        assert found is not None
        count += found.p < LEVEL
    return count


@pytest.mark.parametrize(
    ("test", "by"),
    [
        ("ratios", 2.0),
        ("rare ratios", 20.0),
        ("ratios in pairs", 4.0),
        ("mann-whitney", 1.4),
        ("wilcoxon", 1.15),
        ("percentile", 1.8),
    ],
)
def test_false_alarms_are_as_rare_as_promised_and_changes_are_seen(test: str, by: float) -> None:
    assert _alarms(test, 1.0) <= MOST_ALARMS
    assert _alarms(test, by) >= 0.8 * SEEDS


def test_exchanges_counted_one_by_one_would_raise_false_alarms() -> None:
    """Why the unit is a thing: the same samples, as if every exchange were a thing of its own."""
    naive = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        a, b = _clustered(rng, 150), _clustered(rng, 150)
        naive += compare_percentile(_alone(a.values), _alone(b.values), 95, paired=False).p < LEVEL
    assert naive > 2 * MOST_ALARMS


def test_an_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    held = [0, 0]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a, b = _clustered(rng, 120), _clustered(rng, 120, 1.5)
        for at, (low, high) in enumerate(bootstrap(a, b, (50, 90), 0.95, paired=False)):
            quantile = math.exp(4 + (0, 1.2816)[at] * math.hypot(0.6, 0.2))
            held[at] += low <= 0.5 * quantile <= high
    assert min(held) >= 33  # of 40 at 95 %
    events = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        a_events, b_events = _events(rng, 200, 0.1), _events(rng, 200, 0.2)
        low, high = interval(a_events, b_events, normal_quantile(0.95), paired=False)
        events += low <= 0.1 <= high
    assert events >= 0.9 * SEEDS


def test_a_large_fleet_is_drawn_from_and_its_interval_is_its_own() -> None:
    rng = np.random.default_rng(1)
    small, large = (_clustered(rng, things) for things in (500, 8_000))
    other = [_clustered(rng, things) for things in (500, 8_000)]
    (wide,) = bootstrap(small, other[0], (50,), 0.95, paired=False)
    (narrow,) = bootstrap(large, other[1], (50,), 0.95, paired=False)
    assert (wide[1] - wide[0]) / (narrow[1] - narrow[0]) == pytest.approx(4, rel=0.35)
    assert bootstrap(small, other[0], (50,), 0.95, paired=False) == [wide]  # it is seeded
    (none,) = bootstrap(small, small, (50,), 0.95, paired=True)
    assert none == (0, 0)


def test_known_values() -> None:
    # Fisher's tea, and scipy.stats.fisher_exact([[8, 2], [1, 5]])
    assert fisher(3, 4, 1, 4) == pytest.approx(0.4857142857)
    assert fisher(8, 10, 1, 6) == pytest.approx(0.0349650350)
    assert fisher(5_000, 100_000, 5_000, 100_000) == 1
    assert fisher(0, 10, 0, 10) == 1
    assert sign_test(1, 10) == pytest.approx(0.021484375)
    assert two_sided(1.959964) == pytest.approx(0.05, abs=1e-6)
    assert normal_quantile(0.99) == pytest.approx(2.575829, abs=1e-6)
    # scipy.stats.mannwhitneyu(a, b, method="asymptotic") and wilcoxon(correction=True)
    a = np.array([1, 2, 2, 3, 4, 5, 7, 9, 10, 12], float)
    b = np.array([2, 4, 6, 8, 9, 11, 12, 13, 14, 20], float)
    found = mann_whitney(a, b)
    assert found is not None
    assert found.p == pytest.approx(0.0581168755697)
    assert found.effect == pytest.approx(0.755)
    signed = wilcoxon(a, b)
    assert signed is not None
    assert signed.p == pytest.approx(0.0056660923526)
    assert signed.effect == 1


def test_too_few_are_not_tested_and_nothing_differs_from_itself() -> None:
    few = np.arange(7.0)
    assert mann_whitney(few, few) is None
    assert wilcoxon(few, few) is None
    same = np.full(50, 80.0)
    for found in (mann_whitney(same, same), wilcoxon(same, same)):
        assert found is not None
        assert (found.p, found.effect) == (1, 0.5)
    nothing = Ratio(np.zeros(50), np.ones(50))
    assert compare_ratios(nothing, nothing, paired=False).p == 1
    assert compare_ratios(nothing, nothing, paired=True).p == 1


@pytest.mark.parametrize("percent", [50, 90, 99])
def test_constant_latencies_that_differ_are_told_apart(percent: float) -> None:
    a, b = _alone(np.full(200, 80.0)), _alone(np.full(200, 100.0))
    assert compare_percentile(a, b, percent, paired=False).p < 1e-6
    assert compare_percentile(a, a, percent, paired=True).p == 1


def test_holm_holds_all_of_them_together() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    alarms = 0
    for seed in range(SEEDS):
        ps = np.random.default_rng(seed).random(20).tolist()
        alarms += min(holm(ps)) < LEVEL
    assert alarms <= MOST_ALARMS
