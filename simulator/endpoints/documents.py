"""What ``documentSource`` names, read: from S3, or from a directory that is served.

Rule 1: reading never stops the loop: it happens in a thread.
Rule 2: whatever is wrong with a source is an InvalidRequest that says so; nothing is created.
Rule 3: ``file:`` names are relative to the served directory, and nothing outside it can be named,
        by dots or by links.

A document is read once, when the job is made; later edits of it have no effect (DG:manage-job-cli).
"""

import asyncio
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from simulator.errors import InvalidRequest

MAX_DOCUMENT: Final = 32768
"""Bytes (GR:dm)."""

MAX_SOURCE: Final = 1350
"""Characters of the address (botocore ``iot``)."""

_PATH_STYLE: Final = re.compile(r"s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")
_VIRTUAL: Final = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]+)\." + _PATH_STYLE.pattern)


class Documents:
    """Reads job documents for CreateJob and its templates."""

    def __init__(self, directory: Path | None = None, s3_endpoint_url: str | None = None) -> None:
        """``directory`` is what ``file:`` may read; without it, nothing."""
        self._directory = None if directory is None else directory.resolve()
        self._s3_endpoint_url = s3_endpoint_url
        self._s3: Any = None

    async def fetch(self, source: str) -> str:
        """The document's text.

        Raises:
            InvalidRequest: the source cannot be read, is too large or is not UTF-8.
        """
        if not 1 <= len(source) <= MAX_SOURCE:
            raise InvalidRequest(f"documentSource must have 1 to {MAX_SOURCE} characters")
        scheme = source.partition(":")[0].lower()
        if scheme == "file":
            content = await asyncio.to_thread(self._read_file, source)
        elif scheme in ("s3", "https"):
            bucket, key = s3_address(source)
            content = await asyncio.to_thread(self._read_object, bucket, key, source)
        else:
            raise InvalidRequest(
                f"documentSource {source!r}: allowed are s3://BUCKET/KEY, https addresses of S3 "
                "and file:NAME"
            )
        if len(content) > MAX_DOCUMENT:
            raise InvalidRequest(f"The document at {source} is larger than {MAX_DOCUMENT} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(f"The document at {source} is not UTF-8") from None

    def _read_file(self, source: str) -> bytes:
        if self._directory is None:
            raise InvalidRequest(
                f"documentSource {source!r}: no directory is served; start with --documents DIR"
            )
        name = unquote(source.partition(":")[2]).lstrip("/")
        try:
            path = (self._directory / name).resolve()
            if not path.is_relative_to(self._directory):
                raise InvalidRequest(f"documentSource {source!r} lies outside the served directory")
            with path.open("rb") as file:
                return file.read(MAX_DOCUMENT + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise InvalidRequest(f"documentSource {source!r} cannot be read: {why}") from None

    def _read_object(self, bucket: str, key: str, source: str) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client().get_object(Bucket=bucket, Key=key)
            content: bytes = answer["Body"].read(MAX_DOCUMENT + 1)
        except (BotoCoreError, ClientError, ValueError) as error:
            raise InvalidRequest(f"documentSource {source!r} cannot be read: {error}") from None
        return content

    def _client(self) -> Any:
        """The S3 client, made when it is first needed: importing botocore takes a while."""
        if self._s3 is None:
            from botocore.config import Config
            from botocore.session import Session

            session = Session()
            session.set_config_variable("metadata_service_timeout", 1)
            session.set_config_variable("metadata_service_num_attempts", 1)
            if session.get_credentials() is None:
                raise ValueError("there are no AWS credentials to read S3 with")
            config = Config(
                connect_timeout=5,
                read_timeout=10,
                retries={"max_attempts": 1},
                s3={"addressing_style": "path"} if self._s3_endpoint_url else None,
            )
            self._s3 = session.create_client(
                "s3",
                region_name=session.get_config_variable("region") or "us-east-1",
                endpoint_url=self._s3_endpoint_url,
                config=config,
            )
        return self._s3


def s3_address(source: str) -> tuple[str, str]:
    """Bucket and key of an S3 address.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        parts = urlsplit(source)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    path = "" if not host else unquote(parts.path).removeprefix("/")
    if host and parts.scheme.lower() == "s3":
        bucket, key = parts.netloc, path
    elif _PATH_STYLE.fullmatch(host):
        bucket, _, key = path.partition("/")
    elif (virtual := _VIRTUAL.fullmatch(host)) is not None:
        bucket, key = virtual["bucket"], path
    else:
        bucket, key = "", ""
    if not bucket or not key:
        raise InvalidRequest(
            f"documentSource {source!r} is no address of an S3 object: "
            "s3://BUCKET/KEY, https://s3.REGION.amazonaws.com/BUCKET/KEY or "
            "https://BUCKET.s3.REGION.amazonaws.com/KEY"
        )
    return bucket, key
