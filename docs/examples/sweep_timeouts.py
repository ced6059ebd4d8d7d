"""Which timeout? The same fleet and seed for each, so only the setting differs.

``jobfleet sweep`` does this with many seeds, on all cores and with intervals; here is the idea.
"""

from typing import Any

from simulator.run import rehearse


def plan(minutes: int) -> dict[str, Any]:
    """The scenario with this timeout; three lamps in a hundred hang."""
    return {
        "fleet": [
            {
                "cohort": "lamps",
                "things": 400,
                "work": {"duration": {"distribution": "lognormal", "median": "3m", "sigma": 0.8}},
                "outcome": {"hang": "3%"},
            }
        ],
        "job": {
            "document": {"operation": "firmware-update"},
            "timeoutConfig": {"inProgressTimeoutInMinutes": minutes},
        },
        "load": {"until": "6h"},
    }


print("timeout   succeeded  true  false  missed  all ended after")
for minutes in (5, 10, 20, 40):
    summary = rehearse(plan(minutes), seed=3).summary
    succeeded, caught = summary.executions["SUCCEEDED"], summary.timeouts
    print(
        f"{minutes:4} min  {succeeded:9}  {caught.true_:4}  {caught.false_:5}  {caught.missed:6}"
        f"  {summary.elapsed_s / 60:.0f} min"
    )
