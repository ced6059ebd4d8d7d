"""Why the stored version is not the expected one: the cause of a conflict.

Rule 1: who wrote what was found is read off its status first: a device cannot time an execution
        out, cancel or queue it, and the service does nothing else.
Rule 2: what a device wrote was this agent itself, by an update that it has no answer to or that it
        sent twice or out of turn, or somebody else.
Rule 3: where the network is one that we simulate, it says of each silence whether the service had
        taken the request (``NoReply.applied``), so the cause is exact. Of a real one an agent can
        only believe what it finds: exactly what it wanted, one version on.
Rule 4: an agent that learned its version by reconnecting, and was overtaken before it could use it,
        was stale; unless it shares its thing with a second agent, or an incident's second writer
        has left its mark, which is the reason then.
"""

from typing import Final, NamedTuple

from simulator import results
from simulator.behaviour.incidents import MARK
from simulator.errors import NoReply, VersionMismatch
from simulator.jobs.messages import JobExecutionState
from simulator.jobs.model import Status

BY_THE_SERVICE: Final = frozenset(("QUEUED", "TIMED_OUT", "CANCELED", "REMOVED"))

STRAY: Final = {results.DUPLICATED: results.DUPLICATE, results.REORDERED: results.OUT_OF_TURN}
"""What an agent's stray report is the cause of."""


class Unanswered(NamedTuple):
    """An update that may have been applied, as nobody has said yet."""

    status: Status
    fault: int
    """What swallowed its answer."""
    certain: bool = False
    """It was applied."""


def remember(
    earlier: Unanswered | None, status: Status, silence: NoReply, fault: int
) -> Unanswered | None:
    """What there is to remember after one more try of an update that had no answer."""
    if silence.applied is False or (earlier is not None and earlier.certain):
        return earlier
    return Unanswered(status, fault, certain=silence.applied is True)


class Writer(NamedTuple):
    """What is known of an agent whose update was refused, but for the update."""

    unanswered: Unanswered | None = None
    stale: bool = False
    """It learned its version by reconnecting."""
    accompanied: bool = False
    """A second agent works on the same thing, or somebody else wrote into the execution."""
    stray: int = 0
    """The fault by which the agent itself sent this report again or out of turn."""
    holds_back: bool = False
    """It sent this report before another that has an earlier version."""


def attribute(
    mismatch: VersionMismatch, wanted: Status, expected: int, writer: Writer
) -> tuple[int, int]:
    """The cause (an index into ``results.CAUSES``) and the edge from the status that was found."""
    state = mismatch.execution_state
    if not isinstance(state, JobExecutionState):
        return results.UNKNOWN, 0
    if MARK in (state.status_details or ()):
        writer = writer._replace(accompanied=True)
    edge = results.edge_of(state.status, wanted)
    return _cause(state.status, state.version_number - expected, wanted, writer), edge


def _cause(found: Status, ahead: int, wanted: Status, writer: Writer) -> int:
    """``ahead``: by how much the stored version is greater than the expected one."""
    if _is_own(writer.unanswered, found, ahead):
        late = writer.unanswered is not None and writer.unanswered.fault == results.REORDERED
        return results.OUT_OF_TURN if late else results.LOST_REPLY
    if found in BY_THE_SERVICE:
        return results.SERVICE
    if writer.stray and ahead == 1:
        return STRAY[writer.stray]
    if ahead < 0:
        return results.OUT_OF_TURN if writer.holds_back else results.UNKNOWN
    if writer.stale and not writer.accompanied:
        return results.STALE_START
    return results.SECOND_WRITER


def _is_own(unanswered: Unanswered | None, found: Status, ahead: int) -> bool:
    """Whether the agent's own unanswered update made what was found.

    A failure that was applied may have had the service queue a retry, which is found in its place.
    """
    if unanswered is None:
        return False
    if unanswered.certain and unanswered.status == "FAILED" and found == "QUEUED":
        return True
    return ahead == 1 and found == unanswered.status
