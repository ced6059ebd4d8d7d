"""The commands ``serve`` and ``certs``; each imports what it needs when it is called."""

import logging
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.endpoints.broker import BrokerOptions
    from simulator.run import Resolved
    from simulator.serve import Addresses, ServeOptions, TlsOptions


def _port(what: str, default: int | None = None) -> Any:
    """A port option."""
    usual = "" if default is None else f" (default: {default})"
    return typer.Option(
        help=f"{what}; 0 picks a free one{usual}.", min=0, max=65535, show_default=False
    )


def _option(what: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=what, show_default=False, **more)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    mqtt_port: Annotated[int | None, _port("MQTT port", 1883)] = None,
    http_port: Annotated[int, _port("HTTP port", 8080)] = 8080,
    tls: Annotated[
        Path | None, _option("Open the TLS ports with the files that `jobfleet certs DIR` made.")
    ] = None,
    cert: Annotated[Path | None, _option("Server certificate (PEM), instead of --tls.")] = None,
    key: Annotated[Path | None, _option("Its key (PEM).")] = None,
    mqtts_port: Annotated[int | None, _port("MQTT over TLS port", 8883)] = None,
    https_port: Annotated[int | None, _port("HTTPS port", 8443)] = None,
    alpn_port: Annotated[
        int | None,
        _port("Port for MQTT and HTTPS together, told apart by ALPN as on AWS's 443"),
    ] = None,
    mtls: Annotated[
        bool, _option("Ask for client certificates; each acts for its own thing only.", "--mtls")
    ] = False,
    ca: Annotated[Path | None, _option("CA of the client certificates (PEM).")] = None,
    policy: Annotated[
        Path | None,
        _option("JSON: common name or fingerprint of a certificate → list of thing names."),
    ] = None,
    access_key: Annotated[
        str | None,
        _option("Verify SigV4 signatures with this key pair.", envvar="JOBFLEET_ACCESS_KEY"),
    ] = None,
    secret_key: Annotated[
        str | None, _option("Its secret half.", envvar="JOBFLEET_SECRET_KEY")
    ] = None,
    documents: Annotated[
        Path | None, _option("Directory that file: document sources are read from.")
    ] = None,
    s3_endpoint_url: Annotated[
        str | None, _option("Where S3 is, for s3: document sources.")
    ] = None,
    broker: Annotated[
        str | None,
        _option(
            "Serve over a broker that is there: mqtt[s]://[USER:PASSWORD@]HOST[:PORT]. Our own "
            "MQTT port is opened only if --mqtt-port is given.",
            envvar="JOBFLEET_BROKER",
        ),
    ] = None,
    broker_ca: Annotated[
        Path | None, _option("CA of the broker's certificate (PEM; default: the system's).")
    ] = None,
    broker_client_id: Annotated[
        str | None,
        _option(
            "Who we are to the broker, which keeps requests under that name "
            "(default: jobfleet-HOSTNAME, and the shard)."
        ),
    ] = None,
    broker_mqtt: Annotated[
        str | None, _option("MQTT version to speak to the broker: 5 (default) or 3.1.1.")
    ] = None,
    shard: Annotated[
        str | None,
        _option(
            "K/N: own only the things whose name's CRC-32 modulo N is K-1; several services "
            "share a broker like this."
        ),
    ] = None,
    journal: Annotated[
        Path | None,
        _option(
            "Keep every change in this file, and go on from it at the next start: nothing that a "
            "client was told is lost."
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain/--no-plain", help="Open the ports without TLS, too.")
    ] = True,
    insecure: Annotated[
        bool, _option("Let the ports without TLS listen beyond the loopback.", "--insecure")
    ] = False,
    time_scale: Annotated[
        float, typer.Option(help="Scenario seconds per wall second: timers run faster.", min=1e-6)
    ] = 1.0,
    scenario: Annotated[
        Path | None,
        _option(
            "Serve this scenario: its fleet is registered, its jobs are created at their times, "
            "and its incidents happen."
        ),
    ] = None,
    jobs: Annotated[
        bool,
        typer.Option(
            "--jobs/--no-jobs",
            help="Create the scenario's jobs. Without them its time begins when its first job is "
            "created by somebody else.",
        ),
    ] = True,
    incidents: Annotated[
        bool,
        typer.Option("--incidents/--no-incidents", help="Let the scenario's incidents happen."),
    ] = True,
    epoch: Annotated[
        datetime | None,
        _option("When its time begins (UTC; default: the scenario's epoch, else now)."),
    ] = None,
    dialect: Annotated[
        str,
        typer.Option(
            help="aws: what AWS is known to do. cli-page: what the AWS CLI's reference page says."
        ),
    ] = "aws",
    sample: Annotated[
        bool, _option("Create that page's SampleJob on MotionSensor1.", "--sample")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say the addresses as one line of JSON.")
    ] = False,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input closes.", hidden=True)
    ] = False,
    quotas: Annotated[
        str, typer.Option(help="none, or aws: throttle and limit as AWS does.")
    ] = "none",
) -> None:
    """Serve the Jobs service over MQTT and HTTP until interrupted."""
    from simulator.jobs.execution import DIALECTS
    from simulator.serve import ServeOptions
    from simulator.serve import serve as serve_until_interrupted

    if (access_key is None) != (secret_key is None):
        raise UsageError("--access-key and --secret-key go together")
    if documents is not None and not documents.is_dir():
        raise UsageError(f"--documents {documents} is not a directory")
    if dialect not in DIALECTS:
        raise UsageError(f"--dialect {dialect}: allowed are {' and '.join(DIALECTS)}")
    if quotas not in ("none", "aws"):
        raise UsageError(f"--quotas {quotas}: allowed are none and aws")
    if scenario is None and not (jobs and incidents):
        raise UsageError("--no-jobs and --no-incidents are about a --scenario")
    served_broker = _broker(broker, broker_ca, broker_client_id, shard, broker_mqtt)
    if mqtt_port is None and served_broker is None:
        mqtt_port = 1883
    options = ServeOptions(
        host,
        mqtt_port,
        http_port,
        time_scale,
        None if epoch is None else epoch.replace(tzinfo=UTC).timestamp(),
        scenario=None if scenario is None else _resolved(scenario),
        jobs=jobs,
        incidents=incidents,
        with_parent=with_parent,
        dialect=DIALECTS[dialect],
        sample=sample,
        tls=_tls(tls, (cert, key), (mqtts_port, https_port, alpn_port), mtls, ca, policy),
        keys=None if access_key is None or secret_key is None else (access_key, secret_key),
        plain=plain,
        insecure=insecure,
        documents=documents,
        s3_endpoint_url=s3_endpoint_url,
        quotas="aws" if quotas == "aws" else None,
        broker=served_broker,
        journal=journal,
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    serve_until_interrupted(options, _as_json if as_json else partial(_as_text, options=options))


def _broker(
    url: str | None,
    authority: Path | None,
    client_id: str | None,
    shard: str | None,
    version: str | None,
) -> "BrokerOptions | None":
    """What the broker's options ask for; those that lead to nothing are an error."""
    from simulator.endpoints.broker import BrokerOptions

    if url is None:
        if any(option is not None for option in (authority, client_id, shard, version)):
            raise UsageError(
                "--broker-ca, --broker-client-id, --broker-mqtt and --shard need --broker URL"
            )
        return None
    return BrokerOptions.parse(url, authority, client_id, shard or "1/1", version or "5")


def _resolved(scenario: Path) -> "Resolved":
    from simulator.run import Resolved
    from simulator.scenario import load

    return Resolved.of(load(scenario), None, None)


def _tls(
    directory: Path | None,
    pair: tuple[Path | None, Path | None],
    ports: tuple[int | None, int | None, int | None],
    mutual: bool,
    authority: Path | None,
    policy: Path | None,
) -> "TlsOptions | None":
    """What the TLS options ask for; each that leads to nothing is an error."""
    from simulator.endpoints.identity import Policies
    from simulator.endpoints.tls import Identification
    from simulator.serve import TlsOptions

    certificate, key = pair
    if directory is not None:
        if certificate is not None or key is not None:
            raise UsageError("--tls DIR and --cert/--key are two ways to say one thing: use one")
        certificate, key = directory / "server.pem", directory / "server.key"
        authority = authority or (directory / "ca.pem" if mutual else None)
    if (certificate is None) != (key is None):
        raise UsageError("--cert and --key go together")
    if not mutual and (policy is not None or (authority is not None)):
        raise UsageError("--ca and --policy are about client certificates: they need --mtls")
    if certificate is None or key is None:
        if mutual or any(port is not None for port in ports):
            raise UsageError("--mtls and the ports of TLS need --tls DIR, or --cert and --key")
        return None
    if mutual and authority is None:
        raise UsageError("--mtls with --cert needs --ca: whose client certificates are good?")
    mqtts, https, alpn = ports
    return TlsOptions(
        Identification(certificate, key, authority),
        8883 if mqtts is None else mqtts,
        8443 if https is None else https,
        alpn,
        Policies() if policy is None else Policies.load(policy),
    )


def _as_json(addresses: "Addresses") -> None:
    typer.echo(addresses.as_json())


def _as_text(addresses: "Addresses", options: "ServeOptions") -> None:
    from simulator.jobs.execution import AWS
    from simulator.sample import JOB, THING

    for name, scheme, where, port, note in (
        ("MQTT", "mqtt", addresses.host, addresses.mqtt, ""),
        ("HTTP", "http", addresses.host, addresses.http, "  (WebSocket: /mqtt)"),
        ("MQTTS", "mqtts", addresses.tls_host, addresses.mqtts, ""),
        ("HTTPS", "https", addresses.tls_host, addresses.https, "  (WebSocket: /mqtt)"),
        ("ALPN", "tls", addresses.tls_host, addresses.alpn, "  (x-amzn-mqtt-ca, x-amzn-http-ca)"),
    ):
        if port:
            shown = f"[{where}]" if ":" in where else where
            typer.echo(f"{name:5} {scheme}://{shown}:{port}{note}")
    if options.broker is not None:
        shard = options.broker.shard
        part = "" if shard.count == 1 else f"  (shard {shard})"
        typer.echo(f"Broker {addresses.broker}{part}")
    if options.sample:
        typer.echo(f"Sample: job {JOB} on thing {THING}, at version 2")
    spoken = "" if options.dialect is AWS else f" in the dialect {options.dialect.name}"
    typer.echo(f"Serving AWS IoT Jobs{spoken}; Ctrl-C ends it.")


def certs(
    directory: Annotated[Path, typer.Argument(help="Where to put them.", show_default=False)],
    thing: Annotated[
        list[str] | None, _option("A thing to make a device certificate for; may be repeated.")
    ] = None,
    days: Annotated[
        int,
        typer.Option(help="How long new server and device certificates are good.", min=1, max=3650),
    ] = 365,
    host: Annotated[
        list[str] | None,
        _option("A further name or address of the server; may be repeated."),
    ] = None,
) -> None:
    """Make a CA, a server certificate and device certificates for `serve --tls DIR`."""
    from simulator import certificates
    from simulator.today import utc_now

    things = thing or []
    report = certificates.make(directory, things, host or [], days, utc_now())
    for path in report.kept:
        typer.echo(f"kept  {path}")
    for path in report.made:
        typer.echo(f"made  {path}")
    typer.echo(f"\nNext:  jobfleet serve --tls {directory} --mtls")
    if things:
        device = certificates.device_of(directory, things[0])
        typer.echo(
            f"then:  curl --cacert {directory / 'ca.pem'} --cert {device.certificate} "
            f"--key {device.key} https://localhost:8443/things/{things[0]}/jobs"
        )
    else:
        typer.echo(f"A device: jobfleet certs {directory} --thing NAME")
