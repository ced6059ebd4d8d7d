"""What a provisioned fleet costs, about: an estimate by list prices, before anything is made.

Free tiers, taxes, discounts, data transfer and what is *done* with messages (rules, logs) are left
out. The prices are those of us-east-1; other regions differ by up to a half or so.
"""

from dataclasses import dataclass
from typing import Final

from simulator.provisioning.plan import Wanted

PRICES_AS_OF: Final = "January 2025"
"""When they were last seen quoted from there; look before you rely on them."""
PRICES_FROM: Final = (
    "check: aws.amazon.com/iot-core/pricing and /iot-device-management/pricing (us-east-1)"
)
PER_MILLION_MINUTES: Final = 0.08
"""Connected, USD."""
PER_MILLION_MESSAGES: Final = 1.00
"""Of up to 5 KB each, in and out; of the first thousand million a month, USD."""
PER_MILLION_REGISTRY: Final = 1.25
"""Registry operations, USD."""
PER_JOB_EXECUTION: Final = 0.003
"""A remote action, of the first 250 000 a month, USD."""
PER_JOB_EXECUTION_AFTER: Final = 0.0015
"""Of those beyond, USD: an estimate too high where there are more than a million."""
FIRST_EXECUTIONS: Final = 250_000

REGISTRY: Final = (
    "AddThingToThingGroup", "AttachThingPrincipal", "CreateThing", "CreateThingGroup",
    "DescribeThing", "DescribeThingGroup",
)  # fmt: skip
"""What is metered as a registry operation (AWS IoT Core, additional metering details)."""

MESSAGES_TO_CONNECT: Final = 3
"""CONNECT and two SUBSCRIBEs."""
MESSAGES_OF_EXECUTION: Final = 9
"""notify-next, and of start-next, one progress and the finish: request, reply, and its PUBACK
where AWS publishes at QoS 1; less the notify that most do not subscribe to."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the estimate."""

    what: str
    count: int
    usd: float


def estimate(wanted: Wanted, minutes: float = 60.0, jobs: int = 1) -> list[Line]:
    """Making the fleet, and one run of it: so many minutes, so many executions for each thing."""
    registry = sum(count for name, count in wanted.calls().items() if name in REGISTRY)
    connected = round(wanted.things * minutes)
    executions = wanted.things * jobs
    messages = wanted.things * MESSAGES_TO_CONNECT + executions * MESSAGES_OF_EXECUTION
    first = min(executions, FIRST_EXECUTIONS)
    return [
        Line("registry operations to make it", registry, registry * PER_MILLION_REGISTRY / 1e6),
        Line(
            f"minutes connected ({minutes:g} a thing)",
            connected,
            connected * PER_MILLION_MINUTES / 1e6,
        ),
        Line("messages of up to 5 KB", messages, messages * PER_MILLION_MESSAGES / 1e6),
        Line(
            f"job executions ({jobs} a thing)",
            executions,
            first * PER_JOB_EXECUTION + (executions - first) * PER_JOB_EXECUTION_AFTER,
        ),
    ]
