"""Routes: which operation a method and a path stand for."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

from simulator.jobs.rest.call import Call, Members


class Route(NamedTuple):
    """One operation: botocore's name, method and path, and what does it."""

    operation: str
    method: str
    path: str
    """``{name}`` stands for any one segment."""
    handler: Callable[[Call], Members]
    throttled: bool = False
    """Whether AWS's quota for job operations applies."""


_ANY = "{}"


def split_path(path: str) -> list[str]:
    """The segments of a raw path, each decoded after the split (boto3 sends ``%24next``)."""
    segments = path.strip("/").split("/")
    return [unquote(part) for part in segments] if "%" in path else segments


class Router:
    """A tree of path segments; a literal segment wins over a wildcard."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root: dict[str, Any] = {}
        for route in routes:
            node = self._root
            for segment in route.path.strip("/").split("/"):
                node = node.setdefault(_ANY if segment.startswith("{") else segment, {})
            assert route.method not in node.setdefault("", {}), route
            node[""][route.method] = route

    def find(self, method: str, segments: list[str]) -> tuple[Route, list[str]] | None:
        """The route of a request and what its wildcards stand for, or None."""
        names: list[str] = []
        route = _walk(self._root, segments, 0, method, names)
        return None if route is None else (route, names)


def _walk(
    node: dict[str, Any], segments: list[str], at: int, method: str, names: list[str]
) -> Route | None:
    if at == len(segments):
        route: Route | None = node.get("", {}).get(method)
        return route
    segment = segments[at]
    literal = node.get(segment) if segment and segment != _ANY else None
    if literal is not None:
        found = _walk(literal, segments, at + 1, method, names)
        if found is not None:
            return found
    wildcard = node.get(_ANY)
    if wildcard is None or not segment:
        return None
    names.append(segment)
    found = _walk(wildcard, segments, at + 1, method, names)
    if found is None:
        names.pop()
    return found
