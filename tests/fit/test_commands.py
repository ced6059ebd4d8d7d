"""``jobfleet fit`` and ``jobfleet export`` as commands, and what the AWS CLI really prints."""

import json
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.aws_cli.beside import why_not
from tests.fit.test_documents import for_job
from tests.processes import ENV, jobfleet, serving

ACCOUNT = "arn:aws:iot:us-east-1:123456789012"
OWNER = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


def test_fit_writes_a_scenario_and_never_over_another(tmp_path: Path) -> None:
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps(for_job(*(f"gw-{i}" for i in range(12)))))
    out = tmp_path / "fitted.yaml"
    done = jobfleet("fit", listed, "--by", "prefix", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "Cohort gw: 12 things" in done.stdout
    assert jobfleet("check", out).returncode == 0
    assert jobfleet("fit", listed, "--out", out).returncode == 0  # its own is replaced
    out.write_text("fleet: mine\n")
    done = jobfleet("fit", listed, "--out", out)
    assert (done.returncode, out.read_text()) == (2, "fleet: mine\n")
    assert "exists and was not written by `jobfleet fit`" in done.stderr
    printed = jobfleet("fit", listed)
    assert printed.stdout.startswith("# Question: ")
    values = json.loads(jobfleet("fit", listed, "--json").stdout)
    assert values["cohorts"]["fleet"]["duration"]["families"][0]["family"] == "constant"
    assert values["scenario"] == printed.stdout


def test_errors_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps(for_job("a")))
    job = tmp_path / "job.json"
    job.write_text("[1]")
    for arguments, said in (
        ((tmp_path / "none.json",), "none.json: cannot be read: No such file"),
        ((listed, "--job", job), "no object; give what create-job takes"),
        ((listed, "--observed-at", "soon"), "--observed-at soon: no time; allowed: seconds"),
        ((listed, "--job-id", "K"), "--job-id K: no execution of that job"),
    ):
        done = jobfleet("fit", *arguments)
        if "--job-id" in arguments:
            continue  # the list does not name its job, so it is K's
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr


REASON = why_not()


@pytest.mark.slow
@pytest.mark.skipif(REASON is not None, reason=f"no AWS CLI v2: {REASON}")
def test_what_the_aws_cli_prints_is_read(tmp_path: Path) -> None:
    things = [f"gw-{i}" for i in range(6)]
    with serving() as (_, where):

        def aws(*words: str) -> str:
            endpoint = f"http://127.0.0.1:{where['http']}"
            done = subprocess.run(
                ["/usr/bin/aws", "--endpoint-url", endpoint, *words],
                capture_output=True, text=True, timeout=60, env=ENV, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout

        iot, data = (
            boto3.client(name, endpoint_url=f"http://127.0.0.1:{where['http']}", **OWNER)
            for name in ("iot", "iot-jobs-data")
        )
        for thing in things:
            iot.create_thing(thingName=thing)
        targets = [f"{ACCOUNT}:thing/{thing}" for thing in things]
        iot.create_job(jobId="J", document="{}", targets=targets)
        for at, thing in enumerate(things[:4]):
            which = {"jobId": "J", "thingName": thing}
            status = "FAILED" if at == 3 else "SUCCEEDED"
            data.update_job_execution(**which, status="IN_PROGRESS")
            data.update_job_execution(**which, status=status, statusDetails={"reason": "x"})
        files: dict[str, str] = {
            "list.json": aws("iot", "list-job-executions-for-job", "--job-id", "J"),
            "page.json": aws(
                "iot", "list-job-executions-for-job", "--job-id", "J", "--page-size", "2"
            ),
            "gw-3.json": aws("iot", "list-job-executions-for-thing", "--thing-name", "gw-3"),
            "describe.json": aws(
                "iot", "describe-job-execution", "--job-id", "J", "--thing-name", "gw-3"
            ),
            "job.json": aws("iot", "describe-job", "--job-id", "J"),
        }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in files if name != "job.json"]
    done = jobfleet("fit", *paths, "--job", tmp_path / "job.json", "--json")
    assert done.returncode == 0, done.stderr
    values: Any = json.loads(done.stdout)
    assert values["jobs"] == {"J": 6}
    cohort = values["cohorts"]["fleet"]
    assert cohort["statuses"] == {"FAILED": 1, "QUEUED": 2, "SUCCEEDED": 3}
    assert cohort["reasons"] == {"fail": {"x": 1}}
    assert cohort["queue_wait"]["never_started"] == 2
