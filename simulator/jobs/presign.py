"""Presigned URLs in job documents: placeholders, and what a device gets in their place.

AWS signs each URL when it sends the document; here the signature is a hash of what it signs, so
that the same moment of a scenario gives the same bytes. It has the look and the expiry of AWS's and
no secret behind it: no S3 accepts it (docs/fidelity.md, "presigned URLs").
"""

import re
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from simulator.jobs.schedule import show_time

DEFAULT_EXPIRY: Final = 3600
"""Seconds that a URL is good for unless the job says otherwise (botocore ``iot``)."""

MOST: Final = 10
"""Placeholders that a document may have (AWS's limits page of 2019)."""

PLACEHOLDER: Final = re.compile(r"\$\{aws:iot:s3-presigned-url(?:-v2)?:(https://[^\s\"\\{}?]+)\}")


class Signer:
    """Signs the placeholders of one job's document."""

    __slots__ = ("_credential", "_epoch", "_expires")

    def __init__(self, role_arn: str, expires: int | None, region: str, epoch: float) -> None:
        self._credential = (role_arn.rpartition("/")[2], region)
        self._expires = expires or DEFAULT_EXPIRY
        self._epoch = epoch

    def sign(self, document: str, now: float) -> str:
        """The document as a device gets it at ``now``."""
        return PLACEHOLDER.sub(lambda match: self._url(match.group(1), now), document)

    def _url(self, url: str, now: float) -> str:
        role, region = self._credential
        unix = int(self._epoch + now)
        minute = show_time(unix).replace("-", "").replace(":", "")
        stamp = f"{minute}{unix % 60:02d}Z"
        scope = quote(f"{role}/{stamp[:8]}/{region}/s3/aws4_request", safe="")
        query = (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Date={stamp}"
            f"&X-Amz-Expires={self._expires}&X-Amz-SignedHeaders=host"
        )
        signature = sha256(f"{url}?{query}".encode()).hexdigest()
        return f"{url}?{query}&X-Amz-Signature={signature}"
