"""Does anybody wait while the service does something large? 100 000 of everything.

Clients keep updating executions of another job while a job is created for a group of 100 000,
rolled out, cancelled and deleted, and while 100 000 timers fire at one instant. What they wait in
the worst case is held against what they wait for an idle service in the same run: on a machine that
does something else too, that is the floor.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvloop

from benchmarks.pace import Audience, Client, Control, HttpClient, MqttClient, worst_ms
from benchmarks.populated import GROUP, JOB, populated, thing_name
from benchmarks.table import Row, at_most

THINGS = 100_000
CLIENTS = 20
OTHERS = "others"
ARN = "arn:aws:iot:us-east-1:123456789012:"
IDLE_S = 4.0
TIME_SCALE = 6_000
"""At AWS's highest rate, 1 000 a minute, 100 000 are rolled out in one second."""
DUE_IN_S = 15.0

KINDS: dict[str, type[Client]] = {"http": HttpClient, "mqtt": MqttClient}


def rows() -> list[Row]:
    """The worst replies, in milliseconds."""
    gc.disable()  # the clients' own pauses are not the service's
    try:
        with populated("--things", str(THINGS), "--time-scale", str(TIME_SCALE)) as service:
            found = _on_uvloop(lambda: large_job(service.facts))
        found += watched("a large job", service.watched)
        with populated("--things", str(THINGS), "--started", "--due-in", str(DUE_IN_S)) as service:
            found += _on_uvloop(lambda: timers(service.facts))
        return found + watched("timers", service.watched)
    finally:
        gc.enable()


def _on_uvloop(main: Callable[[], Any]) -> list[Row]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found: list[Row] = runner.run(main())
        return found


def watched(what: str, told: dict[str, float]) -> list[Row]:
    """What the service saw of itself."""
    return [
        Row(f"{what}: the host's longest turn, ms of wall time", f"{told['turn']:.1f}"),
        Row(f"{what}: the same, ms of its own CPU time", f"{told['turn_cpu']:.1f}"),
        Row(f"{what}: the collector's longest pause, ms", f"{told['pause']:.1f}"),
    ]


async def others(facts: dict[str, Any], control: Control) -> list[Client]:
    """The clients, at their pace."""
    loop = asyncio.get_running_loop()
    targets = [f"{ARN}thing/{thing_name(number)}" for number in range(CLIENTS)]
    await control.call("PUT", f"/jobs/{OTHERS}", {"targets": targets, "document": "{}"})
    await until(control, OTHERS, "numberOfQueuedThings", CLIENTS)
    clients: list[Client] = []
    for number in range(CLIENTS):
        port = "http" if number % 2 else "mqtt"
        client: Client = KINDS[port](OTHERS, thing_name(number))
        await loop.create_connection(lambda one=client: one, "127.0.0.1", facts[port])  # type: ignore[misc]
        clients.append(client)
    await asyncio.sleep(0.5)
    for number, client in enumerate(clients):
        client.begin(number / CLIENTS / 100)
    await asyncio.sleep(0.5)
    worst_ms(clients)
    return clients


async def until(control: Control, job: str, member: str, count: int) -> None:
    """Wait until so many executions of a job are in a status."""
    for _ in range(1200):
        answer: Any = await control.call("GET", f"/jobs/{job}")
        if answer["job"]["jobProcessDetails"].get(member, 0) >= count:
            return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"{job}: {member} does not become {count}")


async def gone(control: Control, job: str) -> None:
    """Wait until a job is deleted."""
    for _ in range(1200):
        answer: Any = await control.call("GET", "/jobs")
        if job not in [row["jobId"] for row in answer["jobs"]]:
            return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"{job} is not deleted")


async def large_job(facts: dict[str, Any]) -> list[Row]:
    """A job of 100 000 from its beginning to its end."""
    control = Control(*await asyncio.open_connection("127.0.0.1", facts["http"]))
    audience = Audience()
    await asyncio.get_running_loop().create_connection(lambda: audience, "127.0.0.1", facts["mqtt"])
    clients = await others(facts, control)
    await asyncio.sleep(IDLE_S)
    idle = worst_ms(clients)
    request: dict[str, object] = {
        "targets": [f"{ARN}thinggroup/{GROUP}"],
        "document": "{}",
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1000},
    }
    created, at_creation = await measured(
        clients, lambda: control.call("PUT", f"/jobs/{JOB}", request)
    )
    phases: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("rollout", lambda: until(control, JOB, "numberOfQueuedThings", THINGS)),
        ("cancel", lambda: cancel(control)),
        ("deletion", lambda: delete(control)),
    ]
    found = [
        Row("worst reply of an idle service, ms", f"{idle:.1f}"),
        at_most(f"CreateJob, {THINGS:,} targets in a group, s", created, 1.0, ".3f"),
        at_most("worst reply to others at CreateJob, ms", at_creation, 50),
    ]
    for name, action in phases:
        took, worst = await measured(clients, action)
        found.append(Row(f"{name} of {THINGS:,}, s", f"{took:.1f}"))
        found.append(at_most(f"worst reply to others during it ({name}), ms", worst, 50))
    cut = " (it was cut off)" if audience.lost else ""
    found.append(Row(f"MiB of notices to somebody who hears all{cut}", f"{audience.heard >> 20}"))
    return found


async def cancel(control: Control) -> None:
    """Cancel it, and wait until that is done."""
    await control.call("PUT", f"/jobs/{JOB}/cancel?force=true", {})
    await until(control, JOB, "numberOfCanceledThings", THINGS)


async def delete(control: Control) -> None:
    """Delete it, and wait until that is done."""
    await control.call("DELETE", f"/jobs/{JOB}?force=true")
    await gone(control, JOB)


async def measured(
    clients: Sequence[Client], action: Callable[[], Awaitable[object]]
) -> tuple[float, float]:
    """Seconds that something took, and the worst reply meanwhile and shortly after."""
    began = time.perf_counter()
    await action()
    took = time.perf_counter() - began
    await asyncio.sleep(0.1)
    return took, worst_ms(clients)


async def timers(facts: dict[str, Any]) -> list[Row]:
    """100 000 timers at one instant, which is harder than in one minute."""
    control = Control(*await asyncio.open_connection("127.0.0.1", facts["http"]))
    clients = await others(facts, control)
    took, worst = await measured(
        clients, lambda: until(control, JOB, "numberOfTimedOutThings", THINGS)
    )
    assert took < DUE_IN_S + 60
    return [at_most(f"worst reply while {THINGS:,} timers fire at one instant, ms", worst, 100)]
