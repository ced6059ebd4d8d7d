"""Calls to an account: within quotas, tried again where that is safe, and understood."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import AwsRefused, NoReply, TargetError, UsageError
from simulator.provisioning import cost, plan
from simulator.provisioning.account import TRIES, Account, Pace, account_id, discover
from tests.doors_in_thread import KEY, SECRET, served
from tests.processes import free_port
from tests.provisioning.in_an_account import (
    EMPTY,
    OWNER,
    REGION,
    Frail,
    Slept,
    clean,
    inventory,
    make,
    wanted,
)


def answering(account: Account, *answers: tuple[int, str] | None) -> None:
    """Have the next calls answered so, None as AWS would; then as AWS would."""
    left = list(answers)

    def answer(request: Any, **_: object) -> AWSResponse | None:
        told = left.pop(0) if left else None
        if told is None:
            return None
        headers = {"x-amzn-errortype": told[1], "content-type": "application/json"}
        return AWSResponse(request.url, told[0], headers, Raw())

    account._client("iot").meta.events.register_first("before-send.iot", answer)


class Raw:
    def stream(self, **_: object) -> Iterator[bytes]:
        yield b'{"message": "no"}'


# ------------------------------------------------------------------------------- pace


@given(
    st.lists(st.sampled_from(["CreateThing", "AttachPolicy", "DescribeThing"]), max_size=60),
    st.floats(0.5, 200),
)
def test_no_second_has_more_calls_than_allowed(operations: list[str], rate: float) -> None:
    slept = Slept()
    pace = Pace(rate, slept.clock, slept.sleep)
    at: dict[str, list[float]] = {"": []}
    for operation in operations:
        pace.wait(operation)
        at[""].append(slept.now)
        at.setdefault(operation, []).append(slept.now)
    for name, times in at.items():
        apart = 1 / min(rate, plan.quota_of(name) if name else rate)
        assert all(b - a >= apart * 0.999 for a, b in pairwise(times))


@pytest.mark.usefixtures("account")
def test_throttled_calls_are_made_again_after_pauses_that_double() -> None:
    account = Frail()
    answering(account, *[(400, "ThrottlingException")] * 3, (503, "ServiceUnavailableException"))
    account.call("CreateThing", thingName="t")
    assert account.throttled == 4
    assert account.slept.now >= 0.5 + 1 + 2 + 4
    assert list(inventory()["things"]) == ["t"]


@pytest.mark.usefixtures("account")
def test_throttled_for_ever_is_the_targets_fault(tmp_path: Path) -> None:
    account = Frail()
    answering(account, None, None, None, *[(400, "ThrottlingException")] * TRIES)
    with pytest.raises(TargetError, match=f"CreatePolicy was thrown back {TRIES} times"):
        make(tmp_path / "out", wanted(2), account)
    make(tmp_path / "out", wanted(2), Frail())
    assert len(inventory()["things"]) == 2
    assert not clean(tmp_path / "out", Frail()).left
    assert inventory() == EMPTY


@pytest.mark.usefixtures("account")
def test_an_internal_failure_may_have_been_done() -> None:
    account = Frail()
    answering(account, (500, "InternalFailureException"))
    with pytest.raises(NoReply, match="500 InternalFailureException"):
        account.call("CreateThing", thingName="t")
    assert account.throttled == 0


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("code", ["AccessDeniedException", "UnauthorizedException"])
def test_what_may_not_be_done_names_the_page(code: str) -> None:
    account = Frail()
    answering(account, (403, code))
    with pytest.raises(UsageError, match=r"may not do it .*docs/provisioning.md"):
        account.call("CreateThing", thingName="t")


@pytest.mark.usefixtures("account")
def test_the_account_and_its_endpoint() -> None:
    assert account_id(REGION, None) == OWNER
    assert discover(REGION, None).endswith(f"-ats.iot.{REGION}.amazonaws.com")


# ------------------------------------------------------------------------------- configuration


@pytest.mark.usefixtures("settings")
def test_no_credentials() -> None:
    with pytest.raises(UsageError, match="no AWS credentials are found; set AWS_PROFILE"):
        Account(REGION, None, None, Pace(10))


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("region", "says"),
    [
        (None, "no region is given; write --region"),
        ("eu-wset-1", "no such region; did you mean eu-west-1"),
        ("moon", "no such region"),
        ("no region at all", "no such region"),
    ],
)
def test_a_region_that_is_none(region: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Account(region, None, None, Pace(10))


@pytest.mark.usefixtures("settings")
def test_an_unknown_profile() -> None:
    with pytest.raises(UsageError, match="nobody"):
        Account(REGION, "nobody", None, Pace(10))


@pytest.fixture
def keys(settings: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def use(secret: str) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)

    return use


def test_wrong_credentials_are_refused_by_our_own_service(keys: Callable[[str], None]) -> None:
    keys("wrong")
    with served(keys=(KEY, SECRET)) as up:
        account = Account(REGION, None, f"http://127.0.0.1:{up.addresses.http}", Pace(100))
        with pytest.raises(UsageError, match="AWS refuses these credentials"):
            account.call("CreateThing", thingName="t")


def test_things_and_group_in_our_own_service(keys: Callable[[str], None], tmp_path: Path) -> None:
    keys(SECRET)
    asked = wanted(3, "none")
    with served(keys=(KEY, SECRET)) as up:
        registry = up.host.service.registry
        url = f"http://127.0.0.1:{up.addresses.http}"
        account = Account(REGION, None, url, Pace(1000))
        assert account.is_here
        registry.create_thing("lab-000007")
        make(tmp_path / "out", asked, account)
        group = registry.groups["lab-fleet"]
        assert list(group.everybody()) == asked.names()
        assert discover(REGION, None, url)
        assert not clean(tmp_path / "out", account).left
        assert sorted(registry.names.after(None)) == ["T", "T2", "lab-000007"]
        assert not registry.groups
        with pytest.raises(AwsRefused, match="ResourceNotFound"):
            account.call("DescribeThing", thingName="lab-000000")


def test_nobody_there(keys: Callable[[str], None]) -> None:
    keys(SECRET)
    account = Account(REGION, None, f"http://127.0.0.1:{free_port()}", Pace(100))
    with pytest.raises(TargetError, match="Could not connect"):
        account.account_id()


# ------------------------------------------------------------------------------- the plan


def test_the_policy_allows_what_jobs_need_and_fits() -> None:
    text = plan.policy_document("eu-west-1", OWNER)
    assert len(text) <= plan.MOST_POLICY
    start = f"arn:aws:iot:eu-west-1:{OWNER}:"
    assert f'"{start}client/${{iot:Connection.Thing.ThingName}}"' in text
    assert '"iot:Connection.Thing.IsAttached":"true"' in text
    assert "iot:*" not in text
    assert '"*"' not in text
    assert plan.policy_document("cn-north-1", OWNER).count("arn:aws-cn:") == 7


def test_the_plan_counts_the_calls_that_are_made(tmp_path: Path, account: None) -> None:
    for kind in ("per-thing", "one", "none"):
        asked = plan.Wanted(2, f"{kind}", f"{kind}-fleet", kind)
        frail = Frail()
        make(tmp_path / kind, asked, frail, mark=kind)
        planned = {k: v for k, v in asked.calls().items() if not k.startswith(("Get", "Describe"))}
        made = {name: frail.changes.count(name) for name in frail.changes}
        assert made == planned


def test_the_estimate_by_hand() -> None:
    lines = {line.what.split()[0]: line for line in cost.estimate(wanted(300_000))}
    assert lines["registry"].count == 4 * 300_000 + 2
    assert lines["minutes"].usd == pytest.approx(18 * 0.08)
    assert lines["messages"].usd == pytest.approx(3.6 * 1.00)
    assert lines["job"].usd == pytest.approx(250_000 * 0.003 + 50_000 * 0.0015)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (wanted(0), "allowed are 1 to 100,000"),
        (wanted(100_001), "allowed are 1 to 100,000"),
        (wanted(prefix="a b"), "no name that AWS takes"),
        (wanted(prefix="a:b"), "no colon"),
        (wanted(prefix="a/../b"), "no name that AWS takes"),
        (wanted(prefix="x" * 122), "no name that AWS takes"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(asked: plan.Wanted, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plan.check(asked)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "Version and Statement"),
        ('{"Statement": [' + '"' + "x" * 2048 + '"]}', "AWS takes 2048"),
    ],
)
def test_a_policy_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        plan.read_policy(path)


def test_nothing_of_aws_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, simulator.cli.app, simulator.provisioning.making; "
        "sys.exit('botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
