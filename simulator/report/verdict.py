"""Expectations held against a summary: what was observed, whether it holds, and by how much.

What was not measured is no zero: an expectation about it fails. A count of something that never
happened is one.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, Final

import msgspec

from simulator.expectations import EVERYTHING, Expectation, Scope, Subject, Unit, check, spare
from simulator.report.summary import COMPLETED, Judged, Summary, Verdict

Look = Callable[[Scope], Summary]
"""The numbers of a part of the run."""


def judge(
    expectations: Iterable[Expectation], summary: Summary, look: Look | None = None
) -> Verdict:
    """The verdict: each expectation with what was observed; ``look`` folds a part of the run."""
    seen: dict[Scope, Summary] = {EVERYTHING: summary}
    judged = []
    for expectation in expectations:
        scope = expectation.scope
        if scope not in seen:
            assert look is not None  # whoever has expectations of parts hands it in
            seen[scope] = look(scope)
        judged.append(_judged(expectation, observe(expectation, seen[scope])))
    return Verdict(all(one.passed for one in judged), judged)


def _judged(expectation: Expectation, observed: Fraction | None) -> Judged:
    name, text = expectation.name, expectation.text
    if observed is None:
        return Judged(name, text, "nothing measured", passed=False)
    passed = check(expectation.operator, observed, expectation.value)
    left = spare(expectation.operator, observed, expectation.value)
    return Judged(
        name,
        text,
        _shown(observed, expectation, passed),
        passed,
        _margin(left, expectation.unit),
        round(float(observed), 9),
        round(float(left), 9),
    )


def observe(expectation: Expectation, summary: Summary) -> Fraction | None:
    """The exact value that an expectation is about: a share (0 to 1), a count, seconds or a rate.

    None where the run measured no such thing, or, for ``completes_within``, did not complete.
    """
    subject = expectation.subject
    if subject.path:
        found = _find(subject, summary)
    else:
        found = _COMPUTED[expectation.name.partition("[")[0].strip()](summary)
    if found is None:
        return None
    if expectation.unit == "share" and subject.of is not None:
        whole = _whole(subject, summary)
        return found / whole if whole else None
    return found / subject.scale


def _find(subject: Subject, summary: Summary) -> Fraction | None:
    """Follow a path; what is missing is 0 if it is counted, and else was not measured."""
    first, *rest = subject.path
    members: Any = msgspec.to_builtins(getattr(summary, first))
    for at, part in enumerate(rest):
        if members is None:  # this run has no such part
            return None
        if part not in members:
            nobody = first in ("cohorts", "jobs") and not at
            return Fraction(0) if "count" in subject.units and not nobody else None
        members = members[part]
    return None if members is None else _exactly(members)


def _whole(subject: Subject, summary: Summary) -> int:
    """What a share of the subject is a share of: in its cohort or job, where it is of one."""
    first, *rest = subject.path or ("",)
    if first == "cohorts":
        cohort = summary.cohorts[rest[0]]
        return cohort.targets if subject.of == "targets" else cohort.updates
    if first == "jobs":
        return summary.jobs[rest[0]].targets
    if subject.of == "targets":
        return summary.targets
    if subject.of == "updates":
        updates = summary.requests.get("UpdateJobExecution")
        return 0 if updates is None else updates.sent
    return sum(numbers.sent for numbers in summary.requests.values())


def _unfinished(summary: Summary) -> Fraction:
    return Fraction(sum(summary.unfinished.values()) + summary.not_rolled_out)


def _no_reply(summary: Summary) -> Fraction:
    return Fraction(sum(numbers.no_reply for numbers in summary.requests.values()))


def _completed(summary: Summary) -> Fraction | None:
    return _exactly(summary.elapsed_s) if summary.ended == COMPLETED else None


def _throttled(summary: Summary) -> Fraction:
    """What was throttled; without quotas in force, what AWS would have at the least."""
    budget = summary.budget
    would = 0 if budget.in_force else budget.writes.over + budget.reads.over
    return Fraction(max(budget.throttled, would))


def _throttled_for(summary: Summary) -> Fraction:
    budget = summary.budget
    would = 0.0 if budget.in_force else budget.over_for_s
    return _exactly(max(budget.throttled_for_s, would))


_COMPUTED: Final[dict[str, Callable[[Summary], Fraction | None]]] = {
    "unfinished": _unfinished,
    "no_reply": _no_reply,
    "completes_within": _completed,
    "throttled": _throttled,
    "throttled_for": _throttled_for,
}


def _exactly(number: float) -> Fraction:
    """A rounded number as it is written, digit by digit: 0.007 and not the float nearest to it."""
    return Fraction(repr(number + 0))  # True is 1


# ------------------------------------------------------------------------------- in words

_SHOWN: Final[dict[Unit, tuple[int, int, str]]] = {
    "share": (100, 2, "%"),
    "count": (1, 0, ""),
    "duration": (1, 3, "s"),
    "rate": (1, 1, ""),
    "flag": (1, 0, ""),
}
"""By unit: the factor, the digits behind the point that are enough as a rule, the sign behind."""


def _shown(observed: Fraction, expectation: Expectation, passed: bool) -> str:
    """Rounded, but never so far that it contradicts the verdict."""
    if expectation.unit == "flag":
        return "true" if observed else "false"
    factor, usual, sign = _SHOWN[expectation.unit]
    for digits in range(usual, usual + 8):
        if check(expectation.operator, round(observed * factor, digits) / factor,
                 expectation.value) == passed:  # fmt: skip
            break
    return f"{float(observed * factor):.{digits}f}{sign}"


def _margin(left: Fraction, unit: Unit) -> str:
    """Rounded, but not to nothing where there is some."""
    if unit == "flag":
        return ""
    factor, usual, sign = _SHOWN[unit]
    for digits in range(usual, usual + 8):
        if bool(round(left * factor, digits)) == bool(left):
            break
    return f"{float(left * factor):.{digits}f}{sign}"
