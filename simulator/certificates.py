"""``jobfleet certs``: an authority of one's own, a server certificate, and one per device.

Rule 1: what exists stays as it is. Running it again adds devices to the same authority; an
        authority or a server certificate that does not fit what is asked for is an error.
Rule 2: a key is readable by its owner only, from its first byte on.
Rule 3: a device's common name is its thing's name, which is what ``serve --mtls`` goes by.

Keys are P-256, which AWS takes from devices as well as RSA; certificates name their issuer's key
and their purpose, so that strict clients (Python 3.13 by default) accept them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator.errors import UsageError
from simulator.jobs.registry import THING_NAME

AUTHORITY_DAYS: Final = 3650
HOSTS: Final = ("localhost", "127.0.0.1", "::1")
MAX_COMMON_NAME: Final = 64
"""Characters (RFC 5280, upper bound of common-name)."""

BACKDATE: Final = timedelta(hours=1)
"""A device whose clock is a little behind must not find its certificate not yet valid."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(slots=True)
class Made:
    """What ``make`` found to do."""

    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def authority_of(directory: Path) -> Pair:
    """Where the authority lies."""
    return Pair(directory / "ca.pem", directory / "ca.key")


def server_of(directory: Path) -> Pair:
    """Where the server's pair lies."""
    return Pair(directory / "server.pem", directory / "server.key")


def device_of(directory: Path, thing_name: str) -> Pair:
    """Where a device's pair lies."""
    things = directory / "things"
    return Pair(things / f"{thing_name}.pem", things / f"{thing_name}.key")


def make(
    directory: Path, things: Sequence[str], hosts: Sequence[str], days: int, now: datetime
) -> Made:
    """Make what is missing of authority, server and devices.

    Raises:
        UsageError: a name is not possible, or what is there already does not fit.
    """
    for name in things:
        _check_thing(name)
    report = Made()
    try:
        (directory / "things").mkdir(parents=True, exist_ok=True)
        authority = _Authority(directory, now, report)
        _server(authority, directory, hosts, days, now, report)
        for name in dict.fromkeys(things):
            pair = device_of(directory, name)
            if _there(pair, report):
                _check_age(pair, now)
            else:
                authority.issue(pair, name, None, days, now)
                report.made += [pair.certificate, pair.key]
    except OSError as error:
        raise UsageError(f"cannot write certificates to {directory}: {error}") from None
    return report


def _check_thing(name: str) -> None:
    if not THING_NAME.fullmatch(name):
        raise UsageError(f"--thing {name!r}: a thing's name is 1 to 128 characters of a-zA-Z0-9:_-")
    if len(name) > MAX_COMMON_NAME:
        raise UsageError(
            f"--thing {name}: a certificate's common name holds {MAX_COMMON_NAME} characters; "
            "give it a shorter one and name the thing in a --policy file"
        )


class _Authority:
    """Signs; made on first use, loaded ever after."""

    def __init__(self, directory: Path, now: datetime, report: Made) -> None:
        pair = authority_of(directory)
        if _there(pair, report):
            self.certificate, self._key = _load(pair)
            if self.certificate.not_valid_after_utc <= now:
                raise UsageError(
                    f"{pair.certificate} has expired; make a new set in an empty directory"
                )
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("jobfleet local authority")
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self.certificate = (
            _builder(name, name, self._key.public_key(), AUTHORITY_DAYS, now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        _write(pair, self.certificate, self._key)
        report.made += [pair.certificate, pair.key]

    def issue(
        self, pair: Pair, common_name: str, hosts: Sequence[str] | None, days: int, now: datetime
    ) -> None:
        """Make a server's pair (with ``hosts``) or a device's."""
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if hosts is None else (
            ExtendedKeyUsageOID.SERVER_AUTH
        )  # fmt: skip
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=False, crl_sign=False, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(_name(common_name), self.certificate.subject, key.public_key(), days, now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
        )
        if hosts is not None:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        _write(pair, builder.sign(self._key, hashes.SHA256()), key)


def _server(
    authority: _Authority,
    directory: Path,
    hosts: Sequence[str],
    days: int,
    now: datetime,
    report: Made,
) -> None:
    """The server's pair; one that is there must name every host asked for."""
    pair = server_of(directory)
    wanted = list(dict.fromkeys((*HOSTS, *hosts)))
    names = [_host(host) for host in wanted]
    if not _there(pair, report):
        authority.issue(pair, "jobfleet", wanted, days, now)
        report.made += [pair.certificate, pair.key]
        return
    known = (
        _check_age(pair, now).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )
    absent = [host for host, name in zip(wanted, names, strict=True) if name not in known]
    if absent:
        raise UsageError(
            f"{pair.certificate} exists and does not name {', '.join(absent)}; remove "
            f"{pair.certificate} and {pair.key} to have it made anew"
        )


def _check_age(pair: Pair, now: datetime) -> x509.Certificate:
    """The certificate of a pair that is kept; one that has expired is of no use to anybody."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    except ValueError as error:
        raise UsageError(f"{pair.certificate}: cannot be read: {error}") from None
    if certificate.not_valid_after_utc <= now:
        raise UsageError(
            f"{pair.certificate} has expired; remove {pair.certificate} and {pair.key} to have it "
            "made anew"
        )
    return certificate


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    days: int,
    now: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError:
        raise UsageError(f"--host {host!r} is neither a host name nor an address") from None


def _there(pair: Pair, report: Made) -> bool:
    """Whether a pair exists; half of one is an error, since the other half cannot be made."""
    there = [path.exists() for path in (pair.certificate, pair.key)]
    if any(there) and not all(there):
        absent = pair.key if there[0] else pair.certificate
        raise UsageError(f"{absent} is missing beside its other half; put it back, or remove both")
    if all(there):
        report.kept += [pair.certificate, pair.key]
    return all(there)


def _load(pair: Pair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{pair.certificate}, {pair.key}: cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UsageError(f"{pair.key} is not a key that jobfleet made (P-256)")
    return certificate, key


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Write both, the key first and never over something that is there."""
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(pair.key, flags, 0o600), "wb") as file:
        file.write(secret)
    with pair.certificate.open("xb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
