"""Each test has an empty AWS account of its own, and no credentials but that one's."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.session
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto import mock_aws
from moto.iot.models import IoTBackend

from simulator.today import utc_now

loader = cache(botocore.loaders.create_loader)
"""The models are read once for all tests."""

AUTHORITY = ec.generate_private_key(ec.SECP256R1())


def certify(backend: Any, csr: str, set_as_active: bool) -> Any:
    """What AWS does: a certificate for the key that asks. (moto certifies a key of its own.)"""
    request, now = x509.load_pem_x509_csr(csr.encode()), utc_now()
    assert request.is_signature_valid
    certificate = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "moto")]))
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(AUTHORITY, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return backend.register_certificate(
        pem, ca_certificate_pem=None, set_as_active=set_as_active, status="INACTIVE"
    )


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration of whoever runs the tests, and an AWS that certifies as AWS does."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION",
                 "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(botocore.loaders, "create_loader", loader)
    monkeypatch.setattr(IoTBackend, "create_certificate_from_csr", certify)


session = cache(botocore.session.Session)


@pytest.fixture
def account(settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with mock_aws():
        monkeypatch.setattr(botocore.session, "Session", session)
        yield
