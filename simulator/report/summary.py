"""The numbers of a run: a fold over its records and over what the service says at the end.

Rule 1: nothing of the machine or the wall clock enters here, so that a rehearsal's summary is the
        same to the byte for the same scenario and seed.
Rule 2: ``per_s`` and latencies are on the run's own clock (see ``results.py``); ``elapsed_s`` is
        scenario time.
Rule 3: what was not measured is no zero: an expectation about it fails.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

import msgspec
import numpy as np

from simulator import results
from simulator.expectations import Expectation, Unit, check
from simulator.fleet import Fates
from simulator.results import Records

LATENCIES: Final = (("p50", 50.0), ("p95", 95.0), ("p99", 99.0), ("p99_9", 99.9))


class RequestNumbers(msgspec.Struct):
    """One operation's exchanges.

    ``latency_ms`` is of answered ones: accepted or rejected. ``per_s`` is of those that began until
    the run ended, over the time until then; what things finish after a job's end (a retry after a
    lost reply, say) is in the counts and not in the rate.
    """

    sent: int
    accepted: int
    rejected: dict[str, int]
    no_reply: int
    per_s: float
    latency_ms: dict[str, float]


class Conflicts(msgspec.Struct):
    """VersionMismatch rejections: ``rate`` is their share of UpdateJobExecution requests sent."""

    count: int
    rate: float
    by_cause: dict[str, int]


class Timeouts(msgspec.Struct, rename={"true_": "true", "false_": "false"}):
    """Timeouts held against the truth.

    ``true``: the thing had hung. ``false``: it was still working, or done and ``unreported``.
    ``missed``: it hung, and its execution had not ended when the run did.
    """

    true_: int
    false_: int
    missed: int
    unreported: int


class Judged(msgspec.Struct):
    """One expectation and what was observed."""

    name: str
    expected: str
    observed: str
    passed: bool


class Verdict(msgspec.Struct):
    """Whether the run kept what the scenario expects of it."""

    passed: bool
    expectations: list[Judged]


class Summary(msgspec.Struct):
    """``summary.json``."""

    scenario: str
    seed: int
    clock: Literal["virtual", "wall"]
    transport: str
    things: int
    elapsed_s: float
    time_scale: float
    ended: str
    """Why the run ended: ``job completed``, ``until reached``, ``interrupted``, …"""
    executions: dict[str, int]
    requests: dict[str, RequestNumbers]
    conflicts: Conflicts
    timeouts: Timeouts
    unfinished: dict[str, int]
    not_rolled_out: int
    verdict: Verdict
    incidents: dict[str, int] = {}
    """How often each incident did something, by name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the service says when the run ends."""

    executions: Mapping[str, int]
    """Executions by status, those that are not zero."""
    timed_out: Iterable[tuple[str, int, float]]
    """(thing name, execution number, scenario seconds) of every execution that timed out."""
    in_progress: Iterable[tuple[str, int]]
    """(thing name, execution number) of every execution that is in progress still."""
    job_id: str
    not_rolled_out: int
    """Targets that have no execution yet."""


def count_requests(records: Records, clock_s: float) -> dict[str, RequestNumbers]:
    """Exchanges by operation, in a fixed order; ``clock_s`` is the run's length on its clock."""
    numbers = {}
    for code, name in enumerate(results.OPERATIONS):
        rows = records[records["operation"] == code]
        if not len(rows):
            continue
        by_outcome = np.bincount(rows["outcome"], minlength=len(results.OUTCOMES))
        answered = (rows["outcome"] != results.NO_REPLY) & (rows["outcome"] != results.DISCONNECTED)
        in_time = int(np.count_nonzero(rows["sent"] <= clock_s))
        took = (rows["done"] - rows["sent"])[answered] * 1000
        numbers[name] = RequestNumbers(
            sent=len(rows),
            accepted=int(by_outcome[results.ACCEPTED]),
            rejected={
                results.OUTCOMES[at]: int(count)
                for at, count in enumerate(by_outcome)
                if at > results.DISCONNECTED and count
            },
            no_reply=int(by_outcome[results.NO_REPLY] + by_outcome[results.DISCONNECTED]),
            per_s=round(in_time / clock_s, 3) if clock_s > 0 else 0.0,
            latency_ms=_percentiles(took),
        )
    return numbers


def _percentiles(milliseconds: Records) -> dict[str, float]:
    if not len(milliseconds):
        return {}
    values = np.percentile(milliseconds, [share for _, share in LATENCIES])
    named = {name: round(float(v), 3) for (name, _), v in zip(LATENCIES, values, strict=True)}
    return {**named, "max": round(float(milliseconds.max()), 3)}


def count_conflicts(records: Records) -> Conflicts:
    """Version conflicts and why they came about."""
    updates = records[records["operation"] == results.UPDATE]
    mismatched = updates[updates["outcome"] == results.VERSION_MISMATCH]
    causes = np.bincount(mismatched["cause"], minlength=len(results.CAUSES))
    return Conflicts(
        count=len(mismatched),
        rate=round(len(mismatched) / len(updates), 6) if len(updates) else 0.0,
        by_cause={name: int(causes[at]) for at, name in enumerate(results.CAUSES) if at},
    )


def schedule_slip(records: Records) -> float:
    """The 99th percentile, in seconds, of how late exchanges began that had a time to begin at.

    An exchange that simply follows another one (``due`` is ``sent``) has none and does not count:
    else the more a run retries, the better its schedule would look. A timer's resolution is a
    millisecond, so an exchange may begin a little early; that is no slip.
    """
    late = records["sent"] - records["due"]
    scheduled = late[late != 0]
    return max(0.0, float(np.percentile(scheduled, 99))) if len(scheduled) else 0.0


def judge_timeouts(outcome: Outcome, fates: Fates, time_scale: float = 1.0) -> Timeouts:
    """Hold what timed out against what the things really did."""
    true = false = unreported = 0
    for name, number, at in outcome.timed_out:
        execution = (outcome.job_id, number)
        if fates.hung.get(name) == execution:
            true += 1
        else:
            false += 1
            done = fates.unreported.get((name, *execution))
            unreported += done is not None and done * time_scale <= at
    missed = sum(
        fates.hung.get(name) == (outcome.job_id, number) for name, number in outcome.in_progress
    )
    return Timeouts(true, false, missed, unreported)


def judge(expectations: Iterable[Expectation], summary: Summary) -> Verdict:
    """The verdict: each expectation with what was observed."""
    judged = []
    for expectation in expectations:
        observed = observe(expectation.name, expectation.unit, summary)
        passed = observed is not None and check(expectation.operator, observed, expectation.value)
        shown = "nothing measured" if observed is None else _shown(observed, expectation, passed)
        judged.append(Judged(expectation.name, expectation.text, shown, passed))
    return Verdict(all(one.passed for one in judged), judged)


def observe(name: str, unit: Unit, summary: Summary) -> Fraction | None:
    """The exact value that an expectation is about: a share (0 to 1), a count, seconds or a rate.

    None where the run measured no such thing, or, for ``completes_within``, did not complete.
    """
    updates = summary.requests.get("UpdateJobExecution")
    things = summary.things
    counts: dict[str, int] = {
        "true_timeouts": summary.timeouts.true_,
        "false_timeouts": summary.timeouts.false_,
        "missed_timeouts": summary.timeouts.missed,
        "unfinished": sum(summary.unfinished.values()) + summary.not_rolled_out,
        "conflicts": summary.conflicts.count,
        "no_reply": sum(numbers.no_reply for numbers in summary.requests.values()),
    }
    match name:
        case "conflict_rate":
            return None if updates is None else Fraction(summary.conflicts.count, updates.sent)
        case "elapsed":
            return _exactly(summary.elapsed_s)
        case "completes_within":
            return _exactly(summary.elapsed_s) if summary.ended == COMPLETED else None
        case "updates_per_s":
            return None if updates is None else _exactly(updates.per_s)
        case "p99_latency":
            p99 = None if updates is None else updates.latency_ms.get("p99")
            return None if p99 is None else _exactly(p99) / 1000
    count = counts.get(name, summary.executions.get(name.upper(), 0))
    if unit != "share":
        return Fraction(count)
    return Fraction(count, things) if things else None


COMPLETED: Final = "job completed"


def _exactly(number: float) -> Fraction:
    """A rounded number as it is written, digit by digit: 0.007 and not the float nearest to it."""
    return Fraction(repr(number))


_SHOWN: Final[dict[Unit, tuple[int, int, str]]] = {
    "share": (100, 2, "%"),
    "count": (1, 0, ""),
    "duration": (1, 3, "s"),
    "rate": (1, 1, ""),
}
"""By unit: the factor, the digits behind the point that are enough as a rule, the sign behind."""


def _shown(observed: Fraction, expectation: Expectation, passed: bool) -> str:
    """Rounded, but never so far that it contradicts the verdict."""
    factor, usual, sign = _SHOWN[expectation.unit]
    for digits in range(usual, usual + 8):
        if check(expectation.operator, round(observed * factor, digits) / factor,
                 expectation.value) == passed:  # fmt: skip
            break
    return f"{float(observed * factor):.{digits}f}{sign}"


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary as JSON members."""
    members = msgspec.to_builtins(summary)
    assert isinstance(members, dict)
    if not summary.incidents:
        del members["incidents"]
    return members
