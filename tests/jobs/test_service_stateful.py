"""The service against a plain model: rules are commands and passing time."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simulator.errors import Rejection
from simulator.jobs import JobsService
from simulator.jobs.configuration import (
    AbortConfig,
    AbortCriteria,
    JobExecutionsRetryConfig,
    JobExecutionsRolloutConfig,
    MaintenanceWindow,
    RetryCriteria,
    SchedulingConfig,
    TimeoutConfig,
)
from simulator.jobs.execution import AWS, CLI_PAGE
from simulator.jobs.messages import (
    AssociateTargetsWithJobRequest,
    CancelJobExecutionRequest,
    CancelJobRequest,
    CreateJobRequest,
    DescribeJobExecutionRequest,
    NotifyNext,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.model import (
    PENDING,
    STATUSES,
    JobExecution,
)
from simulator.jobs.schedule import show_time

THINGS = ["t0", "t1", "t2"]
GROUPS = ["g", "h"]
JOBS = ["J", "K", "L"]
EPOCH = 1_767_225_600.0
ANY_STATUS = st.sampled_from(STATUSES)

RETRIES = st.none() | st.sampled_from(
    [
        JobExecutionsRetryConfig((RetryCriteria("ALL", 2),)),
        JobExecutionsRetryConfig((RetryCriteria("FAILED", 1), RetryCriteria("TIMED_OUT", 2))),
    ]
)
ABORTS = st.none() | st.sampled_from(
    [
        AbortConfig((AbortCriteria("FAILED", "CANCEL", 50, 2),)),
        AbortConfig((AbortCriteria("ALL", "CANCEL", 100, 1),)),
    ]
)


class ServiceMachine(RuleBasedStateMachine):
    """Counts add up, versions only grow, what ended stays ended, the head is the right one."""

    dialect = AWS

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.service = JobsService(dialect=self.dialect, epoch=EPOCH)
        self.members: dict[str, set[str]] = {"g": set(THINGS), "h": set()}
        for group in GROUPS:
            self.service.registry.create_thing_group(group)
        for name in THINGS:
            self.service.registry.create_thing(name)
            self.service.registry.add_thing_to_thing_group(name, "g")
        self.seen: dict[int, tuple[int, str]] = {}
        self.heads: dict[str, tuple[str, int] | None] = dict.fromkeys(THINGS)

    @rule(
        job=st.sampled_from(JOBS),
        groups=st.sampled_from([["g"], ["g", "h"]]),
        per_minute=st.integers(1, 3),
        timeout=st.none() | st.integers(1, 5),
        retry=RETRIES,
        abort=ABORTS,
        continuous=st.booleans(),
        windows=st.booleans(),
        end=st.none() | st.sampled_from(["STOP_ROLLOUT", "CANCEL", "FORCE_CANCEL"]),
    )
    def create(
        self,
        job: str,
        groups: list[str],
        per_minute: int,
        timeout: int | None,
        retry: JobExecutionsRetryConfig | None,
        abort: AbortConfig | None,
        continuous: bool,
        windows: bool,
        end: Any,
    ) -> None:
        scheduling = None
        if windows and continuous:
            scheduling = SchedulingConfig(
                show_time(EPOCH + self.now + 31 * 60),
                None if end is None else show_time(EPOCH + self.now + 120 * 60),
                end,
                (MaintenanceWindow("cron(0/20 * * * ? *)", 7),),
            )
        request = CreateJobRequest(
            [self.service.registry.group_arn(group) for group in groups],
            "{}",
            target_selection="CONTINUOUS" if continuous else "SNAPSHOT",
            job_executions_rollout_config=JobExecutionsRolloutConfig(per_minute),
            timeout_config=TimeoutConfig(timeout),
            job_executions_retry_config=retry,
            abort_config=abort,
            scheduling_config=scheduling,
        )
        self._try(lambda: self.service.create_job(job, request, self.now))

    @rule(thing=st.sampled_from(THINGS), group=st.sampled_from(GROUPS))
    def join(self, thing: str, group: str) -> None:
        self.service.add_thing_to_thing_group(thing, group, self.now)
        self.members[group].add(thing)

    @rule(thing=st.sampled_from(THINGS), group=st.sampled_from(GROUPS))
    def leave(self, thing: str, group: str) -> None:
        self.service.remove_thing_from_thing_group(thing, group, self.now)
        self.members[group].discard(thing)

    @rule(job=st.sampled_from(JOBS))
    def associate(self, job: str) -> None:
        request = AssociateTargetsWithJobRequest([self.service.registry.group_arn("h")])
        self._try(lambda: self.service.associate_targets_with_job(job, request, self.now))

    @rule(job=st.sampled_from(JOBS), force=st.booleans())
    def delete_job(self, job: str, force: bool) -> None:
        self._try(lambda: self.service.delete_job(job, force, self.now))

    @rule(thing=st.sampled_from(THINGS), step=st.none() | st.sampled_from([-1, 1, 3]))
    def start_next(self, thing: str, step: int | None) -> None:
        request = StartNextPendingJobExecutionRequest(step_timeout_in_minutes=step)
        before = self._order(thing)
        reply = self.service.start_next_pending_job_execution(thing, request, self.now)
        started = None if reply.execution is None else reply.execution.job_id
        assert started == (before[0].job.job_id if before else None)

    @rule(
        thing=st.sampled_from(THINGS),
        job=st.sampled_from(JOBS),
        status=ANY_STATUS,
        expected=st.none() | st.integers(1, 4),
        step=st.none() | st.sampled_from([-1, 1, 2]),
    )
    def update(
        self, thing: str, job: str, status: str, expected: int | None, step: int | None
    ) -> None:
        request = UpdateJobExecutionRequest(
            status,  # type: ignore[arg-type]
            step_timeout_in_minutes=step,
            expected_version=expected,
        )
        self._try(lambda: self.service.update_job_execution(thing, job, request, self.now))

    @rule(thing=st.sampled_from(THINGS), job=st.sampled_from(JOBS), force=st.booleans())
    def cancel_execution(self, thing: str, job: str, force: bool) -> None:
        request = CancelJobExecutionRequest()
        self._try(lambda: self.service.cancel_job_execution(thing, job, request, force, self.now))

    @rule(
        thing=st.sampled_from(THINGS),
        job=st.sampled_from(JOBS),
        number=st.integers(1, 3),
        force=st.booleans(),
    )
    def delete_execution(self, thing: str, job: str, number: int, force: bool) -> None:
        service = self.service
        self._try(lambda: service.delete_job_execution(thing, job, number, force, self.now))

    @rule(job=st.sampled_from(JOBS), force=st.booleans())
    def cancel_job(self, job: str, force: bool) -> None:
        self._try(lambda: self.service.cancel_job(job, CancelJobRequest(), force, self.now))

    @rule(minutes=st.sampled_from([0.25, 1, 2, 10, 35]), limit=st.integers(1, 5))
    def pass_time(self, minutes: float, limit: int) -> None:
        self.now += minutes * 60
        while self.service.expire(self.now, limit):
            pass
        deadline = self.service.next_deadline()
        assert deadline is None or deadline > self.now

    def _try(self, command: object) -> None:
        """Run a command; a rejection must have changed nothing."""
        before = self._snapshot()
        effects = len(self.service.effects)
        try:
            command()  # type: ignore[operator]
        except Rejection:
            assert self._snapshot() == before
            assert len(self.service.effects) == effects

    def _snapshot(self) -> list[tuple[object, ...]]:
        return [
            (e.job.job_id, e.thing_name, e.status, e.version, e.deadline, e.job.status)
            for e in self._all()
        ]

    def _all(self) -> list[JobExecution]:
        jobs = self.service.jobs.values()
        return [e for job in jobs for e in job.executions if not e.deleted]

    def _order(self, thing: str) -> list[JobExecution]:
        """The pending order by its definition."""
        mine = [
            e for e in self._all() if e.thing_name == thing and e.status in PENDING and not e.hidden
        ]
        return sorted(mine, key=lambda e: (e.status != "IN_PROGRESS", e.queued_at, e.sequence))

    @invariant()
    def pending_is_in_order(self) -> None:
        for thing in THINGS:
            assert self.service.pending(thing) == self._order(thing)

    @invariant()
    def counts_add_up(self) -> None:
        for job in self.service.jobs.values():
            mine = [e.status for e in job.executions if not e.deleted]
            assert job.counts == {status: mine.count(status) for status in STATUSES}

    @invariant()
    def versions_only_grow_and_the_ended_stay_ended(self) -> None:
        for e in self._all():
            version, status = self.seen.get(e.sequence, (0, "QUEUED"))
            assert e.version >= version
            if status not in PENDING:
                assert (e.version, e.status) == (version, status)
                assert e.deadline is None
            self.seen[e.sequence] = (e.version, e.status)

    @invariant()
    def notify_next_tells_each_change_of_head(self) -> None:
        for effect in self.service.effects:
            if isinstance(effect, NotifyNext):
                e = effect.execution
                head = None if e is None else (e.job_id, e.execution_number)
                self.heads[effect.thing_name] = head
        self.service.effects.clear()
        for thing in THINGS:
            request = DescribeJobExecutionRequest()
            e = self.service.describe_job_execution(thing, "$next", request, self.now).execution
            now = None if e is None else (e.job_id, e.execution_number)
            assert self.heads[thing] == now

    @invariant()
    def complete_means_nothing_pending(self) -> None:
        for job in self.service.jobs.values():
            if job.status == "COMPLETED":
                assert job.rolled_out or job.phase == "ENDED"
                assert not job.pending
                assert not job.backlog
            elif job.status == "IN_PROGRESS" and job.target_selection == "SNAPSHOT":
                assert job.pending or not job.rolled_out

    @invariant()
    def jobs_and_histories_are_where_they_belong(self) -> None:
        service = self.service
        for status, jobs in service.by_status.items():
            expected = [job for job in service.jobs.values() if job.status == status]
            assert jobs == sorted(expected, key=lambda job: job.sequence)
        for thing in THINGS:
            mine = sorted(
                (e for e in self._all() if e.thing_name == thing), key=lambda e: e.sequence
            )
            assert service.history(thing) == mine
            for job in service.jobs.values():
                attempts, newest = [], job.latest.get(thing)
                while newest is not None:
                    attempts.append(newest)
                    newest = newest.previous
                assert attempts[::-1] == [e for e in mine if e.job is job]

    @invariant()
    def retries_follow_failures_and_are_as_many_as_allowed(self) -> None:
        for e in self._all():
            if e.retry_attempt:
                assert e.job.retry is not None
                assert e.retry_attempt <= sum(
                    c.number_of_retries for c in e.job.retry.criteria_list
                )
                if e.previous is not None and e.previous.retry_attempt == e.retry_attempt - 1:
                    assert e.previous.status in ("FAILED", "TIMED_OUT")

    @invariant()
    def at_most_one_attempt_of_a_job_is_pending_on_a_thing(self) -> None:
        pending = [(e.job.sequence, e.thing_name) for e in self._all() if e.status in PENDING]
        assert len(pending) == len(set(pending))

    @invariant()
    def continuous_jobs_hold_what_their_groups_hold(self) -> None:
        """What is queued belongs to a target, and every target has its execution."""
        for job in self.service.jobs.values():
            if job.target_selection != "CONTINUOUS" or job.status != "IN_PROGRESS":
                continue
            targets = set()
            for group in GROUPS:
                if self.service.registry.group_arn(group) in job.targets:
                    targets |= self.members[group]
            queued = {
                e.thing_name for e in job.executions if not e.deleted and e.status == "QUEUED"
            }
            if self.dialect is AWS:  # under the other a device may put itself back
                assert queued <= targets
            rolled = job.rolled_out and job.phase == "OPEN" and not job.backlog
            if rolled and not any(e.deleted for e in job.executions):
                assert targets <= set(job.latest)

    @invariant()
    def hidden_is_only_what_waits_for_a_window(self) -> None:
        for e in self._all():
            if e.hidden:
                assert e.status == "QUEUED"
                assert e.job.timetable is not None


class CliPageMachine(ServiceMachine):
    """The same when a device may take an execution anywhere, back to the queue too."""

    dialect = CLI_PAGE


TestService = ServiceMachine.TestCase
TestCliPage = CliPageMachine.TestCase
TestService.settings = TestCliPage.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
