"""Which worker has which things: disjoint ranges, whatever workers come and go.

Rule 1: a thing has one owner at most. It is given once, in the order of the fleet, and again only
        when its owner was lost.
Rule 2: what a lost worker had goes out before what nobody had yet.
"""

from collections.abc import Sequence


class Allotment:
    """The things of a run, by worker."""

    def __init__(self, things: int) -> None:
        self._things = things
        self._next = 0
        self._waiting: list[range] = []
        """What lost workers had."""
        self._owned: dict[str, list[range]] = {}

    def give(self, worker: str, count: int) -> list[range]:
        """The next things to a worker: ``count`` of them, or as many as are left."""
        given: list[range] = []
        while count > 0 and self.left:
            if self._waiting:
                whole = self._waiting.pop(0)
                part, rest = whole[:count], whole[count:]
                if rest:
                    self._waiting.insert(0, rest)
            else:
                part = range(self._next, min(self._things, self._next + count))
                self._next = part.stop
            given.append(part)
            count -= len(part)
        self._owned.setdefault(worker, []).extend(given)
        return given

    def lose(self, worker: str) -> int:
        """A worker is lost: its things wait for others. How many they are."""
        lost = self._owned.pop(worker, [])
        self._waiting += lost
        return sum(map(len, lost))

    def pass_on(
        self, workers: Sequence[str], *, everything: bool = False
    ) -> dict[str, list[range]]:
        """Give what waits to these workers in equal parts: to each its new ranges.

        ``everything``: also what nobody had yet.
        """
        given: dict[str, list[range]] = {}
        for at, worker in enumerate(workers):
            left = self.left if everything else self.waiting
            given[worker] = self.give(worker, -(-left // (len(workers) - at)))
        return {worker: ranges for worker, ranges in given.items() if ranges}

    def owned(self, worker: str) -> list[range]:
        """What a worker has."""
        return list(self._owned.get(worker, ()))

    @property
    def waiting(self) -> int:
        """How many things have lost their worker."""
        return sum(map(len, self._waiting))

    @property
    def left(self) -> int:
        """How many things have no worker."""
        return self.waiting + self._things - self._next
