"""AWS's JSON is read however it comes, and what is wrong with it is said in one sentence."""

import json
from typing import Any

import pytest

from simulator.errors import UsageError
from simulator.fit import documents
from simulator.fit.executions import Execution
from simulator.fit.fitting import Wanted, fit_texts

ARN = "arn:aws:iot:us-east-1:123456789012:thing/"
EPOCH = 1767225600


def summary(status: str = "SUCCEEDED", number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "status": status,
        "queuedAt": EPOCH,
        "startedAt": EPOCH + 10,
        "lastUpdatedAt": EPOCH + 100,
        "executionNumber": number,
        "retryAttempt": number - 1,
        **more,
    }


def for_job(*things: str, token: str | None = None, **more: Any) -> dict[str, Any]:
    rows = [{"thingArn": ARN + thing, "jobExecutionSummary": summary(**more)} for thing in things]
    page: dict[str, Any] = {"executionSummaries": rows}
    return page if token is None else page | {"nextToken": token}


def event(thing: str, status: str = "FAILED", at: int = EPOCH + 100, **more: Any) -> dict[str, Any]:
    return {
        "eventType": "JOB_EXECUTION", "eventId": f"{thing}-{status}", "timestamp": at,
        "operation": status.lower(), "jobId": "J", "thingArn": ARN + thing, "status": status,
        **more,
    }  # fmt: skip


def read(*texts: Any, job: str | None = None) -> list[Execution]:
    sources = [
        (f"f{at}.json", text if isinstance(text, str) else json.dumps(text))
        for at, text in enumerate(texts)
    ]
    return documents.read(sources, job).settle()


def test_timestamps_may_be_numbers_or_iso() -> None:
    iso = for_job("a", queuedAt="2026-01-01T00:00:00+00:00", startedAt="2026-01-01T01:00:10+01:00")
    iso["executionSummaries"][0]["jobExecutionSummary"]["lastUpdatedAt"] = "2026-01-01T00:01:40Z"
    assert read(iso) == read(for_job("a"))
    milliseconds = for_job("a", queuedAt=EPOCH * 1000)
    assert read(milliseconds) == read(for_job("a"))


def test_pages_lines_and_lists_are_the_same_executions() -> None:
    pages = [for_job("a", "b", token="x"), for_job("c")]
    whole = read(for_job("a", "b", "c"))
    assert [e.thing for e in whole] == ["a", "b", "c"]
    assert read("\n".join(json.dumps(page, indent=2) for page in pages)) == whole
    assert read(pages) == whole
    rows = for_job("a", "b", "c")["executionSummaries"]
    assert read("\n".join(json.dumps(row) for row in rows)) == whole
    assert read("\ufeff" + json.dumps(rows)) == whole


def test_a_list_for_a_thing_is_called_by_its_file() -> None:
    row = {"jobId": "J", "jobExecutionSummary": summary()}
    one = {"executionSummaries": [row], "nextToken": "x"}
    two = {"executionSummaries": [row | {"jobId": "K"}]}
    found = read(json.dumps(one) + json.dumps(two) + json.dumps(two))
    assert [(e.thing, e.job) for e in found] == [("f0", "J"), ("f0", "K"), ("f0#2", "K")]


def test_both_planes_descriptions_are_read() -> None:
    control = {"execution": {
        "jobId": "J", "thingArn": ARN + "a", "versionNumber": 4,
        "statusDetails": {"detailsMap": {"reason": "power"}}, **summary("FAILED"),
    }}  # fmt: skip
    data = {"execution": {
        "jobId": "J", "thingName": "a", "versionNumber": 4, "statusDetails": {"reason": "power"},
        **summary("FAILED"),
    }}  # fmt: skip
    assert read(control) == read(data)
    assert read(control)[0].details == {"reason": "power"}


def test_the_richest_wins_and_the_latest_state() -> None:
    listed = for_job("a", status="IN_PROGRESS", lastUpdatedAt=EPOCH + 10)
    described = {"execution": {
        "jobId": "J", "thingArn": ARN + "a", "versionNumber": 4,
        "statusDetails": {"detailsMap": {"reason": "power"}}, **summary("FAILED"),
    }}  # fmt: skip
    del described["execution"]["retryAttempt"]
    for order in ((listed, described), (described, listed)):
        (one,) = read(*order)
        assert (one.job, one.status, one.retry, one.version) == ("J", "FAILED", 0, 4)
        assert one.lasted == 90


def test_events_end_what_a_list_saw_running() -> None:
    listed = for_job("a", status="IN_PROGRESS", lastUpdatedAt=EPOCH + 10)
    told = {"topic": "$aws/events/jobExecution/J/failed",
            "payload": event("a", statusDetails={"reason": "power"})}  # fmt: skip
    again = json.dumps({"topic": "x", "payload": json.dumps(told["payload"])})
    (one,) = read(listed, told, again)
    assert (one.job, one.status, one.lasted) == ("J", "FAILED", 90)
    assert one.details == {"reason": "power"}
    observed = documents.read([("e", json.dumps([told, told, event("b")]))])
    assert (len(observed.events), observed.repeated) == (2, 1)


def test_events_alone_count_attempts_and_start_at_the_jobs_creation() -> None:
    created = {"eventType": "JOB", "jobId": "J", "createdAt": EPOCH * 1000, "operation": "x"}
    second = event("a", "SUCCEEDED", EPOCH + 150, eventId="2")
    one, two = read([second, event("a"), created])
    assert (one.status, one.number, one.lasted) == ("FAILED", 1, 100)
    assert (two.status, two.number, two.lasted) == ("SUCCEEDED", 2, 50)
    assert one.guessed
    assert read([event("a")])[0].lasted is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  \n", "f0.json is empty; expected JSON with executionSummaries"),
        ("Jobs:\n- a", "f0.json:1: this is not JSON: Expecting value at 'Jobs:'"),
        ('{"executionSummaries": [}', "f0.json:1: this is not JSON"),
        ('{"executionSummaries": []}', "f0.json: no execution in it, so there is nothing to fit"),
        ("[]", "f0.json: no execution in it"),
        ("3", "f0.json: 3 is no object; expected executionSummaries"),
        ('{"things": []}', "f0.json: an object with things is not known; expected"),
        ('{"executionSummaries": {}}', "executionSummaries is no list, but {}"),
        ('{"executionSummaries": [{}]}', "executionSummaries[0] has no jobExecutionSummary"),
        (for_job("a", status="DONE"), "executionSummaries[0]: status 'DONE' is none of QUEUED, "),
        (for_job("a", queuedAt="soon"), "queuedAt 'soon' is no time; allowed: seconds since 1970"),
        (for_job("a", queuedAt=True), "queuedAt True is no time"),
        (for_job("a", startedAt=EPOCH + 300), "lastUpdatedAt is 200 s before startedAt; a dura"),
        (for_job("a", startedAt=EPOCH - 9), "startedAt is 9 s before queuedAt"),
        (for_job("a", number=0), "executionNumber 0 is no whole number from 1"),
        ({"executionSummaries": [{"thingArn": "a", "jobExecutionSummary": summary()}]},
         "thingArn 'a' is no thing's ARN"),
        ({"topic": "t", "payload": {"state": 1}}, "the message on 't' is no job event; record"),
        ({"eventType": "THING_EVENT"}, "eventType 'THING_EVENT' is none of JOB_EXECUTION, JOB"),
        (event("a", at=None), "an event without a timestamp"),  # type: ignore[arg-type]  # wrong
        (for_job("a", "b", status="QUEUED"), "all 2 executions are QUEUED: nothing has started"),
        (for_job("a", status="REJECTED"), "no execution has startedAt and ended by itself "
         "(1 REJECTED), so there are no durations to fit"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(text: Any, said: str) -> None:
    text = text if isinstance(text, str) else json.dumps(text)
    with pytest.raises(UsageError) as caught:
        fit_texts([("f0.json", text)], Wanted(bootstrap=0))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_terminal_at_once_is_fitted_and_said() -> None:
    things = [f"t-{i}" for i in range(20)]
    text = json.dumps(for_job(*things, startedAt=EPOCH + 100))
    fitted = fit_texts([("f", text)], Wanted(bootstrap=0))
    assert "work: {duration: 0s}" in fitted.text
    assert any("ended at the moment when it started" in note for note in fitted.notes)
