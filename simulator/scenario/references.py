"""What hangs together across a scenario: names that must exist, moments that must come, sums.

``wrong_references`` finds what cannot be; each finding is a path in the file and a sentence.
"""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

from simulator.scenario.document import Path
from simulator.scenario.expecting import misfits, parse_expectation
from simulator.scenario.fleet import CohortPart
from simulator.scenario.incidents import OF_JOBS, OF_THINGS
from simulator.scenario.model import Scenario
from simulator.scenario.outcomes import FatePart, OutcomeShares
from simulator.scenario.quantities import did_you_mean
from simulator.scenario.selectors import Selector
from simulator.scenario.units import format_duration, shown

Finding = tuple[Path, str]


def wrong_references(scenario: Scenario) -> Iterator[Finding]:
    """Everything in a scenario that speaks of something that is not there."""
    yield from _how_many(scenario)
    yield from _names(scenario)
    attributes = attributes_of(scenario)
    for path, selector in selectors(scenario):
        yield from _selector(path, selector, attributes, scenario)
    for path, outcome, steps in outcomes(scenario):
        yield from _steps(path, outcome, steps)
    yield from _jobs(scenario)
    yield from _incidents(scenario)
    yield from _schedules(scenario)
    yield from _expectations(scenario)


# ------------------------------------------------------------------------------- what there is


def attributes_of(scenario: Scenario) -> dict[str, list[str]]:
    """Every attribute of the fleet's things, with every value that it may have."""
    found: dict[str, dict[str, None]] = {"cohort": {}}
    for part in scenario.fleet:
        found["cohort"][part.cohort] = None
        for name, weights in (part.attributes or {}).items():
            found.setdefault(name, {}).update(dict.fromkeys(_possible(weights)))
    return {name: list(values) for name, values in found.items()}


def selectors(scenario: Scenario) -> Iterator[tuple[Path, Selector]]:
    """Everything that selects things, with its path."""
    for at, batch in enumerate(scenario.batch_parts or ()):
        yield ("batches", at), batch
    for at, partition in enumerate(scenario.network.partitions or ()):
        yield ("network", "partitions", at), partition
    for at, storm in enumerate(scenario.network.storms or ()):
        yield ("network", "storms", at), storm
    for at, job in enumerate(scenario.job_parts or ()):
        yield ("jobs", at), job
    if scenario.load.jobs is not None:
        yield ("load", "jobs"), scenario.load.jobs
    for at, incident in enumerate(scenario.service or ()):
        if incident.action in OF_THINGS:
            yield ("service", at, incident.action), getattr(incident, incident.action)


def outcomes(scenario: Scenario) -> Iterator[tuple[Path, OutcomeShares, int]]:
    """Every mapping of outcomes, with its path and the fewest steps of the work that it befalls."""
    fewest = min(part.work.count for part in scenario.fleet)
    for at, cohort in enumerate(scenario.fleet):
        yield ("fleet", at, "outcome"), cohort.outcome, cohort.work.count
    for at, batch in enumerate(scenario.batch_parts or ()):
        meant = [part.work.count for part in scenario.fleet if may_be_in(part, batch)]
        yield ("batches", at, "outcome"), batch.outcome, min(meant, default=fewest)
    for at, job in enumerate(scenario.job_parts or ()):
        if job.outcome is not None:
            steps = fewest if job.work is None else job.work.count
            yield ("jobs", at, "outcome"), job.outcome, steps


def _possible(weights: dict[str, float]) -> list[str]:
    """The values that things may have."""
    return [value for value, weight in weights.items() if weight]


def may_be_in(cohort: CohortPart, selector: Selector) -> bool:
    """Whether a selector may mean any thing of a cohort."""
    for name, values in (selector.where or {}).items():
        weights = (cohort.attributes or {}).get(name, {})
        has = [cohort.cohort] if name == "cohort" else _possible(weights)
        if not set(has) & set(values):
            return False
    return True


# ------------------------------------------------------------------------------- what is wrong


def _how_many(scenario: Scenario) -> Iterator[Finding]:
    weighed = [at for at, part in enumerate(scenario.fleet) if part.weight is not None]
    fixed = sum(part.things or 0 for part in scenario.fleet)
    if scenario.whole is None:
        for at in weighed:
            message = "a weight needs the number of all things; write things: 10000 at the top"
            yield ("fleet", at, "weight"), message
    elif not weighed:
        if scenario.whole != fixed:
            yield (
                ("things",),
                f"the cohorts have {fixed} things of their own; leave this key out, or give "
                "cohorts a weight instead of things",
            )
    elif scenario.whole < fixed:
        yield (
            ("things",),
            f"{scenario.whole} is fewer than the {fixed} that cohorts have of their own",
        )
    elif scenario.whole > fixed and not any(scenario.fleet[at].weight for at in weighed):
        yield ("fleet", weighed[0], "weight"), "all weights are 0; at least one must be above"


def _names(scenario: Scenario) -> Iterator[Finding]:
    lists: list[tuple[Path, Iterable[tuple[int, str | None]]]] = [
        (("batches",), enumerate(part.name for part in scenario.batch_parts or ())),
        (("network", "partitions"), enumerate(p.name for p in scenario.network.partitions or ())),
        (("network", "storms"), enumerate(part.name for part in scenario.network.storms or ())),
        (("service",), enumerate(part.name for part in scenario.service or ())),
    ]
    for path, names in lists:
        seen: set[str] = set()
        for at, name in names:
            if name is not None and name in seen:
                yield (*path, at, "name"), f"{name!r} stands here twice; names must differ"
            seen.add(name or "")


def _selector(
    path: Path, selector: Selector, attributes: dict[str, list[str]], scenario: Scenario
) -> Iterator[Finding]:
    if selector.share == 0:
        yield (*path, "share"), "0% selects nothing; it must be above 0%"
    known = True
    for name, values in (selector.where or {}).items():
        if name not in attributes:
            known = False
            yield (
                (*path, "where", name),
                f"no thing has this attribute; there are {', '.join(attributes)}"
                f"{did_you_mean(name, attributes)}",
            )
            continue
        for value in values:
            if value not in attributes[name]:
                known = False
                yield (
                    (*path, "where", name),
                    f"no thing has {name} {shown(value)}; there are {_some(attributes[name])}"
                    f"{did_you_mean(value, attributes[name])}",
                )
    if known and not any(may_be_in(part, selector) for part in scenario.fleet):
        yield (
            (*path, "where"),
            "selects nothing: no cohort's things have all of these attributes at once",
        )


def _some(values: list[str]) -> str:
    shown_values = ", ".join(values[:20])
    return shown_values if len(values) <= 20 else f"{shown_values} and {len(values) - 20} more"


def _steps(path: Path, outcome: OutcomeShares, steps: int) -> Iterator[Finding]:
    for name, fate in outcome.fates().items():
        step = _step_of(fate)
        if step is not None and step > steps:
            only = "only one step" if steps == 1 else f"only {steps} steps"
            yield (*path, name, "step"), f"step {step} is beyond the work, which has {only}"


def _step_of(fate: FatePart) -> int | None:
    step: int | None = getattr(fate, "step", None)
    return step


def _jobs(scenario: Scenario) -> Iterator[Finding]:
    if scenario.job is not None and scenario.job_parts is not None:
        yield ("jobs",), "job and jobs stand here together; write one of them"
    seen: set[str] = set()
    for at, part in enumerate(scenario.job_parts or ()):
        if part.job_id in seen:
            yield (
                ("jobs", at, "create", "jobId"),
                f"{part.job_id!r} stands here twice; ids must differ",
            )
        seen.add(part.job_id)
        yield from _comes(("jobs", at, "at"), part.at, scenario)


def _comes(path: Path, at: float, scenario: Scenario) -> Iterator[Finding]:
    if at >= scenario.load.until:
        yield (
            path,
            f"{format_duration(at)} is not before the run's end: load.until is "
            f"{format_duration(scenario.load.until)}",
        )


def _incidents(scenario: Scenario) -> Iterator[Finding]:
    for at, part in enumerate(scenario.service or ()):
        yield from _comes(("service", at, "at"), part.at, scenario)
        job, ids = part.target_job, scenario.job_ids
        if job is not None and job not in ids:
            key = part.action if part.action in OF_JOBS else "job"
            yield (
                ("service", at, key),
                f"there is no job {shown(job)}; there are {_some(list(ids))}"
                f"{did_you_mean(job, ids)}",
            )
    for name in ("partitions", "storms"):
        for at, part in enumerate(getattr(scenario.network, name) or ()):
            yield from _comes(("network", name, at, "at"), part.at, scenario)


def _schedules(scenario: Scenario) -> Iterator[Finding]:
    for at, part in enumerate(scenario.fleet):
        intervals = (part.presence.schedule if part.presence else None) or ()
        for second, (one, other) in enumerate(pairwise(intervals), 1):
            if other.since < one.until:
                yield (
                    ("fleet", at, "presence", "schedule", second),
                    f"begins at {format_duration(other.since)}, before the one above ends at "
                    f"{format_duration(one.until)}; intervals stand in order and do not overlap",
                )


def _expectations(scenario: Scenario) -> Iterator[Finding]:
    cohorts = [part.cohort for part in scenario.fleet]
    understood = []
    for name, text in scenario.expect.items():
        with contextlib.suppress(ValueError):  # told already, by whoever read the file
            understood.append(parse_expectation(name, text))
    incidents = [incident.name for incident in scenario.incidents()]
    until = scenario.load.until
    for name, message in misfits(understood, cohorts, scenario.job_ids, incidents, until):
        yield ("expect", name), message
