"""From executions to cohorts: shares, waits, settings, cohorts' rules, reasons."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import UsageError
from simulator.fit.cohorts import rule
from simulator.fit.executions import Execution, Observed
from simulator.fit.fitting import Fitted, Wanted, fit_executions
from simulator.fit.laws import Law
from simulator.fit.settings import infer
from simulator.fit.shares import Shares, differ, estimate, reasons, wilson
from simulator.fit.special import Floats
from simulator.fit.waits import fit_waits
from simulator.scenario import loads

RNG = np.random.Generator(np.random.PCG64(3))


def execution(
    thing: str = "a",
    status: str = "SUCCEEDED",
    lasted: float | None = 90.0,
    queued: float = 0.0,
    wait: float = 0.0,
    number: int = 1,
) -> Execution:
    started = None if lasted is None else queued + wait
    updated = queued + wait + (lasted or 0.0)
    return Execution("J", thing, number, status, queued, started, updated, number - 1)


def fitted(executions: list[Execution], **wanted: Any) -> Fitted:
    return fit_executions(executions, Observed(fine=True), Wanted(bootstrap=0, **wanted), "test")


# ------------------------------------------------------------------------------- shares


def test_shares_split_what_is_open() -> None:
    """Of 100 running as long as half of the work lasts, half belong to what ended."""

    def tail(t: Floats) -> Floats:
        return np.full_like(t, 0.5)

    found = estimate(60, 20, 20, np.full(100, 90.0), (tail, tail), hang=False)
    assert found.by_name == pytest.approx(
        {"succeed": 0.675, "fail": 0.225, "reject": 0.1, "hang": 0}
    )

    def nothing(t: Floats) -> Floats:
        return np.zeros_like(t)

    found = estimate(60, 20, 10, np.full(10, 900.0), (nothing, nothing), hang=True)
    assert found.hang == pytest.approx(0.1, abs=1e-6)


def test_wilson_is_wilson() -> None:
    """Its ends are the shares from which 0.1 lies 1.645 standard errors away."""
    for end in wilson(0.1, 100):
        assert abs(end - 0.1) == pytest.approx(1.644854 * (end * (1 - end) / 100) ** 0.5)
    assert wilson(0.0, 10)[0] == 0
    assert wilson(0.5, 0) == (0, 1)


def test_attempts_differ_only_where_they_do() -> None:
    pooled = Shares(1200, 0.8, 0.2, 0, 0)
    alike = [Shares(1000, 0.8, 0.2, 0, 0), Shares(200, 0.79, 0.21, 0, 0)]
    apart = [Shares(1000, 0.88, 0.12, 0, 0), Shares(200, 0.4, 0.6, 0, 0)]
    assert not differ(pooled, alike)
    assert differ(pooled, apart)
    assert not differ(pooled, [pooled])


def test_reasons_come_from_the_key_that_tells_them() -> None:
    told = [{"reason": "power", "step": "3"}, {"reason": "power"}, {"reason": "space"}, {"x": "y"}]
    executions = [execution(status="FAILED") for _ in told]
    for one, details in zip(executions, told, strict=True):
        one.details = details
    assert reasons(executions) == ("reason", {"power": 2, "space": 1})
    assert reasons([execution()]) == (None, {})


# ------------------------------------------------------------------------------- waits


@pytest.mark.parametrize("away", [Law("exponential", 3600), Law("gamma", 4, 900)])
def test_presence_is_found_in_the_waits_that_it_makes(away: Law) -> None:
    """Things alternate; a rollout after a long time finds them anywhere in that."""
    waits = []
    for _ in range(4000):
        turns = np.stack([RNG.exponential(7200, 80), away.draw(RNG, 80)], axis=1).ravel()
        edges = np.cumsum(turns)
        at = int(np.searchsorted(edges, 100_000))
        waits.append(0.0 if at % 2 == 0 else float(edges[at] - 100_000))
    seen, limit = np.array(waits), 5000.0
    found = fit_waits(seen[seen <= limit], np.full((seen > limit).sum(), limit), 0.001)
    assert found.there == pytest.approx(2 / 3, abs=0.03)
    assert found.away is not None
    assert found.stay is not None
    assert found.away.mean == pytest.approx(3600, rel=0.12)
    assert found.stay == pytest.approx(7200, rel=0.15)


def test_short_waits_are_latency_and_no_absence() -> None:
    waits = Law("lognormal", 0.2, 0.4).draw(RNG, 500)
    found = fit_waits(waits, np.empty(0), 0.001)
    assert found.away is None
    assert found.latency is not None
    assert found.latency.median == pytest.approx(0.2, rel=0.1)
    assert fit_waits(np.round(waits), np.empty(0), 1.0).latency is None


# ------------------------------------------------------------------------------- settings


def test_timers_are_told_apart() -> None:
    late = [execution(f"h{i}", "TIMED_OUT", 1800.0) for i in range(5)]
    steps = [execution(f"s{i}", "TIMED_OUT", 613.0 + 40 * i) for i in range(9)]
    notes: list[str] = []
    both = infer([execution(), *late, *steps], None, notes)
    assert (both.in_progress_minutes, both.step_minutes, both.at_step_timer) == (30, 10, 9)
    only = infer([execution(), *late], None, notes)
    assert (only.in_progress_minutes, only.step_minutes) == (30, None)
    told = infer(steps, {"timeoutConfig": {"inProgressTimeoutInMinutes": 45}}, notes)
    assert (told.in_progress_minutes, told.step_minutes) == (45, 10)
    assert not notes
    quick = infer([execution("q", "TIMED_OUT", 12.0)], None, notes)
    assert quick.in_progress_minutes == 1
    assert "do not show by which timer" in notes[0]


@pytest.mark.parametrize(
    ("per_minute", "minutes", "rate"),
    [([50, 50, 50, 20], 4, 50), ([30], 1, None), ([3, 0, 0, 0, 2, 0, 9], 7, None)],
)
def test_the_rate_is_of_executions_queued_per_minute(
    per_minute: list[int], minutes: int, rate: int | None
) -> None:
    executions = [
        execution(f"{at}-{i}", queued=60.0 * at)
        for at, count in enumerate(per_minute)
        for i in range(count)
    ]
    settings = infer(executions, None, [])
    assert (settings.minutes, settings.per_minute) == (minutes, rate)


def test_retries_are_counted_by_what_they_follow() -> None:
    history = ["FAILED", "TIMED_OUT", "FAILED", "SUCCEEDED"]
    attempts = [execution("a", status, 60.0, number=at) for at, status in enumerate(history, 1)]
    settings = infer([*attempts, execution("b", "FAILED", 60.0)], None, [])
    assert settings.retries == {"FAILED": 2, "TIMED_OUT": 1}


# ------------------------------------------------------------------------------- cohorts


def test_rules_for_cohorts(tmp_path: Path) -> None:
    assert rule(None)("x") == "fleet"
    prefix = rule("prefix")
    assert [prefix(name) for name in ("gw-eu-0012", "gw7", "abc", "9")] == [
        "gw-eu", "gw", "other", "other",
    ]  # fmt: skip
    group = rule("^([a-z.]+)-")
    assert [group(name) for name in ("a.b-1", "X-1")] == ["a-b", "other"]
    table = tmp_path / "attributes.csv"
    table.write_text("thing,hardware\na,rev-a\nb,rev-b\n")
    by = rule(str(table))
    assert [by(name) for name in "abc"] == ["rev-a", "rev-b", "other"]


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("^[a-z]+-", "0 groups; a pattern needs one, which is the cohort"),
        ("(a", "no regular expression: missing )"),
        ("none.csv", "none.csv: cannot be read: No such file"),
        ("a,b\n", ":1: the header is a, b; it needs the columns thing and cohort"),
        ("thing,cohort\na\n", "row 2 has no cohort"),
    ],
)
def test_a_wrong_rule_is_one_sentence(by: str, said: str, tmp_path: Path) -> None:
    if "\n" in by:
        (tmp_path / "a.csv").write_text(by)
        by = str(tmp_path / "a.csv")
    with pytest.raises(UsageError) as caught:
        rule(by)
    assert said in str(caught.value)


def test_a_rule_that_names_every_thing_is_refused() -> None:
    executions = [execution(f"t{i}x") for i in range(300)]
    with pytest.raises(UsageError, match="--by gives 300 cohorts, such as t0x, t100x"):
        fitted(executions, by="(.*)")


def test_a_cohort_of_few_takes_the_law_of_all() -> None:
    t = Law("lognormal", 90, 0.5).draw(RNG, 300)
    executions = [execution(f"a-{i}", lasted=float(x)) for i, x in enumerate(t)]
    result = fitted([*executions, execution("b-1", lasted=5.0)], by="prefix")
    first, second = result.cohorts
    assert (first.pooled, second.pooled) == (False, True)
    assert second.best.law.median == pytest.approx(first.best.law.median, rel=0.05)


def test_failures_in_a_step_show_it() -> None:
    t = Law("lognormal", 90, 0.3).draw(RNG, 900)
    well = [execution(f"a{i}", lasted=float(x)) for i, x in enumerate(t[:600])]
    badly = [execution(f"b{i}", "FAILED", float(x) / 2) for i, x in enumerate(t[600:])]
    (cohort,) = fitted([*well, *badly]).cohorts
    assert (cohort.failing.steps, cohort.failing.step) == (2, 1)


def test_a_snapshot_of_a_running_job_is_not_biased_by_what_runs() -> None:
    """Started over ten minutes and looked at in the eleventh: only the quick ones have ended."""
    law = Law("gamma", 3, 100)
    starts, t = np.linspace(0, 600, 3000), law.draw(RNG, 3000)
    fails = RNG.random(3000) < 0.2
    executions = []
    for at, (start, lasts, bad) in enumerate(zip(starts, t, fails, strict=True)):
        over = start + lasts <= 660
        status = ("FAILED" if bad else "SUCCEEDED") if over else "IN_PROGRESS"
        executions.append(execution(f"t{at}", status, lasts if over else 0.0, queued=start))
    (cohort,) = fitted(executions, seen_at=660.0).cohorts
    assert cohort.best.law.median == pytest.approx(law.median, rel=0.08)
    assert cohort.shares.fail == pytest.approx(0.2, abs=0.03)
    assert cohort.shares.hang < 0.05


def test_the_jobs_own_configuration_wins_and_is_kept() -> None:
    job = {
        "jobId": "J", "document": {"operation": "x"}, "targets": ["arn"],
        "timeoutConfig": {"inProgressTimeoutInMinutes": 45}, "namespaceId": "n",
    }  # fmt: skip
    executions = [execution(f"t{i}", lasted=60.0 + i) for i in range(40)]
    result = fitted(executions, job=json.loads(json.dumps(job)))
    assert "inProgressTimeoutInMinutes: 45" in result.text
    assert "operation: x" in result.text
    assert "targets" not in result.text
    assert any("namespaceId has no place in a scenario" in note for note in result.notes)


def test_observed_before_the_last_change_is_refused() -> None:
    with pytest.raises(UsageError, match="--observed-at is 40 s before the last change"):
        fitted([execution()], seen_at=50.0)


# ------------------------------------------------------------------------------- the text


def test_all_that_was_found_stands_in_the_scenario_and_is_read_back() -> None:
    """Waits, reasons, step timers, retries after hangs, shares by attempt."""
    law = Law("gamma", 4, 30)
    executions = []
    for i in range(1500):
        name, wait = f"gw-{i:04d}", 0.0 if i % 3 else float(RNG.exponential(3600))
        fails, hangs = RNG.random(2) < (0.2, 0.05)
        lasted = float(law.draw(RNG, 1)[0])
        first = execution(name, "SUCCEEDED", lasted, 0.0, wait)
        if hangs:
            first = execution(name, "TIMED_OUT", 600.0 + lasted / 2, 0.0, wait)
        elif fails:
            first = execution(name, "FAILED", lasted / 2, 0.0, wait)
            first.details = {"reason": "no: space" if i % 2 else "power"}
        executions.append(first)
        if first.status != "SUCCEEDED":
            assert first.updated is not None
            retry = execution(name, "SUCCEEDED", lasted, first.updated, 5.0 * hangs, number=2)
            executions.append(retry)
    result = fitted(executions, by="prefix")
    (cohort,) = loads(result.text).scenario.cohorts()
    assert cohort.name == "gw"
    assert cohort.work.duration.kind == "gamma"
    assert cohort.work.step_timeout_minutes == 10
    assert cohort.outcome.fail.shares[0] == pytest.approx(0.19, abs=0.03)
    assert cohort.outcome.fail.shares[1] == pytest.approx(0, abs=0.02)
    assert {reason for reason, _ in cohort.outcome.fail.reasons} == {"power", "no: space"}
    assert cohort.outcome.hang.away is not None
    assert cohort.presence.kind == "on-off"
    off = cohort.presence.off
    assert off is not None
    assert off.mean_s() == pytest.approx(3600, rel=0.3)
    assert "maximumPerMinute" not in result.text
    assert "numberOfRetries: 1" in result.text
