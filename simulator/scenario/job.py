"""The ``job`` of a scenario: AWS's CreateJob request, checked with its lines.

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
from simulator.jobs.messages import CreateJobRequest
from simulator.scenario.document import DEPTH, Document, Path, unknown_key
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


def read_job(
    document: Document,
    job: dict[str, Any],
    folder: FilePath,
    epoch_s: float,
    notes: list[str],
    faults: list[str],
) -> dict[str, Any]:
    """The CreateJob request, read from a file if asked, without what a run does not hand on.

    What is wrong with it is added to ``faults``, what was changed to ``notes``.
    """
    if "file" in job:
        extra = [key for key in job if key != "file"]
        if extra:
            faults.append(
                document.at(("job", extra[0]), "stands beside file; put it into the file")
            )
            return job
        job = _from_file(document, folder / str(job["file"]), faults)
    before = len(faults)
    _check_json(document, ("job",), job, faults)
    if len(faults) == before:
        _check_members(document, job, faults)
    if "targets" in job:
        notes.append("job.targets was replaced by the fleet's thing group")
    if "tags" in job:
        notes.append("job.tags is accepted and has no effect in a run")
    named = {"jobId": re.sub(r"[^a-zA-Z0-9_-]", "-", FilePath(document.name).stem)[:64]}
    named |= {key: value for key, value in job.items() if value is not None}
    kept = {key: value for key, value in named.items() if key not in DROPPED}
    if len(faults) == before:
        _try(document, kept, epoch_s, faults)
    return kept


def _check_members(document: Document, job: dict[str, Any], faults: list[str]) -> None:
    for key, value in job.items():
        path = ("job", key)
        if key in UNSUPPORTED:
            faults.append(document.at(path, "is not supported in a scenario; leave it out"))
        elif key not in SUPPORTED:
            faults.append(document.at(path, unknown_key(key, SUPPORTED)))
        elif key in CONFIGURATIONS and value is not None:
            _check(document, path, value, CONFIGURATIONS[key], faults)
    if job.get("targetSelection", "SNAPSHOT") not in ("SNAPSHOT", "CONTINUOUS"):
        message = f"{job['targetSelection']!r} is not possible; allowed: SNAPSHOT, CONTINUOUS"
        faults.append(document.at(("job", "targetSelection"), message))
    _check_document(document, job, faults)
    job_id = "x" if job.get("jobId") is None else job["jobId"]
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(job_id)):
        message = f"{job_id!r} is no job id; allowed: 1 to 64 of a-zA-Z0-9_-"
        faults.append(document.at(("job", "jobId"), message))


def _check_json(document: Document, path: Path, value: object, faults: list[str]) -> None:
    """A request is JSON, and YAML has more than that: dates, bytes, sets, numbers that are none."""
    if len(path) > DEPTH:
        faults.append(document.at(path, f"more than {DEPTH} values within each other"))
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_json(document, (*path, str(key)), inner, faults)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            _check_json(document, (*path, at), inner, faults)
    elif isinstance(value, float) and not math.isfinite(value):
        faults.append(document.at(path, f"{value} is no number that JSON knows"))
    elif isinstance(value, date):
        faults.append(
            document.at(path, f'YAML reads this as a date; for a text write "{value}", in quotes')
        )
    elif isinstance(value, str):
        if not value.isascii() and value.encode(errors="replace").decode() != value:
            faults.append(document.at(path, f"{shown(value)} has half of a surrogate pair"))
    elif value is not None and not isinstance(value, (int, float)):
        message = f"JSON has no {type(value).__name__}; write text, numbers, lists and mappings"
        faults.append(document.at(path, message))


def _check_document(document: Document, job: dict[str, Any], faults: list[str]) -> None:
    """The job document: a mapping, or text that is JSON; left out only with a template."""
    given, path = job.get("document"), ("job", "document")
    if given is None and "jobTemplateArn" in job:
        return
    if isinstance(given, str):
        try:
            json.loads(given)
        except (ValueError, RecursionError):
            message = f"{shown(given)} is not JSON; write a mapping, or JSON as text"
            faults.append(document.at(path, message))
    elif not isinstance(given, dict):
        faults.append(document.at(path, "is missing; a mapping or JSON text"))


def _check(
    document: Document, path: Path, value: Any, kind: type[msgspec.Struct], faults: list[str]
) -> None:
    """One configuration: its keys, and then its values."""
    if not isinstance(value, dict):
        faults.append(document.at(path, "must be a mapping"))
        return
    before = len(faults)
    _check_keys(document, path, value, kind, faults)
    for (part, key), most in LIMITS.items():
        number = value.get(key)
        if part != path[-1] or number is None or (type(number) is int and 1 <= number <= most):
            continue
        message = f"{number!r} is not possible; allowed: a whole number from 1 to {most}"
        faults.append(document.at((*path, key), message))
    if len(faults) == before:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            faults.append(_fault(document, path, error))


def _check_keys(document: Document, path: Path, value: Any, kind: Any, faults: list[str]) -> None:
    """Every key of a mapping, and of the mappings in it, is one that the Struct has."""
    if isinstance(value, list):
        for at, item in enumerate(value):
            _check_keys(document, (*path, at), item, kind, faults)
        return
    if kind is None or not isinstance(value, dict):
        return  # not what is wanted here: the values' check says so
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for key, inner in value.items():
        if key not in fields:
            faults.append(document.at((*path, str(key)), unknown_key(str(key), fields)))
        else:
            _check_keys(document, (*path, str(key)), inner, _struct_in(fields[key]), faults)


def _struct_in(annotation: Any) -> Any:
    """The Struct that an annotation speaks of, in a union or a tuple, or None."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    if isinstance(annotation, types.GenericAlias | types.UnionType) or typing.get_args(annotation):
        found = (_struct_in(argument) for argument in typing.get_args(annotation))
        return next((kind for kind in found if kind is not None), None)
    return None


def _fault(document: Document, path: Path, error: msgspec.ValidationError) -> str:
    """One of msgspec's findings in our words; it ends in ``at $.criteriaList[0].action``."""
    text = str(error)
    found = _AT.search(text)
    where = "" if found is None else found.group(1)
    steps = [name or int(at) for name, at in _STEP.findall(where)]
    return document.at((*path, *steps), _KIND.sub(_kind_in_words, _AT.sub("", text)))


def _kind_in_words(match: re.Match[str]) -> str:
    return _KINDS.get(match.group(1), match.group(0))


def _try(document: Document, job: dict[str, Any], epoch_s: float, faults: list[str]) -> None:
    """Make the job once, for nothing, in a service with one thing."""
    service = JobsService(epoch=epoch_s)
    service.registry.create_thing_group("g")
    try:
        members = as_request(job, service.registry.group_arn("g"))
        request = msgspec.convert(members, CreateJobRequest)
        service.create_job(str(job["jobId"]), request, 0.0)
    except msgspec.ValidationError as error:
        faults.append(_fault(document, ("job",), error))
    except Rejection as rejection:
        faults.append(document.at(("job",), rejection.message))


def as_request(job: dict[str, Any], target_arn: str) -> dict[str, Any]:
    """A scenario's job as AWS's CreateJob request (without jobId) for one target."""
    request = {name: value for name, value in job.items() if name != "jobId"}
    document = request.get("document")
    if isinstance(document, dict):
        request["document"] = json.dumps(document, separators=(",", ":"))
    return {"targets": [target_arn], **request}


def _from_file(document: Document, path: FilePath, faults: list[str]) -> dict[str, Any]:
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(document.at(("job", "file"), f"{path} cannot be read: {error.strerror}"))
    except (ValueError, RecursionError) as error:
        faults.append(document.at(("job", "file"), f"{path} is not JSON: {error}"))
    else:
        if isinstance(job, dict):
            return job
        faults.append(document.at(("job", "file"), f"{path} holds no JSON object"))
    return {"document": {}}
