"""What ``jobfleet provision`` is asked for: names, the policy, and the calls that it takes.

Rule 1: a plan is known before anything is called, and checked: names, sizes, the policy.
Rule 2: each thing that is made carries the fleet's mark, a random word that no other fleet has.
        What does not carry it is not ours, whatever its name.
Rule 3: the default policy lets a thing do with its own jobs what an agent does, over MQTT, and
        nothing else: no shadow, no topics of other things, no client id but the thing's name.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from simulator.errors import UsageError
from simulator.jobs.registry import THING_NAME

Certificates = Literal["per-thing", "one", "none"]

MARK: Final = "jobfleet"
"""The attribute of a thing or group, and the tag of a policy, whose value is the fleet's mark."""

SHARED: Final = "(shared)"
"""Whose certificate it is where all things share one; no thing can be called so."""

MOST_THINGS: Final = 100_000
MOST_POLICY: Final = 2_048
"""Characters of an IoT policy document without white space (GR:core)."""

QUOTAS: Final = {
    "AddThingToThingGroup": 60.0, "AttachPolicy": 15.0, "AttachThingPrincipal": 50.0,
    "CreateCertificateFromCsr": 15.0, "CreatePolicy": 10.0, "CreateThing": 50.0,
    "CreateThingGroup": 25.0, "DeleteCertificate": 10.0, "DeletePolicy": 10.0,
    "DeleteThing": 50.0, "DeleteThingGroup": 15.0,
}  # fmt: skip
"""Calls per second per account (GR:core, in the smaller regions; read November 2026)."""

OTHER_QUOTA: Final = 10.0
"""Of an operation that is not in the table: what AWS gives to most."""

THING: Final = "${iot:Connection.Thing.ThingName}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    things: int
    prefix: str
    group: str
    certificates: Certificates = "per-thing"
    policy: str | None = None
    """The text of a policy of one's own."""

    def names(self) -> list[str]:
        """The things, as a scenario calls those of a cohort."""
        return [f"{self.prefix}-{at:06d}" for at in range(self.things)]

    def owners(self) -> list[str]:
        """Whose certificates are made."""
        if self.certificates == "none":
            return []
        return [SHARED] if self.certificates == "one" else self.names()

    def identity(self) -> dict[str, Any]:
        """What makes two requests the same."""
        policy = None if self.policy is None else sha256(self.policy.encode()).hexdigest()
        return {
            "things": self.things,
            "prefix": self.prefix,
            "group": self.group,
            "certificates": self.certificates,
            "policy": policy,
        }

    def calls(self) -> dict[str, int]:
        """Calls of each operation, if nothing goes wrong."""
        owners, linked = len(self.owners()), 0 if self.certificates == "none" else self.things
        counts = {
            "GetCallerIdentity": 1,
            "DescribeThingGroup": 1,
            "DescribeThing": self.things,
            "CreatePolicy": min(owners, 1),
            "CreateThingGroup": 1,
            "CreateCertificateFromCsr": owners,
            "AttachPolicy": owners,
            "CreateThing": self.things,
            "AttachThingPrincipal": linked,
            "AddThingToThingGroup": self.things,
        }
        return {name: count for name, count in counts.items() if count}

    def seconds(self, rate: float) -> float:
        """How long the calls take at least, one after another at ``rate`` per second."""
        slowest = (n / min(rate, quota_of(name)) for name, n in self.calls().items())
        return sum(slowest)


def quota_of(operation: str) -> float:
    """Calls per second that AWS takes of an operation."""
    return QUOTAS.get(operation, OTHER_QUOTA)


def default_group(prefix: str) -> str:
    """What the thing group is called where nobody says."""
    return f"{prefix}-fleet"


def check(wanted: Wanted) -> None:
    """Refuse what AWS would refuse later, half-way.

    Raises:
        UsageError: a number, a name or the policy is not possible.
    """
    if not 1 <= wanted.things <= MOST_THINGS:
        raise UsageError(f"--things {wanted.things}: allowed are 1 to {MOST_THINGS:,}")
    for option, name in (("--prefix", wanted.names()[-1]), ("--group", wanted.group)):
        if not THING_NAME.fullmatch(name):
            raise UsageError(
                f"{option}: {name!r} is no name that AWS takes: 1 to 128 characters of a-zA-Z0-9:_-"
            )
    if ":" in wanted.prefix:
        raise UsageError("--prefix: no colon, please: things name files here")


def read_policy(path: Path) -> str:
    """A policy document of one's own.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--policy {path}: cannot be read as JSON: {error}") from None
    if not isinstance(document, dict) or not document.get("Statement"):
        raise UsageError(
            f"--policy {path}: a policy is a JSON object with Version and Statement (Effect, "
            "Action, Resource)"
        )
    text = json.dumps(document, separators=(",", ":"))
    if len(text) > MOST_POLICY:
        raise UsageError(
            f"--policy {path}: {len(text)} characters; AWS takes {MOST_POLICY} of a policy document"
        )
    return text


def policy_name(mark: str) -> str:
    """The policy's name: unique to the fleet, so that a name alone proves whose it is."""
    return f"jobfleet-{mark}"


def partition_of(region: str) -> str:
    """The first part of an ARN after ``arn:``."""
    for start, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(start):
            return partition
    return "aws"


def policy_document(region: str, account: str) -> str:
    """The least that an agent of jobs needs over MQTT.

    ``IsAttached`` makes a certificate useless for any thing that it is not attached to, which is
    what keeps things apart even where all share one certificate (DG:thing-policy-variables).
    """
    start = f"arn:{partition_of(region)}:iot:{region}:{account}"
    jobs = f"$aws/things/{THING}/jobs"
    asked = ("get", "start-next", "*/get", "*/update")
    statements = [
        {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": f"{start}:client/{THING}",
            "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
        },
        {
            "Effect": "Allow",
            "Action": "iot:Publish",
            "Resource": [f"{start}:topic/{jobs}/{topic}" for topic in asked],
        },
        {
            "Effect": "Allow",
            "Action": "iot:Subscribe",
            "Resource": f"{start}:topicfilter/{jobs}/*",
        },
        {"Effect": "Allow", "Action": "iot:Receive", "Resource": f"{start}:topic/{jobs}/*"},
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    return json.dumps(document, separators=(",", ":"))
