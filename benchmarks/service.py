"""The service over HTTP from wrk, beside a bare ASGI application, and as it fills.

The three take turns, several times: the ratios are medians over the turns, since a machine that is
busy with something else is so for a while.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.populated import JOB, PAYLOAD, populated
from benchmarks.table import Row, at_least

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 64
FEW, MANY = 1_000, 1_000_000

SCRIPT = """\
wrk.method = "POST"
wrk.body = '%s'
function request()
  return wrk.format(nil, string.format("/things/thing-%%07d/jobs/%s", math.random(0, %d)))
end
"""


def rows() -> list[Row]:
    """UpdateJobExecution over HTTP and in the core, at two sizes, and what the memory holds."""
    wrk = shutil.which("wrk")
    with (
        bare_asgi() as floor,
        populated("--things", str(FEW), "--started") as small,
        populated("--things", str(MANY), "--started") as large,
        tempfile.TemporaryDirectory() as folder,
    ):
        found = [] if wrk is None else over_http(wrk, Path(folder), floor, small.facts["http"],
                                                 large.facts["http"])  # fmt: skip
        few, many = small.facts["core_updates_per_s"], large.facts["core_updates_per_s"]
        facts = large.facts
    if wrk is None:
        found = [Row("UpdateJobExecution over HTTP: wrk is missing (apt-get install wrk)", "-")]
    return [
        *found,
        Row(f"core alone, updates/s at {FEW:,} executions", f"{few:,.0f}"),
        Row(f"core alone, at {MANY:,} / at {FEW:,}", f"{many / few:.2f}"),
        Row(f"bytes per thing, at {MANY:,}", f"{facts['bytes_per_thing']:.0f}"),
        Row(f"bytes per execution IN_PROGRESS, at {MANY:,}", f"{facts['bytes_per_execution']:.0f}"),
    ]


def over_http(wrk: str, folder: Path, floor: int, small: int, large: int) -> list[Row]:
    """Requests a second through the HTTP door."""
    scripts = {}
    for size in (FEW, MANY):
        scripts[size] = folder / f"{size}.lua"
        scripts[size].write_text(SCRIPT % (PAYLOAD.decode(), JOB, size - 1))
    turns = np.array(
        [
            [
                requests_per_s(wrk, scripts[FEW], floor),
                requests_per_s(wrk, scripts[FEW], small),
                requests_per_s(wrk, scripts[MANY], large),
            ]
            for _ in range(ROUNDS)
        ]
    )
    bare, few, many = np.median(turns, axis=0)
    share, growth = np.median(turns[:, 1] / turns[:, 0]), np.median(turns[:, 2] / turns[:, 1])
    return [
        Row("bare ASGI application (uvicorn, httptools), requests/s", f"{bare:,.0f}"),
        at_least(f"UpdateJobExecution/s over HTTP, {FEW:,} executions", float(few), 25_000),
        at_least("the same / bare ASGI application", float(share), 0.5, ".2f"),
        Row(f"UpdateJobExecution/s over HTTP, {MANY:,} executions", f"{many:,.0f}"),
        at_least(f"over HTTP, at {MANY:,} / at {FEW:,}", float(growth), 0.8, ".2f"),
    ]


def requests_per_s(wrk: str, script: Path, port: int) -> float:
    """What wrk counts; every answer must be a success."""
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-s", str(script)]
    command += [f"http://127.0.0.1:{port}/"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None or "Non-2xx" in said:
        sys.exit(said)
    return float(found[1])


@contextmanager
def bare_asgi() -> Iterator[int]:
    """The bare application in a process of its own; its port."""
    command = [sys.executable, "-m", "benchmarks.bare_asgi"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(json.loads(process.stdout.readline())["http"])
        finally:
            process.kill()
