"""Any fleet, batches, network, jobs and incidents: read, written, and read again as the same."""

from typing import Any

import jsonschema
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.behaviour import PRESETS
from simulator.scenario import dump, json_schema, loads

VALIDATOR = jsonschema.Draft202012Validator(json_schema())

durations = st.integers(1, 10**9).map(lambda ms: f"{ms}ms")
shares = st.one_of(st.integers(0, 10**6).map(lambda n: f"{n / 10_000:.4f}%"), st.floats(0.001, 1))
small = st.integers(1, 15).map(lambda n: f"{n}%")
numbers = st.integers(1, 10**6)
names = st.sampled_from(["a", "b", "c"])
weights = st.one_of(
    st.dictionaries(names, st.floats(0.1, 100), min_size=1),
    st.just({"a": "12.5%", "b": "87.5%"}),
)


def mapping(needed: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(needed, optional=optional)


def family(name: str, **keys: Any) -> st.SearchStrategy[dict[str, Any]]:
    return mapping({"distribution": st.just(name), **keys}, {})


simple = st.one_of(
    durations,
    family("gamma", mean=durations, shape=st.floats(0.01, 1000)),
    family("weibull", scale=durations, shape=st.floats(0.01, 1000)),
    family("exponential", mean=durations, max=st.just("300000h")),
    family("triangular", low=st.just("1s"), mode=st.just("2s"), high=st.just("3s")),
    family("empirical", values=st.lists(durations, min_size=1, max_size=3)),
    family(
        "empirical",
        histogram=st.floats(0, 9).map(
            lambda weight: [{"up_to": "1s", "weight": weight}, {"up_to": "2s", "weight": 1}]
        ),
    ),
)
varying = st.one_of(
    simple,
    family(
        "mixture", of=st.lists(mapping({"weight": numbers, "duration": simple}, {}), min_size=1)
    ),
)
fate = st.one_of(small, st.lists(small, min_size=1, max_size=3))


def fates(**keys: Any) -> st.SearchStrategy[Any]:
    return st.one_of(fate, mapping({"share": fate}, {"step": st.just(1), **keys}))


outcomes = mapping(
    {},
    {
        "fail": fates(reasons=weights),
        "reject": mapping({"share": fate}, {"reasons": weights}),
        "hang": fates(away=simple),
        "vanish": fates(away=simple),
        "reboot": mapping({"share": fate, "away": simple}, {}),
        "slow": st.one_of(fate, mapping({"share": fate}, {"factor": st.floats(1.1, 1000)})),
        "duplicated": shares,
        "out_of_order": shares,
    },
)
works = st.one_of(
    mapping({"duration": varying}, {"steps": numbers, "step_timeout": st.just("7m")}),
    mapping(
        {
            "steps": st.lists(
                mapping({"duration": simple}, {"name": names, "timeout": st.just("3m")}),
                min_size=1,
                max_size=3,
            )
        },
        {},
    ),
)
agents = st.one_of(
    st.sampled_from(sorted(PRESETS)),
    mapping(
        {},
        {
            "preset": st.sampled_from(sorted(PRESETS)),
            "start": st.sampled_from(["start-next", "notify-next", "polling"]),
            "expected_version": st.booleans(),
            "parallel": st.integers(1, 9),
            "progress": st.one_of(st.sampled_from(["none", "step"]), durations),
            "backoff": mapping({}, {"base": durations, "maximum": durations}),
            "second": shares,
        },
    ),
)
presences = st.one_of(
    st.just("always"),
    st.just({"daily": {"from": "08:00", "until": "17:30:05", "spread": "5m"}}),
    st.lists(shares, min_size=24, max_size=24).map(lambda hours: {"hourly": hours}),
    st.just({"schedule": [{"from": "0s", "until": "1h"}, {"from": "1h", "until": "2h"}]}),
    st.just({"on": "1h", "off": {"distribution": "exponential", "mean": "2h"}}),
)
cohort = mapping(
    {"cohort": st.just("x"), "things": st.integers(1, 10**7), "work": works},
    {
        "attributes": st.dictionaries(names, st.one_of(names, weights), max_size=2),
        "time_zone": st.sampled_from(["UTC", "Asia/Kolkata"]),
        "outcome": outcomes,
        "agent": agents,
        "presence": presences,
        "network": mapping({}, {"latency": simple, "lost_replies": shares, "clock_skew": simple}),
    },
)
scenarios = mapping(
    {
        "fleet": cohort.map(lambda one: [one]),
        "jobs": st.lists(
            mapping(
                {"create": st.just({"document": {"n": None}})},
                {"at": st.just("5m"), "work": works, "outcome": outcomes, "share": small},
            ),
            min_size=1,
            max_size=2,
        ),
    },
    {
        "quotas": st.sampled_from(["none", "aws"]),
        "batches": outcomes.map(lambda one: [{"name": "b", "share": "40%", "outcome": one}]),
        "network": mapping(
            {},
            {
                "jitter": simple,
                "duplicated": shares,
                "disconnects": simple,
                "storms": st.just([{"name": "s", "at": "1h", "within": "1m"}]),
            },
        ),
        "service": st.just([{"throttle": "0.5%", "at": "1h"}, {"join": True}]),
    },
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios)
def test_what_is_written_reads_back_as_the_same(members: dict[str, Any]) -> None:
    text = yaml.safe_dump(members, allow_unicode=True)
    scenario = loads(text, "x.yaml").scenario
    VALIDATOR.validate(members)
    written = dump(scenario)
    again = loads(written, "x.yaml").scenario
    assert again == scenario
    assert dump(again) == written
    assert again.cohorts() == scenario.cohorts()
    assert again.jobs() == scenario.jobs()
    VALIDATOR.validate(yaml.safe_load(written))


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios, st.integers(1, 10**6))
def test_a_rescaled_scenario_has_the_things_that_were_asked_for(
    members: dict[str, Any], things: int
) -> None:
    other = {"cohort": "y", "things": 3, "work": {"duration": "1s"}}
    text = yaml.safe_dump({**members, "fleet": [*members["fleet"], other]})
    resolved = loads(text, "x.yaml").scenario.resolved(1, things)
    assert resolved.things == things
    assert loads(dump(resolved), "x.yaml").scenario == resolved
