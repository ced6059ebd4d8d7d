"""The AWS CLI page's example to the letter, with each CLI, and what the default says to it."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.aws_cli.beside import environment, serving, why_not

PAGE = """\
update-job-execution --job-id SampleJob --thing-name MotionSensor1 --status REMOVED --endpoint-url\
"""
ANSWER = {"executionState": {"status": "REMOVED", "versionNumber": 3}}
REASON = why_not()
V1 = [str(Path(sys.executable).parent / "aws")]
CLIS = [
    pytest.param([sys.executable, "-m", "simulator.cli"], id="jobfleet"),
    pytest.param(V1, id="aws v1"),
    pytest.param(
        ["/usr/bin/aws"],
        id="aws v2",
        marks=pytest.mark.skipif(REASON is not None, reason=f"no AWS CLI v2: {REASON}"),
    ),
]
pytestmark = pytest.mark.slow


def run(
    cli: list[str], directory: Path, port: int, *more: str, credentials: bool = True
) -> subprocess.CompletedProcess[str]:
    env = {**environment(directory), "PYTHONPATH": str(Path(__file__).parents[2])}
    if not credentials:
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    command = [*cli, "iot-jobs-data", *PAGE.split(), f"http://127.0.0.1:{port}", *more]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=env, cwd=directory, check=False
    )


@pytest.mark.parametrize("cli", CLIS)
@pytest.mark.parametrize("credentials", [True, False])
def test_the_example_prints_what_the_page_prints(
    cli: list[str], credentials: bool, tmp_path: Path
) -> None:
    with serving("--dialect", "cli-page", "--sample") as (port, _, _):
        more = [] if credentials else ["--no-sign-request"]
        done = run(cli, tmp_path, port, *more, credentials=credentials)
        assert done.stderr == ""
        assert json.loads(done.stdout) == ANSWER
        assert done.returncode == 0


@pytest.mark.parametrize("cli", CLIS)
def test_by_default_it_fails_as_aws_does_and_the_log_names_the_dialect(
    cli: list[str], tmp_path: Path
) -> None:
    with serving("--sample") as (port, _, log):
        done = run(cli, tmp_path, port)
        assert done.returncode == (255 if cli == V1 else 254)  # version 1 knows no 254
        assert done.stdout == ""
        assert (
            "An error occurred (InvalidStateTransitionException) when calling the "
            "UpdateJobExecution operation: The status of job execution cannot be changed to be "
            "REMOVED\n"
        ) in done.stderr
        assert ("Hint: " in done.stderr) == ("simulator.cli" in cli)
        line = log.readline()
        assert "may not set REMOVED on AWS; --dialect cli-page allows it" in line
        jobs = boto3.client(
            "iot-jobs-data", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
            aws_access_key_id="x", aws_secret_access_key="x",
        )  # fmt: skip
        with pytest.raises(jobs.exceptions.InvalidStateTransitionException) as caught:
            jobs.update_job_execution(jobId="SampleJob", thingName="MotionSensor1", status="QUEUED")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
        seen = jobs.describe_job_execution(jobId="SampleJob", thingName="MotionSensor1")
        execution = seen["execution"]
        assert (execution["status"], execution["versionNumber"]) == ("IN_PROGRESS", 2)


def test_an_unknown_dialect_names_those_that_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulator.cli", "serve", "--dialect", "french"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "Error: --dialect french: allowed are aws and cli-page\n"
