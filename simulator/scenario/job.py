"""A ``job`` of a scenario: AWS's CreateJob request, checked with its lines.

Shapes are checked by the same msgspec Structs that the service decodes; what hangs together (a
schedule and the epoch, placeholders and a role) by making the job in a service of its own, which is
then thrown away. So whatever the check lets pass, the run can create.
"""

import json
import math
import re
import types
import typing
from datetime import date
from pathlib import Path as FilePath
from typing import Any, Final

import msgspec

from simulator.errors import Rejection
from simulator.jobs import JobsService
from simulator.jobs.configuration import (
    AbortConfig,
    JobExecutionsRetryConfig,
    JobExecutionsRolloutConfig,
    PresignedUrlConfig,
    SchedulingConfig,
    TimeoutConfig,
)
from simulator.jobs.messages import CreateJobRequest, UpdateJobRequest
from simulator.scenario.document import DEPTH, Document, Path, show, unknown_key
from simulator.scenario.units import shown

CONFIGURATIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "abortConfig": AbortConfig,
    "jobExecutionsRetryConfig": JobExecutionsRetryConfig,
    "jobExecutionsRolloutConfig": JobExecutionsRolloutConfig,
    "presignedUrlConfig": PresignedUrlConfig,
    "schedulingConfig": SchedulingConfig,
    "timeoutConfig": TimeoutConfig,
}
SUPPORTED: Final = (
    "jobId",
    "targets",
    "document",
    "description",
    "targetSelection",
    "documentParameters",
    "jobTemplateArn",
    *CONFIGURATIONS,
    "tags",
)
UNSUPPORTED: Final = ("documentSource", "namespaceId", "destinationPackageVersions")
"""Members of CreateJob that a scenario does not take."""

DROPPED: Final = ("targets", "tags")
"""Members that a run does not hand on."""

UPDATES: Final = tuple(field.encode_name for field in msgspec.structs.fields(UpdateJobRequest))
"""Members of UpdateJob."""

LIMITS: Final = {
    ("timeoutConfig", "inProgressTimeoutInMinutes"): 10080,
    ("jobExecutionsRolloutConfig", "maximumPerMinute"): 1000,
}
"""Whole numbers whose bounds get a sentence of their own."""

_AT: Final = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_KIND: Final = re.compile(r"`(\w+)(?: \| null)?`")
_KINDS: Final = {
    "object": "a mapping",
    "array": "a list",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
}
_STEP: Final = re.compile(r"\.([A-Za-z]+)|\[(\d+)\]")


class JobReader:
    """Reads the jobs of one scenario.

    What is wrong with them is added to ``faults``, what was changed to ``notes``.
    """

    def __init__(self, document: Document, folder: FilePath, epoch_s: float) -> None:
        self.notes: list[str] = []
        self.faults: list[str] = []
        self._document = document
        self._folder = folder
        self._epoch_s = epoch_s

    @property
    def job_id(self) -> str:
        """The id of a job that has none: the file's name."""
        stem = FilePath(self._document.name).stem
        return re.sub(r"[^a-zA-Z0-9_-]", "-", stem)[:64]

    def read(self, path: Path, job: dict[str, Any], job_id: str) -> dict[str, Any]:
        """The CreateJob request at ``path``, read from a file if asked, without what a run does
        not hand on; ``job_id`` where it has none.
        """
        if "file" in job:
            extra = [key for key in job if key != "file"]
            if extra:
                self._wrong((*path, extra[0]), "stands beside file; put it into the file")
                return job
            job = self._from_file(path, str(job["file"]))
        before = len(self.faults)
        self._check_json(path, job)
        if len(self.faults) == before:
            self._check_members(path, job)
        if "targets" in job:
            self.notes.append(f"{show(path)}.targets was replaced by the fleet's thing group")
        if "tags" in job:
            self.notes.append(f"{show(path)}.tags is accepted and has no effect in a run")
        named = {"jobId": job_id}
        named |= {key: value for key, value in job.items() if value is not None}
        kept = {key: value for key, value in named.items() if key not in DROPPED}
        if len(self.faults) == before:
            self._try(path, kept)
        return kept

    def check_update(self, path: Path, request: dict[str, Any]) -> None:
        """An UpdateJob request."""
        before = len(self.faults)
        self._check_json(path, request)
        self._check_keys(path, request, UpdateJobRequest)
        if not request:
            self._wrong(path, f"says nothing; allowed: {', '.join(UPDATES)}")
        if len(self.faults) == before:
            try:
                msgspec.convert(request, UpdateJobRequest)
            except msgspec.ValidationError as error:
                self._misshapen(path, error)

    def _wrong(self, path: Path, message: str) -> None:
        self.faults.append(self._document.at(path, message))

    def _check_members(self, path: Path, job: dict[str, Any]) -> None:
        for key, value in job.items():
            if key in UNSUPPORTED:
                self._wrong((*path, key), "is not supported in a scenario; leave it out")
            elif key not in SUPPORTED:
                self._wrong((*path, key), unknown_key(key, SUPPORTED))
            elif key in CONFIGURATIONS and value is not None:
                self._check((*path, key), value, CONFIGURATIONS[key])
        if job.get("targetSelection", "SNAPSHOT") not in ("SNAPSHOT", "CONTINUOUS"):
            message = f"{job['targetSelection']!r} is not possible; allowed: SNAPSHOT, CONTINUOUS"
            self._wrong((*path, "targetSelection"), message)
        self._check_document((*path, "document"), job)
        job_id = "x" if job.get("jobId") is None else job["jobId"]
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(job_id)):
            message = f"{job_id!r} is no job id; allowed: 1 to 64 of a-zA-Z0-9_-"
            self._wrong((*path, "jobId"), message)

    def _check_json(self, path: Path, value: object) -> None:
        """A request is JSON, and YAML has more: dates, bytes, sets, numbers that are none."""
        if len(path) > DEPTH:
            self._wrong(path, f"more than {DEPTH} values within each other")
        elif isinstance(value, dict):
            for key, inner in value.items():
                self._check_json((*path, str(key)), inner)
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                self._check_json((*path, at), inner)
        elif isinstance(value, float) and not math.isfinite(value):
            self._wrong(path, f"{value} is no number that JSON knows")
        elif isinstance(value, date):
            self._wrong(path, f'YAML reads this as a date; for a text write "{value}", in quotes')
        elif isinstance(value, str):
            if not value.isascii() and value.encode(errors="replace").decode() != value:
                self._wrong(path, f"{shown(value)} has half of a surrogate pair")
        elif value is not None and not isinstance(value, (int, float)):
            kind = type(value).__name__
            self._wrong(path, f"JSON has no {kind}; write text, numbers, lists and mappings")

    def _check_document(self, path: Path, job: dict[str, Any]) -> None:
        """The job document: a mapping, or text that is JSON; left out only with a template."""
        given = job.get("document")
        if given is None and "jobTemplateArn" in job:
            return
        if isinstance(given, str):
            try:
                json.loads(given)
            except (ValueError, RecursionError):
                self._wrong(path, f"{shown(given)} is not JSON; write a mapping, or JSON as text")
        elif not isinstance(given, dict):
            self._wrong(path, "is missing; a mapping or JSON text")

    def _check(self, path: Path, value: Any, kind: type[msgspec.Struct]) -> None:
        """One configuration: its keys, and then its values."""
        if not isinstance(value, dict):
            self._wrong(path, "must be a mapping")
            return
        before = len(self.faults)
        self._check_keys(path, value, kind)
        for (part, key), most in LIMITS.items():
            number = value.get(key)
            if part != path[-1] or number is None or (type(number) is int and 1 <= number <= most):
                continue
            message = f"{number!r} is not possible; allowed: a whole number from 1 to {most}"
            self._wrong((*path, key), message)
        if len(self.faults) == before:
            try:
                msgspec.convert(value, kind)
            except msgspec.ValidationError as error:
                self._misshapen(path, error)

    def _check_keys(self, path: Path, value: Any, kind: Any) -> None:
        """Every key of a mapping, and of the mappings in it, is one that the Struct has."""
        if isinstance(value, list):
            for at, item in enumerate(value):
                self._check_keys((*path, at), item, kind)
            return
        if kind is None or not isinstance(value, dict):
            return  # not what is wanted here: the values' check says so
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for key, inner in value.items():
            if key not in fields:
                self._wrong((*path, str(key)), unknown_key(str(key), fields))
            else:
                self._check_keys((*path, str(key)), inner, _struct_in(fields[key]))

    def _misshapen(self, path: Path, error: msgspec.ValidationError) -> None:
        """One of msgspec's findings in our words; it ends in ``at $.criteriaList[0].action``."""
        text = str(error)
        found = _AT.search(text)
        where = "" if found is None else found.group(1)
        steps = [name or int(at) for name, at in _STEP.findall(where)]
        self._wrong((*path, *steps), _KIND.sub(_kind_in_words, _AT.sub("", text)))

    def _try(self, path: Path, job: dict[str, Any]) -> None:
        """Make the job once, for nothing; what the service refuses is told where it stands."""
        try:
            refused = self._refusal(job)
        except msgspec.ValidationError as error:
            self._misshapen(path, error)
            return
        if refused is None:
            return
        for key in (*CONFIGURATIONS, "documentParameters"):
            others = {name: value for name, value in job.items() if name != key}
            if key in job and self._refusal(others) != refused:
                named = [inner for inner in job[key] if inner in refused]
                self._wrong((*path, key, *named[:1]), refused)
                return
        self._wrong(path, refused)

    def _refusal(self, job: dict[str, Any]) -> str | None:
        """What a service with one thing says against a job."""
        service = JobsService(epoch=self._epoch_s)
        service.registry.create_thing_group("g")
        members = as_request(job, service.registry.group_arn("g"))
        request = msgspec.convert(members, CreateJobRequest)
        try:
            service.create_job(str(job["jobId"]), request, 0.0)
        except Rejection as rejection:
            return rejection.message
        return None

    def _from_file(self, path: Path, name: str) -> dict[str, Any]:
        file, path = self._folder / name, (*path, "file")
        try:
            job = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            self._wrong(path, f"{file} cannot be read: {error.strerror}")
        except (ValueError, RecursionError) as error:
            self._wrong(path, f"{file} is not JSON: {error}")
        else:
            if isinstance(job, dict):
                return job
            self._wrong(path, f"{file} holds no JSON object")
        return {"document": {}}


def _struct_in(annotation: Any) -> Any:
    """The Struct that an annotation speaks of, in a union or a tuple, or None."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    if isinstance(annotation, types.GenericAlias | types.UnionType) or typing.get_args(annotation):
        found = (_struct_in(argument) for argument in typing.get_args(annotation))
        return next((kind for kind in found if kind is not None), None)
    return None


def _kind_in_words(match: re.Match[str]) -> str:
    return _KINDS.get(match.group(1), match.group(0))


def as_request(job: dict[str, Any], target_arn: str) -> dict[str, Any]:
    """A scenario's job as AWS's CreateJob request (without jobId) for one target."""
    request = {name: value for name, value in job.items() if name != "jobId"}
    document = request.get("document")
    if isinstance(document, dict):
        request["document"] = json.dumps(document, separators=(",", ":"))
    return {"targets": [target_arn], **request}
