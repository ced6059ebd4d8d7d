"""A comparison as a page: one file, nothing from elsewhere, for dark screens, phones and paper.

Rule 1: what comes from a file or a name is escaped; nothing is marked up before it was.
Rule 2: colour says nothing alone: a finding is a word, A is a full line and B a dashed one.
Rule 3: what a drawing shows stands in a table, too.
"""

import math
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

from simulator.compare import text
from simulator.compare.measures import Curve, Measure
from simulator.compare.verdict import Comparison, Row
from simulator.errors import UsageError
from simulator.run_directory import aside

MARK: Final = '<meta name="generator" content="jobfleet compare">'
"""What tells a page of ours."""

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --paper: #fff; --line: #d1d9e0;
  --bad: #b3261e; --good: #1a7f37; --a: #59636e; --b: #0550ae; --band: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --paper: #0d1117;
  --line: #3d444d; --bad: #ff8a80; --good: #56d364; --a: #9198a1; --b: #79c0ff; --band: #151b23; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 0 auto; padding: 1rem; max-width: 76rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem; }
code { overflow-wrap: anywhere; }
.verdict { border: 2px solid currentColor; border-radius: .5rem; padding: .75rem 1rem; }
.bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .45rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
thead th { color: var(--soft); font-weight: 500; }
tbody th { text-align: left; padding-top: .9rem; }
tr.regression td { background: var(--band); }
svg { display: block; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.curves { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; flex: 1 1 20rem; }
figure svg { width: 100%; height: auto; } figcaption { font-weight: 600; }
@media print { :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #333; --line: #999;
  --bad: #000; --good: #000; --a: #555; --b: #000; --band: #fff; } body { max-width: none;
  font-size: 10pt; } table { font-size: 7.5pt; }
  .scroll { overflow: visible; } tr, figure { break-inside: avoid; } }
"""


def write(comparison: Comparison, path: Path) -> None:
    """Write the page aside and rename it; a file that is no page of ours is not replaced.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace")[:2000]:
            raise UsageError(
                f"--html {path} exists and is no page of `jobfleet compare`; name another"
            )
        with aside(path.parent, path.name) as file:
            file.write(render(comparison).encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def render(comparison: Comparison) -> str:
    """The page."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    found = comparison.regressions
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield MARK
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_title(comparison)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>"
    yield "<h1>Comparison of two runs</h1>"
    if comparison.identical:
        same = "the same scenario, seed and outcome, to the byte"
        yield f'<p class="verdict good">Identical: {same}.</p>'
    elif found:
        yield '<div class="verdict"><p class="bad">Regression</p><ul>'
        yield from (f"<li>{escape(name)}</li>" for name in found)
        yield "</ul></div>"
    else:
        yield '<p class="verdict good">No regression</p>'
    yield f"<p><b>A</b>, the baseline: <code>{escape(text.about(comparison.a))}</code><br>"
    yield f"<b>B</b>: <code>{escape(text.about(comparison.b))}</code></p>"
    if not comparison.identical:
        yield from _body(comparison)
    yield "</main>\n</body>\n</html>"


def _title(comparison: Comparison) -> str:
    names = escape(f"{comparison.a.folder.name} and {comparison.b.folder.name}")
    return f"{'REGRESSION: ' if comparison.regressions else ''}{names}"


def _body(comparison: Comparison) -> Iterator[str]:
    if comparison.remarks:
        yield "<ul>"
        yield from (f"<li>{escape(remark)}</li>" for remark in comparison.remarks)
        yield "</ul>"
    if comparison.changed:
        yield "<h2>What differs between the scenarios</h2>"
        rows = [
            f"<tr>{_cells(f'<code>{escape(key)}</code>', escape(a), escape(b))}</tr>"
            for key, a, b in comparison.changed
        ]
        yield from _table(("key", "A", "B"), rows)
    if comparison.promises:
        yield "<h2>Promises</h2>"
        rows = [
            f"<tr>{_cells(escape(one.name), _word(one.finding), escape(one.a), escape(one.b))}</tr>"
            for one in comparison.promises
        ]
        yield from _table(("expected", "", "A", "B"), rows)
    if comparison.curves:
        yield "<h2>Distributions</h2>"
        yield "<p>The share of values up to each, of A (full line) and B (dashed).</p>"
        yield '<div class="curves">'
        yield from map(_curve, comparison.curves)
        yield "</div>"
    yield "<h2>Every number</h2>"
    yield f"<p>{escape(text.how(comparison))}</p>"
    yield "<p>Drawn: the difference (dot), its interval (bar), its limits (ticks).</p>"
    level = f"{1 - comparison.limits.alpha:.0%} interval"
    rows = []
    for group, members in groupby(comparison.rows, lambda row: row.measure.group):
        rows.append(f'<tr><th colspan="8" scope="rowgroup">{escape(group)}</th></tr>')
        rows += map(_row, members)
    yield from _table(("", "", "A", "B", "B − A", level, "", "p"), rows)


def _table(heads: tuple[str, ...], rows: list[str]) -> Iterator[str]:
    yield '<div class="scroll" tabindex="0"><table><thead><tr>'
    yield "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    yield "</tr></thead><tbody>"
    yield from rows
    yield "</tbody></table></div>"


def _cells(*cells: str) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _word(finding: str) -> str:
    kind = {"regression": "bad", "improvement": "good"}.get(finding, "")
    return f'<span class="{kind}">{text.WORDS[finding]}</span>'


def _row(row: Row) -> str:
    one = row.measure
    interval = ""
    if one.interval is not None and all(map(math.isfinite, one.interval)):
        interval = " … ".join(text.signed(one, end) for end in one.interval)
    cells = _cells(
        escape(one.name), _word(row.finding), text.value(one, one.a), text.value(one, one.b),
        text.signed(one, one.difference), interval, _bar(one),
        "" if row.p is None else escape(text.probability(row.p)),
    )  # fmt: skip
    return f'<tr class="{row.finding}">{cells}</tr>'


# ------------------------------------------------------------------------------- drawings


def _bar(measure: Measure) -> str:
    """The interval of the difference against its limit: the ticks are the limits, the dot is B."""
    limit, off = measure.limit, measure.difference
    if measure.interval is None or off is None or limit is None:
        return ""
    if measure.unit != "share":
        limit = limit * abs(measure.a or 0.0)
    ends = (*measure.interval, off)
    if not limit or not all(map(math.isfinite, ends)):
        return ""
    reach = 1.15 * max(limit, *map(abs, ends))
    low, high, dot, left, right = (60 + 58 * number / reach for number in (*ends, -limit, limit))
    return (
        '<svg width="120" height="16" aria-hidden="true">'
        '<path d="M60 1V15" stroke="var(--line)"/>'
        f'<path d="M{left:.1f} 4V12M{right:.1f} 4V12" stroke="var(--soft)"/>'
        f'<path d="M{low:.1f} 8H{high:.1f}" stroke="var(--b)" stroke-width="2"/>'
        f'<circle cx="{dot:.1f}" cy="8" r="3" fill="var(--b)"/></svg>'
    )


def _curve(curve: Curve) -> str:
    """Two cumulative distributions up to the larger 99th percentile."""
    most = max(curve.a[99], curve.b[99]) or 1.0
    lines = []
    for name, values, dash in (("A", curve.a, ""), ("B", curve.b, ' stroke-dasharray="6 4"')):
        points = " ".join(
            f"{40 + 350 * min(1.0, value / most):.1f},{160 - 1.4 * percent:.1f}"
            for percent, value in enumerate(values[:100])
        )
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="var(--{name.lower()})" '
            f'stroke-width="2"{dash}/>'
        )
    unit = Measure("", "", curve.unit, 0.0, 0.0)
    ticks = "".join(
        f'<text x="{40 + 350 * share}" y="178" text-anchor="{anchor}">'
        f"{escape(text.value(unit, most * share))}</text>"
        for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    label = escape(
        f"{curve.title}: median {text.value(unit, curve.a[50])} in A, "
        f"{text.value(unit, curve.b[50])} in B; 99th percentile {text.value(unit, curve.a[99])} "
        f"in A, {text.value(unit, curve.b[99])} in B"
    )
    return (
        f'<figure><figcaption>{escape(curve.title)}</figcaption><svg viewBox="0 0 400 185" '
        f'role="img" aria-label="{label}"><path d="M40 20V160H390" fill="none" '
        'stroke="var(--line)"/><path d="M40 90H390" stroke="var(--line)" stroke-dasharray="2 4"/>'
        '<text x="36" y="24" text-anchor="end">100%</text>'
        '<text x="36" y="94" text-anchor="end">50%</text>'
        f'<text x="36" y="164" text-anchor="end">0%</text>{ticks}{"".join(lines)}</svg></figure>'
    )
