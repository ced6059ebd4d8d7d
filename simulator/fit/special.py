"""The regularised incomplete gamma functions in numpy: all that the laws here need beyond ``math``.

They are why scipy is no dependency: its 35 MB would be here for these lines and a simplex search.

Source of the two expansions: Abramowitz and Stegun 6.5.29 (series) and 6.5.31 (continued fraction,
evaluated by Lentz's method).
"""

from math import erfc, lgamma, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TERMS: Final = 2_000
"""Both expansions need some tens of terms, and about √a near x = a."""

_ENOUGH: Final = 1e-15
_TINY: Final = 1e-300


def lower_and_upper(a: float, x: Floats) -> tuple[Floats, Floats]:
    """P(a, x) and Q(a, x) = 1 - P(a, x) for a > 0 and x ≥ 0; each accurate where it is small."""
    x = np.asarray(x, np.float64)
    if a == 1:  # exponential and Weibull laws: half of all that is asked for
        return -np.expm1(-x), np.exp(-x)
    lower, upper = np.zeros_like(x), np.ones_like(x)
    endless = np.isinf(x)
    lower[endless], upper[endless] = 1.0, 0.0
    small = (x > 0) & (x < a + 1)
    large = (x >= a + 1) & ~endless
    if small.any():
        lower[small] = _front(a, x[small]) * _series(a, x[small])
        upper[small] = 1 - lower[small]
    if large.any():
        upper[large] = _front(a, x[large]) * _fraction(a, x[large])
        lower[large] = 1 - upper[large]
    return np.clip(lower, 0, 1), np.clip(upper, 0, 1)


def normal_lower_and_upper(z: Floats) -> tuple[Floats, Floats]:
    """Φ(z) and 1 - Φ(z)."""
    scaled = (np.asarray(z, np.float64) / sqrt(2)).ravel().tolist()
    lower = np.array([erfc(-x) for x in scaled]) / 2
    upper = np.array([erfc(x) for x in scaled]) / 2
    return lower.reshape(np.shape(z)), upper.reshape(np.shape(z))


def _front(a: float, x: Floats) -> Floats:
    """x^a e^-x / Γ(a)."""
    front: Floats = np.exp(a * np.log(x) - x - lgamma(a))
    return front


def _series(a: float, x: Floats) -> Floats:
    """Σ x^n / (a (a+1) … (a+n))."""
    term = np.full_like(x, 1 / a)
    total = term.copy()
    for n in range(1, _TERMS):
        term = term * x / (a + n)
        total += term
        if (term < total * _ENOUGH).all():
            break
    return total


def _fraction(a: float, x: Floats) -> Floats:
    """1/(x+1-a- 1·(1-a)/(x+3-a- …)) by Lentz's method."""
    b = x + 1 - a
    c = np.full_like(x, 1 / _TINY)
    d = 1 / b
    total = d.copy()
    for n in range(1, _TERMS):
        above = -n * (n - a)
        b = b + 2
        d = above * d + b
        d[np.abs(d) < _TINY] = _TINY
        c = b + above / c
        c[np.abs(c) < _TINY] = _TINY
        d = 1 / d
        step = c * d
        total *= step
        if (np.abs(step - 1) < _ENOUGH * 10).all():
            break
    return total
