"""Provisioning makes each thing once, whatever moment it is killed at; cleanup leaves nothing."""

import os
import stat
from pathlib import Path

import pytest
from cryptography import x509

from simulator.certificates import device_of
from simulator.errors import AwsRefused, UsageError
from simulator.provisioning.ledger import Ledger
from simulator.provisioning.ownership import load_key, public_part
from simulator.provisioning.plan import MARK, Certificates
from tests.provisioning.in_an_account import (
    EMPTY,
    Frail,
    Killed,
    clean,
    inventory,
    iot,
    lost,
    make,
    opened,
    wanted,
)

pytestmark = pytest.mark.usefixtures("account")
CHANGES = 2 + 2 * 2 + 3 * 2
"""Policy and group; two certificates, each with the policy; two things, each linked twice."""
KILLED = [
    *((at, True) for at in range(1, CHANGES + 1)),
    *((at, False) for at in (1, 2, 3, 4, 7, 8, 9)),
]
"""After each call; and before the first of each kind."""
KINDS: list[Certificates] = ["per-thing", "one", "none"]


def is_whole(directory: Path, certificates: Certificates = "per-thing", things: int = 2) -> None:
    """Everything is there, once, joined as it should be, and the files fit."""
    there = inventory()
    names = [f"lab-{at:06d}" for at in range(things)]
    mark = there["things"]["lab-000000"][MARK]
    assert there["things"] == {name: {MARK: mark} for name in names}
    assert there["members"] == {"lab-fleet": names}
    count = {"per-thing": things, "one": 1, "none": 0}[certificates]
    assert len(there["certificates"]) == count
    assert there["policies"] == ([f"jobfleet-{mark}"] if count else [])
    assert all(names == [f"jobfleet-{mark}"] for names in there["attached"].values())
    used = [arn for arns in there["principals"].values() for arn in arns]
    assert set(used) == set(there["certificates"])
    assert len(used) == (things if count else 0)
    for name in names if count else ():
        pair = device_of(directory, name)
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        assert public_part(certificate.public_key()) == public_part(load_key(pair.key).public_key())
        arn = there["principals"][name][0]
        described = iot().describe_certificate(certificateId=arn.rpartition("/")[2])
        pem = described["certificateDescription"]["certificatePem"]
        assert pem.encode() == pair.certificate.read_bytes()
        assert described["certificateDescription"]["status"] == "ACTIVE"


@pytest.mark.parametrize("kind", KINDS)
def test_made_once_and_removed_to_nothing(tmp_path: Path, kind: Certificates) -> None:
    out = tmp_path / "out"
    make(out, wanted(2, kind), Frail())
    is_whole(out, kind)
    again = Frail()
    make(out, wanted(2, kind), again)
    assert again.changes == []
    assert not clean(out, Frail()).left
    assert inventory() == EMPTY
    assert [path.name for path in out.rglob("*") if not path.is_dir()] == ["provision.jsonl"]
    last = Frail()
    assert clean(out, last).removed == 0
    assert last.changes == []


def test_keys_are_ours_alone_and_never_travel(tmp_path: Path) -> None:
    account = Frail()
    make(tmp_path / "out", wanted(1), account)
    assert "CreateKeysAndCertificate" not in account.changes
    key = device_of(tmp_path / "out", "lab-000000").key
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    roots = x509.load_pem_x509_certificates((tmp_path / "out/ca.pem").read_bytes())
    assert "CN=Amazon Root CA 1,O=Amazon,C=US" in {r.subject.rfc4514_string() for r in roots}


@pytest.mark.parametrize(("at", "after"), KILLED)
def test_killed_anywhere_and_resumed_nothing_is_made_twice(
    tmp_path: Path, at: int, after: bool
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        make(out, wanted(2), Frail(at, after))
    make(out, wanted(2), Frail(), mark="another-mark")  # the first one's holds
    is_whole(out)
    assert not clean(out, Frail()).left
    assert inventory() == EMPTY


@pytest.mark.parametrize(("at", "after"), KILLED)
def test_killed_anywhere_and_cleaned_up_nothing_stays(tmp_path: Path, at: int, after: bool) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        make(out, wanted(2), Frail(at, after))
    assert not clean(out, Frail()).left
    assert inventory() == EMPTY


@pytest.mark.parametrize(("at", "after"), KILLED)
def test_a_cleanup_killed_anywhere_is_resumed(tmp_path: Path, at: int, after: bool) -> None:
    out = tmp_path / "out"
    make(out, wanted(2), Frail())
    with pytest.raises(Killed):
        clean(out, Frail(at, after))
    with pytest.raises(UsageError, match="being removed"):
        make(out, wanted(2), Frail())
    assert not clean(out, Frail()).left
    assert inventory() == EMPTY


@pytest.mark.parametrize("at", range(1, CHANGES + 1))
def test_a_reply_that_is_lost_makes_nothing_twice(tmp_path: Path, at: int) -> None:
    make(tmp_path / "out", wanted(2), Frail(at, after=True, how=lost))
    is_whole(tmp_path / "out")


def test_half_a_line_of_a_kill_is_cut_off(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        make(out, wanted(2), Frail(5))
    with (out / "provision.jsonl").open("a") as journal:
        journal.write('{"step":"CreateTh')
    make(out, wanted(2), Frail())
    is_whole(out)


# ------------------------------------------------------------------------------- others' things


def test_a_thing_that_was_there_is_neither_adopted_nor_touched(tmp_path: Path) -> None:
    iot().create_thing(thingName="lab-000001", attributePayload={"attributes": {"owner": "me"}})
    account = Frail()
    with pytest.raises(UsageError, match="already there, and not ours: thing lab-000001"):
        make(tmp_path / "out", wanted(2), account)
    assert account.changes == []
    assert not clean(tmp_path / "out", Frail()).left
    assert inventory()["things"] == {"lab-000001": {"owner": "me"}}


def test_a_group_that_was_there_is_neither_adopted_nor_touched(tmp_path: Path) -> None:
    iot().create_thing_group(thingGroupName="lab-fleet")
    with pytest.raises(UsageError, match="not ours: thing group lab-fleet"):
        make(tmp_path / "out", wanted(2), Frail())
    clean(tmp_path / "out", Frail())
    assert inventory()["groups"] == ["lab-fleet"]


def test_another_fleet_of_the_same_names_is_not_ours(tmp_path: Path) -> None:
    make(tmp_path / "one", wanted(2), Frail(), mark="one")
    before = inventory()
    with pytest.raises(UsageError, match="not ours: thing group lab-fleet, thing lab-000000"):
        make(tmp_path / "two", wanted(2), Frail(), mark="two")
    clean(tmp_path / "two", Frail())
    assert inventory() == before


def test_a_name_taken_after_we_were_killed_stays_anothers(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asks_for_the_first_thing = 2 + 2 * 2 + 1
    with pytest.raises(Killed):
        make(out, wanted(2), Frail(asks_for_the_first_thing))
    iot().create_thing(thingName="lab-000000")
    with pytest.raises(UsageError, match="not ours: thing lab-000000"):
        make(out, wanted(2), Frail())
    assert not clean(out, Frail()).left
    assert inventory()["things"] == {"lab-000000": {}}


def test_what_others_made_anew_under_our_names_stays(tmp_path: Path) -> None:
    out, client = tmp_path / "out", iot()
    make(out, wanted(2), Frail())
    (arn,) = client.list_thing_principals(thingName="lab-000000")["principals"]
    client.detach_thing_principal(thingName="lab-000000", principal=arn)
    client.delete_thing(thingName="lab-000000")
    client.create_thing(thingName="lab-000000", attributePayload={"attributes": {"owner": "me"}})
    client.create_thing(thingName="guest")
    client.add_thing_to_thing_group(thingName="guest", thingGroupName="lab-fleet")
    left = clean(out, Frail()).left
    assert set(left) == {"thing lab-000000", "thing group lab-fleet"}
    assert "not carry this fleet's mark" in left["thing lab-000000"]
    assert "guest" in left["thing group lab-fleet"]
    there = inventory()
    assert there["things"] == {"lab-000000": {"owner": "me"}, "guest": {}}
    assert there["certificates"] == there["policies"] == []


def test_what_others_hung_on_ours_is_told_and_the_rest_goes(tmp_path: Path) -> None:
    out, client = tmp_path / "out", iot()
    make(out, wanted(2), Frail())
    theirs = client.create_keys_and_certificate(setAsActive=True)["certificateArn"]
    (policy,) = inventory()["policies"]
    client.attach_policy(policyName=policy, target=theirs)
    account = Frail()
    left = clean(out, account).left
    assert list(left) == [f"policy {policy}"]
    assert "DeleteConflictException" in left[f"policy {policy}"]
    assert inventory()["certificates"] == [theirs]
    client.detach_policy(policyName=policy, target=theirs)
    assert not clean(out, Frail()).left
    assert inventory()["policies"] == []
    assert inventory()["certificates"] == [theirs]


# ------------------------------------------------------------------------------- directories


def test_a_directory_of_another_fleet_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out, wanted(2), Frail())
    before, content = inventory(), (out / "provision.jsonl").read_bytes()
    with pytest.raises(UsageError, match="another fleet: --things was 2 and is 3"):
        make(out, wanted(3), Frail())
    with pytest.raises(UsageError, match="--prefix was 'lab' and is 'other'"):
        make(out, wanted(2, prefix="other"), Frail())
    assert inventory() == before
    assert (out / "provision.jsonl").read_bytes() == content


def test_a_directory_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    with pytest.raises(UsageError, match="not of a provisioned fleet"):
        opened(tmp_path, wanted())
    with pytest.raises(UsageError, match="holds no provisioned fleet"):
        Ledger(tmp_path, None)
    (tmp_path / "provision.jsonl").write_text('{"no": "mark"}\n')
    with pytest.raises(UsageError, match=r"provision.jsonl:1: this is no line of a journal"):
        Ledger(tmp_path, None)


def test_one_directory_one_process(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "out", wanted()),
        pytest.raises(UsageError, match="another jobfleet is at work"),
    ):
        Ledger(tmp_path / "out", None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot use"):
        opened(tmp_path / "out", wanted())


def test_a_refusal_is_told_and_the_rest_can_be_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def refused() -> AwsRefused:
        return AwsRefused("LimitExceededException", "too many policies")

    with pytest.raises(AwsRefused, match="too many policies"):
        make(out, wanted(2), Frail(1, how=refused))
    with opened(out, wanted(2)) as ledger:
        assert ledger.state("CreatePolicy", "jobfleet-0123456789ab") == "failed"
    make(out, wanted(2), Frail())
    is_whole(out)
