"""``summary.json``: every number of a run, as structs that say their own units.

Rule 1: nothing of the machine or the wall clock enters here, so that a rehearsal's summary is the
        same to the byte for the same scenario and seed; ``generator`` is of live runs alone.
Rule 2: ``per_s`` of requests and latencies are on the run's own clock (see ``results.py``); all
        other times are scenario time.
Rule 3: a field's ``Meta`` says what an expectation may hold it against, and which keys a mapping
        may have: ``expectations.py`` reads it there.
"""

import json
import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from simulator import results
from simulator.jobs.model import JOB_STATUSES, STATUSES

LATENCIES: Final = (("p50", 50.0), ("p95", 95.0), ("p99", 99.0), ("p99_9", 99.9))
TERMINALS: Final = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0))
COMPLETED: Final = "job completed"
INTERRUPTED: Final = "interrupted"
"""Two of the ways in which a run ends."""

_REJECTIONS: Final = tuple(results.OUTCOMES[results.DISCONNECTED + 1 :])
_CAUSES: Final = results.CAUSES[1:]


def _measured(unit: str, of: str | None = None) -> Meta:
    """``unit`` of a number, and ``of`` what it may be a share."""
    return Meta(extra={"unit": unit, "of": of})


def _keys(names: tuple[str, ...] | str) -> Meta:
    """The keys of a mapping: these, or those of the scenario (``cohorts``, ``jobs``), or any."""
    return Meta(extra={"keys": names})


Count = Annotated[int, _measured("count")]
OfTargets = Annotated[int, _measured("count", "targets")]
OfUpdates = Annotated[int, _measured("count", "updates")]
OfRequests = Annotated[int, _measured("count", "requests")]
Seconds = Annotated[float, _measured("duration")]
Instant = Annotated[float | None, _measured("duration")]
Milliseconds = Annotated[float, _measured("milliseconds")]
PerSecond = Annotated[float, _measured("rate")]
Share = Annotated[float, _measured("share")]

ByStatus = Annotated[dict[str, OfTargets], _keys(tuple(STATUSES))]
ByCause = Annotated[dict[str, OfUpdates], _keys(_CAUSES)]
Latency = Annotated[dict[str, Milliseconds], _keys((*(name for name, _ in LATENCIES), "max"))]
TimeToTerminal = Annotated[dict[str, Seconds], _keys((*(name for name, _ in TERMINALS), "max"))]


class RequestNumbers(msgspec.Struct):
    """One operation's exchanges.

    Both times are of answered ones: accepted or rejected. ``latency_ms`` is the service time, from
    a request's sending to its answer; ``response_ms`` counts from when it was due, and so shows
    what a slow service makes those wait who come after. ``per_s`` is of those that began until the
    run ended, over the time until then; what things finish after a job's end (a retry after a lost
    reply, say) is in the counts and not in the rate.
    """

    sent: Count
    accepted: Count
    rejected: Annotated[dict[str, Count], _keys(_REJECTIONS)]
    no_reply: Count
    per_s: PerSecond
    latency_ms: Latency
    response_ms: Latency


class OpenLoad(msgspec.Struct):
    """The schedule of ``load.updates``, until the run ended.

    ``due`` arrivals had come, ``begun`` ones were taken on by a thing, and ``waiting`` is the rest:
    no thing was free for them. They are in no latency.
    """

    due: Count
    begun: Count
    waiting: Count


class Generator(msgspec.Struct):
    """Of live runs: how well the generator kept its own schedule; nothing to do with the service.

    ``slip`` is how late what was scheduled began, of the generator's own making. ``loop_lag`` is
    how late a timer of a fleet's loop was, the largest of each second. ``cpu`` is the share of one
    core that a process with things took, by the second. ``kept``: p99 slip was within
    ``load.max_slip``.
    """

    slip_p99_ms: float
    slip_max_ms: float
    loop_lag_p99_ms: float
    loop_lag_max_ms: float
    cpu_mean: float
    cpu_max: float
    kept: bool


class Conflicts(msgspec.Struct):
    """VersionMismatch rejections: ``rate`` is their share of UpdateJobExecution requests sent."""

    count: OfUpdates
    rate: Share
    by_cause: ByCause
    by_edge: Annotated[dict[str, ByCause], _keys("any")] = {}
    """From the status found to the status wanted, then by cause; those that are not zero."""
    by_attempt: Annotated[dict[str, ByCause], _keys("any")] = {}
    """By execution number, then by cause; those that are not zero."""


class Timeouts(msgspec.Struct, rename={"true_": "true", "false_": "false"}):
    """Timeouts held against the truth.

    ``true``: the thing had hung or vanished. ``false``: it was still working, or done and
    ``unreported``, or just ``away`` (both are among the false ones). ``missed``: it hung, and its
    execution had not ended when the run did.
    """

    true_: OfTargets
    false_: OfTargets
    missed: OfTargets
    unreported: OfTargets
    away: OfTargets = 0


class Retries(msgspec.Struct):
    """Executions beyond the first of a thing, and how many ``things`` had any."""

    count: OfTargets = 0
    things: OfTargets = 0


class AttemptNumbers(msgspec.Struct):
    """What became of one attempt (execution number)."""

    executions: Count
    by_status: Annotated[dict[str, Count], _keys(tuple(STATUSES))]
    conflicts: Count


class QuotaUse(msgspec.Struct):
    """One of AWS's rates: what the run asked of it. Seconds are whole ones from the run's start.

    ``over`` is how many requests lay beyond the quota: without retries of theirs, so it is the
    least that AWS would throttle. ``peak_per_minute`` is of quotas of the account.
    """

    quota: Count
    requests: Count
    peak_per_s: PerSecond = 0
    peak_at_s: Instant = None
    peak_per_minute: Count = 0
    seconds_over: Seconds = 0
    first_over_s: Instant = None
    last_over_s: Instant = None
    """The end of the last second with any beyond the quota."""
    over: Count = 0
    share_over: Share = 0.0


class Budget(msgspec.Struct):
    """The run against AWS's fixed rates.

    ``throttled`` requests were really answered RequestThrottled, in ``throttled_for_s`` different
    seconds; what is ``over`` AWS would have throttled, if ``in_force`` is false.
    """

    in_force: Annotated[bool, _measured("flag")]
    writes: QuotaUse
    reads: QuotaUse
    connects: QuotaUse
    connects_per_client: QuotaUse
    publishes_per_connection: QuotaUse
    publishes_in: QuotaUse
    publishes_out: QuotaUse
    over_for_s: Seconds = 0
    """Seconds in which writes or reads lay beyond their quota."""
    throttled: OfRequests = 0
    throttled_for_s: Seconds = 0
    first_throttled_s: Instant = None
    last_throttled_s: Instant = None


class CohortNumbers(msgspec.Struct):
    """One cohort."""

    things: Count
    targets: Count
    executions: ByStatus
    not_rolled_out: OfTargets
    timeouts: Timeouts
    retries: Retries
    updates: Count
    """UpdateJobExecution requests sent."""
    conflicts: OfUpdates
    by_cause: ByCause
    latency_ms: Latency
    """Of UpdateJobExecution."""
    time_to_terminal_s: TimeToTerminal


class JobNumbers(msgspec.Struct):
    """One job of several."""

    status: Annotated[str, _keys(tuple(JOB_STATUSES))]
    aborted: Annotated[bool, _measured("flag")]
    targets: Count
    executions: ByStatus
    not_rolled_out: OfTargets
    retries: Retries
    conflicts: Count
    time_to_terminal_s: TimeToTerminal


class Timeline(msgspec.Struct):
    """The run in at most 200 buckets of ``bucket_s`` scenario seconds, as columns.

    ``executions`` by status are as they stood at the bucket's end (that instant is in it);
    ``released`` (executions created), ``updates``, ``requests`` and ``conflicts`` by cause are
    what happened in it.
    """

    bucket_s: float
    end_s: list[float]
    executions: dict[str, list[int]]
    released: list[int]
    updates: list[int]
    requests: list[int]
    conflicts: dict[str, list[int]]


class Judged(msgspec.Struct):
    """One expectation, what was observed, and how far from failing (negative: from holding)."""

    name: str
    expected: str
    observed: str
    passed: bool
    margin: str = ""
    value: float | None = None
    """What was observed, as a number: a share from 0 to 1, a count, seconds, a rate."""
    spare: float | None = None
    """The margin as a number, in the same unit."""


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
    things: Count
    elapsed_s: Seconds
    time_scale: float
    ended: str
    """Why the run ended: ``job completed``, ``until reached``, ``interrupted``, …"""
    executions: ByStatus
    requests: Annotated[dict[str, RequestNumbers], _keys(results.OPERATIONS)]
    conflicts: Conflicts
    timeouts: Timeouts
    unfinished: ByStatus
    not_rolled_out: OfTargets
    verdict: Verdict
    targets: Count
    """What the jobs are for: one for each job and thing. Shares of executions are of these."""
    aborted: Annotated[bool, _measured("flag")]
    """Whether an abort threshold ended a job."""
    retries: Retries
    attempts: Annotated[dict[str, AttemptNumbers], _keys("any")]
    """By execution number."""
    time_to_terminal_s: TimeToTerminal
    """From a thing's first execution queued to the end of its last one."""
    faults: Annotated[dict[str, OfRequests], _keys(results.FAULTS[1:])]
    """Exchanges by what the thing's network did to them; those that are not zero."""
    budget: Budget
    cohorts: Annotated[dict[str, CohortNumbers], _keys("cohorts")]
    jobs: Annotated[dict[str, JobNumbers], _keys("jobs")]
    """Where there are several."""
    timeline: Timeline
    incidents: Annotated[dict[str, Count], _keys("any")] = {}
    """How often each incident did something to somebody, by name."""
    open_load: OpenLoad | None = None
    """Where the scenario has ``load.updates``."""
    generator: Generator | None = None
    """Where the run was live."""


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary as JSON members."""
    members = msgspec.to_builtins(summary)
    assert isinstance(members, dict)
    for name in ("incidents", "open_load", "generator"):
        if not members[name]:
            del members[name]
    return members


def as_text(summary: Summary) -> str:
    """``summary.json``: indented, with each column of numbers on one line."""
    text = json.dumps(as_json(summary), indent=2, ensure_ascii=False)
    return _COLUMN.sub(lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


_COLUMN: Final = re.compile(r"(?<=\[)\n\s+[-+.\deE]+(?:,\n\s+[-+.\deE]+)*\n\s+(?=\])")
