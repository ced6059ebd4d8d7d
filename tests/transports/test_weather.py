"""Links whose connections end: disconnects, storms and partitions, over a real service."""

import asyncio
from typing import Any

import numpy as np
import pytest

from simulator import results
from simulator.behaviour import (
    EVERYTHING,
    Cohort,
    Distribution,
    Network,
    NetworkChance,
    Partition,
    Selection,
    Storm,
    WorkTable,
)
from simulator.clock import VirtualLoop
from simulator.errors import Disconnected
from simulator.jobs.messages import CancelJobRequest, NotifyNext
from simulator.results import Recorder
from simulator.transports.lossy import LossyLink
from simulator.transports.weather import ExposedLink, Weather
from simulator.world import World
from tests.transports.test_lossy import LATENCY, Door, begun, through, virtually


class Told:
    """Who notes what it hears."""

    def __init__(self) -> None:
        self.notices: list[NotifyNext] = []
        self.disconnects = 0

    def notified(self, notice: NotifyNext) -> None:
        self.notices.append(notice)

    def disconnected(self) -> None:
        self.disconnects += 1


def under(
    loop: VirtualLoop, epoch_s: float = 0.0, time_scale: float = 1.0, **network: Any
) -> Weather:
    """The weather of one thing."""
    values = Network(network.pop("latency", LATENCY), reply_timeout=5.0, **network)
    work = WorkTable((Cohort("c", 1),), 1)
    chance = NetworkChance(values, 1)
    world = World(loop, loop.time, work, values, chance, Recorder(), time_scale)
    weather = Weather(world, 1, lambda chosen: np.array([chosen.share > 0]), epoch_s)
    weather.begin()
    return weather


async def reconnected(link: Any) -> tuple[str, str]:
    try:
        await link.connect()
    except Disconnected:
        return "refused", results.FAULTS[link.fault]
    return "connected", results.FAULTS[link.fault]


async def lost(link: Any, token: str, after: float = 0.0) -> str:
    with pytest.raises(Disconnected):
        await through(link, token, after=after)
    return results.FAULTS[link.fault]


def cancel(door: Door) -> None:
    """The pending list becomes empty: a notice."""
    door.host.service.cancel_job("j", CancelJobRequest(), True, door.host.now())
    door.host.publish()


def test_only_who_can_lose_a_connection_pays_for_it() -> None:
    async def main(loop: VirtualLoop) -> None:
        door, quiet = Door(loop), Distribution("constant", 0.0)
        plain = under(loop, latency=quiet).around(0, Told(), door.link)
        assert type(plain) is type(door.link(Told()))
        assert type(under(loop).around(0, Told(), door.link)) is LossyLink
        for network in (
            {"disconnects": Distribution("constant", 9.0)},
            {"storms": (Storm("s", EVERYTHING, 1.0),)},
            {"partitions": (Partition("p", EVERYTHING, 1.0, 1.0),)},
        ):
            link = under(loop, latency=quiet, **network).around(0, Told(), door.link)
            assert type(link) is ExposedLink

    virtually(main)


def test_a_connection_ends_after_its_time_and_the_next_connect_says_why() -> None:
    async def main(loop: VirtualLoop) -> None:
        door, told = Door(loop), Told()
        weather = under(loop, disconnects=Distribution("constant", 30.0))
        link = weather.around(0, told, door.link)
        assert await reconnected(link) == ("connected", "")
        await asyncio.sleep(29.9)
        assert (link.connected, told.disconnects) == (True, 0)
        await asyncio.sleep(0.2)
        assert (link.connected, told.disconnects) == (False, 1)
        assert await lost(link, "a") == "disconnect"
        assert await reconnected(link) == ("connected", "disconnect")
        assert await through(link, "b") == ("ResourceNotFound", "") or door.arrived
        await asyncio.sleep(31)
        assert told.disconnects == 2  # each connection lives so long
        link.close()
        await asyncio.sleep(31)
        assert told.disconnects == 2

    virtually(main)


def test_connections_live_in_scenario_time() -> None:
    async def main(loop: VirtualLoop) -> None:
        weather = under(loop, time_scale=60.0, disconnects=Distribution("constant", 60.0))
        told = Told()
        await weather.around(0, told, Door(loop).link).connect()
        await asyncio.sleep(1.1)
        assert told.disconnects == 1

    virtually(main)


@pytest.mark.parametrize(
    ("at", "arrives"),
    [(10.05, []), (10.15, [(10.15, "a", "accepted")])],
    ids=["before half of the way", "after it"],
)
def test_a_connection_lost_in_the_middle_of_an_exchange(at: float, arrives: list[Any]) -> None:
    async def main(loop: VirtualLoop) -> None:
        door, told = Door(loop), Told()
        await begun(door)
        weather = under(loop, storms=(Storm("s", EVERYTHING, at),))
        link = weather.around(0, told, door.link)
        await link.connect()
        await asyncio.sleep(10.0 - loop.time())
        assert await lost(link, "a") == "storm"
        assert loop.time() == at  # it is noticed at once
        assert door.arrived == arrives
        assert told.disconnects == 1
        assert await reconnected(link) == ("connected", "storm")
        assert await through(link, "b", version=2 + len(arrives)) == ("accepted", "")

    virtually(main)


def test_a_connection_lost_while_work_goes_on_is_noticed_when_the_report_is_due() -> None:
    """Unless the thing looks to its connection before: then it cancels the call."""

    async def main(loop: VirtualLoop) -> None:
        door, told = Door(loop), Told()
        await begun(door)
        link = under(loop, storms=(Storm("s", EVERYTHING, 5.0),)).around(0, told, door.link)
        await link.connect()
        assert await lost(link, "a", after=9.8) == "storm"
        assert (loop.time(), told.disconnects, door.arrived) == (10.2, 1, [])

    virtually(main)


def test_a_lost_connection_takes_a_request_with_it_that_was_held_back() -> None:
    async def main(loop: VirtualLoop) -> None:
        door = Door(loop)
        await begun(door)
        weather = under(loop, storms=(Storm("s", EVERYTHING, 2.0),), reordered=1.0)
        link = weather.around(0, Told(), door.link)
        await link.connect()
        assert await lost(link, "a") == "reordered"
        assert (loop.time(), door.arrived) == (2.0, [])

    virtually(main)


def test_a_partition_refuses_connects_swallows_requests_and_notices_and_ends_connections() -> None:
    async def main(loop: VirtualLoop) -> None:
        door, told = Door(loop), Told()
        await begun(door)
        weather = under(loop, partitions=(Partition("p", EVERYTHING, 60.0, 30.0),))
        link = weather.around(0, told, door.link)
        await link.connect()
        assert await through(link, "a") == ("accepted", "")
        await asyncio.sleep(60.0 - loop.time())
        assert await through(link, "b", version=3) == ("NoReply", "partition", False)
        assert loop.time() == 65.0
        cancel(door)
        assert told.notices == []
        link.close()
        assert await reconnected(link) == ("refused", "partition")
        await asyncio.sleep(89.9 - loop.time())
        assert await reconnected(link) == ("refused", "partition")  # it begins within
        assert await reconnected(link) == ("connected", "")
        assert [said for _, _, said in door.arrived] == ["accepted"]

    virtually(main)


def test_the_connections_that_a_partition_found_are_dead_when_it_ends() -> None:
    async def main(loop: VirtualLoop) -> None:
        door, told = Door(loop), Told()
        await begun(door)
        weather = under(loop, partitions=(Partition("p", EVERYTHING, 60.0, 2.0),))
        link = weather.around(0, told, door.link)
        await link.connect()
        await asyncio.sleep(60.1 - loop.time())
        assert await lost(link, "a") == "partition"  # before its reply timeout
        assert (loop.time(), told.disconnects, door.arrived) == (62.0, 1, [])
        assert await reconnected(link) == ("connected", "partition")

    virtually(main)


def test_who_is_not_meant_notices_nothing() -> None:
    async def main(loop: VirtualLoop) -> None:
        nobody = Selection(share=0.0)
        door, told = Door(loop), Told()
        await begun(door)
        weather = under(
            loop,
            partitions=(Partition("p", nobody, 0.0, 100.0),),
            storms=(Storm("s", nobody, 1.0),),
        )
        link = weather.around(0, told, door.link)
        assert await reconnected(link) == ("connected", "")
        await asyncio.sleep(10.0)
        assert await through(link, "a") == ("accepted", "")
        cancel(door)
        assert (told.disconnects, len(told.notices)) == (0, 1)

    virtually(main)
