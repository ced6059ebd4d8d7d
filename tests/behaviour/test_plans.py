"""Work plans: every outcome, batches, jobs and selections, the same whatever the order."""

import numpy as np
import pytest

from simulator.behaviour import (
    EVERYTHING,
    Batch,
    Cohort,
    Distribution,
    Fate,
    JobPlan,
    Outcome,
    Outcomes,
    Selection,
    Step,
    Work,
    WorkPlan,
    WorkTable,
)

N = 20_000
MINUTE = Distribution("constant", 60.0)


def table(outcome: Outcomes, work: Work | None = None, **others: object) -> WorkTable:
    cohort = Cohort("c", N, work or Work(MINUTE, 4), outcome, **others)  # type: ignore[arg-type] # a test's short hand
    return WorkTable((cohort,), 5)


def plans(work: WorkTable, attempt: int = 1, job: int = 0) -> list[WorkPlan]:
    return [work.plan(thing, attempt, job) for thing in range(len(work))]


def close(count: int, share: float, of: int = N) -> bool:
    """Within five standard deviations of a binomial count."""
    allowed: float = 5 * (of * share * (1 - share)) ** 0.5 + 1
    return abs(count - of * share) < allowed


ALL = Outcomes(
    fail=Fate((0.05,), (("flash", 3.0), ("space", 1.0)), step=2),
    reject=Fate((0.04,), (("battery", 1.0),)),
    hang=Fate((0.03,), step=3, away=Distribution("exponential", 600.0)),
    vanish=Fate((0.06,)),
    reboot=Fate((0.07,), step=4, away=Distribution("constant", 90.0)),
    slow=Fate((0.08,)),
    slow_factor=3.0,
)


def test_every_outcome_comes_in_its_share_with_what_belongs_to_it() -> None:
    drawn = plans(table(ALL))
    by = {outcome: [plan for plan in drawn if plan.outcome == outcome] for outcome in Outcome}
    for outcome, share in zip(Outcome, (0.75, 0.05, 0.04, 0.03, 0.06, 0.07), strict=True):
        assert close(len(by[outcome]), share), outcome
    slow = [plan for plan in by[Outcome.SUCCEED] if plan.step_s == 45.0]
    assert close(len(slow), 0.08)
    failed = by[Outcome.FAIL]
    assert {plan.fault_step for plan in failed} == {2}
    assert close(sum(plan.reason == "flash" for plan in failed), 0.75, len(failed))
    assert {plan.reason for plan in by[Outcome.REJECT]} == {"battery"}
    assert {plan.fault_step for plan in by[Outcome.VANISH]} == {1, 2, 3, 4}
    assert {plan.away_s for plan in by[Outcome.VANISH]} == {float("inf")}
    assert {(plan.away_s, plan.fault_step) for plan in by[Outcome.REBOOT]} == {(90.0, 4)}
    away = [plan.away_s for plan in by[Outcome.HANG]]
    assert np.mean(away) == pytest.approx(600, rel=0.2)
    assert len(set(away)) > len(away) * 0.9
    assert {plan.reason for plan in by[Outcome.SUCCEED]} == {None}


def test_shares_may_depend_on_the_attempt() -> None:
    work = table(Outcomes(fail=Fate((0.5, 0.1, 0.0))))
    failed = [sum(p.outcome == Outcome.FAIL for p in plans(work, n)) for n in (1, 2, 3, 4)]
    assert close(failed[0], 0.5)
    assert close(failed[1], 0.1)
    assert failed[2:] == [0, 0]


def test_steps_have_durations_and_timeouts_of_their_own() -> None:
    steps = (
        Step(Distribution("uniform", 10.0, 20.0), "download", 5),
        Step(Distribution("constant", 1.0), "install"),
    )
    slowly = Outcomes(slow=Fate((1.0,)), slow_factor=2.0, duplicated=0.1, out_of_order=0.2)
    for outcome, factor in ((Outcomes(), 1), (slowly, 2)):
        plan = table(outcome, Work(steps=2, each=steps)).plan(7, 1)
        assert plan.each is not None
        first, second = plan.each
        assert 10 * factor <= first <= 20 * factor
        assert second == factor
        assert (plan.steps, plan.timeouts) == (2, (5, None))
    assert (plan.duplicated, plan.out_of_order) == (0.1, 0.2)
    others = {p.each[0] for p in plans(table(Outcomes(), Work(steps=2, each=steps))) if p.each}
    assert len(others) > 5000


def test_plans_do_not_depend_on_the_order_of_asking() -> None:
    batch = Batch("b", Selection((), 0.5, "b"), ALL)
    jobs = (JobPlan("one"), JobPlan("two", work=Work(Distribution("exponential", 9.0), 2)))
    cohorts = (Cohort("c", 50, Work(MINUTE, 4), ALL), Cohort("d", 50, Work(MINUTE, 3)))
    asked = [(thing, attempt, job) for thing in range(100) for attempt in (1, 2) for job in (0, 1)]
    first = WorkTable(cohorts, 9, (batch,), jobs)
    expected = {key: first.plan(*key) for key in asked}
    asked.sort(key=lambda key: (-key[0], key[2], -key[1]))
    second = WorkTable(cohorts, 9, (batch,), jobs)
    assert all(second.plan(*key) == expected[key] for key in asked)
    third = WorkTable(cohorts, 10, (batch,), jobs)
    assert any(third.plan(*key) != expected[key] for key in asked)


def test_the_first_batch_that_a_thing_is_in_decides_its_outcomes() -> None:
    cohort = Cohort("c", N, attributes={"rev": (("a", 7.0), ("b", 3.0))})
    bad = Batch("bad", Selection((("rev", ("b",)),), 0.5, "bad"), Outcomes(fail=Fate((1.0,))))
    rest = Batch("rest", Selection((("rev", ("b",)),)), Outcomes(reject=Fate((1.0,))))
    work = WorkTable((cohort,), 3, (bad, rest))
    in_bad, in_b = work.select(bad.where), work.select(rest.where)
    assert close(int(in_b.sum()), 0.3)
    assert close(int(in_bad.sum()), 0.15)
    for thing, plan in enumerate(plans(work)):
        expected = Outcome.SUCCEED
        if in_b[thing]:
            expected = Outcome.FAIL if in_bad[thing] else Outcome.REJECT
        assert plan.outcome == expected


def test_a_job_may_have_work_and_outcomes_of_its_own() -> None:
    jobs = (
        JobPlan("plain"),
        JobPlan("own", work=Work(Distribution("constant", 2.0), 2), outcome=ALL),
        JobPlan("again"),
    )
    cohort = Cohort("c", N, Work(Distribution("exponential", 60.0), 4), Outcomes(fail=Fate((0.5,))))
    work = WorkTable((cohort,), 3, (), jobs)
    assert work.plan(0, 1) == WorkTable((cohort,), 3).plan(0, 1)
    own = plans(work, job=1)
    assert {plan.steps for plan in own} == {2}
    assert {round(plan.step_s, 9) for plan in own} == {1.0, 3.0}
    assert close(sum(plan.outcome == Outcome.FAIL for plan in own), 0.05)
    one, other = (plans(work, job=job) for job in (0, 2))
    both = sum(a.outcome == b.outcome == Outcome.FAIL for a, b in zip(one, other, strict=True))
    assert close(both, 0.25), "chance of one job is not that of another"


def test_selections_speak_of_attributes_and_of_a_share_that_stays() -> None:
    cohorts = (
        Cohort("eu", N, attributes={"region": (("eu", 1.0),), "rev": (("a", 1.0), ("b", 1.0))}),
        Cohort("us", N, attributes={"region": (("us", 1.0),)}),
    )
    work = WorkTable(cohorts, 3)
    assert work.select(EVERYTHING).all()
    assert work.select(Selection((("cohort", ("us",)),))).tolist() == [False] * N + [True] * N
    assert work.select(Selection((("region", ("eu", "us")),))).all()
    assert not work.select(Selection((("region", ("eu",)), ("cohort", ("us",))))).any()
    rev = work.select(Selection((("rev", ("b",)),)))
    assert close(int(rev.sum()), 0.5)
    assert not rev[N:].any()
    for thing in (0, 1, 2, 3, N, N + 1):
        attributes = work.attributes_of(thing)
        assert attributes["cohort"] == attributes["region"]
        assert (attributes.get("rev") == "b") == bool(rev[thing])
    few, more = (work.select(Selection((), share, "s")) for share in (0.1, 0.4))
    assert close(int(few.sum()), 0.1, 2 * N)
    assert (few <= more).all(), "a greater share of the same salt has the smaller one in it"
    assert (few != work.select(Selection((), 0.1, "t"))).any()


def test_a_thing_keeps_its_attributes_when_the_fleet_is_rescaled() -> None:
    def revisions(things: int) -> list[str]:
        cohort = Cohort("c", things, attributes={"rev": (("a", 1.0), ("b", 1.0))})
        work = WorkTable((cohort,), 3)
        return [work.attributes_of(thing)["rev"] for thing in range(100)]

    assert revisions(100) == revisions(1000)


def test_a_million_plans_take_13_bytes_each() -> None:
    work = WorkTable((Cohort("c", 1_000_000, Work(MINUTE, 4), ALL),), 1)
    work.plan(0, 1)
    (columns,) = work._columns.values()
    sizes = [column.nbytes for column in columns[:3]]
    assert sum(sizes) == 13 * 1_000_000
