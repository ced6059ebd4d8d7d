"""What is found of two runs: which differences are regressions, and whether they compare at all.

Law 1: a regression is worse, by more than its limit, and by more than chance: its p-value, after
       Holm over everything that was tested, is below alpha. What has no test is judged by its
       limit alone, and only where one was asked for.
Law 2: a promise that was kept and is broken (an expectation, a job that completed) is a regression
       without statistics: the scenario says what matters.
Law 3: what cannot be compared is said, and left out; runs of different scenarios are compared all
       the same, since a changed scenario is the question, mostly.
"""

import filecmp
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from simulator.compare.limits import Limits
from simulator.compare.measures import Curve, Measure, Measuring
from simulator.compare.samples import Things
from simulator.compare.statistics import holm
from simulator.executions import FILE as EXECUTIONS
from simulator.finished_run import RECORDS, SUMMARY, FinishedRun
from simulator.report.summary import COMPLETED
from simulator.run_directory import SCENARIO

Finding = Literal["regression", "improvement", "slight", "same", "untested"]
"""``slight``: more than chance, and within its limit; ``same``: no more than chance, or no more
than a little; ``untested``: not judged."""

_NAMES: Final = ("cohort", "name", "jobId", "id")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure, judged. ``p`` is after Holm."""

    measure: Measure
    p: float | None
    finding: Finding


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that a run keeps or breaks."""

    name: str
    a: str
    b: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs beside each other. A is the baseline."""

    a: FinishedRun
    b: FinishedRun
    limits: Limits
    identical: bool
    paired: bool
    remarks: tuple[str, ...]
    changed: tuple[tuple[str, str, str], ...]
    """Keys of the scenarios that differ, with both values."""
    promises: tuple[Promise, ...]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...] = ()

    @property
    def regressions(self) -> tuple[str, ...]:
        """What got worse, in words: promises first, then numbers, a group of them together."""
        groups: dict[str, list[str]] = {}
        for row in self.rows:
            if row.finding == "regression":
                groups.setdefault(row.measure.group, []).append(row.measure.name)
        broken = [one.name for one in self.promises if one.finding == "regression"]
        return (*broken, *(f"{group}: {', '.join(names)}" for group, names in groups.items()))


def compare(a: FinishedRun, b: FinishedRun, limits: Limits) -> Comparison:
    """Compare two runs.

    Raises:
        UsageError: the records of one cannot be read.
    """
    if _identical(a.folder, b.folder):
        return Comparison(a, b, limits, True, True, (), (), (), ())
    changed = tuple(_changed(_keys(a), _keys(b)))
    paired = _paired(a, b)
    latencies = a.summary.clock == b.summary.clock
    measuring = Measuring(Things(a), Things(b), limits, paired=paired, latencies=latencies)
    rows = judge(list(measuring.all()), limits.alpha)
    return Comparison(
        a, b, limits, False, paired, tuple(_remarks(a, b, changed)), changed,
        tuple(_promises(a, b)), rows, tuple(measuring.curves()),
    )  # fmt: skip


def judge(measures: list[Measure], alpha: float) -> tuple[Row, ...]:
    """Say of each measure what is found, all tests taken together."""
    tested = [
        at for at, one in enumerate(measures) if one.test and one.worse and one.limit is not None
    ]
    adjusted = dict(
        zip(tested, holm([measures[at].test.p for at in tested]), strict=True)  # type: ignore[union-attr]  # those that have one
    )
    return tuple(
        Row(one, adjusted.get(at), _found(one, adjusted.get(at), alpha))
        for at, one in enumerate(measures)
    )


def _found(measure: Measure, p: float | None, alpha: float) -> Finding:
    if measure.limit is None or not measure.worse or measure.difference is None:
        return "untested"
    if p is None and not measure.alone:
        return "untested"  # too few
    if p is not None and p >= alpha:
        return "same"
    if not measure.beyond:
        return "same" if p is None else "slight"
    return "regression" if measure.difference * measure.worse > 0 else "improvement"


# ------------------------------------------------------------------------------- promises


def _promises(a: FinishedRun, b: FinishedRun) -> Iterator[Promise]:
    was_end, end = a.summary.ended, b.summary.ended
    if was_end != end:
        lost = was_end == COMPLETED and end != "interrupted"
        won = end == COMPLETED and was_end != "interrupted"
        finding: Finding = "regression" if lost else "improvement" if won else "untested"
        yield Promise("ended", was_end, end, finding)
    before = {one.name: one for one in a.summary.verdict.expectations}
    for now in b.summary.verdict.expectations:
        was = before.get(now.name)
        if was is None:
            continue
        same: Finding = "same"
        if was.passed != now.passed:
            same = "regression" if was.passed else "improvement"
        yield Promise(
            f"{now.name} {now.expected}",
            f"{'ok' if was.passed else 'FAILED'} {was.observed}",
            f"{'ok' if now.passed else 'FAILED'} {now.observed}",
            same,
        )


# ------------------------------------------------------------------------------- comparability


def _identical(a: Path, b: Path) -> bool:
    """Whether two rehearsals came to the same, to the byte."""
    names = (SCENARIO, SUMMARY, RECORDS, EXECUTIONS)
    return all((a / name).exists() == (b / name).exists() for name in names) and all(
        filecmp.cmp(a / name, b / name, shallow=False) for name in names if (a / name).exists()
    )


def _paired(a: FinishedRun, b: FinishedRun) -> bool:
    """Whether a thing of one is the same thing in the other: rehearsed, of the same draws."""
    fleets = [[(one.name, one.things) for one in run.loaded.scenario.cohorts()] for run in (a, b)]
    return (
        not a.live and not b.live
        and a.summary.seed == b.summary.seed
        and fleets[0] == fleets[1]
    )  # fmt: skip


def _remarks(
    a: FinishedRun, b: FinishedRun, changed: tuple[tuple[str, str, str], ...]
) -> Iterator[str]:
    one, other = a.summary, b.summary
    if one.clock != other.clock:
        yield (
            f"the clocks differ ({one.clock}, {other.clock}): latencies are not compared, since a "
            "rehearsal's are drawn and a live run's are measured"
        )
    if one.clock == other.clock and one.transport != other.transport:
        yield f"the transports differ ({one.transport}, {other.transport}), and latencies with them"
    if (one.clock, one.time_scale) != (other.clock, other.time_scale) and "wall" in (
        one.clock, other.clock,
    ):  # fmt: skip
        yield (
            f"the time scales differ ({one.time_scale:g}, {other.time_scale:g}): the network takes "
            "another share of scenario time"
        )
    if one.scenario != other.scenario:
        yield f"the scenarios have different names ({one.scenario}, {other.scenario})"
    if one.things != other.things:
        yield f"the fleets differ in size ({one.things:,}, {other.things:,} things)"
    for name, run in (("A", a), ("B", b)):
        if run.summary.ended == "interrupted":
            yield f"{name} was interrupted: it is what was seen until then"
    if a.live and b.live:
        told = [run.machine.get("platform") for run in (a, b)]
        if told[0] != told[1]:
            yield f"the machines differ ({told[0]}, {told[1]})"
        yield (
            "of a live run the machine's day is part of what is measured, and a test cannot tell "
            "it from a change: run both twice before you believe a small difference"
        )
    if not changed and one.seed != other.seed:
        yield f"the same scenario with two seeds ({one.seed}, {other.seed})"


def _keys(run: FinishedRun) -> dict[str, str]:
    """The resolved scenario's keys by dotted path; cohorts, jobs and the like by their names."""
    text = (run.folder / SCENARIO).read_text(encoding="utf-8")
    found = dict(_flat(yaml.load(text, yaml.CSafeLoader), ""))
    found.pop("seed", None)
    return found


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for at, inner in enumerate(value):
            names = [inner[key] for key in _NAMES if isinstance(inner, Mapping) and key in inner]
            yield from _flat(inner, f"{path}[{names[0] if names else at}]")
    else:
        yield path, str(value)


def _changed(a: dict[str, str], b: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for key in dict.fromkeys((*a, *b)):
        if a.get(key) != b.get(key):
            yield key, a.get(key, "–"), b.get(key, "–")
