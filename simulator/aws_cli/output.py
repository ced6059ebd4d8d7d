"""Replies as the AWS CLI prints them: json, yaml, yaml-stream, text and table.

Rule 1: an empty reply prints nothing, whatever the format.
Rule 2: ``--query`` is applied first; what it gives may be anything that JSON can say.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO

from simulator.aws_cli.table import Colors, Table
from simulator.errors import AwsCliError


def as_json(_title: str, value: Any, _color: bool) -> str:
    """Four spaces deep, non-ASCII as it is."""
    return "" if value == {} else json.dumps(value, indent=4, ensure_ascii=False) + "\n"


def as_yaml(_title: str, value: Any, _color: bool) -> str:
    """Block style, keys in order; a scalar alone as JSON (YAML would end it with ``...``)."""
    if value == {}:
        return ""
    if value is None or isinstance(value, (int, float, bool, str)):
        return json.dumps(value, ensure_ascii=False) + "\n"
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    yaml.representer.default_flow_style = False
    text = StringIO()
    yaml.dump(value, text)
    return text.getvalue()


def as_yaml_stream(title: str, value: Any, color: bool) -> str:
    """A list of one reply: none of these operations has pages."""
    return "" if value == {} else as_yaml(title, [value], color)


def as_text(_title: str, value: Any, _color: bool) -> str:
    """Tab-separated lines; each begins with the name of the structure that it is of."""
    return "".join(f"{line}\n" for line in _lines(value, None, None))


def as_table(title: str, value: Any, color: bool) -> str:
    """Boxes (``table.py``)."""
    table = Table(Colors(color), _terminal_width())
    parts: list[str] = []
    if table.build(title, value):
        table.draw(parts.append)
    return "".join(parts)


FORMATS: Final[dict[str, Callable[[str, Any, bool], str]]] = {
    "json": as_json,
    "text": as_text,
    "table": as_table,
    "yaml": as_yaml,
    "yaml-stream": as_yaml_stream,
}


def _terminal_width() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 80


# ------------------------------------------------------------------------------- text


def _lines(value: Any, name: str | None, columns: list[str] | None) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _dict_lines(value, name, columns)
    elif isinstance(value, list):
        yield from _list_lines(value, name)
    else:
        yield str(value)


def _list_lines(items: list[Any], name: str | None) -> Iterator[str]:
    if any(isinstance(item, dict) for item in items):
        columns = sorted(
            {
                key
                for item in items
                for key, value in item.items()
                if not isinstance(value, (dict, list))
            }
        )
        for item in items:
            yield from _lines(item, name, columns)
        return
    plain = [item for item in items if not isinstance(item, list)]
    if plain and name is None:
        yield "\t".join(str(item) for item in plain)
    else:
        yield from (f"{str(name).upper()}\t{item}" for item in plain)
    for item in items:
        if isinstance(item, list):
            yield from _lines(item, name, None)


def _dict_lines(
    members: dict[str, Any], name: str | None, columns: list[str] | None
) -> Iterator[str]:
    """Plain members in one line, in order; then what holds more, under its own name.

    Rows of one list have their columns in common; what a row lacks is empty.
    """
    if columns is None:
        columns = sorted(k for k, v in members.items() if not isinstance(v, (dict, list)))
    if columns:
        start = [] if name is None else [name.upper()]
        yield "\t".join([*start, *(str(members.get(key, "")) for key in columns)])
    for key in sorted(set(members) - set(columns)):
        yield from _lines(members[key], key, None)


# ------------------------------------------------------------------------------- printing


def print_text(text: str, pager: str | None, stdout: TextIO) -> None:
    """Print, on a terminal through the pager."""
    if not text:
        return
    if pager and stdout.isatty():
        _page(text, pager)
        return
    try:
        stdout.write(text)
        stdout.flush()
    except BrokenPipeError:  # whoever read has heard enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())


def _page(text: str, pager: str) -> None:
    """Through the pager, ``less`` with the flags that the AWS CLI gives it.

    Raises:
        AwsCliError: it cannot be started.
    """
    environment = {"LESS": "FRX", **os.environ}
    try:
        subprocess.run(shlex.split(pager), input=text, text=True, env=environment, check=False)
    except FileNotFoundError as error:
        raise AwsCliError(
            "Unable to redirect output to pager. Received the following error when opening "
            f"pager:\n{error}\n\nLearn more about configuring the output pager by running "
            '"aws help config-vars".',
            253,
        ) from None
