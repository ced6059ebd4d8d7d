"""Chance: the same for the same seed, whatever the order, and of the shape that was asked for."""

from collections import Counter

import numpy as np
import pytest

from simulator.behaviour import (
    EVERYTHING,
    LONGEST_S,
    Cohort,
    Distribution,
    Fate,
    Network,
    NetworkChance,
    Outcome,
    Outcomes,
    Storm,
    StormChance,
    Work,
    WorkTable,
    ramp,
    scale_cohorts,
)
from simulator.behaviour.network import AHEAD

GATEWAYS = Cohort(
    "g",
    20_000,
    Work(Distribution("lognormal", 90.0, 0.6), 4, 10),
    Outcomes(Fate((0.03,)), Fate((0.01,)), Fate((0.02,))),
)
LAMPS = Cohort("l", 10, Work(Distribution("constant", 3.0), 3))


def test_plans_depend_on_seed_thing_and_attempt_only() -> None:
    one, other = WorkTable((GATEWAYS, LAMPS), 7), WorkTable((GATEWAYS, LAMPS), 7)
    later = [other.plan(5, attempt) for attempt in (3, 1, 2)]
    assert [one.plan(5, attempt) for attempt in (1, 2, 3)] == [later[1], later[2], later[0]]
    assert one.plan(5, 1) != WorkTable((GATEWAYS, LAMPS), 8).plan(5, 1)


def test_outcomes_come_in_the_shares_asked_for() -> None:
    table = WorkTable((GATEWAYS,), 1)
    outcomes = [table.plan(thing, 1).outcome for thing in range(20_000)]
    # five standard deviations of a binomial count
    for outcome, share in ((Outcome.FAIL, 0.03), (Outcome.REJECT, 0.01), (Outcome.HANG, 0.02)):
        spread = 5 * (20_000 * share * (1 - share)) ** 0.5
        assert abs(outcomes.count(outcome) - 20_000 * share) < spread
    faults = {table.plan(thing, 1).fault_step for thing in range(1000)}
    assert faults == {1, 2, 3, 4}


def test_things_have_names_and_cohorts() -> None:
    table = WorkTable((GATEWAYS, LAMPS), 1)
    assert table.names()[19_999:20_001] == ["g-019999", "l-000000"]
    assert [table.cohort_of(thing) for thing in (0, 19_999, 20_000)] == [0, 0, 1]
    plan = table.plan(20_000, 1)
    assert (plan.steps, plan.step_s, plan.step_timeout_minutes) == (3, 1.0, None)
    assert len(table) == 20_010


def test_draws_are_whole_milliseconds_of_the_right_shape() -> None:
    rng = np.random.default_rng(1)
    lognormal = Distribution("lognormal", 2.0, 0.5).draw(rng, 50_001)
    assert lognormal.dtype == np.int64
    assert abs(np.median(lognormal) - 2000) < 30
    uniform = Distribution("uniform", 1.0, 2.0).draw(rng, 10_000)
    assert (uniform.min() >= 1000, uniform.max() <= 2000) == (True, True)
    assert set(Distribution("constant", 0.25).draw(rng, 3)) == {250}


def test_network_chance_does_not_depend_on_the_order_of_asking() -> None:
    network = Network(Distribution("lognormal", 0.04, 0.4), lost_replies=0.1, lost_requests=0.2)
    one, other = NetworkChance(network, 3), NetworkChance(network, 3)
    asked = [one.exchange(t, n) for t in range(9) for n in range(9)]
    again = [other.exchange(t, n) for t in reversed(range(9)) for n in reversed(range(9))]
    assert asked == again[::-1]
    many = [one.exchange(0, n) for n in range(50_000)]
    lost = Counter(what for _, what in many)
    assert lost["lost_request"] == pytest.approx(10_000, abs=450)
    assert lost["lost_reply"] == pytest.approx(50_000 * 0.8 * 0.1, abs=310)
    assert np.median([latency for latency, _ in many]) == pytest.approx(0.04, abs=0.001)
    jitter = [one.jitter(1, n) for n in range(50_000)]
    assert 0 <= min(jitter) < max(jitter) < 1
    assert sum(jitter) / len(jitter) == pytest.approx(0.5, abs=0.01)


def test_a_quiet_network_loses_nothing() -> None:
    chance = NetworkChance(Network(), 1)
    assert chance.quiet
    assert {chance.exchange(0, n) for n in range(100)} == {(0.0, None)}
    for network in (
        Network(lost_replies=0.01),
        Network(lost_requests=0.01),
        Network(duplicated=0.01),
        Network(reordered=0.01),
        Network(jitter=Distribution("constant", 0.001)),
        Network(Distribution("constant", 0.001)),
    ):
        assert not NetworkChance(network, 1).quiet


@pytest.mark.parametrize(("lost_requests", "lost_replies", "what"), [
    (1.0, 0.0, "lost_request"), (1.0, 1.0, "lost_request"), (0.0, 1.0, "lost_reply"),
])  # fmt: skip
def test_a_network_that_loses_everything(
    lost_requests: float, lost_replies: float, what: str
) -> None:
    network = Network(lost_replies=lost_replies, lost_requests=lost_requests)
    chance = NetworkChance(network, 1)
    assert {chance.exchange(0, n)[1] for n in range(1000)} == {what}


@pytest.mark.parametrize("things", [1, 2, 7, 10, 1000])
def test_scaling_keeps_the_sum_and_the_proportions(things: int) -> None:
    cohorts = (Cohort("a", 60), Cohort("b", 30), Cohort("c", 10))
    scaled = [cohort.things for cohort in scale_cohorts(cohorts, things)]
    assert sum(scaled) == things
    for cohort, count in zip(cohorts, scaled, strict=True):
        assert abs(count - cohort.things * things / 100) < 1


def test_a_ramp_starts_things_evenly() -> None:
    assert ramp(4.0, 5) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert ramp(None, 2) == [0.0, 0.0]


@pytest.mark.parametrize(("seconds", "steps"), [(1.0, 700), (0.005, 9), (91.357, 4), (60.0, 7)])
def test_the_steps_of_a_job_add_up_to_it(seconds: float, steps: int) -> None:
    cohort = Cohort("c", 1, Work(Distribution("constant", seconds), steps))
    plan = WorkTable((cohort,), 1).plan(0, 1)
    assert plan.step_s * plan.steps == pytest.approx(seconds, abs=1e-9)


def test_no_draw_is_longer_than_the_longest() -> None:
    rng = np.random.default_rng(1)
    for wide in (
        Distribution("lognormal", LONGEST_S, 10.0),
        Distribution("constant", 1e300),
        Distribution("uniform", LONGEST_S, 1e18),
    ):
        drawn = wide.draw(rng, 10_000)
        assert 0 <= drawn.min() <= drawn.max() == LONGEST_S * 1000


def test_what_takes_no_time() -> None:
    for kind in ("constant", "uniform", "lognormal"):
        assert Distribution(kind, 0.0, 0.0).takes_no_time
    assert not Distribution("uniform", 0.0, 1.0).takes_no_time
    assert not Distribution("constant", 1.0).takes_no_time
    assert not Distribution("lognormal", 1.0).takes_no_time


def test_a_clock_is_ahead_or_behind_and_stays_so() -> None:
    chance = NetworkChance(Network(clock_skew=Distribution("uniform", 10.0, 20.0)), 1)
    skews = [chance.skew(thing) for thing in range(1000)]
    assert skews == [chance.skew(thing) for thing in range(1000)]
    assert 10 <= min(map(abs, skews)) < max(map(abs, skews)) <= 20
    assert sum(skew > 0 for skew in skews) == pytest.approx(500, abs=80)
    assert NetworkChance(Network(), 1).skew(0) == 0


def test_connections_live_as_long_as_drawn() -> None:
    network = Network(disconnects=Distribution("uniform", 10.0, 20.0))
    chance = NetworkChance(network, 1)
    lives = [chance.lifetime(3, connection) for connection in range(1000)]
    assert len(set(lives)) > 900
    assert 10 <= min(lives) < max(lives) <= 20
    assert chance.breaks
    assert not NetworkChance(Network(), 1).breaks


def test_a_storm_spreads_over_its_time() -> None:
    storm = Storm("s", EVERYTHING, 60.0, 5.0)
    offsets = [StormChance(storm, 0, 1).offset(thing) for thing in range(2000)]
    assert 0 <= min(offsets) < 0.05
    assert 4.95 < max(offsets) <= 5.0
    assert offsets != [StormChance(storm, 1, 1).offset(thing) for thing in range(2000)]
    assert {StormChance(Storm("s", EVERYTHING, 60.0), 0, 1).offset(t) for t in range(9)} == {0.0}


def test_what_is_foreseen_of_a_network_is_what_comes() -> None:
    """Whoever asks for whom: within what was worked out together and beyond it."""
    network = Network(
        Distribution("lognormal", 0.04, 0.4), lost_replies=0.1, lost_requests=0.1,
        duplicated=0.1, reordered=0.1,
    )  # fmt: skip
    one, ahead = NetworkChance(network, 5), NetworkChance(network, 5)
    ahead.foresee(300)
    asked = [(thing, ordinal) for thing in range(310) for ordinal in range(1, AHEAD + 3)]
    seen = [one.exchange(*which) for which in asked]
    assert len({befalls for _, befalls in seen}) == 5
    untroubled = [latency if befalls is None else None for latency, befalls in seen]
    assert [ahead.untroubled(*which) for which in asked] == untroubled
    assert [one.untroubled(*which) for which in asked] == untroubled
