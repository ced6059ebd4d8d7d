"""Presence: by the local day with its summer time, by the hour, by a schedule, and by chance."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour import Cohort, Distribution, Presence, PresenceTable

HOUR, DAY = 3600.0, 86_400.0
BEFORE_SUMMER = datetime(2026, 3, 28, tzinfo=UTC).timestamp()
BEFORE_WINTER = datetime(2026, 10, 24, tzinfo=UTC).timestamp()
OFFICE = Presence("daily", 8 * HOUR, 18 * HOUR)
NIGHT = Presence("daily", 22 * HOUR, 6 * HOUR, 1800)
HOURS = Presence("hourly", hours=(0.1,) * 8 + (0.9,) * 10 + (0.1,) * 6)
TURNS = Presence(
    "on-off", on=Distribution("exponential", HOUR), off=Distribution("exponential", 3 * HOUR)
)
SCHEDULE = Presence("schedule", intervals=((0.0, 10.0), (20.0, 30.0), (30.0, 40.0)))
PATTERNS = [OFFICE, NIGHT, HOURS, TURNS, SCHEDULE]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]


def table(
    presence: Presence, zone: str = "UTC", epoch: float = BEFORE_SUMMER, things: int = 50
) -> PresenceTable:
    return PresenceTable((Cohort("c", things, presence=presence, time_zone=zone),), 1, epoch)


def wall(zone: str, epoch: float, now: float) -> datetime:
    return datetime.fromtimestamp(epoch + now, UTC).astimezone(ZoneInfo(zone))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("epoch", [BEFORE_SUMMER, BEFORE_WINTER])
def test_a_day_follows_the_clock_on_the_wall(zone: str, epoch: float) -> None:
    presence = table(OFFICE, zone, epoch)
    for minute in range(0, 3 * 24 * 60, 7):
        there, _ = presence.at(0, minute * 60.0)
        assert there == (8 <= wall(zone, epoch, minute * 60).hour < 18)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("epoch", [BEFORE_SUMMER, BEFORE_WINTER])
def test_hours_follow_the_clock_on_the_wall(zone: str, epoch: float) -> None:
    presence = table(HOURS, zone, epoch, 2000)
    for minute in range(0, 3 * 24 * 60, 97):
        there = sum(presence.at(thing, minute * 60.0)[0] for thing in range(2000))
        share = 0.9 if 8 <= wall(zone, epoch, minute * 60).hour < 18 else 0.1
        assert abs(there - 2000 * share) < 5 * (2000 * share * (1 - share)) ** 0.5


@given(
    pattern=st.sampled_from(PATTERNS),
    zone=st.sampled_from(ZONES),
    epoch=st.sampled_from([BEFORE_SUMMER, BEFORE_WINTER]),
    thing=st.integers(0, 49),
    now=st.integers(0, int(9 * DAY * 1000)).map(lambda ms: ms / 1000),
)
@settings(max_examples=300, deadline=None)
def test_an_answer_holds_until_the_moment_that_it_names(
    pattern: Presence, zone: str, epoch: float, thing: int, now: float
) -> None:
    presence = table(pattern, zone, epoch)
    there, until = presence.at(thing, now)
    assert until > now
    if until == float("inf"):
        return
    assert presence.at(thing, until)[0] != there
    assert presence.at(thing, (now + until) / 2) == (there, until)
    if until - now > 0.002:
        assert presence.at(thing, until - 0.001) == (there, until)
    assert table(pattern, zone, epoch).at(thing, now) == (there, until), "asked first, asked last"


def test_a_spread_shifts_each_thing_by_its_own_number() -> None:
    presence = table(Presence("daily", 8 * HOUR, 18 * HOUR, 1800), things=500)
    begins = [presence.at(thing, 0.0)[1] for thing in range(500)]
    assert 7.5 * HOUR <= min(begins) < 7.6 * HOUR
    assert 8.4 * HOUR < max(begins) <= 8.5 * HOUR
    assert presence.at(3, DAY)[1] == pytest.approx(begins[3] + DAY)


def test_in_the_hour_that_the_clock_skips_all_is_an_hour_later_or_left_out() -> None:
    within = table(Presence("daily", 2 * HOUR + 600, 2 * HOUR + 1200), "Europe/Berlin")
    assert within.at(0, 0.0) == (False, HOUR + 600)
    assert within.at(0, 2 * HOUR) == (False, DAY + HOUR + 600), "at 03:10"
    until_its_end = table(Presence("daily", 2 * HOUR + 600, 3 * HOUR), "Europe/Berlin")
    assert until_its_end.at(0, 2 * HOUR) == (False, 2 * DAY + 600), "not at all on 29 March"


def test_a_whole_day_and_all_hours_are_always() -> None:
    for pattern in (
        Presence("daily", 0.0, DAY),
        Presence("hourly", hours=(1.0,) * 24),
    ):
        assert table(pattern, "Europe/Berlin").at(0, 12.5) == (True, float("inf"))
    assert table(Presence("hourly", hours=(0.0,) * 24)).at(0, 1.0) == (False, float("inf"))


def test_a_schedule_joins_what_touches_and_ends() -> None:
    presence = table(SCHEDULE)
    asked = [presence.at(0, now) for now in (0.0, 10.0, 25.0, 30.0, 40.0)]
    assert asked == [
        (True, 10.0), (False, 20.0), (True, 40.0), (True, 40.0), (False, float("inf")),
    ]  # fmt: skip


def test_turns_of_chance_have_the_shares_that_were_asked_for() -> None:
    presence = table(TURNS, things=1000)
    for now in (0.0, 5 * DAY):
        there = sum(presence.at(thing, now)[0] for thing in range(1000))
        assert there == pytest.approx(250, abs=4 * (1000 * 0.25 * 0.75) ** 0.5)


def test_who_is_always_there_is_known_without_asking() -> None:
    cohorts = (Cohort("a", 2), Cohort("b", 2, presence=OFFICE))
    presence = PresenceTable(cohorts, 1, BEFORE_SUMMER)
    assert [presence.always(thing) for thing in range(4)] == [True, True, False, False]
    assert not presence.everywhere
    assert presence.at(1, 5.0) == (True, float("inf"))
    assert PresenceTable(cohorts[:1], 1, 0.0).everywhere
