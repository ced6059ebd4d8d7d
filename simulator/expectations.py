"""What a scenario expects of its run, as plain values: which number, of what part of the run.

A number is named as people call it (``FRIENDLY``), or by its path in ``summary.json``
(``conflicts.by_cause.lost_reply``): what there is, and in which units it may be given, the structs
of ``report/summary.py`` say themselves.

Both sides of a comparison are exact fractions: 7 of 1 000 things are not more than 0.7 %, and a
float would say that they are.
"""

import difflib
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from simulator.report.summary import TERMINALS, Summary

Unit = Literal["share", "count", "duration", "rate", "flag"]
Of = Literal["targets", "updates", "requests"]
Scopes = Literal["none", "cohort", "all"]

OPERATORS: Final[dict[str, Callable[[Fraction, Fraction], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A number of the summary: where it stands, and how an expectation may speak of it."""

    path: tuple[str, ...]
    """Into ``summary.json``; empty for those that ``report/verdict.py`` computes."""
    units: tuple[Unit, ...]
    of: Of | None = None
    """What a share of it is a share of."""
    scale: int = 1
    """How many of the summary's units make one of the expectation's: 1000 for milliseconds."""
    bare: str | None = None
    """The operator of a number without one, where it is not the usual one of its unit."""
    scopes: Scopes = "all"
    """What part of a run it may be asked of: by cohort and window, by cohort, or neither."""


_TARGETS: Final[tuple[Unit, ...]] = ("count", "share")


def _of_targets(*path: str) -> Subject:
    return Subject(path, _TARGETS, "targets")


def _update(*path: str) -> tuple[str, ...]:
    return ("requests", "UpdateJobExecution", *path)


FRIENDLY: Final[dict[str, Subject]] = {
    **{
        name: _of_targets("executions", name.upper())
        for name in (
            "succeeded",
            "failed",
            "rejected",
            "timed_out",
            "canceled",
            "removed",
            "in_progress",
            "queued",
        )
    },
    "true_timeouts": _of_targets("timeouts", "true"),
    "false_timeouts": _of_targets("timeouts", "false"),
    "missed_timeouts": _of_targets("timeouts", "missed"),
    "unfinished": Subject((), _TARGETS, "targets"),
    "conflict_rate": Subject(("conflicts", "count"), ("share",), "updates"),
    "conflicts": Subject(("conflicts", "count"), ("count",)),
    "no_reply": Subject((), ("count", "share"), "requests"),
    "completes_within": Subject((), ("duration",), scopes="cohort"),
    "elapsed": Subject(("elapsed_s",), ("duration",), scopes="none"),
    "updates_per_s": Subject(_update("per_s"), ("rate",)),
    "unreported_timeouts": _of_targets("timeouts", "unreported"),
    "away_timeouts": _of_targets("timeouts", "away"),
    "retries": _of_targets("retries", "count"),
    "aborted": Subject(("aborted",), ("flag",), scopes="none"),
    "throttled": Subject((), ("count", "share"), "requests"),
    "throttled_for": Subject((), ("duration",)),
    "peak_writes_per_s": Subject(("budget", "writes", "peak_per_s"), ("rate",), bare="<="),
    "peak_writes_per_minute": Subject(
        ("budget", "writes", "peak_per_minute"), ("count",), bare="<="
    ),
    "peak_reads_per_s": Subject(("budget", "reads", "peak_per_s"), ("rate",), bare="<="),
    "peak_connects_per_s": Subject(("budget", "connects", "peak_per_s"), ("rate",), bare="<="),
    **{
        f"{name}_latency": Subject(_update("latency_ms", name), ("duration",), scale=1000)
        for name in ("p50", "p95", "p99", "max")
    },
    **{
        f"{name}_response": Subject(_update("response_ms", name), ("duration",), scale=1000)
        for name in ("p50", "p95", "p99", "max")
    },
    **{
        f"time_to_terminal_{name}": Subject(("time_to_terminal_s", name), ("duration",))
        for name in (*(name for name, _ in TERMINALS), "max")
    },
}
"""Names as people call them."""

NAMES: Final[dict[str, tuple[Unit, ...]]] = {
    name: subject.units for name, subject in FRIENDLY.items()
}
"""Every friendly name that ``expect`` knows, and in which units it may be given."""

_OF_ITS_OWN: Final = ("things", "targets", "elapsed_s", "aborted", "cohorts", "jobs", "incidents",
                        "open_load")  # fmt: skip
"""Parts of the summary that are of the whole run, or of a cohort already."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a run: a cohort, a window of scenario time (seconds), or both."""

    cohort: str | None = None
    begin: float = 0.0
    end: float = float("inf")

    @property
    def windowed(self) -> bool:
        """Whether it is less than the whole time."""
        return self.begin > 0 or self.end < float("inf")


EVERYTHING: Final = Scope()


@dataclass(frozen=True, slots=True)
class Expectation:
    """``name operator value``: shares from 0 to 1, durations in seconds, rates per second."""

    name: str
    """As it is written, scope included."""
    text: str
    operator: str
    value: Fraction
    unit: Unit
    subject: Subject
    scope: Scope = EVERYTHING

    @property
    def is_of_the_budget(self) -> bool:
        """Whether it is about AWS's quotas."""
        return self.subject.path[:1] == ("budget",) or self.name.startswith("throttled")


def check(symbol: str, observed: Fraction, value: Fraction) -> bool:
    """Whether ``observed`` stands to ``value`` as the operator asks."""
    return OPERATORS[symbol](observed, value)


def spare(symbol: str, observed: Fraction, value: Fraction) -> Fraction:
    """How far from failing; negative: how far from holding."""
    match symbol:
        case ">=" | ">":
            return observed - value
        case "<=" | "<":
            return value - observed
        case "==":
            return -abs(observed - value)
    return abs(observed - value)


# ------------------------------------------------------------------------------- names


def subject_of(name: str) -> Subject:
    """The number that a name or a path stands for.

    Raises:
        ValueError: there is none; with the nearest ones that there are.
    """
    if name in FRIENDLY:
        return FRIENDLY[name]
    first, *rest = name.split(".")
    if not rest and first not in _members(Summary):
        raise ValueError(f"{unknown(name, FRIENDLY)}; or a path like conflicts.by_cause.service")
    return _at((first, *rest))


def unknown(name: str, allowed: Iterable[str]) -> str:
    """In words: there is no such name; what there is, and which was probably meant."""
    names = list(allowed)
    near = difflib.get_close_matches(name, names, 1)
    hint = f". Did you mean {near[0]!r}?" if near else ""
    return f"unknown key; allowed: {', '.join(names)}{hint}"


def _members(kind: Any) -> dict[str, Any]:
    return {field.encode_name: _present(field.type) for field in msgspec.structs.fields(kind)}


def _present(kind: Any) -> Any:
    """A part that a summary may be without, as what it is where it is there."""
    if get_origin(kind) is UnionType and get_args(kind)[1] is NoneType:
        return get_args(kind)[0]
    return kind


def _at(path: tuple[str, ...]) -> Subject:
    """Follow a path through the summary's structs."""
    kind: Any = Summary
    said: dict[str, Any] = {}
    for at, part in enumerate(path):
        where = ".".join(path[:at])
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            allowed = [name for name, inner in _members(kind).items() if _leads_on(inner)]
        elif get_origin(kind) is dict:
            keys = said["keys"]
            allowed = [part] if isinstance(keys, str) else list(keys)
        else:
            raise ValueError(f"{where} is a number, there is no {part!r} in it")
        if part not in allowed:
            raise ValueError(f"in {where or 'the summary'}, {part!r}: {unknown(part, allowed)}")
        inner = get_args(kind)[1] if get_origin(kind) is dict else _members(kind)[part]
        kind, said = _plain(inner)
    if "unit" not in said:
        keys = said.get("keys", ())
        names = _members(kind) if not keys else ("…",) if isinstance(keys, str) else keys
        few = ", ".join(f"{'.'.join(path)}.{name}" for name in list(names)[:3])
        raise ValueError(f"{'.'.join(path)} is no number but holds some; for example {few}")
    return _subject(path, said["unit"], said["of"])


def _subject(path: tuple[str, ...], unit: str, of: Of | None) -> Subject:
    scopes: Scopes = "none" if path[0] in _OF_ITS_OWN else "all"
    peak = "<=" if path[-1].startswith("peak_") else None
    if unit == "milliseconds":
        return Subject(path, ("duration", "rate"), scale=1000, scopes=scopes, bare="<=")
    units: dict[str, tuple[Unit, ...]] = {
        "count": ("count",) if of is None else ("count", "share"),
        "duration": ("duration", "rate"),
        "rate": ("rate",),
        "share": ("share",),
        "flag": ("flag",),
    }
    return Subject(path, units[unit], of, scopes=scopes, bare=peak)


def _plain(kind: Any) -> tuple[Any, dict[str, Any]]:
    """A type without what is annotated to it, and that."""
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        return inner, {key: v for meta in metas for key, v in (meta.extra or {}).items()}
    return kind, {}


def _leads_on(kind: Any) -> bool:
    """Whether an expectation can be about it or about something in it."""
    plain, said = _plain(kind)
    if "unit" in said:
        return True
    if get_origin(plain) is dict:
        return _leads_on(get_args(plain)[1])
    if not (isinstance(plain, type) and issubclass(plain, msgspec.Struct)):
        return False
    return any(_leads_on(inner) for inner in _members(plain).values())


PARTS: Final = tuple(name for name, inner in _members(Summary).items() if _leads_on(inner))
"""Where a path may begin."""
