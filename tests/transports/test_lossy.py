"""One bad link over a real service in virtual time: what arrives, and what the caller gets."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from simulator import results
from simulator.behaviour import Distribution, Network, NetworkChance
from simulator.clock import VirtualLoop
from simulator.errors import NoReply, Rejection
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.messages import (
    CreateJobRequest,
    DataReply,
    DataRequest,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.transports.lossy import LossyLink
from simulator.transports.memory import MemoryBroker, MemoryLink
from simulator.world import Listener

LATENCY = Distribution("constant", 0.2)


class Silent:
    """Who hears and says nothing."""

    def notified(self, notice: object) -> None:
        pass

    def disconnected(self) -> None:
        pass


@dataclass
class Door:
    """A service with one thing's job, whose requests are seen as they arrive."""

    loop: VirtualLoop
    arrived: list[tuple[float, str | None, str]] = field(default_factory=list)
    """When, which token, and what the service said."""

    def __post_init__(self) -> None:
        self.host = Host(JobsService(), self.loop)
        registry = self.host.service.registry
        registry.create_thing("t")
        request = CreateJobRequest(targets=[registry.thing_arn("t")], document="{}")
        self.host.service.create_job("j", request, 0.0)
        self.host.publish()
        self.broker = MemoryBroker(self.host)

    def link(self, listener: Listener) -> "Seen":
        return Seen(self.broker, "t", listener, self)

    @property
    def version(self) -> int:
        return self.host.service.job("j").executions[0].version


class Seen(MemoryLink):
    """A link that says what went through it."""

    def __init__(self, broker: MemoryBroker, name: str, listener: Listener, door: Door) -> None:
        super().__init__(broker, name, listener)
        self.door = door

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        said = "accepted"
        try:
            return await super().call(job_id, request, after)
        except Rejection as rejection:
            said = rejection.code
            raise
        finally:
            at = round(self.door.loop.time(), 3)
            self.door.arrived.append((at, request.client_token, said))


def virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    """Run something as things run: as an errand."""
    loop = VirtualLoop()  # type: ignore[abstract]

    async def whole() -> None:
        done = loop.create_future()
        loop.errand(main(loop)).add_done_callback(done.set_result)
        await done

    loop.run_until_complete(whole())
    loop.close()


async def through(link: Any, token: str, version: int | None = 2, after: float = 0.0) -> Any:
    """One progress report; what came of it: ``accepted``, a code or ``NoReply``, and the fault."""
    request = UpdateJobExecutionRequest("IN_PROGRESS", expected_version=version, client_token=token)
    try:
        await link.call("j", request, after)
    except Rejection as rejection:
        return rejection.code, results.FAULTS[link.fault]
    except NoReply as silence:
        return "NoReply", results.FAULTS[link.fault], silence.applied
    return "accepted", results.FAULTS[link.fault]


async def begun(door: Door) -> None:
    await door.link(Silent()).call(None, StartNextPendingJobExecutionRequest())
    door.arrived.clear()


def lossy(door: Door, **network: Any) -> LossyLink:
    chance = NetworkChance(Network(LATENCY, reply_timeout=5.0, **network), 1)
    return LossyLink(door.link(Silent()), 0, chance, 5.0)


def test_work_and_round_trip_are_one_wait() -> None:
    async def main(loop: VirtualLoop) -> None:
        door = Door(loop)
        await begun(door)
        before = loop.wakeups
        assert await through(lossy(door), "a", after=10.0) == ("accepted", "")
        assert door.arrived == [(10.2, "a", "accepted")]
        assert loop.wakeups - before == 1

    virtually(main)


def test_jitter_is_added_to_each_round_trip() -> None:
    jitter = Distribution("uniform", 0.0, 0.3)
    network = NetworkChance(Network(LATENCY, jitter=jitter), 1)
    trips = [network.exchange(0, ordinal)[0] for ordinal in range(1000)]
    assert 0.2 <= min(trips) < 0.21
    assert 0.49 < max(trips) <= 0.5
    assert sum(trips) / 1000 == pytest.approx(0.35, abs=0.02)


def test_a_lost_request_never_arrives() -> None:
    async def main(loop: VirtualLoop) -> None:
        door = Door(loop)
        await begun(door)
        said = await through(lossy(door, lost_requests=1.0), "a", after=1.0)
        assert said == ("NoReply", "lost_request", False)
        assert (loop.time(), door.arrived) == (6.0, [])

    virtually(main)


def test_a_lost_reply_was_applied_unless_it_was_a_refusal() -> None:
    async def main(loop: VirtualLoop) -> None:
        door = Door(loop)
        await begun(door)
        link = lossy(door, lost_replies=1.0)
        assert await through(link, "a") == ("NoReply", "lost_reply", True)
        assert await through(link, "b") == ("NoReply", "lost_reply", False)
        assert door.arrived == [(0.2, "a", "accepted"), (5.4, "b", "VersionMismatch")]

    virtually(main)


def test_a_duplicated_request_arrives_twice_and_the_first_reply_counts() -> None:
    async def main(loop: VirtualLoop) -> None:
        door = Door(loop)
        await begun(door)
        link = lossy(door, duplicated=1.0)
        assert await through(link, "a") == ("accepted", "duplicated")
        assert [said for _, _, said in door.arrived] == ["accepted", "VersionMismatch"]
        assert await through(link, "b") == ("VersionMismatch", "duplicated")
        assert await through(link, "c", version=None) == ("accepted", "duplicated")
        assert door.version == 5  # without a version, both were taken

    virtually(main)


def test_a_reordered_request_that_nothing_overtakes_is_late() -> None:
    async def main(loop: VirtualLoop) -> None:
        door = Door(loop)
        await begun(door)
        assert await through(lossy(door, reordered=1.0), "a") == ("NoReply", "reordered", True)
        assert door.arrived == [(5.2, "a", "accepted")]

    virtually(main)


def test_a_reordered_request_arrives_right_after_the_one_that_overtakes_it() -> None:
    async def main(loop: VirtualLoop) -> None:
        door = Door(loop)
        await begun(door)
        link = lossy(door, reordered=0.5)
        troubles = [link._chance.exchange(0, ordinal)[1] for ordinal in range(1, 50)]
        pairs = list(pairwise(troubles))
        link._ordinal = pairs.index(("reordered", None))
        slow = asyncio.ensure_future(through(link, "a"))
        await asyncio.sleep(1.0)
        assert await through(link, "b") == ("accepted", "")
        assert await slow == ("VersionMismatch", "reordered")
        assert door.arrived == [(1.2, "b", "accepted"), (1.2, "a", "VersionMismatch")]

    virtually(main)


def test_troubles_come_in_the_shares_asked_for() -> None:
    network = Network(lost_requests=0.1, lost_replies=0.1, duplicated=0.1, reordered=0.1)
    chance = NetworkChance(network, 3)
    drawn = [chance.exchange(thing, n)[1] for thing in range(200) for n in range(200)]
    for at, trouble in enumerate(("lost_request", "lost_reply", "duplicated", "reordered")):
        expected = 40_000 * 0.1 * 0.9**at
        assert abs(drawn.count(trouble) - expected) < 5 * expected**0.5  # type: ignore[arg-type]
