"""One HTTP request as it came, and how the head of its response looks."""

from http import HTTPStatus
from typing import Final

import httptools

from simulator.jobs.rest import Response

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class Exchange:
    """One request as it came: ``path`` is raw, header names are in lower case."""

    __slots__ = ("body", "headers", "keep_alive", "method", "path", "query")

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        keep_alive: bool,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive

    def header(self, name: bytes) -> bytes | None:
        """The last header of that (lower-case) name."""
        found = None
        for key, value in self.headers:
            if key == name:
                found = value
        return found


def absolute(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target that is not a path."""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserError:
        return url, b""
    return parsed.path or b"/", parsed.query or b""


_heads: dict[tuple[int, str | None, str, str | None], bytes] = {}


def head(response: Response) -> bytes:
    """Status line and the headers that go with it; there are few, so they are kept."""
    status, _, error_type, _, _, content_type, allow, _ = response
    key = (status, error_type, content_type, allow)
    known = _heads.get(key)
    if known is None:
        lines = [f"HTTP/1.1 {status} {_REASONS[status]}", f"content-type: {content_type}"]
        if error_type is not None:
            lines.append(f"x-amzn-ErrorType: {error_type}")
        if allow is not None:
            lines.append(f"allow: {allow}")
        known = _heads[key] = ("\r\n".join(lines) + "\r\n").encode()
    return known
