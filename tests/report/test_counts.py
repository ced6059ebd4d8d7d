"""Every count is what one gets by going through records and executions one by one."""

from collections import Counter
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from simulator import results
from simulator.behaviour import Outcome as Fate
from simulator.fleet import Fates
from simulator.jobs.model import STATUSES
from simulator.report.timeline import BUCKETS, as_csv
from simulator.results import edge_of
from simulator.world import Mishap
from tests.report.made import NAMES, execution, record, summary

ENDED = STATUSES[2:]
MISMATCH = results.VERSION_MISMATCH
EDGE = edge_of("IN_PROGRESS", "SUCCEEDED")

RECORDS = st.lists(
    st.builds(
        record,
        thing=st.integers(0, 4),
        operation=st.integers(0, 4),
        sent=st.integers(0, 9_999).map(lambda tenths: tenths / 10),
        outcome=st.sampled_from([0, 1, 2, MISMATCH]),
        cause=st.integers(1, 5),
        attempt=st.integers(0, 3),
        edge=st.sampled_from([0, EDGE]),
        fault=st.integers(0, len(results.FAULTS) - 1),
    ),
    max_size=60,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """One execution after the other for each thing; the last may still be pending."""
    rows = []
    for thing in range(5):
        at, attempts = 0, draw(st.integers(0, 3))
        for number in range(1, attempts + 1):
            queued = at + draw(st.integers(0, 50))
            began = queued + draw(st.integers(0, 50))
            ended = began + draw(st.integers(0, 100))
            status = draw(st.sampled_from(STATUSES if number == attempts else ENDED))
            started = None if status == "QUEUED" or draw(st.booleans()) else began
            started = began if status == "IN_PROGRESS" else started
            rows.append(execution(thing, status, queued, started, ended, number))
            at = ended
    return rows


def named(row: Any) -> dict[str, Any]:
    return dict(zip(results.DTYPE.names or (), row, strict=True))


@given(RECORDS, histories())
@settings(max_examples=60, deadline=None)
def test_the_summary_is_what_counting_one_by_one_gives(rows: list[Any], history: list[Any]) -> None:
    found = summary(rows, history)
    every = [named(row) for row in rows]
    mismatches = [r for r in every if r["operation"] == results.UPDATE and r["outcome"] == MISMATCH]
    assert found.conflicts.count == len(mismatches)
    by_edge = Counter(results.CAUSES[r["cause"]] for r in mismatches if r["edge"])
    assert found.conflicts.by_edge.get("IN_PROGRESS → SUCCEEDED", {}) == by_edge
    for attempt in range(4):
        causes = Counter(results.CAUSES[r["cause"]] for r in mismatches if r["attempt"] == attempt)
        assert found.conflicts.by_attempt.get(str(attempt), {}) == causes
    assert found.faults == Counter(results.FAULTS[r["fault"]] for r in every if r["fault"])

    statuses = Counter(STATUSES[row[3]] for row in history)
    assert found.executions == statuses
    assert found.retries.count == sum(row[2] > 1 for row in history)
    assert found.retries.things == len({row[0] for row in history if row[2] > 1})
    assert {n: a.executions for n, a in found.attempts.items()} == Counter(
        str(row[2]) for row in history
    )
    for name, things in (("a", range(3)), ("b", range(3, 5))):
        cohort = found.cohorts[name]
        mine = [row for row in history if row[0] in things]
        assert cohort.executions == Counter(STATUSES[row[3]] for row in mine)
        assert cohort.not_rolled_out == len(things) - len({row[0] for row in mine})
        assert cohort.conflicts == sum(r["thing"] in things for r in mismatches)
    spans = []
    for thing in range(5):
        mine = [row for row in history if row[0] == thing]
        if mine and STATUSES[mine[-1][3]] in ENDED:
            spans.append(mine[-1][8] - mine[0][6])
    assert found.time_to_terminal_s.get("max", 0) == max(spans, default=0)


@given(RECORDS, histories())
@settings(max_examples=60, deadline=None)
def test_the_timeline_shows_at_each_end_what_had_come_about(
    rows: list[Any], history: list[Any]
) -> None:
    line = summary(rows, history).timeline
    assert len(line.end_s) <= BUCKETS
    assert sum(line.requests) == len(rows)
    assert sum(line.released) == len(history)
    for at, end in enumerate(line.end_s):
        there: Counter[str] = Counter()
        for _, _, _, code, _, _, queued, started, ended, _ in history:
            if queued > end:
                continue
            if STATUSES[code] in ENDED and ended <= end:
                there[STATUSES[code]] += 1
            else:
                there["IN_PROGRESS" if started <= end else "QUEUED"] += 1
        assert {s: column[at] for s, column in line.executions.items() if column[at]} == there
    table = as_csv(line).splitlines()
    assert len(table) == len(line.end_s) + 1
    assert {len(row.split(",")) for row in table} == {len(table[0].split(","))}


def test_timeouts_are_held_against_what_the_things_did() -> None:
    def mishap(thing: int, kind: Fate) -> Mishap:
        return Mishap(thing, ("j", 1), kind, 5.0, float("inf"))

    fates = Fates(
        hung={NAMES[0]: ("j", 1), NAMES[4]: ("j", 1)},
        unreported={(NAMES[2], "j", 1): 9.0},
        mishaps={
            (NAMES[0], "j", 1): mishap(0, Fate.HANG),
            (NAMES[1], "j", 1): mishap(1, Fate.VANISH),
        },
    )
    rows = [execution(thing, "TIMED_OUT", 0, 1, 10) for thing in range(4)]
    found = summary((), [*rows, execution(4, "IN_PROGRESS", 0, 1, 10)], fates=fates)
    times = found.timeouts
    assert (times.true_, times.false_, times.unreported, times.missed) == (2, 2, 1, 1)
    by_cohort = found.cohorts["a"].timeouts, found.cohorts["b"].timeouts
    assert [(t.true_, t.false_, t.missed) for t in by_cohort] == [(2, 1, 0), (0, 1, 1)]


def test_several_jobs_are_told_apart() -> None:
    rows = [execution(0, "SUCCEEDED", 0, 1, 5), execution(0, "FAILED", 2, 6, 9, job=1)]
    conflict = record(outcome=MISMATCH, cause=1, job=1)
    found = summary([conflict], rows, jobs=("j", "k"))
    assert (found.targets, found.not_rolled_out) == (10, 8)
    assert {name: job.executions for name, job in found.jobs.items()} == {
        "j": {"SUCCEEDED": 1},
        "k": {"FAILED": 1},
    }
    assert (found.jobs["j"].conflicts, found.jobs["k"].conflicts) == (0, 1)
    assert found.time_to_terminal_s["max"] == 7
    assert summary((), rows[:1]).jobs == {}
