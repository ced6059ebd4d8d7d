"""Durations, shares and rates as people write them, and back.

Every parser raises ValueError with what came and what is allowed.
"""

import re
from typing import Final

SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_PART: Final = r"\d+(?:\.\d+)?(?:ms|s|m|h|d)"
DURATION_PATTERN: Final = rf"^(?:{_PART})+$"
SHARE_PATTERN: Final = r"^\d+(?:\.\d+)?%$"
RATE_PATTERN: Final = r"^\d+(?:\.\d+)?/(?:s|m|h)$"


def parse_duration(value: object) -> float:
    """Seconds of ``"90s"``, ``"40ms"``, ``"1h30m"``, rounded to a millisecond."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value!r} has no unit; write for example {value}s (ms, s, m, h, d)")
    text = str(value).strip()
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{value!r} is no duration; allowed: a number with ms, s, m, h or d")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    return round(sum(float(number) * SECONDS[unit] for number, unit in parts), 3)


def format_duration(seconds: float) -> str:
    """The shortest spelling that ``parse_duration`` reads back to the same value."""
    milliseconds = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def parse_share(value: object) -> float:
    """A share from 0 to 1 of ``"3%"`` or ``0.03``."""
    if isinstance(value, str) and re.fullmatch(SHARE_PATTERN, value.strip()):
        share = float(value.strip()[:-1]) / 100
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        share = float(value)
    else:
        raise ValueError(f"{value!r} is no share; allowed: a percentage like 3%, or 0 to 1")
    if not 0 <= share <= 1:
        raise ValueError(f"{value!r} is impossible; a share is 0% to 100%")
    return share


def format_share(share: float) -> str:
    """A share as a percentage."""
    return f"{share * 100:.10g}%"


def parse_rate(value: object) -> float:
    """Per second, of ``"100/s"``, ``"600/m"`` or ``"10/h"``."""
    if not isinstance(value, str) or not re.fullmatch(RATE_PATTERN, value.strip()):
        raise ValueError(f"{value!r} is no rate; allowed: a number with /s, /m or /h, as in 100/s")
    number, unit = value.strip().split("/")
    if float(number) <= 0:
        raise ValueError(f"{value!r} is no rate; it must be above 0")
    return float(number) / SECONDS[unit]
