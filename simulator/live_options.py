"""What can be checked of a live run's options before anything starts."""

from pathlib import Path
from typing import Any

from simulator.errors import UsageError
from simulator.live import check_target
from simulator.scenario import load


def check_options(options: Any) -> Any:
    """Check what can be checked before anything starts; return the scenario.

    Raises:
        JobfleetError: the scenario or an option is wrong.
    """
    scenario = load(Path(options.scenario)).scenario
    check_target(options.target, options.control, scenario.load.time_scale)
    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed {options.seed}: a seed is 0 or more")
    if options.service_host in ("0.0.0.0", "::"):
        raise UsageError(
            f"--service-host {options.service_host}: workers could not be told where that is; "
            "give the address by which they reach this machine"
        )
    return scenario
