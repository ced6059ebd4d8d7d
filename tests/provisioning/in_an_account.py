"""An AWS account (moto) and what is in it; runs of provision and cleanup that end where we say."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session

from simulator.errors import NoReply
from simulator.provisioning.account import Account, Pace
from simulator.provisioning.cleaning import Cleaning
from simulator.provisioning.ledger import Ledger
from simulator.provisioning.making import Making
from simulator.provisioning.plan import Certificates, Wanted

REGION, OWNER = "eu-west-1", "123456789012"


class Killed(BaseException):
    """What nobody catches: the process is gone."""


class Slept:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Frail(Account):
    """An account whose n-th changing call ends badly: before it is made, or after."""

    def __init__(
        self, at: int = 0, after: bool = False, how: Callable[[], BaseException] = Killed
    ) -> None:
        self.slept = Slept()
        super().__init__(REGION, None, None, Pace(10, self.slept.clock, self.slept.sleep))
        self._at, self._after, self._how = at, after, how
        self.changes: list[str] = []

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation.startswith(("Describe", "Get", "List")):
            return super().call(operation, **parameters)
        self.changes.append(operation)
        hit = len(self.changes) == self._at
        if hit and not self._after:
            raise self._how()
        answer = super().call(operation, **parameters)
        if hit:
            raise self._how()
        return answer


def lost() -> NoReply:
    return NoReply("the connection broke")


def wanted(
    things: int = 3, certificates: Certificates = "per-thing", prefix: str = "lab"
) -> Wanted:
    return Wanted(things, prefix, f"{prefix}-fleet", certificates)


def opened(directory: Path, asked: Wanted, mark: str = "0123456789ab") -> Ledger:
    about = {"mark": mark, "account": OWNER, "region": REGION, "endpoint": None}
    return Ledger(directory, {**about, **asked.identity()})


def make(directory: Path, asked: Wanted, account: Account, mark: str = "0123456789ab") -> None:
    with opened(directory, asked, mark) as ledger:
        Making(account, ledger, asked, lambda *_: None).run()


def clean(directory: Path, account: Account) -> Cleaning:
    with Ledger(directory, None) as ledger:
        cleaning = Cleaning(account, ledger, lambda *_: None)
        cleaning.run()
    return cleaning


@cache
def iot() -> Any:
    return botocore.session.Session().create_client("iot", region_name=REGION)


def inventory() -> dict[str, Any]:
    """All that is in the account, names by kind."""
    client = iot()
    things = {thing["thingName"]: thing["attributes"] for thing in client.list_things()["things"]}
    certificates = [c["certificateArn"] for c in client.list_certificates()["certificates"]]
    policies = [policy["policyName"] for policy in client.list_policies()["policies"]]
    groups = [group["groupName"] for group in client.list_thing_groups()["thingGroups"]]
    return {
        "things": things,
        "certificates": certificates,
        "policies": policies,
        "groups": groups,
        "principals": {
            name: client.list_thing_principals(thingName=name)["principals"] for name in things
        },
        "attached": {
            arn: [p["policyName"] for p in client.list_attached_policies(target=arn)["policies"]]
            for arn in certificates
        },
        "members": {
            name: client.list_things_in_thing_group(thingGroupName=name)["things"]
            for name in groups
        },
    }


EMPTY: dict[str, Any] = {
    "things": {}, "certificates": [], "policies": [], "groups": [], "principals": {},
    "attached": {}, "members": {},
}  # fmt: skip
