"""Messages to JSON and back: what one side writes, the other reads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InvalidJson, InvalidRequest, InvalidTopic, VersionMismatch
from simulator.jobs.messages import (
    DataReply,
    DataRequest,
    DescribeJobExecutionRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    JobExecutionData,
    JobExecutionState,
    JobExecutionSummary,
    Notify,
    NotifyNext,
    PendingReply,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
    UpdateReply,
)
from simulator.jobs.model import STATUSES
from simulator.jobs.topics import is_jobs_topic, parse_topic, request_topic
from simulator.jobs.wire import Wire, decode_request, encode_request

WIRE = Wire(1_767_225_600)
seconds = st.integers(0, 10**7)
details = st.none() | st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), min_size=1)
states = st.builds(JobExecutionState, st.sampled_from(STATUSES), st.integers(1, 99), details)
summaries = st.builds(
    JobExecutionSummary,
    st.sampled_from(["J", "K"]),
    seconds,
    seconds,
    st.integers(1, 99),
    st.integers(1, 9),
    st.none() | seconds,
)
executions = st.builds(
    JobExecutionData,
    st.sampled_from(["J", "K"]),
    st.just("T"),
    st.sampled_from(STATUSES),
    seconds,
    seconds,
    st.integers(1, 99),
    st.integers(1, 9),
    details,
    st.none() | seconds,
    st.none() | st.integers(0, 600),
    st.none() | st.just('{"a":[1,"ü"]}'),
)
updates = st.builds(UpdateReply, st.none() | states, st.none() | st.just('{"a":1}'))
KINDS: list[tuple[type[DataRequest], st.SearchStrategy[DataReply]]] = [
    (UpdateJobExecutionRequest, updates),
    (StartNextPendingJobExecutionRequest, st.builds(ExecutionReply, st.none() | executions)),
    (DescribeJobExecutionRequest, st.builds(ExecutionReply, st.none() | executions)),
    (
        GetPendingJobExecutionsRequest,
        st.builds(PendingReply, st.lists(summaries), st.lists(summaries)),
    ),
]


@given(st.sampled_from(KINDS).flatmap(lambda k: st.tuples(st.just(k[0]), k[1])))
def test_a_reply_reads_back(pair: tuple[type[DataRequest], DataReply]) -> None:
    kind, reply = pair
    payload = WIRE.accepted(reply, "token", 5.9)
    assert json.loads(payload)["timestamp"] == 1_767_225_605
    assert WIRE.decode_accepted(kind, "T", payload) == ("token", reply)


@given(st.none() | executions)
def test_a_notify_next_reads_back(execution: JobExecutionData | None) -> None:
    notice = NotifyNext("T", execution)
    assert WIRE.decode_notify_next("T", WIRE.notice(notice, 0)) == notice


@given(states)
def test_a_rejection_reads_back(state: JobExecutionState) -> None:
    read = WIRE.decode_rejected(WIRE.rejected(VersionMismatch("no", state), "t", 0))
    assert isinstance(read, VersionMismatch)
    assert (read.message, read.execution_state, read.client_token) == ("no", state, "t")


def test_a_status_without_executions_is_left_out_of_notify() -> None:
    one = JobExecutionSummary("J", 0, 0, 1, 1)
    for in_progress, names in (([], []), ([one], ["IN_PROGRESS"])):
        payload = WIRE.notice(Notify("T", in_progress, []), 0)
        assert list(json.loads(payload)["jobs"]) == names


@given(st.lists(summaries, max_size=2), st.lists(summaries, max_size=2))
def test_a_notify_reads_back(
    in_progress: list[JobExecutionSummary], queued: list[JobExecutionSummary]
) -> None:
    notice = Notify("T", in_progress, queued)
    assert WIRE.decode_notify("T", WIRE.notice(notice, 0)) == notice


REQUESTS: list[DataRequest] = [
    UpdateJobExecutionRequest("FAILED", {"a": "b"}, -1, 3, True, True, 2, "t"),
    StartNextPendingJobExecutionRequest({"a": "b"}, 10, "t"),
    DescribeJobExecutionRequest(False, 3, "t"),
    GetPendingJobExecutionsRequest("t"),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_reads_back(request_: DataRequest) -> None:
    assert decode_request(type(request_), encode_request(request_)) == request_
    job = (
        "J"
        if isinstance(request_, UpdateJobExecutionRequest | DescribeJobExecutionRequest)
        else None
    )
    topic = request_topic("T", job, type(request_))
    assert parse_topic(topic) == ("T", job, type(request_))


def test_only_what_follows_the_thing_is_the_jobs_namespace() -> None:
    for topic in ("jobs/get", "jobs/J/update", "jobs/", "jobs/a/b/c"):
        assert is_jobs_topic(f"$aws/things/T/{topic}")
        assert is_jobs_topic(f"$aws/things/jobs/{topic}")
    for topic in ("jobs", "shadow/name/jobs/get", "streams/jobs/get/json", "jobsx/get", "x/jobs/y"):
        assert not is_jobs_topic(f"$aws/things/T/{topic}")
    for topic in ("$aws/things/", "$aws/things/jobs/get", "things/T/jobs/get"):
        assert not is_jobs_topic(topic)


def test_thing_level_operations_win_over_a_job_called_like_one() -> None:
    assert parse_topic("$aws/things/T/jobs/get")[2] is GetPendingJobExecutionsRequest
    for last in ("/J/get/more", "/notify", ""):
        with pytest.raises(InvalidTopic):
            parse_topic(f"$aws/things/T/jobs{last}")


def test_a_refused_request_still_says_its_token() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(UpdateJobExecutionRequest, b'{"status":"DONE","clientToken":"c"}')
    assert caught.value.client_token == "c"
    with pytest.raises(InvalidRequest) as caught:
        decode_request(UpdateJobExecutionRequest, b'{"status":"FAILED","clientToken":7}')
    assert caught.value.client_token is None


@pytest.mark.parametrize(
    "payload", [b'{"status": 5, bad', b"[1]", b"7", b'{"a":', b"\xff", b'{"status": "\xff"}']
)
def test_what_is_no_json_object(payload: bytes) -> None:
    with pytest.raises(InvalidJson):
        decode_request(UpdateJobExecutionRequest, payload)


def test_numbers_may_be_quoted_only_where_lenient() -> None:
    payload = b'{"status":"FAILED","expectedVersion":"3","executionNumber":"1"}'
    request = decode_request(UpdateJobExecutionRequest, payload)
    assert (request.expected_version, request.execution_number) == (3, 1)
    with pytest.raises(InvalidRequest):
        decode_request(UpdateJobExecutionRequest, payload, lenient=False)
