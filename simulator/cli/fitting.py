"""The commands ``fit`` and ``export``."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.errors import UsageError


def _option(what: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=what, show_default=False, **more)


def fit(
    executions: Annotated[
        list[str],
        typer.Argument(
            help="What AWS prints for list-job-executions-for-job, -for-thing or "
            "describe-job-execution, or recorded events; - is standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, _option("Scenario file to write (default: print it).")] = None,
    by: Annotated[
        str | None,
        _option(
            "Cohorts: prefix (of the names), a regular expression with one group, or a CSV file "
            "with thing and cohort (default: all things are one)."
        ),
    ] = None,
    job: Annotated[
        Path | None, _option("The job: create-job.json, or what describe-job prints.")
    ] = None,
    job_id: Annotated[str | None, _option("Only the executions of this job.")] = None,
    observed_at: Annotated[
        str | None,
        _option("When the executions were listed (default: at the last change among them)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 1,
    bootstrap: Annotated[
        int, typer.Option(help="Samples behind the p-value; 0: none.", min=0, max=9999)
    ] = 99,
    as_json: Annotated[
        bool, _option("Print the fit as JSON, the scenario's text in it.", "--json")
    ] = False,
) -> None:
    """Fit a scenario to what AWS says of a job's executions."""
    from simulator.fit.fitting import Wanted, fit_texts, parse_observed_at
    from simulator.fit.report import as_json as values
    from simulator.fit.report import render
    from simulator.scenario import loads

    sources = [_read(name) for name in executions]
    wanted = Wanted(by, None if job is None else _job(job), job_id, seed=seed, bootstrap=bootstrap)
    if observed_at is not None:
        wanted.seen_at = parse_observed_at(observed_at)
    fitted = fit_texts(sources, wanted)
    loads(fitted.text, "the fitted scenario")  # what is written can be rehearsed
    if out is not None:
        _write(out, fitted.text)
    if as_json:
        typer.echo(json.dumps(values(fitted), indent=2))
        return
    typer.echo(render(fitted), err=out is None)
    if out is None:
        typer.echo(fitted.text, nl=False)
    else:
        typer.echo(f"Scenario: {out}")


def export(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="list-job-executions-for-job, list-job-executions-for-thing, "
            "describe-job-execution or events.",
        ),
    ] = "list-job-executions-for-job",
    out: Annotated[
        Path | None,
        _option("File to write; for -for-thing also a folder (default: print)."),
    ] = None,
    job_id: Annotated[str | None, _option("Only the executions of this job.")] = None,
) -> None:
    """Print a run's executions as AWS prints them."""
    from simulator.export import export as write

    write(run_dir, form, out, job_id, typer.echo)


def _read(name: str) -> tuple[str, str]:
    if name == "-":
        return "stdin", sys.stdin.read()
    try:
        return name, Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{name}: cannot be read: {reason}") from None


def _job(path: Path) -> dict[str, Any]:
    """CreateJob's request, or the ``job`` of ``describe-job``."""
    _, text = _read(str(path))
    try:
        members = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--job {path}: this is not JSON: {error}") from None
    if isinstance(members, dict) and isinstance(members.get("job"), dict):
        members = members["job"]
    if not isinstance(members, dict):
        raise UsageError(f"--job {path}: no object; give what create-job takes")
    if isinstance(members.get("document"), str):
        try:
            members["document"] = json.loads(members["document"])
        except ValueError:
            raise UsageError(f"--job {path}: its document is not JSON") from None
    return members


def _write(path: Path, text: str) -> None:
    """Write a scenario; one that somebody wrote is not replaced."""
    from simulator.fit.scenario_text import MARK

    try:
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace")[:2000]:
            raise UsageError(f"{path} exists and was not written by `jobfleet fit`; name another")
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
