"""The typer application and what all its commands share: errors become one line and a code.

Exit codes: 0 all expectations met, 1 an expectation failed, 2 the scenario or the command line is
wrong, 3 the target could not be reached or was lost, 4 the generator could not keep its schedule,
130 interrupted.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from simulator.cli import (
    fitting,
    gates,
    provisioning,
    reporting,
    results,
    serving,
    starting,
    studies,
    trials,
    watches,
)
from simulator.cli.distribution import (
    AsWorker,
    Distribution,
    ExpectWorkers,
    ExpectWorkersMaxWait,
    Master,
    MasterBindHost,
    MasterBindPort,
    MasterHost,
    MasterPort,
    Processes,
    ServiceHost,
)
from simulator.cli.terminal import complain
from simulator.errors import JobfleetError, ScenarioError, TargetError, TimeStandsStill, UsageError

app = typer.Typer(
    name="jobfleet",
    help="Rehearse and load-test AWS IoT Jobs rollouts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ScenarioArgument = Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)]
SeedOption = Annotated[
    int | None,
    typer.Option(help="Seed of all chance (default: the scenario's, else 1).", show_default=False),
]
ThingsOption = Annotated[
    int | None,
    typer.Option(help="Number of things; cohorts are rescaled in proportion.", show_default=False),
]
OutOption = Annotated[
    Path | None,
    typer.Option(help="Run directory (default: a fresh one under runs/).", show_default=False),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say only the verdict.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print summary.json, and nothing else to standard output.")
]
ReportOption = Annotated[
    bool, typer.Option("--report/--no-report", help="Write report.html into the run directory.")
]


BudgetOption = Annotated[
    str | None,
    typer.Option(
        help="Requests of the whole fleet, as in 200/s (default: load.budget).", show_default=False
    ),
]


@app.command()
def rehearse(
    scenario: ScenarioArgument,
    seed: SeedOption = None,
    things: ThingsOption = None,
    out: OutOption = None,
    budget: BudgetOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    report: ReportOption = True,
) -> None:
    """Run a scenario in virtual time: the same bytes for the same seed."""
    from simulator.cli import runs

    raise typer.Exit(runs.rehearse(scenario, seed, things, out, quiet, as_json, budget, report))


@app.command()
def run(
    scenario: Annotated[
        Path | None,
        typer.Argument(help="Scenario file (YAML); a worker needs none.", show_default=False),
    ] = None,
    seed: SeedOption = None,
    things: ThingsOption = None,
    out: OutOption = None,
    budget: BudgetOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    transport: Annotated[
        str | None,
        typer.Option(
            help="mqtt (ours), aiomqtt or http; default: by the target.", show_default=False
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="mqtt(s)://, ws(s):// or http(s)://HOST[:PORT] instead of our own; or aws, "
            "aws:mqtts, aws:wss: your account's endpoint.",
            show_default=False,
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            help="http(s)://HOST[:PORT] of that service, to create the job at.", show_default=False
        ),
    ] = None,
    i_own_this_target: Annotated[
        list[str] | None,
        typer.Option(help="Host of a target that is not this machine. Repeat.", show_default=False),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(help="Account id, where the target is AWS.", show_default=False),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="Authorities to trust (default: the system's).")
    ] = None,
    cert: Annotated[Path | None, typer.Option(help="One certificate for all things.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    certs: Annotated[
        Path | None, typer.Option(help="Directory with one per thing (jobfleet certs).")
    ] = None,
    username: Annotated[
        str | None, typer.Option(envvar="JOBFLEET_USERNAME", help="At the broker.")
    ] = None,
    password: Annotated[
        str | None, typer.Option(envvar="JOBFLEET_PASSWORD", help="At the broker.")
    ] = None,
    mqtt: Annotated[str, typer.Option(help="Version of MQTT: 3.1.1 or 5.")] = "3.1.1",
    sigv4: Annotated[
        bool, typer.Option("--sigv4", help="Sign with AWS credentials (wss, https).")
    ] = False,
    region: Annotated[str | None, typer.Option(help="To sign for.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Of AWS credentials.", envvar="AWS_PROFILE")
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="With --target aws: another control plane.")
    ] = None,
    poll: Annotated[float, typer.Option(help="Seconds between looks over HTTP.")] = 10.0,
    report: ReportOption = True,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Serve /metrics for Prometheus there; 0 picks a free port.", show_default=False
        ),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Where that port is.")] = "127.0.0.1",
    service_host: ServiceHost = "127.0.0.1",
    processes: Processes = None,
    master: Master = False,
    master_bind_host: MasterBindHost = None,
    master_bind_port: MasterBindPort = None,
    expect_workers: ExpectWorkers = None,
    expect_workers_max_wait: ExpectWorkersMaxWait = None,
    worker: AsWorker = False,
    master_host: MasterHost = None,
    master_port: MasterPort = None,
) -> None:
    """Run a scenario live, Locust measuring; in several processes, see docs/distributed.md."""
    from simulator.cli import runs
    from simulator.live_options import check_service_host
    from simulator.targets import TargetOptions

    parts = Distribution(
        processes, master, master_bind_host, master_bind_port, expect_workers,
        expect_workers_max_wait, worker, master_host, master_port,
    )  # fmt: skip
    if worker:
        raise typer.Exit(runs.work(parts))
    if scenario is None:
        raise UsageError("run needs a scenario file, or --worker")
    owned = i_own_this_target or []
    options = TargetOptions(ca, cert, key, certs, username, password, mqtt, sigv4, region, poll)
    if profile is not None:
        os.environ["AWS_PROFILE"] = profile  # whoever signs finds it there, in Locust's process too
    if target is not None and target.partition(":")[0] == "aws":
        from simulator import aws_target

        found = aws_target.find(target, control, options, account, profile, endpoint_url)
        target, control, options = found.target, found.control, found.options
        typer.echo(f"AWS, region {options.region}: {target}", err=True)
    elif endpoint_url is not None:
        raise UsageError("--endpoint-url is for --target aws; another target has --control")
    runs.admit(scenario, (target, control), owned, account, budget, options.region)
    check_service_host(service_host)
    extra = [*parts.options(), "--service-host", service_host, *runs.limits(owned, account, budget)]
    if not report:
        extra.append("--no-report")
    if metrics_port is not None:
        runs.check_free(metrics_host, metrics_port)
        extra += ["--metrics-port", str(metrics_port), "--metrics-host", metrics_host]
    raise typer.Exit(
        runs.live(
            scenario, seed, things, out, transport, target, control, options, extra, budget,
            quiet=quiet, as_json=as_json,
        )
    )  # fmt: skip


app.command()(starting.init)
app.command()(serving.serve)
app.command()(serving.certs)
app.command()(watches.watch)
app.command()(studies.explain)
app.command()(studies.sweep)
app.command()(studies.shrink)
app.command()(trials.try_agent)
app.command()(gates.ci)
app.command()(fitting.fit)
app.command()(fitting.export)
app.command()(reporting.report)
app.command()(results.records)
app.command()(results.compare)
app.command()(provisioning.provision)
app.command()(provisioning.cleanup)


@app.command()
def check(
    scenarios: Annotated[
        list[Path], typer.Argument(help="Scenario files (YAML).", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check scenario files: every fault with file, line, key and what is allowed."""
    from simulator.cli import runs

    raise typer.Exit(runs.check(scenarios, as_json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the scenario file, for editors."""
    from simulator.cli import runs

    runs.schema()


AWS_COMMAND = "iot-jobs-data"


class _Verbatim(TyperCommand):
    """A command whose arguments are nobody's business but its own."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Leave all as it is."""
        ctx.args = args
        return args


@app.command(AWS_COMMAND, cls=_Verbatim, add_help_option=False)
def iot_jobs_data(context: typer.Context) -> None:
    """The AWS CLI's commands of this name: update-job-execution and three more."""
    from simulator.aws_cli.driver import main as run_aws_command

    raise typer.Exit(run_aws_command(context.args))


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as of

    typer.echo(of("jobfleet"))


def main() -> None:
    """Run the command line; every error of ours is one message and an exit code."""
    try:
        app(args=_command_first(sys.argv[1:]))
    except JobfleetError as error:
        complain(error)
        _annotate(error)
        sys.exit(exit_code(error))
    except OSError as error:  # a full disk under stdout, say
        complain(error)
        sys.stdout = None  # what it holds cannot be written
        sys.exit(1)


def _annotate(error: JobfleetError) -> None:
    """Let GitHub Actions show it, a scenario's faults at their lines."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from simulator.report.github import of_error

        for line in of_error(error):
            typer.echo(line, err=True)


def _command_first(argv: list[str]) -> list[str]:
    """As in the AWS CLI, that command's global options may stand before it."""
    if AWS_COMMAND in argv and argv[0].startswith("--"):
        at = argv.index(AWS_COMMAND)
        return [AWS_COMMAND, *argv[:at], *argv[at + 1 :]]
    return argv


def exit_code(error: JobfleetError) -> int:
    """The exit code that an error stands for."""
    if isinstance(error, (ScenarioError, UsageError, TimeStandsStill)):
        return 2
    return 3 if isinstance(error, TargetError) else 1
