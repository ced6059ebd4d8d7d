"""``--target aws``: the endpoint found by DescribeEndpoint, after the account was named."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from simulator import certificates
from simulator.aws_target import find
from simulator.errors import UsageError
from simulator.provisioning import account as module
from simulator.targets import TargetOptions, aim
from simulator.today import utc_now
from tests.processes import jobfleet, serving, summary
from tests.provisioning.in_an_account import OWNER, REGION

HERE = TargetOptions(region=REGION)
ADDRESS = f"127.86.{os.getpid() >> 8 & 255}.{os.getpid() % 254 + 1}"
"""Ours alone on this machine: AWS's port 8883 is part of what is tried."""
SCENARIO = """\
fleet: [{cohort: g, things: 2, work: {duration: 1s, steps: 2}}]
job: {document: {}}
load: {until: 30s}
expect: {succeeded: "== 100%"}
"""


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, settings: None) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def test_the_endpoint_is_the_accounts_and_jobs_are_made_in_its_region(
    account: None, keys: None, tmp_path: Path
) -> None:
    signed = find("aws", None, HERE, OWNER)
    assert re.fullmatch(rf"wss://\w+-ats\.iot\.{REGION}\.amazonaws\.com/mqtt", signed.target)
    assert signed.control == f"https://iot.{REGION}.amazonaws.com"
    certificates.make(tmp_path, ["T"], [], 1, utc_now())
    own = HERE._replace(certs=tmp_path, ca=tmp_path / "ca.pem")
    mutual = find("aws", None, own, OWNER)
    assert re.fullmatch(r"mqtts://\w+-ats\.iot\.\S+:8883", mutual.target)
    for found in (signed, mutual, find("aws:mqtts", None, own, OWNER)):
        aimed = aim(found.target, found.control, found.options, 1.0)
        assert aimed is not None
        assert (aimed.target.signer is None) == (aimed.target.scheme == "mqtts")
        # the control plane takes signatures, and is no server of the things' authority
        assert aimed.control.signer is not None
        assert (aimed.control.ca, aimed.control.pair, aimed.control.certificates) == (None,) * 3


@pytest.mark.parametrize(
    ("target", "options", "named", "words"),
    [
        ("aws", {}, None, "name the account with --account ID"),
        ("aws", {}, "210987654321", f"the credentials are those of account {OWNER}"),
        ("aws:mqtt", {}, OWNER, "allowed are aws, aws:mqtts and aws:wss"),
        ("aws:mqtts", {}, OWNER, "needs certificates: --certs DIR"),
        ("aws:mqtts", {"sigv4": True, "certs": Path()}, OWNER, "knows certificates only"),
        ("aws:wss", {"certs": Path()}, OWNER, "shows no certificate"),
        ("aws", {"region": "eu-west-99"}, OWNER, "AWS IoT is in no such region"),
        ("aws", {"region": None}, OWNER, "no region is given; write --region"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    target: str, options: dict[str, object], named: str | None, words: str, account: None,
    keys: None, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    asked: list[str] = []
    call = module.Account.call

    def noted(self: module.Account, operation: str, **parameters: object) -> dict[str, Any]:
        asked.append(operation)
        return call(self, operation, **parameters)

    monkeypatch.setattr(module.Account, "call", noted)
    with pytest.raises(UsageError, match=re.escape(words)) as wrong:
        find(target, None, HERE._replace(**options), named)  # type: ignore[arg-type]  # by name
    assert "\n" not in str(wrong.value)
    assert asked == (["GetCallerIdentity"] if "credentials" in words else [])


def test_without_credentials_the_command_ends_and_says_what_to_do(
    settings: None, tmp_path: Path
) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SCENARIO)
    run = ("run", scenario, "--target", "aws", "--region", REGION)
    for more, words in (
        (("--account", OWNER), "no AWS credentials are found; set AWS_PROFILE"),
        ((), "name the account with --account ID"),
        (("--account", OWNER, "--control", "https://localhost"), "leave out --control"),
    ):
        done = jobfleet(*run, *more)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert words in done.stderr


@pytest.mark.slow
def test_a_run_finds_its_way_by_describe_endpoint(keys: None, tmp_path: Path) -> None:
    """As at AWS, but for who answers: mutual TLS on 8883, the control plane elsewhere."""
    certificates.make(tmp_path, ["g-000000", "g-000001"], [ADDRESS], 1, utc_now())
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SCENARIO)
    tls = ("--tls", str(tmp_path), "--mtls", "--mqtts-port", "8883", "--https-port", "0")
    with serving("--host", ADDRESS, *tls) as (_, found):
        done = jobfleet(
            "run", scenario, "--out", tmp_path / "out", "--target", "aws", "--region", REGION,
            "--endpoint-url", f"http://{ADDRESS}:{found['http']}", "--certs", tmp_path,
            "--ca", tmp_path / "ca.pem",
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"AWS, region {REGION}: mqtts://{ADDRESS}:8883" in done.stderr
    assert summary(tmp_path / "out")["executions"] == {"SUCCEEDED": 2}


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="port 443 is for root")
def test_a_run_signs_its_way_through_a_websocket(keys: None, tmp_path: Path) -> None:
    """As at AWS: a signed WebSocket on 443, and a service that refuses other signatures."""
    certificates.make(tmp_path, [], [ADDRESS], 1, utc_now())
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SCENARIO)
    doors = ("--tls", str(tmp_path), "--mqtts-port", "0", "--https-port", "443")
    for secret, code, words in (
        ("testing", 0, f"AWS, region {REGION}: wss://{ADDRESS}/mqtt"),
        ("another", 2, "AWS refuses these credentials"),
    ):
        keys_of_service = ("--access-key", "testing", "--secret-key", secret)
        with serving("--host", ADDRESS, *doors, *keys_of_service) as (_, found):
            done = jobfleet(
                "run", scenario, "--out", tmp_path / secret, "--target", "aws:wss", "--region",
                REGION, "--endpoint-url", f"http://{ADDRESS}:{found['http']}", "--ca",
                tmp_path / "ca.pem",
            )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert words in done.stderr
    assert summary(tmp_path / "testing")["executions"] == {"SUCCEEDED": 2}
