"""YAML with line numbers: a plain value, and where each key of it stands in the file."""

import difflib
from collections.abc import Iterable
from typing import Any

import yaml

from simulator.errors import ScenarioError

Path = tuple[str | int, ...]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """One parsed file: ``value``, and the line of every path in it."""

    def __init__(self, name: str, text: str) -> None:
        """Parse ``text``; ``name`` stands in messages.

        Raises:
            ScenarioError: not YAML, duplicate keys, or no mapping at the top.
        """
        self.name = name
        self.value: Any = None
        self.lines: dict[Path, int] = {(): 1}
        self._duplicates: list[str] = []
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                self._walk(node, ())
            if node is not None:
                self.value = loader.construct_document(node)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = 1 if mark is None else mark.line + 1
            problem = getattr(error, "problem", None) or str(error)
            raise ScenarioError(f"{name}:{line}: this is not YAML: {problem}") from None
        except ValueError as error:  # a timestamp that is none, a number out of range
            raise ScenarioError(f"{name}:1: this is not YAML: {error}") from None
        finally:
            loader.dispose()
        if self._duplicates:
            raise ScenarioError("\n".join(self._duplicates))
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

    def _walk(self, node: Any, path: Path) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                line = key.start_mark.line + 1
                if inner in self.lines:
                    self._duplicates.append(
                        f"{self.name}:{line}: {show(inner)}: this key stands in line "
                        f"{self.lines[inner]} already"
                    )
                self.lines[inner] = line
                self._walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for at, item in enumerate(node.value):
                self.lines[(*path, at)] = item.start_mark.line + 1
                self._walk(item, (*path, at))


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
