"""What surrounds a thing: its link to a Jobs service, and what all things of a run share."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Protocol

from simulator.behaviour import Agent, Network, NetworkChance, Outcome, PresenceTable, WorkTable
from simulator.behaviour.mixing import mix
from simulator.clock import VirtualLoop
from simulator.errand import nap
from simulator.jobs.messages import DataReply, DataRequest, Notify, NotifyNext
from simulator.pacing import Desk
from simulator.results import Recorder

SECOND: Final = 0x7365
"""The kind of chance by which a thing has a second agent."""


class Listener(Protocol):
    """Who hears from a link unasked: a thing, or what stands between it and its link."""

    def notified(self, notice: NotifyNext) -> None:
        """Another execution is next, or none."""

    def disconnected(self) -> None:
        """The connection ended by itself."""


class Link(Protocol):
    """A thing's own connection to a Jobs service, whatever it is made of.

    Rule 1: in virtual time, work and the round trip that follows are one sleep: ``call`` takes the
            seconds of work as ``after`` and sends its request when they are over. A live link is
            always asked with ``after`` 0.
    Rule 2: what the network does to the request depends on when it is sent, not on when ``call``
            was called.
    Rule 3: a call is cancelled when something comes between: the connection is lost while the work
            goes on, say. Then nothing was sent, unless the time to send had come.
    Rule 4: a link that loses its connection sets ``connected`` to False and calls the thing's
            ``disconnected``; calls under way raise Disconnected, at the latest when they wake up.
    """

    fault: int
    """What the network did to the last exchange: an index into ``results.FAULTS``."""

    @property
    def connected(self) -> bool:
        """Whether ``call`` can be used."""

    async def connect(self) -> None:
        """Connect and subscribe; raise Disconnected where that fails."""

    def call(
        self, job_id: str | None, request: DataRequest, after: float = 0.0
    ) -> Awaitable[DataReply]:
        """Ask, ``after`` seconds from now, and wait for the answer: to be awaited at once.

        Raises:
            Rejection: the service said no.
            NoReply: it did not answer in time.
            Disconnected: there is no connection (any more).
        """

    def close(self) -> None:
        """End the connection; ``disconnected`` is not called."""


class Prompt(Protocol):
    """A link in virtual time that can be asked without a coroutine, one exchange at a time.

    Who has an idle one calls ``after``, sleeps for so long and then calls ``ask``. A million things
    do this five times each; what is out of the ordinary goes through ``Link.call``.
    """

    def after(self, seconds: float) -> float | None:
        """Begin an exchange ``seconds`` from now; None: it must go through ``call``.

        Returns:
            After how long to ask.
        """

    @property
    def ask(self) -> Callable[[str | None, DataRequest], DataReply]:
        """Ask (job id, request) and have the answer; raises as ``Link.call``."""


class Ways(NamedTuple):
    """How an agent wants to be connected, where there is a choice."""

    suffix: str = ""
    """Behind the thing's name, as client id: of a second agent."""
    reader: Callable[[Notify], object] | None = None
    """Who is told of the thing's pending list."""
    reply_timeout: float | None = None
    unasked: bool = True
    """Whether it wants to be told of what is next; else it looks by itself."""


class Activity(Protocol):
    """A coroutine under way: a task, or what a virtual loop has in its place."""

    def cancel(self) -> object:
        """Raise CancelledError in it, where it waits."""


class Mishap(NamedTuple):
    """What befell a thing in an execution; times in seconds on the run's clock."""

    thing: int
    execution: tuple[str, int]
    outcome: Outcome
    since: float
    until: float


class Absence(NamedTuple):
    """A time without a connection, and by which of ``results.FAULTS``."""

    thing: int
    since: float
    fault: int
    until: float


@dataclass(slots=True)
class World:
    """What all things of a run share."""

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    """Seconds on the run's clock since it began: what records are stamped with. Not always the
    loop's own time, which uvloop keeps in whole milliseconds."""
    work: WorkTable
    network: Network
    chance: NetworkChance
    recorder: Recorder
    time_scale: float = 1.0
    seed: int = 1
    jobs: dict[str, int] = field(default_factory=dict)
    """A job's id → its index in the scenario."""
    presence: PresenceTable | None = None
    """When which thing is there; None: always."""
    desk: Desk | None = None
    """Hands out the turns to report, under open load; None: a report is due when work is done."""
    unreported: list[tuple[int, tuple[str, int], float]] = field(default_factory=list)
    """(thing, execution, when its work was done) of every end that a thing reported in vain."""
    mishaps: list[Mishap] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    """Those that are over."""
    virtual: bool = field(init=False)
    spawn: Callable[[Coroutine[Any, Any, None]], Activity] = field(init=False)
    """Set a coroutine going."""
    sleep: Callable[[float], Awaitable[None]] = field(init=False)
    """Wait for seconds of the run's clock, in what ``spawn`` has set going."""
    nap: Callable[[float], Awaitable[None]] = field(init=False)
    """``sleep`` of who is in no doubt that it runs in what ``spawn`` has set going."""
    agents: tuple[Agent, ...] = field(init=False)
    """Each cohort's agent, with what the network says of waiting filled in."""

    def __post_init__(self) -> None:
        """Know the clock."""
        loop = self.loop
        self.virtual = isinstance(loop, VirtualLoop)
        if isinstance(loop, VirtualLoop):
            self.spawn, self.sleep, self.nap = loop.errand, loop.sleep, nap
        else:
            self.spawn, self.sleep = loop.create_task, asyncio.sleep
            self.nap = asyncio.sleep
        self.agents = tuple(
            settled(cohort.agent, self.network if cohort.network is None else cohort.network)
            for cohort in self.work.cohorts
        )

    def agent_of(self, thing: int) -> Agent:
        """What a thing's agent is like."""
        return self.agents[self.work.cohort_of(thing)]

    def accompanied(self, thing: int) -> bool:
        """Whether a second agent runs on a thing."""
        share = self.agent_of(thing).second
        return share > 0 and self.luck(SECOND, thing, 0) < share

    def luck(self, kind: int, thing: int, ordinal: int) -> float:
        """A number from 0 up to 1: chance that no table holds."""
        return (mix(mix(self.seed, kind, 0), thing, ordinal) >> 11) / 2**53


def settled(agent: Agent, network: Network) -> Agent:
    """The agent with the network's backoff and reply timeout where it has none of its own."""
    own = agent.backoff_base, agent.backoff_maximum, agent.reply_timeout
    base, maximum, timeout = own
    return replace(
        agent,
        backoff_base=network.backoff_base if base is None else base,
        backoff_maximum=network.backoff_maximum if maximum is None else maximum,
        reply_timeout=network.reply_timeout if timeout is None else timeout,
    )
