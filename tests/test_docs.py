"""Generated parts of the documentation are those that the code would write today."""

import re
from pathlib import Path

import pytest

from docs import house
from docs.generate import README, ROOT, WRITERS, state_diagram
from docs.site_pages import turned
from docs.state_drawing import svg
from simulator.cli import app
from simulator.errors import ScenarioError, TargetError, TimeStandsStill, UsageError
from simulator.exit_codes import DEEDS, MEANING
from simulator.jobs.execution import AWS, TRANSITIONS
from simulator.scenario import loads


@pytest.mark.parametrize("path", WRITERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_generated_is_what_would_be_written_today(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == WRITERS[path](), "stale: run `make docs`"


def test_the_state_diagram_has_every_transition() -> None:
    assert state_diagram().count("-->") == len(TRANSITIONS) + 1


def test_a_room_rests_on_lower_storeys_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in house.ROOMS:
        assert all(house.storey(other) < house.storey(room) for other in house.rests_on(room))
        assert room in house.small()
    monkeypatch.setitem(house.SHARED, "errors", f"{house.SHARED['errors']} run")
    monkeypatch.setitem(house.SHARED, "run", house.SHARED["run"].removeprefix("run "))
    house.beneath.cache_clear()
    with pytest.raises(LookupError, match="rooms rest on each other: "):
        house.beneath()
    house.beneath.cache_clear()
    with pytest.raises(LookupError, match="nowhere is in no room: name it"):
        house.room_of("nowhere")


def test_the_readme_and_the_commands_know_the_same_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == MEANING
    assert DEEDS.keys() == MEANING.keys()
    raised = (ScenarioError, UsageError, TargetError, TimeStandsStill)
    assert {app.exit_code(error("")) for error in raised} <= MEANING.keys()


def test_a_device_may_set_what_some_transition_gives_it() -> None:
    by_device = {to for (_, to), actors in TRANSITIONS.items() if "device" in actors}
    assert by_device == AWS.device_settable == {"IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED"}


def test_the_readmes_scenarios_are_read() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert loads(block, "README.yaml").scenario.things > 0


def test_links_of_the_site_lead_somewhere_in_it() -> None:
    pages = {"index.md", "design.md", "reference/commands.md"}
    readme = (
        "[d](docs/design.md#the-house), [s](scenarios/smoke.yaml), [n](nowhere.md), [w](https://w)"
    )
    said = "[d](design.md#the-house), s, [n](nowhere.md), [w](https://w)"
    assert turned(readme, "README.md", pages) == said
    assert turned("[r](../README.md)", "docs/design.md", pages) == "[r](index.md)"
    page = "docs/reference/commands.md"
    assert turned("[d](../design.md)", page, pages) == "[d](../design.md)"


def test_the_site_draws_every_arrow_without_a_script() -> None:
    assert svg().count("marker-end") == len(TRANSITIONS)
    assert "<script" not in svg()
