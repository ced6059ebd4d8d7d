"""One thing by itself, in virtual time, over links that misbehave."""

import asyncio
from typing import Any

from simulator import results
from simulator.behaviour import Cohort, Network, NetworkChance, WorkTable
from simulator.clock import VirtualLoop
from simulator.errors import Disconnected
from simulator.jobs.messages import DataReply, DataRequest, ExecutionReply
from simulator.results import Recorder
from simulator.thing import Thing
from simulator.world import World


class Dropping:
    """Connects every time and is gone at the first request, but for the ``patient``-th time."""

    def __init__(self, loop: VirtualLoop, patient: int | None = None) -> None:
        self.loop = loop
        self.patient = patient
        self.connects: list[float] = []
        self.connected = False
        self.fault = 0
        self.thing: Any = None

    async def connect(self) -> None:
        self.connects.append(self.loop.time())
        self.connected = True

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        if len(self.connects) == self.patient:
            return ExecutionReply(None)
        self.drop()
        raise Disconnected("gone")

    def drop(self) -> None:
        self.connected = False
        self.thing.disconnected()

    def close(self) -> None:
        self.connected = False


def live(link_of: Any, seconds: float, then: Any = None) -> tuple[Dropping, Recorder]:
    """Let one thing live for so many virtual seconds."""
    loop = VirtualLoop()  # type: ignore[abstract]

    async def main() -> tuple[Dropping, Recorder]:
        network, recorder = Network(backoff_base=1.0, backoff_maximum=8.0), Recorder()
        chance = NetworkChance(network, 1)
        world = World(loop, loop.time, WorkTable((Cohort("c", 1),), 1), network, chance, recorder)
        link: Dropping = link_of(loop)
        link.thing = thing = Thing(0, world)
        thing.link = link
        thing.start()
        await asyncio.sleep(seconds)
        if then is not None:
            await then(link)
        thing.stop()
        return link, recorder

    result: tuple[Dropping, Recorder] = loop.run_until_complete(main())
    loop.close()
    return result


def test_a_connection_lost_again_and_again_is_a_reason_to_wait() -> None:
    link, recorder = live(Dropping, 600)
    assert 60 < len(link.connects) < 240  # full jitter below 8 s: 4 s on the average
    records = recorder.records()
    assert set(records["outcome"][records["operation"] == results.START_NEXT]) == {
        results.DISCONNECTED
    }


def test_a_reply_ends_the_waiting() -> None:
    """After a setback that follows a reply, a thing comes back within the first bound again."""

    async def drop(link: Dropping) -> None:
        at = link.loop.time()
        link.patient = None
        link.drop()
        await asyncio.sleep(1.0)
        assert link.connects[4] - at < 1.0  # the backoff's base, not what it had grown to

    link, _ = live(lambda loop: Dropping(loop, patient=4), 120, drop)
    assert len(link.connects) >= 5
