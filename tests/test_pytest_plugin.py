"""The pytest plugin, as somebody has it who installed us: real nested sessions."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parents[1] / "docs/pytest.md"

CONFTEST = """
import threading

def pytest_sessionfinish(session):
    session.config.add_cleanup(lambda: None)

def pytest_unconfigure():
    left = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
    print("THREADS LEFT:", left)
"""

OWN = """
import socket, sys, threading
import pytest
from simulator.errors import JobfleetError, UsageError

PORTS = []

@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_service_of_its_own(jobs_service, turn):
    assert jobs_service.now == 0
    jobs_service.create_job("J", ["T"])
    jobs_service.advance("1d")
    PORTS.append(jobs_service.mqtt_port)
    if turn == 2:  # nobody is at the first one's door any more
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", PORTS[0]), 1)

def test_that_fails(jobs_service, fleet):
    jobs_service.create_job("J", [*fleet.start(3)])
    socket.create_connection(("127.0.0.1", jobs_service.mqtt_port), 1).detach()
    jobs_service.wait_for("T", "J", "SUCCEEDED", within=0.05)

def test_a_rollout_is_told_in_order_each_at_its_minute(jobs_service):
    names = [f"t{i}" for i in range(5)]
    jobs_service.create_job("J", names, jobExecutionsRolloutConfig={"maximumPerMinute": 2},
                            timeoutConfig={"inProgressTimeoutInMinutes": 1})
    jobs_service.advance("1h")
    assert [e.queued_at for e in jobs_service.executions("J")] == [0, 0, 60, 60, 120]

def test_what_goes_wrong_in_the_thread_is_told(jobs_service):
    jobs_service.thread.loop.call_soon_threadsafe(lambda: 1 / 0)

@pytest.mark.jobfleet(clock="wall", time_scale=60_000)
def test_time_may_follow_the_wall_clock(jobs_service, fleet):
    names = fleet.start(2, work={"duration": "30s"})
    jobs_service.create_job("J", names)
    for name in names:
        jobs_service.wait_for(name, "J", "SUCCEEDED")
    with pytest.raises(UsageError, match="stepped"):
        jobs_service.advance("1m")

def test_boto3_of_the_agents_own(jobs_service):
    import boto3

    jobs_service.create_job("J", ["T"])
    client = boto3.client(
        "iot-jobs-data", endpoint_url=jobs_service.http_url, region_name="eu-west-1",
        aws_access_key_id="x", aws_secret_access_key="x",
    )
    assert client.start_next_pending_job_execution(thingName="T")["execution"]["jobId"] == "J"
    client.close()

@pytest.mark.jobfleet(clok="wall")
def test_a_wrong_marker(jobs_service):
    pass

@pytest.mark.parametrize("wrong", ["10", "10 parsecs", -1, None])
def test_no_duration(jobs_service, wrong):
    with pytest.raises(UsageError, match="advance|duration|unit"):
        jobs_service.advance(wrong)
    assert jobs_service.now == 0
"""


def test_the_docs_examples_and_our_own(pytester: pytest.Pytester) -> None:
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    for name, code in blocks:
        (pytester.path / name).write_text(code)
    (pytester.path / "test_own.py").write_text(OWN)
    pytester.makeconftest(CONFTEST)
    done = pytester.runpytest_subprocess(
        "-W", "error", "--strict-markers", "-rfE", "-s", timeout=60
    )
    told = done.stdout.str()
    assert done.parseoutcomes() == {"passed": 17, "failed": 1, "errors": 2}, told
    done.stdout.fnmatch_lines(
        [
            "FAILED test_own.py::test_that_fails*NotInTime: SUCCEEDE*",
            "ERROR test_own.py::test_what_goes_wrong_in_the_thread_is_told*",
            "ERROR test_own.py::test_a_wrong_marker*",
            "THREADS LEFT: []",
        ]
    )


def test_a_session_without_it_pays_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            ours = sorted(name for name in sys.modules if name.split(".")[0] == "simulator")
            assert ours == ["simulator", "simulator.pytest_plugin"]
            assert not {"numpy", "msgspec", "uvloop", "botocore"} & set(sys.modules)
        """
    )
    done = pytester.runpytest_subprocess("-W", "error", "-p", "no:timeout", timeout=60)
    done.assert_outcomes(passed=1)
