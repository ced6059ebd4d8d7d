"""What can be checked of a live run's options before anything starts, and what is settled by them.

Rule 1: whoever starts a run, by ``jobfleet run`` or by ``locust -f``, comes by here: so no run goes
        to a host that is not its owner's (``interlock.py``), and none to another machine without a
        ceiling of requests per second, which is its budget.
"""

from pathlib import Path
from typing import Any

from simulator import interlock
from simulator.errors import UsageError
from simulator.resolved import Resolved
from simulator.scenario import Scenario, load
from simulator.targets import Aim, TargetOptions, TransportName, aim, redacted, transport_for
from simulator.transports.http import CONNECTIONS


def aimed_at(options: Any, time_scale: float) -> Aim | None:
    """What Locust's options aim at; raises UsageError."""
    return aim(options.target, options.control, TargetOptions.of(options), time_scale)


def settled(options: Any, things: int | None = None) -> Resolved:
    """The scenario with its seed, its fleet's size and its budget; held to the interlock's bounds.

    Raises:
        JobfleetError: the scenario or an option is wrong, or the target is somebody else's.
    """
    resolved = Resolved.of(load(Path(options.scenario)), options.seed, things, options.budget)
    held = resolved.scenario.load
    targets = [None if url is None else redacted(url) for url in (options.target, options.control)]
    if not any(targets):
        return resolved
    owned = options.i_own_this_target or []

    def account_of() -> str:
        from simulator.provisioning.account import account_id

        return account_id(options.region, None)

    bounds = interlock.admit(targets, owned, options.account, account_of, held.until, held.budget)
    return resolved if bounds is None else resolved.held_to(bounds.requests_per_s)


def check_options(options: Any) -> Any:
    """Check what can be checked before anything starts; return the scenario.

    Raises:
        JobfleetError: the scenario or an option is wrong.
    """
    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed {options.seed}: a seed is 0 or more")
    scenario = settled(options).scenario
    aimed = aimed_at(options, scenario.load.time_scale)
    transport_for(options.transport, aimed and aimed.target)
    check_service_host(options.service_host)
    return scenario


def check_service_host(host: str) -> None:
    """Raise UsageError where workers could not be told it."""
    if host in ("0.0.0.0", "::"):
        raise UsageError(
            f"--service-host {host}: workers could not be told where that is; "
            "give the address by which they reach this machine"
        )


def connections(scenario: Scenario, transport: TransportName) -> int:
    """How many connections all things of a scenario may have at one time.

    Over HTTP an agent's look for what is next may cross its requests, and there is one for each
    execution that it works on; a second agent has connections of its own.
    """
    found = 0
    for cohort in scenario.cohorts():
        agent = cohort.agent
        each = min(CONNECTIONS, 1 + agent.parallel) if transport == "http" else 1
        found += cohort.things * each * (2 if agent.second else 1)
    return found
