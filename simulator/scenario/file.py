"""Reading and writing scenario files: every fault with file, line, key and what is allowed.

pydantic finds the faults; here each is put into words of ours, with its line and, for a wrong
name, the nearest valid one.
"""

import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from simulator.errors import ScenarioError
from simulator.expectations import NAMES
from simulator.scenario.document import Document, Path
from simulator.scenario.model import Scenario, parse_expectation

SUPPORTED: Final = (
    "jobId",
    "targets",
    "document",
    "description",
    "targetSelection",
    "jobExecutionsRolloutConfig",
    "timeoutConfig",
    "tags",
    "presignedUrlConfig",
)
UNSUPPORTED: Final = (
    "documentSource",
    "abortConfig",
    "namespaceId",
    "jobTemplateArn",
    "jobExecutionsRetryConfig",
    "documentParameters",
    "schedulingConfig",
    "destinationPackageVersions",
)
"""Members of CreateJob that the embedded service does not do yet."""

LIMITS: Final = {
    ("timeoutConfig", "inProgressTimeoutInMinutes"): 10080,
    ("jobExecutionsRolloutConfig", "maximumPerMinute"): 1000,
}


class Loaded:
    """A scenario, its name, its question, and what was changed on reading it."""

    def __init__(self, name: str, scenario: Scenario, question: str | None) -> None:
        self.name = name
        self.scenario = scenario
        self.question = question
        self.notes: list[str] = []


def load(path: FilePath) -> Loaded:
    """Read a scenario file.

    Raises:
        ScenarioError: one line per fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ScenarioError(f"{path}: cannot be read: {reason}") from None
    return loads(text, str(path), path.parent)


def loads(text: str, name: str = "scenario.yaml", folder: FilePath | None = None) -> Loaded:
    """Read a scenario from text; ``job: {file: …}`` is looked up in ``folder``."""
    document = Document(name, text)
    value = document.value
    notes: list[str] = []
    faults: list[str] = []
    if isinstance(value.get("job"), dict):
        value["job"] = _job(document, value["job"], folder or FilePath(), notes, faults)
    if isinstance(value.get("expect"), dict):
        value["expect"] = _expectations(document, value["expect"], faults)
    try:
        scenario = Scenario.model_validate(value)
    except ValidationError as error:
        faults += [_fault(document, fault) for fault in error.errors()]
        raise ScenarioError("\n".join(_from_top_to_bottom(name, faults))) from None
    if faults:
        raise ScenarioError("\n".join(_from_top_to_bottom(name, faults)))
    question = re.match(r"#\s*Question:\s*(.+)", text)
    loaded = Loaded(FilePath(name).stem, scenario, question.group(1) if question else None)
    loaded.notes = notes
    return loaded


def _from_top_to_bottom(name: str, faults: list[str]) -> list[str]:
    """Faults, each ``name:line: …``, as one meets them in the file."""
    return sorted(faults, key=lambda fault: int(fault[len(name) + 1 :].partition(":")[0]))


def dump(scenario: Scenario) -> str:
    """The scenario as YAML text that ``loads`` reads back to an equal one."""
    return yaml.safe_dump(
        scenario.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scenario file."""
    schema = Scenario.model_json_schema(mode="validation")
    schema["properties"]["expect"]["propertyNames"] = {"enum": list(NAMES)}
    schema["properties"]["job"]["propertyNames"] = {"enum": ["file", *SUPPORTED]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "jobfleet scenario",
    }


# ------------------------------------------------------------------------------- the job


def _job(
    document: Document,
    job: dict[str, Any],
    folder: FilePath,
    notes: list[str],
    faults: list[str],
) -> dict[str, Any]:
    """The CreateJob request, read from a file if asked, checked as far as shapes go."""
    if "file" in job:
        extra = [key for key in job if key != "file"]
        if extra:
            faults.append(
                document.at(("job", extra[0]), "stands beside file; put it into the file")
            )
            return job
        job = _job_file(document, folder / str(job["file"]), faults)
    for key in job:
        if key in UNSUPPORTED:
            message = "is not supported by the embedded service yet; leave it out"
            faults.append(document.at(("job", key), message))
        elif key not in SUPPORTED:
            faults.append(document.at(("job", key), _unknown(key, SUPPORTED)))
    if job.get("targetSelection", "SNAPSHOT") != "SNAPSHOT":
        faults.append(document.at(("job", "targetSelection"), "only SNAPSHOT is supported yet"))
    for (part, key), most in LIMITS.items():
        _check_limit(document, job, part, key, most, faults)
    if not isinstance(job.get("document"), (dict, str)):
        faults.append(document.at(("job", "document"), "is missing; a mapping or JSON text"))
    if "targets" in job:
        notes.append("job.targets was replaced by the fleet's thing group")
    notes += [
        f"job.{key} is accepted and has no effect in the embedded service"
        for key in ("tags", "presignedUrlConfig")
        if key in job
    ]
    named = {"jobId": re.sub(r"[^a-zA-Z0-9_-]", "-", FilePath(document.name).stem)[:64], **job}
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(named["jobId"])):
        message = f"{named['jobId']!r} is no job id; allowed: 1 to 64 of a-zA-Z0-9_-"
        faults.append(document.at(("job", "jobId"), message))
    return {
        key: value
        for key, value in named.items()
        if key not in ("targets", "tags", "presignedUrlConfig")
    }


def _check_limit(
    document: Document, job: dict[str, Any], part: str, key: str, most: int, faults: list[str]
) -> None:
    config = job.get(part)
    if config is None:
        return
    if not isinstance(config, dict):
        faults.append(document.at(("job", part), "must be a mapping"))
        return
    for name in config:
        if name == "exponentialRate":
            message = "is not supported by the embedded service yet; leave it out"
            faults.append(document.at(("job", part, name), message))
        elif name != key:
            faults.append(document.at(("job", part, name), _unknown(name, [key])))
    value = config.get(key)
    if value is not None and not (type(value) is int and 1 <= value <= most):
        message = f"{value!r} is not possible; allowed: a whole number from 1 to {most}"
        faults.append(document.at(("job", part, key), message))


def _job_file(document: Document, path: FilePath, faults: list[str]) -> dict[str, Any]:
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(document.at(("job", "file"), f"{path} cannot be read: {error.strerror}"))
    except ValueError as error:
        faults.append(document.at(("job", "file"), f"{path} is not JSON: {error}"))
    else:
        if isinstance(job, dict):
            return job
        faults.append(document.at(("job", "file"), f"{path} holds no JSON object"))
    return {"document": {}}


# ------------------------------------------------------------------------------- faults in words


def _expectations(document: Document, expect: dict[str, Any], faults: list[str]) -> dict[str, str]:
    for name, text in expect.items():
        path = ("expect", str(name))
        if name not in NAMES:
            faults.append(document.at(path, _unknown(str(name), NAMES)))
            continue
        try:
            parse_expectation(name, str(text))
        except ValueError as error:
            faults.append(document.at(path, str(error)))
    return {str(name): str(text) for name, text in expect.items()}


def _unknown(key: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    nearest = difflib.get_close_matches(key, names, 1)
    hint = f". Did you mean {nearest[0]!r}?" if nearest else ""
    return f"unknown key; allowed: {', '.join(names)}{hint}"


_TYPES: Final = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}


def _fault(document: Document, fault: Any) -> str:
    """One of pydantic's findings, in our words."""
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    # The name of a chosen alternative is part of pydantic's path and not of the file's.
    path: Path = tuple(p for p in fault["loc"] if p not in ("constant", "uniform", "lognormal"))
    if kind == "extra_forbidden":
        return document.at(path, _unknown(str(path[-1]), _keys(path[:-1], fault["loc"])))
    if kind == "missing":
        return document.at(path[:-1], f"the key {path[-1]!r} is missing")
    if kind == "value_error":
        return document.at(path, str(context["error"]))
    if kind == "union_tag_invalid":
        names = ["constant", "uniform", "lognormal"]
        hint = difflib.get_close_matches(str(value.get("distribution")), names, 1)
        mean = f". Did you mean {hint[0]!r}?" if hint else ""
        message = f"{value.get('distribution')!r} is no distribution; allowed: {', '.join(names)}"
        return document.at((*path, "distribution"), message + mean)
    if kind == "union_tag_not_found":
        return document.at(path, "the key 'distribution' is missing: constant, uniform, lognormal")
    if kind in _TYPES:
        return document.at(path, f"{value!r} is not {_TYPES[kind]}")
    bounds = {"greater_than_equal": "ge", "less_than_equal": "le", "greater_than": "gt"}
    if kind in bounds:
        words = {"ge": "at least", "le": "at most", "gt": "more than"}[bounds[kind]]
        return document.at(path, f"{value!r} is not possible; it must be {words} "
                           f"{context[bounds[kind]]}")  # fmt: skip
    if kind == "string_pattern_mismatch":
        return document.at(path, f"{value!r} is no name; allowed: 1 to 100 of a-zA-Z0-9:_-")
    if kind == "too_short":
        return document.at(path, "at least one entry is needed")
    return document.at(path, f"{value!r}: {fault['msg']}")


def _keys(path: Path, loc: Path) -> list[str]:
    """The keys that are allowed at a path of the model."""
    model: Any = Scenario
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = _model_in(annotation, loc)
    return list(model.model_fields)


def _model_in(annotation: Any, loc: Path) -> Any:
    """The model that an annotation stands for, the alternative chosen by ``loc`` in a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [
        model
        for model in (_model_in(arg, loc) for arg in getattr(annotation, "__args__", ()))
        if model is not None
    ]
    chosen = [model for model in found if model.__name__.lower() in loc]
    return (chosen or found or [None])[0]
