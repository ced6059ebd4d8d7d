"""``jobfleet export`` says of a rehearsal what AWS would have said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import UsageError
from simulator.executions import load as load_executions
from simulator.export import DESCRIBE, EVENTS, LIST_FOR_JOB, LIST_FOR_THING, export
from simulator.run import Finished, Resolved, RunDirectory, rehearse
from simulator.scenario import loads
from simulator.today import utc_now

TEXT = """\
epoch: 2026-03-01T12:00:00Z
fleet:
  - {cohort: a, things: 2, work: {duration: 90s, steps: 2}}
  - {cohort: b, things: 1, work: {duration: 1500ms}, outcome: {fail: 100%}}
  - {cohort: c, things: 1, work: {duration: 1s}, outcome: {hang: 100%}}
job:
  jobId: J
  document: {}
  jobExecutionsRetryConfig: {criteriaList: [{failureType: FAILED, numberOfRetries: 1}]}
load: {until: 1h}
"""
ARN = "arn:aws:iot:us-east-1:123456789012:thing/"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    folder = tmp_path_factory.mktemp("run")
    finished = rehearse(Resolved.of(loads(TEXT), None, None))
    RunDirectory(folder, "x").write(finished, utc_now())
    return folder, finished


def said(folder: Path, form: str, job_id: str | None = None) -> list[Any]:
    lines: list[str] = []
    export(folder, form, None, job_id, lines.append)
    return [json.loads(line) for line in lines]


def test_the_columns_are_what_the_service_had(run: tuple[Path, Finished]) -> None:
    rows = load_executions(run[0])
    assert rows.columns["thing"].tolist() == [0, 1, 2, 3, 2]
    assert rows.columns["retry"].tolist() == [0, 0, 0, 0, 1]
    assert rows.columns["version"].tolist() == [4, 4, 3, 2, 3]
    assert (rows.jobs, rows.created, rows.until) == (("J",), (0.0,), 3600.0)
    written = run[1].executions
    assert written is not None
    for name, column in written.columns.items():
        assert np.array_equal(rows.columns[name], column, equal_nan=column.dtype.kind == "f")


def test_a_list_for_the_job(run: tuple[Path, Finished]) -> None:
    (page,) = said(run[0], LIST_FOR_JOB, "J")
    rows = page["executionSummaries"]
    assert rows[0] == {
        "thingArn": f"{ARN}a-000000",
        "jobExecutionSummary": {
            "status": "SUCCEEDED",
            "queuedAt": "2026-03-01T12:00:00+00:00",
            "startedAt": "2026-03-01T12:00:00+00:00",
            "lastUpdatedAt": "2026-03-01T12:01:30+00:00",
            "executionNumber": 1,
            "retryAttempt": 0,
        },
    }
    statuses = [row["jobExecutionSummary"]["status"] for row in rows]
    assert statuses == ["SUCCEEDED", "SUCCEEDED", "FAILED", "IN_PROGRESS", "FAILED"]
    again = rows[4]["jobExecutionSummary"]
    assert (again["executionNumber"], again["retryAttempt"]) == (2, 1)
    assert again["lastUpdatedAt"] == "2026-03-01T12:00:03+00:00"


def test_a_list_for_each_thing_and_a_file_for_each(
    run: tuple[Path, Finished], tmp_path: Path
) -> None:
    pages = said(run[0], LIST_FOR_THING)
    assert [len(page["executionSummaries"]) for page in pages] == [1, 1, 2, 1]
    assert export(run[0], LIST_FOR_THING, tmp_path, None, print) == 4
    assert json.loads((tmp_path / "b-000000.json").read_text()) == pages[2]
    assert export(run[0], LIST_FOR_JOB, tmp_path / "list.json", None, print) == 1
    assert json.loads((tmp_path / "list.json").read_text()) == said(run[0], LIST_FOR_JOB)[0]


def test_descriptions_and_events(run: tuple[Path, Finished]) -> None:
    failed = said(run[0], DESCRIBE)[2]["execution"]
    assert (failed["jobId"], failed["versionNumber"]) == ("J", 3)
    assert failed["statusDetails"]["detailsMap"]["failedStep"] == "1"
    events = said(run[0], EVENTS)
    assert [event["topic"] for event in events] == [
        "$aws/events/jobExecution/J/failed",
        "$aws/events/jobExecution/J/failed",
        "$aws/events/jobExecution/J/succeeded",
        "$aws/events/jobExecution/J/succeeded",
    ]
    assert events[0]["payload"]["timestamp"] == 1772366401
    assert len({event["payload"]["eventId"] for event in events}) == 4


@pytest.mark.parametrize(
    ("where", "form", "job_id", "message"),
    [
        ("none", LIST_FOR_JOB, None, "none is no run directory: there is no such folder"),
        (".", LIST_FOR_JOB, None, "holds no executions.npz: its run was lost or has not ended"),
        ("run", "csv", None, "--format csv: allowed are list-job-executions-for-job, list-"),
        ("run", EVENTS, "K", "--job-id K: no such job in this run; there is J"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    run: tuple[Path, Finished], tmp_path: Path, where: str, form: str, job_id: str | None,
    message: str,
) -> None:  # fmt: skip
    folder = run[0] if where == "run" else tmp_path / where
    with pytest.raises(UsageError) as caught:
        export(folder, form, None, job_id, print)
    assert message in str(caught.value)
    (tmp_path / "executions.npz").write_bytes(b"no archive")
    with pytest.raises(UsageError, match=r"executions\.npz cannot be read"):
        export(tmp_path, LIST_FOR_JOB, None, None, print)
