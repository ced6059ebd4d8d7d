"""A rollout by arithmetic: every thing for itself, in numpy arrays, without a service or a network.

Rule 1: nothing waits for anything here but a thing for its release: no queues, no conflicts, no
        lost messages. What those add is what a rehearsal adds to these numbers.
Rule 2: the rate of the rollout and the abort criteria are the service's own (``jobs/rollout.py``);
        work and outcomes are drawn from the scenario's distributions.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.behaviour import Agent, Cohort, Work
from simulator.explain.forecast import AS_IT_IS, NEVER, Floats, Forecast, Ints, Scale, Told
from simulator.jobs import JobsService, rollout
from simulator.jobs.messages import CreateJobRequest
from simulator.jobs.model import STATUSES, Job
from simulator.scenario import Scenario

SAMPLED: Final = 100_000
"""Things that are drawn; each stands for several of a larger fleet."""

MOST_UPDATES: Final = 4_000_000
"""Progress reports that are drawn."""

MINUTES: Final = 200_000
"""Minutes of a rollout that are counted through: 139 days."""

SUCCEEDED, FAILED, REJECTED, TIMED_OUT, QUEUED, IN_PROGRESS = (
    STATUSES.index(status)
    for status in ("SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT", "QUEUED", "IN_PROGRESS")
)


def decoded(scenario: Scenario) -> Job:
    """The scenario's first job as the service has it, made in a service of its own."""
    service = JobsService(epoch=scenario.epoch_s)
    service.registry.create_thing_group("g")
    members = scenario.create_job_request(service.registry.group_arn("g"))
    service.create_job(scenario.job_id, msgspec.convert(members, CreateJobRequest), 0.0)
    return service.job(scenario.job_id)


def forecast(scenario: Scenario, seed: int, scale: Scale = AS_IT_IS) -> Forecast:
    """Work out one rollout; the same seed draws the same things, whatever the scale."""
    return _Rollout(scenario, decoded(scenario), seed, scale).result()


class _Rollout:
    """One rollout of a sample of the fleet."""

    def __init__(self, scenario: Scenario, job: Job, seed: int, scale: Scale) -> None:
        self._job = job
        self._scale = scale
        self._until = scenario.load.until
        self._cohorts = scenario.cohorts()
        self.things = sum(cohort.things for cohort in self._cohorts)
        steps = max(_steps(cohort.work) for cohort in self._cohorts)
        self._sample = max(1, min(self.things, SAMPLED, MOST_UPDATES // steps))
        self._each_is = self.things / self._sample
        index = np.floor(np.arange(self._sample) * self._each_is).astype(np.int64)
        borders = np.cumsum([cohort.things for cohort in self._cohorts])
        self._cohort = np.searchsorted(borders, index, side="right")
        self._rng = np.random.Generator(np.random.PCG64([seed, 0x6578]))
        ramp = scenario.load.ramp
        self._up = index / (ramp * scale.ramp) if ramp else np.zeros(self._sample)
        self._position = index
        self._latency = float(scenario.network_values().latency.draw(self._rng, 4096).mean() / 1000)
        timer = job.timeout.in_progress_timeout_in_minutes
        self._timer = NEVER if timer is None else _minutes(timer, scale.in_progress_timeout) * 60
        self._writes: list[tuple[Floats, float]] = []
        self._reads: list[tuple[Floats, float]] = []
        self._timed_steps = self._late_steps = 0.0
        self._timed_attempts = self._late_attempts = 0.0
        self._false = self._attempts_made = 0.0

    # --------------------------------------------------------------------------- the rollout

    def _released(self, ends: Floats | None) -> Floats:
        """When each sampled thing's execution is released.

        A rate that grows with successes needs to know when those were: ``ends`` of the round
        before; a rollout is worked out again until that no longer matters.
        """
        config = self._job.rollout
        opens = self._opens()
        growing = config.exponential_rate
        if growing is None:
            per_minute = min(1000, (config.maximum_per_minute or 1000) * self._scale.rate)
            minutes: Floats = np.floor(self._position / max(1, int(per_minute)))
            return opens + 60.0 * minutes
        job = self._job
        saved = job.allowance, dict(job.counts)
        job.allowance = 0
        limits, minute = [], 0
        while job.allowance < self.things and minute < MINUTES:
            if ends is not None:
                done = np.searchsorted(ends, opens + 60 * minute, side="right")
                job.counts["SUCCEEDED"] = int(done * self._each_is)
            job.allowance += max(1, min(1000, int(rollout.per_minute(job) * self._scale.rate)))
            limits.append(job.allowance)
            minute += 1
        job.allowance, job.counts = saved
        minutes = np.searchsorted(np.array(limits), self._position, side="right").astype(float)
        return opens + 60.0 * minutes

    def _opens(self) -> float:
        """When the job first releases anything, by its start and its maintenance windows."""
        timetable, now = self._job.timetable, 0.0
        if timetable is None:
            return now
        for _ in range(1000):
            if timetable.phase(now) == "OPEN":
                break
            change = timetable.next_change(now)
            if change is None or change > self._until:
                return self._until
            now = change
        return now

    def result(self) -> Forecast:
        """Work it out."""
        released = self._released(None)
        state = self._rng.bit_generator.state
        for _ in range(20 if self._needs_successes() else 1):
            self._rng.bit_generator.state = state
            self._writes, self._reads = [], []
            self._timed_steps = self._late_steps = 0.0
            self._timed_attempts = self._late_attempts = 0.0
            self._false = self._attempts_made = 0.0
            told = self._all_attempts(released)
            again = self._released(np.sort(told.ends[told.status == SUCCEEDED]))
            if np.array_equal(again, released):
                break
            released = again
        return self._fold(released, told)

    def _needs_successes(self) -> bool:
        growing = self._job.rollout.exponential_rate
        return (
            growing is not None
            and growing.rate_increase_criteria.number_of_succeeded_things is not None
        )

    # --------------------------------------------------------------------------- attempts

    def _all_attempts(self, released: Floats) -> Told:
        told = Told(self._sample)
        who = np.arange(self._sample)
        available = np.maximum(released, self._up)
        self._connections(released)
        number = 1
        used = np.zeros((self._sample, len(STATUSES)), np.int64)
        while len(who) and number <= 11:
            ends, status, back = self._attempt(who, available[who], number)
            told.keep(who, available[who], ends, status)
            used[who, status] += 1
            again = self._retried(who, status, used, number) & (ends < NEVER)
            # A retry waits for a thing that is away until it is back, or for ever.
            waits = again & (back == NEVER)
            told.status[who[waits]] = QUEUED
            told.ends[who[waits]] = NEVER
            again &= back < NEVER
            available[who] = np.maximum(ends, back)
            who = who[again]
            number += 1
        return told

    def _retried(self, who: Ints, status: Ints, used: Ints, number: int) -> NDArray[np.bool_]:
        retry = self._job.retry
        again = np.zeros(len(who), bool)
        if retry is not None:
            for criterion in retry.criteria_list:
                most = criterion.number_of_retries
                if criterion.failure_type == "ALL":
                    again |= np.isin(status, (FAILED, TIMED_OUT)) & (number <= most)
                else:
                    kind = STATUSES.index(criterion.failure_type)
                    again |= (status == kind) & (used[who, kind] <= most)
        return again

    def _attempt(self, who: Ints, begins: Floats, number: int) -> tuple[Floats, Ints, Floats]:
        """When an attempt ends and how, and when its thing is there for another one."""
        ends, back = np.full(len(who), NEVER), np.zeros(len(who))
        status = np.full(len(who), IN_PROGRESS)
        for at, cohort in enumerate(self._cohorts):
            mine = self._cohort[who] == at
            if mine.any():
                ends[mine], status[mine], back[mine] = self._of_cohort(cohort, begins[mine], number)
        return ends, status, back

    def _of_cohort(
        self, cohort: Cohort, begins: Floats, number: int
    ) -> tuple[Floats, Ints, Floats]:
        n, work, rng = len(begins), cohort.work, self._rng
        steps = _steps(work)
        lasts, timers = self._durations(work, n)  # (n, steps) and (steps,)
        fates = cohort.outcome
        kinds = (fates.fail, fates.reject, fates.hang, fates.vanish, fates.reboot, fates.slow)
        fate = np.searchsorted(np.cumsum([kind.share(number) for kind in kinds]), rng.random(n))
        if fates.slow.share(number):
            lasts = np.where((fate == 5)[:, None], lasts * fates.slow_factor, lasts)
        drawn = rng.integers(1, steps, n, endpoint=True)
        where = np.full(n, steps)  # the step in which it ends; the rest of them is never done
        away = np.full(n, NEVER)
        for at, kind in enumerate(kinds[:5]):
            its = fate == at
            where[its] = kind.step or drawn[its]
            if kind.away is not None and its.any():
                away[its] = kind.away.draw(rng, int(its.sum())) / 1000
        reboots = fate == 4
        lasts[reboots, where[reboots] - 1] += np.where(np.isinf(away[reboots]), 0.0, away[reboots])
        exchange = self._latency
        ends_of_steps = begins[:, None] + exchange + np.cumsum(lasts + exchange, axis=1)
        rejects, silent = fate == 1, (fate == 2) | (fate == 3)
        own = np.take_along_axis(ends_of_steps, (where - 1)[:, None], 1)[:, 0]
        own = np.where(rejects, begins + 2 * exchange, np.where(silent, NEVER, own))
        own = np.where(reboots, ends_of_steps[:, -1], own)
        where = np.where(reboots, steps, where)
        # the first timer to expire: the step's, set by the report before it, or the whole one
        began = np.concatenate([begins[:, None], ends_of_steps[:, :-1]], axis=1)
        timed = np.isfinite(timers)[None, :] & (np.arange(steps)[None, :] < where[:, None])
        timed &= ~rejects[:, None]
        expires = np.where(timed, began + timers[None, :], NEVER)
        late = timed & ((lasts > timers[None, :]) | ((np.arange(steps) + 1 == where[:, None])
                                                     & silent[:, None]))  # fmt: skip
        first = np.where(late, expires, NEVER).min(axis=1)
        whole = begins + self._timer
        timer = np.minimum(first, whole)
        timed_out = timer < own
        ends = np.where(timed_out, timer, own)
        status = np.select(
            [timed_out, rejects, fate == 0], [TIMED_OUT, REJECTED, FAILED], SUCCEEDED
        )
        status = np.where(np.isinf(ends), IN_PROGRESS, status)
        last = np.take_along_axis(began, (where - 1)[:, None], 1)[:, 0]
        back = np.where(silent, last + away, np.where(timed_out, own, ends))
        self._count(timed & ~silent[:, None], lasts > timers[None, :], ~silent & ~rejects,
                    lasts.sum(axis=1) > self._timer, timed_out & ~silent)  # fmt: skip
        self._requests(cohort.agent, begins, ends_of_steps, ends, where, silent, rejects)
        return ends, status, back

    def _durations(self, work: Work, n: int) -> tuple[Floats, Floats]:
        """Seconds by thing and step, and the steps' timers."""
        scale = self._scale
        if work.each:
            lasts = (
                np.stack([step.duration.draw(self._rng, n) for step in work.each], axis=1) / 1000
            )
            minutes: list[int | None] = [step.timeout_minutes for step in work.each]
        else:
            whole = work.duration.draw(self._rng, n) / (1000 * work.steps)
            lasts = np.repeat(whole[:, None], work.steps, axis=1)
            # set with each progress report, so not yet in the first step
            minutes = [None, *[work.step_timeout_minutes] * (work.steps - 1)]
        timers = [NEVER if m is None else _minutes(m, scale.step_timeout) * 60 for m in minutes]
        return lasts * scale.work, np.array(timers)

    def _count(
        self,
        timed: NDArray[np.bool_],
        late: NDArray[np.bool_],
        working: NDArray[np.bool_],
        too_long: NDArray[np.bool_],
        false: NDArray[np.bool_],
    ) -> None:
        self._timed_steps += float(timed.sum())
        self._late_steps += float((timed & late).sum())
        self._timed_attempts += float(working.sum())
        self._late_attempts += float((working & too_long).sum())
        self._false += float(false.sum())
        self._attempts_made += len(working)

    # --------------------------------------------------------------------------- requests

    def _connections(self, released: Floats) -> None:
        """What things ask when they come up and there is nothing yet."""
        for at, cohort in enumerate(self._cohorts):
            mine = self._cohort == at
            up, early = self._up[mine], self._up[mine] < released[mine]
            if cohort.agent.start == "start-next":
                self._writes.append((up[early], self._each_is))
            elif cohort.agent.start == "notify-next":
                self._reads.append((up, self._each_is))
            else:
                rate = int(mine.sum()) * self._each_is / cohort.agent.poll_every
                self._reads.append((np.full(1, float(up.max(initial=0.0))), rate))

    def _requests(
        self,
        agent: Agent,
        begins: Floats,
        ends_of_steps: Floats,
        ends: Floats,
        where: Ints,
        silent: NDArray[np.bool_],
        rejects: NDArray[np.bool_],
    ) -> None:
        self._writes.append((begins, self._each_is))
        steps = ends_of_steps.shape[1]
        done = np.arange(steps)[None, :] < (where - silent)[:, None]
        done &= ends_of_steps <= ends[:, None]
        done &= ~rejects[:, None]
        if not agent.progress:
            done &= np.arange(steps)[None, :] + 1 == where[:, None]
        self._writes += [(ends_of_steps[done], self._each_is), (begins[rejects], self._each_is)]

    def _peak(self, requests: list[tuple[Floats, float]], end: float) -> tuple[float, float]:
        """The most in any whole second until the end, and when."""
        times = [part[np.isfinite(part) & (part <= end)] for part, _ in requests]
        weights = [np.full(len(part), one) for part, (_, one) in zip(times, requests, strict=True)]
        if not sum(len(part) for part in times):
            return 0.0, 0.0
        seconds, inverse = np.unique(np.floor(np.concatenate(times)), return_inverse=True)
        sums = np.bincount(inverse, weights=np.concatenate(weights))
        at = int(sums.argmax())
        return float(sums[at]), float(seconds[at])

    # --------------------------------------------------------------------------- the fold

    def _fold(self, released: Floats, told: Told) -> Forecast:
        aborts = self._aborts(told)
        last = float(told.ends.max())
        if self._job.target_selection == "CONTINUOUS":
            last = NEVER
        end = min(self._until, last if aborts is None else aborts)
        out = released <= end
        own = told.ends[(told.status != TIMED_OUT) & np.isfinite(told.ends)]
        peak, at = self._peak(self._writes, end)
        return Forecast(
            things=self.things,
            rolled_out_s=float(released.max()),
            up_s=float(self._up.max()),
            worked_s=float(own.max(initial=0.0)),
            ends_s=last if aborts is None else aborts,
            elapsed_s=end,
            completes=aborts is None and last <= self._until,
            aborts_s=aborts,
            shares=told.shares(end, aborts is not None),
            not_rolled_out=float(np.mean(~out)),
            attempts=tuple(told.by_attempt(self._sample)),
            false_timeouts=self._false / max(1.0, self._attempts_made),
            over_step_timer=self._late_steps / self._timed_steps if self._timed_steps else None,
            over_in_progress_timer=None
            if self._timer == NEVER
            else self._late_attempts / max(1.0, self._timed_attempts),
            stuck=float(np.mean(np.isinf(told.ends))),
            writes=sum(float((part <= end).sum()) * one for part, one in self._writes),
            writes_per_s=peak,
            reads_per_s=self._peak(self._reads, end)[0],
            writes_at_s=at,
        )

    def _aborts(self, told: Told) -> float | None:
        """When the service would cancel the job: the first moment at which a criterion holds."""
        if self._job.abort is None:
            return None
        _, ends, status = told.all_attempts()
        there = ends <= self._until
        order = np.argsort(ends[there], kind="stable")
        ends, status = ends[there][order], status[there][order]
        ended = np.arange(1, len(ends) + 1) * self._each_is
        first = []
        for criterion in self._job.abort.criteria_list:
            kinds = (
                (FAILED, REJECTED, TIMED_OUT)
                if criterion.failure_type == "ALL"
                else (STATUSES.index(criterion.failure_type),)
            )
            failed = np.cumsum(np.isin(status, kinds)) * self._each_is
            holds = (ended >= criterion.min_number_of_executed_things) & (
                failed * 100 >= criterion.threshold_percentage * ended
            )
            if holds.any():
                first.append(float(ends[int(holds.argmax())]))
        return min(first) if first else None


def _steps(work: Work) -> int:
    return len(work.each) or work.steps


def _minutes(minutes: int, factor: float) -> int:
    """A timer as AWS takes it: whole minutes, from 1 to 7 days."""
    return max(1, min(10080, round(minutes * factor)))


def several(
    scenario: Scenario, seed: int, scale: Scale = AS_IT_IS, most: int = 20
) -> list[Forecast]:
    """Forecasts with seeds from ``seed`` on: the smaller the fleet, the more."""
    steps = max(_steps(cohort.work) for cohort in scenario.cohorts())
    count = max(1, min(most, 400_000 // (scenario.things * min(steps, 100))))
    return [forecast(scenario, seed + at, scale) for at in range(count)]
