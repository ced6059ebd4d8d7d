"""Texts of AWS's → a scenario and all that is known of how well it fits: where the parts meet."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from simulator.errors import UsageError
from simulator.fit import cohorts as cohort_rules
from simulator.fit import documents
from simulator.fit.censored import Fit, Sample, fit
from simulator.fit.estimate import CohortFit, by_cohort, durations, estimate, judge
from simulator.fit.executions import Execution, Observed
from simulator.fit.scenario_text import scenario_text
from simulator.fit.settings import Settings, infer

BOOTSTRAP: Final = 99
FINEST: Final = 0.001


@dataclass(slots=True)
class Wanted:
    """What is asked of a fit."""

    by: str | None = None
    job: dict[str, Any] | None = None
    """The CreateJob request, or ``describe-job``'s job."""
    job_id: str | None = None
    """Only executions of this job."""
    seen_at: float | None = None
    """When the executions were listed; None: at the last change among them."""
    seed: int = 1
    bootstrap: int = BOOTSTRAP


@dataclass(slots=True)
class Fitted:
    """A fleet that was fitted."""

    source: str
    jobs: dict[str, int]
    """Executions by job."""
    things: int
    first: float
    seen_at: float
    resolution: float
    cohorts: list[CohortFit]
    settings: Settings
    text: str = ""
    """The scenario file."""
    notes: list[str] = field(default_factory=list)

    @property
    def executions(self) -> int:
        """How many there were."""
        return sum(self.jobs.values())


def fit_texts(sources: list[tuple[str, str]], wanted: Wanted) -> Fitted:
    """Fit a fleet to what AWS printed; each source is a name and its text.

    Raises:
        UsageError: nothing can be fitted; the message says why.
    """
    known = wanted.job_id or (wanted.job or {}).get("jobId")
    observed = documents.read(sources, known if isinstance(known, str) else None)
    executions = _chosen(observed.settle(), wanted.job_id)
    source = ", ".join(name for name, _ in sources[:3])
    if len(sources) > 3:
        source += f" and {len(sources) - 3} more"
    return fit_executions(executions, observed, wanted, source)


def fit_executions(
    executions: list[Execution], observed: Observed, wanted: Wanted, source: str
) -> Fitted:
    """Fit a fleet to executions."""
    _check(executions)
    notes = list(observed.notes)
    if observed.repeated:
        notes.append(f"{observed.repeated:,} events came more than once and count once")
    job = wanted.job if wanted.job is not None else observed.described
    jobs = dict(Counter(e.job for e in executions).most_common())
    main = next(iter(jobs))
    if len(jobs) > 1:
        notes.append(
            f"executions of {len(jobs):,} jobs are taken together; --job-id picks one of them: "
            + ", ".join(list(jobs)[:5])
        )
    latest = max(e.latest for e in executions)
    seen_at = latest if wanted.seen_at is None else wanted.seen_at
    if seen_at < latest - 1:
        raise UsageError(
            f"--observed-at is {latest - seen_at:,.0f} s before the last change in the input, "
            f"which is of {moment(latest)}"
        )
    first = min((e.queued for e in executions if e.queued is not None), default=latest)
    resolution = FINEST if observed.fine else 1.0
    settings = infer([e for e in executions if e.job == main], job, notes)
    rule = cohort_rules.rule(wanted.by)
    groups = by_cohort(executions, rule)
    if wanted.by is not None and cohort_rules.OTHER in groups:
        things = {e.thing for e in groups[cohort_rules.OTHER]}
        notes.append(
            f"{len(things):,} things, such as {min(things)}, are in no cohort of --by: they are "
            "the cohort other"
        )
    general = _general(executions, resolution, len(groups))
    found = [
        estimate(name, part, settings, seen_at, resolution, general)
        for name, part in groups.items()
    ]
    for cohort in found:
        judge(cohort, wanted.seed, wanted.bootstrap)
        _remarks(cohort, seen_at, notes)
    fitted = Fitted(
        source, jobs, len({e.thing for e in executions}), first, seen_at, resolution, found,
        settings, notes=notes,
    )  # fmt: skip
    name = _job_id(main)
    fitted.text = scenario_text(found, settings, job, name, source, first, seen_at - first, notes)
    return fitted


def moment(at: float) -> str:
    """A Unix time as text."""
    return datetime.fromtimestamp(round(at), UTC).isoformat().replace("+00:00", "Z")


def parse_observed_at(text: str) -> float:
    """``--observed-at`` in Unix seconds; raises UsageError."""
    at = documents.parse_time(text)
    if at is None:
        raise UsageError(
            f"--observed-at {text}: no time; allowed: seconds since 1970, or ISO 8601 as in "
            "2026-01-01T00:00:00Z"
        )
    return at


# ------------------------------------------------------------------------------- parts


def _chosen(executions: list[Execution], job_id: str | None) -> list[Execution]:
    if job_id is None:
        return executions
    chosen = [e for e in executions if e.job == job_id]
    if not chosen:
        jobs = ", ".join(sorted({e.job for e in executions})[:5])
        raise UsageError(f"--job-id {job_id}: no execution of that job; there are those of {jobs}")
    return chosen


def _check(executions: list[Execution]) -> None:
    """Whether anything can be fitted at all.

    Raises:
        UsageError: nothing ended, or nothing that ended tells when it started.
    """
    counts = Counter(e.status for e in executions)
    told = ", ".join(f"{n:,} {status}" for status, n in counts.most_common())
    if set(counts) <= {"QUEUED"}:
        raise UsageError(
            f"all {len(executions):,} executions are QUEUED: nothing has started yet, so there is "
            "nothing to fit"
        )
    if not any(
        e.status in ("SUCCEEDED", "FAILED") and e.lasted is not None for e in executions
    ):  # fmt: skip
        raise UsageError(
            f"no execution has startedAt and ended by itself ({told}), so there are no durations "
            "to fit; add the output of list-job-executions-for-job, or wait until some have "
            "SUCCEEDED or FAILED"
        )


def _general(executions: list[Execution], resolution: float, groups: int) -> list[Fit] | None:
    """The law of all cohorts, which those take that have too few durations of their own."""
    if groups < 2:
        return None
    sample: Sample = durations(executions, resolution)
    return fit(sample)


def _remarks(cohort: CohortFit, seen_at: float, notes: list[str]) -> None:
    """What one should know before one believes the numbers."""
    law = cohort.best.law
    if law.family == "constant" and law.a == 0:
        notes.append(
            f"{cohort.name}: every execution ended at the moment when it started, so its work "
            "takes no time here; agents that report only the end hide their work in the queue wait"
        )
    if cohort.sample.n < 30:
        notes.append(f"{cohort.name}: {cohort.sample.n:.0f} durations are few for a law")
    if cohort.p is not None and cohort.p < 0.05 and cohort.distance is not None:
        notes.append(
            f"{cohort.name}: {law.family} fits best and not well (p = {cohort.p:.2f}, at most "
            f"{cohort.distance:.1%} off anywhere): look for kinds of things with --by"
        )
    tail = law.upper(cohort.sample.open_)
    hung = cohort.shares.hang * cohort.shares.n
    if hung >= 1 and len(tail) and float(np.median(tail)) > 0.01:
        notes.append(
            f"{cohort.name}: most of what is open had not lasted longer than 99 % of the law, so "
            "how many hang is a guess; look again later"
        )
    failed = cohort.median_failed
    if failed is not None and cohort.statuses.get("FAILED", 0) >= 10:
        parts = cohort.failing.parts
        said = law.median * float(np.median(parts))
        if not 0.5 <= (failed + 1) / (said + 1) <= 2:
            notes.append(
                f"{cohort.name}: what fails takes {failed:,.1f} s (median) and "
                f"{said:,.1f} s in the scenario, which ties it to the work's law"
            )
    if cohort.waits.waiting and seen_at:
        notes.append(
            f"{cohort.name}: {cohort.waits.waiting:,} first attempts never started; they count as "
            "waits that last longer than was seen"
        )


def _job_id(job: str) -> str:
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in job)
    return cleaned[:64] or "job"


__all__ = ["BOOTSTRAP", "Fitted", "Wanted", "fit_executions", "fit_texts", "moment",
           "parse_observed_at"]  # fmt: skip
