"""What is wrong with a key: one error with its line, what is allowed, and the nearest name."""

from pathlib import Path

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import load, loads

TOP = """\
load: {until: 4h}
fleet:
  - cohort: gateways
    things: 10
    attributes: {region: eu, hardware: {rev-a: 70%, rev-b: 30%}}
    work: {duration: 90s, steps: 4}
"""
END = "job: {document: {}}\n"

# What stands in line 7, and what is said of it.
COHORT = [
    ("outcome: {fail: {share: 130%}}", "outcome.fail.share[0]: '130%' is impossible; a share is"),
    ("outcome: {fail: {share: []}}", "outcome.fail.share: at least one share is needed"),
    ("outcome: {fail: {share: 3%, step: 5}}", "fail.step: step 5 is beyond the work, which has on"),
    ("outcome: {fail: {share: 3%, step: 0}}", "fail.step: 0 is not possible; it must be at least"),
    ("outcome: {fail: {share: 3%, step: true}}", "fail.step: True is not a number"),
    ("outcome: {fail: {step: 1}}", "outcome.fail: the key 'share' is missing"),
    ("outcome: {fail: {share: 3%, reasons: {a: 60%, b: 60%}}}", "add up to 120%; percentages must"),
    ("outcome: {fail: {share: 3%, reasons: {a: 60%, b: 4}}}", "write one or the other"),
    ("outcome: {fail: {share: 3%, reasons: {a: -1}}}", "-1 is no weight; allowed: a percentage"),
    ("outcome: {fail: {share: 3%, reasons: {}}}", "reasons: at least one entry is needed"),
    ("outcome: {fail: {share: 3%, away: 2h}}", "fail.away: unknown key; allowed: share, reasons"),
    ("outcome: {fail: [60%, 10%], hang: [10%, 95%]}", "add up to 105% in attempt 2; at most 100%"),
    ("outcome: {reboot: {share: 5%}}", "outcome.reboot: the key 'away' is missing"),
    ("outcome: {reboot: 5%}", "outcome.reboot: the key 'away' is missing"),
    ("outcome: {slow: {share: 5%, factor: 1}}", "slow.factor: 1 is not possible; it must be more"),
    ("outcome: {duplicated: often}", "outcome.duplicated: 'often' is no share"),
    ("outcome: {vanishes: 3%}", "outcome.vanishes: unknown key; allowed: fail, reject"),
    ("agent: devise-client", "no agent that we know; allowed: default, device-client"),
    ("agent: devise-client", "Did you mean 'device-client'?"),
    ("agent: {start: notify_next}", "agent.start: 'notify_next' is not possible; allowed: start-"),
    ("agent: {start: notify_next}", "Did you mean 'notify-next'?"),
    ("agent: {on_conflict: retry}", "allowed: continue, abandon, force"),
    ("agent: {parallel: 0}", "agent.parallel: 0 is not possible; it must be at least 1"),
    ("agent: {progress: often}", "agent.progress: 'often' is not possible; allowed: none, step"),
    ("agent: {progress: 0s}", "agent.progress: 0ms is not possible"),
    ("agent: {poll_every: 5}", "agent.poll_every: 5 has no unit; write for example 5s"),
    ("agent: {expected_version: 7}", "agent.expected_version: 7 is not true or false"),
    ("agent: {bakoff: {}}", "agent.bakoff: unknown key; allowed: preset, start"),
    ("agent: 3", "agent: 3 is not a mapping of keys"),
    ("presence: sometimes", "presence: 'sometimes' is no pattern; allowed: always, or a mapping"),
    ("presence: {}", "presence: exactly one pattern is needed"),
    ("presence: {on: 1h}", "presence: on and off belong together"),
    ("presence: {on: 1h, off: 1h, daily: {from: '08:00', until: '09:00'}}", "exactly one pattern"),
    ("presence: {on: 1ms, off: 1h}", "presence: on takes less than 1s on average"),
    ("presence: {hourly: [1, 2]}", "presence.hourly[1]: 2 is impossible; a share is 0% to 100%"),
    ("presence: {hourly: [1, 1]}", "presence.hourly: 2 entries; at least 24 are needed"),
    ("presence: {daily: {from: 18:00, until: '20:00'}}", 'the number 1080; write "18:00"'),
    ('presence: {daily: {from: "8 am", until: "20:00"}}', "no time of day; write"),
    ('presence: {daily: {from: "25:00", until: "20:00"}}', "'25:00' is no time of day"),
    ('presence: {daily: {from: "08:00", until: "08:00"}}', "the same time of day"),
    ("presence: {daily: {until: '20:00'}}", "presence.daily: the key 'from' is missing"),
    ("presence: {schedule: []}", "presence.schedule: at least one entry is needed"),
    ("presence: {schedule: [{from: 2h, until: 1h}]}", "schedule[0]: until is not after from"),
    (
        "presence: {schedule: [{from: 0s, until: 2h}, {from: 1h, until: 3h}]}",
        "presence.schedule[1]: begins at 1h, before the one above ends at 2h",
    ),
    ("time_zone: Europe/Berln", "time_zone: 'Europe/Berln' is no time zone"),
    ("time_zone: Europe/Berln", "Did you mean 'Europe/Berlin'?"),
    ("time_zone: 2", "time_zone: 2 is not text"),
    ("attributes_: {}", "unknown key; allowed: cohort, things, weight, attributes"),
    ("network: {lost_reply: 3%}", "network.lost_reply: unknown key; allowed: latency, jitter"),
    ("network: {partitions: []}", "network.partitions: unknown key"),
    ("weight: 3", "things and weight stand here together; write one of them"),
]  # fmt: skip

SCENARIO = [
    ("batches: [{name: b, where: {hardwear: x}, outcome: {}}]", "no thing has this attribute; the"),
    ("batches: [{name: b, where: {hardwear: x}, outcome: {}}]", "Did you mean 'hardware'?"),
    ("batches: [{name: b, where: {hardware: rev-c}, outcome: {}}]", "no thing has hardware 'rev-c"),
    ("batches: [{name: b, where: {cohort: gateway}, outcome: {}}]", "Did you mean 'gateways'?"),
    ("batches: [{name: b, where: {hardware: 3}, outcome: {}}]", "where.hardware: 3 is not a list"),
    ("batches: [{name: b, where: {region: []}, outcome: {}}]", "at least one entry is needed"),
    ("batches: [{name: b, share: 0%, outcome: {}}]", "batches[0].share: 0% selects nothing"),
    ("batches: [{name: b, outcome: {fail: {share: 1%, step: 9}}}]", "step 9 is beyond the work"),
    ("batches: [{name: b}]", "batches[0]: the key 'outcome' is missing"),
    ("batches: [{name: b, outcome: {}}, {name: b, outcome: {}}]", "'b' stands here twice"),
    ("batches: []", "batches: at least one entry is needed"),
    ("network: {partitions: [{name: p, at: 1h}]}", "partitions[0]: the key 'lasts' is missing"),
    ("network: {partitions: [{name: p, at: 4h, lasts: 1h}]}", "at: 4h is not before the run's end"),
    ("network: {storms: [{name: s, at: 9h}]}", "storms[0].at: 9h is not before the run's end: loa"),
    ("network: {disconnects: often}", "network.disconnects: 'often' is no duration"),
    ("quotas: AWS", "quotas: 'AWS' is not possible; allowed: none, aws. Did you mean 'aws'?"),
    ("things: 11", "things: the cohorts have 10 things of their own; leave this key out"),
    ("service: [{at: 1h}]", "service[0]: exactly one action is needed; allowed: cancel_job"),
    ("service: [{throttle: 5%, outage: 1m}]", "exactly one action is needed, not outage and throt"),
    ("service: [{throttle: 0%}]", "service[0].throttle: '0%' is not possible; it must be more tha"),
    ("service: [{throttle: 5%, force: true}]", "force does not belong to throttle; it is of cance"),
    ("service: [{throttle: 5%, at: 5h}]", "service[0].at: 5h is not before the run's end"),
    ("service: [{cancel_job: x.}]", "service[0].cancel_job: there is no job 'x.'; there are x"),
    ("service: [{cancel_job: false}]", "False is not possible; write a job's id, or true for all"),
    ("service: [{join: true, job: y}]", "service[0].job: there is no job 'y'; there are x"),
    ("service: [{update_job: {timeoutConfg: {}}}]", "Did you mean 'timeoutConfig'?"),
    ("service: [{update_job: {description: 3}}]", "update_job.description: Expected text"),
    ("service: [{update_job: {}}]", "update_job: says nothing; allowed: description"),
    ("service: [{disconnect: {share: 110%}}]", "disconnect.share: '110%' is impossible"),
    ("service: [{throtle: 5%}]", "service[0].throtle: unknown key; allowed: name, at"),
    ("jobs: [{create: {document: {}}}]", "jobs: job and jobs stand here together"),
    ('expect: {"succeeded[gateway]": "> 1"}', "Did you mean 'gateways'?"),
]  # fmt: skip

DURATIONS = [
    ("{distribution: gama, mean: 1s, shape: 1}", "duration.distribution: 'gama' is no distributio"),
    ("{distribution: gama, mean: 1s, shape: 1}", "Did you mean 'gamma'?"),
    ("{distribution: gamma, mean: 1s}", "duration: the key 'shape' is missing"),
    ("{distribution: gamma, mean: 1s, shape: true}", "duration.shape: True is not a number"),
    ("{distribution: gamma, mean: 1s, shape: .nan}", "duration.shape: nan is not"),
    ("{distribution: gamma, mean: 0s, shape: 1}", "duration.mean: 0ms is not possible"),
    ("{distribution: weibull, scale: 1s, shape: 0}", "duration.shape: 0 is not possible; it must"),
    ("{distribution: exponential, mean: 1s, median: 1s}", "median: unknown key; allowed: min, max"),
    ("{distribution: triangular, low: 1s, mode: 9s, high: 5s}", "must stand in this order"),
    ("{distribution: exponential, mean: 1s, min: 3s, max: 2s}", "duration: min is above max"),
    ("{distribution: exponential, mean: 1s, min: 1h}", "min and max leave 0.00% of the draws; at"),
    ("{distribution: empirical}", "exactly one of values, file and histogram is needed"),
    ("{distribution: empirical, values: []}", "duration.values: at least one entry is needed"),
    ("{distribution: empirical, values: [1s, 5]}", "duration.values[1]: 5 has no unit"),
    ("{distribution: empirical, values: [1s], column: a}", "duration: column is for a file"),
    ("{distribution: empirical, values: [1s], file: a}", "file and values stand here together"),
    ("{distribution: empirical, file: nowhere.csv}", "nowhere.csv cannot be read: No such file"),
    (
        "{distribution: empirical, histogram: [{up_to: 2s, weight: 1}, {up_to: 1s, weight: 1}]}",
        "the bins of a histogram must grow",
    ),
    ("{distribution: empirical, histogram: [{up_to: 2s, weight: 0}]}", "all weights are 0"),
    ("{distribution: mixture, of: []}", "duration.of: at least one entry is needed"),
    ("{distribution: mixture, of: [{weight: 1, duration: 5}]}", "of[0].duration: 5 has no unit"),
    ("{distribution: mixture, of: [{weight: 0, duration: 5s}]}", "duration: all weights are 0"),
    (
        "{distribution: mixture, of: [{weight: 1, duration: {distribution: x}}]}",
        "of[0].duration.distribution: 'x' is no distribution",
    ),
]  # fmt: skip


def faults(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loads(text, "x.yaml")
    return str(caught.value).splitlines()


def only_fault_in_line_7(text: str, words: str) -> None:
    (message,) = faults(text)
    assert message.startswith("x.yaml:7: "), message
    assert words in message
    assert "Input should" not in message
    assert len(message) < 500


@pytest.mark.parametrize(("key", "words"), COHORT)
def test_a_key_of_a_cohort(key: str, words: str) -> None:
    if key.startswith("weight"):
        (message,) = faults(f"{TOP}    {key}\n{END}")
        assert words in message
    else:
        only_fault_in_line_7(f"{TOP}    {key}\n{END}", words)


@pytest.mark.parametrize(("key", "words"), SCENARIO)
def test_a_key_of_the_scenario(key: str, words: str) -> None:
    only_fault_in_line_7(f"{TOP}{key}\n{END}", words)


@pytest.mark.parametrize(("duration", "words"), DURATIONS)
def test_a_duration(duration: str, words: str) -> None:
    text = f"{TOP}  - {{cohort: b, things: 1, work: {{duration: {duration}}}}}\n{END}"
    only_fault_in_line_7(text, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("things: 10", "things: true"), "x.yaml:4: fleet[0].things: True is not a number"),
        (("things: 10", "weight: 3"), "weight: a weight needs the number of all things; write"),
        (("    things: 10\n", ""), "the key 'things' is missing (or weight, with things at the to"),
        (("rev-b: 30%", "rev-b: 40%"), "attributes.hardware: these add up to 110%"),
        (("region: eu", "cohort: eu"), "every thing has the attribute cohort already"),
        (("region: eu", "region: 3"), "attributes.region: 3 is not a mapping"),
        (("duration: 90s, steps: 4", "steps: [{duration: 5s, tiemout: 1m}]"), "unknown key; allow"),
        (("duration: 90s, steps: 4", "steps: []"), "work.steps: at least one entry is needed"),
        (("steps: 4", "steps: [{duration: 5s}]"), "leave out work.duration"),
        (("duration: 90s, steps: 4", "steps: [{duration: 5s, timeout: 90s}]"), "whole minutes fro"),
        (("steps: 4", "steps: many"), "work.steps: 'many' is not a whole number"),
        (("until: 4h", "until: 4h, time_scale: true"), "load.time_scale: True is not a number"),
    ],
)  # fmt: skip
def test_what_is_wrong_at_the_top(change: tuple[str, str], words: str) -> None:
    text = TOP.replace(*change)
    assert text != TOP
    (message,) = faults(text + END)
    assert words in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("things: 20\n", "fleet[0].weight: all weights are 0"),
        ("things: 3\n", "things: 3 is fewer than the 5 that cohorts have of their own"),
    ],
)
def test_weights_that_do_not_add_up(text: str, words: str) -> None:
    fleet = TOP.replace("things: 10", "weight: 0")
    fleet += "  - {cohort: b, things: 5, work: {duration: 1s}}\n"
    (message,) = faults(text + fleet + END)
    assert words in message


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ("[{create: {document: {}, timeoutConfg: {}}}]", "jobs[0].create.timeoutConfg: unknown ke"),
        ("[{create: {document: 3}}]", "jobs[0].create.document: is missing; a mapping"),
        ("[{at: 1h}]", "jobs[0]: the key 'create' is missing"),
        ("[{create: 3}]", "jobs[0].create: 3 is not a mapping of keys"),
        ("[{create: {document: {}}, at: 4h}]", "jobs[0].at: 4h is not before the run's end"),
        (
            "[{create: {jobId: a, document: {}}}, {create: {jobId: a, document: {}}}]",
            "jobs[1].create.jobId: 'a' stands here twice",
        ),
        ("[{create: {document: {}}, where: {region: us}}]", "no thing has region 'us'; there are"),
        ("[{create: {document: {}}, work: {steps: 3}}]", "jobs[0].work: the key 'duration' is mis"),
        (
            "[{create: {document: {}}, work: {duration: 1s}, "
            "outcome: {fail: {share: 1%, step: 2}}}]",
            "step 2 is beyond the work, which has only one step",
        ),
        ("[]", "jobs: at least one entry is needed"),
        ("{}", "jobs: {} is not a list"),
    ],
)  # fmt: skip
def test_one_of_several_jobs(jobs: str, words: str) -> None:
    only_fault_in_line_7(f"{TOP}jobs: {jobs}\n", words)


def test_a_scenario_without_any_job() -> None:
    (message,) = faults(TOP)
    assert message == "x.yaml:1: the key 'job' is missing (or jobs, where there are several)"


def test_attributes_that_no_thing_has_together_select_nothing() -> None:
    other = (
        "  - {cohort: us, things: 5, attributes: {region: us}, work: {duration: 1s, steps: 4}}\n"
    )
    batch = "batches: [{name: b, where: {region: us, cohort: gateways}, outcome: {}}]\n"
    (message,) = faults(TOP + other + batch + END)
    assert "batches[0].where: selects nothing: no cohort's things have all of these" in message


def test_a_value_without_weight_is_none() -> None:
    fleet = TOP.replace("rev-a: 70%, rev-b: 30%", "rev-a: 1, rev-b: 0")
    batch = "batches: [{name: b, where: {hardware: rev-b}, outcome: {}}]\n"
    (message,) = faults(fleet + batch + END)
    assert "no thing has hardware 'rev-b'; there are rev-a" in message


def test_a_schedule_is_held_against_the_time_at_which_its_job_is_made() -> None:
    config = 'schedulingConfig: {startTime: "2026-01-01T01:00"}'
    jobs = f"jobs: [{{at: AT, create: {{document: {{}}, {config}}}}}]\n"
    loads(TOP + jobs.replace("AT", "10m"))
    (message,) = faults(TOP + jobs.replace("AT", "40m"))
    assert message.startswith("x.yaml:7: jobs[0].create.schedulingConfig.startTime: ")


def test_a_csv_file_that_is_none(tmp_path: Path) -> None:
    text = TOP.replace("90s", "{distribution: empirical, file: d.csv COLUMN}") + END
    for content, column, words in (
        ("", "", "d.csv holds no duration"),
        ("90\nsoon\n", "", "d.csv:2: 'soon' is no duration"),
        ("a,b\n1,2\n1\n", ", column: b", "d.csv:3: "),
        ("a,b\n1,2\n", ", column: c", "has no column 'c'; it has a, b"),
    ):
        (tmp_path / "d.csv").write_text(content)
        (tmp_path / "s.yaml").write_text(text.replace(" COLUMN", column))
        with pytest.raises(ScenarioError) as caught:
            load(tmp_path / "s.yaml")
        assert words in str(caught.value)
        assert "s.yaml:6: fleet[0].work.duration: " in str(caught.value)
