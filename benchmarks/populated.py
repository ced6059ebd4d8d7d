"""A service that is full already, in a process of its own: ``python -m benchmarks.populated``.

It is ``jobfleet serve`` (``serve.opened``, the same collector's manners) with things and executions
put in through the core before it says where it listens; through the doors that would take minutes.
It tells what the core does at that size, what memory it took, and at its end (when its standard
input closes) the longest turn of its host and the longest pause of the garbage collector.
"""

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvloop

from simulator.garbage import short_pauses
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.configuration import JobExecutionsRolloutConfig, TimeoutConfig
from simulator.jobs.messages import (
    CreateJobRequest,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.wire import decode_request
from simulator.serve import ServeOptions, opened

JOB = "J"
GROUP = "everybody"
UPDATES = 100_000
PAYLOAD = b'{"status":"IN_PROGRESS"}'
TIMEOUT_S = 60.0


def thing_name(number: int) -> str:
    """The name of one of the things."""
    return f"thing-{number:07d}"


# ------------------------------------------------------------------------------- inside


def resident() -> int:
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as facts:
        return int(facts.read().split()[1]) * 4096


def register(service: JobsService, things: int) -> None:
    """Things in one group."""
    registry = service.registry
    registry.create_thing_group(GROUP)
    for number in range(things):
        registry.create_thing(thing_name(number))
        registry.add_thing_to_thing_group(thing_name(number), GROUP)


def start(service: JobsService, things: int, due: float | None) -> None:
    """A job with every execution IN_PROGRESS; all time out at ``due``, if at all."""
    now = 0.0 if due is None else due - TIMEOUT_S
    request = CreateJobRequest(
        [service.registry.group_arn(GROUP)],
        '{"operation":"none"}',
        job_executions_rollout_config=JobExecutionsRolloutConfig(maximum_per_minute=1000),
        timeout_config=TimeoutConfig() if due is None else TimeoutConfig(1),
    )
    service.create_job(JOB, request, now)
    job = service.job(JOB)
    job.allowance = things  # the rate would take an hour
    while not job.rolled_out:
        service.work(job, now, 1000)
        service.effects.clear()
    for number in range(things):
        request_ = StartNextPendingJobExecutionRequest()
        service.start_next_pending_job_execution(thing_name(number), request_, now)
    service.effects.clear()


def core_updates_per_s(service: JobsService, things: int) -> float:
    """Updates a second of things in random order, decoded and handled: the best of three."""
    numbers = np.random.default_rng(1).integers(0, things, UPDATES)
    names = [thing_name(number) for number in numbers]
    best = 0.0
    for _ in range(3):
        began = time.perf_counter()
        for name in names:
            service.handle(name, JOB, decode_request(UpdateJobExecutionRequest, PAYLOAD), 0.0)
        best = max(best, UPDATES / (time.perf_counter() - began))
    return best


class Watch:
    """The longest turn of a host and the longest pause of the collector, in milliseconds."""

    def __init__(self, host: Host) -> None:
        self.turn_ms = self.turn_cpu_ms = self.pause_ms = 0.0
        self._began = 0.0
        self._expire = host._expire
        host._expire = self._timed  # type: ignore[method-assign]
        gc.callbacks.append(self._pause)

    def _timed(self) -> None:
        began, cpu = time.perf_counter(), time.thread_time()
        self._expire()
        self.turn_ms = max(self.turn_ms, (time.perf_counter() - began) * 1000)
        self.turn_cpu_ms = max(self.turn_cpu_ms, (time.thread_time() - cpu) * 1000)

    def _pause(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.pause_ms = max(self.pause_ms, (time.perf_counter() - self._began) * 1000)

    def told(self) -> dict[str, float]:
        """All three."""
        return {"turn": self.turn_ms, "turn_cpu": self.turn_cpu_ms, "pause": self.pause_ms}


async def serve(things: int, started: bool, due_in: float | None, time_scale: float) -> None:
    """Serve until standard input closes."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    options = ServeOptions(mqtt_port=0, http_port=0, time_scale=time_scale)
    async with opened(options) as (addresses, host):
        facts: dict[str, Any] = {"http": addresses.http, "mqtt": addresses.mqtt}
        empty = resident()
        register(host.service, things)
        registered = resident()
        facts["bytes_per_thing"] = (registered - empty) / things
        if started:
            due = None if due_in is None else host.now() + due_in
            start(host.service, things, due)
            facts["bytes_per_execution"] = (resident() - registered) / things
            if due_in is None:
                facts["core_updates_per_s"] = core_updates_per_s(host.service, things)
        watch = Watch(host)
        host.publish()
        with short_pauses():
            print(json.dumps(facts), flush=True)
            await ended.wait()
        print(json.dumps(watch.told()), flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--things", type=int, required=True)
    parser.add_argument("--started", action="store_true")
    parser.add_argument("--due-in", type=float)
    parser.add_argument("--time-scale", type=float, default=1.0)
    asked = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(asked.things, asked.started, asked.due_in, asked.time_scale))


# ------------------------------------------------------------------------------- outside


class Populated:
    """Such a process, seen by the benchmark that started it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.facts: dict[str, Any] = self._line()
        self.watched: dict[str, float] = {}

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        return line

    def end(self) -> None:
        """Let it end, and hear what it watched."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.watched = self._line()


@contextmanager
def populated(*arguments: str) -> Iterator[Populated]:
    """A full service; its process ends with the block."""
    command = [sys.executable, "-m", "benchmarks.populated", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            service = Populated(process)
            yield service
            service.end()
        finally:
            process.kill()


if __name__ == "__main__":
    main()
