"""The host's turns: how much it does between two turns of the loop, and in which order."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest

from simulator.clock import VirtualLoop
from simulator.host import STEPS, TURN_S, VIRTUAL_TURN, Host
from simulator.jobs.configuration import JobExecutionsRolloutConfig
from simulator.jobs.messages import (
    CancelJobRequest,
    CreateJobRequest,
    Effect,
    GetPendingJobExecutionsRequest,
    Notify,
    NotifyNext,
)
from tests.jobs.small_service import service_with

THINGS = 2 * VIRTUAL_TURN + 100
EVERYBODY = JobExecutionsRolloutConfig(maximum_per_minute=1000)


class Stopwatch:
    """Moves by ``cost`` with each effect that is told."""

    def __init__(self, cost: float) -> None:
        self.cost = cost
        self.shows = 0.0

    def __call__(self) -> float:
        return self.shows

    def heard(self, _effect: Effect, _now: float) -> None:
        self.shows += self.cost


class Scene:
    """A host with a job on every thing, on a virtual loop; what each turn told."""

    def __init__(self, stopwatch: Stopwatch | None = None, things: int = THINGS) -> None:
        self.loop = VirtualLoop()  # type: ignore[abstract]  # what a simulation never asks for
        self.service = service_with(things)
        self.host = Host(self.service, self.loop, stopwatch=stopwatch)
        self.told: list[tuple[str, str]] = []
        self.turns: list[int] = []
        self.host.listeners.append(self.heard)
        if stopwatch is not None:
            self.host.listeners.append(stopwatch.heard)

    def heard(self, effect: Effect, _now: float) -> None:
        if isinstance(effect, (Notify, NotifyNext)):
            self.told.append((type(effect).__name__, effect.thing_name))

    def create(self, job_id: str = "J") -> None:
        targets = [self.service.registry.group_arn("g")]
        request = CreateJobRequest(targets, "{}", job_executions_rollout_config=EVERYBODY)
        self.service.create_job(job_id, request, self.host.now())
        self.host.publish()

    async def until_quiet(self) -> None:
        """Turn the loop, counting what each turn told, until the host has nothing to do now."""
        while (due := self.service.next_deadline()) is not None and due <= self.host.now():
            before = len(self.told)
            await asyncio.sleep(0)
            self.turns.append(len(self.told) - before)

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.loop.run_until_complete(main())
        self.host.close()
        self.loop.close()


def rolled_out(stopwatch: Stopwatch | None) -> Scene:
    scene = Scene(stopwatch)

    async def main() -> None:
        scene.create()
        await scene.until_quiet()
        await asyncio.sleep(60)  # the second minute's rate
        await scene.until_quiet()

    scene.run(main)
    assert len(scene.told) == 2 * THINGS
    return scene


def test_a_virtual_turn_is_a_count() -> None:
    scene = rolled_out(None)
    assert scene.turns[0] == 2 * VIRTUAL_TURN  # notify and notify-next for each


@pytest.mark.parametrize("cost", [0.0, TURN_S / 200, TURN_S / 4, TURN_S * 3])
def test_the_order_of_effects_does_not_depend_on_the_turns(cost: float) -> None:
    assert rolled_out(Stopwatch(cost)).told == rolled_out(None).told


def test_two_runs_in_virtual_time_take_the_same_turns() -> None:
    first, second = rolled_out(None), rolled_out(None)
    assert (first.told, first.turns) == (second.told, second.turns)


@pytest.mark.parametrize(
    ("cost", "batches"), [(TURN_S * 3, 1), (TURN_S / (2 * STEPS), 1), (TURN_S / (3 * STEPS), 2)]
)
def test_a_turn_ends_with_the_batch_in_which_its_time_is_up(cost: float, batches: int) -> None:
    scene = rolled_out(Stopwatch(cost))
    assert set(scene.turns[:10]) == {batches * 2 * STEPS}


def test_without_cost_everything_due_is_one_turn() -> None:
    assert max(rolled_out(Stopwatch(0.0)).turns) > VIRTUAL_TURN


def test_others_are_served_between_two_turns() -> None:
    """Whoever asks meanwhile waits for one turn, however large the job."""
    scene = Scene(Stopwatch(TURN_S))
    served_after: list[int] = []

    async def ask() -> None:
        for _ in range(20):
            scene.host.handle("t0", None, GetPendingJobExecutionsRequest())
            served_after.append(len(scene.told))
            await asyncio.sleep(0)

    async def main() -> None:
        scene.create()
        await asyncio.gather(ask(), scene.until_quiet())

    scene.run(main)
    steps = [after - before for before, after in pairwise(served_after)]
    assert set(steps) == {2 * STEPS}


def test_two_jobs_share_the_turns() -> None:
    """Neither rollout waits for the end of the other."""
    scene = Scene(Stopwatch(TURN_S), things=600)

    async def main() -> None:
        scene.create("A")
        scene.create("B")
        for _ in range(10):
            await asyncio.sleep(0)
        jobs = scene.service.jobs
        assert abs(jobs["A"].released - jobs["B"].released) <= STEPS
        assert jobs["A"].released < 600

    scene.run(main)


def test_timers_that_fire_together_are_sliced_and_none_is_lost() -> None:
    scene = Scene(Stopwatch(TURN_S), things=1000)

    async def main() -> None:
        scene.create()
        await scene.until_quiet()
        for number in range(1000):
            execution = scene.service.head(f"t{number}")
            assert execution is not None
            scene.service.change(execution, "IN_PROGRESS", "device", 0.0)
            scene.service.restart_step_timer(execution, 1, 0.0)
        scene.host.publish()
        await asyncio.sleep(59)
        assert scene.service.job("J").counts["TIMED_OUT"] == 0
        await asyncio.sleep(1)
        ended, steps = [], scene.service.job("J").counts
        while steps["TIMED_OUT"] < 1000:
            await asyncio.sleep(0)
            ended.append(steps["TIMED_OUT"])
        assert {after - before for before, after in pairwise(ended)} <= {STEPS, 1000 % STEPS}

    scene.run(main)


def test_a_cancel_is_sliced() -> None:
    scene = Scene(Stopwatch(TURN_S))

    async def main() -> None:
        scene.create()
        await scene.until_quiet()
        scene.service.cancel_job("J", CancelJobRequest(), False, scene.host.now())
        scene.host.publish()
        scene.turns.clear()
        await scene.until_quiet()
        assert scene.service.job("J").counts["CANCELED"] == 1000
        assert len(scene.turns) > 10

    scene.run(main)


def test_a_closed_host_takes_no_further_turn() -> None:
    scene = Scene(Stopwatch(TURN_S))

    async def main() -> None:
        scene.create()
        scene.host.close()
        before = len(scene.told)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(scene.told) == before

    scene.run(main)
