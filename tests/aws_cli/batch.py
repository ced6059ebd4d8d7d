"""Runs many command lines of one CLI, each in a fork of a process that has imported it already.

A program by itself: ``PYTHON batch.py aws|jobfleet`` takes a JSON list of ``{argv, env}`` on stdin
and prints a JSON list of ``{code, out, err}``. What runs is the CLI's own ``main``; the fork only
spares the imports, which are most of the time that a call takes. ``env`` is added to the
environment, None removes from it.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

SIDE_BY_SIDE = 4


def keep_lists(session: Any) -> None:
    """Let botocore look through its four hundred services' directories once for all forks.

    A client, made and thrown away, imports besides what else a call would.
    """
    (loaders,) = (module for name, module in sys.modules.items() if name.endswith("core.loaders"))
    look, kept = loaders.Loader.list_available_services, {}

    def list_available_services(self: Any, type_name: str) -> Any:
        if type_name not in kept:
            kept[type_name] = look(self, type_name)
        return kept[type_name]

    loaders.Loader.list_available_services = list_available_services
    session.create_client("iot-jobs-data", region_name="us-east-1")


def command(name: str) -> Any:
    """The main function of a CLI: argv in, exit code out."""
    if name == "aws":
        importlib.import_module("awscli.handlers")
        driver = importlib.import_module("awscli.clidriver")
        keep_lists(driver.create_clidriver([]).session)
        return lambda argv: driver.AWSCLIEntryPoint().main(argv)
    for module in ("simulator.aws_cli.driver", "jmespath", "ruamel.yaml"):
        importlib.import_module(module)
    keep_lists(importlib.import_module("botocore.session").Session())
    cli = importlib.import_module("simulator.cli")

    def main(argv: list[str]) -> int:
        sys.argv = [name, *argv]
        cli.main()
        return 0

    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main(["version"])  # imports what typer imports with the first command only
    return main


def begin(main: Any, case: dict[str, Any], directory: Path) -> int:
    """Fork and run one case; return the process id."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        for name, value in case["env"].items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(directory / name, os.O_CREAT | os.O_WRONLY), descriptor)
        try:
            code = main(case["argv"])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code or 0)


def run(name: str, cases: list[dict[str, Any]], directory: Path) -> list[dict[str, Any]]:
    """Run all cases, some side by side."""
    main = command(name)
    sys.argv = [name]
    gc.collect()
    gc.freeze()  # a fork that collects garbage copies every page
    waiting = list(range(len(cases)))
    running: dict[int, int] = {}
    codes: dict[int, int] = {}
    while waiting or running:
        while waiting and len(running) < SIDE_BY_SIDE:
            number = waiting.pop(0)
            (directory / str(number)).mkdir()
            running[begin(main, cases[number], directory / str(number))] = number
        child, status = os.wait()
        codes[running.pop(child)] = os.waitstatus_to_exitcode(status)
    return [
        {
            "code": codes[number],
            "out": (directory / str(number) / "out").read_text(),
            "err": (directory / str(number) / "err").read_text(),
        }
        for number in range(len(cases))
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        results = run(sys.argv[1], json.load(sys.stdin), Path(temporary))
    json.dump(results, sys.stdout)
