"""``jobfleet certs``: what it makes, what it keeps, what it refuses."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulator import certificates
from simulator.errors import UsageError

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
JOBFLEET = [sys.executable, "-m", "simulator.cli"]


def make(directory: Path, *things: str, hosts: tuple[str, ...] = (), days: int = 30) -> list[str]:
    report = certificates.make(directory, things, hosts, days, NOW)
    return [path.name for path in report.made]


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_an_authority_a_server_and_devices(tmp_path: Path) -> None:
    made = make(tmp_path / "new", "T", "a:b", "T", hosts=("fleet.example", "10.0.0.7"))
    assert made == ["ca.pem", "ca.key", "server.pem", "server.key",
                    "T.pem", "T.key", "a:b.pem", "a:b.key"]  # fmt: skip
    authority, server = load(tmp_path / "new/ca.pem"), load(tmp_path / "new/server.pem")
    device = load(tmp_path / "new/things/a:b.pem")
    for leaf in (server, device):
        leaf.verify_directly_issued_by(authority)
        assert leaf.not_valid_after_utc == NOW + timedelta(days=30)
        assert leaf.not_valid_before_utc < NOW
    assert device.subject.rfc4514_string() == "CN=a:b"
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "fleet.example"]
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    assert list(addresses) == ["127.0.0.1", "::1", "10.0.0.7"]
    purposes = [
        c.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value for c in (server, device)
    ]
    assert list(purposes[0]) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert list(purposes[1]) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    for key in (tmp_path / "new").rglob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_again_adds_devices_and_overwrites_nothing(tmp_path: Path) -> None:
    make(tmp_path, "T")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert make(tmp_path, "T", "T2") == ["T2.pem", "T2.key"]
    assert {path: path.read_bytes() for path in before} == before
    load(tmp_path / "things/T2.pem").verify_directly_issued_by(load(tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    ("things", "words"),
    [(("a/b",), "a thing's name is"), (("",), "a thing's name is"), (("x" * 65,), "--policy")],
)
def test_a_name_that_no_certificate_can_carry(
    tmp_path: Path, things: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        make(tmp_path / "new", "T", *things)
    assert not (tmp_path / "new").exists()


def test_a_host_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a host name nor an address"):
        make(tmp_path, hosts=("bücher.example",))


def test_a_server_certificate_without_the_host_asked_for(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(UsageError, match=r"does not name 10\.0\.0\.7; remove"):
        make(tmp_path, "T", hosts=("10.0.0.7",))
    assert not (tmp_path / "things/T.pem").exists()


@pytest.mark.parametrize("name", ["ca.key", "server.pem", "things/T.key"])
def test_half_a_pair(tmp_path: Path, name: str) -> None:
    make(tmp_path, "T")
    (tmp_path / name).unlink()
    with pytest.raises(UsageError, match="missing beside its other half"):
        make(tmp_path, "T")


def test_an_authority_that_cannot_sign(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(UsageError, match="cannot be read"):
        make(tmp_path, "T")


def test_an_authority_of_another_kind(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ed25519

    make(tmp_path)
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    (tmp_path / "ca.key").write_bytes(key)
    with pytest.raises(UsageError, match="not a key that jobfleet made"):
        make(tmp_path, "T")


def test_an_authority_that_has_expired(tmp_path: Path) -> None:
    make(tmp_path)
    later = NOW + timedelta(days=4000)
    with pytest.raises(UsageError, match="has expired"):
        certificates.make(tmp_path, ["T"], [], 30, later)


@pytest.mark.parametrize("name", ["server", "things/T"])
def test_a_certificate_that_has_expired_is_not_kept_in_silence(tmp_path: Path, name: str) -> None:
    make(tmp_path, "T", days=3 if name == "things/T" else 1)
    if name == "things/T":
        (tmp_path / "server.pem").unlink()
        (tmp_path / "server.key").unlink()
    later = NOW + timedelta(days=5)
    with pytest.raises(UsageError, match=f"{name}.pem has expired; remove"):
        certificates.make(tmp_path, ["T"], [], 30, later)


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    make(tmp_path, "T")
    (tmp_path / "things/T.pem").write_text("nonsense")
    with pytest.raises(UsageError, match=r"T\.pem: cannot be read"):
        make(tmp_path, "T")


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write certificates"):
        make(tmp_path / "file" / "below")


def test_the_command_says_what_it_made_and_what_comes_next(tmp_path: Path) -> None:
    command = [*JOBFLEET, "certs", str(tmp_path), "--thing", "T", "--thing", "T2", "--days", "7"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert first.stdout.count("made  ") == 8
    assert f"jobfleet serve --tls {tmp_path} --mtls" in first.stdout
    assert "/things/T/jobs" in first.stdout
    again = subprocess.run(command[:5], capture_output=True, text=True, check=True)
    assert again.stdout.count("kept  ") == 4
    assert f"jobfleet certs {tmp_path} --thing NAME" in again.stdout
    wrong = subprocess.run([*command, "--thing", "?"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("Error: --thing '?'")
