"""The safety interlock: which hosts are this machine, which are AWS, and what the others need."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import interlock
from simulator.errors import UsageError
from simulator.interlock import Place, Resolved, admit, bounds, host_of, place

AWS_HOST = "a1b2c3-ats.iot.eu-west-1.amazonaws.com"
NAMES = {
    "localhost": Resolved("localhost", ["127.0.0.1", "::1"]),
    "127.1": Resolved("127.1", ["127.0.0.1"]),
    "half.example": Resolved("half.example", ["127.0.0.1", "192.0.2.7"]),
    "mine.example": Resolved("mine.example", ["192.0.2.7"]),
    "own-domain.example": Resolved(AWS_HOST, ["192.0.2.8"]),
}


def book(host: str) -> Resolved:
    try:
        ip_address(host)
    except ValueError:
        return NAMES.get(host, Resolved(host, ()))
    return Resolved(host, [host])


def never() -> str:
    raise AssertionError("STS was asked")


@pytest.mark.parametrize(
    ("host", "where"),
    [
        ("localhost", Place.LOOPBACK),
        ("LOCALHOST.", Place.LOOPBACK),
        ("127.0.0.1", Place.LOOPBACK),
        ("127.255.255.254", Place.LOOPBACK),
        ("127.1", Place.LOOPBACK),
        ("::1", Place.LOOPBACK),
        ("[0:0:0:0:0:0:0:1]", Place.LOOPBACK),
        ("::ffff:127.0.0.1", Place.LOOPBACK),
        ("::ffff:192.0.2.1", Place.FOREIGN),
        ("fe80::1", Place.FOREIGN),
        ("0.0.0.0", Place.FOREIGN),
        ("10.0.0.1", Place.FOREIGN),
        ("128.0.0.1", Place.FOREIGN),
        ("half.example", Place.FOREIGN),
        ("unknown.example", Place.FOREIGN),
        ("localhost.example", Place.FOREIGN),
        (AWS_HOST, Place.AWS),
        (AWS_HOST.upper() + ".", Place.AWS),
        ("iot.cn-north-1.amazonaws.com.cn", Place.AWS),
        ("iot.eu-west-1.api.aws", Place.AWS),
        ("own-domain.example", Place.AWS),
        ("notamazonaws.com", Place.FOREIGN),
        ("amazonaws.com.example", Place.FOREIGN),
    ],
)
def test_where_a_host_stands(host: str, where: Place) -> None:
    assert place(host, book) is where


@given(st.ip_addresses())
def test_an_address_is_free_only_in_the_loopback_networks(address: object) -> None:
    text = str(address)
    mapped = getattr(address, "ipv4_mapped", None)
    loopback = text == "::1" or str(mapped or text).startswith("127.")
    assert (place(text, book) is Place.LOOPBACK) == loopback


def test_the_system_knows_loopback() -> None:
    assert place("localhost") is place("127.0.0.1") is place("::1") is Place.LOOPBACK


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("mqtt://localhost:1883", "localhost"),
        ("wss://[::1]:443/mqtt", "::1"),
        ("https://user@Mine.Example.:8443/x", "mine.example"),
        ("mine.example:1883", "mine.example"),
    ],
)
def test_the_host_of_a_target(target: str, host: str) -> None:
    assert host_of(target) == host


@pytest.mark.parametrize("target", ["", "mqtt://", "mqtt://:1883", "mqtt://[::1"])
def test_a_target_without_a_host(target: str) -> None:
    with pytest.raises(UsageError, match="names no host"):
        host_of(target)


def test_this_machine_needs_nothing_and_has_no_bounds() -> None:
    assert (
        admit(["mqtt://localhost:1", None, "http://[::1]:2"], [], None, never, 1e9, None, book)
        is None
    )
    assert admit([None], [], None, never, 1e9, None, book) is None


def test_a_foreign_host_is_named_exactly() -> None:
    target = "mqtt://mine.example:1883"
    for owned in ([], ["example"], ["mine.example.org"], ["*.example"], ["*"], ["192.0.2.7"]):
        with pytest.raises(UsageError, match=r"--i-own-this-target mine.example"):
            admit([target], owned, None, never, 60, None, book)
    found = admit([target], ["Mine.Example."], None, never, 60, None, book)
    assert found == interlock.Bounds(60, interlock.FOREIGN_RATE)


def test_every_target_of_a_run_is_looked_at() -> None:
    with pytest.raises(UsageError, match=r"10\.0\.0\.9 is not on this machine"):
        admit(["mqtt://localhost", "http://10.0.0.9:80"], [], None, never, 60, None, book)


def test_aws_needs_its_account_and_no_other() -> None:
    target, here = [f"mqtts://{AWS_HOST}:8883"], "123456789012"
    with pytest.raises(UsageError, match="--account ID"):
        admit(target, [AWS_HOST], None, never, 60, None, book)
    with pytest.raises(UsageError, match="12 digits"):
        admit(target, [], "1234", never, 60, None, book)
    with pytest.raises(UsageError, match="credentials are those of account 123456789012"):
        admit(target, [], "210987654321", lambda: here, 60, None, book)
    found = admit(target, [], here, lambda: here, 60, None, book)
    assert found == interlock.Bounds(60, interlock.AWS_RATE)


@pytest.mark.parametrize(
    ("seconds", "rate"), [(0, 1), (86_401, 1), (float("inf"), 1), (60, 201), (60, 0), (60, -1)]
)
def test_a_run_that_leaves_is_bounded(seconds: float, rate: float) -> None:
    with pytest.raises(UsageError, match=r"at most|ceiling|above what AWS takes"):
        bounds(Place.AWS, seconds, rate)
