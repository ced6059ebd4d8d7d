"""The closed loop by bare aiomqtt: ``python -m benchmarks.peer_aiomqtt PORT THINGS SECONDS``."""

import asyncio
import os
import sys

import aiomqtt
import uvloop

from benchmarks.closed_loop import ClosedLoop, Window, asked
from benchmarks.served import thing_names

CONNECTING = 64


async def one(name: str, port: int, gate: asyncio.Semaphore) -> None:
    """One thing, until it is cancelled."""
    loop = ClosedLoop(name)
    async with aiomqtt.Client("127.0.0.1", port, identifier=name, timeout=30) as client:
        async with gate:
            await client.subscribe([(topic, 1) for topic in loop.filters])
        await client.publish(loop.first[0], loop.first[1], qos=1)
        async for message in client.messages:
            answer = loop.heard(message.topic.value, bytes(message.payload))
            if answer is not None:
                await client.publish(answer[0], answer[1], qos=1)


async def main() -> None:
    """All of them, as long as the window takes."""
    port, things, seconds = asked(sys.argv[1:])
    gate = asyncio.Semaphore(CONNECTING)
    tasks = [asyncio.create_task(one(name, port, gate)) for name in thing_names(things)]
    window, now = Window(things, seconds), asyncio.get_running_loop().time
    while not window.over:
        await asyncio.sleep(0.1)
        window.look(now())
        for task in tasks:
            if task.done():
                task.result()
    window.tell()
    os._exit(0)  # saying goodbye so many times would take longer than the window


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
