"""Turns of a schedule and tokens of a budget, in virtual time."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from simulator.behaviour import Arrivals
from simulator.clock import VirtualLoop
from simulator.pacing import Budget, Desk


def in_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    loop = VirtualLoop()  # type: ignore[abstract]  # what is abstract is never asked for
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


def desk(*due: float, things: int = 1) -> Desk:
    loop = asyncio.get_running_loop()
    made = Desk(loop, loop.time, np.array(due), things)
    made.own(range(things))
    made.begin()
    return made


def test_an_arrival_that_finds_nobody_free_waits_and_stays_due_when_it_was() -> None:
    async def run() -> None:
        loop, at = asyncio.get_running_loop(), desk(1.0, 2.0, 3.0, 9.0)
        assert await at.turn() == 1.0
        await asyncio.sleep(4)  # a slow answer: at 5 s, two have been waiting
        assert at.waiting == 2
        assert [await at.turn(), await at.turn()] == [2.0, 3.0]
        assert loop.time() == 5.0
        assert await at.turn() == 9.0
        assert (at.taken, at.waiting, at.slips) == (4, 0, [])

    in_virtual_time(run())


def test_who_was_free_first_has_the_next_turn() -> None:
    async def run() -> None:
        at, order = desk(1.0, 2.0, 3.0, 4.0), []

        async def thing(name: str) -> None:
            order.append((name, await at.turn()))
            order.append((name, await at.turn()))

        await asyncio.gather(thing("a"), thing("b"))
        assert order == [("a", 1.0), ("b", 2.0), ("a", 3.0), ("b", 4.0)]

    in_virtual_time(run())


def test_the_turn_of_a_thing_that_is_called_away_goes_to_another() -> None:
    async def run() -> None:
        loop, at = asyncio.get_running_loop(), desk(1.0, 2.0)
        first, second = loop.create_task(at.turn()), loop.create_task(at.turn())
        loop.call_later(1.0, first.cancel)  # in the very turn in which it was given one
        assert await second == 1.0
        assert first.cancelled()
        assert await at.turn() == 2.0
        assert at.taken == 2

    in_virtual_time(run())


def test_workers_share_a_schedule_by_things_and_what_a_lost_one_left_is_taken_up() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        due = Arrivals("constant", 100.0).due(10, 1)
        one, other = (Desk(loop, loop.time, due, 10) for _ in range(2))
        one.own(range(4))
        other.own(range(4, 10))
        one.begin()
        other.begin()
        await asyncio.sleep(4.995)
        assert (one.waiting, other.waiting) == pytest.approx((200, 300), abs=3)
        assert one.waiting + other.waiting == 500
        one.close()
        await asyncio.sleep(1)
        other.own(range(4), since=4.995)
        assert other.waiting == pytest.approx(300 + 100, abs=3)
        await asyncio.sleep(5)
        assert one.waiting + other.waiting == 1000

    in_virtual_time(run())


def test_a_budget_lets_no_second_see_more_and_wastes_nothing() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        budget, sent = Budget(loop, loop.time, 50.0), []

        async def thing() -> None:
            while loop.time() < 10:
                waited = await budget.take()
                assert waited >= 0
                sent.append(loop.time())

        await asyncio.gather(*[thing() for _ in range(20)])
        counts = np.bincount(np.array(sent).astype(int))[:10]
        assert counts.max() <= 51
        assert counts.sum() == pytest.approx(500, abs=2)

    in_virtual_time(run())


def test_a_token_of_a_thing_that_is_called_away_is_anothers() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        budget = Budget(loop, loop.time, 1.0)
        assert await budget.take() == 0
        first, second = (loop.create_task(budget.take()) for _ in range(2))
        loop.call_later(1.0, first.cancel)
        loop.call_later(0.5, budget.share, 1.0)
        assert await second == pytest.approx(1.0)
        assert first.cancelled()

    in_virtual_time(run())


def test_a_part_of_a_budget_grows_with_the_things() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        budget = Budget(loop, loop.time, 100.0)
        budget.share(0.0)
        waits = [loop.create_task(budget.take()) for _ in range(202)]
        await asyncio.sleep(1)
        assert sum(one.done() for one in waits) <= 1  # what was saved up
        budget.share(0.5)
        await asyncio.sleep(2)
        assert sum(one.done() for one in waits) == pytest.approx(100, abs=2)
        budget.share(1.0)
        await asyncio.gather(*waits)
        assert loop.time() == pytest.approx(4.0, abs=0.05)

    in_virtual_time(run())
