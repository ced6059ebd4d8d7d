"""The command ``jobfleet serve``."""

from pathlib import Path

import typer

from simulator.errors import UsageError
from simulator.run import Resolved
from simulator.scenario import load
from simulator.serve import Addresses, ServeOptions
from simulator.serve import serve as serve_until_interrupted


def serve(
    host: str,
    mqtt_port: int,
    http_port: int,
    time_scale: float,
    scenario: Path | None,
    as_json: bool,
    with_parent: bool,
    quotas: str,
) -> None:
    """Serve until interrupted."""
    if quotas not in ("none", "aws"):
        raise UsageError(f"--quotas {quotas}: allowed are none and aws")
    resolved = None if scenario is None else Resolved.of(load(scenario), None, None)

    def announce(addresses: Addresses) -> None:
        if as_json:
            typer.echo(addresses.as_json())
            return
        typer.echo(f"MQTT  mqtt://{addresses.host}:{addresses.mqtt}")
        typer.echo(f"HTTP  http://{addresses.host}:{addresses.http}")
        typer.echo("Serving AWS IoT Jobs; Ctrl-C ends it.")

    serve_until_interrupted(
        ServeOptions(
            host,
            mqtt_port,
            http_port,
            time_scale,
            scenario=resolved,
            with_parent=with_parent,
            quotas="aws" if quotas == "aws" else None,
        ),
        announce,
    )
