r"""The fleet of a scenario, one Locust user per thing.

    locust -f locustfiles/fleet.py --scenario scenarios/rollout.yaml \
        --headless -u 2000 -r 500 -t 30s

Without ``-u`` the scenario's own number of things; without ``--headless`` Locust's web UI.
"""

from simulator.locust_bridge import ThingUser

__all__ = ["ThingUser"]
