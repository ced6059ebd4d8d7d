"""Durations: what they may be distributed like, and how they are drawn with numpy.

Rule 1: every duration is rounded to a whole millisecond at once, so that platforms agree.
Rule 2: no draw is longer than ``LONGEST_S``: the far tail of a wide lognormal ends there.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

LONGEST_S: Final = 36_525 * 86_400
"""100 years: the longest duration there is. Far beyond any rollout, and far from where whole
milliseconds overflow 64 bits, which numpy does in silence."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of durations, in seconds.

    ``constant(a)``, ``uniform(a, b)`` from low to high, ``lognormal(a, b)`` by median and sigma.
    """

    kind: Literal["constant", "uniform", "lognormal"]
    a: float
    b: float = 0.0

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """``n`` durations in whole milliseconds."""
        if self.kind == "constant":
            seconds = np.full(n, self.a)
        elif self.kind == "uniform":
            seconds = rng.uniform(self.a, self.b, n)
        else:
            seconds = self.a * np.exp(self.b * rng.standard_normal(n))
        seconds = np.minimum(seconds, LONGEST_S)
        milliseconds: NDArray[np.int64] = np.rint(seconds * 1000).astype(np.int64)
        return milliseconds

    @property
    def takes_no_time(self) -> bool:
        """Whether every draw is 0."""
        return not (self.b if self.kind == "uniform" else self.a)
