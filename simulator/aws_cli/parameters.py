"""From arguments to what botocore is called with: files, JSON, shorthand, whole inputs.

Rule 1: ``file://`` and ``fileb://`` are read wherever a value is text.
Rule 2: a map is JSON when it begins like JSON, shorthand otherwise.
Rule 3: of a whole input only that counts which the command line does not say; it is taken
        literally, so a ``file://`` inside it is text.
"""

import argparse
import json
import os
from collections import OrderedDict
from typing import Any

from simulator.aws_cli import shorthand
from simulator.aws_cli.options import COMMAND_LINE, WHOLE_INPUT, option_names
from simulator.errors import AwsCliError


def call_parameters(arguments: argparse.Namespace, input_shape: Any) -> dict[str, Any]:
    """The members of the request.

    Raises:
        AwsCliError: a value cannot be read.
    """
    parameters: dict[str, Any] = {}
    for member, name in option_names(input_shape).items():
        value = _loaded(f"--{name}", getattr(arguments, name.replace("-", "_")))
        if value is not None:
            is_map = input_shape.members[member].type_name == "map"
            parameters[member] = _map(f"--{name}", value) if is_map else value
    for name in WHOLE_INPUT:
        given = getattr(arguments, name.replace("-", "_"))
        if given is not None and name != "generate-cli-skeleton":
            _loaded(f"--{name}", given)  # a file that is not there is told before any contents
    for name, load in (("cli-input-json", _json), ("cli-input-yaml", _yaml)):
        given = getattr(arguments, name.replace("-", "_"))
        if given is None:
            continue
        if arguments.cli_input_json is not None and arguments.cli_input_yaml is not None:
            raise AwsCliError("Only one --cli-input- parameter may be specified.", COMMAND_LINE)
        whole = load(_loaded(f"--{name}", given))
        if not isinstance(whole, dict):
            raise _wrong(f"--{name}", f"Invalid type: expecting map, received {type(whole)}")
        parameters = {**whole, **parameters}
    return parameters


def _wrong(name: str, why: str) -> AwsCliError:
    return AwsCliError(f"Error parsing parameter '{name}': {why}", COMMAND_LINE)


def _loaded(name: str, value: Any) -> Any:
    """A value, or the contents of the file that it names."""
    try:
        contents = read_file(value) if isinstance(value, str) else None
    except (OSError, ValueError) as error:
        raise _wrong(name, str(error)) from None
    return value if contents is None else contents


def read_file(text: str) -> str | bytes | None:
    """What ``file://PATH`` (text) or ``fileb://PATH`` (bytes) holds; None for anything else.

    Raises:
        ValueError: it cannot be read.
    """
    scheme, found, path = text.partition("://")
    if not found or scheme not in ("file", "fileb"):
        return None
    path = os.path.expandvars(os.path.expanduser(path))
    try:
        if scheme == "fileb":
            with open(path, "rb") as binary:
                return binary.read()
        with open(path, encoding=os.environ.get("AWS_CLI_FILE_ENCODING")) as file:
            return file.read()
    except UnicodeDecodeError:
        raise ValueError(
            f"Unable to load paramfile ({path}), text contents could not be decoded.  If this is "
            "a binary file, please use the fileb:// prefix instead of the file:// prefix."
        ) from None
    except OSError as error:
        raise ValueError(f"Unable to load paramfile {text}: {error}") from None


def _map(name: str, value: str | bytes) -> Any:
    if isinstance(value, bytes):
        raise AwsCliError(f"{name} takes text, and fileb:// gives bytes: use file://", 255)
    start = value.strip()[:1]
    if start == "[":
        raise _wrong(name, f"Invalid JSON:\n{value}")
    try:
        if start == "{":
            # An OrderedDict, since botocore's words for a wrong type show it.
            return json.loads(value, object_pairs_hook=OrderedDict)
        return shorthand.parse(value, read_file)
    except json.JSONDecodeError as error:
        raise _wrong(name, f"Invalid JSON: {error}\nJSON received: {value}") from None
    except ValueError as error:  # the shorthand is wrong, or a file that it names
        raise _wrong(name, str(error)) from None


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise _wrong("cli-input-json", "Invalid JSON received.") from None


def _yaml(text: str | bytes) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        raise _wrong("cli-input-yaml", "Invalid YAML received.") from None
