"""Making a fleet in an account, from wherever the last run stopped.

Rule 1: before anything is made, every name is looked for. One that is there and does not carry our
        mark ends it: it is neither adopted nor touched.
Rule 2: of each thing that is made the ledger hears before and after. What it was asked for without
        an answer is looked for before it is asked for again, so that nothing is made twice.
Rule 3: keys are made here and stay here: AWS sees a signing request (CreateCertificateFromCsr; it
        also has a higher quota than CreateKeysAndCertificate, and the key file proves whose
        certificate it is if a run is killed before it hears its id).
"""

import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from simulator.certificates import authority_of, device_of
from simulator.errors import AwsRefused, NoReply, TargetError, UsageError
from simulator.provisioning.account import TRIES, Account
from simulator.provisioning.ledger import ASKED, FAILED, MADE, Ledger
from simulator.provisioning.ownership import (
    find_certificate,
    group_mark,
    pair_of,
    signing_request,
    thing_mark,
    write_whole,
)
from simulator.provisioning.plan import MARK, SHARED, Wanted, policy_document, policy_name
from simulator.today import utc_now

EXISTS: Final = "ResourceAlreadyExistsException"
SHOWN_COLLISIONS: Final = 5
ROOTS: Final = "Amazon Root CA "
"""How those are called to which AWS's ATS endpoints chain."""
LABELLED: Final = re.compile(
    r'# Label: "([^"]*)".*?(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)', re.DOTALL
)

Tell = Callable[[str, int, int], None]
"""Hears what is being done, how many are done, and of how many."""


class Making:
    """One run of ``jobfleet provision``."""

    def __init__(self, account: Account, ledger: Ledger, wanted: Wanted, tell: Tell) -> None:
        self._account = account
        self._ledger = ledger
        self._wanted = wanted
        self._tell = tell
        self._directory = ledger.directory
        self._attributes = {"attributes": {MARK: ledger.mark}}

    def run(self) -> None:
        """Make what is missing.

        Raises:
            UsageError: a name is taken, or the fleet is being removed.
            TargetError: AWS did not answer; run it again.
            AwsRefused: AWS refused.
        """
        if self._ledger.dismantled:
            raise UsageError(
                f"{self._directory} holds a fleet that is being removed; finish it with "
                f"`jobfleet cleanup {self._directory}`, and provision into an empty --out"
            )
        names, wanted = self._wanted.names(), self._wanted
        self._check_free(names)
        owners = wanted.owners()
        if owners:
            self._policy()
        self._group()
        for at, owner in enumerate(owners):
            self._tell("certificates", at, len(owners))
            self._certificate(owner)
            self._link("AttachPolicy", owner, policyName=policy_name(self._ledger.mark),
                       target=self._arn(owner))  # fmt: skip
        for at, name in enumerate(names):
            self._tell("things", at, len(names))
            self._thing(name)
        self._tell("things", len(names), len(names))
        if owners:
            _write_roots(authority_of(self._directory).certificate)

    # --------------------------------------------------------------------------- looking

    def _check_free(self, names: list[str]) -> None:
        """Refuse, before anything is made, names that others have."""
        taken = []
        if self._ledger.state("CreateThingGroup", self._wanted.group) in (None, FAILED):
            found = group_mark(self._account, self._wanted.group)
            if found is not None:
                taken.append(f"thing group {self._wanted.group}")
        fresh = [n for n in names if self._ledger.state("CreateThing", n) in (None, FAILED)]
        for at, name in enumerate(fresh):
            self._tell("names looked for", at, len(fresh))
            if thing_mark(self._account, name) is not None:
                taken.append(f"thing {name}")
        if taken:
            shown = ", ".join(taken[:SHOWN_COLLISIONS])
            more = len(taken) - SHOWN_COLLISIONS
            raise UsageError(
                f"already there, and not ours: {shown}{f' and {more} more' if more > 0 else ''}; "
                "they stay as they are. Choose another --prefix or --group"
            )

    # --------------------------------------------------------------------------- making

    def _make(
        self,
        step: str,
        of: str,
        ours: Callable[[], dict[str, Any] | None],
        facts: Callable[[dict[str, Any]], dict[str, Any]],
        **parameters: Any,
    ) -> None:
        """Make one thing, once; ``ours`` finds it where it may have been made already."""
        ledger = self._ledger
        if ledger.state(step, of) == MADE:
            return
        unsure = ledger.state(step, of) == ASKED
        for _ in range(TRIES):
            if unsure:
                found = ours()
                if found is not None:
                    ledger.note(step, of, MADE, utc_now(), **facts(found))
                    return
            if ledger.state(step, of) != ASKED:
                ledger.note(step, of, ASKED, utc_now())
            try:
                answer = self._account.call(step, **parameters)
            except NoReply:
                unsure = True
                continue
            except AwsRefused as error:
                # Somebody was faster than us between our looking and our asking.
                ledger.note(step, of, FAILED, utc_now(), why=str(error))
                if error.code == EXISTS:
                    raise UsageError(f"{of} is already there, and not ours: {error}") from None
                raise
            ledger.note(step, of, MADE, utc_now(), **facts(answer))
            return
        raise TargetError(f"{step} of {of}: no answer in {TRIES} tries; run it again to go on")

    def _proven(self, what: str, mark: str | None) -> dict[str, Any] | None:
        """No facts, if what is there is ours; None if nothing is there."""
        if mark is None:
            return None
        if mark != self._ledger.mark:
            raise UsageError(f"already there, and not ours: {what}; it stays as it is")
        return {}

    def _policy(self) -> None:
        name = policy_name(self._ledger.mark)

        def ours() -> dict[str, Any] | None:
            try:
                return self._account.surely("GetPolicy", policyName=name)
            except AwsRefused:
                return None

        text = self._wanted.policy or policy_document(
            self._account.region, str(self._ledger.about["account"])
        )
        self._make(
            "CreatePolicy", name, ours, lambda answer: {"arn": answer.get("policyArn")},
            policyName=name, policyDocument=text, tags=[{"Key": MARK, "Value": self._ledger.mark}],
        )  # fmt: skip

    def _group(self) -> None:
        name = self._wanted.group

        def ours() -> dict[str, Any] | None:
            return self._proven(f"thing group {name}", group_mark(self._account, name))

        self._make(
            "CreateThingGroup", name, ours, lambda answer: {"arn": answer.get("thingGroupArn")},
            thingGroupName=name,
            thingGroupProperties={
                "thingGroupDescription": "Made by jobfleet provision",
                "attributePayload": self._attributes,
            },
        )  # fmt: skip

    def _certificate(self, owner: str) -> None:
        step, pair = "CreateCertificateFromCsr", pair_of(self._directory, owner)
        if self._ledger.state(step, owner) == MADE:
            return
        asked = self._ledger.fact(step, owner, "at")
        since = utc_now() if asked is None else datetime.fromisoformat(asked)

        def kept(answer: dict[str, Any]) -> dict[str, Any]:
            """The file first: what is in the ledger as made lies in the directory."""
            write_whole(pair.certificate, answer["certificatePem"].encode())
            return {"id": answer["certificateId"], "arn": answer["certificateArn"]}

        name = self._wanted.prefix if owner == SHARED else owner
        self._make(
            step, owner, lambda: find_certificate(self._account, pair, since), kept,
            certificateSigningRequest=signing_request(pair.key, name), setAsActive=True,
        )  # fmt: skip

    def _thing(self, name: str) -> None:
        def ours() -> dict[str, Any] | None:
            return self._proven(f"thing {name}", thing_mark(self._account, name))

        self._make(
            "CreateThing", name, ours, lambda answer: {"arn": answer.get("thingArn")},
            thingName=name, attributePayload=self._attributes,
        )  # fmt: skip
        if self._wanted.certificates != "none":
            owner = SHARED if self._wanted.certificates == "one" else name
            self._link("AttachThingPrincipal", name, thingName=name, principal=self._arn(owner))
            if owner == SHARED:
                self._point_to_shared(name)
        self._link("AddThingToThingGroup", name, thingName=name, thingGroupName=self._wanted.group)

    def _link(self, step: str, of: str, **parameters: Any) -> None:
        """Join two that are ours; done twice, it is done once."""
        if self._ledger.state(step, of) == MADE:
            return
        self._ledger.note(step, of, ASKED, utc_now())
        self._account.surely(step, **parameters)
        self._ledger.note(step, of, MADE, utc_now())

    def _arn(self, owner: str) -> str:
        return str(self._ledger.fact("CreateCertificateFromCsr", owner, "arn"))

    def _point_to_shared(self, name: str) -> None:
        """Whoever looks for a thing's own pair finds the shared one."""
        pair, shared = device_of(self._directory, name), pair_of(self._directory, SHARED)
        pair.key.parent.mkdir(exist_ok=True)
        for link, file in ((pair.certificate, shared.certificate), (pair.key, shared.key)):
            if not link.is_symlink():
                link.symlink_to(os.path.join("..", file.name))


def _write_roots(path: Path) -> None:
    """AWS's own authorities, which its ATS endpoints answer with, from botocore's bundle."""
    import botocore

    bundle = (Path(botocore.__file__).parent / "cacert.pem").read_text(encoding="utf-8")
    found = [pem for label, pem in LABELLED.findall(bundle) if label.startswith(ROOTS)]
    write_whole(path, "\n".join([*found, ""]).encode())
