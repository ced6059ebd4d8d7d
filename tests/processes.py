"""jobfleet as processes: how tests start it, read it and end it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

ROOT = Path(__file__).parents[1]
JOBFLEET = [sys.executable, "-m", "simulator.cli"]
AWS = [str(Path(sys.executable).parent / "aws")]
ARN = "arn:aws:iot:us-east-1:123456789012:thing/T"
# Importing awscli (version 1) sets AWS_DATA_PATH, which leads version 2 astray.
ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_PAGER": "",
    "AWS_EC2_METADATA_DISABLED": "true",
}
SLOW = """\
fleet:
  - cohort: g
    things: 20
    work: {duration: 1h, steps: 60}
job: {document: {}}
load: {time_scale: 60, until: 2h}
expect: {succeeded: "== 100%"}
"""


def jobfleet(*arguments: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*JOBFLEET, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        check=False,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def answering(port: int) -> None:
    """Wait until somebody listens on a port."""
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nobody listens on {port}")


def summary(directory: Path) -> Any:
    return json.loads((directory / "summary.json").read_text())


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """``jobfleet serve`` on free ports; it ends with us, even if we are killed."""
    command = [*JOBFLEET, "serve", "--mqtt-port", "0", "--http-port", "0", "--json", *options]
    with subprocess.Popen(
        [*command, "--with-parent"], stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def started(command: list[str], folder: Path = ROOT) -> Iterator[subprocess.Popen[str]]:
    """A process whose output is read; it ends with the block, whatever happens there."""
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, cwd=folder) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def said(stream: Any, words: str) -> list[str]:
    """The lines of a stream up to the one with these words; it must come."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


def aws(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    endpoint = f"http://127.0.0.1:{port}"
    return subprocess.run(
        [*AWS, *arguments, "--endpoint-url", endpoint, "--output", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENV,
        check=False,
    )
