"""The report as text: its numbers, its tables beside its plots, what it makes of others' words."""

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from simulator import results
from simulator.errors import UsageError
from simulator.finished_run import FinishedRun, read
from simulator.report.budget import writes_by_second
from simulator.report.page import MARK, as_html, command, conflicts, endings, lag, latency, rollout
from simulator.report.page.bins import percentiles, percentiles_by
from simulator.report.page.drawing import Chart, TimeAxis, log_axis, percent, plain
from simulator.report.page.troubles import top
from simulator.run import Rehearsal, Resolved, RunDirectory
from simulator.run_directory import REPORT, replace
from simulator.scenario import loads
from simulator.today import utc_now
from tests.report.made import record, records

HOSTILE = "</script><img src=x onerror=alert(1)>"
TEXT = f"""# Question: what becomes of "{HOSTILE}"?
fleet:
  - cohort: gateways
    things: 60
    work: {{duration: 2m, steps: 2, step_timeout: 5m}}
    outcome: {{fail: 10%, hang: 10%}}
  - cohort: meters
    things: 30
    work: {{duration: {{distribution: uniform, low: 10m, high: 20m}}, steps: 2}}
network: {{latency: 40ms, lost_replies: 4%}}
job:
  document: {{note: "{HOSTILE}"}}
  timeoutConfig: {{inProgressTimeoutInMinutes: 15}}
  jobExecutionsRolloutConfig: {{maximumPerMinute: 20}}
  jobExecutionsRetryConfig: {{criteriaList: [{{failureType: ALL, numberOfRetries: 2}}]}}
load: {{until: 3h}}
expect: {{succeeded: ">= 99%", conflict_rate: "< 50%"}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    resolved = Resolved.of(loads(TEXT), None, None)
    directory = RunDirectory(tmp_path_factory.mktemp("run"), resolved.name)
    directory.write(Rehearsal(resolved).run(), utc_now())
    return read(directory.path)


@pytest.fixture(scope="module")
def page(run: FinishedRun) -> str:
    return as_html(run).decode()


@pytest.fixture(scope="module")
def charts(run: FinishedRun) -> dict[str, Chart]:
    table = rollout.settled(run)
    answered = latency.Answered(run.records, 1.0)
    made = [
        rollout.funnel(run, table), rollout.release(run, table), rollout.writes(run),
        endings.time_to_terminal(run, table), endings.timeouts(run), endings.retries(run),
        conflicts.over_time(run), latency.over_time(run, answered), latency.curve(answered),
        *lag.charts(run), top(run),
    ]  # fmt: skip
    return {chart.key: chart for chart in made}


# ------------------------------------------------------------------------------- numbers


def test_percentiles_in_bins_are_those_of_the_sorted_times() -> None:
    times = np.random.default_rng(1).lognormal(-3, 2, 20_000)
    shares = np.array([0.001, 0.5, 0.99, 0.9999, 1.0])
    exact = np.percentile(times, shares * 100, method="inverted_cdf")
    assert percentiles(times, shares) == pytest.approx(exact, rel=1e-3)
    row = np.arange(20_000) % 2 * 2  # the row between has nothing
    table = percentiles_by(times, row, 3, shares)
    assert table[2] == pytest.approx(
        np.percentile(times[1::2], shares * 100, method="inverted_cdf"), rel=1e-3
    )
    assert np.isnan(table[1]).all()


def test_the_seconds_of_writes_add_up_to_the_summary(run: FinishedRun) -> None:
    second, counts = writes_by_second(run.records, 1.0)
    use = run.summary.budget.writes
    assert (int(counts.sum()), int(counts.max())) == (use.requests, use.peak_per_s)
    assert second[counts.argmax()] == use.peak_at_s


def test_the_rollout_is_released_as_configured(charts: dict[str, Chart]) -> None:
    table = charts["release"].table
    assert table is not None
    assert [row[1] for row in table.rows][:6] == [20, 20, 20, 20, 10, 0]
    assert "At most 20 in a minute, at 00:00:00: 100 % of" in charts["release"].finding
    assert "Retries come on top" in charts["release"].finding


def test_the_funnel_ends_as_the_summary_says(run: FinishedRun, charts: dict[str, Chart]) -> None:
    table = charts["funnel"].table
    assert table is not None
    first, last = (dict(zip(table.columns[1:], table.rows[at][1:], strict=True)) for at in (0, -1))
    assert first["not released"] == 90
    left = {status: n for status, n in last.items() if n}
    assert left == {status: n for status, n in run.summary.executions.items() if n}


def test_each_trouble_has_an_example_that_there_was(run: FinishedRun) -> None:
    table = top(run).table
    assert table is not None
    wrong = run.records[run.records["outcome"] != results.ACCEPTED]
    assert sum(int(str(row[2])) for row in table.rows) == len(wrong)
    named = next(row for row in table.rows if row[1] == "VersionMismatch: lost_reply")
    assert re.match(r"(gateways|meters)-0000\d\d at 00:\d\d:\d\d, attempt \d of ", str(named[4]))


def test_response_time_tells_what_service_time_hides(run: FinishedRun) -> None:
    late = records(record(sent=float(at), due=float(at) - 3, done=at + 0.1) for at in range(4, 400))
    chart = latency.over_time(run, latency.Answered(late, 1.0))
    assert "Response time p50 3,100 ms, p99 3,100 ms; service time p50 100 ms" in chart.finding
    assert "Requests waited to be sent: at p99, the two lie 3,000 ms apart." in chart.finding


def test_axes_that_a_person_reads() -> None:
    assert TimeAxis(90).at([45]) == [45]
    assert (TimeAxis(7200).unit, TimeAxis(7200).at([5400])) == ("minutes", [90])
    assert TimeAxis(30 * 86_400).unit == "days"
    assert log_axis("", 0.08, 0.08)["ticktext"] == ["50 ms", "100 ms", "200 ms"]
    assert log_axis("", 0.01, 4000)["ticktext"] == [
        "10 ms", "100 ms", "1 s", "10 s", "1 min", "10 min", "1 h",
    ]  # fmt: skip
    assert [percent(*of) for of in ((0, 0), (1, 3), (1, 10**6), (5, 5), (2059, 200))] == [
        "0 %", "33.3 %", "under 0.01 %", "100 %", "1,030 %",
    ]  # fmt: skip


# ------------------------------------------------------------------------------- the page


class Page(HTMLParser):
    """What a page is made of."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, name: str) -> Iterator[dict[str, str | None]]:
        return (attributes for tag, attributes in self.tags if tag == name)


def test_the_page_is_whole_and_asks_nobody_for_anything(page: str) -> None:
    parsed = Page(page)
    assert parsed.open == []
    assert page.encode().startswith(MARK)
    assert len(page) < 8_000_000
    for _, attributes in parsed.tags:
        for name in ("src", "href", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,"))
    own = re.sub(r"<script>\s*/\*\*\n\* plotly.*?</script>", "", page, flags=re.DOTALL)
    assert len(own) < 500_000
    assert not re.search(r"https?://|url\(|@import", own)


def test_the_page_can_be_found_ones_way_in(page: str) -> None:
    parsed = Page(page)
    ids = [str(attributes["id"]) for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in parsed.tags:
        target = attributes.get("aria-labelledby") or (attributes.get("href") or "")[1:]
        assert target in (*ids, "", "ata:,")
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for name in ("header", "nav", "main", "footer"):
        assert len(list(parsed.of(name))) == 1
    plots = [attributes for attributes in parsed.of("div") if "data-figure" in attributes]
    assert len(plots) > 8
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    assert all(plot.get("tabindex") == "0" for plot in parsed.of("pre"))


def test_verdict_command_and_question_are_there(run: FinishedRun, page: str) -> None:
    assert "<title>Failed: scenario, seed 1" in page
    assert page.index(
        "1 of 2 expectations does not hold: succeeded &gt;= 99%, observed"
    ) < page.index('id="rollout"')
    assert command(run) == f"jobfleet rehearse {run.folder}/scenario.yaml --seed 1"


def test_what_a_plot_shows_stands_in_its_table(charts: dict[str, Chart]) -> None:
    told = 0
    for key in ("funnel", "release", "writes", "conflicts", "retries"):
        chart = charts[key]
        assert chart.table is not None
        columns = [list(column) for column in zip(*chart.table.rows, strict=True)]
        series = [one for one in chart.plots[0].figure["data"] if len(one["x"]) == len(columns[0])]
        for one in series:
            assert any(
                [value for value in column if isinstance(value, (int, float))]
                == pytest.approx(one["y"], rel=1e-4, abs=1e-3)
                for column in columns[1:]
                if all(isinstance(value, (int, float)) for value in column)
            ), (key, one["name"])
            told += 1
    assert told > 12


def test_names_of_others_stay_text(run: FinishedRun, page: str, tmp_path: Path) -> None:
    """A document and a question have it already; a cohort and an end get it here."""
    summary = msgspec.structs.replace(
        run.summary,
        ended=HOSTILE,
        scenario=HOSTILE,
        cohorts={f"{HOSTILE}{name}": cohort for name, cohort in run.summary.cohorts.items()},
    )
    hostile = FinishedRun(run.folder, run.loaded, summary, {**run.machine, "platform": HOSTILE})
    for text in (page, as_html(hostile).decode()):
        assert not list(Page(text).of("img"))
        assert "&lt;/script&gt;&lt;img src=x" in text
    figures = re.search(r'<script type="application/json" id="figures">(.*?)</script>',
                        as_html(hostile).decode())  # fmt: skip
    assert figures is not None
    names = {one["name"] for figure in json.loads(figures[1]).values() for one in figure["data"]}
    assert plain(HOSTILE) + "gateways" in names  # plotly has a markup of its own
    assert not any("<" in name for name in names)


def test_a_run_in_which_nothing_happened_says_so(tmp_path: Path) -> None:
    text = (
        "fleet: [{cohort: g, things: 3, work: {duration: 1s}, "
        'presence: {daily: {from: "06:00", until: "07:00"}}}]\n'
        'job: {document: {}, schedulingConfig: {startTime: "2026-01-02T00:00", '
        'endTime: "2026-01-03T00:00", endBehavior: STOP_ROLLOUT}}\nload: {until: 5m}\n'
    )
    directory = RunDirectory(tmp_path / "run", "x")
    directory.write(Rehearsal(Resolved.of(loads(text), None, None)).run(), utc_now())
    directory.report()
    page = (tmp_path / "run" / REPORT).read_text()
    assert "Nothing happened: not one request was sent." in page
    assert "data-figure=" not in page
    assert len(page) < 50_000  # so plotly is not in it


def test_a_live_runs_generator_is_drawn_and_a_damaged_reading_refused(
    run: FinishedRun, tmp_path: Path
) -> None:
    folder = tmp_path / "live"
    shutil.copytree(run.folder, folder)
    live = FinishedRun(folder, run.loaded, msgspec.structs.replace(run.summary, clock="wall"), {})
    assert "it wrote no generator.csv" in lag.charts(live)[0].finding
    (folder / lag.FILE).write_text(
        "at_s,worker,loop_lag_ms,slip_p99_ms,cpu,connected,turns\n"
        "1.01,a,3,20,0.5,10,0\n1.02,b,9,5,0.95,10,0\n2.0,a,1,300,0.2,10,0\n"
    )
    slip, loops = lag.charts(live)
    assert slip.table is not None
    assert [row[1] for row in slip.table.rows] == [20, 300]
    assert "Of 2 processes with things, the busiest took 95 % of a core" in loops.finding
    assert "largest loop lag was 9 ms. 1 second had 90 % or more" in loops.finding
    (folder / lag.FILE).write_text("at_s,worker\n1.0,\n")
    with pytest.raises(UsageError, match=r"generator\.csv cannot be read"):
        lag.charts(live)


# ------------------------------------------------------------------------------- the file


def test_only_a_report_of_ours_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    replace(path, lambda: MARK + b" one", MARK)
    replace(path, lambda: MARK + b" two", MARK)
    assert path.read_bytes() == MARK + b" two"
    path.write_text("mine")
    for where, why in (
        (path, "exists and was not written by jobfleet"),
        (tmp_path, "is a folder; name a file in it"),
        (tmp_path / "no" / "r.html", "No such file or directory"),
        (Path("/dev/full"), "was not written by jobfleet|cannot write"),
    ):
        with pytest.raises(UsageError, match=why):
            replace(where, lambda: MARK, MARK)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("r.html", "mine")]


def test_a_full_disk_leaves_the_earlier_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.html"
    replace(path, lambda: MARK, MARK)

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simulator.run_directory.aside", full)
    with pytest.raises(UsageError, match=r"cannot write .*r\.html: No space left on device"):
        replace(path, lambda: MARK + b" newer", MARK)
    assert path.read_bytes() == MARK
