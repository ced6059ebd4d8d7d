"""A finished run as tables for other tools: exchanges, executions, things, with names for numbers.

Rule 1: a column says its type, its unit and when it is null; ``docs/records.md`` is drawn from it.
Rule 2: times are seconds since the run began, to the microsecond. ``due_s``, ``sent_s`` and
        ``done_s`` are on the run's own clock, as in ``results.py``; all others are scenario time,
        so ``at_s`` is what meets the times of executions, whatever the clock.
Rule 3: rows are handed out in parts: no list is longer than one.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.behaviour import WorkTable
from simulator.executions import UNKNOWN
from simulator.finished_run import FinishedRun
from simulator.jobs.model import STATUSES

PART: Final = 131_072
"""Rows of a part, and of a row group."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``null`` says when it is; the empty text: never."""

    name: str
    type: Literal["text", "integer", "seconds"]
    what: str
    null: str = ""


@dataclass(frozen=True, slots=True)
class Coded:
    """Texts as places in a list of words; -1 is null."""

    codes: NDArray[np.int64]
    words: Sequence[str]

    def texts(self) -> list[str | None]:
        """The texts themselves."""
        words = [*self.words, None]  # -1 is the last
        return [words[code] for code in self.codes.tolist()]


Values = Coded | NDArray[Any] | Any
"""Of a column: coded texts, or numbers, masked where null (a masked array)."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a run."""

    name: str
    columns: tuple[Column, ...]
    rows: int
    read: Callable[[slice], tuple[Values, ...]]
    """The columns of some rows, in the order of ``columns``."""

    def parts(self) -> Iterator[tuple[Values, ...]]:
        """All rows, a part at a time."""
        for start in range(0, self.rows, PART):
            yield self.read(slice(start, min(self.rows, start + PART)))


_THING: Final = Column("thing", "text", "name of the thing")
_COHORT: Final = Column("cohort", "text", "its cohort")

RECORDS: Final = (
    _THING,
    _COHORT,
    Column("operation", "text", f"one of {', '.join(results.OPERATIONS)}"),
    Column(
        "outcome", "text",
        f"accepted, NoReply, Disconnected, or the code of the rejection: "
        f"{', '.join(results.OUTCOMES[results.DISCONNECTED + 1:])}",
    ),
    Column(
        "cause", "text", f"why a VersionMismatch came about: {', '.join(results.CAUSES[1:])}",
        "the outcome is another",
    ),
    Column(
        "edge", "text", "of a VersionMismatch: the status found → the status wanted",
        "the outcome is another, or the statuses are unknown",
    ),
    Column(
        "fault", "text",
        f"what the thing's network did to it: {', '.join(results.FAULTS[1:])}", "nothing",
    ),
    Column("job", "text", "id of the job that it was about", "it was about none"),
    Column(
        "attempt", "integer", "number of the execution that it was about", "it was about none"
    ),
    Column("due_s", "seconds", "when it was to begin, on the run's own clock"),
    Column("sent_s", "seconds", "when it began"),
    Column("done_s", "seconds", "when its reply came, or the waiting for it ended"),
    Column("at_s", "seconds", "when it began, in scenario time"),
)  # fmt: skip
"""One row for each exchange, in the order in which they ended."""

EXECUTIONS: Final = (
    _THING,
    _COHORT,
    Column("job", "text", "id of the job"),
    Column("attempt", "integer", "the execution number, from 1"),
    Column("retry", "integer", "AWS's retryAttempt: 0 of what was no retry"),
    Column("status", "text", f"one of {', '.join(STATUSES)}"),
    Column("queued_s", "seconds", "when it was created"),
    Column("started_s", "seconds", "when it went IN_PROGRESS", "it never did"),
    Column("updated_s", "seconds", "its last change: its end, where the status is terminal"),
    Column(
        "version", "integer", "its versionNumber at the end",
        "in a live run, which does not hear of it"
    ),
    Column(
        "details", "text", "statusDetails as JSON",
        "there were none; in a live run, which does not hear of them",
    ),
    Column(
        "truth", "text",
        "of one that timed out, what the thing was at: true (it had hung or vanished), working, "
        "unreported (done, and had not said so) or away; missed, if it hung and had not ended when "
        "the run did",
        "it did not time out, and did not hang",
    ),
)  # fmt: skip
"""One row for each execution."""

THINGS: Final = (
    _THING,
    _COHORT,
    Column("attributes", "text", "its attributes as JSON, the cohort among them"),
)
"""One row for each thing of the fleet, whether it did anything or not."""

_TRUTHS: Final = ("true", "working", "unreported", "away", "missed")
"""The truth about timeouts, in the order of ``report/timeouts.py``, without nothing."""

SCHEMAS: Final = {"records": RECORDS, "executions": EXECUTIONS, "things": THINGS}


def tables_of(run: FinishedRun) -> list[Table]:
    """Every table of a run: executions only where it kept them.

    Raises:
        UsageError: its records or executions cannot be read.
    """
    scenario = run.loaded.scenario
    fleet = _Fleet(WorkTable(scenario.cohorts(), run.summary.seed))
    found = [_records(run, fleet, scenario.job_ids)]
    if run.executions is not None:
        found.append(_executions(run, fleet))
    found.append(Table("things", THINGS, len(fleet.work), fleet.rows))
    return found


class _Fleet:
    """Names and cohorts of things."""

    def __init__(self, work: WorkTable) -> None:
        self.work = work
        self.names = work.names()
        self.cohorts = [cohort.name for cohort in work.cohorts]
        self._ends = np.cumsum([cohort.things for cohort in work.cohorts])

    def of(self, things: NDArray[Any]) -> tuple[Coded, Coded]:
        """Names and cohorts of things by number."""
        wanted = things.astype(np.int64)
        return Coded(wanted, self.names), Coded(
            np.searchsorted(self._ends, wanted, "right"), self.cohorts
        )

    def rows(self, rows: slice) -> tuple[Values, ...]:
        things = np.arange(rows.start, rows.stop)
        told = [json.dumps(self.work.attributes_of(thing)) for thing in things.tolist()]
        words = list(dict.fromkeys(told))
        place = {word: at for at, word in enumerate(words)}
        return (*self.of(things), Coded(np.array([place[one] for one in told], np.int64), words))


def _records(run: FinishedRun, fleet: _Fleet, jobs: Sequence[str]) -> Table:
    records, scale = run.records, run.summary.time_scale
    edges = [results.edge_name(edge) for edge in range(1, len(STATUSES) ** 2 + 1)]

    def read(rows: slice) -> tuple[Values, ...]:
        part = records[rows]
        number = part["attempt"].astype(np.int64)
        about = number > 0
        return (
            *fleet.of(part["thing"]),
            Coded(part["operation"].astype(np.int64), results.OPERATIONS),
            Coded(part["outcome"].astype(np.int64), results.OUTCOMES),
            # 0, which is nothing, becomes -1, which is null
            Coded(part["cause"].astype(np.int64) - 1, results.CAUSES[1:]),
            Coded(part["edge"].astype(np.int64) - 1, edges),
            Coded(part["fault"].astype(np.int64) - 1, results.FAULTS[1:]),
            Coded(np.where(about, part["job"].astype(np.int64), -1), jobs),
            np.ma.masked_array(number, ~about),
            *(_seconds(part[name]) for name in ("due", "sent", "done")),
            _seconds(part["sent"] * scale),
        )

    return Table("records", RECORDS, len(records), read)


def _executions(run: FinishedRun, fleet: _Fleet) -> Table:
    found = run.executions
    assert found is not None

    def read(rows: slice) -> tuple[Values, ...]:
        part = {name: values[rows] for name, values in found.columns.items()}
        return (
            *fleet.of(part["thing"]),
            Coded(part["job"].astype(np.int64), found.jobs),
            part["number"].astype(np.int64),
            part["retry"].astype(np.int64),
            Coded(part["status"].astype(np.int64), tuple(STATUSES)),
            _seconds(part["queued"]),
            np.ma.masked_invalid(_seconds(part["started"])),
            _seconds(part["updated"]),
            np.ma.masked_equal(part["version"].astype(np.int64), UNKNOWN),
            Coded(part["details"].astype(np.int64), found.details),
            Coded(part["truth"].astype(np.int64) - 1, _TRUTHS),
        )

    return Table("executions", EXECUTIONS, len(found), read)


def _seconds(values: NDArray[Any]) -> NDArray[np.float64]:
    rounded: NDArray[np.float64] = np.round(values, 6)
    return rounded
