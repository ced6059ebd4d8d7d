"""What is due when, for a million sleepers at once.

Rule 1: what is due at one instant comes in the order in which it was put there.
Rule 2: only instants, plain numbers, are ever compared.

Timers wait in two places: those of the second that is running by the instant at which they are due,
all others in a bag per second, as they came, which is put in order when its turn comes. One heap
for all would be simpler, but a million sleepers make it larger than the processor's cache, and each
push and pop misses it at every level.
"""

from heapq import heappop, heappush
from typing import Any, Final


class ParkedSleep:
    """Stands for the handle of every parked sleep: its future is cancelled, not the timer."""

    __slots__ = ()

    def cancel(self) -> None:
        """Nothing to do: a future that is done is skipped when its time comes."""


PARKED: Final = ParkedSleep()


class Timers:
    """Things to come, whatever they are (but lists)."""

    def __init__(self) -> None:
        self.instants: list[float] = []
        """A heap: the instants at which something is due in the second that is running."""
        self.due: dict[float, Any] = {}
        """What is due at each of them: an item, or a list of several in order."""
        self._edge = 0.0
        """Where the second that is running ends."""
        self._bags: dict[int, list[Any]] = {}
        """All else, by the second in which it is due, as it came: an instant, what is due then, an
        instant, …"""
        self._seconds: list[int] = []
        """A heap: the seconds that have a bag."""

    def put(self, when: float, item: Any) -> None:
        """Let ``item`` come at ``when``."""
        if when < self._edge:
            if when in self.due:
                _join(self.due, when, item)
            else:
                self.due[when] = item
                heappush(self.instants, when)
            return
        second = int(when)
        bag = self._bags.get(second)
        if bag is None:
            self._bags[second] = [when, item]
            heappush(self._seconds, second)
        else:
            bag.append(when)
            bag.append(item)

    def next_second(self) -> bool:
        """Put the next second's timers in order, once ``instants`` is empty; False: there is none.

        ``instants`` is another list afterwards.
        """
        if not self._seconds:
            return False
        second, due = heappop(self._seconds), self.due
        bag = iter(self._bags.pop(second))
        for when in bag:
            if when in due:
                _join(due, when, next(bag))
            else:
                due[when] = next(bag)
        self.instants = sorted(due)  # which makes a heap
        self._edge = second + 1.0
        return True

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self.instants, self.due, self._bags, self._seconds):
            kept.clear()


def _join(due: dict[float, Any], when: float, item: Any) -> None:
    """Let ``item`` come after what is due at the same instant."""
    there = due[when]
    if there.__class__ is list:
        there.append(item)
    else:
        due[when] = [there, item]
