"""Pages of lists: tokens that say where the next page begins, and names kept in order.

A token names its list and the place in it, so it is the same each time and a token of another list
is refused. The place is a key and no count of rows: rows that come or go between two pages neither
repeat nor hide others.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final

from simulator.errors import InvalidRequest

MAX_RESULTS: Final = 250
"""The longest page of a list (GR:dm)."""


def check_max_results(max_results: int) -> None:
    """Raise InvalidRequest unless a page may be so long."""
    if not 1 <= max_results <= MAX_RESULTS:
        raise InvalidRequest(f"maxResults must be 1 to {MAX_RESULTS}, not {max_results}")


def token(listing: str, *place: object) -> str:
    """The token of a place in a list."""
    return "/".join((listing, *map(str, place)))


def place(listing: str, next_token: str | None, parts: int) -> list[str] | None:
    """The place that a token names, in so many parts; None where none is given.

    Raises:
        InvalidRequest: the token is not one of this list's.
    """
    if next_token is None:
        return None
    name, *found = next_token.split("/")
    if name != listing or len(found) != parts:
        raise InvalidRequest(f"nextToken {next_token!r} is not one that this list gave")
    return found


def number(listing: str, next_token: str | None) -> int | None:
    """The place of a list whose places are numbers."""
    found = place(listing, next_token, 1)
    if found is None:
        return None
    if not found[0].isascii() or not found[0].isdigit() or len(found[0]) > 19:
        raise InvalidRequest(f"nextToken {next_token!r} is not one that this list gave")
    return int(found[0])


class SortedNames:
    """Names in order, sorted when somebody looks: a fleet is registered without sorting."""

    __slots__ = ("_names", "_ordered")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = list(names)
        self._ordered = False

    def add(self, name: str) -> None:
        """Take in a name that is not there."""
        self._names.append(name)
        self._ordered = False

    def discard(self, name: str) -> None:
        """Take out a name that is there."""
        del self._in_order()[bisect_left(self._names, name)]

    def after(self, name: str | None) -> list[str]:
        """All names behind ``name``, or all."""
        names = self._in_order()
        return names if name is None else names[bisect_right(names, name) :]

    def _in_order(self) -> list[str]:
        if not self._ordered:
            self._names.sort()
            self._ordered = True
        return self._names


def page(
    listing: str, names: list[str], max_results: int, next_token: str | None
) -> tuple[list[str], str | None]:
    """One page of names in order, and the token of the next.

    Raises:
        InvalidRequest: ``max_results`` is not 1 to 250, or the token is not this list's.
    """
    check_max_results(max_results)
    behind = place(listing, next_token, 1)
    start = 0 if behind is None else bisect_right(names, behind[0])
    rows = names[start : start + max_results]
    more = start + max_results < len(names)
    return rows, token(listing, rows[-1]) if more else None
