"""The AWS CLI's version 2 as an owner's client: it signs the control plane as it did in 2022."""

import json
import subprocess
from typing import Any

import pytest

from tests.aws_cli.beside import why_not
from tests.processes import ENV, serving

ACCOUNT = "arn:aws:iot:us-east-1:123456789012"

REASON = why_not()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(REASON is not None, reason=f"no AWS CLI v2: {REASON}"),
]


def test_a_job_from_its_creation_to_its_retries() -> None:
    with serving() as (_, where):

        def aws(*words: str) -> Any:
            done = subprocess.run(
                ["/usr/bin/aws", "--endpoint-url", f"http://127.0.0.1:{where['http']}", *words],
                capture_output=True, text=True, timeout=60, env=ENV, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout) if done.stdout else None

        aws("iot", "create-thing-group", "--thing-group-name", "fleet")
        aws("iot", "create-thing", "--thing-name", "d")
        aws("iot", "add-thing-to-thing-group", "--thing-name", "d", "--thing-group-name", "fleet")
        aws(
            "iot", "create-job", "--job-id", "J", "--targets", f"{ACCOUNT}:thinggroup/fleet",
            "--document", '{"operation":"x"}', "--target-selection", "CONTINUOUS",
            "--job-executions-retry-config",
            "criteriaList=[{failureType=FAILED,numberOfRetries=1}]",
        )  # fmt: skip
        report = ("iot-jobs-data", "update-job-execution", "--thing-name", "d", "--job-id", "J")
        aws(*report, "--status", "FAILED", "--status-details", "reason=power")
        listed = aws("iot", "list-job-executions-for-thing", "--thing-name", "d")
        summaries = [row["jobExecutionSummary"] for row in listed["executionSummaries"]]
        assert {(s["status"], s["executionNumber"], s["retryAttempt"]) for s in summaries} == {
            ("FAILED", 1, 0),
            ("QUEUED", 2, 1),
        }
        first = aws(
            "iot", "describe-job-execution", "--job-id", "J", "--thing-name", "d",
            "--execution-number", "1",
        )["execution"]  # fmt: skip
        assert first["statusDetails"] == {"detailsMap": {"reason": "power"}}
        job = aws("iot", "describe-job", "--job-id", "J")["job"]
        assert job["jobProcessDetails"]["numberOfFailedThings"] == 1
        assert [row["jobId"] for row in aws("iot", "list-jobs")["jobs"]] == ["J"]
