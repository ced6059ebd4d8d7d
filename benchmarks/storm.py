"""Reconnect storms: what things connect to is killed under them, and comes back; are they all back?

Rule 1: nothing is simulated: real processes, real sockets of the loopback, a real ``kill -9``.
Rule 2: all are back within ``bound_s``, which follows from the scenario: the longest backoff (each
        thing waits a random part of it at most) and the pace at which connections are taken.
Rule 3: nothing is lost and nothing is done twice: what each thing was told by its records is held
        against the journal of the service, in which every update that was ever applied is a line.

``python -m benchmarks storm`` (``make storm``) prints the table; a small storm is in the tests.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.table import Row, at_most
from simulator import results
from simulator.certificates import device_of, make
from simulator.endpoints.journal import commands
from simulator.results import Records
from simulator.run import Resolved
from simulator.scenario import load
from simulator.today import utc_now

ROOT: Final = Path(__file__).parents[1]
JOBFLEET: Final = [sys.executable, "-m", "simulator.cli"]
SCENARIO: Final = ROOT / "scenarios" / "restart.yaml"
THINGS: Final = 10_000
AWAY_S: Final = 3.0
TAKEN_PER_S: Final = 500
"""Connections that a service (or a broker) on this machine takes each second, at the least."""
READY_S: Final = 60.0
MOSQUITTO: Final = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
TLS_THINGS, TLS_PER_S = 5000, 500


def rows() -> list[Row]:
    """A service that is killed, a broker that is killed, and a fleet that connects over TLS."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        service = restarted_service(SCENARIO, THINGS, Path(folder, "service"))
        found += service.rows("service killed")
        if MOSQUITTO is None:
            found.append(Row("broker killed: Mosquitto is not installed", "-"))
        else:
            broker = restarted_broker(SCENARIO, THINGS, Path(folder, "broker"))
            found += broker.rows("broker killed")
        for mutual in (False, True):
            at = Path(folder, "mutual" if mutual else "tls")
            found += connected_over_tls(TLS_THINGS, TLS_PER_S, at, mutual=mutual)
    return found


def bound_s(scenario: Path, things: int) -> float:
    """Seconds after which all things must be back, once there is somebody to connect to."""
    return load(scenario).scenario.network.backoff.maximum + things / TAKEN_PER_S


# ------------------------------------------------------------------------------- what came of it


@dataclass
class Storm:
    """A run in which what things connect to was away for a while."""

    scenario: Path
    things: int
    bound: float
    exit_code: int
    said: str
    records: Records = field(repr=False)
    journal: Path
    away: float
    """Seconds from the kill until connections were taken again."""

    def __post_init__(self) -> None:
        """Find the moment of the kill in the records: nothing else breaks connections."""
        broken = self.records[self.records["outcome"] == results.DISCONNECTED]
        self.killed = float(broken["done"].min()) if len(broken) else float("nan")

    def back(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """When each thing was connected again, in seconds after somebody was there; sorted."""
        records = self.records
        again = records[
            (records["operation"] == results.CONNECT)
            & (records["outcome"] == results.ACCEPTED)
            & (records["done"] > self.killed)
        ]
        last = np.full(self.things, -np.inf)
        np.maximum.at(last, again["thing"], again["done"])
        found = last[np.isfinite(last)] - self.killed - self.away
        return np.sort(found.astype(np.float64))

    def ledger(self) -> "Ledger":
        """What the things were told, against what the service did."""
        made = Resolved.of(load(self.scenario), None, self.things)
        return compare(self.records, made.work().names(), self.journal)

    def rows(self, what: str) -> list[Row]:
        """For the table."""
        back, ledger = self.back(), self.ledger()
        return [
            Row(f"{what} under {self.things:,} things: away for, s", f"{self.away:.1f}"),
            Row("  back, things", f"{len(back):,}", f"= {self.things:,}",
                len(back) == self.things),
            at_most("  the last one back after, s", float(back[-1]), self.bound),
            Row("  half of them back after, s", f"{np.median(back):.1f}"),
            Row("  updates accepted", f"{ledger.told:,}"),
            at_most("  accepted and lost", ledger.lost, 0, "d"),
            at_most("  done twice", ledger.twice, 0, "d"),
            at_most("  done, unknown to the thing, no reply missing", ledger.unheard, 0, "d"),
            Row("  applied, the reply lost in the kill", f"{ledger.applied - ledger.told:,}"),
            Row("  run passed", f"exit {self.exit_code}", "exit 0", self.exit_code == 0),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ledger:
    """Two accounts of the same updates: the things' and the service's."""

    told: int
    """Updates whose reply a thing has."""
    applied: int
    """Updates in the journal."""
    lost: int
    """Told, and not in the journal; or a version is missing there."""
    twice: int
    """In the journal more than once: the same version of the same execution."""
    unheard: int
    """In the journal, and no thing knows of it nor misses a reply."""


def compare(records: Records, names: list[str], journal: Path) -> Ledger:
    """Hold each thing's records against a journal."""
    updates = records[records["operation"] == results.UPDATE]
    accepted = updates["outcome"] == results.ACCEPTED
    vain = np.isin(updates["outcome"], [results.NO_REPLY, results.DISCONNECTED])
    told, missing = (
        np.bincount(updates["thing"][which], minlength=len(names)) for which in (accepted, vain)
    )
    versions: dict[str, dict[str, list[int]]] = {}
    for _, kind, *members in commands(journal):
        if kind == "update":
            thing, job, update = members
            versions.setdefault(thing, {}).setdefault(job, []).append(update["expectedVersion"])
    lost = twice = unheard = applied = 0
    for at, name in enumerate(names):
        found = versions.get(name, {})
        done = sum(map(len, found.values()))
        applied += done
        lost += max(0, int(told[at]) - done)
        unheard += max(0, done - int(told[at]) - int(missing[at]))
        for each in found.values():
            twice += len(each) - len(set(each))
            lost += len(set(range(2, max(each) + 1)) - set(each))  # a started execution is at 2
    return Ledger(int(told.sum()), applied, lost, twice, unheard)


# ------------------------------------------------------------------------------- the processes


class Victim:
    """A process that is killed and started again, at the same place."""

    def __init__(self, command: list[str], up: Callable[["Victim"], None], log: Path) -> None:
        """Start it; ``up`` returns once connections are taken."""
        self._command, self._up, self._log = command, up, log
        self.process: subprocess.Popen[str]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is there."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
            )
        self._up(self)

    def kill(self) -> None:
        """Without a word."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def fail(self) -> None:
        """It did not come up."""
        raise RuntimeError(f"{' '.join(self._command)}: {self._log.read_text()}")


def _announced(victim: Victim) -> None:
    assert victim.process.stdout is not None
    if not victim.process.stdout.readline():
        victim.fail()


def _listening(port: int) -> Callable[[Victim], None]:
    def up(victim: Victim) -> None:
        deadline = time.perf_counter() + READY_S
        while time.perf_counter() < deadline and victim.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        victim.fail()

    return up


@contextmanager
def _victim(command: list[str], up: Callable[[Victim], None], log: Path) -> Iterator[Victim]:
    victim = Victim(command, up, log)
    try:
        yield victim
    finally:
        victim.kill()


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _service(folder: Path, *options: str) -> list[str]:
    return [*JOBFLEET, "serve", "--json", "--journal", str(folder / "journal"), *options]


class _Run:
    """``jobfleet run`` under way; its lines are read as they come."""

    def __init__(self, scenario: Path, things: int, out: Path, *options: str) -> None:
        self._lines: list[str] = []
        self._all = f" {things}/{things} connected"
        self.connected = threading.Event()
        command = [*JOBFLEET, "run", str(scenario), "--things", str(things), "--out", str(out)]
        self.process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=ROOT,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def said(self) -> str:
        """All that it printed."""
        return "".join(self._lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
            if self._all in line:
                self.connected.set()
        self.process.stdout.close()
        self.connected.set()  # nobody shall wait for a run that is over

    def end(self, within: float) -> int:
        """Wait for its end; its exit code."""
        try:
            return self.process.wait(within)
        finally:
            self.process.terminate()
            self.process.wait(60)
            self._reader.join()


def _strike(
    scenario: Path, things: int, folder: Path, victim: Victim, spell_s: float, *options: str
) -> Storm:
    """Kill something once all things are connected, and bring it back."""
    run = _Run(scenario, things, folder / "run", *options)
    try:
        run.connected.wait(READY_S + things / 200)  # each is registered first
        time.sleep(spell_s)
        over = run.process.poll() is not None
        killed = time.perf_counter()
        victim.kill()
        time.sleep(0 if over else AWAY_S)
        victim.start()
        away = time.perf_counter() - killed
    finally:
        code = run.end(load(scenario).scenario.load.until + READY_S)
    if not (folder / "run" / "records.npz").exists():
        raise RuntimeError(f"the run left nothing (exit code {code}): {run.said}")
    records = np.load(folder / "run" / "records.npz")["records"]
    bound = bound_s(scenario, things)
    journal = folder / "journal"
    return Storm(scenario, things, bound, code, run.said, records, journal, away)


# ------------------------------------------------------------------------------- the storms


def restarted_service(scenario: Path, things: int, folder: Path, spell_s: float = 3.0) -> Storm:
    """Kill the service under a connected fleet, and start it again with its journal."""
    folder.mkdir()
    mqtt, http = map(str, _free_ports(2))
    command = _service(folder, "--mqtt-port", mqtt, "--http-port", http)
    with _victim(command, _announced, folder / "service.log") as service:
        return _strike(
            scenario, things, folder, service, spell_s, "--target", f"mqtt://127.0.0.1:{mqtt}",
            "--control", f"http://127.0.0.1:{http}",
        )  # fmt: skip


def restarted_broker(scenario: Path, things: int, folder: Path, spell_s: float = 3.0) -> Storm:
    """Kill Mosquitto between a connected fleet and its service, and start it again."""
    assert MOSQUITTO is not None
    folder.mkdir()
    mqtt, http = _free_ports(2)
    lines = [f"listener {mqtt} 127.0.0.1", "allow_anonymous true", "user root"]
    lines += ["set_tcp_nodelay true", "max_inflight_messages 0", "max_queued_messages 0"]
    (folder / "mosquitto.conf").write_text("\n".join([*lines, ""]))
    command = [MOSQUITTO, "-c", str(folder / "mosquitto.conf")]
    url = f"mqtt://127.0.0.1:{mqtt}"
    with _victim(command, _listening(mqtt), folder / "mosquitto.log") as broker:
        serve = _service(folder, "--broker", url, "--http-port", str(http))
        with _victim(serve, _announced, folder / "service.log"):
            return _strike(
                scenario, things, folder, broker, spell_s, "--target", url,
                "--control", f"http://127.0.0.1:{http}",
            )  # fmt: skip


TLS: Final = """\
fleet:
  - {{cohort: secure, things: {things}, work: {{duration: 3s, steps: 2}}}}
job: {{document: {{operation: rotate-keys}}}}
load: {{ramp: {per_s}/s, until: {seconds}s}}
expect: {{failed: "== 0%"}}
"""


def connected_over_tls(things: int, per_s: int, folder: Path, *, mutual: bool = False) -> list[Row]:
    """Connect a fleet over TLS, at so many things a second; mutual: one certificate for all.

    A mutual handshake costs the service four times as much (1.3 ms against 0.3 ms of one core), so
    there the pace is told and not held.
    """
    folder.mkdir()
    scenario, until = folder / "tls.yaml", things / per_s + 10
    scenario.write_text(TLS.format(things=things, per_s=per_s, seconds=round(until)))
    names = Resolved.of(load(scenario), None, None).work().names()
    make(folder, ["fleet"], [], 365, utc_now())
    mqtts, http = _free_ports(2)
    command = [*JOBFLEET, "serve", "--json", "--mqtt-port", "0", "--http-port", str(http)]
    command += ["--tls", str(folder), "--mqtts-port", str(mqtts), "--https-port", "0"]
    options = ["--ca", str(folder / "ca.pem")]
    if mutual:
        (folder / "policy.json").write_text(json.dumps({"fleet": names}))
        command += ["--mtls", "--policy", str(folder / "policy.json")]
        device = device_of(folder, "fleet")
        options += ["--cert", str(device.certificate), "--key", str(device.key)]
    with _victim(command, _announced, folder / "service.log"):
        run = _Run(
            scenario, things, folder / "run", "--target", f"mqtts://localhost:{mqtts}",
            "--control", f"http://127.0.0.1:{http}", *options,
        )  # fmt: skip
        code = run.end(until + READY_S + things / 100)
    records = np.load(folder / "run" / "records.npz")["records"]
    connects = records[records["operation"] == results.CONNECT]
    done = np.sort(connects[connects["outcome"] == results.ACCEPTED]["done"])
    if not len(done):
        raise RuntimeError(f"nothing connected over TLS (exit code {code}): {run.said}")
    began = np.sort(connects["due"])
    schedule = began[0] + np.arange(len(began)) / per_s
    last, took = float(done[-1] - began[0]), connects["done"] - connects["due"]
    return [
        Row(f"{'mutual ' * mutual}TLS, {per_s}/s: connected", f"{len(done):,}",
            f"= {things:,}", len(done) == things),
        Row("  the last one after, s", f"{last:.1f}") if mutual
        else at_most("  the last one after, s", last, things / per_s + 1.0),
        Row("  connects a second", f"{len(done) / last:,.0f}"),
        Row("  behind the schedule, p99 ms", f"{1000 * np.percentile(began - schedule, 99):.0f}"),
        Row("  a connect takes, p50 ms", f"{1000 * np.median(took):.0f}"),
        Row("  a connect takes, p99 ms", f"{1000 * np.percentile(took, 99):.0f}"),
    ]  # fmt: skip
