"""``jobfleet watch``: job events of a running service, told line by line."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from simulator.background import LocalJobs
from simulator.cli.watches import as_line
from simulator.crowd import Crowd
from simulator.errors import UsageError
from simulator.targets import parse
from simulator.watching import Happening, Watcher, read
from tests.processes import JOBFLEET, ROOT, jobfleet

TIMED = {"timeoutConfig": {"inProgressTimeoutInMinutes": 10}}


def follow(
    watcher: Watcher, then: Callable[[], object], count: int, said: list[str]
) -> list[Happening]:
    """What a watcher sees of what ``then`` does; ``said`` is of its connection."""
    seen: list[Happening] = []

    async def main() -> None:
        events = watcher.follow(said.append)
        first = asyncio.ensure_future(anext(events))
        async with asyncio.timeout(10):
            while not said:  # noqa: ASYNC110  # it says so once it has subscribed
                await asyncio.sleep(0.01)
            await asyncio.to_thread(then)
            seen.append(await first)
            while len(seen) < count:
                seen.append(await anext(events))
        await events.aclose()
        await watcher.close()

    asyncio.run(main())
    return seen


def test_what_happens_is_told_in_order(jobs_service: LocalJobs, fleet: Crowd) -> None:
    names = fleet.start(2, work={"duration": "2m"}, outcome={"hang": "100%"})

    def roll_out() -> None:
        jobs_service.create_job("J", names, **TIMED)
        jobs_service.advance("10m")

    watcher = Watcher(parse(jobs_service.mqtt_url), None, None)
    said: list[str] = []
    seen = follow(watcher, roll_out, 3, said)
    assert [(one.thing_name, one.job_id, one.status) for one in seen] == [
        ("other-000000", "J", "TIMED_OUT"),
        ("other-000001", "J", "TIMED_OUT"),
        (None, "J", "COMPLETED"),
    ]
    assert [as_line(one) for one in seen[1:]] == [
        "00:10:00  J  other-000001  TIMED_OUT",
        "00:10:00  J  COMPLETED    2 timed out",
    ]
    assert watcher.watched.executions == {"TIMED_OUT": 2}
    assert said == [f"Watching {jobs_service.mqtt_url}"]


def test_one_thing_and_one_job(jobs_service: LocalJobs, fleet: Crowd) -> None:
    names = fleet.start(3, work={"duration": "2m"})

    def roll_out() -> None:
        jobs_service.create_job("other", names)
        jobs_service.advance("1h")
        jobs_service.create_job("J", names)
        jobs_service.advance("1h")

    watcher = Watcher(parse(jobs_service.mqtt_url), names[1], "J")
    seen = follow(watcher, roll_out, 5, [])
    lines = [as_line(one) for one in seen]
    assert lines[:2] == [
        f"00:02:00  {names[1]}: nothing is next",  # after the other job, which is not told
        f"01:00:00  {names[1]}: next is J, QUEUED",
    ]
    assert sorted(lines[2:4]) == [
        f"01:02:00  J  {names[1]}  SUCCEEDED",
        f"01:02:00  {names[1]}: nothing is next",
    ]
    assert lines[4] == "01:02:00  J  COMPLETED    3 succeeded"


def test_a_lost_connection_is_taken_up_again(jobs_service: LocalJobs, fleet: Crowd) -> None:
    names = fleet.start(1, work={"duration": "2m"})
    said: list[str] = []
    watcher = Watcher(parse(jobs_service.mqtt_url), None, None)

    def come_back() -> None:
        (client_id,) = jobs_service.clients
        assert jobs_service.disconnect(client_id) == 1
        jobs_service.wait_until(lambda: len(said) == 3)
        assert jobs_service.clients == [client_id]
        jobs_service.create_job("J", names)
        jobs_service.advance("1h")

    seen = follow(watcher, come_back, 2, said)
    assert seen[-1].status == "COMPLETED"
    assert [line.split(" ")[0] for line in said] == ["Watching", "The", "Watching"]
    assert watcher.watched.reconnections == 1


def test_the_command_until_it_is_interrupted(jobs_service: LocalJobs, fleet: Crowd) -> None:
    names = fleet.start(1, work={"duration": "2m"})
    command = [*JOBFLEET, "watch", "--endpoint", jobs_service.mqtt_url, "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stderr.readline().startswith("Watching mqtt://127.0.0.1:")
            jobs_service.create_job("J", names)
            jobs_service.advance("1h")
            told = [json.loads(process.stdout.readline()) for _ in range(2)]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            counted = process.stderr.read()
        finally:
            process.kill()
    assert [one["topic"] for one in told] == [
        "$aws/events/jobExecution/J/succeeded", "$aws/events/job/J/completed",
    ]  # fmt: skip
    assert told[0]["payload"]["eventType"] == "JOB_EXECUTION"
    assert counted == "Executions: 1 SUCCEEDED; jobs: 1 COMPLETED\n"


def test_nobody_there_and_no_names() -> None:
    done = jobfleet("watch", "--endpoint", "mqtt://127.0.0.1:1")
    assert done.returncode == 3
    assert "cannot connect to 127.0.0.1:1" in done.stderr
    assert "--endpoint" in done.stderr
    target = parse("mqtt://127.0.0.1:1")
    for wrong in (("a/b", None), (None, "#")):
        with pytest.raises(UsageError):
            Watcher(target, *wrong)
    with pytest.raises(UsageError, match="over MQTT"):
        Watcher(parse("http://127.0.0.1:1"), None, None)


def test_what_is_no_event_is_told_as_it_is() -> None:
    for payload in (b"\xff", b"[1]", b'{"jobId": 1, "status": {}}'):
        one = read("$aws/events/job/J/what", payload)
        assert (one.status, one.job_id) == (None, None)
        assert "$aws/events/job/J/what" in as_line(one)
