"""What the "Rollout" tab draws: rates over stretches of time, and what the rollout allows."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.jobs.model import STATUSES
from simulator.rollout_view import Pace, as_csv, releases, samples
from simulator.scenario.file import loads
from simulator.snapshots import Lag, Snapshot

ONE = Snapshot(
    wall_s=1.0, scenario_s=1.0, until_s=3600, things=100, connected=9, executions={"QUEUED": 5},
    released=5, to_come=95, requests=40, updates=20, failures=1, no_reply=0,
    conflicts={}, lag=Lag(3.5, 2.0, 0.25),
)  # fmt: skip
FLEET = "fleet: [{cohort: g, things: 100, work: {duration: 1m}}]\n"


def pace(rollout: str) -> Pace:
    job = f"job: {{document: {{}}, jobExecutionsRolloutConfig: {rollout}}}\n"
    return Pace.of(loads(FLEET + job, "s").scenario)


def released(*counts: int, scale: float = 60) -> list[Snapshot]:
    """A snapshot a wall second, halfway through it."""
    return [
        replace(ONE, wall_s=at + 0.5, scenario_s=(at + 0.5) * scale, released=count,
                executions={"SUCCEEDED": count})
        for at, count in enumerate(counts)
    ]  # fmt: skip


def test_conflicts_are_in_percent_of_the_updates_of_ten_seconds() -> None:
    snapshots = [
        replace(ONE, wall_s=float(at), updates=100 * at, conflicts={"lost_reply": 10 * min(at, 5)})
        for at in range(1, 20)
    ]
    columns = samples(snapshots)
    assert columns["conflicts"]["lost_reply"][0] == 10.0  # the run began with nothing
    assert columns["conflicts"]["lost_reply"][9] == 5.0
    assert columns["conflicts"]["lost_reply"][18] == 0.0
    assert set(columns["conflicts"]["service"]) == {0.0}
    assert (columns["slip_p99_ms"][0], columns["loop_lag_ms"][0], columns["cpu"][0]) == (
        3.5, 2.0, 0.25,
    )  # fmt: skip


def test_only_what_is_new_is_told_and_reckons_with_what_was_before() -> None:
    snapshots = [
        replace(ONE, wall_s=float(at), updates=10 * at, conflicts={"service": at})
        for at in range(1, 20)
    ]
    fresh = samples(snapshots, since=17.0)
    assert fresh["wall"] == [18.0, 19.0]
    assert fresh["conflicts"]["service"] == [10.0, 10.0]
    assert list(fresh["executions"]) == list(STATUSES)


def test_no_update_is_no_conflict() -> None:
    assert samples([replace(ONE, updates=0)])["conflicts"]["unknown"] == [0.0]


def test_a_bar_is_what_a_scenario_minute_released() -> None:
    shown = releases(released(10, 10, 20, 20, 28, 28, scale=30), pace("{maximumPerMinute: 10}"), 30)
    assert (shown["minutes"], shown["exact"]) == (1, True)
    assert shown["at"] == [0, 60, 120]
    assert shown["measured"] == [10, 10, 8]
    assert shown["configured"] == [10, 10, 10]


def test_with_a_time_scale_a_bar_is_of_several_minutes() -> None:
    """A snapshot sees a minute's batch or two: one minute alone would be nothing but noise."""
    counts = (10, 20, 30, 50, 50, 60, 70)
    shown = releases(released(*counts), pace("{maximumPerMinute: 10}"), 60)
    assert shown["minutes"] == 4
    assert shown["at"] == [0, 240]
    assert shown["measured"] == [12.5, round(20 / 3, 3)]  # the last is of three minutes so far


def test_a_growing_rate_grows_with_what_was_released() -> None:
    rate = (
        "{maximumPerMinute: 50, exponentialRate: {baseRatePerMinute: 10, incrementFactor: 2, "
        "rateIncreaseCriteria: {numberOfNotifiedThings: 20}}}"
    )
    grown = releases(released(10, 20, 40, 80, scale=59.9), pace(rate), 30)
    assert grown["configured"] == [10, 10, 20, 40]
    assert grown["measured"] == [10, 10, 20, 40]
    whole = releases(released(10, 20, 40, 80, 90), pace(rate), 60)
    assert whole["configured"] == [20, 50]  # 10 + 10 + 20 + 40, then the maximum


def test_of_several_growing_jobs_the_maxima_are_what_is_said() -> None:
    growing = (
        "{baseRatePerMinute: 5, incrementFactor: 2, "
        "rateIncreaseCriteria: {numberOfNotifiedThings: 20}}"
    )
    jobs = "".join(
        f"  - {{create: {{jobId: {name}, document: {{}}, jobExecutionsRolloutConfig: "
        f"{{maximumPerMinute: {most}, exponentialRate: {growing}}}}}, at: {at}}}\n"
        for name, most, at in (("a", 10, "0s"), ("b", 30, "2m"))
    )
    both = Pace.of(loads(f"{FLEET}jobs:\n{jobs}", "s").scenario)
    shown = releases(released(10, 20, 60, scale=59.9), both, 30)
    assert shown["exact"] is False
    assert shown["configured"] == [10, 10, 40]


def test_a_template_may_know_more_than_the_scenario() -> None:
    arn = "arn:aws:iot:us-east-1::jobtemplate/AWS-Reboot:1.0"
    text = f"{FLEET}job: {{jobTemplateArn: '{arn}'}}\n"
    shown = releases(released(5), Pace.of(loads(text, "s").scenario), 1)
    assert shown["configured"] == [None]


def test_without_a_rollout_it_is_aws_s_thousand() -> None:
    assert releases(released(5), pace("{}"), 1)["configured"] == [1000]


def test_before_the_first_snapshot_there_is_nothing() -> None:
    assert releases([], pace("{}"), 1)["at"] == []
    assert samples([])["at"] == []


def test_the_hour_that_is_kept_may_not_be_the_first() -> None:
    late = released(*(100 + at for at in range(300)), scale=1)[200:]
    shown = releases(late, pace("{maximumPerMinute: 60}"), 1)
    assert shown["at"] == [180, 240]
    assert shown["measured"][0] == 39  # not all that had been released before


def test_all_that_is_kept_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "rollout.csv"
    path.write_text(as_csv([replace(ONE, conflicts={"service": 3})]))
    with path.open() as file:
        (row,) = csv.DictReader(file)
    assert (row["QUEUED"], row["conflicts_service"], row["cpu"]) == ("5", "3", "0.25")
    assert row["conflicts_lost_reply"] == "0"


@pytest.mark.parametrize("scale", [1, 60, 3600])
def test_a_day_has_no_more_bars_than_can_be_seen(scale: float) -> None:
    counts = [min(100, at) for at in range(1200)]
    shown = releases(released(*counts, scale=scale), pace("{maximumPerMinute: 1}"), scale)
    assert 5 < len(shown["at"]) <= 301
