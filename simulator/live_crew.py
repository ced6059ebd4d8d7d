"""Who the things of a live run are with: this process, or workers of Locust's.

Rule 1: the master owns the run and no thing; what a worker has, it was given by ``allotment.py``.
Rule 2: records and fates of all workers come together here, whole: histograms and Locust's tables
        are made of them, so nothing is lost by merging.
Rule 3: a worker is lost when Locust misses its heartbeat or when it quits. Its things are taken up
        by the others at once. Should it come back, it is dismissed, and begins anew with nothing.
"""

import contextlib
import logging
import time
import zlib
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, ClassVar, Final

import gevent
import msgspec
import numpy as np

from simulator.allotment import Allotment
from simulator.errors import JobfleetError, TargetError
from simulator.fleet import Fates
from simulator.generator import Log, Reading
from simulator.live_member import Member
from simulator.live_share import MESSAGE, Share, Told
from simulator.results import ACCEPTED, DTYPE, Records
from simulator.run import Resolved
from simulator.scenario import dump
from simulator.targets import Target, TargetOptions, TransportName
from simulator.today import utc_now

log = logging.getLogger(__name__)

POLL_S: Final = 0.05
READY_WITHIN_S: Final = 60.0
DONE_WITHIN_S: Final = 30.0
UNCLAIMED_S: Final = 2.0
"""After a worker was lost, things that no user claims for so long are given out all the same."""

NOBODY: Final = "no worker is left"

Sink = Callable[[Records], object]


class Alone:
    """All things are in this process."""

    def __init__(
        self, resolved: Resolved, target: Target, transport: TransportName, sink: Sink
    ) -> None:
        self.log = Log()
        self._share = Share(resolved, target, transport, sink, self.log.take)
        self._things = resolved.scenario.things
        self._next = 0
        self.begin, self.now = self._share.begin, self._share.fleet.now
        self._share.own(range(self._things))

    @property
    def connected(self) -> int:
        """How many things have a connection."""
        return self._share.fleet.connected

    @property
    def refusal(self) -> str:
        """Why the last connection did not come about."""
        return self._share.fleet.refusal

    @property
    def oddities(self) -> dict[str, int]:
        """What came that no thing could use, and how often."""
        return self._share.fleet.oddities

    def want(self) -> None:
        """The next thing may begin."""
        if self._next < self._things:
            self._next += 1
            self._share.start((self._next - 1,))

    def close_log(self) -> float:
        """Whatever lags from now on is not the run's; how long it has gone on."""
        self._share.look()
        return self.log.close(self.now())

    def look(self) -> str:
        """All is well: whatever happens to it happens to the run."""
        return ""

    def failures(self) -> list[str]:
        """What went wrong in the loop."""
        for error in self._share.thread.failures:
            log.error("a fault in the fleet", exc_info=error)
        return [repr(error) for error in self._share.thread.failures]

    def settle(self, within: float) -> None:
        """Let things finish what they are at, at most so many seconds."""
        self._share.settle(within)

    def end(self) -> Fates:
        """End every thing, and say what became of them."""
        return self._share.end()

    def close(self) -> None:
        """End the loop: the run cannot begin."""
        self._share.close()

    def records(self) -> Records:
        """All records; none is kept."""
        return self._share.fleet.recorder.records()

    def told(self) -> dict[str, Any]:
        """For ``machine.json``."""
        return {**self.oddities}


class Workers:
    """The things are with workers, and this process is their master."""

    newest: ClassVar["Workers | None"] = None
    """Whom workers' messages are for."""

    def __init__(
        self,
        runner: Any,
        resolved: Resolved,
        aimed: tuple[str, TargetOptions],
        transport: TransportName,
        sink: Sink,
    ) -> None:
        """Tell the workers that are there of the run, and wait until they have built their fleets.

        Raises:
            TargetError: there is no worker, or none got ready.
        """
        Workers.newest = self
        self._runner = runner
        self._sink = sink
        self.log = Log()
        self._silent_since = 0.0
        """When the last worker that was lost said its last."""
        self._fresh = 0
        """The first thing that was never given to anybody."""
        self._resolved = resolved
        scenario = resolved.scenario
        self._run = utc_now().isoformat()  # names it among messages
        self._allotment = Allotment(scenario.things)
        self._members: list[Member] = []
        self._packed: list[Records] = []
        self._fates = Fates({}, {}, time_scale=scenario.load.time_scale)
        self._failures: list[str] = []
        self._began: float | None = None
        self._claimed = 0.0
        self._ending = False
        self._about = {
            "version": version("jobfleet"),
            "name": resolved.name,
            "scenario": dump(scenario),
            "seed": resolved.seed,
            "things": scenario.things,
            "target": aimed[0],
            "aim": aimed[1].told(),
            "transport": transport,
            "workers": max(1, len(self._there())),
        }
        for name in self._there():
            self.came(name)
        self._wait(READY_WITHIN_S, lambda member: member.ready or bool(self._failures))
        if self._failures:
            raise JobfleetError(f"a worker cannot take part: {self._failures[0]}")
        if not self._ready():
            raise TargetError(f"no worker got ready within {READY_WITHIN_S:g} s")

    # --------------------------------------------------------------------- what the run asks

    @property
    def connected(self) -> int:
        """How many things have a connection, as of half a second ago."""
        return sum(member.connected for member in self._members if member.here)

    @property
    def refusal(self) -> str:
        """Why the last connection of a worker's things did not come about."""
        latest = max(self._members, key=lambda one: (bool(one.refusal), one.heard), default=None)
        return latest.refusal if latest else ""

    @property
    def oddities(self) -> dict[str, int]:
        """What came that no thing of any worker could use, and how often."""
        found: Counter[str] = Counter()
        for member in self._members:
            found.update(member.oddities)
        return dict(found)

    def begin(self) -> None:
        """Let the run's clock start."""
        self._began = time.perf_counter()
        for member in self._members:
            self._say(member.name, "begin", elapsed=self.now())

    def now(self) -> float:
        """Wall seconds since then."""
        return 0.0 if self._began is None else time.perf_counter() - self._began

    def close_log(self) -> float:
        """Whatever lags from now on is not the run's; how long it has gone on."""
        return self.log.close(self.now())  # what workers have measured since they last told is lost

    def want(self) -> None:
        """A master has no users."""

    def look(self) -> str:
        """Give what lost workers had to the others."""
        if not self._ending:
            self._look_for_lost()
        if not self._ready() and not self._ending:
            return NOBODY
        lost = any(member.lost is not None for member in self._members)
        unclaimed = lost and self._runner.state == "running" and self._runner.spawning_completed
        patient = self.now() - self._claimed < UNCLAIMED_S
        self._pass_on(everything=unclaimed and not patient)
        return ""

    def failures(self) -> list[str]:
        """What went wrong in workers."""
        for why in self._failures:
            log.error("a worker: %s", why)
        return self._failures

    def settle(self, within: float) -> None:
        """Let things finish what they are at, at most so many seconds."""
        self._ending = True
        for member in self._ready():
            self._say(member.name, "settle", within=within)
        self._wait(within + DONE_WITHIN_S, lambda member: member.settled or not member.ready)

    def end(self) -> Fates:
        """Have all workers end their things; wait for what they know."""
        self._ending = True
        for member in self._members_here():
            self._say(member.name, "finish")
        self._wait(DONE_WITHIN_S, lambda member: member.done or not member.ready)
        for member in self._members_here():
            self._lose(member)
        self._fates.partitions[:] = [
            (one, self._resolved.work().select(one.where))
            for one in self._resolved.scenario.network_values().partitions
        ]
        if self._fates.partitions:
            names = self._resolved.work().names()
            self._fates.indices.update((name, at) for at, name in enumerate(names))
        return self._fates

    def close(self) -> None:
        """The run cannot begin."""
        self._ending = True
        for member in self._members_here():
            with contextlib.suppress(Exception):
                self._say(member.name, "finish")

    def records(self) -> Records:
        """All workers' records in the order in which exchanges ended; none is kept."""
        packed, self._packed = self._packed, []
        records = np.concatenate(packed) if packed else np.empty(0, DTYPE)
        packed.clear()
        return records[np.argsort(records["done"], kind="stable")]

    def told(self) -> dict[str, Any]:
        """For ``machine.json``: what happened to whom."""
        workers = [
            member.told() for member in self._members if member.ready or member.lost is not None
        ]
        return {**self.oddities, "workers": workers}

    # ----------------------------------------------------------------------- what workers say

    def heard(self, name: str, data: dict[str, Any]) -> None:
        """A worker says something."""
        member = next((one for one in reversed(self._members) if one.name == name), None)
        if data["kind"] == "hello":
            self.came(name)
            return
        if member is None or data["run"] != self._run:
            return
        if member.lost is not None and data["kind"] in ("want", "ready"):
            self._say(name, "dismiss")
        elif data["kind"] == "want":
            self._claimed = self.now()
            self._give(member, self._allotment.give(name, data["count"]))
        elif data["kind"] == "records":
            self._take(member, data)
            if member.lost is not None and not member.done and not self._ending:
                self._say(name, "dismiss")
        elif data["kind"] == "reading":
            reading = Reading(*data["reading"])._replace(worker=name)
            self.log.take(reading, np.frombuffer(zlib.decompress(data["slips"])))
        elif data["kind"] == "ready":
            member.ready = True
            if self._began is not None:
                log.warning("worker %s came late: it gets what others lose or leave", name)
        elif data["kind"] == "settled":
            member.settled = True
        elif data["kind"] == "failed":
            self._failures.append(f"{name}: {data['why']}")
        elif data["kind"] == "done":
            self._done(member, data)

    def came(self, name: str) -> None:
        """A worker came, or came back, or can hear only now; the run may be going on."""
        member = next((one for one in self._members if one.name == name and one.here), None)
        if self._ending or (member is not None and member.ready):
            return
        if member is None:
            self._members.append(Member(name, heard=self.now()))
        self._say(name, "run", **self._about)
        if self._began is not None:
            self._say(name, "begin", elapsed=self.now())

    def _give(self, member: Member, ranges: list[range]) -> None:
        if ranges:
            member.things += sum(map(len, ranges))
            # What was due for a thing while nobody had it falls to its new owner.
            told = [
                (one.start, one.stop, 0.0 if one.start >= self._fresh else self._silent_since)
                for one in ranges
            ]
            self._fresh = max(self._fresh, *(one.stop for one in ranges))
            self._say(member.name, "things", ranges=told)

    def _pass_on(self, *, everything: bool = False) -> None:
        if not (self._allotment.left if everything else self._allotment.waiting):
            return
        here = {member.name: member for member in self._ready()}
        for name, ranges in self._allotment.pass_on(list(here), everything=everything).items():
            self._give(here[name], ranges)

    def _take(self, member: Member, data: dict[str, Any]) -> None:
        member.connected, member.heard = data["connected"], self.now()
        member.refusal, member.oddities = data["refusal"], data["oddities"]
        records = np.frombuffer(zlib.decompress(data["packed"]), DTYPE)
        member.records += len(records)
        if len(records):
            member.met = member.met or bool((records["outcome"] == ACCEPTED).any())
            self._packed.append(records)
            self._sink(records)

    def _done(self, member: Member, data: dict[str, Any]) -> None:
        hung, unreported, mishaps, absences = msgspec.msgpack.decode(data["fates"], type=Told)
        self._fates.hung.update(hung)
        self._fates.unreported.update(unreported)
        self._fates.mishaps.update(mishaps)
        for name, gone in absences.items():
            both = self._fates.absences.get(name, []) + gone
            self._fates.absences[name] = sorted(both, key=lambda one: one.since)
        if data["why"]:
            self._failures.append(f"{member.name}: {data['why']}")
        member.done = True
        member.left = bool(data["left"])
        if member.left and not self._ending:
            self._lose(member)

    def _lose(self, member: Member) -> None:
        if member.lost is not None:
            return
        member.lost = self.now()
        member.passed_on = self._allotment.lose(member.name)
        self._silent_since = member.heard
        log.warning("worker %s was lost with %d things", member.name, member.passed_on)

    def _wait(self, within: float, until: Callable[[Member], bool]) -> None:
        """Wait for all workers that are here, while there are any."""
        deadline = time.perf_counter() + within
        while not all(map(until, self._members_here())) and time.perf_counter() < deadline:
            gevent.sleep(POLL_S)
            self._look_for_lost()

    def _there(self) -> list[str]:
        clients = self._runner.clients
        return [one.id for one in clients.ready + clients.spawning + clients.running]

    def _look_for_lost(self) -> None:
        # From Locust's web UI a test is stopped by workers signing off, and on again.
        signing_off = self._runner.environment.web_ui is not None and (
            self._runner.state not in ("spawning", "running")
        )
        for member in self._members_here():
            client = self._runner.clients.get(member.name)
            if (client is None and not signing_off) or (client and client.state == "missing"):
                self._lose(member)

    def _members_here(self) -> list[Member]:
        return [member for member in self._members if member.here]

    def _ready(self) -> list[Member]:
        return [member for member in self._members if member.here and member.ready]

    def _say(self, name: str, kind: str, /, **data: Any) -> None:
        self._runner.send_message(MESSAGE, {"kind": kind, "run": self._run, **data}, name)
