"""A rollout plan as a mapping, rehearsed: what became of it, and whether it kept its promises."""

from simulator.run import rehearse

PLAN = {
    "fleet": [
        {
            "cohort": "gateways",
            "things": 500,
            "work": {"duration": "4m", "steps": 4, "step_timeout": "10m"},
            "outcome": {"fail": "3%", "hang": "2%"},
        }
    ],
    "network": {"latency": "40ms", "lost_replies": "0.5%"},
    "job": {
        "document": {"operation": "firmware-update"},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 30},
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 50},
    },
    "load": {"until": "2h"},
    "expect": {"succeeded": ">= 90%", "false_timeouts": "== 0", "completes_within": "<= 30m"},
}

finished = rehearse(PLAN, seed=7)
summary = finished.summary
print("ended:", summary.ended, "after", f"{summary.elapsed_s / 60:.1f} min")
print("executions:", {status: n for status, n in summary.executions.items() if n})
print("timed out though at work:", summary.timeouts.false_)
print("conflicts by cause:", {cause: n for cause, n in summary.conflicts.by_cause.items() if n})
print("exchanges recorded:", len(finished.records))
for judged in summary.verdict.expectations:
    kept = "kept  " if judged.passed else "broken"
    print(f"{kept} {judged.name} {judged.expected}: observed {judged.observed}")

assert rehearse(PLAN, seed=7).summary == summary, "the same seed gives the same run"
