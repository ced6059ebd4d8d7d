"""AWS's JSON → observed executions: whatever prints or publishes executions, in any mixture.

Read are: list-job-executions-for-job and -for-thing, describe-job-execution (of both planes),
describe-job, events of executions and jobs (bare, or as ``{"topic": …, "payload": …}``), rows of
the lists on their own, and lists of all these; as JSON, JSON Lines, or several documents one behind
the other (pages).

Rule 1: a fault names file, document and member, and says what is allowed; nothing is skipped in
        silence.
Rule 2: AWS's list for a job does not name the job, nor that for a thing the thing. They are called
        by the file's name then; the job by the only one that is named elsewhere, if there is one.
"""

import json
import re
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final

import msgspec

from simulator.errors import UsageError
from simulator.fit.executions import SLACK, Event, Execution, Observed
from simulator.jobs.model import STATUSES

LONGEST_NAME: Final = 128
MILLISECONDS: Final = 1e11
"""Epoch numbers above this are milliseconds (as seconds, it is the year 5138)."""

SHAPES: Final = (
    "executionSummaries (list-job-executions-for-job, -for-thing), execution "
    "(describe-job-execution), job (describe-job), eventType (a recorded event)"
)
_THING: Final = re.compile(r"arn:[^:]*:iot:[^:]*:[^:]*:thing/(.+)")


def read(sources: list[tuple[str, str]], job: str | None = None) -> Observed:
    """Executions from texts; each source is a name and its text, ``job`` the job's id if known.

    Raises:
        UsageError: not JSON, another shape, an impossible value, or no execution at all.
    """
    observed = Observed()
    reader = _Reader(observed)
    for name, text in sources:
        if not text.strip():
            raise UsageError(f"{name} is empty; expected JSON with {SHAPES}")
        reader.begin(name)
        for at, document in enumerate(documents(name, text)):
            reader.take(document, f"{name}: document {at + 1}" if at else name)
    if not observed.executions and not observed.events:
        names = ", ".join(name for name, _ in sources)
        raise UsageError(f"{names}: no execution in it, so there is nothing to fit")
    reader.name_jobs(job)
    return observed


def documents(name: str, text: str) -> list[Any]:
    """Every JSON document in a text, one behind the other."""
    try:
        return [msgspec.json.decode(text)]
    except (msgspec.DecodeError, RecursionError):
        pass  # more than one, or none
    found, at, decoder = [], 0, json.JSONDecoder()
    text = text.removeprefix("\ufeff")
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            document, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            where = getattr(error, "pos", at)
            line = text.count("\n", 0, where) + 1
            problem = getattr(error, "msg", "too deep")
            shown = text[where : where + 20].split("\n")[0]
            raise UsageError(
                f"{name}:{line}: this is not JSON: {problem} at {shown!r}; `aws … --output json` "
                "prints what is read here"
            ) from None
        found.append(document)
    return found


class _Reader:
    """Takes in documents of one file after the other."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._stem = ""
        self._things = 0
        self._page_follows = False
        self._named: dict[str, None] = {}
        """Jobs that a document names, in order."""

    def begin(self, name: str) -> None:
        """Another file."""
        self._stem = "stdin" if name == "stdin" else Path(name).name.split(".")[0]
        self._things, self._page_follows = 0, False

    def name_jobs(self, job: str | None) -> None:
        """Lists that do not name their job belong to the only one that is known."""
        only = job if job is not None else (
            next(iter(self._named)) if len(self._named) == 1 else None
        )  # fmt: skip
        nameless = [e for e in self._observed.executions.values() if e.job.startswith(_NAMELESS)]
        for execution in nameless:
            del self._observed.executions[execution.key]
        for execution in nameless:
            stem = execution.job.removeprefix(_NAMELESS)
            execution.job = stem if only is None else only
            self._observed.add(execution)

    # ------------------------------------------------------------------------- shapes

    def take(self, value: Any, where: str) -> None:
        """One document, or a part of one that may stand alone."""
        if isinstance(value, list):
            for at, item in enumerate(value):
                self.take(item, f"{where}[{at}]")
            return
        if not isinstance(value, dict):
            raise UsageError(f"{where}: {_shown(value)} is no object; expected {SHAPES}")
        if "executionSummaries" in value:
            self._list(value, where)
        elif "jobExecutionSummary" in value:
            self._row(value, where, self._thing(value, where, False))
        elif "payload" in value:
            self._message(value, where)
        elif "eventType" in value:
            self._event(value, where)
        elif "execution" in value and isinstance(value["execution"], dict):
            self._execution(value["execution"], f"{where}: execution")
        elif isinstance(value.get("job"), dict) and "jobId" in value["job"]:
            self._observed.described = value["job"]
            self._named[str(value["job"]["jobId"])] = None
        elif "status" in value and "jobId" in value:
            self._execution(value, where)
        else:
            keys = ", ".join(map(str, list(value)[:5])) or "no member"
            raise UsageError(f"{where}: an object with {keys} is not known; expected {SHAPES}")

    def _list(self, value: dict[str, Any], where: str) -> None:
        rows = value["executionSummaries"]
        if not isinstance(rows, list):
            raise UsageError(f"{where}: executionSummaries is no list, but {_shown(rows)}")
        fresh, self._page_follows = not self._page_follows, bool(value.get("nextToken"))
        for at, row in enumerate(rows):
            inner = f"{where}: executionSummaries[{at}]"
            if not isinstance(row, dict) or "jobExecutionSummary" not in row:
                raise UsageError(f"{inner} has no jobExecutionSummary")
            thing = self._thing(row, inner, fresh)
            fresh = False
            self._row(row, inner, thing)

    def _thing(self, row: dict[str, Any], where: str, fresh: bool) -> str:
        if "thingArn" in row:
            return _thing_name(row["thingArn"], where)
        self._things += fresh or not self._things
        return self._stem if self._things == 1 else f"{self._stem}#{self._things}"

    def _row(self, row: dict[str, Any], where: str, thing: str) -> None:
        summary = row["jobExecutionSummary"]
        if not isinstance(summary, dict):
            raise UsageError(f"{where}: jobExecutionSummary is no object, but {_shown(summary)}")
        job = _NAMELESS + self._stem
        if "jobId" in row:
            job = self._job(row, where)
        self._add(summary, where, job, thing)

    def _execution(self, value: dict[str, Any], where: str) -> None:
        if "thingArn" in value:
            thing = _thing_name(value["thingArn"], where)
        elif isinstance(value.get("thingName"), str):
            thing = value["thingName"]
        else:
            self._things += 1
            thing = self._stem if self._things == 1 else f"{self._stem}#{self._things}"
        self._add(value, where, self._job(value, where), thing)

    def _job(self, value: dict[str, Any], where: str) -> str:
        job = value.get("jobId")
        if not isinstance(job, str) or not job:
            raise UsageError(f"{where}: jobId is {_shown(job)}; it must be a text")
        self._named[job] = None
        return job

    def _add(self, value: dict[str, Any], where: str, job: str, thing: str) -> None:
        execution = Execution(
            job,
            thing,
            _whole(value, "executionNumber", where, 1) or 1,
            _status(value, where),
            self._time(value, "queuedAt", where),
            self._time(value, "startedAt", where),
            self._time(value, "lastUpdatedAt", where),
            _whole(value, "retryAttempt", where, 0),
            _whole(value, "versionNumber", where, 1),
            _details(value, where),
        )
        _check_order(execution, where)
        self._observed.add(execution)

    # ------------------------------------------------------------------------- events

    def _message(self, value: dict[str, Any], where: str) -> None:
        """A recorded MQTT message; those of other topics are none of ours."""
        payload = value["payload"]
        if isinstance(payload, str):
            inner = documents(f"{where}: payload", payload)
            payload = inner[0] if len(inner) == 1 else inner
        topic = value.get("topic", "")
        if not isinstance(payload, dict) or "eventType" not in payload:
            raise UsageError(
                f"{where}: the message on {_shown(topic)} is no job event; record "
                "$aws/events/jobExecution/# (and $aws/events/job/#)"
            )
        self._event(payload, f"{where}: payload")

    def _event(self, value: dict[str, Any], where: str) -> None:
        kind = value["eventType"]
        if kind == "JOB":
            created = self._time(value, "createdAt", where)
            job = self._job(value, where)
            if created is not None:
                self._observed.created[job] = created
            return
        if kind != "JOB_EXECUTION":
            raise UsageError(f"{where}: eventType {_shown(kind)} is none of JOB_EXECUTION, JOB")
        at = self._time(value, "timestamp", where)
        if at is None:
            raise UsageError(f"{where}: an event without a timestamp")
        thing = _thing_name(value.get("thingArn"), where)
        event = Event(
            self._job(value, where), thing, _status(value, where), at, _details(value, where)
        )
        if value.get("operation") == "deleted":
            return  # what became of it was told before
        name = str(value.get("eventId") or f"{event.job}/{thing}/{event.status}/{at}")
        if name in self._observed.events:
            self._observed.repeated += 1
        self._observed.events[name] = event

    # ------------------------------------------------------------------------- members

    def _time(self, value: dict[str, Any], member: str, where: str) -> float | None:
        """A timestamp in Unix seconds: an epoch number, or ISO 8601."""
        at = value.get(member)
        if at is None:
            return None
        seconds = _seconds(at)
        if seconds is None or not isfinite(seconds) or not 0 <= seconds < MILLISECONDS:
            raise UsageError(
                f"{where}: {member} {_shown(at)} is no time; allowed: seconds since 1970, or ISO "
                "8601 as in 2026-01-01T00:00:00Z"
            )
        if seconds % 1:
            self._observed.fine = True
        return seconds


_NAMELESS: Final = "\0"


def _seconds(at: Any) -> float | None:
    if isinstance(at, str):
        try:
            moment = datetime.fromisoformat(at)
        except ValueError:
            return None
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        return None
    return at / 1000 if at >= MILLISECONDS else float(at)


def parse_time(text: str) -> float | None:
    """A moment as it may be written on the command line, in Unix seconds."""
    try:
        return float(text)
    except ValueError:
        return _seconds(text)


def _status(value: dict[str, Any], where: str) -> str:
    status = value.get("status")
    if status not in STATUSES:
        raise UsageError(f"{where}: status {_shown(status)} is none of {', '.join(STATUSES)}")
    return str(status)


def _whole(value: dict[str, Any], member: str, where: str, least: int) -> int | None:
    number = value.get(member)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number < 2**31:
        raise UsageError(f"{where}: {member} {_shown(number)} is no whole number from {least}")
    return number


def _details(value: dict[str, Any], where: str) -> dict[str, str] | None:
    details = value.get("statusDetails")
    if isinstance(details, dict) and isinstance(details.get("detailsMap"), dict):
        details = details["detailsMap"]
    if details is None or details == {}:
        return None
    if not isinstance(details, dict):
        raise UsageError(f"{where}: statusDetails is no object, but {_shown(details)}")
    return {str(name): str(text) for name, text in details.items()}


def _thing_name(arn: Any, where: str) -> str:
    found = _THING.fullmatch(arn) if isinstance(arn, str) else None
    if found is None:
        raise UsageError(f"{where}: thingArn {_shown(arn)} is no thing's ARN")
    return found[1]


def _check_order(execution: Execution, where: str) -> None:
    """Time does not run backwards, but for the rounding of one of two documents."""
    order = (
        ("startedAt", execution.started, "queuedAt", execution.queued),
        ("lastUpdatedAt", execution.updated, "startedAt", execution.started),
        ("lastUpdatedAt", execution.updated, "queuedAt", execution.queued),
    )
    for later, after, earlier, before in order:
        if after is not None and before is not None and after < before - SLACK:
            raise UsageError(
                f"{where}: {later} is {before - after:g} s before {earlier}; a duration is not "
                "negative"
            )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
