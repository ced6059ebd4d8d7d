"""Removing a fleet: exactly what its ledger names, from wherever the last run stopped.

Rule 1: in an order that AWS allows: certificates are detached from things and policy, deactivated
        and deleted, then things, then the group, then the policy.
Rule 2: what does not carry our mark any more was made anew by others under a name of ours: it
        stays, and is told. So does a group in which things of others are.
Rule 3: what cannot be removed does not stop the rest; each is told with the reason, and the next
        run tries again.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from simulator.certificates import authority_of
from simulator.errors import AwsRefused
from simulator.provisioning.account import NOT_FOUND, Account
from simulator.provisioning.ledger import ASKED, REMOVED, REMOVING, Ledger
from simulator.provisioning.ownership import find_certificate, group_mark, pair_of, thing_mark
from simulator.provisioning.plan import SHARED, policy_name
from simulator.today import utc_now

Tell = Callable[[str, int, int], None]

CERTIFICATE: Final = "CreateCertificateFromCsr"


class Cleaning:
    """One run of ``jobfleet cleanup``."""

    def __init__(self, account: Account, ledger: Ledger, tell: Tell) -> None:
        self._account = account
        self._ledger = ledger
        self._tell = tell
        self.left: dict[str, str] = {}
        """What could not be removed → why."""
        self.removed = 0
        """Things, certificates, groups and policies."""

    def run(self) -> None:
        """Remove what stands.

        Raises:
            UsageError, TargetError: nothing can be removed now: credentials, or no answer.
        """
        ledger = self._ledger
        for step, what, remove in (
            ("AttachThingPrincipal", "things detached", self._detach_thing),
            ("AttachPolicy", "policy detached", self._detach_policy),
            (CERTIFICATE, "certificates", self._certificate),
            ("CreateThing", "things", self._thing),
            ("CreateThingGroup", "group", self._group),
            ("CreatePolicy", "policy", self._policy),
        ):
            standing = ledger.standing(step)
            for at, of in enumerate(standing):
                self._tell(what, at, len(standing))
                self._attempt(step, of, remove)
        if not self.left and not ledger.standing(CERTIFICATE):
            authority_of(ledger.directory).certificate.unlink(missing_ok=True)

    def _attempt(self, step: str, of: str, remove: Callable[[str], str | None]) -> None:
        """Remove one; ``remove`` answers why it stays, or None."""
        # What was only asked for stays so in the facts: whether it is there is found out first.
        if self._ledger.state(step, of) != REMOVING:
            was = self._ledger.state(step, of)
            asked = self._ledger.fact(step, of, "at")
            self._ledger.note(step, of, REMOVING, utc_now(), was=was, asked=asked)
        try:
            why = remove(of)
        except AwsRefused as error:
            why = str(error)
        if why is None:
            self._ledger.note(step, of, REMOVED, utc_now())
            self.removed += step in (CERTIFICATE, "CreateThing", "CreateThingGroup", "CreatePolicy")
        else:
            self.left[f"{KINDS[step]} {of}"] = why

    def _gone(self, operation: str, **parameters: Any) -> None:
        """Call what removes; that it is gone already is as good.

        A conflict is asked again after some seconds: AWS detaches behind its answer
        (DetachThingPrincipal is asynchronous).
        """
        for pause in (*PAUSES_S, None):
            try:
                self._account.surely(operation, **parameters)
            except AwsRefused as error:
                if error.code == NOT_FOUND:
                    return
                if (
                    pause is None
                    or error.code not in STILL_ATTACHED[operation.startswith("DeleteT")]
                ):
                    raise
                self._account.pause(pause)
            else:
                return

    # --------------------------------------------------------------------------- one by one

    def _detach_thing(self, name: str) -> str | None:
        owner = name if self._ledger.state(CERTIFICATE, name) is not None else SHARED
        arn = self._ledger.fact(CERTIFICATE, owner, "arn")
        self._gone("DetachThingPrincipal", thingName=name, principal=arn)
        return None

    def _detach_policy(self, owner: str) -> str | None:
        arn = self._ledger.fact(CERTIFICATE, owner, "arn")
        self._gone("DetachPolicy", policyName=policy_name(self._ledger.mark), target=arn)
        return None

    def _certificate(self, owner: str) -> str | None:
        pair = pair_of(self._ledger.directory, owner)
        identity = self._ledger.fact(CERTIFICATE, owner, "id")
        if identity is None:  # asked for, and killed before it was heard of
            asked = datetime.fromisoformat(self._ledger.fact(CERTIFICATE, owner, "asked"))
            found = find_certificate(self._account, pair, asked)
            identity = None if found is None else found["certificateId"]
        if identity is not None:
            self._gone("UpdateCertificate", certificateId=identity, newStatus="INACTIVE")
            self._gone("DeleteCertificate", certificateId=identity)
        pair.certificate.unlink(missing_ok=True)
        pair.key.unlink(missing_ok=True)
        return None

    def _thing(self, name: str) -> str | None:
        mark = thing_mark(self._account, name)
        if mark is not None and mark != self._ledger.mark:
            return None if self._never_made("CreateThing", name) else NOT_OURS
        if mark is not None:
            self._gone("DeleteThing", thingName=name)
        pair = pair_of(self._ledger.directory, name)
        for link in (pair.certificate, pair.key):  # to the shared pair
            if link.is_symlink():
                link.unlink()
        return None

    def _group(self, name: str) -> str | None:
        mark = group_mark(self._account, name)
        if mark is None:
            return None
        if mark != self._ledger.mark:
            return None if self._never_made("CreateThingGroup", name) else NOT_OURS
        listed = self._account.pages(
            "ListThingsInThingGroup", "things", "nextToken", thingGroupName=name
        )
        ours = {of for step, of in self._ledger.rows if step == "CreateThing"}
        others = [thing for thing in listed if thing not in ours]
        if others:
            return f"{len(others)} things of others are in it ({', '.join(others[:3])}…)"
        self._gone("DeleteThingGroup", thingGroupName=name)
        return None

    def _policy(self, name: str) -> str | None:
        self._gone("DeletePolicy", policyName=name)
        return None

    def _never_made(self, step: str, of: str) -> bool:
        """Whether ours was only asked for: then what is there was never ours to begin with."""
        return bool(self._ledger.fact(step, of, "was") == ASKED)


PAUSES_S: Final = (1.0, 2.0, 4.0)
STILL_ATTACHED: Final = (
    {"DeleteConflictException"},
    {"DeleteConflictException", "InvalidRequestException"},  # what DeleteThing says
)
NOT_OURS: Final = "it is another's: it does not carry this fleet's mark any more"

KINDS: Final = {
    "AttachThingPrincipal": "certificate of",
    "AttachPolicy": "policy of",
    CERTIFICATE: "certificate of",
    "CreateThing": "thing",
    "CreateThingGroup": "thing group",
    "CreatePolicy": "policy",
}
