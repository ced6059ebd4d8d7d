"""Generated parts of the documentation are those that the code would write today."""

import re

from docs.generate import README, state_diagram, with_diagram
from simulator.jobs.execution import AWS, TRANSITIONS
from simulator.scenario import loads


def test_the_state_diagram_is_drawn_from_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_diagram(text) == text, "stale: run `make docs`"
    assert state_diagram().count("-->") == len(TRANSITIONS) + 1


def test_a_device_may_set_what_some_transition_gives_it() -> None:
    by_device = {to for (_, to), actors in TRANSITIONS.items() if "device" in actors}
    assert by_device == AWS.device_settable == {"IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED"}


def test_the_readmes_scenarios_are_read() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert loads(block, "README.yaml").scenario.things > 0
