"""``jobfleet iot-jobs-data``: a command line in, a reply on stdout, the AWS CLI's exit code out.

Exit codes, as version 2's: 0; 252 the command line or a parameter is wrong; 253 the configuration
is (no region, no credentials); 254 the service answered with an error; 255 anything else;
130 interrupted. A fault goes to stderr between two line ends, as the AWS CLI writes it.
"""

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any, Final

from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
)

from simulator.aws_cli import skeleton
from simulator.aws_cli.help import operation_help, service_help
from simulator.aws_cli.options import COMMAND_LINE, read_arguments, read_globals, read_operation
from simulator.aws_cli.output import FORMATS, print_text
from simulator.aws_cli.parameters import call_parameters
from simulator.aws_cli.session import Caller, operations, version_line
from simulator.errors import AwsCliError
from simulator.jobs.execution import AWS, CLI_PAGE

log = logging.getLogger(__name__)

CONFIGURATION: Final = 253
SERVICE_ERROR: Final = 254
ANYTHING_ELSE: Final = 255
INTERRUPTED: Final = 130


def main(argv: Sequence[str]) -> int:
    """Run one command; ``argv`` is what follows (or surrounds) ``iot-jobs-data``."""
    try:
        return _run(argv)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        return INTERRUPTED
    except Exception as error:
        return _tell(error)


def _run(argv: Sequence[str]) -> int:
    wants_help = "--help" in argv
    options, rest = read_globals([word for word in argv if word != "--help"])
    if options.version:
        sys.stdout.write(version_line() + "\n")
        return 0
    caller = Caller(options)
    known = operations(caller.session)
    name, rest = ("help", []) if wants_help and not rest else read_operation(rest, list(known))
    if name == "help":
        return _print(service_help(known), caller)
    operation = known[name]
    arguments = read_arguments(["help"] if wants_help else rest, operation.input_shape)
    if arguments.help == "help":
        return _print(operation_help(name, operation), caller)
    parameters = call_parameters(arguments, operation.input_shape)
    wanted = arguments.generate_cli_skeleton
    if wanted in ("input", "yaml-input"):
        sys.stdout.write(_input_skeleton(operation.input_shape, wanted))
        return 0
    if wanted == "output":
        sample = skeleton.sample(operation.output_shape, filled=True)
        reply = caller.check(operation, parameters, sample)
        return _show(operation.name, reply, caller, options.color)
    try:
        reply = caller.call(operation, parameters)
    except ClientError as error:
        code = _tell(error)
        _hint(error, parameters.get("status"))
        return code
    return _show(operation.name, reply, caller, options.color)


def _input_skeleton(shape: Any, kind: str) -> str:
    if kind == "yaml-input":
        return skeleton.as_yaml(shape)
    return json.dumps(skeleton.sample(shape), indent=4) + "\n"


def _show(title: str, reply: Any, caller: Caller, color: str) -> int:
    if caller.query is not None:
        reply = caller.query.search(reply)
    output = caller.output
    if output not in FORMATS:
        raise ValueError(f"Unknown output type: {output}")
    colored = color == "on" or (color == "auto" and sys.stdout.isatty())
    return _print(FORMATS[output](title, reply, colored), caller)


def _print(text: str, caller: Caller) -> int:
    print_text(text, caller.pager, sys.stdout)
    return 0


def _tell(error: Exception) -> int:
    log.debug("Exception caught in main()", exc_info=error)
    code, message = _fault(error)
    sys.stderr.write(f"\n{message}\n")
    return code


def _fault(error: Exception) -> tuple[int, str]:
    """The exit code and the words for an error."""
    if isinstance(error, AwsCliError):
        return error.exit_code, str(error)
    if isinstance(error, ParamValidationError):
        return COMMAND_LINE, str(error)
    if isinstance(error, NoRegionError):
        advice = 'You can also configure your region by running "aws configure".'
        return CONFIGURATION, f"{error} {advice}"
    if isinstance(error, NoCredentialsError):
        advice = 'You can configure credentials by running "aws configure".'
        return CONFIGURATION, f"{error}. {advice}"
    if isinstance(error, ClientError):
        return SERVICE_ERROR, str(error)
    return ANYTHING_ELSE, str(error)


def _hint(error: ClientError, status: object) -> None:
    """One line on what a refused status may have been meant to be."""
    code = error.response["Error"]["Code"]
    if status == "SUCCESS":
        # The page's prose spells it so; it goes out as typed, like everything else.
        hint = "the status of a job execution that succeeded is spelled SUCCEEDED"
    elif (
        code == "InvalidStateTransitionException"
        and status in CLI_PAGE.device_settable - AWS.device_settable
    ):
        hint = (
            f"a device may not set {status} on AWS, whatever the AWS CLI's page shows; "
            f"`jobfleet serve --dialect {CLI_PAGE.name}` accepts it"
        )
    else:
        return
    sys.stderr.write(f"Hint: {hint}\n")
