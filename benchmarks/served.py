"""``jobfleet serve`` in a process of its own, and live runs against it, bounded in time.

Things are registered by the service, and the one job is created when it begins, for all of them at
once. Whoever runs against it finds every execution QUEUED, and starts it by StartNext.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simulator import results

JOBFLEET = (sys.executable, "-m", "simulator.cli")
JOB = "bench"
CLOSED_LOOP = "{duration: 0s, steps: 1000000000}"
"""Reports of progress without work: the next is sent as soon as one is answered."""

SCENARIO = """\
fleet:
  - {{cohort: {cohort}, things: {things}, work: {work}}}
job: {{jobId: bench, document: {{operation: none}}}}
load: {{ramp: {ramp}/s, until: {seconds}s}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """Where a service is, and which process it is."""

    host: str
    mqtt: int
    http: int
    pid: int

    @property
    def target(self) -> tuple[str, ...]:
        """What tells ``jobfleet run`` of it."""
        mqtt, http = f"mqtt://{self.host}:{self.mqtt}", f"http://{self.host}:{self.http}"
        return ("--target", mqtt, "--control", http)


def write_scenario(
    path: Path,
    things: int,
    seconds: int,
    *,
    cohort: str = "writers",
    work: str = CLOSED_LOOP,
    ramp: int = 1000,
) -> None:
    """A fleet of one cohort and a job for all of it, without a rate."""
    path.write_text(
        SCENARIO.format(cohort=cohort, things=things, work=work, ramp=ramp, seconds=seconds)
    )


def thing_names(things: int, cohort: str = "writers") -> list[str]:
    """Their names, as a scenario makes them."""
    return [f"{cohort}-{number:06d}" for number in range(things)]


@contextmanager
def served(*arguments: str, host: str = "127.0.0.1") -> Iterator[Served]:
    """A service on free ports of one address; it ends with the block.

    Its minute is a tenth of a second: a job without a rate is rolled out at 1 000 a minute.
    """
    command = [*JOBFLEET, "serve", "--host", host, "--mqtt-port", "0", "--http-port", "0", "--json"]
    command += ["--time-scale", "600"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield Served(host, said["mqtt"], said["http"], process.pid)
        finally:
            process.kill()


def ended(process: "subprocess.Popen[str]", within: float) -> str:
    """What a process said until its end, which is to be a success; it is killed when it is late."""
    try:
        said, complaint = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        said, complaint = process.communicate()
        complaint += f"\nnot done within {within:.0f} s"
    if process.returncode:
        command = " ".join(map(str, process.args)) if isinstance(process.args, list) else ""
        sys.exit(f"{command}: exit code {process.returncode}\n{said}{complaint}")
    return said


def begun(*command: str, env: Mapping[str, object] | None = None) -> "subprocess.Popen[str]":
    """A process whose words are kept for ``ended``; ``env`` is what it hears beside our own."""
    pipe = subprocess.PIPE
    more = {**os.environ, **{name: str(value) for name, value in (env or {}).items()}}
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=more)


def accepted(folder: Path, window: float) -> tuple[float, int]:
    """Accepted updates a second once all are IN_PROGRESS, and how many things made them."""
    records: Any = np.load(folder / "records.npz")["records"]
    started = float(records[records["operation"] == results.START_NEXT]["done"].max())
    updates = records[(records["operation"] == results.UPDATE) & (records["outcome"] == 0)]
    within = updates[(updates["done"] >= started) & (updates["done"] < started + window)]
    seconds = min(window, float(updates["done"].max()) - started)
    return len(within) / seconds, len(np.unique(within["thing"]))
