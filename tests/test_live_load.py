"""Open load and budgets over real connections, and how the generator measures itself."""

import _thread
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from simulator import results
from simulator.generator import Log, Meter, Reading, as_csv, p99
from simulator.live import LiveFleet, LoopThread
from simulator.pacing import GRAIN_S
from simulator.report.lag import of_generator, warnings
from simulator.results import Records
from simulator.run import Resolved
from simulator.scenario import loads
from simulator.targets import Target, TransportName
from tests.doors_in_thread import served

SCENARIO = """\
fleet:
  - {cohort: g, things: 20, work: {duration: 0s, steps: 1000000}}
job: {document: {}}
load: {until: 1m, LOAD}
"""


@contextmanager
def fleets(load: str, count: int, transport: TransportName = "mqtt") -> Iterator[list[LiveFleet]]:
    """As many fleets as there would be workers, at one service."""
    resolved = Resolved.of(loads(SCENARIO.replace("LOAD", load)), None, None)
    threads: list[LoopThread] = []
    made: list[LiveFleet] = []
    with served(scenario=resolved) as service:
        where = service.addresses
        port = where.http if transport == "http" else where.mqtt
        assert port is not None
        target = Target("http" if transport == "http" else "mqtt", where.host, port, poll=0.05)
        try:
            for _ in range(count):
                threads.append(LoopThread(_thread.start_new_thread, time.sleep, transport))
                made.append(LiveFleet(resolved, threads[-1], target, transport))
            yield made
        finally:
            for fleet, thread in zip(made, threads, strict=True):
                fleet.stop()
                thread.stop()
                assert not thread.failures


def begin(fleet: LiveFleet, things: range, since: float = 0.0) -> None:
    fleet.own(things, since)
    for index in things:
        fleet.start(index)


def reached(goal: Callable[[], bool]) -> None:
    for _ in range(3000):
        if goal():
            return
        time.sleep(0.01)
    raise AssertionError("not reached within 30 s")


def test_workers_send_each_update_of_the_schedule_once_and_take_up_what_was_left() -> None:
    """The second fleet ends; the first one gets its things, with all that was due since."""
    load = "updates: {arrivals: constant, rate: 200/s, from: 300ms}"
    with fleets(load, 2) as (one, other):
        one.begin()
        other.begin(one.now())
        begin(one, range(8))
        begin(other, range(8, 20))
        reached(lambda: one.turns + other.turns >= 150)
        other.stop()
        records = other.recorder.records()
        last = float(records["due"].max())
        others = int(np.count_nonzero(records["operation"] == results.UPDATE))
        begin(one, range(8, 20), since=last + GRAIN_S)  # it may have come early by so much
        taken = one.turns + other.turns
        reached(lambda: one.turns + other.turns >= taken + 150)
        one.stop()
        records = np.concatenate([records, one.recorder.records()])
        due = Resolved.of(loads(SCENARIO.replace("LOAD", load)), None, None).scenario.update_times()
    assert due is not None
    until_then = (records["operation"] == results.UPDATE) & (records["due"] <= last)
    share = others / np.count_nonzero(until_then)
    assert share == pytest.approx(0.6, abs=0.1)  # as its things
    sent = records[records["operation"] == results.UPDATE]["due"]
    numbers = np.rint((sent - due[0]) * 200).astype(int)
    assert len(set(numbers.tolist())) == len(numbers)  # none twice
    missing = set(range(int(numbers.max()))) - set(numbers.tolist())
    assert len(missing) <= 20  # those in flight at an end


@pytest.mark.parametrize("transport", ["mqtt", "http"])
def test_no_request_goes_beyond_the_budget(transport: TransportName) -> None:
    """Over HTTP, a thing's looks for what is next count as well."""
    with fleets("budget: 100/s", 1, transport) as (fleet,):
        fleet.begin()
        begin(fleet, range(20))
        found: list[Records] = []

        def enough() -> bool:
            found.append(fleet.recorder.drain())
            return sum(map(len, found)) > 150

        reached(enough)
        slips = fleet.slips
    records = np.concatenate(found)
    asked = np.sort(records[records["operation"] != results.CONNECT]["sent"])
    assert (np.arange(len(asked)) <= 100 * asked + 11).all()
    updates = records[records["operation"] == results.UPDATE]
    waited = updates["sent"] - updates["due"]
    assert np.median(waited) > 0.05  # twenty things, ten milliseconds for each
    assert slips is not None
    assert np.median(np.array(slips or [0.0])) < 0.05  # to wait for a token is no slip
    if transport == "http":
        assert (records["operation"] == results.DESCRIBE).any()


def test_a_loop_that_is_held_up_tells_its_lag() -> None:
    with fleets("ramp: 100/s", 1) as (fleet,):
        fleet.begin()

        def block() -> None:
            until = time.perf_counter() + 0.3
            while time.perf_counter() < until:
                pass

        fleet.lag()
        fleet._thread.post(block)
        reached(lambda: fleet.lag() >= 0.24)


# ------------------------------------------------------------------------------- what it says


def row(due: float, sent: float) -> tuple[float, ...]:
    return (1, results.UPDATE, 0, 0, 1, 0, 0, 0, due, sent, sent + 0.1)


def test_a_meter_reads_slip_of_records_or_of_pacing() -> None:
    records = np.array([row(1, 1), row(1, 1.5), row(2, 2.25)], results.DTYPE)
    meter = Meter()
    meter.take(records)
    reading, slips = meter.read(1.0, 0.002, 7, 0)
    assert slips.tolist() == [0.5, 0.25]
    assert (reading.loop_lag_ms, reading.connected) == (2.0, 7)
    assert reading.slip_p99_ms == pytest.approx(497.5)
    assert meter.read(2.0, 0.0, 7, 0)[0].slip_p99_ms == 0
    own = [0.125]
    paced = Meter(own)
    paced.take(records)
    assert (paced.read(1.0, 0.0, 7, 3)[1].tolist(), own) == ([0.125], [])


def reading(at: float, worker: str = "", lag: float = 1.0, cpu: float = 0.5) -> Reading:
    return Reading(at, worker, lag, 0.0, cpu, 10, int(at))


def test_the_generators_numbers_are_of_all_processes() -> None:
    log = Log()
    for at in (1.0, 2.0):
        log.take(reading(at, "a"), np.array([0.1, 0.3]))
        log.take(reading(at, "b", lag=90.0, cpu=0.7), np.array([0.2]))
    found = of_generator(log.readings, log.slips, 0.25)
    assert (found.slip_max_ms, found.kept) == (300.0, False)
    assert (found.loop_lag_max_ms, found.cpu_mean, found.cpu_max) == (90.0, 0.6, 0.7)
    assert p99(log.slips) == pytest.approx(0.3, abs=0.01)
    assert of_generator(log.readings, log.slips, 0.3).kept
    assert (log.turns, log.lag(2.5).cpu, log.lag(9.0).cpu) == (4, 0.7, 0.0)
    assert as_csv(log.readings).splitlines()[:2] == [
        "at_s,worker,loop_lag_ms,slip_p99_ms,cpu,connected,starved",
        "1.000,a,1.000,0.000,0.500,10,0.000",
    ]
    assert of_generator([], np.empty(0), 0.25).kept


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ([reading(at, cpu=0.5) for at in range(9)], ""),
        ([reading(at, cpu=0.97) for at in range(1)], ""),  # a second is nothing
        (
            [reading(at, cpu=0.97) for at in range(9)],
            "used 90% of a core or more in 9 of 9 seconds",
        ),
        ([reading(1, lag=300.0)], "had a loop 300 ms late"),
        ([reading(at)._replace(starved=0.4) for at in range(3)], "waited for a core in 3 of 3"),
    ],
)
def test_a_generator_that_was_the_bottleneck_says_so(readings: list[Reading], words: str) -> None:
    told = " ".join(warnings(readings, of_generator(readings, np.empty(0), 0.25), 0.25))
    assert words in told
    assert bool(told) == bool(words)
