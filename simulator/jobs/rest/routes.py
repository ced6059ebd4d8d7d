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

    def find(self, method: str, path: str) -> tuple[Route, list[str]] | None:
        """The route of a request and what its wildcards stand for, or None."""
        segments = path.strip("/").split("/")
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
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
