"""Several writers on one execution with optimistic concurrency: how often do they conflict?

Each of N writers knows a version, thinks, and updates with that ``expectedVersion``. An accepted
update makes the version one higher and is in its reply, so its writer knows the new one at once. A
refused writer asks for the version and thinks again. Nothing else writes.

**The rate.** Call a writer *fresh* when the version that it knows is the one stored, else *stale*.
Thinking times are exponential with one mean, so whoever comes next is any of the N, each equally
likely, whatever happened before; what little time the requests take is left out. Right after an
accepted update exactly one writer is fresh: the one that made it. Whoever comes next

* is fresh with probability k/N, where k are fresh: accepted, and k is 1 again;
* is stale with probability (N - k)/N: a conflict. It asks, is fresh, and k is one more.

So k counts 1, 2, 3, … until a fresh one is drawn: people enter a room until one has the birthday of
somebody who is in it, with N days in the year and one person there already. The number of updates
per accepted one, T, lasts beyond j when the j that came were stale each, with probability
(N-1)/N · (N-2)/N ⋯ (N-j)/N, and its mean is the sum of these over j = 0, 1, 2, …:

    E[T] = Q(N) = 1 + (N-1)/N + (N-1)(N-2)/N² + … + (N-1)!/N^(N-1)      (Ramanujan's Q function)

One update in T is accepted, so of all updates the share that conflicts is **1 - 1/Q(N)**: 0 for
one writer, 1/3 for two, 60 % for five, 73 % for ten. Q(N) is near √(πN/2) - 1/3, so the rate of
accepted updates, N/(think · Q(N)), still grows with N, as √N: a hundred writers get eight times as
much done as one, not a hundred times, and 92 % of what they send is in vain.

The mean thinking time is not in it: writers that think less conflict as often, and faster. That
changes where thinking is no longer than a request takes. Then requests queue, and the rate is
what the service's own order makes of it: measure it with ``--think 0.001``, say.
"""

from collections.abc import Iterable


def updates_per_accepted(writers: int) -> float:
    """Q(N): how many updates N writers send for each that is accepted, on average."""
    total, term = 0.0, 1.0
    for stale in range(writers - 1, -1, -1):
        total += term
        term *= stale / writers
    return total


def conflict_rate(writers: int) -> float:
    """The share of updates that N writers on one execution get refused, from 0 to 1."""
    return 1 - 1 / updates_per_accepted(writers)


def overall_conflict_rate(writers: Iterable[int]) -> float:
    """The same over several executions, each with so many writers that think equally long."""
    counts = [count for count in writers if count]
    return sum(count * conflict_rate(count) for count in counts) / sum(counts)
