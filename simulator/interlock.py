"""The safety interlock: a load run leaves this machine only where its owner says so.

Rule 1: a target on the loopback interface is free. A name counts as one when *every* address that
        it stands for is a loopback address.
Rule 2: any other host must be named, exactly, by ``--i-own-this-target HOST``.
Rule 3: AWS is known by its names, also behind a name of one's own (a CNAME). It needs
        ``--account``, held against whose credentials STS says these are; the account owns the host.
Rule 4: a run that leaves the machine is bounded, in time and in requests per second.
Rule 5: when in doubt a host is foreign: a name without addresses, 0.0.0.0, one address among many.

Nothing here opens a connection: who resolves names and who asks STS is handed in.
"""

import re
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from simulator.errors import UsageError

ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
AWS_DOMAINS: Final = (
    "amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "api.amazonwebservices.com.cn",
    "c2s.ic.gov", "sc2s.sgov.gov",
)  # fmt: skip
"""Under which AWS's endpoints stand, in all its partitions."""

MOST_SECONDS: Final = 86_400.0
"""How long a run may last that leaves this machine."""

AWS_RATE: Final = 200.0
"""Requests per second: AWS's fixed quota of job updates per account and region (GR:dm)."""

FOREIGN_RATE: Final = 1_000.0
"""Requests per second at somebody's own service, where nothing else is said."""


class Place(IntEnum):
    """Where a target stands, the more careful the higher."""

    LOOPBACK = 0
    FOREIGN = 1
    AWS = 2


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stands for: its canonical name and its addresses."""

    canonical: str
    addresses: Sequence[str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run may do to a target that is not on this machine."""

    seconds: float
    requests_per_s: float


Resolve = Callable[[str], Resolved]


def resolve(host: str) -> Resolved:
    """Ask the system; a name that it does not know has no addresses."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return Resolved(host, ())
    canonical = next((name for _, _, _, name, _ in found if name), host)
    return Resolved(canonical, [str(address[0]) for *_, address in found])


def host_of(target: str) -> str:
    """The host of a URL, in the form in which hosts are compared.

    Raises:
        UsageError: it names none.
    """
    try:
        host = urlsplit(target if "://" in target else f"//{target}").hostname
    except ValueError:
        host = None
    if not host:
        raise UsageError(f"{target!r} names no host; write mqtts://HOST:PORT or https://HOST:PORT")
    return same_form(host)


def same_form(host: str) -> str:
    """One spelling for each host: lower case, no brackets, no final dot, addresses compressed."""
    bare = host.strip().strip("[]").lower().removesuffix(".")
    try:
        return str(ip_address(bare))
    except ValueError:
        return bare


def is_aws(host: str) -> bool:
    """Whether a name is one of AWS's."""
    return any(host == domain or host.endswith(f".{domain}") for domain in AWS_DOMAINS)


def place(host: str, resolve: Resolve = resolve) -> Place:
    """Where a host stands; never less careful than its name says."""
    host = same_form(host)
    if is_aws(host):
        return Place.AWS
    known = resolve(host)
    if is_aws(same_form(known.canonical)):
        return Place.AWS
    if known.addresses and all(_is_loopback(address) for address in known.addresses):
        return Place.LOOPBACK
    return Place.FOREIGN


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def admit(
    targets: Iterable[str | None],
    owned: Sequence[str],
    account: str | None,
    account_of: Callable[[], str],
    seconds: float,
    requests_per_s: float | None = None,
    resolve: Resolve = resolve,
) -> Bounds | None:
    """Let a run at its targets, or say what is missing.

    ``owned`` is what ``--i-own-this-target`` names, ``account`` what ``--account`` does, and
    ``account_of`` asks STS; it is called for AWS only. Returns the run's bounds; None where all
    targets are on this machine, which needs none.

    Raises:
        UsageError: the owner has not said so, the account is another, or a bound is too wide.
    """
    hosts = list(dict.fromkeys(host_of(target) for target in targets if target is not None))
    places = {host: place(host, resolve) for host in hosts}
    for host, where in places.items():
        if where is Place.FOREIGN:
            _check_owned(host, owned)
    highest = max(places.values(), default=Place.LOOPBACK)
    if highest is Place.AWS:
        check_account(account, account_of)
    if highest is Place.LOOPBACK:
        return None
    return bounds(highest, seconds, requests_per_s)


def _check_owned(host: str, owned: Sequence[str]) -> None:
    if host in {same_form(name) for name in owned}:
        return
    named = f"; {', '.join(owned)} is not it" if owned else ""
    raise UsageError(
        f"{host} is not on this machine{named}. A load run can harm a service: if it is yours, say "
        f"--i-own-this-target {host}"
    )


def check_account(account: str | None, account_of: Callable[[], str]) -> str:
    """Hold the account that is named against that of the credentials.

    Raises:
        UsageError: none is named, it is no account id, or it is another.
    """
    if account is None:
        raise UsageError(
            "the target is AWS, where a run costs money and shares its quotas with your fleet: "
            "name the account with --account ID (12 digits)"
        )
    if not ACCOUNT_ID.fullmatch(account):
        raise UsageError(f"--account {account!r}: an account id has 12 digits")
    actual = account_of()
    if actual != account:
        raise UsageError(f"--account {account}: the credentials are those of account {actual}")
    return actual


def bounds(where: Place, seconds: float, requests_per_s: float | None = None) -> Bounds:
    """The bounds of a run that leaves this machine.

    Raises:
        UsageError: they are wider than allowed, or none.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise UsageError(
            f"load.until is {seconds:g} s: a run against a target that is not on this machine may "
            f"last {MOST_SECONDS:g} s at most"
        )
    ceiling = AWS_RATE if where is Place.AWS else FOREIGN_RATE
    rate = ceiling if requests_per_s is None else requests_per_s
    if not 0 < rate < float("inf"):
        raise UsageError(f"{rate:g} requests/s is no ceiling; give a positive rate")
    if where is Place.AWS and rate > AWS_RATE:
        raise UsageError(
            f"{rate:g} requests/s is above what AWS takes: {AWS_RATE:g}/s of job updates for the "
            "whole account and region, which cannot be raised"
        )
    return Bounds(seconds, rate)
