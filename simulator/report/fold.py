"""A run's evidence folded into its summary; and into the summary of a part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import msgspec
import numpy as np

from simulator import results
from simulator.behaviour import Cohort
from simulator.expectations import Expectation, Scope
from simulator.fleet import Fates
from simulator.jobs.model import PENDING
from simulator.report.budget import count_budget
from simulator.report.counts import (
    count_attempts,
    count_conflicts,
    count_faults,
    count_requests,
    count_retries,
    time_to_terminal,
)
from simulator.report.evidence import Evidence, gather
from simulator.report.executions import Outcome, by_status
from simulator.report.summary import (
    COMPLETED,
    CohortNumbers,
    JobNumbers,
    OpenLoad,
    Summary,
    Timeline,
    Verdict,
)
from simulator.report.timeline import draw_timeline
from simulator.report.timeouts import count_timeouts, find_truth
from simulator.report.verdict import judge
from simulator.results import Records


@dataclass(frozen=True, slots=True)
class About:
    """What a run says of itself."""

    scenario: str
    seed: int
    clock: Literal["virtual", "wall"]
    transport: str
    clock_s: float
    """When it ended, on its own clock."""
    time_scale: float
    ended: str
    throttling: bool = False
    """Whether AWS's quotas were in force."""
    open_load: OpenLoad | None = None


def fold(
    about: About,
    cohorts: Sequence[Cohort],
    names: Sequence[str],
    records: Records,
    outcome: Outcome,
    fates: Fates,
    expectations: Sequence[Expectation],
    incidents: Mapping[str, int] = MappingProxyType({}),
) -> Summary:
    """The summary of a run, verdict included.

    ``names`` are the things'; ``incidents`` say how often each did something to somebody.
    """
    job_ids = [end.job_id for end in outcome.jobs]
    find_truth(outcome.executions, fates, names, job_ids, about.time_scale)
    evidence = gather(records, outcome, len(names), about.clock_s, about.time_scale)
    ranges = _ranges(cohorts)
    budgets = {one.scope for one in expectations if one.is_of_the_budget}
    whole = _summary(about, evidence)
    whole.executions = dict(outcome.counts)  # the service's own, whoever's things they are of
    whole.unfinished = {s: n for s, n in outcome.counts.items() if s in PENDING}
    whole.aborted = any(end.aborted for end in outcome.jobs)
    whole.cohorts = {
        name: _cohort(evidence if len(ranges) == 1 else evidence.of_things(things))
        for name, things in ranges.items()
    }
    if len(outcome.jobs) > 1:
        whole.jobs = _jobs(evidence, outcome)
    whole.timeline = draw_timeline(evidence)
    whole.incidents = dict(incidents)
    whole.open_load = about.open_load

    def look(scope: Scope) -> Summary:
        part = evidence
        if scope.cohort is not None:
            part = part.of_things(ranges.get(scope.cohort, range(0)))
        if scope.windowed:
            part = part.between(scope.begin, scope.end)
        return _part(about, part, scope in budgets)

    whole.verdict = judge(expectations, whole, look)
    return whole


def _ranges(cohorts: Sequence[Cohort]) -> dict[str, range]:
    """The things of each cohort, by index."""
    ranges, start = {}, 0
    for cohort in cohorts:
        ranges[cohort.name] = range(start, start + cohort.things)
        start += cohort.things
    return ranges


def _summary(about: About, evidence: Evidence, budget: bool = True) -> Summary:
    """Everything but what is by cohort, by job, over time, and the verdict.

    ``budget``: whether anybody asks for it, since it costs as much as all the rest.
    """
    records, settled = evidence.records, evidence.settled
    executions = by_status(settled)
    return Summary(
        scenario=about.scenario,
        seed=about.seed,
        clock=about.clock,
        transport=about.transport,
        things=len(evidence.things),
        elapsed_s=round(evidence.clock_s * about.time_scale, 3),
        time_scale=about.time_scale,
        ended=about.ended,
        executions=executions,
        requests=count_requests(records, evidence.clock_s, evidence.begin_s),
        conflicts=count_conflicts(records),
        timeouts=count_timeouts(settled),
        unfinished={status: n for status, n in executions.items() if status in PENDING},
        not_rolled_out=evidence.not_rolled_out,
        verdict=Verdict(passed=True, expectations=[]),
        targets=len(evidence.targets),
        aborted=False,
        retries=count_retries(evidence.created),
        attempts=count_attempts(settled, records),
        time_to_terminal_s=time_to_terminal(settled),
        faults=count_faults(records),
        budget=count_budget(records if budget else records[:0], about.time_scale, about.throttling),
        cohorts={},
        jobs={},
        timeline=Timeline(0, [], {}, [], [], [], {}),
    )


def _part(about: About, part: Evidence, budget: bool) -> Summary:
    """The summary of a part: it is complete when all of its own executions have ended."""
    summary = _summary(about, part, budget)
    done = summary.targets and not (summary.unfinished or summary.not_rolled_out)
    ended = part.settled["ended"]
    if done and len(ended):
        return msgspec.structs.replace(
            summary, ended=COMPLETED, elapsed_s=round(float(ended.max()), 3)
        )
    return msgspec.structs.replace(summary, ended=f"{about.ended}, and not all of it done")


def _cohort(part: Evidence) -> CohortNumbers:
    records = part.records
    updates = count_requests(records, part.clock_s, operations=[results.UPDATE]).get(
        "UpdateJobExecution"
    )
    conflicts = count_conflicts(records)
    return CohortNumbers(
        things=len(part.things),
        targets=len(part.targets),
        executions=by_status(part.settled),
        not_rolled_out=part.not_rolled_out,
        timeouts=count_timeouts(part.settled),
        retries=count_retries(part.created),
        updates=0 if updates is None else updates.sent,
        conflicts=conflicts.count,
        by_cause=conflicts.by_cause,
        latency_ms={} if updates is None else updates.latency_ms,
        time_to_terminal_s=time_to_terminal(part.settled),
    )


def _jobs(evidence: Evidence, outcome: Outcome) -> dict[str, JobNumbers]:
    settled, created, records = evidence.settled, evidence.created, evidence.records
    mismatched = records["job"][records["outcome"] == results.VERSION_MISMATCH]
    conflicts = np.bincount(mismatched, minlength=len(outcome.jobs))
    found = {}
    for at, end in enumerate(outcome.jobs):
        mine = settled[settled["job"] == at]
        found[end.job_id] = JobNumbers(
            status=end.status,
            aborted=end.aborted,
            targets=len(end.targets),
            executions=by_status(mine),
            not_rolled_out=end.not_rolled_out,
            retries=count_retries(created[created["job"] == at]),
            conflicts=int(conflicts[at]),
            time_to_terminal_s=time_to_terminal(mine),
        )
    return found
