"""Why a version conflict came about, from what the agent and its network know."""

import pytest

from simulator import results
from simulator.attribution import Unanswered, Writer, attribute, remember
from simulator.errors import NoReply, VersionMismatch
from simulator.jobs.messages import JobExecutionState
from simulator.jobs.model import Status

LOST = Unanswered("IN_PROGRESS", results.LOST_REPLY_FAULT)
LATE = Unanswered("IN_PROGRESS", results.REORDERED)
FAILED = Unanswered("FAILED", results.LOST_REPLY_FAULT, certain=True)
REAL = Unanswered("IN_PROGRESS", 0)


@pytest.mark.parametrize(("found", "ahead", "writer", "cause"), [
    ("IN_PROGRESS", 1, Writer(LOST), "lost_reply"),
    ("IN_PROGRESS", 1, Writer(REAL), "lost_reply"),
    ("IN_PROGRESS", 1, Writer(LATE), "reordered"),
    ("IN_PROGRESS", 2, Writer(LOST), "second_writer"),  # somebody wrote after it
    ("SUCCEEDED", 1, Writer(LOST), "second_writer"),
    ("IN_PROGRESS", 1, Writer(LOST, stale=True), "lost_reply"),
    ("IN_PROGRESS", 1, Writer(), "second_writer"),
    ("SUCCEEDED", 1, Writer(), "second_writer"),
    ("TIMED_OUT", 1, Writer(LOST), "service"),
    ("QUEUED", -3, Writer(FAILED), "lost_reply"),  # the retry of what it had reported
    ("QUEUED", -3, Writer(FAILED._replace(certain=False)), "service"),  # or of a timeout
    ("CANCELED", 1, Writer(stale=True), "service"),
    ("QUEUED", -3, Writer(), "service"),  # a retry waits in its place
    ("IN_PROGRESS", 1, Writer(stale=True), "stale_start"),
    ("IN_PROGRESS", 1, Writer(stale=True, accompanied=True), "second_writer"),
    ("IN_PROGRESS", 1, Writer(stray=results.DUPLICATED), "duplicate"),
    ("SUCCEEDED", 1, Writer(stray=results.REORDERED), "reordered"),
    ("IN_PROGRESS", -1, Writer(holds_back=True), "reordered"),
    ("IN_PROGRESS", -1, Writer(), "unknown"),
])  # fmt: skip
def test_the_cause_follows_from_what_is_known(
    found: Status, ahead: int, writer: Writer, cause: str
) -> None:
    mismatch = VersionMismatch("", JobExecutionState(found, 7 + ahead, None))
    assert attribute(mismatch, "IN_PROGRESS", 7, writer) == (
        results.CAUSES.index(cause),
        results.edge_of(found, "IN_PROGRESS"),
    )


def test_an_incident_s_second_writer_is_known_by_its_mark() -> None:
    details = {"secondWriter": "other-agent"}
    mismatch = VersionMismatch("", JobExecutionState("IN_PROGRESS", 8, details))
    cause, _ = attribute(mismatch, "IN_PROGRESS", 7, Writer(stale=True))
    assert results.CAUSES[cause] == "second_writer"


def test_a_service_that_does_not_say_what_it_found_leaves_the_cause_unknown() -> None:
    assert attribute(VersionMismatch(""), "IN_PROGRESS", 7, Writer(LOST)) == (results.UNKNOWN, 0)


def test_only_what_may_have_been_applied_is_remembered() -> None:
    lost, applied, real = NoReply(""), NoReply(""), NoReply("")
    lost.applied, applied.applied = False, True
    assert remember(None, "IN_PROGRESS", lost, results.LOST_REQUEST_FAULT) is None
    assert remember(None, "IN_PROGRESS", real, 0) == REAL
    first = remember(None, "IN_PROGRESS", applied, results.REORDERED)
    assert first == LATE._replace(certain=True)
    assert remember(first, "IN_PROGRESS", lost, results.LOST_REPLY_FAULT) == first
    assert remember(first, "IN_PROGRESS", real, 0) == first
