"""YAML with line numbers: a plain value, and where each key of it stands in the file.

Rule 1: nothing is built before it is known to be small: no deeper than ``DEPTH``, no more than
        ``VALUES`` values with every alias written out, and no alias inside what it stands for.
Rule 2: every key is text. YAML reads ``1``, ``on`` and ``2026-01-01`` as something else, which is
        a fault but for the keys ``on`` and ``off`` of a presence.
"""

import difflib
from collections.abc import Iterable
from typing import Any, Final

import yaml

from simulator.errors import ScenarioError
from simulator.scenario.units import shown

Path = tuple[str | int, ...]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEPTH: Final = 50
"""Mappings and lists within each other. A job document that AWS takes needs far fewer, and what
walks a value here may use the stack."""

VALUES: Final = 100_000
"""A few aliases of aliases can stand for billions of values; a scenario is written by hand."""

_TAG: Final = "tag:yaml.org,2002:"
_KEYS: Final = (f"{_TAG}str", f"{_TAG}merge")
_READ: Final = {
    "int": "whole number",
    "float": "number",
    "bool": "truth value",
    "timestamp": "time",
    "binary": "base64",
}
"""Scalars that may turn out to be none, by their tags."""


class Document:
    """One parsed file: ``value``, and the line of every path in it."""

    def __init__(self, name: str, text: str) -> None:
        """Parse ``text``; ``name`` stands in messages.

        Raises:
            ScenarioError: not YAML, duplicate keys, keys that are no text, too deep, too large, or
                no mapping at the top.
        """
        self.name = name
        self.value: Any = None
        self.lines: dict[Path, int] = {(): 1}
        self._faults: list[str] = []
        self._open: set[int] = set()
        """The nodes around the one that is being walked."""
        self._walked = 0
        loader = _Loader(text)
        try:
            self._check_depth(text)
            node = loader.get_single_node()
            if node is not None:
                self._walk(loader, node, ())
            if node is not None and not self._faults:
                self.value = loader.construct_document(node)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = 1 if mark is None else mark.line + 1
            problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
            raise ScenarioError(f"{name}:{line}: this is not YAML: {problem}") from None
        finally:
            loader.dispose()
        if self._faults:
            raise ScenarioError("\n".join(self._faults))
        if not isinstance(self.value, dict):
            what = "nothing" if self.value is None else f"a {type(self.value).__name__}"
            raise ScenarioError(
                f"{name}:1: a scenario is a mapping of keys; this file holds {what}"
            )

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it that the file has."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def at(self, path: Path, message: str) -> str:
        """``file:line: path: message``."""
        return f"{self.name}:{self.line(path)}: {show(path)}{': ' if path else ''}{message}"

    def _check_depth(self, text: str) -> None:
        """Before anything is composed, which takes as much stack as the text is deep."""
        depth = 0
        for event in yaml.parse(text, _Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH:
                    line = 1 if event.start_mark is None else event.start_mark.line + 1
                    raise ScenarioError(
                        f"{self.name}:{line}: more than {DEPTH} mappings and lists within each "
                        "other; a scenario needs fewer"
                    )
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _walk(self, loader: Any, node: Any, path: Path) -> None:
        self._walked += 1
        if self._walked > VALUES:
            raise ScenarioError(
                self.at(path, f"more than {VALUES} values up to here, with all aliases written out")
            )
        if isinstance(node, yaml.ScalarNode):
            self._read(loader, node, path)
            return
        if id(node) in self._open:
            raise ScenarioError(self.at(path, "an alias stands inside what it stands for"))
        self._open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._walk(loader, value, self._enter(key, path))
        else:
            for at, item in enumerate(node.value):
                self.lines[(*path, at)] = item.start_mark.line + 1
                self._walk(loader, item, (*path, at))
        self._open.remove(id(node))

    def _enter(self, key: Any, path: Path) -> Path:
        """Note where a key stands; return the path of its value."""
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        inner = (*path, name)
        if path[:1] == ("fleet",) and path[2:] == ("presence",) and name in ("on", "off"):
            key.tag = _KEYS[0]  # our own keys are what they look like
        if key.tag not in _KEYS:
            kind = key.tag.removeprefix(_TAG)
            advice = f"; write '{name}'" if isinstance(key, yaml.ScalarNode) else ""
            self._faults.append(
                f"{self.name}:{line}: {show(inner)}: a key is text, and YAML reads this one as "
                f"{kind}{advice}"
            )
        elif inner in self.lines and key.tag == _KEYS[0]:
            self._faults.append(
                f"{self.name}:{line}: {show(inner)}: this key stands in line "
                f"{self.lines[inner]} already"
            )
        self.lines[inner] = line
        return inner

    def _read(self, loader: Any, node: Any, path: Path) -> None:
        """Whether a number or a time is one: YAML itself forgets where it stood."""
        kind = _READ.get(node.tag.removeprefix(_TAG))
        if kind is None:
            return
        try:
            loader.construct_object(node)
        except (ValueError, LookupError, AttributeError, yaml.YAMLError) as error:
            # What PyYAML's constructors let through when a text does not fit its tag.
            why = f": {error}" if kind == "time" and isinstance(error, ValueError) else ""
            line = node.start_mark.line + 1
            self._faults.append(
                f"{self.name}:{line}: {show(path)}: {shown(node.value)} is no {kind}{why}"
            )


def show(path: Path) -> str:
    """``fleet[0].work.duration``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """What to say of a key that does not exist: what does, and the nearest of it."""
    names = list(allowed)
    nearest = difflib.get_close_matches(key, names, 1)
    hint = f". Did you mean {nearest[0]!r}?" if nearest else ""
    return f"unknown key; allowed: {', '.join(names)}{hint}"
