"""``report.html``: a finished run as one page that needs nothing else.

Rule 1: the page is written from the run directory, and from nothing that runs.
Rule 2: it asks no network for anything: style, script and plotly's JavaScript are in it.
Rule 3: whatever a scenario, a service or a thing named reaches the page as text: the template
        escapes it, and figures travel as JSON in which no tag can be closed.
Rule 4: without scripts, and for readers who cannot see charts, the findings and tables say it all.
"""

import json
import shlex
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from simulator.errors import UsageError
from simulator.finished_run import FinishedRun
from simulator.report.page import conflicts, endings, lag, latency, rollout, troubles
from simulator.report.page.drawing import Chart
from simulator.report.page.verdict import at_a_glance, banner, facts, requests
from simulator.report.text import duration
from simulator.report.workers import what_happened
from simulator.run_directory import SCENARIO

MARK: Final = b"<!doctype html>\n<!-- A run of jobfleet."
"""How every page begins: what tells ours from somebody else's."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading of its own."""

    key: str
    heading: str
    charts: list[Chart]


def as_html(run: FinishedRun) -> bytes:
    """The page.

    Raises:
        UsageError: a file of the run directory is damaged.
    """
    sections = _sections(run)
    figures = {
        f"{chart.key}-{at}": plot.figure
        for section in sections
        for chart in section.charts
        for at, plot in enumerate(chart.plots)
    }
    scenario_file = run.folder / SCENARIO
    text: str = _template().render(
        run=run,
        summary=run.summary,
        question=run.loaded.question,
        banner=banner(run),
        glance=at_a_glance(run),
        facts=facts(run),
        requests=requests(run),
        workers=what_happened(run.machine.get("workers", [])),
        sections=sections,
        command=command(run),
        scenario=_text(scenario_file),
        elapsed=duration(run.summary.elapsed_s),
        figures=_markup(_as_json(figures)),
        css=_markup(_own("page.css")),
        script=_markup(_own("page.js")),
        plotly=_markup(_plotly()) if figures else "",
    )
    return text.encode()


def command(run: FinishedRun) -> str:
    """What repeats the run, for a shell."""
    scenario = str(run.folder / SCENARIO)
    if not run.live:
        return shlex.join(["jobfleet", "rehearse", scenario, "--seed", str(run.summary.seed)])
    return shlex.join(
        ["jobfleet", "run", scenario, "--seed", str(run.summary.seed),
         "--transport", run.summary.transport]
    )  # fmt: skip


def _sections(run: FinishedRun) -> list[Section]:
    table = rollout.settled(run)
    answered = latency.Answered(run.records, run.summary.time_scale)
    return [
        Section("rollout", "Rollout", [rollout.funnel(run, table), rollout.release(run, table),
                                       rollout.writes(run)]),
        Section("endings", "Executions", [endings.time_to_terminal(run, table),
                                          endings.timeouts(run), endings.retries(run)]),
        Section("conflicts-section", "Version conflicts",
                [one for one in (conflicts.over_time(run), conflicts.by_edge(run)) if one]),
        Section("latencies", "Latency",
                [latency.over_time(run, answered), latency.curve(answered)]),
        Section("generator", "Load generator", lag.charts(run)),
        Section("troubles", "Errors", [troubles.top(run)]),
    ]  # fmt: skip


# ------------------------------------------------------------------------------- its parts


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = cell
    return environment.from_string(_own("page.html.jinja"))


def cell(value: str | int | float | None) -> str:
    """A cell of a table as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.10g}"


def _markup(trusted: str) -> Any:
    """Text of our own, which is markup already."""
    from markupsafe import Markup

    return Markup(trusted)


def _as_json(figures: dict[str, Any]) -> str:
    """JSON for a script element: no text in it can close the element."""
    text = json.dumps(figures, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _own(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    """Plotly's JavaScript, from its wheel; its Python, which takes a while, is not imported."""
    found = find_spec("plotly")
    assert found is not None  # a dependency
    assert found.origin is not None
    return _text(Path(found.origin).parent / "package_data" / "plotly.min.js")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
