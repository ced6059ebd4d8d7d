"""What happens to a service while it serves: incidents, made to happen at their scenario times.

Rule 1: everything that an incident does goes through the service's own operations, as its owner or
        a stranger would call them: whoever is connected, at whichever door, meets it.
Rule 2: which requests a share means is a mix of (seed, incident, thing, ordinal of that thing's
        requests): the same requests in the same order meet the same, rehearsed and live.
Rule 3: an incident that the service refuses (the job has ended, say) changes nothing; it is told,
        and the others go on.
Rule 4: what concerns many things is done in slices, and between two slices the loop serves others.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Final
from zlib import crc32

import msgspec
import numpy as np

from simulator.behaviour import EVERYTHING, Incident, Selection, WorkTable
from simulator.behaviour.incidents import MARK
from simulator.behaviour.mixing import mix
from simulator.errors import Rejection, UsageError
from simulator.host import Exchange, Fault, Host
from simulator.jobs.messages import (
    CancelJobExecutionRequest,
    CancelJobRequest,
    UpdateJobExecutionRequest,
    UpdateJobRequest,
)

SLICE: Final = 50
"""Things that an incident concerns between two turns of the loop."""

FAULTS: Final[dict[str, Fault]] = {
    "outage": "outage",
    "throttle": "throttle",
    "lose-requests": "lose-request",
    "lose-replies": "lose-reply",
    "duplicate-replies": "duplicate-reply",
}
"""Incidents that befall requests, and what they do to one. Where several befall the same request,
the first of these does."""

MANY: Final[dict[str, str]] = {
    "cancel-job": "jobs",
    "delete-job": "jobs",
    "update-job": "jobs",
    "cancel-execution": "executions",
    "join": "things",
    "leave": "things",
    "second-writer": "reports",
    "disconnect": "connections",
}
"""What is counted of an incident; else requests."""

_KEY: Final = 0x1C1D

Who = Callable[[Selection], list[str]]
"""The names of the things that are meant, in the fleet's order."""

Tell = Callable[[str], None]

Watch = Callable[[Exchange], None]

Act = Callable[[float], object]
"""One call of the service, at the time that it is given; a Rejection does not count."""


def population(work: WorkTable) -> Who:
    """A fleet, as incidents ask for it."""
    names = work.names()

    def who(selection: Selection) -> list[str]:
        if selection == EVERYTHING:
            return names
        return [names[at] for at in np.flatnonzero(work.select(selection)).tolist()]

    return who


class _Odds:
    """One incident that befalls requests."""

    __slots__ = ("below", "ends", "fault", "incident", "key", "names", "starts")

    def __init__(self, incident: Incident, seed: int, begin: float, who: Who) -> None:
        self.incident = incident
        self.fault = FAULTS[incident.kind]
        self.starts = begin + incident.at
        self.ends = self.starts + incident.lasts
        share = 1.0 if incident.kind == "outage" else incident.share
        self.below = int(share * 2**64)
        self.key = mix(
            seed, _KEY + list(FAULTS).index(incident.kind), crc32(incident.name.encode())
        )
        where = incident.where
        everybody = not where.where and where.share >= 1
        self.names = None if everybody else frozenset(who(where))

    def befalls(self, thing_name: str, ordinal: int, now: float, twice: bool) -> bool:
        """Whether it befalls a thing's request of that ordinal."""
        if not self.starts <= now < self.ends or (self.names and thing_name not in self.names):
            return False
        if self.fault == "duplicate-reply" and not twice:
            return False
        return mix(self.key, crc32(thing_name.encode()), ordinal) < self.below


class Director:
    """Makes a scenario's incidents happen to a host. It is the host's stage from ``start`` on,
    where there is anything to happen or somebody who watches.
    """

    def __init__(
        self,
        host: Host,
        incidents: Iterable[Incident],
        seed: int,
        who: Who,
        groups: Mapping[str, str],
        tell: Tell | None = None,
    ) -> None:
        """Prepare.

        Args:
            host: whose service it is.
            incidents: what is to happen.
            seed: of the run.
            who: the population.
            groups: the scenario's jobs by id, each with the thing group that it targets.
            tell: is told in a line when an incident begins and ends.

        Raises:
            UsageError: an ``update-job`` asks for what UpdateJob does not take.
        """
        self.counts: dict[str, int] = {}
        """An incident's name → how often it did something to somebody."""
        self.watchers: list[Watch] = []
        self._host = host
        self._incidents = tuple(incidents)
        self._seed = seed
        self._who = who
        self._groups = groups
        self._tell = tell
        self._odds: list[_Odds] = []
        self._ordinals: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._updates = {i.name: _update(i) for i in self._incidents if i.kind == "update-job"}
        for incident in self._incidents:
            self.counts.setdefault(incident.name, 0)

    # ----------------------------------------------------------------------- its life

    def start(self, begin: float = 0.0) -> None:
        """Let the timeline run; its 0 is at ``begin`` on the host's clock."""
        self._odds = [
            _Odds(incident, self._seed, begin, self._who)
            for kind in FAULTS
            for incident in self._incidents
            if incident.kind == kind
        ]
        if self._incidents or self.watchers:  # else no door need ask
            self._host.stage = self
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._happen(incident, begin), name=f"incident {incident.name}")
            for incident in self._incidents
        ]
        for task in self._tasks:
            task.add_done_callback(_over)

    def stop(self) -> None:
        """Let nothing more happen."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        if self._host.stage is self:
            self._host.stage = None

    async def happened(self) -> None:
        """Wait until all has happened but what lasts, or comes again and again, for ever."""
        moments = [
            task
            for task, incident in zip(self._tasks, self._incidents, strict=False)  # none: not begun
            if incident.kind not in FAULTS
            and (incident.every is None or math.isfinite(incident.lasts))
        ]
        if moments:
            await asyncio.wait(moments)

    # ----------------------------------------------------------------------- the stage

    def befall(self, thing_name: str, *, twice: bool = True) -> Fault | None:
        """What befalls the thing's next request."""
        if not self._odds:
            return None
        self._ordinals[thing_name] = ordinal = self._ordinals[thing_name] + 1
        now = self._host.now()
        for odds in self._odds:
            if odds.befalls(thing_name, ordinal, now, twice):
                self.counts[odds.incident.name] += 1
                return odds.fault
        return None

    def saw(self, exchange: Exchange) -> None:
        """A request was dealt with: tell those who watch."""
        for watch in self.watchers:
            watch(exchange)

    # ----------------------------------------------------------------------- the timeline

    async def _happen(self, incident: Incident, begin: float) -> None:
        """One incident from its beginning to its end."""
        host, starts = self._host, begin + incident.at
        await host.until(starts)
        if incident.kind in FAULTS:
            self._say(incident, f"begins: {incident.kind}{_share(incident)}")
            if math.isfinite(incident.lasts):
                await host.until(starts + incident.lasts)
                self._say(incident, f"ends: {self.counts[incident.name]} requests")
            return
        if incident.every is None:
            await self._do(incident)
            self._say(incident, f"happened: {incident.kind} of {self._much(incident)}")
            return
        self._say(incident, f"begins: {incident.kind} every {incident.every:g} s")
        at = starts
        while at < starts + incident.lasts:
            await host.until(at)
            await self._do(incident)
            at += incident.every
        self._say(incident, f"ends: {self._much(incident)}")

    def _much(self, incident: Incident) -> str:
        return f"{self.counts[incident.name]} {MANY[incident.kind]}"

    async def _do(self, incident: Incident) -> None:
        if incident.kind == "disconnect":
            names = frozenset(self._who(incident.where))
            self.counts[incident.name] += self._host.disconnect(names)
            return
        owner = MANY[incident.kind] == "jobs"
        acts = self._of_jobs(incident) if owner else self._of_things(incident)
        while part := list(islice(acts, SLICE)):
            for act in part:
                try:
                    act(self._host.now())
                except Rejection as refused:
                    if owner:
                        self._say(incident, f"was refused: {refused}")
                else:
                    self.counts[incident.name] += 1
            self._host.publish()
            await asyncio.sleep(0)

    def _jobs(self, incident: Incident) -> list[str]:
        """The jobs that it is about: the one it names, or those of the scenario that are there."""
        if incident.job_id is not None:
            return [incident.job_id]
        return [job_id for job_id in self._groups if job_id in self._host.service.jobs]

    def _of_jobs(self, incident: Incident) -> Iterator[Act]:
        """What the owner does."""
        service, force = self._host.service, incident.force
        for job in self._jobs(incident):
            if incident.kind == "cancel-job":
                because = CancelJobRequest(comment=f"incident {incident.name}")
                yield partial(service.cancel_job, job, because, force)
            elif incident.kind == "delete-job":
                yield partial(service.delete_job, job, force)
            else:
                yield partial(service.update_job, job, self._updates[incident.name])

    def _of_things(self, incident: Incident) -> Iterator[Act]:
        """What befalls the executions and memberships of the things that are meant."""
        service, force = self._host.service, incident.force
        for job in self._jobs(incident):
            for name in self._who(incident.where):
                if incident.kind == "cancel-execution":
                    nothing = CancelJobExecutionRequest()
                    yield partial(service.cancel_job_execution, name, job, nothing, force)
                elif incident.kind == "second-writer":
                    yield from self._reports(incident, name, job)
                else:
                    yield from self._moves(incident, name, self._groups[job])

    def _reports(self, incident: Incident, name: str, job_id: str) -> Iterator[Act]:
        """Somebody else's progress report into what a thing has in progress."""
        service = self._host.service
        details = {MARK: incident.name}
        for execution in service.pending(name):
            if execution.status == "IN_PROGRESS" and execution.job.job_id == job_id:
                report = UpdateJobExecutionRequest("IN_PROGRESS", details)
                yield partial(service.update_job_execution, name, job_id, report)

    def _moves(self, incident: Incident, name: str, group: str) -> Iterator[Act]:
        """A thing enters or leaves a group, unless it is there (or gone) already."""
        service = self._host.service
        inside = group in service.registry.reached(name)
        if incident.kind == "join" and not inside:
            yield partial(service.add_thing_to_thing_group, name, group)
        elif incident.kind == "leave" and inside:
            yield partial(service.remove_thing_from_thing_group, name, group)

    def _say(self, incident: Incident, what: str) -> None:
        if self._tell is not None:
            self._tell(f"incident {incident.name} {what}")


def _over(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()  # a fault of ours must not pass in silence


def _update(incident: Incident) -> UpdateJobRequest:
    try:
        return msgspec.convert(dict(incident.request), UpdateJobRequest)
    except (msgspec.ValidationError, Rejection) as error:
        raise UsageError(f"incident {incident.name}: {error}; it is what UpdateJob takes") from None


def _share(incident: Incident) -> str:
    return "" if incident.kind == "outage" else f" of {incident.share:.4g} of all requests"
