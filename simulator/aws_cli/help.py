"""The help of the commands, written from botocore's model: what it does, takes and answers."""

import textwrap
from typing import Any, Final

from simulator.aws_cli.options import GLOBALS, WHOLE_INPUT, option_names
from simulator.aws_cli.skeleton import plain

WIDTH: Final = 80


def service_help(operations: dict[str, Any]) -> str:
    """What commands there are."""
    lines = ["usage: jobfleet iot-jobs-data <subcommand> [parameters]", ""]
    lines += _paragraph(
        "The data plane of AWS IoT Jobs, with the options, the output and the exit codes of the "
        "AWS CLI, version 2. Requests go to --endpoint-url (a `jobfleet serve`) or to AWS.",
        "",
    )
    for name, operation in operations.items():
        lines += ["", f"  {name}", *_paragraph(_first(operation.documentation), "      ")]
    lines += ["", "jobfleet iot-jobs-data <subcommand> help says more.", "", *_globals()]
    return "\n".join(lines) + "\n"


def operation_help(name: str, operation: Any) -> str:
    """What one command does, takes and answers."""
    shape = operation.input_shape
    lines = [f"usage: jobfleet iot-jobs-data {name} [parameters]", ""]
    lines += [*_paragraph(plain(operation.documentation), ""), "", "Parameters:"]
    for member, option in option_names(shape).items():
        part = shape.members[member]
        if part.type_name == "boolean":
            title = f"--{option} | --no-{option}"
        else:
            title = f"--{option} ({part.type_name})"
        needed = "Required. " if member in shape.required_members else ""
        text = needed + plain(part.documentation)
        if getattr(part, "enum", None):
            text += f" One of: {', '.join(part.enum)}."
        lines += ["", f"  {title}", *_paragraph(text, "      ")]
        if part.type_name == "map":
            lines.append("      Shorthand: KeyName1=string,KeyName2=string; or JSON, or file://")
    for option, settings in WHOLE_INPUT.items():
        lines += ["", f"  --{option} (string)", *_paragraph(settings["help"], "      ")]
    lines += ["", "Output:", ""]
    lines += [f"  {key} ({part.type_name})" for key, part in operation.output_shape.members.items()]
    return "\n".join([*lines, "", *_globals()]) + "\n"


def _globals() -> list[str]:
    lines = ["Global options:", ""]
    for name, settings in GLOBALS.items():
        choices = f" ({' | '.join(settings['choices'])})" if "choices" in settings else ""
        lines += [f"  --{name}{choices}", *_paragraph(settings["help"], "      ")]
    return lines


def _paragraph(text: str, indent: str) -> list[str]:
    words = " ".join(text.split())
    return textwrap.wrap(words, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _first(documentation: str) -> str:
    return " ".join(plain(documentation).split()).split(". ")[0].rstrip(".") + "."
