"""A run's requests against AWS's rates: how much, when, for how long, and what would be throttled.

Rule 1: what never reached the service (its thing's network lost the request, or was away) asks
        nothing of a quota; what the network doubled asks twice. A Connect that was answered did
        reach it, whatever it names: an absence or a partition that it is the first one after.
Rule 2: rates are per second of scenario time, which is the real rollout's. Peaks are counted in
        whole seconds from the run's start; what lies beyond a quota of the account is what the
        bucket of ``jobs/quotas.py`` would refuse, and beyond a thing's own, what a whole second
        holds too much.
Rule 3: a thing that AWS throttles tries again, which no count of what was sent can know. How long a
        rollout takes then is seen with ``quotas: aws``, where the service itself throttles.

Every exchange is a request published by the thing and, where it was answered, a reply to it;
notices are not among the records and not counted.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator import results
from simulator.jobs.quotas import (
    CONNECTS_PER_CLIENT_PER_S,
    CONNECTS_PER_S,
    DATA_PLANE_PER_S,
    PUBLISHES_PER_CONNECTION_PER_S,
    PUBLISHES_PER_S,
)
from simulator.report.summary import Budget, QuotaUse
from simulator.results import Records

_NEVER_ARRIVED: Final = (
    results.LOST_REQUEST_FAULT,
    results.PARTITION,
    results.ABSENT,
)
_WRITES: Final = (results.START_NEXT, results.UPDATE)
_READS: Final = (results.DESCRIBE, results.GET_PENDING)
_THROTTLED: Final = results.REJECTED["RequestThrottled"]
_MINUTE: Final = 60

Seconds = NDArray[np.int64]
Times = NDArray[Any]


def count_budget(records: Records, time_scale: float, in_force: bool) -> Budget:
    """What the run asked of AWS's rates; ``in_force``: the service throttled by them."""
    operation, outcome, fault = records["operation"], records["outcome"], records["fault"]
    answered = (outcome != results.NO_REPLY) & (outcome != results.DISCONNECTED)
    rows = _asked(operation, answered, fault)
    sent, done = records["sent"] * time_scale, records["done"] * time_scale
    writes, reads, connects = rows(_WRITES), rows(_READS), rows((results.CONNECT,))
    published = np.concatenate([writes, reads])
    replied = np.flatnonzero(answered & (operation != results.CONNECT))
    throttled = _whole(sent[outcome == _THROTTLED])
    things = records["thing"].astype(np.int64)
    written, beyond_writes = _use(sent[writes], DATA_PLANE_PER_S)
    read, beyond_reads = _use(sent[reads], DATA_PLANE_PER_S)
    return Budget(
        in_force=in_force,
        writes=written,
        reads=read,
        connects=_use(sent[connects], CONNECTS_PER_S)[0],
        connects_per_client=_use_each(sent[connects], things[connects], CONNECTS_PER_CLIENT_PER_S),
        publishes_per_connection=_use_each(
            sent[published], things[published], PUBLISHES_PER_CONNECTION_PER_S
        ),
        publishes_in=_use(sent[published], PUBLISHES_PER_S)[0],
        publishes_out=_use(done[replied], PUBLISHES_PER_S)[0],
        over_for_s=len(np.union1d(beyond_writes, beyond_reads)),
        throttled=len(throttled),
        throttled_for_s=len(np.unique(throttled)),
        first_throttled_s=float(throttled.min()) if len(throttled) else None,
        last_throttled_s=float(throttled.max() + 1) if len(throttled) else None,
    )


def writes_by_second(records: Records, time_scale: float) -> tuple[Seconds, NDArray[np.int64]]:
    """The seconds with writes that the service was asked for, and how many each had."""
    outcome = records["outcome"]
    answered = (outcome != results.NO_REPLY) & (outcome != results.DISCONNECTED)
    chosen = _asked(records["operation"], answered, records["fault"])(_WRITES)
    if not len(chosen):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return _per_bin(_whole(records["sent"][chosen] * time_scale))


def _asked(
    operation: NDArray[Any], answered: NDArray[np.bool_], fault: NDArray[Any]
) -> Callable[[tuple[int, ...]], NDArray[np.intp]]:
    """What finds the rows of some operations that came to the service, doubled ones twice."""
    # one byte decides: a table of answers is faster than a comparison for each
    arrived = answered | ~_among(_NEVER_ARRIVED)[fault]
    doubled = np.flatnonzero((fault == results.DUPLICATED) & (operation != results.CONNECT))

    def rows(operations: tuple[int, ...]) -> NDArray[np.intp]:
        chosen = _among(operations)[operation]
        again = doubled[chosen[doubled]]
        return np.concatenate([np.flatnonzero(chosen & arrived), again])

    return rows


def _among(codes: tuple[int, ...]) -> NDArray[np.bool_]:
    table = np.zeros(128, np.bool_)
    table[list(codes)] = True
    return table


def _whole(times: Times) -> Seconds:
    seconds: Seconds = np.floor(times).astype(np.int64)
    return seconds


def _use(times: Times, quota: int) -> tuple[QuotaUse, Seconds]:
    """A quota of the account, and the seconds of all that lay beyond it."""
    if not len(times):
        return QuotaUse(quota, 0), np.empty(0, np.int64)
    second, counts = _per_bin(_whole(times))
    refused = _whole(refused_by_bucket(times, second, counts, quota))
    use = _judged(second, counts, quota, len(times), refused)
    use.peak_per_minute = _peak_per_minute(second, counts)
    return use, refused


def _use_each(times: Times, things: Seconds, quota: int) -> QuotaUse:
    """A quota that every thing has for itself."""
    if not len(times):
        return QuotaUse(quota, 0)
    size = int(things.max()) + 1
    pairs = np.sort(things + _whole(times) * size)
    first = np.flatnonzero(np.diff(pairs, prepend=pairs[0] - 1))
    counts, second = np.diff(np.append(first, len(pairs))), pairs[first] // size
    over = np.repeat(second, np.maximum(0, counts - quota))
    return _judged(second, counts, quota, len(times), over)


def _judged(
    second: Seconds, counts: NDArray[np.int64], quota: int, requests: int, over: Seconds
) -> QuotaUse:
    """A quota and what was asked of it; ``over`` holds the second of each request beyond it."""
    top = int(counts.argmax())
    return QuotaUse(
        quota,
        requests,
        peak_per_s=int(counts[top]),
        peak_at_s=float(second[top]),
        seconds_over=len(np.unique(over)),
        first_over_s=float(over.min()) if len(over) else None,
        last_over_s=float(over.max() + 1) if len(over) else None,
        over=len(over),
        share_over=round(len(over) / requests, 6),
    )


def refused_by_bucket(
    times: Times, second: Seconds, counts: NDArray[np.int64], quota: int
) -> Times:
    """When each request came that a bucket of one second's worth refuses.

    ``second`` and ``counts`` say how many came when. After a second without any, the bucket is
    full; and it refuses nothing while two seconds in a row hold no more than the quota. So whole
    stretches need no look at each request, which only a loop can give.
    """
    alone = np.diff(second, prepend=second[0] - 2) > 1  # nothing came in the second before
    before = np.where(alone, 0, np.concatenate([[0], counts[:-1]]))
    stretch = np.cumsum(alone)
    hot = np.isin(stretch, stretch[counts + before > quota])
    if not hot.any():
        return np.empty(0)
    begin = second[hot & (alone | ~np.concatenate([[False], hot[:-1]]))]
    end = second[hot & np.concatenate([np.diff(stretch) > 0, [True]])] + 1
    came = np.sort(times)
    edges = np.searchsorted(came, np.stack([begin, end], axis=1))
    refused: list[float] = []
    for first, last in edges.tolist():
        _run_dry(came[first:last].tolist(), quota, refused)
    return np.array(refused)


def _run_dry(times: list[float], quota: int, refused: list[float]) -> None:
    """What ``quotas.Bucket`` does, in one loop: it is millions of requests."""
    left, at = float(quota), times[0]
    for time in times:
        left += (time - at) * quota
        at = time
        if left > quota:
            left = quota
        if left >= 1:
            left -= 1
        else:
            refused.append(time)


def _per_bin(seconds: Seconds) -> tuple[Seconds, NDArray[np.int64]]:
    """The different seconds in order, and how often each is there."""
    first, last = int(seconds.min()), int(seconds.max())
    if last - first > 4 * len(seconds) + 1_000_000:  # a few requests in many years
        return np.unique(seconds, return_counts=True)
    counts = np.bincount(seconds - first).astype(np.int64)
    second = np.flatnonzero(counts)
    return second.astype(np.int64) + first, counts[second]


def _peak_per_minute(second: Seconds, counts: NDArray[np.int64]) -> int:
    """The most requests from one whole minute to the next; ``second`` is in order."""
    minute = second // _MINUTE
    starts = np.flatnonzero(np.diff(minute, prepend=minute[0] - 1))
    return int(np.add.reduceat(counts, starts).max())
