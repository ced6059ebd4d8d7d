"""The settings of a sweep: which keys of a scenario are varied, and every combination of them.

Rule 1: a scenario is a mapping here, as its file has it, so that a new key needs nothing new.
Rule 2: every combination is read by the scenario's own reader before anything runs.
"""

import copy
import difflib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from simulator.errors import ScenarioError, UsageError
from simulator.scenario import loads
from simulator.scenario.document import Document
from simulator.scenario.file import Loaded
from simulator.scenario.units import shown

Step = str | int
Mapping = dict[str, Any]

MOST_CELLS: Final = 10_000
"""Beyond, somebody has mistyped: at a tenth of a second each, with 20 seeds, it is hours."""

_NAME: Final = r"[^.\[\]=\s]+"
_PATH: Final = re.compile(rf"{_NAME}(?:\[\d+\])*(?:\.{_NAME}(?:\[\d+\])*)*")
_STEP: Final = re.compile(rf"({_NAME})|\[(\d+)\]")
_ALIASES: Final = {"cohorts": "fleet"}
"""What a path may call a list of the scenario."""

_EXAMPLE: Final = "--vary 'job.jobExecutionsRolloutConfig.maximumPerMinute=100,200'"


@dataclass(frozen=True, slots=True)
class Vary:
    """One key and the values that it takes; ``texts`` are they as they were written."""

    path: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination: its number in the grid, its settings, and the scenario that they make."""

    number: int
    settings: tuple[tuple[str, str], ...]
    """(path, value as it was written) pairs."""
    mapping: Mapping
    text: str
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Source:
    """A scenario as its file has it, and what is needed to read it again elsewhere."""

    mapping: Mapping
    name: str
    folder: Path
    loaded: Loaded

    def read(self, mapping: Mapping) -> tuple[str, Loaded]:
        """Another mapping as text, and as a scenario; raises ScenarioError."""
        text = write(mapping)
        return text, loads(text, self.name, self.folder)


def read_source(path: Path) -> Source:
    """Read a scenario file, with the jobs that stand in files of their own written in.

    Raises:
        ScenarioError: one line per fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ScenarioError(f"{path}: cannot be read: {reason}") from None
    loaded = loads(text, str(path), path.parent)  # so what follows can be relied on
    mapping = _apart(Document(str(path), text).value)
    for holder, key in _requests(mapping):
        request = holder[key]
        if isinstance(request, dict) and "file" in request:
            holder[key] = json.loads((path.parent / str(request["file"])).read_text("utf-8"))
    return Source(mapping, str(path), path.parent, loaded)


def _requests(mapping: Mapping) -> Iterator[tuple[Mapping, str]]:
    """Where CreateJob requests stand."""
    if "job" in mapping:
        yield mapping, "job"
    for part in mapping.get("jobs") or ():
        yield part, "create"


def create_requests(mapping: Mapping) -> list[Mapping]:
    """The CreateJob requests of a mapping as they are written, in the file's order."""
    return [holder[key] for holder, key in _requests(mapping)]


def write(mapping: Mapping) -> str:
    """A mapping as YAML."""
    return str(yaml.dump(mapping, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


class _Dumper(yaml.SafeDumper):
    """Writes what is the same twice, twice: aliases are for people."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Never an alias."""
        return True


def _apart(value: Any) -> Any:
    """The same value with every alias written out: a change changes one place."""
    if isinstance(value, dict):
        return {key: _apart(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_apart(inner) for inner in value]
    return value


# ------------------------------------------------------------------------------- reading --vary


def parse_vary(text: str) -> Vary:
    """``path=value,value,…``: each value as YAML has it; a comma within brackets or quotes is its.

    Raises:
        UsageError: no path, no value, or a value twice.
    """
    path, equals, rest = text.partition("=")
    path = path.strip()
    if not equals or not _PATH.fullmatch(path):
        raise UsageError(f"--vary {text!r}: write a key, = and values, as in {_EXAMPLE}")
    if path == "seed":
        raise UsageError("--vary seed: seeds are no setting; --seeds N rehearses each one N times")
    texts = tuple(_split(text, rest))
    values = []
    for one in texts:
        try:
            values.append(yaml.safe_load(one))
        except yaml.YAMLError:
            raise UsageError(f"--vary {path}: {one!r} is not YAML") from None
    for at, value in enumerate(values):
        if value in values[:at] and texts[at] in texts[:at]:
            raise UsageError(f"--vary {path}: {texts[at]} stands there twice")
    return Vary(path, tuple(values), texts)


def _split(whole: str, text: str) -> Iterator[str]:
    """At commas that stand in no brackets and no quotes."""
    depth, quote, part = 0, "", ""
    for character in f"{text},":
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and not depth:
            if not part.strip():
                raise UsageError(
                    f"--vary {whole!r}: a value is missing; write for example {_EXAMPLE}"
                )
            yield part.strip()
            part = ""
            continue
        part += character
    if part.strip(", "):
        raise UsageError(f"--vary {whole!r}: a bracket or a quote is not closed")


# ------------------------------------------------------------------------------- setting keys


def steps_of(path: str) -> list[Step]:
    """``fleet[0].work`` as its steps."""
    return [name or int(at) for name, at in _STEP.findall(path)]


def with_value(mapping: Mapping, path: str, value: Any) -> Mapping:
    """A copy of a mapping in which the key at ``path`` has another value.

    An entry of a list is meant by its number or its name: its ``cohort``, its ``name``, or its
    job's id. Mappings on the way that are not there are made: whether their keys exist is for the
    scenario's reader to say.

    Raises:
        UsageError: the path leads through something that has no such entry, or no keys.
    """
    changed: Mapping = copy.deepcopy(mapping)
    steps = steps_of(path)
    if steps[0] in _ALIASES and steps[0] not in changed:
        steps[0] = _ALIASES[str(steps[0])]
    place: Any = changed
    for at, step in enumerate(steps):
        so_far = _shown_path(steps[:at])
        if isinstance(place, list):
            step = _entry(place, step, so_far, path)
        elif not isinstance(place, dict):
            raise UsageError(f"--vary {path}: {so_far} is {shown(place)} and has no keys")
        elif isinstance(step, int):
            raise UsageError(
                f"--vary {path}: {so_far or 'a scenario'} is no list; it has no [{step}]"
            )
        if at == len(steps) - 1:
            place[step] = copy.deepcopy(value)
        elif isinstance(place, dict):
            if place.get(str(step)) is None:
                place[step] = {}
            place = place[step]
        else:
            place = place[step]
    return changed


def _shown_path(steps: Sequence[Step]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _entry(entries: list[Any], step: Step, so_far: str, path: str) -> int:
    """The number of a list's entry."""
    if isinstance(step, int):
        if step < len(entries):
            return step
        raise UsageError(
            f"--vary {path}: {so_far} has no [{step}]; its last entry is [{len(entries) - 1}]"
        )
    names = [_name_of(entry) for entry in entries]
    if step in names:
        return names.index(step)
    known = [name for name in names if name is not None]
    nearest = difflib.get_close_matches(step, known, 1)
    hint = f". Did you mean {nearest[0]!r}?" if nearest else ""
    there = f"there are {', '.join(known)}" if known else "its entries have no names"
    raise UsageError(f"--vary {path}: {so_far} has no {step!r}; {there}{hint}")


def _name_of(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return None
    job = entry.get("create")
    job_id = job.get("jobId") if isinstance(job, dict) else None
    name = entry.get("cohort") or entry.get("name") or job_id
    return None if name is None else str(name)


# ------------------------------------------------------------------------------- the grid


def cells(source: Source, varies: Sequence[Vary]) -> list[Cell]:
    """Every combination, the last key varying fastest, each read and checked.

    Raises:
        UsageError: a key twice, too many combinations, a path that leads nowhere, or a value that
            the scenario refuses: it names the value and what the scenario says.
    """
    paths = [vary.path for vary in varies]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"--vary {path} stands there twice; give all its values in one")
    count = 1
    for vary in varies:
        count *= len(vary.values)
    if count > MOST_CELLS:
        raise UsageError(
            f"{count:,} combinations are too many; at most {MOST_CELLS:,} can be swept"
        )
    choices = [list(zip(vary.texts, vary.values, strict=True)) for vary in varies]
    return [
        _cell(source, number, list(zip(paths, chosen, strict=True)))
        for number, chosen in enumerate(itertools.product(*choices))
    ]


Chosen = tuple[str, tuple[str, Any]]


def _cell(source: Source, number: int, chosen: Sequence[Chosen]) -> Cell:
    mapping = _with_all(source.mapping, chosen)
    settings = tuple((path, text) for path, (text, _) in chosen)
    try:
        text, loaded = source.read(mapping)
    except ScenarioError as error:
        raise UsageError(_blame(source, chosen, error)) from None
    return Cell(number, settings, mapping, text, loaded)


def _with_all(mapping: Mapping, chosen: Iterable[Chosen]) -> Mapping:
    for path, (_, value) in chosen:
        mapping = with_value(mapping, path, value)
    return mapping


def _blame(source: Source, chosen: Sequence[Chosen], together: ScenarioError) -> str:
    """Which value is to blame: one alone, or only all of them together."""
    for one in chosen:
        try:
            source.read(_with_all(source.mapping, [one]))
        except ScenarioError as error:
            return f"--vary {one[0]}={one[1][0]}: {_without_lines(source, error)}"
    settings = " ".join(f"{path}={text}" for path, (text, _) in chosen)
    return f"--vary {settings}, all at once: {_without_lines(source, together)}"


def _without_lines(source: Source, error: ScenarioError) -> str:
    """A scenario's message; lines of a text that nobody has seen say nothing."""
    prefix = re.compile(rf"^{re.escape(source.name)}:\d+: ", re.MULTILINE)
    return prefix.sub("", str(error)).replace("\n", "; ")
