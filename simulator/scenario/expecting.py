"""``expect`` in a scenario file: ``"name[cohort, 1h..2h]": ">= 90%"`` as plain values.

Rule 1: a value is read exactly, from its digits.
Rule 2: an operator may be left out where only one can be meant: a duration and a peak are upper
        bounds, a count, a truth value, 0 % and 100 % are what they are.
Rule 3: an expectation that no run can meet is a mistake, and told as one.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from simulator.expectations import (
    EVERYTHING,
    FRIENDLY,
    OPERATORS,
    PARTS,
    Expectation,
    Scope,
    Subject,
    Unit,
    subject_of,
    unknown,
)
from simulator.scenario import units

_WAYS: Final[dict[Unit, str]] = {
    "share": "a share like 90%",
    "count": "a count like 0",
    "duration": "a duration like 6h",
    "rate": "a rate like 200",
    "flag": "true or false",
}
_SCOPED: Final = re.compile(r"\s*([^\[\]]+?)\s*(?:\[([^\[\]]*)\])?\s*")
_WINDOW: Final = re.compile(r"(.*?)\s*\.\.\s*(.*)")
_PART: Final = r"\[[^\[\]]+\]"
NAME_PATTERN: Final = (
    rf"^(?:(?:{'|'.join(FRIENDLY)}){_PART}|(?:{'|'.join(PARTS)})(?:\.[^\[\].]+)*(?:{_PART})?)$"
)
"""For editors: what an expectation's name looks like that is none of the friendly ones."""


def as_written(value: object) -> str:
    """YAML's ``false``, ``0`` and ``"<= 3%"`` as the text that was meant."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_expectation(name: str, text: str) -> Expectation:
    """``name: ">= 90%"`` as a plain value; raises ValueError."""
    parts = _SCOPED.fullmatch(name)
    if parts is None:
        raise ValueError(f"{units.shown(name)} is no name; write name or name[cohort, 1h..2h]")
    subject = subject_of(parts[1])
    scope = EVERYTHING if parts[2] is None else _scope(parts[2])
    _check_scope(parts[1], subject, scope)
    symbol = next((s for s in sorted(OPERATORS, key=len, reverse=True) if text.startswith(s)), "")
    rest = text[len(symbol) :].strip()
    for unit in subject.units:
        value = _value(rest, unit)
        if value is None:
            continue
        if unit == "rate" and "duration" in subject.units:
            # a plain number where the summary has seconds or milliseconds
            unit, value = "duration", value / subject.scale
        symbol = symbol or _plain_operator(subject, unit, value)
        if not symbol:
            raise ValueError(f"{units.shown(text)} has no operator; allowed: {' '.join(OPERATORS)}")
        if unit == "flag" and symbol not in ("==", "!="):
            raise ValueError(f"{name} is true or false; allowed: == !=")
        return Expectation(name, f"{symbol} {rest}", symbol, value, unit, subject, scope)
    ways = " or ".join(
        _WAYS[unit] for unit in subject.units if unit != "rate" or "duration" not in subject.units
    )
    if not symbol and not re.match(r"[0-9]|true|false", text):
        raise ValueError(f"{units.shown(text)} has no operator; allowed: {' '.join(OPERATORS)}")
    raise ValueError(f"{units.shown(rest)} is no value for {name}; allowed: {ways}")


def _value(text: str, unit: Unit) -> Fraction | None:
    try:
        match unit:
            case "share":
                return units.exact_share(text)
            case "duration":
                return units.exact_duration(text)
            case "count":
                number = units.parse_number(text)
                return number if number.denominator == 1 else None
            case "rate":
                return units.parse_number(text)
            case "flag":
                return {"true": Fraction(1), "false": Fraction(0)}.get(text)
    except ValueError:
        return None


def _plain_operator(subject: Subject, unit: Unit, value: Fraction) -> str:
    """The operator that a value without one can only mean; nothing where it could be another."""
    if subject.bare:
        return subject.bare
    match unit:
        case "duration":
            return "<="
        case "rate":
            return ""
        case "share":
            return "==" if value in (0, 1) else ""
    return "=="


def _is_possible(one: Expectation) -> bool:
    """Whether there are runs that meet it."""
    if one.operator == "<":
        return one.value > 0
    # with retries there may be more failures than things, but nothing succeeds twice
    subject = one.subject
    whole = subject.of in ("updates", "requests") or subject.path[-1:] == ("SUCCEEDED",)
    return not (one.operator == ">" and one.unit == "share" and one.value == 1 and whole)


# ------------------------------------------------------------------------------- scopes


def _scope(text: str) -> Scope:
    """``gateways``, ``1h..2h`` or both; either end of a window may be left open."""
    cohort: str | None = None
    window: tuple[float, float] | None = None
    for part in (part.strip() for part in text.split(",")):
        found = _WINDOW.fullmatch(part)
        if found is not None and window is None:
            begin = units.parse_duration(found[1]) if found[1] else 0.0
            end = units.parse_duration(found[2]) if found[2] else float("inf")
            if begin >= end:
                raise ValueError(f"the window {part} is empty; its end must be after its beginning")
            window = (begin, end)
        elif found is None and part and cohort is None:
            cohort = part
        else:
            raise ValueError(
                f"[{text}] is no part of a run; allowed: [cohort], [1h..2h], [cohort, 1h..2h]"
            )
    begin, end = window or (0.0, float("inf"))
    return Scope(cohort, begin, end)


def _check_scope(name: str, subject: Subject, scope: Scope) -> None:
    if scope == EVERYTHING or subject.scopes == "all":
        return
    if subject.scopes == "cohort":
        if scope.windowed:
            raise ValueError(f"{name} is of the whole time; allowed: {name} and {name}[cohort]")
        return
    raise ValueError(f"{name} is one number for the whole run; write it without [ ]")


def misfits(
    expectations: Iterable[Expectation],
    cohorts: Sequence[str],
    job_ids: Sequence[str],
    incidents: Sequence[str],
    until: float,
) -> list[tuple[str, str]]:
    """(name, what is wrong) of expectations about what the scenario does not have, or never is."""
    wrong = []
    for one in expectations:
        path, scope = one.subject.path, one.scope
        cohort = path[1] if path[:1] == ("cohorts",) else scope.cohort
        if not _is_possible(one):
            wrong.append((one.name, f"{units.shown(one.text)} is never met by any run"))
        elif cohort is not None and cohort not in cohorts:
            wrong.append((one.name, f"no cohort {cohort!r}: {_allowed(cohort, cohorts)}"))
        elif path[:1] == ("jobs",) and len(job_ids) == 1:
            wrong.append((one.name, "there is one job; write it without jobs."))
        elif path[:1] == ("jobs",) and path[1] not in job_ids:
            wrong.append((one.name, f"no job {path[1]!r}: {_allowed(path[1], job_ids)}"))
        elif path[:1] == ("incidents",) and path[1] not in incidents:
            wrong.append((one.name, _no_incident(path[1], incidents)))
        elif scope.begin >= until:
            wrong.append((one.name, _late("begins at", scope.begin, until)))
        elif until < scope.end < float("inf"):
            wrong.append((one.name, _late("ends at", scope.end, until)))
    return wrong


def _allowed(name: str, allowed: Sequence[str]) -> str:
    return unknown(name, allowed).removeprefix("unknown key; ")


def _no_incident(name: str, incidents: Sequence[str]) -> str:
    if not incidents:
        return f"no incident {name!r}: nothing happens to the service (service)"
    return f"no incident {name!r}: {_allowed(name, incidents)}"


def _late(what: str, at: float, until: float) -> str:
    return (
        f"the window {what} {units.format_duration(at)}, after the run's end at "
        f"{units.format_duration(until)} (load.until)"
    )
