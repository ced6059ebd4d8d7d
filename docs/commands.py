"""``docs/reference/commands.md``: every command's ``--help``, asked of the commands themselves.

Rule 1: the width is fixed, so the page is the same on every terminal.
Rule 2: ``iot-jobs-data`` answers for itself, as the AWS CLI does.
"""

import io
from contextlib import redirect_stdout
from typing import Final

import typer

from simulator.aws_cli.driver import main as aws_command
from simulator.cli.app import AWS_COMMAND, app

WIDTH: Final = 88
AWS_COMMANDS: Final = (
    "update-job-execution",
    "start-next-pending-job-execution",
    "describe-job-execution",
    "get-pending-job-executions",
)


def page() -> str:
    """The whole page."""
    parts = [
        "# Commands\n\nWhat `jobfleet COMMAND --help` says, asked of the commands themselves.\n"
    ]
    group = typer.main.get_command(app)
    parts.append(_section("jobfleet", group.get_help(_context(group, "jobfleet"))))
    for name, command in group.commands.items():  # type: ignore[attr-defined] # it is a group
        if name != AWS_COMMAND:
            context = _context(command, f"jobfleet {name}")
            parts.append(_section(f"jobfleet {name}", command.get_help(context)))
    parts.append(_section(f"jobfleet {AWS_COMMAND}", _aws("help")))
    parts += [
        _section(f"jobfleet {AWS_COMMAND} {name}", _aws(name, "help")) for name in AWS_COMMANDS
    ]
    return "\n".join(parts)


def _context(command: object, name: str) -> typer.Context:
    context: typer.Context = command.make_context(  # type: ignore[attr-defined] # typer's Click
        name, [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
    )
    return context


def _aws(*words: str) -> str:
    said = io.StringIO()
    with redirect_stdout(said):
        aws_command(list(words))
    return said.getvalue()


def _section(title: str, text: str) -> str:
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return f"## {title}\n\n```text\n{text}\n```\n"
