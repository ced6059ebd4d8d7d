"""The package as a library: ``rehearse`` on whatever a program has, and the documented examples."""

from pathlib import Path
from typing import Any

import pytest

from docs.library_examples import NAMES, printed, recorded
from simulator.errors import ScenarioError, UsageError
from simulator.resolved import Resolved
from simulator.run import rehearse
from simulator.scenario import load

PLAN: dict[str, Any] = {
    "fleet": [
        {"cohort": "c", "things": 10, "work": {"duration": "1m"}, "outcome": {"fail": "30%"}}
    ],
    "job": {"document": {}},
}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_prints_what_is_recorded(name: str) -> None:
    assert printed(name) == recorded(name).read_text(encoding="utf-8")


def test_a_path_a_mapping_and_a_scenario_are_the_same_run(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(
        "fleet: [{cohort: c, things: 10, work: {duration: 1m}, outcome: {fail: 30%}}]\n"
        "job: {document: {}}\n"
    )
    first = rehearse(path, seed=4)
    assert sum(first.summary.executions.values()) == 10
    for given in (str(path), PLAN, load(path).scenario):
        again = rehearse(given, seed=4)
        assert again.summary.executions == first.summary.executions
        assert again.records.tobytes() == first.records.tobytes()
    assert rehearse(PLAN, things=20).summary.things == 20


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (5, "int: no scenario; give a path, a Scenario, or a mapping"),
        ({"fleet": object()}, "dict: no scenario; give a path"),
        ({**PLAN, "flet": 1}, "Did you mean 'fleet'"),
        ("nowhere.yaml", "nowhere.yaml: cannot be read"),
    ],
)
def test_what_is_no_scenario_is_told(given: Any, says: str) -> None:
    with pytest.raises((ScenarioError, UsageError), match=says):
        rehearse(given)


def test_what_is_settled_is_not_settled_again(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("fleet: [{cohort: c, things: 2, work: {duration: 1m}}]\njob: {document: {}}\n")
    resolved = Resolved.of(load(path), None, None)
    assert rehearse(resolved).summary.things == 2
    with pytest.raises(UsageError, match="settled already"):
        rehearse(resolved, things=3)
