"""One HTTP request on its way to an operation: its names, query and body, checked on demand."""

from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec

from simulator.errors import InvalidRequest
from simulator.jobs.paging import MAX_RESULTS
from simulator.jobs.service import JobsService
from simulator.jobs.wire import Wire

T = TypeVar("T", bound=msgspec.Struct)
L = TypeVar("L", bound=str)
Members = dict[str, Any]

DIGITS = 19
"""The most that a number of 64 bits has."""

TIMES = ("createdAt", "lastUpdatedAt", "completedAt", "queuedAt", "startedAt")


class Request(NamedTuple):
    """One HTTP request, as much of it as matters here."""

    method: str
    path: str
    """Raw: still percent-encoded."""
    query: str
    body: bytes
    signing_name: str | None
    """The service in the SigV4 credential scope, None where unsigned."""
    document: str | None = None
    """What ``documentSource`` names, read already by whoever may read."""


class Response(NamedTuple):
    """What to answer: ``error_type`` goes to ``x-amzn-ErrorType``."""

    status: int
    body: bytes
    error_type: str | None = None
    operation: str = "Unknown"
    """Which operation it answers; with ``outcome`` it is what ``/metrics`` counts."""
    outcome: str = "accepted"
    """Or the code of the rejection, as over MQTT."""
    content_type: str = "application/json"
    allow: str | None = None
    """The methods that would have been right, where that is all that was wrong."""
    hint: str | None = None
    """For the log of whoever runs the service."""


def signing_name(authorization: str | None) -> str | None:
    """The service that a SigV4 ``Authorization`` header is signed for, or None."""
    if authorization is None or "Credential=" not in authorization:
        return None
    scope = authorization.split("Credential=", 1)[1].split(",", 1)[0].split("/")
    return scope[3] if len(scope) == 5 else None


class Call:
    """What a handler gets: the service, the time, and the request's parts."""

    __slots__ = ("_query", "endpoints", "names", "now", "request", "service", "wire")

    def __init__(
        self,
        service: JobsService,
        wire: Wire,
        endpoints: dict[str, str],
        names: list[str],
        request: Request,
        now: float,
    ) -> None:
        self.service = service
        self.wire = wire
        self.endpoints = endpoints
        self.names = names
        """The wildcards of the route, decoded, in order."""
        self.request = request
        self.now = now
        self._query: dict[str, str] | None = None

    def body(self, kind: type[T]) -> T:
        """The body as a request of that kind; raises InvalidRequest."""
        try:
            return msgspec.json.decode(self.request.body or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"Invalid request: {error}") from None

    def text(self, name: str) -> str | None:
        """A query parameter."""
        if self._query is None:
            self._query = dict(parse_qsl(self.request.query, keep_blank_values=True))
        return self._query.get(name)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A query parameter that is true or false."""
        known: dict[str | None, bool] = {None: default, "true": True, "false": False}
        text = self.text(name)
        if text not in known:
            raise InvalidRequest(f"{name} must be true or false, not {text!r}")
        return known[text]

    def number(self, name: str) -> int | None:
        """A query parameter that is a whole number."""
        text = self.text(name)
        return None if text is None else whole_number(name, text)

    def choice(self, name: str, allowed: tuple[L, ...]) -> L | None:
        """A query parameter that is one of some words."""
        text = self.text(name)
        if text is None:
            return None
        for word in allowed:
            if word == text:
                return word
        raise InvalidRequest(f"{name} {text!r} is none of {', '.join(allowed)}")

    def max_results(self) -> int:
        """How long a page may be."""
        given = self.number("maxResults")
        return MAX_RESULTS if given is None else given

    def stamped(self, members: Members, times: tuple[str, ...] = TIMES) -> Members:
        """``members`` with its times as timestamps: fractions of a second are kept here."""
        for name in times:
            if members.get(name) is not None:
                members[name] = self.wire.epoch + members[name]
        return members


def whole_number(name: str, text: str) -> int:
    """A whole number of at most 64 bits; raises InvalidRequest."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= DIGITS:
        number = int(text)
        if -(2**63) <= number < 2**63:
            return number
    raise InvalidRequest(f"{name} must be a whole number of at most 64 bits, not {text!r}")


def members_of(reply: msgspec.Struct) -> Members:
    """A reply as JSON members."""
    members = msgspec.to_builtins(reply)
    assert isinstance(members, dict)
    return members


def with_token(members: Members, next_token: str | None) -> Members:
    """A page's members, and where the next begins."""
    if next_token is not None:
        members["nextToken"] = next_token
    return members
