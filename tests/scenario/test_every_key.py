"""Every key is read into a plain value, written, read again, described, and known to the schema."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from simulator.behaviour import PRESETS, Distribution, Incident, Selection
from simulator.scenario import Scenario, dump, json_schema, load, loads
from simulator.scenario.document import Document
from tests.scenario.every_key import TEXT


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return loads(TEXT, "full.yaml").scenario


def properties(schema: Any) -> list[tuple[str, Any]]:
    """Every property of every object in a schema."""
    found = []
    if isinstance(schema, dict):
        found += list(schema.get("properties", {}).items())
    inner = schema.values() if isinstance(schema, dict) else schema
    if isinstance(schema, (dict, list)):
        for part in inner:
            found += properties(part)
    return found


def test_the_text_has_every_key_of_the_schema() -> None:
    used = {part for path in Document("x", TEXT).lines for part in path}
    keys = {name for name, _ in properties(json_schema())}
    others = {"file", "column", "over", "times"}
    assert keys - used == others, "of files and of other arrivals, which have tests of their own"


def test_every_key_is_described() -> None:
    said_by_the_name = {
        "distribution", "value", "low", "high", "median", "sigma", "mean", "shape", "scale", "mode",
        "up_to", "weight", "duration", "of", "base", "maximum", "backoff", "name", "lasts", "from",
        "until", "things", "work", "outcome", "fleet", "network", "load",
    }  # fmt: skip
    for name, schema in properties(json_schema()):
        assert "description" in schema or name in said_by_the_name, name


def test_what_is_written_reads_back_as_the_same(scenario: Scenario) -> None:
    written = dump(scenario)
    again = loads(written, "full.yaml").scenario
    assert again == scenario
    assert dump(again) == written
    assert again.cohorts() == scenario.cohorts()
    assert again.network_values() == scenario.network_values()
    assert again.jobs() == scenario.jobs()
    assert again.batches() == scenario.batches()
    assert again.incidents() == scenario.incidents()


@pytest.mark.parametrize("text", [TEXT, None], ids=["as written", "as resolved"])
def test_the_schema_takes_what_the_reader_takes(scenario: Scenario, text: str | None) -> None:
    document = Document("x", text or dump(scenario))
    plain = yaml.safe_load(yaml.safe_dump(document.value, default_flow_style=False))
    plain["epoch"] = "2026-03-01T00:00:00Z"  # YAML's own time is none of JSON's
    jsonschema.validate(plain, json_schema())


@pytest.mark.parametrize("things", [1, 2, 3, 77, 12_345])
def test_a_rescaled_scenario_is_one_again(scenario: Scenario, things: int) -> None:
    resolved = scenario.resolved(3, things)
    assert (resolved.things, sum(cohort.things for cohort in resolved.cohorts())) == (things,) * 2
    again = loads(dump(resolved), "full.yaml").scenario
    assert again == resolved
    assert [part.cohort for part in again.fleet] == [part.cohort for part in scenario.fleet]


def test_weights_share_what_the_cohorts_with_things_leave(scenario: Scenario) -> None:
    assert scenario.counts() == (100, 5940, 1980, 990, 990)


def test_what_the_keys_become(scenario: Scenario) -> None:
    canaries, gateways, lamps, cars, ships = scenario.cohorts()
    assert canaries.agent == PRESETS["device-client"]
    assert canaries.work.duration == Distribution("gamma", 90.0, 2.0, maximum=3600.0)
    assert [step.name for step in gateways.work.each] == ["download", "install", ""]
    assert [step.timeout_minutes for step in gateways.work.each] == [10, None, None]
    assert gateways.outcome.fail.shares == (0.3, 0.1)
    assert gateways.outcome.fail.reasons == (("bad-signature", 3.0), ("no-space", 1.0))
    assert gateways.outcome.slow_factor == 4
    agent = gateways.agent
    assert (agent.start, agent.progress_every, agent.backoff_maximum) == ("notify-next", 30.0, 8.0)
    assert gateways.presence.start == 8 * 3600
    assert gateways.presence.end == 18 * 3600 + 30
    assert gateways.network is not None
    assert gateways.network.partitions == ()
    assert (gateways.network.backoff_base, gateways.network.backoff_maximum) == (2.0, 60.0)
    assert lamps.outcome.slow_factor == 5
    assert lamps.presence.hours[22:] == (1.0, 0.5)
    assert cars.presence.kind == "on-off"
    assert not ships.agent.progress
    first, second = scenario.jobs()
    assert (first.job_id, second.job_id, second.at) == ("full-1", "second", 1800.0)
    assert first.targets == Selection((("cohort", ("gateways",)),), 0.5, "full-1")
    assert scenario.create_job_request("arn", "second")["targetSelection"] == "CONTINUOUS"
    assert scenario.create_job_request("arn")["document"] == '{"a":null}'
    incidents = scenario.incidents()
    assert incidents[0] == Incident("lossy-hour", "lose-replies", 3600.0, 3600.0, share=0.05)
    assert [one.kind for one in incidents].count("cancel-job") == 2
    assert (incidents[4].job_id, incidents[5].job_id) == ("second", None)
    assert incidents[10].lasts == 300.0
    assert len({one.name for one in incidents}) == len(incidents)


def test_durations_may_come_from_a_csv_file(tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("duration\n90\n30s\n1m\n\n")
    rows = "".join(f"{n},{n / 10}\n" for n in range(1, 5001))
    (tmp_path / "many.csv").write_text("id,seconds\n" + rows)
    text = """\
fleet:
  - {cohort: a, things: 1, work: {duration: {distribution: empirical, file: plain.csv}}}
  - cohort: b
    things: 1
    work: {duration: {distribution: empirical, file: many.csv, column: seconds}}
job: {document: {}}
"""
    (tmp_path / "s.yaml").write_text(text)
    jsonschema.validate(yaml.safe_load(text), json_schema())
    scenario = load(tmp_path / "s.yaml").scenario
    few, many = (cohort.work.duration for cohort in scenario.cohorts())
    assert few.values == (30.0, 60.0, 90.0)
    assert len(many.values) == 1000, "many rows are kept as quantiles"
    assert many.quantile(0.5) == pytest.approx(250, rel=0.03)
    assert many.mean_s() == pytest.approx(250.05, rel=0.02)
    written = dump(scenario)
    assert "csv" not in written, "a resolved scenario needs no file"
    assert loads(written, "s.yaml").scenario == scenario


def test_the_reference_names_every_key_and_its_example_holds() -> None:
    text = Path("docs/scenarios.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[a-z_]+", text))
    assert {name for name, _ in properties(json_schema())} - words == set()
    assert set(PRESETS) <= set(re.findall(r"`([a-z-]+)`", text))
    example = text.partition("```yaml\n")[2].partition("```")[0]
    assert loads(example.replace("{file: create-job.json}", "{document: {}}")).notes == []
