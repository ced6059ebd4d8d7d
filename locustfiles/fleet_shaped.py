r"""The fleet of a scenario, its users begun by the scenario's own ramp.

    locust -f locustfiles/fleet_shaped.py --scenario scenarios/rollout.yaml --headless -t 30s

As ``fleet.py``, with a LoadTestShape: ``load.ramp`` decides when each thing begins, as it does in
a rehearsal, and ``-r`` means nothing. ``-u 500`` rescales the fleet.
"""

from simulator.locust_bridge import ThingUser
from simulator.locust_shapes import ScenarioShape

__all__ = ["FleetShape", "ThingUser"]


class FleetShape(ScenarioShape):
    """Locust takes the first shape that is not abstract."""
