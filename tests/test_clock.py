"""The virtual loop: plain asyncio code, time that costs nothing, no silent hang."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from simulator.clock import VirtualLoop
from simulator.errors import NothingCanHappen, TimeStandsStill
from simulator.timers import PARKED


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, Any]]) -> Any:
    loop = VirtualLoop()  # type: ignore[abstract]
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


def test_asyncio_still_resolves_sleeps_as_the_loop_expects() -> None:
    async def main(loop: VirtualLoop) -> bool:
        task = loop.create_task(asyncio.sleep(5))
        await asyncio.sleep(0)
        parked = [item for bag in loop._timers._bags.values() for item in bag[1::2]]
        task.cancel()
        return len(parked) == 1 and isinstance(parked[0], asyncio.Future)

    assert run(main)
    assert PARKED.cancel() is None  # type: ignore[func-returns-value]


def test_timers_fire_in_order_of_time_then_of_asking() -> None:
    """Whatever second they are in, and whether that second runs already when they are set."""
    fired: list[tuple[float, int]] = []
    delays = [2.5, 0.25, 7.0, 0.25, 2.0, 1.999, 3.0, 0.0, 2.5, 1.0, 86_400.0, 59.999, 2.001]

    async def main(loop: VirtualLoop) -> None:
        for start in (0.0, 0.7, 0.1):  # the second round begins within a second that runs
            await asyncio.sleep(start)
            begun = loop.time()
            for at, delay in enumerate(delays):
                loop.call_at(begun + delay, lambda at=at: fired.append((loop.time(), at)))
            wanted = sorted((begun + delay, at) for at, delay in enumerate(delays))
            await asyncio.sleep(100_000)
            assert fired == wanted
            fired.clear()

    run(main)


def test_a_year_passes_at_once() -> None:
    async def main(loop: VirtualLoop) -> float:
        await asyncio.sleep(365 * 86400.0)
        return loop.time()

    assert run(main) == 365 * 86400.0


def test_ties_run_in_the_order_in_which_they_were_asked_for() -> None:
    order: list[int] = []

    async def wait(number: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(number)

    async def main(loop: VirtualLoop) -> None:
        await asyncio.gather(wait(1, 2), wait(2, 1), wait(3, 2), wait(4, 1))

    run(main)
    assert order == [2, 4, 1, 3]


def test_timeouts_semaphores_and_cancel_work_as_ever() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen = []
        try:
            async with asyncio.timeout(3):
                await asyncio.sleep(10)
        except TimeoutError:
            seen.append(f"timeout at {loop.time():g}")
        task = loop.create_task(asyncio.sleep(100))
        await asyncio.sleep(1)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            seen.append(f"cancelled at {loop.time():g}")
        queue: asyncio.Queue[str] = asyncio.Queue()
        loop.call_later(5, queue.put_nowait, f"queued at {loop.time() + 5:g}")
        loop.call_at(loop.time() - 9, seen.append, "the past is now")
        seen.append(await queue.get())
        return seen

    assert run(main) == [
        "timeout at 3",
        "cancelled at 4",
        "the past is now",
        "queued at 9",
    ]


def test_a_loop_where_nothing_can_happen_says_who_waits() -> None:
    async def waits(loop: VirtualLoop) -> None:
        async def forever() -> None:
            await loop.create_future()

        task = loop.create_task(forever(), name="the waiter")
        await task

    with pytest.raises(NothingCanHappen, match=r"at 0\.000 s .* the waiter"):
        run(waits)


def test_an_exception_that_nobody_handles_ends_the_run() -> None:
    async def main(loop: VirtualLoop) -> None:
        loop.call_soon(lambda: 1 // 0)
        await asyncio.sleep(5)

    with pytest.raises(ZeroDivisionError):
        run(main)

    async def complains(loop: VirtualLoop) -> None:
        loop.default_exception_handler({"message": "something odd"})
        await asyncio.sleep(5)

    with pytest.raises(RuntimeError, match="something odd"):
        run(complains)


def test_a_virtual_loop_refuses_to_run_inside_another() -> None:
    async def main() -> None:
        loop = VirtualLoop()  # type: ignore[abstract]
        with pytest.raises(RuntimeError, match="inside another loop"):
            loop.run_forever()

    asyncio.run(main())


def test_a_loop_knows_its_state() -> None:
    loop = VirtualLoop()  # type: ignore[abstract]
    assert not loop.is_running()
    assert not loop.get_debug()

    async def main() -> bool:
        loop.stop()
        await loop.shutdown_asyncgens()
        return loop.is_running()

    assert loop.run_until_complete(main())
    loop.close()
    assert loop.is_closed()


async def spins() -> None:
    while True:  # noqa: ASYNC110  # to wait for nothing is the point
        await asyncio.sleep(0)


def test_time_that_stands_still_is_told_with_the_tasks_that_are_busy() -> None:
    async def main(loop: VirtualLoop) -> None:
        loop.create_task(asyncio.sleep(9), name="the sleeper")
        await asyncio.sleep(3)
        for at in range(12):
            loop.create_task(spins(), name=f"spinner {at:02d}")
        await loop.create_future()

    loop = VirtualLoop(patience=1000)  # type: ignore[abstract]
    with pytest.raises(TimeStandsStill) as caught:
        loop.run_until_complete(main(loop))
    loop.close()
    message = str(caught.value)
    assert message.startswith("at 3.000 s time stands still: after 10")
    assert "busy: spinner 00 (spins), spinner 01 (spins)" in message
    assert message.endswith("and 2 more")
    assert "sleeper" not in message


def test_callbacks_that_call_each_other_for_ever_are_told_too() -> None:
    def again(loop: VirtualLoop) -> None:
        loop.call_soon(again, loop)

    async def main(loop: VirtualLoop) -> None:
        again(loop)
        await loop.create_future()

    loop = VirtualLoop(patience=1000)  # type: ignore[abstract]
    with pytest.raises(TimeStandsStill, match=r"busy: .*\(.*main\)"):
        loop.run_until_complete(main(loop))
    loop.close()


def test_a_billionth_of_a_millisecond_is_no_progress() -> None:
    async def main(_loop: VirtualLoop) -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1e-12)

    loop = VirtualLoop(patience=1000)  # type: ignore[abstract]
    with pytest.raises(TimeStandsStill):
        loop.run_until_complete(main(loop))
    loop.close()


def test_patience_is_for_one_instant_only() -> None:
    async def main(loop: VirtualLoop) -> float:
        for _ in range(50):
            await asyncio.sleep(0.001)
            for _ in range(900):
                await asyncio.sleep(0)
        return loop.time()

    loop = VirtualLoop(patience=1000)  # type: ignore[abstract]
    assert loop.run_until_complete(main(loop)) == pytest.approx(0.05)
    loop.close()


def test_a_signal_ends_what_stands_still() -> None:
    """A real signal, raised while the tasks spin; its handler resolves a future."""
    turns = 0

    async def main(loop: VirtualLoop) -> str:
        ended: asyncio.Future[str] = loop.create_future()
        signal.signal(signal.SIGALRM, lambda *_: ended.set_result("interrupted"))

        async def spin() -> None:
            nonlocal turns
            while True:
                turns += 1
                if turns == 500:
                    signal.raise_signal(signal.SIGALRM)
                await asyncio.sleep(0)

        loop.create_task(spin())
        return await ended

    before = signal.getsignal(signal.SIGALRM)
    loop = VirtualLoop(patience=100_000)  # type: ignore[abstract]
    try:
        assert loop.run_until_complete(main(loop)) == "interrupted"
    finally:
        signal.signal(signal.SIGALRM, before)
        loop.close()
    assert turns < 600


def test_errands_run_in_the_order_in_which_tasks_would() -> None:
    """The same random waits, by errands and by tasks: the same sequence to the last turn."""
    waits = [[(7919 * at * turn) % 7 / 4 for turn in range(1, 9)] for at in range(40)]

    def sequence(lean: bool) -> list[tuple[float, int]]:
        seen: list[tuple[float, int]] = []

        async def main(loop: VirtualLoop) -> None:
            ended = loop.create_future()

            async def walk(at: int) -> None:
                for wait in waits[at]:
                    await loop.sleep(wait)
                    seen.append((loop.time(), at))

            def told(_: object) -> None:
                seen.append((loop.time(), -1))
                if seen.count((loop.time(), -1)) and len(seen) == 40 * 9:
                    ended.set_result(None)

            for at in range(40):
                going = loop.errand(walk(at)) if lean else loop.create_task(walk(at))
                going.add_done_callback(told)
            await ended

        run(main)
        return seen

    assert sequence(lean=True) == sequence(lean=False)


def test_an_errand_waits_for_futures_and_hears_of_their_failures() -> None:
    seen: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        good, bad = loop.create_future(), loop.create_future()

        async def listen() -> None:
            seen.append(f"{await good} at {loop.time():g}")
            try:
                await bad
            except ValueError as error:
                seen.append(f"{error} at {loop.time():g}")
            await asyncio.sleep(1)
            await loop.sleep(2)

        errand = loop.errand(listen())
        loop.call_later(3, good.set_result, "news")
        loop.call_later(4, bad.set_exception, ValueError("no news"))
        await asyncio.sleep(6.5)
        assert not errand.done()
        await asyncio.sleep(1)
        assert errand.done()
        assert not errand.cancelled()

    run(main)
    assert seen == ["news at 3", "no news at 4"]


def test_an_errand_is_cancelled_wherever_it_waits() -> None:
    seen: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        async def wait(name: str, awaitable: Callable[[], Any]) -> None:
            try:
                await awaitable()
            except asyncio.CancelledError:
                await loop.sleep(5)  # its old timer, at 10, must not wake it again
                seen.append(f"{name} cancelled at {loop.time():g}")
                await loop.sleep(1)
                raise

        async def done() -> None:
            return

        errands = [
            loop.errand(wait("sleeper", lambda: loop.sleep(10))),
            loop.errand(wait("waiter", loop.create_future)),
            loop.errand(wait("turn", lambda: loop.sleep(0))),
            loop.errand(done()),
        ]
        loop.call_soon(errands[2].cancel)  # while it waits for its turn
        await asyncio.sleep(6)
        for errand in errands:
            errand.cancel()
        await asyncio.sleep(20)
        assert [errand.cancelled() for errand in errands] == [True, True, True, False]
        assert errands[3].done()

    run(main)
    assert seen == ["turn cancelled at 5", "sleeper cancelled at 11", "waiter cancelled at 11"]


def test_what_an_errand_raises_ends_the_run() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    async def leaves() -> None:
        raise SystemExit(3)

    for errand, error in ((fails, ZeroDivisionError), (leaves, SystemExit)):

        async def main(loop: VirtualLoop, errand: Any = errand) -> None:
            loop.errand(errand())
            await asyncio.sleep(5)

        with pytest.raises(error):
            run(main)


def test_errands_that_hang_or_spin_are_told_by_their_number() -> None:
    async def waits(loop: VirtualLoop) -> None:
        async def forever() -> None:
            await loop.create_future()

        for _ in range(3):
            loop.errand(forever())
        await loop.create_future()

    with pytest.raises(NothingCanHappen, match=r"waiting: Task-\d+, 3 times .*forever"):
        run(waits)

    async def main(loop: VirtualLoop) -> None:
        loop.errand(spins())
        await loop.create_future()

    loop = VirtualLoop(patience=1000)  # type: ignore[abstract]
    with pytest.raises(TimeStandsStill, match=r"busy: 1 times spins"):
        loop.run_until_complete(main(loop))
    loop.close()
