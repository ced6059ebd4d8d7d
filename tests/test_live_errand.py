"""A thing's life on a real loop: driven by callbacks, cancelled as a task would be."""

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from simulator.awaited import Awaited
from simulator.errors import Disconnected, NoReply, RequestThrottled
from simulator.jobs.messages import EMPTY_UPDATE
from simulator.live_errand import LiveErrand

Begin = Callable[[Coroutine[Any, Any, None], asyncio.AbstractEventLoop], Any]

# Whatever is asserted of an errand here holds for a task, too.
BOTH = [
    pytest.param(LiveErrand, id="errand"),
    pytest.param(lambda life, loop: loop.create_task(life), id="task"),
]


def on_loop(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("begin", BOTH)
def test_it_waits_for_replies_futures_sleeps_and_turns(begin: Begin) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        said: list[Any] = []
        replies = [Awaited(loop, 1.0) for _ in range(4)]
        future: asyncio.Future[str] = loop.create_future()

        async def life() -> None:
            said.append(await replies[0])
            said.append(await future)
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            said.append(await asyncio.create_task(asyncio.sleep(0, "a task's")))
            for reply in replies[1:]:
                try:
                    await reply
                except (RequestThrottled, NoReply, Disconnected) as error:
                    said.append(type(error))

        begin(life(), loop)
        await turns()
        loop.call_soon(replies[0].answer, EMPTY_UPDATE)
        await turns()
        assert said == [EMPTY_UPDATE]
        future.set_result("a future's")
        await asyncio.sleep(0.02)
        assert said[1:] == ["a future's", "a task's"]
        loop.call_soon(replies[1].answer, RequestThrottled("slow down"))
        await turns()
        assert replies[2].fail(NoReply("silence"))
        assert said[3:] == [RequestThrottled]  # not within fail
        await turns()
        assert replies[3].fail(Disconnected("gone"))
        await turns()
        assert said[4:] == [NoReply, Disconnected]
        assert not replies[3].fail(Disconnected("gone again"))

    on_loop(work())


def test_a_reply_takes_it_on_within_answer() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        said: list[Any] = []
        reply = Awaited(loop, 1.0)

        async def life() -> None:
            said.append(await reply)

        LiveErrand(life(), loop)
        await turns()
        reply.answer(EMPTY_UPDATE)
        assert said == [EMPTY_UPDATE]

    on_loop(work())


@pytest.mark.parametrize("begin", BOTH)
@pytest.mark.parametrize("at", ["start", "reply", "future", "sleep", "turn", "task"])
def test_it_is_cancelled_where_it_waits(begin: Begin, at: str) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        said: list[Any] = []
        inner: list[asyncio.Task[None]] = []

        async def life() -> None:
            try:
                match at:
                    case "reply":
                        await Awaited(loop, 1.0)
                    case "future":
                        await loop.create_future()
                    case "sleep":
                        await asyncio.sleep(60)
                    case "turn":
                        while True:  # noqa: ASYNC110  # nothing to wait for
                            await asyncio.sleep(0)
                    case "task":
                        inner.append(loop.create_task(asyncio.sleep(60)))
                        await inner[0]
            except CancelledError:
                said.append("cancelled")
                await asyncio.sleep(0)
                said.append("and goes on")
                raise

        one = begin(life(), loop)
        if at != "start":
            await turns()
        one.cancel()
        assert not said  # in a turn of its own
        await turns(5)
        assert said == ([] if at == "start" else ["cancelled", "and goes on"])
        assert all(task.cancelled() for task in inner)
        one.cancel()
        await turns()

    on_loop(work())


@pytest.mark.parametrize("begin", BOTH)
def test_what_cancels_itself_is_cancelled_where_it_waits_next(begin: Begin) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        said: list[Any] = []
        itself: list[Any] = []

        async def life() -> None:
            await asyncio.sleep(0)
            itself[0].cancel()
            said.append("still here")
            try:
                await Awaited(loop, 1.0)
            except CancelledError:
                said.append("cancelled")

        itself.append(begin(life(), loop))
        await turns(5)
        assert said == ["still here", "cancelled"]

    on_loop(work())


@pytest.mark.parametrize("begin", BOTH)
def test_who_is_cancelled_while_its_turn_is_on_the_way(begin: Begin) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        said: list[Any] = []
        future: asyncio.Future[None] = loop.create_future()

        async def life() -> None:
            try:
                await future
            except CancelledError:
                said.append("cancelled")

        one = begin(life(), loop)
        await turns()
        future.set_result(None)
        one.cancel()
        await turns()
        assert said == ["cancelled"]

    on_loop(work())


def test_what_it_raises_is_told() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        told: list[Any] = []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))

        async def life() -> None:
            await asyncio.sleep(0)
            raise LookupError("a fault")

        one = LiveErrand(life(), loop)
        await turns()
        assert [type(error) for error in told] == [LookupError]
        one.cancel()
        await turns()
        assert len(told) == 1

    on_loop(work())
