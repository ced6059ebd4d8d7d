"""Chance without a generator: a 64-bit mix of what it is about, the same whoever asks first."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TABLE: Final = 65_536
"""Draws of a distribution that a table holds, where their count is not known ahead."""

_MASK: Final = 2**64 - 1


def mix(a: int, b: int, c: int) -> int:
    """A 64-bit mix of three numbers (the finalizer of splitmix64)."""
    x = (a + b * 0x9E3779B97F4A7C15 + c * 0xD1B54A32D192ED03) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def mix_all(a: int, things: int, c: int) -> NDArray[np.uint64]:
    """``mix(a, thing, c)`` of things 0, 1, 2, …, at a hundredth of the price."""
    x: NDArray[Any] = np.arange(things, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64((a + c * 0xD1B54A32D192ED03) & _MASK)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x
