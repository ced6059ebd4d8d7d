"""AWS itself as the target of a live run: ``--target aws``, and where that is.

Rule 1: nothing is asked before the account is named, and STS has said that the credentials are its.
Rule 2: things go to the account's data endpoint, as DescribeEndpoint names it (``iot:Data-ATS``):
        with certificates over MQTT on TLS, else over a WebSocket that is signed (SigV4).
Rule 3: jobs are made at the region's control plane, which takes signatures only.
"""

from dataclasses import dataclass, field
from typing import Final

from simulator.errors import UsageError
from simulator.interlock import check_account
from simulator.provisioning.account import Account, Pace
from simulator.targets import TargetOptions

WORD: Final = "aws"
DOORS: Final = ("mqtts", "wss")
CALLS_PER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class AwsTarget:
    """Where a run at AWS goes."""

    target: str
    control: str
    options: TargetOptions
    account: Account = field(repr=False)


def find(
    target: str,
    control: str | None,
    options: TargetOptions,
    account: str | None,
    profile: str | None = None,
    endpoint_url: str | None = None,
) -> AwsTarget:
    """Find the endpoint of the account that is meant.

    ``endpoint_url`` is a control plane in the place of AWS's: on this machine it needs no account.

    Raises:
        UsageError: the word, an option, credentials, region or account are wrong.
        TargetError: AWS cannot be reached.
        AwsRefused: it does not say.
    """
    door = _door(target, options)
    if control is not None:
        raise UsageError(
            f"--target {target} finds the control plane itself, by region: leave out --control "
            "(--endpoint-url names another one)"
        )
    if endpoint_url is None and account is None:
        check_account(None, str)  # before anything is asked: it says what is missing
    found = Account(options.region, profile, endpoint_url, Pace(CALLS_PER_S))
    if not found.is_here:
        check_account(account, found.account_id)
    answer = found.surely("DescribeEndpoint", endpointType="iot:Data-ATS")
    host = str(answer["endpointAddress"])
    signed = door == "wss"
    url = f"wss://{host}/mqtt" if signed else f"mqtts://{host}:8883"
    own = options._replace(region=found.region, sigv4=signed)
    return AwsTarget(url, found.answering, own, found)


def _door(target: str, options: TargetOptions) -> str:
    """How things come in: as the word says, else by what they have to show."""
    certified = options.certs is not None or options.cert is not None
    word, colon, door = target.partition(":")
    if colon and door not in DOORS:
        raise UsageError(
            f"--target {target}: allowed are {word}, " + " and ".join(f"{word}:{d}" for d in DOORS)
        )
    door = door or ("wss" if options.sigv4 or not certified else "mqtts")
    if door == "mqtts" and options.sigv4:
        raise UsageError(f"--sigv4 is for {WORD}:wss; {WORD}:mqtts knows certificates only")
    if door == "mqtts" and not certified:
        raise UsageError(
            f"--target {WORD}:mqtts needs certificates: --certs DIR (one per thing, as jobfleet "
            "provision makes them) or --cert and --key (one for all)"
        )
    if door == "wss" and certified:
        raise UsageError(
            f"{WORD}:wss is signed with credentials and shows no certificate: leave out --certs "
            f"and --cert, or say {WORD}:mqtts"
        )
    return door
