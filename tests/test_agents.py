"""Agents' policies, one thing each, as the service sees them."""

from itertools import pairwise
from typing import Any

import pytest

from simulator import results
from simulator.behaviour import Agent, Outcome
from simulator.errors import NoReply
from simulator.fleet import Fleet
from simulator.host import Host
from simulator.jobs.messages import CancelJobRequest, DataReply, DataRequest
from simulator.jobs.messages import UpdateJobExecutionRequest as Update
from simulator.results import LOST_REPLY, SECOND_WRITER, SERVICE
from simulator.transports.memory import MemoryLink
from simulator.world import Link
from tests.one_thing import NAME, SUCCEED, create, live


def writes() -> Any:
    """Somebody else reports progress in the thing's execution."""

    def write(host: Host, _fleet: Fleet) -> None:
        host.service.update_job_execution(NAME, "job", Update("IN_PROGRESS"), host.now())
        host.publish()

    return write


def cancel(host: Host, _fleet: Fleet) -> None:
    host.service.cancel_job("job", CancelJobRequest(), True, host.now())
    host.service.expire(host.now(), 100)
    host.publish()


# ------------------------------------------------------------------------------- how it starts


def test_notify_next_starts_what_it_is_told_of_by_an_update() -> None:
    seen = live(agent=Agent(start="notify-next"), jobs=("job", "other"))
    assert seen.requests == [
        (0.0, "Describe $next", "accepted"),
        (0.0, "job IN_PROGRESS v1", "accepted"),
        (60.0, "job IN_PROGRESS v2", "accepted"),
        (120.0, "job IN_PROGRESS v3", "accepted"),
        (180.0, "job SUCCEEDED v4", "accepted"),
        (180.0, "other IN_PROGRESS v1", "accepted"),  # the notice had all of it
        (240.0, "other IN_PROGRESS v2", "accepted"),
        (300.0, "other IN_PROGRESS v3", "accepted"),
        (360.0, "other SUCCEEDED v4", "accepted"),
    ]


def test_notify_next_refuses_what_it_has_not_started() -> None:
    plan = SUCCEED._replace(outcome=Outcome.REJECT)
    assert live(plan, Agent(start="notify-next")).updates() == [(0.0, "REJECTED v1", "accepted")]


def test_polling_looks_at_the_list_now_and_then() -> None:
    def late(host: Host, _fleet: Fleet) -> None:
        create(host, "job", host.service.registry.group_arn("jobfleet-job"))

    agent = Agent(start="polling", poll_every=100.0)
    seen = live(agent=agent, jobs=(), seconds=1000, events={150.0: late})
    polls = [at for at, what, _ in seen.requests if what == "GetPending"]
    assert polls[0] == 0.0
    assert all(90.0 <= b - a <= 110.0 for a, b in pairwise(polls) if a != polls[2])
    begun = polls[2]  # the first poll after the job was created
    assert 150.0 < begun < 220.0
    assert seen.requests[3:6] == [
        (begun, "Describe job", "accepted"),
        (begun, "job IN_PROGRESS v1", "accepted"),
        (round(begun + 60, 3), "job IN_PROGRESS v2", "accepted"),
    ]
    assert polls[3] == pytest.approx(begun + 180)  # busy until then
    assert seen.end()[0] == "SUCCEEDED"


def test_several_at_a_time_are_found_on_the_list() -> None:
    agent = Agent(parallel=2)
    seen = live(agent=agent, jobs=("job", "other", "third"))
    assert [what for at, what, _ in seen.requests if at == 0.0] == [
        "GetPending", "Describe job", "job IN_PROGRESS v1", "Describe other",
        "other IN_PROGRESS v1",
    ]  # fmt: skip
    assert (
        seen.updates("job")[-1] == seen.updates("other")[-1] == (180.0, "SUCCEEDED v4", "accepted")
    )
    assert seen.updates("third")[0] == (180.0, "IN_PROGRESS v1", "accepted")
    assert seen.updates("third")[-1] == (360.0, "SUCCEEDED v4", "accepted")
    assert {row.job for row in seen.records()} == {0, 1, 2}


def test_a_job_that_comes_later_is_taken_beside_the_one_under_way() -> None:
    def late(host: Host, _fleet: Fleet) -> None:
        create(host, "other", host.service.registry.group_arn("jobfleet-job"))

    seen = live(agent=Agent(parallel=2), events={70.0: late})
    assert seen.updates("other")[0] == (70.0, "IN_PROGRESS v1", "accepted")
    assert seen.updates("job")[-1] == (180.0, "SUCCEEDED v4", "accepted")
    single = live(events={70.0: late})
    assert single.updates("other")[0] == (240.0, "IN_PROGRESS v2", "accepted")


def test_one_of_several_that_vanishes_takes_the_others_with_it() -> None:
    plans = {(1, 0): SUCCEED._replace(outcome=Outcome.VANISH, fault_step=2, away_s=600.0)}
    seen = live(plans, Agent(parallel=2), jobs=("job", "other"))
    assert seen.connects() == [0.0, 690.0]
    assert seen.updates("other")[1:] == [
        (60.0, "IN_PROGRESS v2", "accepted"),
        (750.0, "IN_PROGRESS v3", "accepted"),
        (810.0, "IN_PROGRESS v4", "accepted"),
        (870.0, "SUCCEEDED v5", "accepted"),
    ]
    assert seen.end("job") == ("SUCCEEDED", 6, None)


# ------------------------------------------------------------------------------- what it reports


def test_no_progress_is_the_end_only() -> None:
    seen = live(agent=Agent(progress=False))
    assert seen.updates() == [(180.0, "SUCCEEDED v2", "accepted")]
    plan = SUCCEED._replace(outcome=Outcome.FAIL, fault_step=2, reason="no-space")
    failed = live(plan, Agent(progress=False))
    assert failed.updates() == [(120.0, "FAILED v2", "accepted")]
    assert failed.end()[2] == {"reason": "no-space", "failedStep": "2"}


def test_progress_every_so_many_seconds() -> None:
    plan = SUCCEED._replace(step_timeout_minutes=5)
    seen = live(plan, Agent(progress_every=50.0))
    assert [(at, what) for at, what, _ in seen.updates()] == [
        (50.0, "IN_PROGRESS v2 5m"),
        (100.0, "IN_PROGRESS v3 5m"),
        (150.0, "IN_PROGRESS v4 5m"),
        (180.0, "SUCCEEDED v5"),
    ]
    hangs = plan._replace(outcome=Outcome.HANG, fault_step=3)  # after two minutes
    assert [at for at, _, _ in live(hangs, Agent(progress_every=50.0)).updates()] == [50.0, 100.0]


@pytest.mark.parametrize(
    ("timer", "start", "said"),
    [
        ("renew", "start-next", ["v2 5m", "v3 5m", "v4"]),
        ("once", "start-next", ["v2 5m", "v3", "v4"]),
        ("none", "start-next", ["v2", "v3", "v4"]),
        ("renew", "notify-next", ["v1 5m", "v2 5m", "v3 5m", "v4"]),
        ("once", "notify-next", ["v1 5m", "v2", "v3", "v4"]),
    ],
)
def test_the_step_timer_is_set_as_the_agent_does(timer: Any, start: Any, said: list[str]) -> None:
    plan = SUCCEED._replace(step_timeout_minutes=5)
    seen = live(plan, Agent(step_timer=timer, start=start))
    assert [what.split(" ", 1)[1] for _, what, _ in seen.updates()] == said


# ------------------------------------------------------------------------------- contradicted


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        (
            "continue",
            [
                (60.0, "IN_PROGRESS v2", "VersionMismatch"),
                (60.0, "IN_PROGRESS v3", "accepted"),
                (120.0, "IN_PROGRESS v4", "accepted"),
                (180.0, "SUCCEEDED v5", "accepted"),
            ],
        ),
        ("abandon", [(60.0, "IN_PROGRESS v2", "VersionMismatch")]),
        (
            "force",
            [
                (60.0, "IN_PROGRESS v2", "VersionMismatch"),
                (60.0, "IN_PROGRESS", "accepted"),
                (120.0, "IN_PROGRESS v4", "accepted"),
                (180.0, "SUCCEEDED v5", "accepted"),
            ],
        ),
    ],
)
def test_after_somebody_else_wrote(policy: Any, after: list[Any]) -> None:
    seen = live(agent=Agent(on_conflict=policy), events={30.0: writes()})
    assert seen.updates() == after
    conflict = next(row for row in seen.records() if row.outcome == results.VERSION_MISMATCH)
    assert conflict.cause == SECOND_WRITER
    assert results.edge_name(conflict.edge) == "IN_PROGRESS → IN_PROGRESS"


def test_without_a_version_nothing_is_contradicted() -> None:
    seen = live(agent=Agent(expected_version=False), events={30.0: writes()})
    assert [(what, how) for _, what, how in seen.updates()] == [
        ("IN_PROGRESS", "accepted"), ("IN_PROGRESS", "accepted"), ("SUCCEEDED", "accepted"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        ("continue", [(60.0, "IN_PROGRESS v2", "VersionMismatch")]),
        ("abandon", []),
        (
            "force",
            [
                (60.0, "IN_PROGRESS v2", "VersionMismatch"),
                (60.0, "IN_PROGRESS", "InvalidStateTransition"),
            ],
        ),
    ],
)
def test_a_cancel_underneath(policy: Any, after: list[Any]) -> None:
    """Who abandons what is contradicted stops when it is told; others learn it when they report."""
    seen = live(agent=Agent(on_conflict=policy), jobs=("job", "other"), events={30.0: cancel})
    assert seen.updates() == after
    assert seen.end()[0] == "CANCELED"
    began = 30.0 if policy == "abandon" else 60.0
    assert seen.updates("other")[0] == (began + 60.0, "IN_PROGRESS v2", "accepted")
    causes = [row.cause for row in seen.records() if row.outcome == results.VERSION_MISMATCH]
    assert set(causes) <= {SERVICE}


def test_one_of_several_is_canceled_underneath() -> None:
    agent = Agent(parallel=2, on_conflict="abandon")
    seen = live(agent=agent, jobs=("job", "other"), events={30.0: cancel})
    assert seen.updates() == [(0.0, "IN_PROGRESS v1", "accepted")]
    assert seen.updates("other")[-1] == (180.0, "SUCCEEDED v4", "accepted")


# ------------------------------------------------------------------------------- unanswered


class Deaf:
    """A link that loses the first ``n`` updates, or the replies to them."""

    def __init__(self, link: MemoryLink, n: int, *, applied: bool) -> None:
        self.link, self.left, self.applied = link, n, applied
        self.connect, self.close = link.connect, link.close
        self.fault = 0

    @property
    def connected(self) -> bool:
        return self.link.connected

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        if not isinstance(request, Update) or self.left == 0:
            return await self.link.call(job_id, request, after)
        self.left -= 1
        if self.applied:
            await self.link.call(job_id, request, after)
        else:
            await self.link._broker.sleep(after)
        silence = NoReply("lost")
        silence.applied = self.applied
        raise silence


def deaf(n: int, *, applied: bool) -> Any:
    def around(link: MemoryLink) -> Link:
        return Deaf(link, n, applied=applied)

    return around


def test_a_lost_reply_is_found_out_by_its_version() -> None:
    seen = live(link=deaf(1, applied=True), agent=Agent(backoff_base=10.0))
    first, again, *rest = seen.updates()
    assert first == (60.0, "IN_PROGRESS v2", "accepted")
    assert again[1:] == ("IN_PROGRESS v2", "VersionMismatch")
    assert 60.0 <= again[0] < 70.0
    assert [what for _, what, _ in rest] == ["IN_PROGRESS v3", "SUCCEEDED v4"]
    assert [row.cause for row in seen.records()] == [0, LOST_REPLY, 0, 0]


def test_an_agent_gives_up_after_its_tries() -> None:
    agent = Agent(tries=3, backoff_base=1.0, backoff_maximum=1.0)
    seen = live(link=deaf(9, applied=False), agent=agent)
    assert [row.outcome for row in seen.records()] == [results.NO_REPLY] * 3
    assert seen.end()[0] == "IN_PROGRESS"
    patient = live(link=deaf(9, applied=False))
    assert patient.end()[0] == "SUCCEEDED"


def test_a_lost_request_is_not_taken_for_a_lost_reply() -> None:
    """Somebody else wrote what it wanted to: the agent believes it was its own, we know better."""
    seen = live(
        link=deaf(1, applied=False),
        agent=Agent(backoff_base=10.0, backoff_maximum=10.0),
        events={60.0: writes()},
    )
    conflict = next(row for row in seen.records() if row.outcome == results.VERSION_MISMATCH)
    assert conflict.cause == SECOND_WRITER


# ------------------------------------------------------------------------------- two of them


def test_two_agents_on_one_thing_contradict_each_other() -> None:
    seen = live(agent=Agent(second=1.0))
    assert seen.end()[0] == "SUCCEEDED"
    conflicts = [row for row in seen.records() if row.outcome == results.VERSION_MISMATCH]
    assert len(conflicts) >= 3
    assert {row.cause for row in conflicts} == {SECOND_WRITER}
    assert [what for at, what, _ in seen.requests if at == 0.0] == ["StartNext", "StartNext"]
    assert len(seen.connects()) == 2
