"""Whether something in the account is ours: the proof that a name alone is not.

* A thing and a group carry the fleet's mark as an attribute.
* A certificate is ours when its public key is that of the key file that we made for it.
* The policy's name contains the mark.

So what a killed run made without hearing of it is found again, and what was there before, or was
made anew by others under a name of ours, is told apart.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulator.certificates import Pair, device_of
from simulator.errors import AwsRefused, UsageError
from simulator.provisioning.account import NOT_FOUND, Account
from simulator.provisioning.plan import MARK, SHARED

SLACK: Final = timedelta(minutes=15)
"""How far this machine's clock may be from AWS's."""


def pair_of(directory: Path, owner: str) -> Pair:
    """Where an owner's certificate and key lie: as ``jobfleet certs`` lays them."""
    if owner == SHARED:
        return Pair(directory / "shared.pem", directory / "shared.key")
    return device_of(directory, owner)


def thing_mark(account: Account, name: str) -> str | None:
    """The mark of a thing, empty where it has none; None where there is no such thing."""
    try:
        found = account.surely("DescribeThing", thingName=name)
    except AwsRefused as error:
        if error.code == NOT_FOUND:
            return None
        raise
    return str(found.get("attributes", {}).get(MARK, ""))


def group_mark(account: Account, name: str) -> str | None:
    """The mark of a thing group, empty where it has none; None where there is no such group."""
    try:
        found = account.surely("DescribeThingGroup", thingGroupName=name)
    except AwsRefused as error:
        if error.code == NOT_FOUND:
            return None
        raise
    payload = found.get("thingGroupProperties", {}).get("attributePayload", {})
    return str(payload.get("attributes", {}).get(MARK, ""))


def find_certificate(account: Account, pair: Pair, asked_at: datetime) -> dict[str, Any] | None:
    """The certificate that was made for a key file's key after ``asked_at``, if there is one."""
    if not pair.key.exists():
        return None
    wanted = public_part(load_key(pair.key).public_key())
    for listed in account.pages("ListCertificates", "certificates", "marker", pageSize=250):
        if listed["creationDate"].astimezone(UTC) < asked_at - SLACK:
            continue
        found: dict[str, Any] = account.surely(
            "DescribeCertificate", certificateId=listed["certificateId"]
        )["certificateDescription"]
        made = x509.load_pem_x509_certificate(found["certificatePem"].encode())
        if public_part(made.public_key()) == wanted:
            return found
    return None


def public_part(key: Any) -> bytes:
    """A public key in the one form in which keys are compared."""
    return bytes(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A key that we made.

    Raises:
        UsageError: it is none.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: cannot be read as a key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UsageError(f"{path} is no key that jobfleet made (P-256)")
    return key


def signing_request(path: Path, common_name: str) -> str:
    """A request for a certificate, for the key in a file; the key is made if it is not there.

    The key is written for its owner only, whole or not at all: a half of one, of a kill, would be
    of no use to anybody.
    """
    if not path.exists():
        secret = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_whole(path, secret, 0o600)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = request.sign(load_key(path), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """A file, all of it or nothing.

    Raises:
        UsageError: it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
