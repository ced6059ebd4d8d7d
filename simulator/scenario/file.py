"""Reading and writing scenario files: every fault with file, line, key and what is allowed.

pydantic finds the faults; here each is put into words of ours, with its line and, for a wrong
name, the nearest valid one.
"""

import re
from pathlib import Path as FilePath
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from simulator.errors import ScenarioError
from simulator.expectations import NAMES
from simulator.scenario.contradictions import contradictions
from simulator.scenario.document import Document, Path, unknown_key
from simulator.scenario.durations import FAMILIES
from simulator.scenario.expecting import NAME_PATTERN, as_written, parse_expectation
from simulator.scenario.job import SUPPORTED, JobReader
from simulator.scenario.model import DEFAULT_EPOCH, Scenario, epoch_of
from simulator.scenario.outcomes import FATES, WAYS
from simulator.scenario.quantities import did_you_mean
from simulator.scenario.references import wrong_references
from simulator.scenario.units import parse_duration, shown


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
    folder = folder or FilePath()
    reading = JobReader(document, folder, _epoch_s(value.get("epoch")))
    _read_jobs(reading, value)
    faults = reading.faults
    if isinstance(value.get("expect"), dict):
        value["expect"] = _expectations(document, value["expect"], faults)
    try:
        scenario = Scenario.model_validate(value, context={"folder": folder})
    except ValidationError as error:
        faults += [_fault(document, fault) for fault in error.errors()]
        raise ScenarioError("\n".join(_from_top_to_bottom(name, faults))) from None
    faults += [document.at(path, message) for path, message in wrong_references(scenario)]
    if faults:
        raise ScenarioError("\n".join(_from_top_to_bottom(name, faults)))
    reading.notes += [document.at(path, message) for path, message in contradictions(scenario)]
    question = re.match(rf"(?:{re.escape(HEADER)})?#\s*Question:\s*(.+)", text)
    loaded = Loaded(FilePath(name).stem, scenario, question.group(1) if question else None)
    loaded.notes = [*reading.notes]
    return loaded


def _read_jobs(reading: JobReader, value: dict[str, Any]) -> None:
    """Put the checked requests in the place of what the file says."""
    stem = reading.job_id
    if isinstance(value.get("job"), dict):
        value["job"] = reading.read(("job",), value["job"], stem)
    if isinstance(value.get("jobs"), list):
        for at, part in enumerate(value["jobs"]):
            if isinstance(part, dict) and isinstance(part.get("create"), dict):
                path = ("jobs", at, "create")
                job_id, made = f"{stem[:58]}-{at + 1}", _seconds(part.get("at"))
                part["create"] = reading.read(path, part["create"], job_id, made)
    if isinstance(value.get("service"), list):
        for at, part in enumerate(value["service"]):
            if isinstance(part, dict) and isinstance(part.get("update_job"), dict):
                reading.check_update(("service", at, "update_job"), part["update_job"])


def _seconds(value: object) -> float:
    """When a job is made, for its check; a wrong duration is told with the model's faults."""
    try:
        return parse_duration(value)
    except ValueError:
        return 0.0


def _epoch_s(value: object) -> float:
    """The scenario's epoch, for the job's check; a wrong one is told with the model's faults."""
    try:
        at = DEFAULT_EPOCH if value is None else epoch_of(value)
    except ValueError:
        at = DEFAULT_EPOCH
    return at.timestamp()


def _from_top_to_bottom(name: str, faults: list[str]) -> list[str]:
    """Faults, each ``name:line: …``, as one meets them in the file."""
    return sorted(faults, key=lambda fault: int(fault[len(name) + 1 :].partition(":")[0]))


def dump(scenario: Scenario, question: str | None = None) -> str:
    """The scenario as YAML text that ``loads`` reads back to an equal one, with its question."""
    members = scenario.model_dump(mode="json", exclude_none=True, by_alias=True)
    # A request's own: a null in its document is part of it.
    if scenario.job_parts is None:
        members["job"] = scenario.job
    else:
        for part, written in zip(scenario.job_parts, members["jobs"], strict=True):
            written["create"] = part.create
    for incident, written in zip(scenario.service or (), members.get("service", ()), strict=True):
        if incident.update_job is not None:
            written["update_job"] = incident.update_job
    asked = f"# Question: {question}\n" if question else ""
    return f"{HEADER}{asked}" + yaml.dump(
        _shortened(members), Dumper=_Dumper, sort_keys=False, allow_unicode=True
    )


def _shortened(value: Any, key: str = "") -> Any:
    """A share alone and a preset alone are written as one writes them; requests are left alone."""
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if not isinstance(value, dict) or key in ("job", "create", "update_job"):
        return value
    if (key in FATES and set(value) == {"share"}) or (key == "agent" and set(value) == {"preset"}):
        return next(iter(value.values()))
    return {name: _shortened(inner, name) for name, inner in value.items()}


HEADER: Final = "# A scenario as jobfleet resolved it.\n"
"""The first line of every dumped scenario: what tells a run's own file from one that somebody
wrote."""


class _Dumper(yaml.SafeDumper):
    """Writes what is the same twice, twice: aliases are for people."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Never an alias."""
        return True


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scenario file."""
    # As a scenario is written, so that defaults are "10s" and not 10.0.
    schema = Scenario.model_json_schema(mode="serialization")
    schema["properties"]["expect"]["propertyNames"] = {
        "anyOf": [{"enum": list(NAMES)}, {"pattern": NAME_PATTERN}]
    }
    schema["properties"]["expect"]["additionalProperties"] = {
        "type": ["string", "number", "boolean"]
    }
    members = {"type": "object", "propertyNames": {"enum": ["file", *SUPPORTED]}}
    for properties in (
        schema["properties"]["job"],
        schema["$defs"]["JobPart"]["properties"]["create"],
    ):
        description = properties["description"]
        properties.clear()
        properties.update({**members, "description": description})
    schema["oneOf"] = [{"required": ["job"]}, {"required": ["jobs"]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "jobfleet scenario",
    }


# ------------------------------------------------------------------------------- faults in words


def _expectations(document: Document, expect: dict[str, Any], faults: list[str]) -> dict[str, str]:
    for name, value in expect.items():
        try:
            parse_expectation(str(name), as_written(value))
        except ValueError as error:
            faults.append(document.at(("expect", str(name)), str(error)))
    return {str(name): as_written(value) for name, value in expect.items()}


_TYPES: Final = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of a size that makes sense",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
}
_LENGTHS: Final = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}
_ALTERNATIVES: Final = (*FAMILIES, *WAYS)
"""Names of chosen alternatives, which are part of pydantic's paths and not of the file's."""


def _fault(document: Document, fault: Any) -> str:
    """One of pydantic's findings, in our words."""
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    path = _path(document, fault["loc"])
    if kind == "extra_forbidden":
        return document.at(path, unknown_key(str(path[-1]), _keys(fault["loc"][:-1])))
    if kind == "missing":
        return document.at(path[:-1], f"the key {path[-1]!r} is missing")
    if kind == "value_error":
        return document.at(path, str(context["error"]))
    if kind == "union_tag_invalid":
        name = value.get("distribution")
        message = f"{shown(name)} is no distribution; allowed: {', '.join(FAMILIES)}"
        return document.at((*path, "distribution"), message + did_you_mean(name, FAMILIES))
    if kind == "union_tag_not_found":
        return document.at(path, f"the key 'distribution' is missing: {', '.join(FAMILIES)}")
    if kind in _TYPES:
        return document.at(path, f"{shown(value)} is not {_TYPES[kind]}")
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        message = f"{shown(value)} is not possible; it must be {words} {context[bound]}"
        return document.at(path, message)
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        message = f"{shown(value)} is not possible; allowed: {', '.join(allowed)}"
        return document.at(path, message + did_you_mean(value, allowed))
    if kind == "string_pattern_mismatch":
        return document.at(path, f"{shown(value)} is no name; allowed: 1 to 100 of a-zA-Z0-9:_-")
    if kind == "too_short" and context["min_length"] == 1:
        return document.at(path, "at least one entry is needed")
    if kind in _LENGTHS:
        bound, words = _LENGTHS[kind]
        message = f"{context['actual_length']} entries; {words} {context[bound]} are needed"
        return document.at(path, message if kind == "too_short" else
                           message.replace("needed", "possible"))  # fmt: skip
    return document.at(path, f"{shown(value)}: {fault['msg']}")


def _path(document: Document, loc: Path) -> Path:
    """Pydantic's path without what the file does not have."""
    path: Path = ()
    for at, part in enumerate(loc):
        last = at == len(loc) - 1
        chosen = part in _ALTERNATIVES or (isinstance(part, str) and part.startswith(_UNNAMED))
        if (*path, part) in document.lines or not chosen or (last and part not in _ALTERNATIVES):
            path = (*path, part)
    return path


_UNNAMED: Final = ("constrained-", "literal[", "list[", "function-")


def _keys(loc: Path) -> list[str]:
    """The keys that are allowed where pydantic's path leads."""
    model: Any = Scenario
    for at, part in enumerate(loc):
        if isinstance(part, int) or part in _ALTERNATIVES:
            continue
        model = _model_in(_by_name(model)[part], loc[at + 1 : at + 3])
    return list(_by_name(model))


def _by_name(model: Any) -> dict[str, Any]:
    """A model's annotations by the keys of the file."""
    fields = model.model_fields.items()
    return {field.alias or name: field.annotation for name, field in fields}


def _model_in(annotation: Any, loc: Path) -> Any:
    """The model that an annotation stands for, the alternative chosen by ``loc`` in a union."""
    found = _models_in(annotation)
    chosen = [model for model in found if model.__name__.lower() in loc]
    return (chosen or found or [None])[0]


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [
        model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)
    ]
