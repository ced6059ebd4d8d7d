"""A comparison as text for a terminal, and as JSON."""

import math
from collections.abc import Iterator
from typing import Any, Final

from simulator.compare.measures import Measure
from simulator.compare.verdict import Comparison, Row
from simulator.finished_run import FinishedRun
from simulator.report.text import duration

MOST: Final = 12
"""Changed keys that are listed."""
WORDS: Final = {
    "regression": "REGRESSION",
    "improvement": "better",
    "slight": "slight",
    "same": "",
    "untested": "",
}


def render(comparison: Comparison) -> str:
    """The whole comparison."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"A  {about(comparison.a)}"
    yield f"B  {about(comparison.b)}"
    yield ""
    if comparison.identical:
        yield "Identical: the same scenario, seed and outcome, to the byte."
        return
    if comparison.changed:
        yield "The scenarios differ:"
        for key, a, b in comparison.changed[:MOST]:
            yield f"  {key}: {a} → {b}"
        if len(comparison.changed) > MOST:
            yield f"  and {len(comparison.changed) - MOST} more keys"
    for remark in comparison.remarks:
        yield f"Note: {remark}."
    yield how(comparison)
    yield ""
    if comparison.promises:
        yield f"{'Promises':<42} {'A':>22} {'B':>22}"
        for one in comparison.promises:
            yield f"  {one.name:<40} {one.a:>22} {one.b:>22}  {WORDS[one.finding]}".rstrip()
        yield ""
    level = f"{1 - comparison.limits.alpha:.0%} interval"
    yield f"{'':<30} {'A':>11} {'B':>11} {'B − A':>11} {level:>21} {'p':>8}"
    group = ""
    for row in comparison.rows:
        if row.measure.group != group:
            group = row.measure.group
            yield group
        yield _row(row)
    yield ""
    yield from verdict(comparison)


def about(run: FinishedRun) -> str:
    """One run in a line."""
    summary = run.summary
    clock = f"live over {summary.transport}" if run.live else "rehearsed"
    verdict = "passed" if summary.verdict.passed else "FAILED"
    return (
        f"{run.folder}: {summary.scenario}, {summary.things:,} things, seed {summary.seed}, "
        f"{clock}; {verdict}"
    )


def how(comparison: Comparison) -> str:
    """Which tests are used."""
    tested = sum(row.p is not None for row in comparison.rows)
    same = (
        "the same things (same seed), each held against itself"
        if comparison.paired
        else "two independent fleets"
    )
    return (
        f"{tested} tests of {same}. A regression: p < {comparison.limits.alpha:g} (after Holm), "
        "and beyond its limit."
    )


def verdict(comparison: Comparison) -> Iterator[str]:
    """What is found, in words."""
    found = comparison.regressions
    if not found:
        yield "Verdict: no regression"
        return
    yield "Verdict: REGRESSION"
    for name in found:
        yield f"  {name}"


def _row(row: Row) -> str:
    one = row.measure
    interval = ""
    if one.interval is not None and all(map(math.isfinite, one.interval)):
        interval = " … ".join(signed(one, end) for end in one.interval)
    p = "" if row.p is None else probability(row.p)
    return (
        f"  {one.name[:28]:<28} {value(one, one.a):>11} {value(one, one.b):>11} "
        f"{signed(one, one.difference):>11} {interval:>21} {p:>8}  {WORDS[row.finding]}"
    ).rstrip()


def probability(p: float) -> str:
    """A p-value in as many digits as say something."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def value(measure: Measure, number: float | None) -> str:
    """A value in its unit."""
    if number is None:
        return "–"
    if measure.unit == "share":
        return f"{number:.2%}"
    if measure.unit == "seconds":
        return duration(number) or "0 s"
    if measure.unit == "ms":
        return f"{number:,.1f} ms"
    return f"{number:,.0f}" if measure.unit == "count" else f"{number:,.2f}"


def signed(measure: Measure, number: float | None) -> str:
    """A difference in its unit, with its sign."""
    if number is None:
        return ""
    sign = "+" if number > 0 else "−" if number < 0 else "±"
    size = abs(number)
    if measure.unit == "share":
        return f"{sign}{size * 100:.2f} pp"
    if measure.unit == "seconds":
        return f"{sign}{size:,.0f} s" if size >= 100 else f"{sign}{size:.3g} s"
    return f"{sign}{value(measure, size)}"


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON members; what is not finite is null."""
    return {
        "a": str(comparison.a.folder),
        "b": str(comparison.b.folder),
        "identical": comparison.identical,
        "paired": comparison.paired,
        "alpha": comparison.limits.alpha,
        "remarks": list(comparison.remarks),
        "changed": [{"key": key, "a": a, "b": b} for key, a, b in comparison.changed],
        "promises": [
            {"name": one.name, "a": one.a, "b": one.b, "finding": one.finding}
            for one in comparison.promises
        ],
        "rows": [_members(row) for row in comparison.rows],
        "regressions": list(comparison.regressions),
    }


def _members(row: Row) -> dict[str, Any]:
    one = row.measure
    test = one.test
    return {
        "group": one.group,
        "name": one.name,
        "unit": one.unit,
        "a": one.a,
        "b": one.b,
        "difference": one.difference,
        "ratio": _finite(one.ratio),
        "interval": None if one.interval is None else [_finite(end) for end in one.interval],
        "limit": one.limit,
        "method": None if test is None else test.method,
        "effect": None if test is None else _finite(test.effect),
        "p": None if test is None else test.p,
        "p_holm": row.p,
        "finding": row.finding,
    }


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
