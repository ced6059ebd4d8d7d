"""Outcome rates with what is still open: how many succeed, fail, reject and hang, by attempt.

What is still open after c seconds will succeed, will fail or hangs; how probable each is follows
from the laws and the shares, and the shares from that: a few rounds of expectation and maximisation
settle it. Intervals are Wilson's at 90 %.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

import numpy as np

from simulator.fit.executions import Execution
from simulator.fit.special import Floats

Z90: Final = 1.6448536269514722
ROUNDS: Final = 500
REASONS: Final = 20
"""So many reasons are told apart; the rest are ``other``."""

REASON_KEYS: Final = (
    "reason", "reasoncode", "failurereason", "errorcode", "error", "cause", "code", "message",
    "detail", "details",
)  # fmt: skip
"""Names under which agents put a reason into statusDetails, the best first."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How executions that start end; the four add up to 1."""

    n: float
    succeed: float
    fail: float
    reject: float
    hang: float

    @property
    def by_name(self) -> dict[str, float]:
        """The shares as the scenario calls them."""
        return {
            "succeed": self.succeed,
            "fail": self.fail,
            "reject": self.reject,
            "hang": self.hang,
        }


Tail = Callable[[Floats], Floats]


def estimate(
    succeeded: int, failed: int, rejected: int, open_: Floats, tails: tuple[Tail, Tail], hang: bool
) -> Shares:
    """Shares from counts, how long the open ones had lasted, and the tails of who succeeds and who
    fails; ``hang`` says whether any may hang at all.
    """
    n = succeeded + failed + rejected + len(open_)
    if not n:
        return Shares(0, 1.0, 0.0, 0.0, 0.0)
    seen = np.array([succeeded, failed, rejected, 0.0])
    if not len(open_):
        return Shares(n, *(seen / n).tolist())
    ended = max(succeeded + failed, 1)
    lasting = np.stack(
        [
            np.maximum(tails[0](open_), 1e-12) * (1.0 if succeeded or not failed else 0.0),
            np.maximum(tails[1](open_), 1e-12) * (1.0 if failed else 0.0),
            np.zeros_like(open_),
            np.full_like(open_, 1.0 if hang else 0.0),
        ]
    )
    share = np.array([succeeded / ended, failed / ended, 0.0, 0.1 if hang else 0.0])
    for _ in range(ROUNDS):
        chance = share[:, None] * lasting
        total = seen + (chance / np.maximum(chance.sum(axis=0), 1e-300)).sum(axis=1)
        after = total / total.sum()
        if np.abs(after - share).max() < 1e-10:
            break
        share = after
    return Shares(n, *(float(s) for s in after))


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 90 % interval of a share that was seen among ``n``."""
    if not n:
        return 0.0, 1.0
    z2 = Z90 * Z90
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z90 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def differ(pooled: Shares, by_attempt: list[Shares]) -> bool:
    """Whether shares of their own for each attempt are worth their number, by BIC.

    (AIC would tell attempts apart, in one of seven fleets in which they are the same.)
    """
    if len(by_attempt) < 2:
        return False
    gain = sum(
        part.n * share * log(max(share, 1e-12) / max(pooled.by_name[name], 1e-12))
        for part in by_attempt
        for name, share in part.by_name.items()
        if share
    )
    kinds = sum(1 for share in pooled.by_name.values() if share > 0) - 1
    return gain > kinds * (len(by_attempt) - 1) * log(sum(part.n for part in by_attempt)) / 2


def reasons(executions: Iterable[Execution]) -> tuple[str | None, dict[str, int]]:
    """The statusDetails key that tells reasons, and how often each is told, commonest first."""
    told = [execution.details for execution in executions if execution.details]
    keys: Counter[str] = Counter(key for details in told for key in details)
    named = [key for key in keys if key.lower().replace("_", "").replace("-", "") in REASON_KEYS]
    if not named:
        return None, {}

    def rank(key: str) -> tuple[int, int, str]:
        return (-keys[key], REASON_KEYS.index(key.lower().replace("_", "").replace("-", "")), key)

    chosen = min(named, key=rank)
    counts = Counter(details[chosen] for details in told if chosen in details)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    found = dict(ranked[:REASONS])
    if len(ranked) > REASONS:
        found["other"] = found.get("other", 0) + sum(n for _, n in ranked[REASONS:])
    return chosen, found
