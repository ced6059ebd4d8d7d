"""AWS's rates: counted as one would by hand, and throttled as the service's own buckets would."""

import math
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from simulator import results
from simulator.jobs.quotas import Bucket
from simulator.report.budget import count_budget, refused_by_bucket
from simulator.report.summary import Budget
from simulator.report.text import clock, duration, would_throttle
from tests.report.made import record, records

THROTTLED = results.REJECTED["RequestThrottled"]


def budget(rows: list[Any], time_scale: float = 1.0, in_force: bool = False) -> Budget:
    return count_budget(records(rows), time_scale, in_force)


def writes(count: int, begin: float, per_s: float = math.inf) -> list[Any]:
    return [record(at % 5, sent=round(begin + at / per_s, 3)) for at in range(count)]


def test_a_burst_beyond_a_seconds_worth_is_throttled_and_one_within_is_not() -> None:
    fine = budget(writes(200, 10) + writes(200, 12)).writes
    assert (fine.peak_per_s, fine.over, fine.seconds_over, fine.first_over_s) == (200, 0, 0, None)
    found = budget(writes(300, 10) + writes(250, 75)).writes
    assert (found.requests, found.over, found.share_over) == (550, 150, round(150 / 550, 6))
    assert (found.peak_per_s, found.peak_at_s, found.peak_per_minute) == (300, 10, 300)
    assert (found.seconds_over, found.first_over_s, found.last_over_s) == (2, 10, 76)


def test_a_minute_of_three_hundred_a_second_says_when_and_for_how_long() -> None:
    found = budget(writes(18_000, 1200, 300))
    assert (
        found.writes.over == 5_801
    )  # what is above 200/s, but for the full bucket of the beginning
    (sentence,) = would_throttle(found)
    assert sentence == (
        "AWS would throttle this rollout for 59 s, from 00:20:01 to 00:21:00 "
        "(peak 300 writes/s against 200; 32.2% of them)"
    )
    assert list(would_throttle(budget(writes(18_000, 1200, 300), in_force=True))) == []


def test_reads_connects_and_things_of_their_own_have_other_quotas() -> None:
    rows = [record(0, results.DESCRIBE, 5) for _ in range(120)]
    rows += [record(1, results.GET_PENDING, 5) for _ in range(90)]
    rows += [record(thing, results.CONNECT, 5) for thing in (0, 0, 1)]
    found = budget(rows)
    assert (found.reads.peak_per_s, found.reads.over, found.writes.requests) == (210, 10, 0)
    assert (found.publishes_per_connection.peak_per_s, found.publishes_per_connection.over) == (
        120, 20,
    )  # fmt: skip
    assert (found.connects.requests, found.connects.over) == (3, 0)
    assert (found.connects_per_client.over, found.connects_per_client.seconds_over) == (1, 1)
    assert found.over_for_s == 1


def test_what_never_arrived_asks_nothing_and_what_came_twice_asks_twice() -> None:
    lost = [record(fault=results.LOST_REQUEST_FAULT, outcome=results.NO_REPLY)]
    absent = [record(fault=results.ABSENT, outcome=results.DISCONNECTED)]
    twice = [record(fault=results.DUPLICATED)]
    unheard = [record(fault=results.LOST_REPLY_FAULT, outcome=results.NO_REPLY)]
    found = budget([*lost, *absent, *twice, *unheard])
    assert (found.writes.requests, found.publishes_in.requests) == (3, 3)
    assert found.publishes_out.requests == 1


def test_a_connect_after_an_absence_or_a_partition_reached_the_service() -> None:
    back = [
        record(at, results.CONNECT, fault=fault)
        for at, fault in enumerate((results.ABSENT, results.PARTITION, results.STORM))
    ]
    refused = record(3, results.CONNECT, fault=results.PARTITION, outcome=results.DISCONNECTED)
    connects = budget([*back, refused]).connects
    assert (connects.requests, connects.peak_per_s) == (3, 3)


def test_rates_are_of_scenario_time() -> None:
    """Sixty times as fast, 250 writes within a wall second come within a scenario minute."""
    assert budget(writes(250, 1, 250)).writes.peak_per_s == 250
    scaled = budget(writes(250, 1, 250), time_scale=60).writes
    assert (scaled.peak_per_s, scaled.peak_at_s, scaled.peak_per_minute) == (5, 60, 250)


def test_real_throttles_are_counted_beside() -> None:
    rows = [record(sent=at, outcome=THROTTLED) for at in (60.2, 60.7, 65.0)]
    found = budget(rows, in_force=True)
    assert (found.throttled, found.throttled_for_s) == (3, 2)
    assert (found.first_throttled_s, found.last_throttled_s) == (60, 66)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12), st.integers(0, 3)), max_size=25),
    st.integers(1, 6),
)
@settings(max_examples=150, deadline=None)
def test_a_look_at_the_hot_stretches_refuses_what_the_bucket_does(
    bursts: list[tuple[int, int, int]], quota: int
) -> None:
    times = sorted(at + quarter / 4 for at, count, quarter in bursts for _ in range(count))
    if not times:
        return
    bucket = Bucket(quota)
    expected = [time for time in times if not bucket.take(time)]
    counted = Counter(math.floor(time) for time in times)
    second = np.array(sorted(counted))
    counts = np.array([counted[at] for at in second.tolist()])
    assert refused_by_bucket(np.array(times), second, counts, quota).tolist() == expected


def test_a_few_requests_in_a_hundred_years_cost_nothing() -> None:
    found = budget([record(sent=1.0), record(sent=3e9)]).writes
    assert (found.requests, found.peak_per_s, found.over) == (2, 1, 0)


def test_times_as_people_say_them() -> None:
    assert [clock(s, exact=False) for s in (1200, 2040, 93_600)] == ["00:20", "00:34", "1d 02:00"]
    assert clock(3723, exact=True) == "01:02:03"
    assert [duration(s) for s in (0.25, 14 * 60, 4800, 90_000, None)] == [
        "0.25 s", "14 min", "1 h 20 min", "1 d 1 h", "",
    ]  # fmt: skip
