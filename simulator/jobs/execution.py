"""The life of one job execution: its transitions as a table, its version, its two timers.

Rule 1: everything that decides whether a status may follow another stands in this file.
Rule 2: a pair that is missing from the table *is* InvalidStateTransition.
Rule 3: every transition moves the version by the table's step (1; REMOVED leaves it), so a device
        that was overtaken learns it from its ``expectedVersion``.
Rule 4: there are two tables, one per dialect: ``TRANSITIONS`` is what AWS is known to do, and
        ``CLI_PAGE_TRANSITIONS`` widens it for the device, as far as the AWS CLI's reference page
        says (CLI-page: the option ``--status`` lists all eight, the example sets REMOVED).
        What has ended has ended under both.

::

    (created) → QUEUED → IN_PROGRESS → SUCCEEDED | FAILED | REJECTED | TIMED_OUT | CANCELED
                QUEUED → SUCCEEDED | FAILED | REJECTED | CANCELED | REMOVED

The subtlety is in the timers: the in-progress timer starts once, when the execution goes
IN_PROGRESS, and nothing moves it; each new step timeout discards the step timer and starts anew;
whichever ends first ends the execution (DG:jobs-configurations-details).

Sources: DG:iot-jobs-lifecycle (who may set what), DG:jobs-mqtt-api, docs/fidelity.md.
"""

from typing import Final, Literal, NamedTuple

from simulator.errors import InvalidStateTransition
from simulator.jobs.model import PENDING, STATUSES, JobExecution, Status

Actor = Literal["device", "service", "force"]
"""Who asks: the thing, the service (timer, cancel, removal), or a cancel with ``force``."""

Transitions = dict[tuple[Status, Status], dict[Actor, int]]

TRANSITIONS: Final[Transitions] = {
    # (from, to): {who may: by how much the version grows}
    ("QUEUED", "IN_PROGRESS"): {"device": 1},
    # No source forbids a direct end, and deployed device code uses it.
    ("QUEUED", "SUCCEEDED"): {"device": 1},
    ("QUEUED", "FAILED"): {"device": 1},
    ("QUEUED", "REJECTED"): {"device": 1},
    ("QUEUED", "CANCELED"): {"service": 1, "force": 1},
    ("QUEUED", "REMOVED"): {"service": 0},
    ("IN_PROGRESS", "IN_PROGRESS"): {"device": 1},
    ("IN_PROGRESS", "SUCCEEDED"): {"device": 1},
    ("IN_PROGRESS", "FAILED"): {"device": 1},
    ("IN_PROGRESS", "REJECTED"): {"device": 1},
    ("IN_PROGRESS", "TIMED_OUT"): {"service": 1},
    ("IN_PROGRESS", "CANCELED"): {"force": 1},
}

CLI_PAGE_TRANSITIONS: Final[Transitions] = {
    (before, after): {**TRANSITIONS.get((before, after), {}), "device": 1}
    for before in STATUSES
    if before in PENDING
    for after in STATUSES
}
"""AWS's table, and beside it a device may take a pending execution anywhere. By 1 each time: the
page's example goes from version 2 to 3."""


class Dialect(NamedTuple):
    """How the service treats what AWS's own pages disagree about (DESIGN: Dialects)."""

    name: str
    transitions: Transitions
    device_settable: frozenset[Status]
    """What a device may ask for at all; anything else is refused whatever the current state."""
    tells_state: bool
    """Whether an update that does not say ``includeJobExecutionState`` is answered with it."""


def _dialect(name: str, transitions: Transitions, *, tells_state: bool) -> Dialect:
    settable = frozenset(to for (_, to), actors in transitions.items() if "device" in actors)
    return Dialect(name, transitions, settable, tells_state)


AWS: Final = _dialect("aws", TRANSITIONS, tells_state=False)
CLI_PAGE: Final = _dialect("cli-page", CLI_PAGE_TRANSITIONS, tells_state=True)
DIALECTS: Final = {dialect.name: dialect for dialect in (AWS, CLI_PAGE)}

NO_STEP_TIMER: Final = -1
"""The ``stepTimeoutInMinutes`` that discards the step timer."""


def advance(
    execution: JobExecution,
    to: Status,
    actor: Actor,
    now: float,
    transitions: Transitions = TRANSITIONS,
) -> None:
    """Move ``execution`` to ``to``, its version and its times with it.

    Raises:
        InvalidStateTransition: the table has no such transition for this actor; nothing changed.
    """
    before = execution.status
    actors = transitions.get((before, to))
    step = None if actors is None else actors.get(actor)
    if step is None:
        raise InvalidStateTransition(
            f"The status of job execution cannot be changed from {before} to {to}"
        )
    if to == "IN_PROGRESS":
        if before == "QUEUED":
            execution.started_at = now
            minutes = execution.job.timeout.in_progress_timeout_in_minutes
            execution.in_progress_deadline = None if minutes is None else now + minutes * 60
    else:
        execution.in_progress_deadline = execution.step_deadline = None
        if before == "QUEUED" and to in ("SUCCEEDED", "FAILED"):
            execution.started_at = now
        if to == "QUEUED":
            execution.started_at = None  # put back (cli-page): it waits as if never started
    execution.status = to
    execution.version += step
    execution.last_updated_at = now


def set_step_timer(execution: JobExecution, minutes: int, now: float) -> None:
    """Restart the step timer of an execution IN_PROGRESS, or discard it (-1)."""
    execution.step_deadline = None if minutes == NO_STEP_TIMER else now + minutes * 60
