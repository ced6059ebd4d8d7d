"""Documented behaviours beyond the cases, over every door: ``docs/fidelity.toml`` names them."""

from simulator.errors import InvalidRequest, ResourceNotFound
from simulator.jobs import JobsService
from simulator.jobs.rest import Request, Rest
from simulator.jobs.wire import Wire
from tests.conformance.doors import EPOCH, OWNERS, World, over
from tests.conformance.test_area_a_payloads import mqtt
from tests.conformance.test_area_d import GROUP, counts, create, job, number_of, status, thing
from tests.raw_mqtt import RawService

MINUTE = 60.0
LONGEST = 2**63 - 1


# ------------------------------------------------------------------------------- data plane


@over()
async def test_start_next_starts_and_brings_the_document(w: World) -> None:
    w.create_job("J")
    execution = await w.start_next(status_details={"k": "v"})
    assert execution is not None
    assert (execution.status, execution.version_number) == ("IN_PROGRESS", 2)
    assert execution.status_details == {"k": "v"}
    assert execution.started_at == execution.last_updated_at
    assert execution.job_document == '{"a":1}'


@over()
async def test_numbers_are_64_bits_wide(w: World) -> None:
    w.create_job("J")
    with w.refused(ResourceNotFound):
        await w.describe(execution_number=LONGEST)
    with w.refused(ResourceNotFound):
        await w.update("IN_PROGRESS", execution_number=LONGEST)


@over("mqtt", "aiomqtt", "http")
async def test_and_no_wider(w: World) -> None:
    w.create_job("J")
    for number in (LONGEST + 1, -LONGEST - 2):
        with w.refused(InvalidRequest):
            await w.describe(execution_number=number)
        with w.refused(InvalidRequest):
            await w.update("IN_PROGRESS", expected_version=number)
    assert w.stored("J").version == 1


@over()
async def test_an_empty_map_of_details_clears_them(w: World) -> None:
    w.create_job("J")
    await w.start_next(status_details={"a": "1"})
    await w.update("IN_PROGRESS", status_details={})
    execution = await w.describe()
    assert execution is not None
    assert not execution.status_details


@over()
async def test_next_is_exact_beyond_ten(w: World) -> None:
    for number in range(12):
        w.create_job(f"J{number}")
    for number in range(11):
        await w.update("SUCCEEDED", f"J{number}")
    execution = await w.describe("$next")
    assert execution is not None
    assert execution.job_id == "J11"


@mqtt
async def test_a_thing_that_nobody_registered(s: RawService) -> None:
    """It has nothing pending, and no execution that could be described or updated."""
    client = await s.connect()
    answers = {}
    for last in ("get", "start-next", "$next/get", "J/get", "J/update"):
        client.ask(f"$aws/things/nobody/jobs/{last}", {"status": "FAILED"})
        topic, answer = await client.message()
        answers[topic.removeprefix("$aws/things/nobody/jobs/")] = answer.get("code")
    assert answers == {
        "get/accepted": None,
        "start-next/accepted": None,
        "$next/get/accepted": None,
        "J/get/rejected": "ResourceNotFound",
        "J/update/rejected": "ResourceNotFound",
    }
    assert "nobody" not in s.host.service.registry.things


@over()
async def test_minus_one_in_start_next_is_no_timer(w: World) -> None:
    w.create_job("J")
    execution = await w.start_next(step_timeout_in_minutes=-1)
    assert execution is not None
    assert execution.approximate_seconds_before_timed_out is None


@over()
async def test_a_step_timeout_is_applied_where_an_execution_is_handed_out_again(w: World) -> None:
    w.create_job("J")
    await w.start_next()
    execution = await w.start_next(step_timeout_in_minutes=2)
    assert execution is not None
    assert execution.version_number == 2
    assert execution.approximate_seconds_before_timed_out == 2 * MINUTE


@over()
async def test_a_step_timer_runs_on_where_none_is_given(w: World) -> None:
    w.create_job("J")
    await w.start_next(step_timeout_in_minutes=2)
    w.host.advance_to(MINUTE)
    await w.update("IN_PROGRESS")
    w.host.advance_to(2 * MINUTE)
    assert w.stored("J").status == "TIMED_OUT"


@mqtt
async def test_the_topic_decides_not_the_payload(s: RawService) -> None:
    s.create_job()
    client = await s.connect()
    other = {"thingName": "another", "jobId": "another", "includeJobDocument": False}
    client.ask("$aws/things/T/jobs/J/get", other)
    topic, answer = await client.message()
    assert topic == "$aws/things/T/jobs/J/get/accepted"
    assert answer["execution"]["jobId"] == "J"


@mqtt
async def test_a_client_token_may_be_long(s: RawService) -> None:
    client = await s.connect()
    client.ask("$aws/things/T/jobs/get", {"clientToken": "t" * 2000})
    _, answer = await client.message()
    assert answer["clientToken"] == "t" * 2000


@mqtt
async def test_of_a_member_given_twice_the_last_counts(s: RawService) -> None:
    s.create_job()
    client = await s.connect()
    client.ask("$aws/things/T/jobs/J/update", b'{"status":"SUCCEEDED","status":"IN_PROGRESS"}')
    assert (await client.message())[0].endswith("/accepted")
    assert s.host.service.execution("T", "J").status == "IN_PROGRESS"


def test_commands_are_no_part_of_jobs() -> None:
    rest = Rest(JobsService(), Wire(EPOCH))
    asked = Request("POST", "/command-executions", "", b"{}", "iot-jobs-data")
    answer = rest.respond(asked, 0.0)
    assert (answer.status, answer.error_type) == (404, "UnknownOperationException")


# ------------------------------------------------------------------------------- control plane


@over(*OWNERS)
async def test_a_timeout_and_a_cancellation_move_the_version(w: World) -> None:
    await create(w, timeoutConfig={"inProgressTimeoutInMinutes": 1})
    await create(w, "K")
    w.report("T", "IN_PROGRESS")
    w.host.advance_to(MINUTE)
    timed_out = await number_of(w, "T", 1)
    assert (timed_out["status"], timed_out["versionNumber"]) == ("TIMED_OUT", 3)
    await w.owner("cancel_job_execution", thingName="T", jobId="K", expectedVersion=1)
    assert (await number_of(w, "T", 1, "K"))["versionNumber"] == 2


@over(*OWNERS)
async def test_a_scheduled_snapshot_is_taken_at_creation(w: World) -> None:
    w.make_group("G", "t1")
    w.make_thing("t2")
    await create(w, "J", GROUP, schedulingConfig={"startTime": "2026-01-01T00:30"})
    await w.owner("add_thing_to_thing_group", thingName="t2", thingGroupName="G")
    w.host.advance_to(30 * MINUTE)
    await w.eventually(lambda: status(w), "IN_PROGRESS")
    await w.eventually(lambda: counts(w), {"Queued": 1})


@over(*OWNERS)
async def test_a_job_that_has_ended_is_not_cancelled(w: World) -> None:
    await create(w)
    await create(w, "K")
    w.report("T", "SUCCEEDED")
    await w.owner("cancel_job", jobId="K")
    for name in ("J", "K"):
        with w.refused(InvalidRequest):
            await w.owner("cancel_job", jobId=name, force=True)


@over(*OWNERS)
async def test_a_document_may_be_any_json(w: World) -> None:
    for number, document in enumerate(("[1]", '"x"', "3", "null")):
        await w.owner("create_job", jobId=f"J{number}", targets=[thing("T")], document=document)
        execution = await w.describe(f"J{number}")
        assert execution is not None
        assert execution.job_document == document
    with w.refused(InvalidRequest):
        await w.owner("create_job", jobId="J", targets=[thing("T")], document="{")


@over("http")
async def test_times_of_the_control_plane_keep_their_fraction(w: World) -> None:
    w.host.advance_to(0.25)
    await create(w)
    assert (await job(w))["createdAt"] == 0.25
    assert (await number_of(w, "T", 1))["queuedAt"] == 0.25
    execution = await w.describe()  # the door has checked that its times are whole
    assert execution is not None
    assert execution.queued_at == 0
