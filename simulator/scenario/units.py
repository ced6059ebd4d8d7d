"""Durations, shares and rates as people write them, and back.

Rule 1: every parser raises ValueError with what came and what is allowed.
Rule 2: a number is read exactly, from its digits, and becomes a float only at the end: so what is
        written back by a formatter reads as the same float again, and a border like ``<= 0.7%`` can
        be held without the errors of float arithmetic.
Rule 3: nothing is longer than ``LONGEST_S``: beyond, milliseconds would overflow in silence.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

from simulator.behaviour import LONGEST_S

_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RATES: Final = {"s": 1, "m": 60, "h": 3600}
FASTEST_PER_S: Final = 10**9

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_PART: Final = rf"{_NUMBER}(?:ms|s|m|h|d)"
DURATION_PATTERN: Final = rf"^(?:{_PART})+$"
SHARE_PATTERN: Final = rf"^{_NUMBER}%$"
RATE_PATTERN: Final = rf"^{_NUMBER}/(?:s|m|h)$"

_SHOWN: Final = 60
_LONGEST: Final = f"{LONGEST_S // 86_400}d (100 years)"


def shown(value: object) -> str:
    """A value in a message: as it is written in Python, and not longer than a line can bear."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def exact_duration(value: object) -> Fraction:
    """Seconds of ``"90s"``, ``"40ms"``, ``"1h30m"``, to the last digit."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        written = shown(value)
        raise ValueError(f"{written} has no unit; write for example {written}s (ms, s, m, h, d)")
    text = str(value).strip()
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{shown(value)} is no duration; allowed: a number with ms, s, m, h or d")
    parts = re.findall(rf"({_NUMBER})(ms|s|m|h|d)", text)
    seconds = sum(_fraction(number) * _MILLISECONDS[unit] for number, unit in parts) / Fraction(
        1000
    )
    if seconds > LONGEST_S:
        raise ValueError(f"{shown(value)} is too long; at most {_LONGEST}")
    return seconds


def parse_duration(value: object) -> float:
    """Seconds of ``"90s"``, ``"40ms"``, ``"1h30m"``, rounded to a millisecond."""
    return round(exact_duration(value) * 1000) / 1000


def format_duration(seconds: float) -> str:
    """The shortest spelling that ``parse_duration`` reads back to the same value."""
    milliseconds = round(seconds * 1000)
    for unit in ("d", "h", "m", "s"):
        size = _MILLISECONDS[unit]
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def exact_share(value: object) -> Fraction:
    """A share from 0 to 1 of ``"3%"`` or ``0.03``, to the last digit."""
    if isinstance(value, str) and re.fullmatch(SHARE_PATTERN, value.strip()):
        share = _fraction(value.strip()[:-1]) / 100
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 <= value <= 1:  # not a number is neither
            raise ValueError(f"{shown(value)} is impossible; a share is 0% to 100%")
        share = Fraction(value)
    else:
        raise ValueError(f"{shown(value)} is no share; allowed: a percentage like 3%, or 0 to 1")
    if share > 1:
        raise ValueError(f"{shown(value)} is impossible; a share is 0% to 100%")
    return share


def parse_share(value: object) -> float:
    """A share from 0 to 1 of ``"3%"`` or ``0.03``."""
    return float(exact_share(value))


def format_share(share: float) -> str:
    """The percentage that ``parse_share`` reads back to the same value."""
    return f"{_digits(Decimal(repr(share)).scaleb(2))}%"


def parse_rate(value: object) -> float:
    """Per second, of ``"100/s"``, ``"600/m"`` or ``"10/h"``."""
    if not isinstance(value, str) or not re.fullmatch(RATE_PATTERN, value.strip()):
        raise ValueError(
            f"{shown(value)} is no rate; allowed: a number with /s, /m or /h, as in 100/s"
        )
    number, unit = value.strip().split("/")
    per_s = _fraction(number) / _RATES[unit]
    if not per_s:
        raise ValueError(f"{shown(value)} is no rate; it must be above 0")
    if not Fraction(1, LONGEST_S) <= per_s <= FASTEST_PER_S:
        raise ValueError(
            f"{shown(value)} is no rate; allowed: from one in 100 years to {FASTEST_PER_S}/s"
        )
    return float(per_s)


def format_rate(per_s: float) -> str:
    """The rate that ``parse_rate`` reads back to the same value."""
    return f"{_digits(Decimal(repr(per_s)))}/s"


def parse_number(text: str) -> Fraction:
    """A plain number like ``200`` or ``1.5``, to the last digit."""
    if not re.fullmatch(_NUMBER, text):
        raise ValueError(f"{shown(text)} is no number")
    return _fraction(text)


def _fraction(digits: str) -> Fraction:
    """``12.5`` as a fraction; longer ones than any that makes sense are cut before they cost time.

    (Python refuses to read a whole number of more than 4 300 digits.)
    """
    whole, _, rest = digits.partition(".")
    whole = whole.lstrip("0") or "0"
    if len(whole) > 40:
        return Fraction(10**40)  # beyond every limit here
    return Fraction(f"{whole}.{rest[:400] or '0'}")


def _digits(number: Decimal) -> str:
    """Without an exponent, and without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
