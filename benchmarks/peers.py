"""Our live path beside other clients of the same service: Locust's MqttUser, aiomqtt, awscrt.

Each client is a process of its own against a fresh ``jobfleet serve`` with the same fleet and job,
one after another. Each has the number of things with which it carries most, as tried on 2 cores:
MqttUser takes some 340 before it slows down, aiomqtt is as fast with 300 as with 1 000, and awscrt
sends a packet at a time and waits for TCP's acknowledgement (Nagle), so it needs many.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.served import JOBFLEET, accepted, begun, ended, served, write_scenario
from benchmarks.table import Row, at_least

OURS, LOCUST, AIOMQTT, AWSCRT = 2_000, 300, 500, 1_000
WINDOW_S = 10
BOUND_S = 90.0


def rows() -> list[Row]:
    """Accepted updates a second of each, and ours over theirs."""
    ours = _run("mqtt", OURS)
    locust = _locust()
    through_us = _run("aiomqtt", AIOMQTT)
    aiomqtt = _script("aiomqtt", AIOMQTT)
    sdk = _script("awscrt", AWSCRT)
    return [
        Row(f"jobfleet run, Locust measuring, {OURS:,} things, updates/s", f"{ours:,.0f}"),
        Row(f"Locust's MqttUser, {LOCUST} things, updates/s", f"{locust:,.0f}"),
        Row(f"jobfleet run --transport aiomqtt, {AIOMQTT} things, updates/s", f"{through_us:,.0f}"),
        Row(f"bare aiomqtt on uvloop, a script, {AIOMQTT} things, updates/s", f"{aiomqtt:,.0f}"),
        Row(f"AWS IoT Device SDK (awscrt), a script, {AWSCRT:,} things, updates/s", f"{sdk:,.0f}"),
        at_least("ours / Locust's MqttUser", ours / locust, 4, ".1f"),
        at_least("ours / our aiomqtt transport", ours / through_us, 5, ".1f"),
        at_least("ours / bare aiomqtt", ours / aiomqtt, 5, ".1f"),
        at_least("ours / AWS IoT Device SDK", ours / sdk, 1.5, ".1f"),
    ]


def _run(transport: str, things: int) -> float:
    """Our own command; it registers its things and creates the job itself."""
    with tempfile.TemporaryDirectory() as name, served() as service:
        scenario, out = Path(name) / "scenario.yaml", Path(name) / "run"
        write_scenario(scenario, things, WINDOW_S + 5)
        command = [*JOBFLEET, "run", str(scenario), *service.target, "--no-report"]
        ended(begun(*command, "--transport", transport, "--out", str(out)), BOUND_S)
        return accepted(out, WINDOW_S)[0]


@contextmanager
def _full(things: int) -> Iterator[int]:
    """A service with things and their job, for those who only bring a client; its port."""
    with tempfile.TemporaryDirectory() as name:
        scenario = Path(name) / "scenario.yaml"
        write_scenario(scenario, things, WINDOW_S)
        with served("--scenario", str(scenario)) as service:
            yield service.mqtt


def _script(peer: str, things: int) -> float:
    with _full(things) as port:
        arguments = [str(port), str(things), str(WINDOW_S)]
        return _told(begun(sys.executable, "-m", f"benchmarks.peer_{peer}", *arguments))


def _locust() -> float:
    with _full(LOCUST) as port:
        command = [sys.executable, "-m", "locust", "-f", "benchmarks/peer_locust.py", "--headless"]
        told = {"PEER_PORT": port, "PEER_THINGS": LOCUST, "PEER_SECONDS": WINDOW_S}
        return _told(begun(*command, "-u", str(LOCUST), "-r", "100", env=told))


def _told(peer: "subprocess.Popen[str]") -> float:
    """The rate among what a peer says."""
    said = ended(peer, BOUND_S).splitlines()
    return float(next(json.loads(line)["updates_per_s"] for line in said if line[:1] == "{"))
