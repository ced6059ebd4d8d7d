"""A scenario as a program has it: a path, a mapping as YAML would give it, or one that was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from simulator.errors import UsageError
from simulator.scenario.file import Loaded, load, loads
from simulator.scenario.model import Scenario


def given(scenario: Path | str | Mapping[str, Any] | Scenario) -> Loaded:
    """Read and check it; a mapping is named ``scenario``, and its faults by the lines of its YAML.

    Raises:
        ScenarioError: one line per fault.
        UsageError: it is none of these.
    """
    if isinstance(scenario, Scenario):
        return Loaded("scenario", scenario, None)
    if isinstance(scenario, Path | str):
        return load(Path(scenario))
    try:
        text = yaml.safe_dump(dict(scenario), sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        kind, allowed = type(scenario).__name__, "a path, a Scenario, or a mapping as YAML has it"
        raise UsageError(f"{kind}: no scenario; give {allowed}: {error}") from None
    return loads(text, "scenario")
