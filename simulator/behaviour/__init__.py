"""Cohorts and chance: what things do, what befalls them, and when, as seeded numpy arrays.

Rule 1: nothing here depends on the order in which tasks happen to run: work is drawn per cohort in
        tables indexed by (thing, attempt); chance whose count is not known ahead comes from tables
        of 65 536 draws, indexed by a 64-bit mix of (seed, kind, thing, ordinal).
Rule 2: the API speaks seconds of scenario time.

In reading order: ``distributions``, ``mixing``, ``selections`` (which things are meant),
``agents``, ``presence``, ``network``, ``cohorts``, ``plans`` (the tables), ``incidents`` (what
happens to the service), ``arrivals`` (when what is scheduled begins).
"""

from simulator.behaviour.agents import PRESETS, Agent
from simulator.behaviour.arrivals import Arrivals, Spacing, share_of
from simulator.behaviour.arrivals import Kind as ArrivalKind
from simulator.behaviour.cohorts import (
    Batch,
    Cohort,
    Fate,
    JobPlan,
    Outcomes,
    Step,
    Work,
    in_proportion,
    ramp,
    scale_cohorts,
)
from simulator.behaviour.distributions import LONGEST_S, Distribution
from simulator.behaviour.incidents import Incident
from simulator.behaviour.mixing import TABLE
from simulator.behaviour.network import (
    Network,
    NetworkChance,
    Partition,
    Storm,
    StormChance,
    Trouble,
    chances,
)
from simulator.behaviour.plans import Outcome, WorkPlan, WorkTable
from simulator.behaviour.presence import ALWAYS, Presence, PresenceTable
from simulator.behaviour.selections import EVERYTHING, Selection

__all__ = [
    "ALWAYS",
    "EVERYTHING",
    "LONGEST_S",
    "PRESETS",
    "TABLE",
    "Agent",
    "ArrivalKind",
    "Arrivals",
    "Batch",
    "Cohort",
    "Distribution",
    "Fate",
    "Incident",
    "JobPlan",
    "Network",
    "NetworkChance",
    "Outcome",
    "Outcomes",
    "Partition",
    "Presence",
    "PresenceTable",
    "Selection",
    "Spacing",
    "Step",
    "Storm",
    "StormChance",
    "Trouble",
    "Work",
    "WorkPlan",
    "WorkTable",
    "chances",
    "in_proportion",
    "ramp",
    "scale_cohorts",
    "share_of",
]
