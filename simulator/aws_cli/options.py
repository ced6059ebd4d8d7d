"""The command line of ``jobfleet iot-jobs-data``: argparse, set up as the AWS CLI sets it up.

Rule 1: global options are taken out first, wherever they stand; then the operation; what is left
        is the operation's.
Rule 2: what each operation takes is read from botocore's service model, so options, types and what
        is required are AWS's. Order matters: it is the order in which faults are told.
Rule 3: as in the AWS CLI an option may be shortened to what makes it unique, and its value may
        follow ``=``.
Rule 4: an argument that stands for a whole input (``--cli-input-…``, a skeleton but ``output``)
        makes the others optional, if it is spelled out and stands alone.
"""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final, NoReturn

from botocore import xform_name

from simulator.errors import AwsCliError

USAGE: Final = """\
jobfleet [options] iot-jobs-data <subcommand> [parameters]
To see help text, you can run:

  jobfleet --help
  jobfleet iot-jobs-data help
  jobfleet iot-jobs-data <subcommand> help
"""
COMMAND_LINE: Final = 252
"""The exit code for a command line, or its parameters, that cannot be used."""

GLOBALS: Final[dict[str, dict[str, Any]]] = {
    "debug": {"action": "store_true", "help": "Turn on debug logging."},
    "endpoint-url": {"help": "Send requests to this URL instead of the service's own."},
    "no-verify-ssl": {
        "action": "store_false",
        "dest": "verify_ssl",
        "help": "Do not verify SSL certificates.",
    },
    "no-paginate": {
        "action": "store_false",
        "dest": "paginate",
        "help": "Accepted; none of these operations has pages.",
    },
    "output": {
        "choices": ["json", "text", "table", "yaml", "yaml-stream"],
        "help": "How to print the reply.",
    },
    "query": {"help": "A JMESPath query to filter the reply with."},
    "profile": {"help": "Use this profile of the AWS configuration."},
    "region": {"help": "The region to use; overrides configuration and environment."},
    "version": {"action": "store_true", "help": "Print the version and end."},
    "color": {
        "choices": ["on", "off", "auto"],
        "default": "auto",
        "help": "Colour in tables.",
    },
    "no-sign-request": {
        "action": "store_false",
        "dest": "sign_request",
        "help": "Send requests unsigned, without looking for credentials.",
    },
    "ca-bundle": {"help": "The CA certificates with which to verify SSL certificates."},
    "cli-read-timeout": {
        "dest": "read_timeout",
        "help": "Seconds to wait for a reply (default 60; 0: for ever).",
    },
    "cli-connect-timeout": {
        "dest": "connect_timeout",
        "help": "Seconds to wait for a connection (default 60; 0: for ever).",
    },
    "cli-binary-format": {
        "choices": ["base64", "raw-in-base64-out"],
        "help": "Accepted; none of these operations takes binary values.",
    },
    "no-cli-pager": {"action": "store_true", "help": "Do not print through a pager."},
    "cli-auto-prompt": {"action": "store_true", "help": "Not supported."},
    "no-cli-auto-prompt": {"action": "store_true", "help": "Accepted; there is no prompt."},
}
"""The AWS CLI's global options, in its order."""

WHOLE_INPUT: Final[dict[str, dict[str, Any]]] = {
    "cli-input-json": {
        "help": "Take the arguments from this JSON, as --generate-cli-skeleton prints it; those "
        "on the command line override it. Not together with --cli-input-yaml.",
    },
    "cli-input-yaml": {
        "help": "Take the arguments from this YAML, as --generate-cli-skeleton yaml-input prints "
        "it; those on the command line override it. Not together with --cli-input-json.",
    },
    "generate-cli-skeleton": {
        "nargs": "?",
        "const": "input",
        "choices": ["input", "output", "yaml-input"],
        "help": "Send nothing. input (or no value): print a sample for --cli-input-json. "
        "yaml-input: for --cli-input-yaml. output: check the arguments and print a sample reply.",
    },
}
"""What every operation takes beside its own members."""


class Parser(argparse.ArgumentParser):
    """argparse with the AWS CLI's words; a fault is an exception."""

    def __init__(self) -> None:
        super().__init__(
            prog="jobfleet", usage=USAGE, add_help=False, conflict_handler="resolve",
            formatter_class=argparse.RawTextHelpFormatter,
        )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        """Say what is wrong."""
        raise AwsCliError(f"{self.format_usage()}\n{self.prog}: error: {message}\n", COMMAND_LINE)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Choices two in a row, and the nearest ones."""
        if action.choices is None or value in action.choices:
            return
        choices = list(action.choices)
        rows = [
            " | ".join(f"{choice:40}" for choice in choices[at : at + 2])
            for at in range(0, len(choices), 2)
        ]
        lines = ["Invalid choice, valid choices are:\n", *rows]
        near = get_close_matches(value, choices, cutoff=0.8)
        if near:
            lines.append(f"\n\nInvalid choice: {value!r}, maybe you meant:\n")
            lines += [f"  * {choice}" for choice in near]
        raise argparse.ArgumentError(action, "\n".join(lines))


def read_globals(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The global options, and what else the command line holds.

    Raises:
        AwsCliError: one of them is wrong.
    """
    parser = Parser()
    for name, options in GLOBALS.items():
        parser.add_argument(f"--{name}", **options)
    found, rest = parser.parse_known_args(list(argv))
    if found.cli_auto_prompt:
        raise AwsCliError("--cli-auto-prompt is not supported by jobfleet", COMMAND_LINE)
    return found, rest


def read_operation(argv: Sequence[str], operations: Sequence[str]) -> tuple[str, list[str]]:
    """The operation's name (or ``help``), and what else there is.

    Raises:
        AwsCliError: there is none, or none of that name.
    """
    parser = Parser()
    parser.add_argument("operation", choices=[*operations, "help"])
    found, rest = parser.parse_known_args(list(argv))
    return found.operation, rest


def option_names(input_shape: Any) -> dict[str, str]:
    """Each member of an operation's input → its option, without the dashes."""
    return {member: xform_name(member, "-") for member in input_shape.members}


def read_arguments(argv: Sequence[str], input_shape: Any) -> argparse.Namespace:
    """The operation's arguments; ``help`` is set where they ask for it.

    Raises:
        AwsCliError: one is missing, unknown or of the wrong type.
    """
    if list(argv) == ["help"]:
        return argparse.Namespace(help="help")
    parser = Parser()
    optional = _stands_for_all(argv)
    for member, name in option_names(input_shape).items():
        shape = input_shape.members[member]
        if shape.type_name == "boolean":
            place: dict[str, Any] = {"dest": name.replace("-", "_"), "default": None}
            parser.add_argument(f"--{name}", action="store_true", **place)
            parser.add_argument(f"--no-{name}", action="store_false", **place)
        else:
            required = member in input_shape.required_members and not optional
            kind = int if shape.type_name == "long" else str
            parser.add_argument(f"--{name}", type=kind, required=required)
    for name, options in WHOLE_INPUT.items():
        parser.add_argument(f"--{name}", **options)
    parser.add_argument("help", nargs="?")
    found, unknown = parser.parse_known_args(list(argv))
    if found.help not in (None, "help"):
        unknown.append(found.help)
    if unknown:
        raise AwsCliError(f"usage: {USAGE}\nUnknown options: {', '.join(unknown)}\n", COMMAND_LINE)
    return found


def _stands_for_all(argv: Sequence[str]) -> bool:
    if "--cli-input-json" in argv or "--cli-input-yaml" in argv:
        return True
    if "--generate-cli-skeleton" not in argv:
        return False
    after = list(argv)[list(argv).index("--generate-cli-skeleton") + 1 :]
    return after[:1] != ["output"]
