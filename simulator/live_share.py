"""The things that live in one process: all of a run's, or a worker's share of them.

Rule 1: the loop and its thread start here, which is after ``--processes`` has forked.
Rule 2: a worker keeps no records: it hands them to its master twice a second, in bounded chunks, so
        that one that is killed takes half a second of them with it.
Rule 3: a worker does what its master says, one message after the other; it begins no thing that it
        was not given.
"""

import contextlib
import logging
import os
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any, Final

import gevent
import msgspec
import numpy as np
from gevent import monkey
from gevent.event import Event
from gevent.queue import Empty, Queue

from simulator.errors import JobfleetError, UsageError
from simulator.fleet import Fates
from simulator.garbage import short_pauses
from simulator.generator import Meter, Reading, Slips
from simulator.live import LiveFleet, LoopThread
from simulator.live_options import connections
from simulator.live_watchdog import GRACE_S, WRITING_S, end_after, end_no_more
from simulator.locust_feed import tell_others
from simulator.open_files import make_room
from simulator.results import DTYPE, Records
from simulator.run import Resolved
from simulator.scenario.file import loads
from simulator.targets import Target, TargetOptions, TransportName, parse
from simulator.today import utc_now
from simulator.world import Absence, Mishap

log = logging.getLogger(__name__)

DRAIN_S: Final = 0.1
REPORT_S: Final = 0.5
TICK_S: Final = 0.05
CHUNK: Final = 16_384
"""Records in a message: 600 KB before they are compressed."""
MESSAGE: Final = "jobfleet"
"""Of the one type that master and worker send each other; ``kind`` says what it is about."""
DRAIN_AT_MOST_S: Final = 60.0
"""A worker that was interrupted waits so long for its master to end the run."""

Told = tuple[
    dict[str, tuple[str, int]],
    dict[tuple[str, str, int], float],
    dict[tuple[str, str, int], Mishap],
    dict[str, list[Absence]],
]
"""What a worker says of its things' fates; the rest its master knows from the scenario."""


class Share:
    """Things on a loop in a native thread of this process."""

    def __init__(
        self,
        resolved: Resolved,
        target: Target,
        transport: TransportName,
        sink: Callable[[Records], object],
        tell: Callable[[Reading, Slips], object],
    ) -> None:
        """Build it; ``sink`` is handed fresh records ten times a second, ``tell`` how it goes."""
        start_thread = monkey.get_original("_thread", "start_new_thread")
        self.thread = LoopThread(start_thread, gevent.sleep, transport)
        try:
            self.fleet = LiveFleet(resolved, self.thread, target, transport)
        except BaseException:
            self.thread.stop()
            raise
        self.run_s = resolved.scenario.load.until / resolved.scenario.load.time_scale
        """How long the run may last."""
        self._sink = sink
        self._tell = tell
        self._meter = Meter(self.fleet.slips)
        self._manners = ExitStack()
        self._draining: Any = None

    @property
    def begun(self) -> bool:
        """Whether the run's clock has started."""
        return self._draining is not None

    def begin(self, elapsed: float = 0.0) -> None:
        """Let the run's clock start, or go on where it is elsewhere."""
        self._manners.enter_context(short_pauses())
        self.fleet.begin(elapsed)
        self._draining = gevent.spawn(self._drain)

    def own(self, things: range, since: float = 0.0) -> None:
        """These things are this process's, with their part of schedule and budget."""
        if not self.thread.ended:
            self.fleet.own(things, since)

    def start(self, things: Iterable[int]) -> None:
        """Bring things to life."""
        if not self.thread.ended:
            for index in things:
                self.fleet.start(index)

    def settle(self, within: float) -> None:
        """Let things finish what they are at, at most so many seconds."""
        if not self.thread.ended:
            self.fleet.settle(within)

    def look(self) -> None:
        """Drain what there is, and say how it goes, now."""
        if self.begun and not self.thread.ended:
            self._drain_once()
            self._read()

    def end(self) -> Fates:
        """End every thing, and say what became of them; the last records are drained.

        Raises:
            JobfleetError: their loop has gone, or does not answer.
        """
        try:
            return self.fleet.stop()
        finally:
            gevent.kill(self._draining)
            self._drain_once()
            self._read()
            self.close()

    def close(self) -> None:
        """End the loop."""
        self.thread.stop()
        self._manners.close()

    def _drain(self) -> None:
        while True:
            gevent.sleep(DRAIN_S)
            self._drain_once()
            if self._meter.due:
                self._read()

    def _drain_once(self) -> None:
        records = self.fleet.recorder.drain()
        self._meter.take(records)
        self._sink(records)

    def _read(self) -> None:
        fleet = self.fleet
        self._tell(*self._meter.read(fleet.now(), fleet.lag(), fleet.connected, fleet.turns))


class Worker:
    """This process as a worker of a run. ``environment`` is Locust's."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.runner = environment.runner
        self._inbox: Any = Queue()
        self._wanted = 0
        self._fresh: list[Records] = []
        self._share: Share | None = None
        self._told_all: Any = Event()
        """Set where no share is being ended."""
        self._told_all.set()
        self._leaving = False
        self._run = ""
        self._parent = os.getppid()
        self._interrupted = False
        self.runner.register_message(MESSAGE, self._heard)
        gevent.spawn(self._work)
        gevent.spawn(self._report)
        self._say("hello")  # Locust dropped what the master said before now

    def want(self, things: int = 1) -> None:
        """Locust users were spawned here: as many things may begin."""
        self._wanted += things

    def want_no_more(self) -> None:
        """The users have gone: what they wanted is not for the next run."""
        self._wanted = 0

    def interrupt(self) -> None:
        """A Ctrl-C: the master of ``--processes`` hears it, too, and ends the run; else leave."""
        if self._share is None or self._interrupted:
            _leave(0)
        self._interrupted = True
        if not self.environment.parsed_options.processes:
            self._inbox.put(({"kind": "leave"}, time.perf_counter()))
        gevent.spawn_later(DRAIN_AT_MOST_S, _leave, 1)

    def _heard(self, environment: Any, msg: Any) -> None:
        self._inbox.put((msg.data, time.perf_counter()))

    def _say(self, kind: str, **data: Any) -> None:
        self.runner.send_message(MESSAGE, {"kind": kind, "run": self._run, **data})

    def _work(self) -> None:
        """Do what the master says, and ask for things; leave when the master has gone."""
        while True:
            with contextlib.suppress(Empty):
                data, at = self._inbox.get(timeout=TICK_S)
                try:
                    getattr(self, f"_do_{data['kind']}")(data, at)
                except Exception as error:
                    told = isinstance(error, JobfleetError)
                    why = str(error) if told else repr(error)
                    log.error("this worker cannot go on: %s", why, exc_info=None if told else error)
                    self._say("failed", why=why)
            if self.environment.parsed_options.processes and os.getppid() != self._parent:
                _leave(1)  # the master was killed: nobody would ever end this process
            if self._share is None:
                continue
            if self._wanted:
                wanted, self._wanted = self._wanted, 0
                self._say("want", count=wanted)
            if self._share.thread.failures:
                self._say("failed", why=repr(self._share.thread.failures[0]))
                self._share.thread.failures.clear()

    def _do_run(self, data: dict[str, Any], _at: float) -> None:
        """Build the fleet of a run, unless that was said twice."""
        if self._share is not None and data["run"] == self._run:
            return
        self._end_share()
        self._run = data["run"]
        if data["version"] != version("jobfleet"):
            raise JobfleetError(
                f"a worker is jobfleet {version('jobfleet')}, its master is {data['version']}: "
                "install the same on both"
            )
        loaded = loads(data["scenario"], data["name"])
        resolved = Resolved.of(loaded, data["seed"], data["things"])
        files = connections(resolved.scenario, data["transport"])
        try:
            make_room(data["things"], files)  # it may get those of lost workers, too
        except UsageError:
            workers = data["workers"]
            make_room(-(-data["things"] // workers), -(-files // workers))
        aimed = TargetOptions.heard(data["aim"], self.environment.parsed_options)
        target = parse(data["target"], aimed)
        self._share = Share(resolved, target, data["transport"], self._take, self._tell)
        self._say("ready")

    def _do_begin(self, data: dict[str, Any], at: float) -> None:
        """Set the run's clock to the master's."""
        if self._share is not None and not self._share.begun:
            elapsed = data["elapsed"] + time.perf_counter() - at
            self._share.begin(elapsed)
            end_after(max(0.0, self._share.run_s - elapsed) + GRACE_S + WRITING_S)

    def _do_things(self, data: dict[str, Any], _at: float) -> None:
        if self._share is not None:
            for first, stop, since in data["ranges"]:
                self._share.own(range(first, stop), since)
                self._share.start(range(first, stop))

    def _do_settle(self, data: dict[str, Any], _at: float) -> None:
        if self._share is not None:
            self._share.settle(data["within"])
        self._say("settled")

    def _do_finish(self, _data: dict[str, Any], _at: float) -> None:
        self._end_share()

    def _do_dismiss(self, _data: dict[str, Any], _at: float) -> None:
        """The master took this worker for lost, and gave its things to others: begin anew."""
        self._end_share()
        if not self._leaving:
            self._say("hello")

    def _do_leave(self, _data: dict[str, Any], _at: float) -> None:
        self.close()
        self.runner.quit()

    def _end_share(self) -> None:
        """End its things, and say what is known of them; who comes second waits for it."""
        share, self._share = self._share, None
        if share is None:
            self._told_all.wait()
            return
        self._told_all.clear()
        end_no_more()
        fates, why = Fates({}, {}), ""
        try:
            fates = share.end()
        except JobfleetError as error:
            why = str(error)
        finally:
            self._send_records(share, 0)
            told: Told = (fates.hung, fates.unreported, fates.mishaps, fates.absences)
            packed = msgspec.msgpack.encode(told)
            self._say("done", fates=packed, why=why, left=self._leaving)
            self._told_all.set()

    def close(self) -> None:
        """The process ends, by SIGTERM say: hand over what is there.

        Locust may ask for it a second time, by a master that does not know this worker any more.
        """
        self._leaving = True
        self._end_share()

    def _take(self, records: Records) -> None:
        share = self._share
        if len(records):
            self._fresh.append(records)
        if share is not None:
            share.fleet.recorder.forget()
        tell_others(self.environment, records)

    def _tell(self, reading: Reading, slips: Slips) -> None:
        self._say("reading", reading=tuple(reading), slips=zlib.compress(slips.tobytes(), 1))

    def _report(self) -> None:
        while True:
            gevent.sleep(REPORT_S)
            if self._share is not None:
                self._send_records(self._share, self._share.fleet.connected)

    def _send_records(self, share: Share, connected: int) -> None:
        fresh, self._fresh = self._fresh, []
        records = np.concatenate(fresh) if fresh else np.empty(0, DTYPE)
        about = {
            "connected": connected,
            "refusal": share.fleet.refusal,
            "oddities": share.fleet.oddities,
            "at": utc_now().timestamp(),
        }
        for at in range(0, max(1, len(records)), CHUNK):
            packed = zlib.compress(records[at : at + CHUNK].tobytes(), 1)
            self._say("records", packed=packed, **about)


def _leave(code: int) -> None:
    """End this process at once."""
    monkey.get_original("os", "_exit")(code)
