"""Times in bins whose width grows with them: percentiles of millions at the cost of one look.

As in an HDR histogram, each power of two is cut into 1024 parts: a percentile is right to one part
in a thousand. The bins are the leading bits of a number as a float: exponent and ten bits.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Times = NDArray[Any]

_SHIFT: Final = 23 - 10
"""A float32 has 23 bits behind its exponent."""
LEAST_S: Final = 1e-6


def bins_of(seconds: Times) -> NDArray[np.int32]:
    """The bin of each; what is below a microsecond counts as one."""
    floats = np.maximum(seconds, LEAST_S).astype(np.float32)
    found: NDArray[np.int32] = floats.view(np.int32) >> _SHIFT
    return found


def middle_of(bins: NDArray[Any]) -> NDArray[np.float64]:
    """The seconds in the middle of each."""
    bits = (bins.astype(np.int32) << _SHIFT) | (1 << (_SHIFT - 1))
    return bits.view(np.float32).astype(np.float64)


def percentiles(seconds: Times, shares: NDArray[Any]) -> NDArray[np.float64]:
    """The least time that so large a share (0 to 1) does not exceed; of some times."""
    found = percentiles_by(seconds, np.zeros(len(seconds), np.int64), 1, shares)
    first: NDArray[np.float64] = found[0]
    return first


def percentiles_by(
    seconds: Times, row: NDArray[np.int64], rows: int, shares: NDArray[Any]
) -> NDArray[np.float64]:
    """The same for each of ``rows`` rows; no number where a row has no times."""
    table = np.full((rows, len(shares)), np.nan)
    if not len(seconds):
        return table
    bins = bins_of(seconds)
    first = int(bins.min())
    width = int(bins.max()) - first + 1
    counts = np.bincount(row * width + (bins - first), minlength=rows * width)
    up_to = np.cumsum(counts)
    ends = up_to[width - 1 :: width]
    before = np.concatenate([[0], ends[:-1]])
    some = np.flatnonzero(ends > before)
    size = (ends - before)[some, None]
    rank = before[some, None] + np.clip(np.ceil(shares * size - 1e-9), 1, size)
    found = np.searchsorted(up_to, rank) % width
    table[some] = middle_of(found + first)
    return table
