"""The commands around scenarios: rehearse, run, check, schema."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from simulator import interlock
from simulator.cli.distribution import Distribution
from simulator.cli.gates import tell_github_of
from simulator.cli.interrupts import INTERRUPTED_CODE
from simulator.errors import ScenarioError
from simulator.interlock import Bounds
from simulator.live_view import About, view_for
from simulator.report import github
from simulator.report.summary import INTERRUPTED, as_text
from simulator.report.text import render
from simulator.run import Rehearsal, Resolved, RunDirectory
from simulator.scenario import json_schema, load
from simulator.targets import TargetOptions, aim, parse, redacted, transport_for
from simulator.today import utc_now


def rehearse(
    scenario: Path,
    seed: int | None,
    things: int | None,
    out: Path | None,
    quiet: bool,
    as_json: bool,
    budget: str | None = None,
    report: bool = True,
) -> int:
    """Rehearse; return the exit code."""
    resolved = _resolve(scenario, seed, things, quiet, budget)
    rehearsal = Rehearsal(resolved)  # or it says why not
    directory = RunDirectory(out, resolved.name)
    started = utc_now()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: rehearsal.interrupt())
    with _shown(None if quiet else rehearsal):
        finished = rehearsal.run()
    directory.write(finished, started)
    code = 0 if finished.summary.verdict.passed else 1
    if finished.summary.ended == INTERRUPTED:
        code = INTERRUPTED_CODE
    tell_github_of(scenario, directory.path, code)
    if as_json:
        typer.echo(as_text(finished.summary), nl=False)
    elif quiet:
        typer.echo(f"Verdict: {'passed' if finished.summary.verdict.passed else 'FAILED'}")
    else:
        typer.echo(render(finished.summary, finished.wall_s))
    try:
        if report:
            directory.report()
    finally:
        typer.echo(f"Run directory: {directory.path}", err=as_json)
    return code


def live(
    scenario: Path,
    seed: int | None,
    things: int | None,
    out: Path | None,
    transport: str | None,
    target: str | None,
    control: str | None,
    options: TargetOptions,
    extra: Sequence[str] = (),
    budget: str | None = None,
    *,
    quiet: bool = False,
    as_json: bool = False,
) -> int:
    """Run live in a fresh Locust process; return its exit code. ``extra`` are options of its."""
    transport_for(transport, None)
    resolved = _resolve(scenario, seed, things, quiet, budget)
    aimed = aim(target, control, options, resolved.scenario.load.time_scale)
    transport = transport_for(transport, aimed and aimed.target)
    directory = RunDirectory(out, resolved.name).path
    command = [*_locust(), "--headless", "--only-summary", "--brief"]
    command += ["--scenario", str(scenario), "--seed", str(resolved.seed)]
    command += ["--users", str(resolved.scenario.things), "--out", str(directory)]
    command += ["--csv", str(directory / "locust"), "--html", str(directory / "locust.html")]
    command += ["--transport", transport, "--loglevel", "WARNING"]
    command += ["--quiet"] * quiet + ["--summary-json"] * as_json
    command, environment = _aimed([*command, *extra], target, control, options)
    signalled = False
    process: subprocess.Popen[bytes] | None = None

    def stop(*_: object) -> None:
        """Hand the first signal on; the run then drains and writes, however many follow."""
        nonlocal signalled
        if process is not None and not signalled:
            # Before the run has begun, Locust's own modules are still being imported.
            begun = (directory / "scenario.yaml").exists()
            if begun:
                process.send_signal(signal.SIGINT)
            else:  # with what ``--processes`` has forked
                os.killpg(process.pid, signal.SIGKILL)
        signalled = True

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    # A session of its own: a Ctrl-C reaches it once, through us, and not also from the terminal.
    # Its standard input is a pipe that only we hold: it closes when we end, killed or not.
    environment["JOBFLEET_WITH_PARENT"] = "1"
    process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.PIPE,
                               env=environment)  # fmt: skip
    if signalled:
        process.kill()
    code = process.wait()
    assert process.stdin is not None
    process.stdin.close()
    tell_github_of(scenario, directory, code)
    if signalled and not (directory / "summary.json").exists():
        typer.echo("Interrupted before anything was measured.", err=True)
        return INTERRUPTED_CODE
    return code


def admit(
    scenario: Path,
    targets: tuple[str | None, ...],
    owned: list[str],
    account: str | None,
    budget: str | None = None,
    region: str | None = None,
) -> Bounds | None:
    """Hold a live run's targets against the safety interlock; return the run's bounds, if any."""
    if not any(targets):
        return None

    def account_of() -> str:
        from simulator.provisioning.account import account_id

        return account_id(region, None)

    hosts = [None if url is None else redacted(url) for url in targets]
    held = Resolved.of(load(scenario), None, None, budget).scenario.load
    found = interlock.admit(hosts, owned, account, account_of, held.until, held.budget)
    if found is not None:
        typer.echo(
            f"The target is not this machine: the run ends after {found.seconds:g} s at the "
            f"latest, and sends at most {found.requests_per_s:g} requests/s",
            err=True,
        )
    return found


def limits(owned: list[str], account: str | None, budget: str | None) -> list[str]:
    """What holds a run back, as options of Locust's: there it is checked again, and kept."""
    given = [("--account", account), ("--budget", budget)]
    given += [("--i-own-this-target", host) for host in owned]
    return [word for name, value in given if value is not None for word in (name, value)]


def check_free(host: str, port: int) -> None:
    """Refuse a port for ``/metrics`` that cannot be had, before anything is made.

    Raises:
        UsageError: it says why.
    """
    from simulator.ports import bind

    bind(host, port, "--metrics-port").close()


def _aimed(
    command: list[str], target: str | None, control: str | None, options: TargetOptions
) -> tuple[list[str], dict[str, str]]:
    """The command that aims at the same, and its environment: there a password is not seen."""
    environment, more = dict(os.environ), []
    if target is not None:
        more += ["--target", redacted(target)]
        made = parse(target, options)
        for name, value in (("USERNAME", made.username), ("PASSWORD", made.password)):
            if value is not None:
                environment[f"JOBFLEET_{name}"] = value
    if control is not None:
        more += ["--control", control]
    for name, value in options._asdict().items():
        if name == "sigv4":
            more += ["--sigv4"] * bool(value)
        elif value is not None and name not in ("username", "password"):
            more += [f"--{name}", str(value)]
    return command + more, environment


def work(parts: Distribution) -> int:
    """Be a worker until its master ends it."""
    command = [*_locust(), "--loglevel", "WARNING", *parts.options()]
    os.execv(command[0], command)  # so that signals come to it alone


def _locust() -> list[str]:
    bridge = Path(__file__).parents[1] / "locust_bridge.py"
    # -P: what lies in the working directory is no module of ours.
    return [sys.executable, "-P", "-m", "locust", "-f", str(bridge)]


def check(scenarios: list[Path], as_json: bool = False) -> int:
    """Check files; return 2 if any is wrong."""
    if as_json:
        return _check_as_json(scenarios)
    wrong = 0
    for path in scenarios:
        try:
            loaded = load(path)
        except ScenarioError as error:
            wrong += 1
            typer.echo(str(error), err=True)
            if github.asked_for():
                typer.echo("\n".join(github.of_error(error)), err=True)
        else:
            typer.echo(f"{path}: ok, {loaded.scenario.things:,} things")
            for note in loaded.notes:
                typer.echo(f"  note: {note}")
    return 2 if wrong else 0


def _check_as_json(scenarios: list[Path]) -> int:
    """The same as one JSON array: what a program reads."""
    found: list[dict[str, object]] = []
    for path in scenarios:
        try:
            loaded = load(path)
        except ScenarioError as error:
            found.append({"scenario": str(path), "ok": False, "faults": str(error).splitlines()})
        else:
            things = loaded.scenario.things
            told = {"things": things, "faults": [], "notes": loaded.notes}
            found.append({"scenario": str(path), "ok": True, **told})
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    return 0 if all(one["ok"] for one in found) else 2


def schema() -> None:
    """Print the JSON Schema."""
    typer.echo(json.dumps(json_schema(), indent=2))


def _resolve(
    scenario: Path,
    seed: int | None,
    things: int | None,
    quiet: bool = False,
    budget: str | None = None,
) -> Resolved:
    resolved = Resolved.of(load(scenario), seed, things, budget)
    if quiet:
        return resolved
    typer.echo(f"Scenario {resolved.name}, seed {resolved.seed}", err=True)
    if resolved.question:
        typer.echo(f"Question: {resolved.question}", err=True)
    for note in resolved.notes:
        typer.echo(f"Note: {note}", err=True)
    return resolved


@contextmanager
def _shown(rehearsal: Rehearsal | None) -> Iterator[None]:
    """Show how far it is."""
    if rehearsal is None:
        yield
        return
    view = view_for(About.of(rehearsal.resolved))
    rehearsal.progress = view.show
    try:
        yield
    finally:
        view.close()
