"""The theory of conflicts, against counting; which things users have, and which hosts."""

from fractions import Fraction
from math import pi, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.contention import conflict_rate, overall_conflict_rate, updates_per_accepted
from simulator.errors import UsageError
from simulator.stage import ceiling_of, check_host, name_of


def counted(writers: int, updates: int) -> Fraction:
    """The share of conflicts among the first updates, over every order in which they may come."""
    states = {(True,) + (False,) * (writers - 1): Fraction(1)}
    refused = Fraction(0)
    for _ in range(updates):
        after: dict[tuple[bool, ...], Fraction] = {}
        for fresh, chance in states.items():
            for who in range(writers):
                if fresh[who]:
                    then = tuple(one == who for one in range(writers))
                else:
                    refused += chance / writers
                    then = tuple(one or at == who for at, one in enumerate(fresh))
                after[then] = after.get(then, Fraction(0)) + chance / writers
        states = after
    return refused / updates


@pytest.mark.parametrize("writers", [1, 2, 3, 5])
def test_the_formula_is_what_counting_gives(writers: int) -> None:
    assert conflict_rate(writers) == pytest.approx(float(counted(writers, 60)), abs=0.02)


def test_known_values() -> None:
    assert [round(conflict_rate(n), 3) for n in (1, 2, 5, 10, 100)] == [
        0,
        0.333,
        0.602,
        0.727,
        0.918,
    ]
    assert updates_per_accepted(10_000) == pytest.approx(sqrt(pi * 10_000 / 2) - 1 / 3, rel=1e-3)
    assert overall_conflict_rate([1, 3]) == pytest.approx(0.75 * conflict_rate(3))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 100))
def test_users_have_the_things_of_a_fleet_in_turn(counts: list[int], index: int) -> None:
    fleet = [(f"c{at}", count) for at, count in enumerate(counts)]
    names = [f"{cohort}-{i:06d}" for cohort, count in fleet for i in range(count)]
    assert name_of(fleet, index) == names[index % len(names)]


@pytest.mark.parametrize(
    ("host", "scale", "said"),
    [
        ("https://127.0.0.1:1", 1, "write http://HOST:PORT"),
        ("127.0.0.1:80", 1, "write http://HOST:PORT"),
        ("http://127.0.0.1:99999", 1, "write http://HOST:PORT"),
        ("http://192.0.2.1:80", 1, "say --i-own-this-target 192.0.2.1"),
        ("http://127.0.0.1:80", 60, "load.time_scale is 60"),
    ],
)
def test_hosts_that_are_refused(host: str, scale: float, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_host(host, None, scale)


def test_hosts_that_are_taken() -> None:
    assert check_host("http://127.0.0.1:8080", None, 1) == ("127.0.0.1", 8080)
    assert check_host("http://192.0.2.1/", "192.0.2.1", 1) == ("192.0.2.1", 80)


@pytest.mark.parametrize(
    ("host", "budget", "ceiling"),
    [
        (None, None, None),
        (None, 5.0, 5.0),
        ("127.0.0.1", None, None),
        ("192.0.2.1", None, 1000.0),
        ("192.0.2.1", 5.0, 5.0),
        ("192.0.2.1", 5000.0, 1000.0),
    ],
)
def test_a_service_elsewhere_has_a_ceiling(
    host: str | None, budget: float | None, ceiling: float | None
) -> None:
    assert ceiling_of(host, budget) == ceiling
