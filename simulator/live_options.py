"""What can be checked of a live run's options before anything starts."""

from pathlib import Path
from typing import Any

from simulator.errors import UsageError
from simulator.scenario import load
from simulator.targets import Aim, TargetOptions, aim, transport_for


def aimed_at(options: Any, time_scale: float) -> Aim | None:
    """What Locust's options aim at; raises UsageError."""
    return aim(options.target, options.control, TargetOptions.of(options), time_scale)


def check_options(options: Any) -> Any:
    """Check what can be checked before anything starts; return the scenario.

    Raises:
        JobfleetError: the scenario or an option is wrong.
    """
    scenario = load(Path(options.scenario)).scenario
    aimed = aimed_at(options, scenario.load.time_scale)
    transport_for(options.transport, aimed and aimed.target)
    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed {options.seed}: a seed is 0 or more")
    if options.service_host in ("0.0.0.0", "::"):
        raise UsageError(
            f"--service-host {options.service_host}: workers could not be told where that is; "
            "give the address by which they reach this machine"
        )
    return scenario
