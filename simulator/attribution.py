"""Why the stored version is not the expected one: the cause of a conflict, as far as can be known.

The status that was found tells who wrote it: a device cannot time an execution out, cancel or queue
it, and the service does nothing else. What a device wrote was this agent itself, by an update whose
reply it never got, or somebody else. The network says which of the two it lost, request or reply,
where it is one that we simulate; of a real one the agent can only believe.
"""

from typing import Final

from simulator import results
from simulator.errors import VersionMismatch
from simulator.jobs.messages import JobExecutionState
from simulator.jobs.model import Status

BY_THE_SERVICE: Final = frozenset(("QUEUED", "TIMED_OUT", "CANCELED", "REMOVED"))


def attribute(
    mismatch: VersionMismatch,
    wanted: Status,
    expected: int,
    unanswered: Status | None,
    *,
    stale: bool,
) -> tuple[int, int]:
    """The cause (an index into ``results.CAUSES``) and the edge from the status that was found.

    ``unanswered`` is the status that the agent sent before and got no reply to, unless it knows
    that the request was lost; ``stale``: it learned its version by reconnecting.
    """
    state = mismatch.execution_state
    if not isinstance(state, JobExecutionState):
        return results.UNKNOWN, 0
    edge = results.edge_of(state.status, wanted)
    if state.status == unanswered and state.version_number == expected + 1:
        return results.LOST_REPLY, edge
    if state.status in BY_THE_SERVICE:
        return results.SERVICE, edge
    if state.version_number < expected:
        return results.UNKNOWN, edge
    return (results.STALE_START if stale else results.SECOND_WRITER), edge
