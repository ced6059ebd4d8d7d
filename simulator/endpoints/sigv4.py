"""AWS Signature Version 4, verified: a request's bytes in, a verdict out; no clock, no sockets.

Rule 1: a signature comes in the ``Authorization`` header or in the query of a presigned URL, never
        in both.
Rule 2: what is signed is the path as it was sent, encoded once more (every service but S3), the
        query sorted, the headers named in ``SignedHeaders`` and the SHA-256 of the body.
Rule 3: ``Host`` and every ``X-Amz-…`` header must be among the signed ones.
Rule 4: a header signature is good for five minutes around its date; a presigned URL from five
        minutes before its date until ``X-Amz-Expires`` seconds after it.

The region of the scope is not checked: whichever region a client names is the one served here.
For the WebSocket of the device gateway the session token may have been added after signing.

Source: IAM user guide, "Create a signed AWS API request"; botocore ``auth.py`` is the oracle in
the tests.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from posixpath import normpath
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SKEW: Final = timedelta(minutes=5)
LONGEST_EXPIRY_S: Final = 7 * 24 * 3600
GATEWAY: Final = "iotdevicegateway"
TOKEN: Final = "X-Amz-Security-Token"

MISSING: Final = "MissingAuthenticationTokenException"
INCOMPLETE: Final = "IncompleteSignatureException"
UNKNOWN: Final = "UnrecognizedClientException"
INVALID: Final = "InvalidSignatureException"

Headers = Sequence[tuple[bytes, bytes]]


class Signed(NamedTuple):
    """What is signed: ``path`` and ``query`` as sent, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """``error`` is the name of AWS's exception, None where the signature is good."""

    service: str | None
    error: str | None = None
    message: str = ""


class _Claim(NamedTuple):
    """What a signature says of itself."""

    access_key: str
    day: str
    region: str
    service: str
    signed_headers: list[str]
    signature: str
    date: str
    expires_s: int | None
    """None for a signature in a header."""


class _Refused(Exception):
    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


def scope_service(headers: Headers, query: str) -> str | None:
    """The service that a request says it is signed for, unverified; None where unsigned."""
    credential = ""
    for name, value in headers:
        if name == b"authorization":
            credential = value.decode("latin-1").partition("Credential=")[2].partition(",")[0]
    if not credential and "X-Amz-Credential=" in query:
        credential = unquote(query.partition("X-Amz-Credential=")[2].partition("&")[0])
    scope = credential.split("/")
    return scope[3] if len(scope) == 5 else None


class Verifier:
    """Holds one pair of keys against signatures."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        self._access_key = access_key
        self._secret = secret_key
        self._keys: dict[tuple[str, str, str], bytes] = {}

    def verify(self, request: Signed, services: Sequence[str], now: datetime) -> Verdict:
        """Whether ``request`` is signed by our keys for one of ``services`` and not too old."""
        service = None
        try:
            claim = _claim(request)
            service = claim.service
            if not hmac.compare_digest(claim.access_key.encode(), self._access_key.encode()):
                raise _Refused(UNKNOWN, "The security token included in the request is invalid.")
            if service not in services:
                wanted = "' or '".join(services)
                raise _Refused(INVALID, f"Credential should be scoped to correct service: "
                                        f"'{wanted}'.")  # fmt: skip
            _check_headers(request, claim)
            _check_date(claim, now)
            self._check_signature(request, claim)
        except _Refused as refused:
            return Verdict(service, refused.error, str(refused))
        return Verdict(service)

    def _check_signature(self, request: Signed, claim: _Claim) -> None:
        key = self._signing_key(claim)
        scope = f"{claim.day}/{claim.region}/{claim.service}/aws4_request"
        for canonical in _canonical_requests(request, claim):
            digest = sha256(canonical).hexdigest()
            text = f"{ALGORITHM}\n{claim.date}\n{scope}\n{digest}"
            computed = hmac.new(key, text.encode(), sha256).hexdigest()
            if hmac.compare_digest(computed.encode(), claim.signature.encode()):
                return
        raise _Refused(
            INVALID,
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
        )

    def _signing_key(self, claim: _Claim) -> bytes:
        scope = (claim.day, claim.region, claim.service)
        key = self._keys.get(scope)
        if key is None:
            key = f"AWS4{self._secret}".encode()
            for part in (*scope, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            if len(self._keys) > 100:
                self._keys.clear()  # scopes are the caller's choice: their number is not
            self._keys[scope] = key
        return key


# ------------------------------------------------------------------------------- what is claimed


def _claim(request: Signed) -> _Claim:
    authorization = [v for name, v in request.headers if name == b"authorization"]
    presigned = dict(_pairs(request.query))
    if "X-Amz-Signature" in presigned or "X-Amz-Algorithm" in presigned:
        if authorization:
            raise _Refused(INCOMPLETE, "Only one of the Authorization header and the query "
                                       "parameters of a presigned URL may be given.")  # fmt: skip
        return _from_query(presigned)
    if not authorization:
        raise _Refused(MISSING, "Missing Authentication Token")
    return _from_header(authorization[-1].decode("latin-1"), request.headers)


def _from_header(text: str, headers: Headers) -> _Claim:
    algorithm, _, rest = text.partition(" ")
    if algorithm != ALGORITHM:
        raise _Refused(INCOMPLETE, f"Unsupported AWS 'algorithm': '{algorithm}'; use {ALGORITHM}.")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parts.get(name):
            raise _Refused(INCOMPLETE, f"Authorization header requires '{name}' parameter.")
    given = [v.decode("latin-1") for name, v in headers if name == b"x-amz-date"]
    if not given:
        raise _Refused(INCOMPLETE, "Authorization header requires existence of an 'X-Amz-Date' "
                                   "header.")  # fmt: skip
    return _Claim(
        *_scope(parts["Credential"]),
        parts["SignedHeaders"].split(";"),
        parts["Signature"],
        given[-1],
        None,
    )


def _from_query(parts: dict[str, str]) -> _Claim:
    if parts.get("X-Amz-Algorithm") != ALGORITHM:
        raise _Refused(INCOMPLETE, f"X-Amz-Algorithm must be {ALGORITHM}.")
    for name in ("Credential", "SignedHeaders", "Signature", "Date"):
        if not parts.get(f"X-Amz-{name}"):
            raise _Refused(INCOMPLETE, f"AWS query-string parameters must include 'X-Amz-{name}'.")
    expires = parts.get("X-Amz-Expires", "300")  # SDKs leave it out for the WebSocket
    if not (expires.isascii() and expires.isdigit() and len(expires) < 9):
        raise _Refused(INCOMPLETE, f"X-Amz-Expires must be a number of seconds, not '{expires}'.")
    if not 0 < int(expires) <= LONGEST_EXPIRY_S:
        raise _Refused(INCOMPLETE, f"X-Amz-Expires must be 1 to {LONGEST_EXPIRY_S} seconds.")
    return _Claim(
        *_scope(parts["X-Amz-Credential"]),
        parts["X-Amz-SignedHeaders"].split(";"),
        parts["X-Amz-Signature"],
        parts["X-Amz-Date"],
        int(expires),
    )


def _scope(credential: str) -> tuple[str, str, str, str]:
    """Access key, day, region and service of a credential."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise _Refused(INCOMPLETE, f"Credential '{credential}' is not of the form "
                                   "KEY/DATE/REGION/SERVICE/aws4_request.")  # fmt: skip
    return parts[0], parts[1], parts[2], parts[3]


# ------------------------------------------------------------------------------- what must hold


def _check_headers(request: Signed, claim: _Claim) -> None:
    present = {name.decode("latin-1") for name, _ in request.headers}
    must = {"host"} | {name for name in present if name.startswith("x-amz-")}
    unsigned = sorted(must - set(claim.signed_headers))
    if unsigned:
        raise _Refused(INVALID, f"These headers must be signed: {', '.join(unsigned)}.")
    absent = sorted(set(claim.signed_headers) - present)
    if absent:
        raise _Refused(INVALID, f"These headers are signed but absent: {', '.join(absent)}.")


def _check_date(claim: _Claim, now: datetime) -> None:
    try:
        when = datetime.strptime(claim.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _Refused(INCOMPLETE, "Date must be in ISO-8601 'basic format'. "
                                   f"Got '{claim.date}'.") from None  # fmt: skip
    if claim.day != claim.date[:8]:
        raise _Refused(INVALID, f"Date in Credential scope does not match that of the request: "
                                f"'{claim.day}' != '{claim.date[:8]}'.")  # fmt: skip
    said = now.strftime("%Y%m%dT%H%M%SZ")
    if when > now + SKEW:
        raise _Refused(INVALID, f"Signature not yet current: {claim.date} is still later than "
                                f"{said} + 5 min.")  # fmt: skip
    good_for = SKEW if claim.expires_s is None else timedelta(seconds=claim.expires_s)
    if when + good_for < now:
        raise _Refused(INVALID, f"Signature expired: {claim.date} + {int(good_for.total_seconds())}"
                                f" s is now earlier than {said}.")  # fmt: skip


# ------------------------------------------------------------------------------- what was signed


def _canonical_requests(request: Signed, claim: _Claim) -> list[bytes]:
    """What the client may have signed: one text, or two where a token may have been added after."""
    pairs = [pair for pair in _pairs(request.query) if pair[0] != "X-Amz-Signature"]
    queries = [pairs]
    if claim.service == GATEWAY and any(name == TOKEN for name, _ in pairs):
        queries.append([pair for pair in pairs if pair[0] != TOKEN])
    headers = "".join(f"{name}:{_values(request.headers, name)}\n" for name in claim.signed_headers)
    names = ";".join(claim.signed_headers)
    digest = sha256(request.body).hexdigest()
    path = quote(_normal_path(request.path), safe="/~")
    return [
        f"{request.method}\n{path}\n{_canonical_query(pairs)}\n{headers}\n{names}\n{digest}".encode(
            "latin-1"
        )
        for pairs in queries
    ]


def _pairs(query: str) -> list[tuple[str, str]]:
    """Names and values, decoded; unlike a form's, a plus sign is one."""
    split = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in split]


def _canonical_query(pairs: list[tuple[str, str]]) -> str:
    encoded = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _normal_path(path: str) -> str:
    """Without empty, ``.`` and ``..`` segments; a slash at the end stays."""
    normal = "/" + normpath(path).lstrip("/") if path.strip("/") else "/"
    return normal + "/" if path.endswith("/") and normal != "/" else normal


def _values(headers: Headers, name: str) -> str:
    """All values of a header, blanks collapsed."""
    wanted = name.encode("latin-1", "replace")
    return ",".join(" ".join(v.decode("latin-1").split()) for key, v in headers if key == wanted)
