"""Service-side faults and events, as plain values: what ``host.py`` makes happen to whoever calls.

A foreign agent meets them too: they are of the service, and not of the simulated things.
Times are scenario seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulator.behaviour.selections import EVERYTHING, Selection

MARK: Final = "secondWriter"
"""In the ``statusDetails`` of what a second writer has written: the incident's name."""

Kind = Literal[
    "cancel-job",
    "cancel-execution",
    "delete-job",
    "update-job",
    "join",
    "leave",
    "second-writer",
    "disconnect",
    "outage",
    "throttle",
    "lose-requests",
    "lose-replies",
    "duplicate-replies",
]
"""``cancel-job``, ``cancel-execution`` (of the selected things), ``delete-job``: with ``force`` as
the API has it. ``update-job``: UpdateJob with ``request``. ``join`` and ``leave``: the selected
things enter or leave the job's thing group. ``second-writer``: somebody else writes a progress
report into the selected things' executions IN_PROGRESS. ``disconnect``: their connections are
closed. ``outage``: nothing is answered for ``lasts``. The last four befall a ``share`` of data
plane requests for ``lasts``."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that happens to the service at ``at``."""

    name: str
    kind: Kind
    at: float = 0.0
    lasts: float = float("inf")
    where: Selection = EVERYTHING
    job_id: str | None = None
    """None: every job of the scenario."""
    force: bool = False
    share: float = 1.0
    every: float | None = None
    """``second-writer`` and ``disconnect``: again every so many seconds, while it ``lasts``."""
    request: Mapping[str, Any] = field(default_factory=dict)
