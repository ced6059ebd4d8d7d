"""What in a scenario contradicts itself, though each part of it is possible: notes for its writer.

Rule 1: a note says what will come of it and what to do, and never stops a run: somebody may want to
        see just that.
Rule 2: an expectation is called out of reach only where chance has next to no say: the best that
        could be is more than ``SPREAD`` standard deviations away, one seed in 700.
"""

import re
from collections.abc import Iterator
from math import sqrt
from typing import Any, Final, NamedTuple

from simulator.behaviour import Agent, Cohort, JobPlan, Outcomes, Work
from simulator.expectations import Expectation, check
from simulator.scenario.model import Scenario
from simulator.scenario.references import Finding, may_be_in
from simulator.scenario.units import format_duration

SPREAD: Final = 3.0

_NAME: Final = re.compile(r"(?P<what>[a-z0-9_]+)(?:\[(?P<cohort>[a-zA-Z0-9:_-]+)\])?")
_STATUSES: Final = (
    "succeeded", "failed", "rejected", "timed_out", "canceled", "removed", "in_progress", "queued",
)  # fmt: skip
_AT_LEAST: Final = (">=", ">", "==")


class Task(NamedTuple):
    """What one job asks of one cohort."""

    at: int
    """The cohort, as the file counts them."""
    cohort: Cohort
    request: dict[str, Any]
    work: Work
    outcome: Outcomes

    def retries(self, failure: str) -> int:
        """How often an execution that ended like this is tried again."""
        criteria = (self.request.get("jobExecutionsRetryConfig") or {}).get("criteriaList", ())
        return sum(
            one.get("numberOfRetries", 0)
            for one in criteria
            if one.get("failureType") in (failure, "ALL")
        )

    @property
    def in_progress_timer(self) -> bool:
        """Whether the job's own timer ends an execution that nobody reports on."""
        timeout = self.request.get("timeoutConfig") or {}
        return bool(timeout.get("inProgressTimeoutInMinutes"))

    @property
    def step_timer(self) -> bool:
        """Whether any of its reports may carry a step timeout."""
        return has_timeouts(self.work) and carries_timeouts(self.cohort.agent, self.work)

    @property
    def times_out(self) -> bool:
        """Whether any timer may end an execution that nobody reports on."""
        return self.in_progress_timer or self.step_timer

    def untimed_first_step(self) -> bool:
        """Whether no timer runs yet in the first step: the first progress report sets it."""
        if self.in_progress_timer or not self.step_timer:
            return False
        return self.cohort.agent.start == "start-next" and not _timed_from_the_start(self.work)

    def stuck(self, attempt: int = 1) -> float:
        """The share of an attempt that stops and never comes back."""
        fates = (self.outcome.hang, self.outcome.vanish)
        return sum(fate.share(attempt) for fate in fates if fate.away is None)

    def succeeds(self) -> float:
        """The greatest share of things that may end well, batches aside."""
        lost, again = 0.0, 1.0
        for attempt in range(1, 2 + self.retries("FAILED")):
            lost += again * (self.stuck(attempt) + self.outcome.reject.share(attempt))
            again *= self.outcome.fail.share(attempt)
        return max(0.0, 1 - lost - again)


def has_timeouts(work: Work) -> bool:
    """Whether any step of the work has a timeout."""
    return any([work.step_timeout_minutes, *(step.timeout_minutes for step in work.each)])


def carries_timeouts(agent: Agent, work: Work) -> bool:
    """Whether anything that an agent sends can carry a step timeout."""
    if agent.step_timer == "none":
        return False
    by_update = agent.start != "start-next" or _timed_from_the_start(work)
    reports = agent.progress and (agent.progress_every is not None or work.steps > 1)
    return by_update or reports


def _timed_from_the_start(work: Work) -> bool:
    """Whether the first step has a timeout of its own, for which an update is sent."""
    return bool(work.each and work.each[0].timeout_minutes)


def contradictions(scenario: Scenario) -> Iterator[Finding]:
    """Everything that is possible, and hardly meant."""
    tasks = tasks_of(scenario)
    yield from _empty(scenario)
    yield from _never_there(scenario)
    yield from _timers(scenario)
    yield from _stuck(scenario, tasks)
    yield from _joining(scenario)
    yield from _load(scenario)
    for expectation in scenario.expectations():
        why = _never_met(expectation, scenario, tasks)
        if why is not None:
            yield ("expect", expectation.name), why


def tasks_of(scenario: Scenario) -> list[Task]:
    """Every cohort that has things with every job that may mean any of them."""
    plain = {cohort.name: cohort for cohort in scenario.cohorts()}
    found = []
    for request, plan, at_job in zip(
        scenario.requests, scenario.jobs(), range(len(scenario.requests)), strict=True
    ):
        selector = scenario.load.jobs or (scenario.job_parts and scenario.job_parts[at_job]) or None
        for at, part in enumerate(scenario.fleet):
            if part.cohort in plain and (selector is None or may_be_in(part, selector)):
                found.append(_task(at, plain[part.cohort], request, plan))
    return found


def _task(at: int, cohort: Cohort, request: dict[str, Any], plan: JobPlan) -> Task:
    return Task(at, cohort, request, plan.work or cohort.work, plan.outcome or cohort.outcome)


# ------------------------------------------------------------------------------- the fleet


def _empty(scenario: Scenario) -> Iterator[Finding]:
    for at, (part, things) in enumerate(zip(scenario.fleet, scenario.counts(), strict=True)):
        if not things:
            yield (
                ("fleet", at),
                f"the cohort {part.cohort!r} is empty: its weight gives it none of "
                f"{scenario.things} things",
            )


def _never_there(scenario: Scenario) -> Iterator[Finding]:
    for at, part in enumerate(scenario.fleet):
        path, presence = ("fleet", at, "presence"), part.presence
        if presence is None:
            continue
        if presence.hourly is not None and not any(presence.hourly):
            yield (*path, "hourly"), "all shares are 0%, so no thing is ever there"
        if presence.schedule is not None and presence.schedule[0].since >= scenario.load.until:
            until = format_duration(scenario.load.until)
            yield (*path, "schedule"), f"nobody is there before the run ends (load.until: {until})"


def _timers(scenario: Scenario) -> Iterator[Finding]:
    for at, part in enumerate(scenario.fleet):
        work = part.work.plain()
        agent = Agent() if part.agent is None else part.agent.plain()
        key = "steps" if work.each else "step_timeout"
        if not has_timeouts(work) or carries_timeouts(agent, work):
            continue
        if agent.step_timer == "none":
            why = "its agent sends none (step_timer: none)"
        elif not agent.progress:
            why = "its agent reports no progress that could carry one (progress: none)"
        else:
            why = "work of one step has no progress report that could carry one"
        yield ("fleet", at, "work", key), f"this step timeout is never set: {why}"


def _stuck(scenario: Scenario, tasks: list[Task]) -> Iterator[Finding]:
    """Things that stop for ever, and what their executions come to."""
    told: set[tuple[int, str]] = set()
    for task in tasks:
        for name, fate in (("hang", task.outcome.hang), ("vanish", task.outcome.vanish)):
            if fate.away is not None or not any(fate.shares) or (task.at, name) in told:
                continue
            told.add((task.at, name))
            path = ("fleet", task.at, "outcome", name)
            job = task.request["jobId"]
            if not task.times_out:
                yield (
                    path,
                    f"for ever, and no timer ends the execution: it stays IN_PROGRESS and the job "
                    f"{job!r} never completes; give the job a timeoutConfig, the work a "
                    f"step_timeout, or {name} an away",
                )
            elif task.untimed_first_step() and fate.step in (None, 1):
                yield (
                    path,
                    f"for ever, and in the first step no timer runs yet: start-next sets none, and "
                    f"the job {job!r} has no timeoutConfig; give it one, or the first of a list "
                    "of steps a timeout",
                )
            elif task.retries("TIMED_OUT"):
                yield (
                    path,
                    f"for ever, so the retry after a timeout stays QUEUED and the job {job!r} "
                    f"never completes; give {name} an away, after which the thing is back",
                )


def _joining(scenario: Scenario) -> Iterator[Finding]:
    for at, incident in enumerate(scenario.service or ()):
        if incident.action not in ("join", "leave"):
            continue
        for request in scenario.requests:
            continuous = request.get("targetSelection") == "CONTINUOUS"
            if incident.target_job in (None, request["jobId"]) and not continuous:
                yield (
                    ("service", at, incident.action),
                    f"the job {request['jobId']!r} is a SNAPSHOT and does not follow its group; "
                    "write targetSelection: CONTINUOUS",
                )


# ------------------------------------------------------------------------------- the load


def _load(scenario: Scenario) -> Iterator[Finding]:
    """An open load that asks for what nobody sends, or that means something else live."""
    load, path = scenario.load, ("load", "updates")
    if load.updates is None:
        return
    part = load.updates
    lasts = min(load.until, part.until or load.until) - part.since
    rate = part.plain().expected(load.until) / lasts
    if load.budget is not None and rate > load.budget / load.time_scale:
        yield (
            path,
            f"{rate:.4g} updates/s on the average are more than load.budget lets through: they "
            "wait longer and longer",
        )
    if load.time_scale != 1:
        yield (
            path,
            f"its rates are of scenario time: live, time_scale {load.time_scale:g} makes "
            f"{rate:.4g} updates/s {rate * load.time_scale:.4g}/s of wall time",
        )
    for at, cohort in enumerate(scenario.fleet):
        work = cohort.work.plain()
        if work.each or not work.duration.takes_no_time:
            yield (
                ("fleet", at, "work"),
                "under load.updates a report is due by the schedule, and work is not waited for; "
                "its duration says nothing (write 0s)",
            )


# ------------------------------------------------------------------------------- expectations


def _never_met(wanted: Expectation, scenario: Scenario, tasks: list[Task]) -> str | None:
    """Why an expectation cannot be met, where that is certain enough."""
    match = _NAME.fullmatch(wanted.name)
    if match is None:
        return None  # of a window of time, or of a path: nothing is known ahead
    what, name = match["what"], match["cohort"]
    meant = [task for task in tasks if name in (None, task.cohort.name)]
    executions = sum(task.cohort.things for task in meant)
    if what in _STATUSES or what.endswith("_timeouts") or what == "unfinished":
        return (
            _too_many(wanted, meant, executions)
            or (_too_good(wanted, scenario, meant, executions) if what == "succeeded" else None)
            or (_too_late(wanted, scenario, meant) if what == "succeeded" else None)
            or (_nobody_hangs(wanted, meant, scenario) if what == "true_timeouts" else None)
        )
    if what == "completes_within":
        return _completes(wanted, scenario, meant)
    if what in ("conflicts", "conflict_rate") and wanted.operator in (">", ">=") and meant:
        agents = [task.cohort.agent for task in meant]
        if wanted.value > 0 and not any(agent.expected_version for agent in agents):
            return "cannot be met: no agent sends expectedVersion, so there are no conflicts"
    return None


def _too_many(wanted: Expectation, meant: list[Task], executions: int) -> str | None:
    """More than there are; retries are executions of their own."""
    tries = 1 + max(
        (task.retries("FAILED") + task.retries("TIMED_OUT") for task in meant), default=0
    )
    most = 1 if wanted.unit == "share" else executions * tries
    what = "100%" if wanted.unit == "share" else f"the {most} executions that there can be"
    beyond = wanted.value > most or (wanted.operator == ">" and wanted.value == most)
    if wanted.operator in _AT_LEAST and beyond:
        return f"cannot be met: it asks for more than {what}"
    if wanted.operator == "<" and wanted.value == 0:
        return "cannot be met: nothing is less than 0"
    return None


def _too_good(
    wanted: Expectation, scenario: Scenario, meant: list[Task], executions: int
) -> str | None:
    """More successes than the shares of other ends leave."""
    if wanted.operator not in _AT_LEAST or not executions or scenario.batch_parts:
        return None
    best = sum(task.succeeds() * task.cohort.things for task in meant)
    variance = sum(task.succeeds() * (1 - task.succeeds()) * task.cohort.things for task in meant)
    asked = float(wanted.value) * (executions if wanted.unit == "share" else 1)
    if asked <= best + SPREAD * sqrt(variance):
        return None
    return (
        f"can hardly be met: fail, reject, and what hangs or vanishes for ever leave about "
        f"{best / executions:.1%} that succeed"
    )


def _too_late(wanted: Expectation, scenario: Scenario, meant: list[Task]) -> str | None:
    """More successes than a constant rollout rate releases until the end."""
    if wanted.operator not in _AT_LEAST or len(scenario.requests) > 1 or not meant:
        return None
    rollout = scenario.requests[0].get("jobExecutionsRolloutConfig") or {}
    rate, minutes = rollout.get("maximumPerMinute"), scenario.load.until / 60
    if rate is None or "exponentialRate" in rollout:
        return None
    asked = float(wanted.value) * (scenario.things if wanted.unit == "share" else 1)
    most = rate * (int(minutes) + 1)
    if wanted.name != "succeeded" or asked <= most:
        return None
    return (
        f"cannot be met: maximumPerMinute {rate} releases {most} executions until "
        f"load.until ({format_duration(scenario.load.until)}), and {asked:.0f} are asked for"
    )


def _nobody_hangs(wanted: Expectation, meant: list[Task], scenario: Scenario) -> str | None:
    if wanted.operator not in (">", ">=") or wanted.value == 0 or scenario.batch_parts:
        return None
    if any(any(fate.shares) for task in meant for fate in (task.outcome.hang, task.outcome.vanish)):
        return None
    return "cannot be met: nothing hangs or vanishes, so no timeout is a true one"


def _completes(wanted: Expectation, scenario: Scenario, meant: list[Task]) -> str | None:
    until = scenario.load.until
    if wanted.operator in (">=", ">") and wanted.value >= until:
        return f"cannot be met: the run ends at load.until ({format_duration(until)})"
    if wanted.value > until and check(wanted.operator, wanted.value - 1, wanted.value):
        return (
            f"reaches beyond the run, which ends at load.until ({format_duration(until)}): a job "
            "that needs longer fails it"
        )
    for task in meant:
        schedule = task.request.get("schedulingConfig") or {}
        if task.request.get("targetSelection") == "CONTINUOUS" and "endTime" not in schedule:
            return "cannot be met: a CONTINUOUS job never completes without an endTime"
        if any(task.stuck(n) for n in (1, 2)) and not task.times_out:
            return (
                "cannot be met: what hangs or vanishes for ever is ended by no timer, so the job "
                "does not complete"
            )
    return None
