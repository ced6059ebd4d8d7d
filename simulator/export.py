"""A run's executions as AWS prints or publishes them, from the run directory.

The formats are the outputs of the AWS CLI (version 2: times as ISO 8601) and the messages of
``$aws/events/jobExecution/#`` as a recorder keeps them. ``jobfleet fit`` reads them all.

A live run has its executions from lists, which say neither version nor statusDetails: what needs
those is refused. AWS's list for a thing does not name the thing: into a folder, each thing gets a
file of its name.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator import executions as columns
from simulator.behaviour import WorkTable
from simulator.errors import UsageError
from simulator.executions import UNKNOWN, Executions
from simulator.jobs.identity import identity
from simulator.jobs.messages import JobEvent, JobExecutionEvent
from simulator.jobs.model import PENDING, STATUSES
from simulator.jobs.registry import Registry
from simulator.jobs.topics import notice_topic
from simulator.jobs.wire import Wire
from simulator.run_directory import SCENARIO
from simulator.scenario import load

LIST_FOR_JOB: Final = "list-job-executions-for-job"
LIST_FOR_THING: Final = "list-job-executions-for-thing"
DESCRIBE: Final = "describe-job-execution"
EVENTS: Final = "events"
FORMATS: Final = (LIST_FOR_JOB, LIST_FOR_THING, DESCRIBE, EVENTS)

_PENDING: Final = [at for at, status in enumerate(STATUSES) if status in PENDING]


@dataclass(frozen=True, slots=True)
class Exported:
    """A run's executions, ready to be printed."""

    names: list[str]
    rows: Executions
    epoch: float
    registry: Registry

    @classmethod
    def of(cls, folder: Path) -> "Exported":
        """From a run directory.

        Raises:
            UsageError: it holds no executions.
            ScenarioError: its scenario cannot be read.
        """
        if not folder.is_dir():
            raise UsageError(f"{folder} is no run directory: there is no such folder")
        rows = columns.load(folder)
        scenario = load(folder / SCENARIO).scenario
        names = WorkTable(scenario.cohorts(), 0).names()
        return cls(names, rows, scenario.epoch_s, Registry())

    # ----------------------------------------------------------------------- documents

    def documents(self, form: str, job_id: str | None = None) -> Iterator[tuple[str, Any]]:
        """Documents of a format, each with the name of its thing ("" where it has none).

        Raises:
            UsageError: no such job; or a list for a job of several, and none is named; or the run
                does not know what the format tells.
        """
        chosen = self._chosen(job_id)
        if form in (DESCRIBE, EVENTS) and (self.rows.columns["version"] == UNKNOWN).any():
            raise UsageError(
                f"--format {form} needs versions and statusDetails, which a live run does not "
                f"know; {LIST_FOR_JOB} and {LIST_FOR_THING} are possible, or rehearse the scenario"
            )
        if form == LIST_FOR_JOB:
            found = set(self.rows.columns["job"][chosen].tolist())
            if len(found) > 1:
                raise UsageError(
                    f"{LIST_FOR_JOB} is of one job; --job-id picks one of "
                    f"{', '.join(self.rows.jobs)}"
                )
            summaries = [
                {"thingArn": self._arn(row), "jobExecutionSummary": self._summary(row)}
                for row in self._rows(chosen)
            ]
            yield "", {"executionSummaries": summaries}
        elif form == LIST_FOR_THING:
            yield from self._by_thing(chosen)
        elif form == DESCRIBE:
            for row in self._rows(chosen):
                yield self.names[row["thing"]], {"execution": self._execution(row)}
        else:
            yield from (("", message) for message in self._events(chosen))

    def _chosen(self, job_id: str | None) -> NDArray[np.int64]:
        every = np.arange(len(self.rows))
        if job_id is None:
            return every
        if job_id not in self.rows.jobs:
            raise UsageError(
                f"--job-id {job_id}: no such job in this run; there is {', '.join(self.rows.jobs)}"
            )
        chosen: NDArray[np.int64] = every[self.rows.columns["job"] == self.rows.jobs.index(job_id)]
        return chosen

    def _by_thing(self, chosen: NDArray[np.int64]) -> Iterator[tuple[str, Any]]:
        order = chosen[np.argsort(self.rows.columns["thing"][chosen], kind="stable")]
        summaries: list[Any] = []
        of = -1
        for row in self._rows(order):
            if row["thing"] != of and summaries:
                yield self.names[of], {"executionSummaries": summaries}
                summaries = []
            of = row["thing"]
            job = self.rows.jobs[row["job"]]
            summaries.append({"jobExecutionSummary": self._summary(row), "jobId": job})
        if summaries:
            yield self.names[of], {"executionSummaries": summaries}

    def _events(self, chosen: NDArray[np.int64]) -> Iterator[Any]:
        """Messages in the order in which they were published."""
        wire, data = Wire(self.epoch), self.rows.columns
        ended = chosen[~np.isin(data["status"][chosen], _PENDING)]
        order = ended[np.argsort(data["updated"][ended], kind="stable")]
        for row in self._rows(order):
            status, job = STATUSES[row["status"]], self.rows.jobs[row["job"]]
            arn, operation = self._arn(row), STATUSES[row["status"]].lower()
            name = identity(f"{arn}/{job}/{row['number']}/{operation}")
            event = JobExecutionEvent(operation, name, job, arn, status, self._details(row))
            yield _message(notice_topic(event), wire.notice(event, row["updated"]))
        for at, job in enumerate(self.rows.jobs):
            mine = chosen[data["job"][chosen] == at]
            if len(mine) and not np.isin(data["status"][mine], _PENDING).any():
                last = float(data["updated"][mine].max())
                arn = self.registry.job_arn(job)
                completed = JobEvent(
                    "completed", identity(f"{arn}/completed"), job, "COMPLETED", "SNAPSHOT",
                    [self.registry.group_arn(f"jobfleet-{job}")], self.rows.created[at], last,
                    completed_at=last,
                )  # fmt: skip
                yield _message(notice_topic(completed), wire.notice(completed, last))

    # ----------------------------------------------------------------------- members

    def _rows(self, order: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        names = list(self.rows.columns)
        for values in zip(*(self.rows.columns[n][order].tolist() for n in names), strict=True):
            yield dict(zip(names, values, strict=True))

    def _arn(self, row: dict[str, Any]) -> str:
        return self.registry.thing_arn(self.names[row["thing"]])

    def _time(self, elapsed: float) -> str:
        return datetime.fromtimestamp(round(self.epoch + elapsed, 3), UTC).isoformat()

    def _summary(self, row: dict[str, Any]) -> dict[str, Any]:
        members = {"status": STATUSES[row["status"]], "queuedAt": self._time(row["queued"])}
        if row["started"] == row["started"]:  # not a number: it never was
            members["startedAt"] = self._time(row["started"])
        return {
            **members,
            "lastUpdatedAt": self._time(row["updated"]),
            "executionNumber": row["number"],
            "retryAttempt": row["retry"],
        }

    def _execution(self, row: dict[str, Any]) -> dict[str, Any]:
        summary = self._summary(row)
        status, _ = summary.pop("status"), summary.pop("retryAttempt")
        details = self._details(row)
        return {
            "jobId": self.rows.jobs[row["job"]],
            "status": status,
            "statusDetails": {} if details is None else {"detailsMap": details},
            "thingArn": self._arn(row),
            **summary,
            "versionNumber": row["version"],
        }

    def _details(self, row: dict[str, Any]) -> dict[str, str] | None:
        at = row["details"]
        return None if at < 0 else json.loads(self.rows.details[at])


def _message(topic: str, payload: bytes) -> dict[str, Any]:
    return {"topic": topic, "payload": msgspec.json.decode(payload)}


def written(form: str, document: Any) -> str:
    """A document as text: events a line each, all else as the AWS CLI prints it."""
    encoded = msgspec.json.encode(document)
    return (encoded if form == EVENTS else msgspec.json.format(encoded, indent=4)).decode()


def export(
    folder: Path, form: str, out: Path | None, job_id: str | None, say: Callable[[str], None]
) -> int:
    """Write a run's executions to ``out`` (a file, or a folder for one file each thing), or say
    them; return how many documents there were.

    Raises:
        UsageError: the run directory, the format or the output is not possible.
    """
    if form not in FORMATS:
        raise UsageError(f"--format {form}: allowed are {', '.join(FORMATS)}")
    exported = Exported.of(folder)
    documents = exported.documents(form, job_id)
    written_so_far = 0
    try:
        if out is not None and out.is_dir():
            if form != LIST_FOR_THING:
                raise UsageError(f"--out {out} is a folder; only {LIST_FOR_THING} writes one")
            for name, document in documents:
                text = written(form, document) + "\n"
                (out / f"{name}.json").write_text(text, encoding="utf-8")
                written_so_far += 1
        elif out is not None:
            first = list(_take(documents))  # what is wrong is told before a file is made
            with out.open("w", encoding="utf-8") as file:
                for _, document in (*first, *documents):
                    file.write(written(form, document) + "\n")
                    written_so_far += 1
        else:
            for _, document in documents:
                say(written(form, document))
                written_so_far += 1
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or out}: {error.strerror}") from None
    return written_so_far


def _take(documents: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for document in documents:
        yield document
        return
