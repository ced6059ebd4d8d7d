"""The service against a plain model: rules are commands and passing time."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simulator.errors import Rejection
from simulator.jobs import JobsService
from simulator.jobs.configuration import JobExecutionsRolloutConfig, TimeoutConfig
from simulator.jobs.messages import (
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

THINGS = ["t0", "t1", "t2"]
JOBS = ["J", "K", "L"]
ANY_STATUS = st.sampled_from(STATUSES)


class ServiceMachine(RuleBasedStateMachine):
    """Counts add up, versions only grow, what ended stays ended, the head is the right one."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.service = JobsService()
        self.service.registry.create_thing_group("g")
        for name in THINGS:
            self.service.registry.create_thing(name)
            self.service.registry.add_thing_to_thing_group(name, "g")
        self.seen: dict[tuple[str, str, int], tuple[int, str]] = {}
        self.deleted: set[tuple[str, str, int]] = set()
        self.heads: dict[str, tuple[str, int] | None] = dict.fromkeys(THINGS)

    @rule(
        job=st.sampled_from(JOBS),
        per_minute=st.integers(1, 3),
        timeout=st.none() | st.integers(1, 5),
    )
    def create(self, job: str, per_minute: int, timeout: int | None) -> None:
        request = CreateJobRequest(
            [self.service.registry.group_arn("g")],
            "{}",
            job_executions_rollout_config=JobExecutionsRolloutConfig(per_minute),
            timeout_config=TimeoutConfig(timeout),
        )
        self._try(lambda: self.service.create_job(job, request, self.now))

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

    @rule(thing=st.sampled_from(THINGS), job=st.sampled_from(JOBS), force=st.booleans())
    def delete_execution(self, thing: str, job: str, force: bool) -> None:
        def delete() -> None:
            self.service.delete_job_execution(thing, job, 1, force, self.now)
            self.deleted.add((job, thing, 1))

        self._try(delete)

    @rule(job=st.sampled_from(JOBS), force=st.booleans())
    def cancel_job(self, job: str, force: bool) -> None:
        self._try(lambda: self.service.cancel_job(job, CancelJobRequest(), force, self.now))

    @rule(minutes=st.sampled_from([0.25, 1, 2]), limit=st.integers(1, 5))
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
        mine = [e for e in self._all() if e.thing_name == thing and e.status in PENDING]
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
            key = (e.job.job_id, e.thing_name, e.execution_number)
            version, status = self.seen.get(key, (0, "QUEUED"))
            assert e.version >= version
            if status not in PENDING:
                assert (e.version, e.status) == (version, status)
                assert e.deadline is None
            self.seen[key] = (e.version, e.status)

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
                assert job.rolled_out
                assert not job.pending
            elif job.status == "IN_PROGRESS":
                assert job.pending or not job.rolled_out


TestService = ServiceMachine.TestCase
TestService.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
