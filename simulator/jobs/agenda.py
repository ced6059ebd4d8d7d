"""When the service next looks at which job or execution.

Rule 1: a step timer moves with every progress report, but nothing is moved here then. An execution
        has one live entry, ``execution.scheduled``; when that comes up and the deadline has
        meanwhile moved away, the entry is put back where the deadline now is. A job likewise has
        one live entry, ``job.planned``.
Rule 2: what is due at one time comes in the order in which it was first entered.

Subtleness ahead: entries wait in a bag per minute, as they came, and only those of the minute that
is looked at form a heap. Most executions end long before their deadline: their entries are thrown
out when the bag is opened, at a fraction of what it costs to take them off a heap.
"""

from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

from simulator.jobs.model import PENDING, Job, JobExecution

MINUTE: Final = 60.0

Entry = tuple[float, int, Job | JobExecution]
"""When, in which order among equals, and what."""


class Agenda:
    """All deadlines of all executions, and what jobs have to do."""

    def __init__(self) -> None:
        self._near: list[Entry] = []
        """A heap: all before ``_edge``."""
        self._edge = float("-inf")
        self._bags: dict[int, list[Entry]] = {}
        """All else by minute."""
        self._minutes: list[int] = []
        """A heap: the minutes that have a bag."""

    def __len__(self) -> int:
        """How many entries there are, those out of date included."""
        return len(self._near) + sum(map(len, self._bags.values()))

    def enter(self, when: float, sequence: int, item: Job | JobExecution) -> None:
        """Make an entry."""
        if when < self._edge:
            heappush(self._near, (when, sequence, item))
            return
        minute = int(when // MINUTE)
        bag = self._bags.get(minute)
        if bag is None:
            self._bags[minute] = [(when, sequence, item)]
            heappush(self._minutes, minute)
        else:
            bag.append((when, sequence, item))

    def nothing_before(self, when: float) -> bool:
        """Whether it is plain to see that ``next_deadline`` is not before ``when``."""
        if self._near:
            return self._near[0][0] >= when
        return not self._minutes or self._minutes[0] * MINUTE >= when

    def next_deadline(self) -> float | None:
        """When there is next something to do (maybe in the past), or None."""
        while True:
            near = self._near
            while near:
                when, sequence, item = near[0]
                if isinstance(item, Job):
                    if item.planned == when:
                        return when
                    heappop(near)
                    continue
                due = item.deadline if item.scheduled == when else None
                if due == when:
                    return when
                if due is None:
                    heappop(near)
                    if item.scheduled == when:
                        item.scheduled = None
                    continue
                item.scheduled = due
                if due < self._edge:
                    heapreplace(near, (due, sequence, item))
                else:
                    heappop(near)
                    self.enter(due, sequence, item)
            if not self._minutes:
                return None
            self._open()

    def next_due(self, now: float) -> Job | JobExecution | None:
        """Take what is due by ``now`` off the agenda, or None where nothing is."""
        when = self.next_deadline()
        if when is None or when > now:
            return None
        item = heappop(self._near)[2]
        if isinstance(item, Job):
            item.planned = None
        else:
            item.scheduled = None
        return item

    def _open(self) -> None:
        """Look at the next minute."""
        minute = heappop(self._minutes)
        self._near = [entry for entry in self._bags.pop(minute) if _may_be_live(entry)]
        heapify(self._near)
        self._edge = (minute + 1) * MINUTE


def _may_be_live(entry: Entry) -> bool:
    """False for an execution that has ended, or has another entry."""
    when, _, item = entry
    return isinstance(item, Job) or (item.scheduled == when and item.status in PENDING)
