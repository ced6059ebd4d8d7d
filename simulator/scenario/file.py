"""Reading and writing scenario files: every fault with file, line, key and what is allowed.

pydantic finds the faults; here each is put into words of ours, with its line and, for a wrong
name, the nearest valid one.
"""

import difflib
import re
from pathlib import Path as FilePath
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from simulator.errors import ScenarioError
from simulator.expectations import NAMES
from simulator.scenario.document import Document, Path, unknown_key
from simulator.scenario.expecting import NAME_PATTERN, as_written, misfits, parse_expectation
from simulator.scenario.job import SUPPORTED, read_job
from simulator.scenario.model import DEFAULT_EPOCH, Scenario, epoch_of
from simulator.scenario.units import shown


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
        epoch_s = _epoch_s(value.get("epoch"))
        value["job"] = read_job(
            document, value["job"], folder or FilePath(), epoch_s, notes, faults
        )
    if isinstance(value.get("expect"), dict):
        value["expect"] = _expectations(document, value["expect"], faults)
    try:
        scenario = Scenario.model_validate(value)
    except ValidationError as error:
        faults += [_fault(document, fault) for fault in error.errors()]
        raise ScenarioError("\n".join(_from_top_to_bottom(name, faults))) from None
    faults += faults or _misfits(document, scenario)
    if faults:
        raise ScenarioError("\n".join(_from_top_to_bottom(name, faults)))
    question = re.match(r"#\s*Question:\s*(.+)", text)
    loaded = Loaded(FilePath(name).stem, scenario, question.group(1) if question else None)
    loaded.notes = notes
    return loaded


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


def dump(scenario: Scenario) -> str:
    """The scenario as YAML text that ``loads`` reads back to an equal one."""
    members = scenario.model_dump(mode="json", exclude_none=True)
    members["job"] = scenario.job  # the job's own: a null in its document is part of it
    return HEADER + yaml.dump(members, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


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
    schema["properties"]["job"]["propertyNames"] = {"enum": ["file", *SUPPORTED]}
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


def _misfits(document: Document, scenario: Scenario) -> list[str]:
    """Expectations about cohorts, jobs or times that the scenario does not have."""
    cohorts = [cohort.name for cohort in scenario.cohorts()]
    wrong = misfits(scenario.expectations(), cohorts, [scenario.job_id], scenario.load.until)
    return [document.at(("expect", name), words) for name, words in wrong]


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
        return document.at(path, unknown_key(str(path[-1]), _keys(path[:-1], fault["loc"])))
    if kind == "missing":
        return document.at(path[:-1], f"the key {path[-1]!r} is missing")
    if kind == "value_error":
        return document.at(path, str(context["error"]))
    if kind == "union_tag_invalid":
        names = ["constant", "uniform", "lognormal"]
        hint = difflib.get_close_matches(str(value.get("distribution")), names, 1)
        mean = f". Did you mean {hint[0]!r}?" if hint else ""
        message = (
            f"{shown(value.get('distribution'))} is no distribution; allowed: {', '.join(names)}"
        )
        return document.at((*path, "distribution"), message + mean)
    if kind == "union_tag_not_found":
        return document.at(path, "the key 'distribution' is missing: constant, uniform, lognormal")
    if kind in _TYPES:
        return document.at(path, f"{shown(value)} is not {_TYPES[kind]}")
    bounds = {"greater_than_equal": "ge", "less_than_equal": "le", "greater_than": "gt",
              "less_than": "lt"}  # fmt: skip
    if kind in bounds:
        words = {"ge": "at least", "le": "at most", "gt": "more than", "lt": "less than"}[
            bounds[kind]
        ]
        return document.at(path, f"{shown(value)} is not possible; it must be {words} "
                           f"{context[bounds[kind]]}")  # fmt: skip
    if kind == "string_pattern_mismatch":
        return document.at(path, f"{shown(value)} is no name; allowed: 1 to 100 of a-zA-Z0-9:_-")
    if kind == "too_short":
        return document.at(path, "at least one entry is needed")
    return document.at(path, f"{shown(value)}: {fault['msg']}")


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
