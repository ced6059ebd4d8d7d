"""The command ``jobfleet serve``."""

from datetime import UTC, datetime
from pathlib import Path

import typer

from simulator.errors import UsageError
from simulator.jobs.execution import DIALECTS
from simulator.run import Resolved
from simulator.sample import JOB, THING
from simulator.scenario import load
from simulator.serve import Addresses, ServeOptions
from simulator.serve import serve as serve_until_interrupted


def serve(
    host: str,
    mqtt_port: int,
    http_port: int,
    time_scale: float,
    scenario: Path | None,
    epoch: datetime | None,
    as_json: bool,
    with_parent: bool,
    dialect: str,
    sample: bool,
    quotas: str,
) -> None:
    """Serve until interrupted."""
    if dialect not in DIALECTS:
        raise UsageError(f"--dialect {dialect}: allowed are {' and '.join(DIALECTS)}")
    if quotas not in ("none", "aws"):
        raise UsageError(f"--quotas {quotas}: allowed are none and aws")
    resolved = None if scenario is None else Resolved.of(load(scenario), None, None)

    def announce(addresses: Addresses) -> None:
        if as_json:
            typer.echo(addresses.as_json())
            return
        typer.echo(f"MQTT  mqtt://{addresses.host}:{addresses.mqtt}")
        typer.echo(f"HTTP  http://{addresses.host}:{addresses.http}")
        if sample:
            typer.echo(f"Sample: job {JOB} on thing {THING}, at version 2")
        spoken = "" if dialect == "aws" else f" in the dialect {dialect}"
        typer.echo(f"Serving AWS IoT Jobs{spoken}; Ctrl-C ends it.")

    serve_until_interrupted(
        ServeOptions(
            host,
            mqtt_port,
            http_port,
            time_scale,
            epoch=None if epoch is None else epoch.replace(tzinfo=UTC).timestamp(),
            scenario=resolved,
            with_parent=with_parent,
            dialect=DIALECTS[dialect],
            sample=sample,
            quotas="aws" if quotas == "aws" else None,
        ),
        announce,
    )
