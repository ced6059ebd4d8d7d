"""The commands ``provision`` and ``cleanup``: a plan, its price, a confirmation, then the work."""

import contextlib
import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from simulator.errors import AwsRefused, NoReply, TargetError, UsageError

if TYPE_CHECKING:
    from simulator.provisioning.account import Account
    from simulator.provisioning.plan import Certificates, Wanted

INTERRUPTED_CODE: Final = 130
NO_STS: Final = "000000000000"
"""The account of an endpoint on this machine that has no STS: no account at all."""


def _option(what: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=what, show_default=False, **more)


RegionOption = Annotated[str | None, _option("AWS region (default: as the AWS CLI finds it).")]
ProfileOption = Annotated[str | None, _option("Profile of the AWS CLI's configuration.")]
YesOption = Annotated[bool, _option("Do not ask.", "--yes", "-y")]
AccountOption = Annotated[
    str | None, _option("Account id that the credentials must be of; refused otherwise.")
]
RateOption = Annotated[
    str, typer.Option(help="Calls per second at most; AWS's quotas hold anyway.")
]


def provision(
    things: Annotated[int, _option("How many.", min=1)],
    prefix: Annotated[str, _option("Things are called PREFIX-000000 and so on.")],
    out: Annotated[
        Path | None, _option("Journal, certificates and keys (default: provisioned/PREFIX).")
    ] = None,
    region: RegionOption = None,
    profile: ProfileOption = None,
    endpoint_url: Annotated[str | None, _option("Instead of AWS's own endpoint.")] = None,
    group: Annotated[str | None, _option("Thing group (default: PREFIX-fleet).")] = None,
    one_certificate: Annotated[
        bool,
        typer.Option(
            "--one-certificate/--certificate-per-thing", help="One for all, or one for each."
        ),
    ] = False,
    no_certificates: Annotated[
        bool, _option("Things and group only.", "--no-certificates")
    ] = False,
    policy: Annotated[
        Path | None, _option("IoT policy document (JSON) instead of the least for jobs.")
    ] = None,
    rate: RateOption = "10/s",
    account: AccountOption = None,
    yes: YesOption = False,
    dry_run: Annotated[bool, _option("Show plan and price; call nothing.", "--dry-run")] = False,
) -> None:
    """Make things, certificates, a policy and a group in an AWS account; resumable."""
    from simulator.provisioning import plan

    if one_certificate and no_certificates:
        raise UsageError("--one-certificate and --no-certificates exclude each other")
    kind: Certificates = "one" if one_certificate else "per-thing"
    if no_certificates:
        kind = "none"
    text = None if policy is None else plan.read_policy(policy)
    wanted = plan.Wanted(things, prefix, group or plan.default_group(prefix), kind, text)
    plan.check(wanted)
    directory = Path("provisioned") / prefix if out is None else out
    per_second = _rate(rate)
    for line in _plan(wanted, per_second, directory):
        typer.echo(line)
    if dry_run:
        typer.echo("Dry run: nothing was called, nothing was made.")
        return
    _make(wanted, directory, per_second, region, profile, endpoint_url, account, yes)


def _make(
    wanted: "Wanted",
    directory: Path,
    per_second: float,
    region: str | None,
    profile: str | None,
    endpoint_url: str | None,
    account_id: str | None,
    yes: bool,
) -> None:
    from simulator.provisioning import account as accounts
    from simulator.provisioning.ledger import Ledger
    from simulator.provisioning.making import Making

    asked = accounts.Account(region, profile, endpoint_url, accounts.Pace(per_second))
    owner = _owner(asked, account_id)
    if owner == NO_STS and wanted.certificates != "none":
        raise UsageError(
            f"{endpoint_url} has no STS, hence no certificates either; give --no-certificates"
        )
    about = {
        "mark": secrets.token_hex(6),
        "account": owner,
        "region": asked.region,
        "endpoint": endpoint_url,
        **wanted.identity(),
    }
    _confirm(asked, owner, f"make {wanted.things:,} things", yes)
    with (
        Ledger(directory, about) as ledger,
        _told(f"; `jobfleet cleanup {directory}` removes what there is"),
    ):
        Making(asked, ledger, wanted, _progress).run()
        mark = ledger.mark
    _say_throttled(asked)
    typer.echo(f"Made: {wanted.things:,} things, group {wanted.group}, mark {mark}")
    endpoint = _endpoint(asked)
    if endpoint is not None:
        typer.echo(f"Endpoint: {endpoint}")
        facts = {"endpoint": endpoint, "region": asked.region, "account": owner}
        from simulator.provisioning.ownership import write_whole

        write_whole(directory / "endpoint.json", json.dumps(facts, indent=2).encode() + b"\n")
    typer.echo(f"Directory: {directory}")


def cleanup(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="What provision wrote.", show_default=False)
    ],
    profile: ProfileOption = None,
    rate: RateOption = "10/s",
    account: AccountOption = None,
    yes: YesOption = False,
) -> None:
    """Remove exactly what provision made, by its journal; resumable."""
    from simulator.provisioning import account as accounts
    from simulator.provisioning.cleaning import Cleaning
    from simulator.provisioning.ledger import Ledger

    per_second = _rate(rate)
    with Ledger(directory, None) as ledger:
        about = ledger.about
        standing = len(ledger.standing("CreateThing"))
        endpoint = about.get("endpoint")
        asked = accounts.Account(about["region"], profile, endpoint, accounts.Pace(per_second))
        owner = _owner(asked, account)
        if owner != about["account"]:
            raise UsageError(
                f"{directory} holds a fleet of account {about['account']}; the credentials are "
                f"those of account {owner}"
            )
        _confirm(asked, owner, f"remove {standing:,} things with all that was made for them", yes)
        cleaning = Cleaning(asked, ledger, _progress)
        with _told(""):
            cleaning.run()
    _say_throttled(asked)
    typer.echo(f"Removed: {cleaning.removed:,} things, certificates, groups and policies")
    for what, why in cleaning.left.items():
        typer.echo(f"Left: {what}: {why}", err=True)
    if cleaning.left:
        typer.echo(f"{len(cleaning.left)} could not be removed; the journal keeps them", err=True)
        raise typer.Exit(1)
    (directory / "endpoint.json").unlink(missing_ok=True)


def _rate(text: str) -> float:
    from simulator.scenario.units import parse_rate

    try:
        return parse_rate(text)
    except ValueError as error:
        raise UsageError(f"--rate: {error}") from None


def _plan(wanted: "Wanted", per_second: float, directory: Path) -> Iterator[str]:
    from simulator.provisioning import cost
    from simulator.scenario.units import format_duration

    names, owners = wanted.names(), wanted.owners()
    several = "" if wanted.things == 1 else f" to {names[-1]}"
    yield f"Plan: {wanted.things:,} things {names[0]}{several}, in group {wanted.group}"
    if owners:
        own = "for jobs over MQTT" if wanted.policy is None else "of your own"
        yield f"  certificates: {len(owners):,}, keys made here; one policy, {own}"
    total = sum(wanted.calls().values())
    took = format_duration(round(wanted.seconds(per_second)))
    yield f"  {total:,} calls at {per_second:g}/s or less: {took} at least; directory {directory}"
    lines = cost.estimate(wanted)
    yield f"Estimate, USD (prices as of {cost.PRICES_AS_OF}; an estimate, not an offer):"
    for line in lines:
        yield f"  {line.what:<38} {line.count:>12,} {line.usd:>12.4f}"
    yield f"  {'together':<38} {'':>12} {sum(line.usd for line in lines):>12.4f}"
    yield f"  {cost.PRICES_FROM}"


def _owner(asked: "Account", named: str | None) -> str:
    """Whose credentials these are; an endpoint on this machine may have no STS."""
    try:
        owner = asked.account_id()
    except (AwsRefused, NoReply, TargetError):
        if not asked.is_here:
            raise
        asked.call("DescribeEndpoint", endpointType="iot:Data-ATS")  # or it is not there at all
        owner = NO_STS
    if named is not None and named != owner:
        raise UsageError(f"--account {named}: the credentials are those of account {owner}")
    return owner


def _confirm(asked: "Account", owner: str, what: str, yes: bool) -> None:
    """Have it said: the account's id is typed where it is AWS's, a yes where it is this machine.

    Raises:
        UsageError: it was not, or nobody can be asked.
    """
    where = asked.endpoint_url or f"AWS account {owner}, region {asked.region}"
    typer.echo(f"Account {owner}, region {asked.region}: {where}")
    if yes:
        return
    wanted = "yes" if asked.is_here else owner
    if not sys.stdin.isatty():
        raise UsageError(f"this would {what}; add --yes, or answer at a terminal")
    question = f"To {what}, type {'yes' if asked.is_here else 'the account id'}"
    if typer.prompt(question, default="", show_default=False).strip() != wanted:
        raise UsageError("not confirmed; nothing was changed")


@contextlib.contextmanager
def _told(hint: str) -> Iterator[None]:
    """Say what to do next when it ends before its end."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"Interrupted; run it again to go on{hint}", err=True)
        raise typer.Exit(INTERRUPTED_CODE) from None
    except (AwsRefused, NoReply, TargetError, UsageError):
        typer.echo(f"Stopped; run it again to go on{hint}", err=True)
        raise


def _progress(what: str, done: int, of: int) -> None:
    if of >= 100 and done % 100 == 0:
        typer.echo(f"  {what}: {done:,} of {of:,}", err=True)


def _say_throttled(asked: "Account") -> None:
    if asked.throttled:
        typer.echo(f"Throttled {asked.throttled:,} times; give a lower --rate", err=True)


def _endpoint(asked: "Account") -> str | None:
    try:
        found = asked.surely("DescribeEndpoint", endpointType="iot:Data-ATS")
    except (AwsRefused, TargetError, UsageError):
        return None  # to describe it is a permission of its own, and what was made is made
    return str(found["endpointAddress"])
