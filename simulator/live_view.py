"""A run on a terminal while it goes on: one look for rehearsals and live runs, from snapshots.

Rule 1: on a terminal one picture is drawn over the other, and is gone at the end; elsewhere there
        are plain lines, so that a log tells the same story.
Rule 2: whoever shows computes differences only (``snapshots.py``), and starts no thread.
Rule 3: nothing here ends a run: a picture that cannot be drawn is not worth one.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TextIO

from simulator.jobs.model import STATUSES
from simulator.jobs.rollout import DEFAULT_PER_MINUTE
from simulator.run import Resolved
from simulator.snapshots import Snapshot
from simulator.terminal import OF_STATUS, has_colours, is_drawable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EVERY_S: Final = {True: 5.0, False: 1.0}
"""Wall seconds between two plain lines: of a rehearsal, which is soon over, and of a live run."""

NARROWEST: Final = 24
"""Columns below which lines are better than a picture."""


@dataclass(frozen=True, slots=True)
class About:
    """What does not change while it goes on."""

    name: str
    seed: int
    per_minute: int | None
    """The rate that its job is configured with; None where it grows, or there are several."""

    @classmethod
    def of(cls, resolved: Resolved) -> "About":
        """What is to be said of a scenario."""
        scenario = resolved.scenario
        rollout = scenario.create_job_request("").get("jobExecutionsRolloutConfig") or {}
        rate = rollout.get("maximumPerMinute", DEFAULT_PER_MINUTE)
        plain = len(scenario.job_ids) == 1 and "exponentialRate" not in rollout
        return cls(resolved.name, resolved.seed, rate if plain else None)


class View(Protocol):
    """Whoever shows snapshots."""

    def show(self, snapshot: Snapshot) -> None:
        """Show how far it is now."""

    def close(self) -> None:
        """Show nothing any more."""


class Rates(NamedTuple):
    """How fast it goes: requests and updates by the wall clock, releases by scenario minutes."""

    requests_per_s: float
    updates_per_s: float
    released_per_minute: float


class Recent:
    """The last snapshots, for differences: over a wall second or two, or a scenario minute."""

    def __init__(self) -> None:
        self._kept: deque[Snapshot] = deque(maxlen=512)

    def rates(self, now: Snapshot) -> Rates:
        """Take a snapshot; how fast it goes since earlier ones."""
        kept = self._kept
        before = next((one for one in reversed(kept) if now.wall_s - one.wall_s >= 0.9), None)
        minute = next((o for o in reversed(kept) if now.scenario_s - o.scenario_s >= 60), None)
        kept.append(now)
        wall = max(0.1, now.wall_s - (before.wall_s if before else 0.0))
        minutes = max(60.0, now.scenario_s - (minute.scenario_s if minute else 0.0)) / 60
        return Rates(
            (now.requests - (before.requests if before else 0)) / wall,
            (now.updates - (before.updates if before else 0)) / wall,
            (now.released - (minute.released if minute else 0)) / minutes,
        )


def clock(seconds: float) -> str:
    """Seconds as days and a clock."""
    days, rest = divmod(int(seconds), 86_400)
    return (f"{days}d " if days else "") + f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def view_for(
    about: About, stream: TextIO | None = None, say: Callable[[str], object] | None = None
) -> View:
    """A picture where one can be drawn, else lines; ``say`` writes one of these."""
    stream = sys.stderr if stream is None else stream
    if is_drawable(stream):
        from rich.console import Console

        console = Console(file=stream, no_color=not has_colours(stream), highlight=False)
        if console.width >= NARROWEST:
            return Picture(about, console)
    return Lines(say or partial(_write, stream))


def _write(stream: TextIO, line: str) -> None:
    """A line, if anybody reads it."""
    with suppress(OSError):
        stream.write(line + "\n")
        stream.flush()


# ------------------------------------------------------------------------------- in words


class Lines:
    """One line a second, or every few."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._recent = Recent()
        self._said = 0.0

    def show(self, snapshot: Snapshot) -> None:
        """Say it, if it is time again."""
        rates = self._recent.rates(snapshot)
        if snapshot.wall_s - self._said >= EVERY_S[snapshot.virtual] - 0.2:
            self._said = snapshot.wall_s
            self._say(as_line(snapshot, rates))

    def close(self) -> None:
        """There is nothing to take back."""


def as_line(snapshot: Snapshot, rates: Rates) -> str:
    """``12s  1000/1000 connected  QUEUED=3 …  812 requests/s  3 failures``."""
    said = [f"{snapshot.wall_s:5.0f}s"]
    if snapshot.virtual:
        said.append(f"{clock(snapshot.scenario_s)} of at most {clock(snapshot.until_s)}")
    else:
        said.append(f"{snapshot.connected}/{snapshot.things} connected")
    said.append(" ".join(f"{status}={count}" for status, count in snapshot.executions.items()))
    said.append(f"{rates.requests_per_s:,.0f} requests/s")
    said.append(f"{snapshot.failures} failures")
    if snapshot.conflicts:
        said.append(f"{sum(snapshot.conflicts.values())} conflicts")
    return "  ".join(said)


# ------------------------------------------------------------------------------- in pictures


class Picture:
    """A panel that is drawn anew with each snapshot."""

    def __init__(self, about: About, console: "Console") -> None:
        from rich.live import Live

        self._about = about
        self._recent = Recent()
        self._console = console
        self._live: Live | None = Live(console=console, transient=True, auto_refresh=False)
        self._begun = False

    def show(self, snapshot: Snapshot) -> None:
        """Draw it."""
        live = self._live
        if live is None:
            return
        rates = self._recent.rates(snapshot)
        try:
            if not self._begun:
                self._begun = True
                live.start()
            live.update(picture(snapshot, rates, self._about, self._console), refresh=True)
        except OSError:  # the terminal has gone
            self._live = None

    def close(self) -> None:
        """Take it away, and give the terminal its cursor back."""
        live, self._live = self._live, None
        if live is not None and self._begun:
            live.stop()


def picture(snapshot: Snapshot, rates: Rates, about: About, console: "Console") -> "RenderableType":
    """The whole panel, as wide as the console."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    width = max(16, console.width - 4)
    parts: list[Any] = [_progress(snapshot, width, console), Text(_times(snapshot))]
    parts += [Text(""), *_bars(snapshot, width, console), Text("")]
    parts += [Text(line) for line in _numbers(snapshot, rates, about)]
    title = f"{about.name}: {snapshot.things:,} things, seed {about.seed}"
    return Panel(Group(*parts), title=Text(title, overflow="ellipsis"), title_align="left")


def _full(console: "Console") -> tuple[str, str]:
    """What a bar is made of: where it is full, and where it is not."""
    utf = console.encoding.lower().startswith("utf")
    return ("━", "─") if utf else ("#", "-")


def _progress(snapshot: Snapshot, width: int, console: "Console") -> Any:
    from rich.text import Text

    left = snapshot.left_s
    said = f" {snapshot.done:4.0%}" + ("" if left is None else f", about {left:,.0f} s left")
    room = max(6, width - len(said))
    full, rest = _full(console)
    filled = round(room * snapshot.done)
    return Text.assemble((full * filled, "green"), (rest * (room - filled), "bright_black"), said)


def _times(snapshot: Snapshot) -> str:
    kind = "virtual" if snapshot.virtual else "scenario"
    said = f"{kind} time {clock(snapshot.scenario_s)} of at most {clock(snapshot.until_s)}"
    return f"{said}; wall time {clock(snapshot.wall_s)}"


def _bars(snapshot: Snapshot, width: int, console: "Console") -> Iterator[Any]:
    """Executions by status, each with its share of all that there are and will be."""
    from rich.text import Text

    counts: dict[str, int] = {name: snapshot.executions.get(name, 0) for name in STATUSES}
    counts = {name: count for name, count in counts.items() if count}
    if snapshot.to_come:
        counts = {"to come": snapshot.to_come, **counts}
    whole = max(1, sum(counts.values()))
    digits = max((len(f"{count:,}") for count in counts.values()), default=1)
    room = max(2, width - 12 - digits - 6)
    full, _ = _full(console)
    for name, count in counts.items():
        filled = max(1, round(room * count / whole))
        label = name.lower().replace("_", " ")
        yield Text.assemble(
            f"{label:<11} ",
            (full * filled, OF_STATUS.get(name, "bright_black")),
            f"{'':<{room - filled}} {count:>{digits},} {count / whole:>4.0%}",
        )


def _numbers(snapshot: Snapshot, rates: Rates, about: About) -> Iterator[str]:
    """Rates, conflicts, lag: the lines below the bars."""
    what = "a second of wall time" if snapshot.virtual else "a second"
    yield f"{rates.requests_per_s:,.0f} requests, {rates.updates_per_s:,.0f} updates {what}"
    configured = "" if about.per_minute is None else f" of {about.per_minute:,} configured"
    yield f"{rates.released_per_minute:,.0f} released a minute{configured}"
    causes = ", ".join(f"{cause} {count:,}" for cause, count in snapshot.conflicts.items())
    total = sum(snapshot.conflicts.values())
    yield f"{total:,} conflicts{f': {causes}' if causes else ''}"
    yield f"{snapshot.failures:,} failures, {snapshot.no_reply:,} of them without a reply"
    if not snapshot.virtual:
        lag = snapshot.lag
        yield f"{snapshot.connected:,} of {snapshot.things:,} connected"
        cpu = f", busiest process {lag.cpu:.0%} of a core" if lag.cpu else ""
        loop = f", loop {lag.loop_lag_ms:,.0f} ms" if lag.loop_lag_ms else ""
        yield f"lag: p99 slip {lag.slip_p99_ms:,.1f} ms{loop}{cpu}"
