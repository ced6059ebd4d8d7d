"""The report as its readers meet it: at a desk, on a phone, in the dark, on paper, by keyboard."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser import DESK, PHONE, looking, sideways
from tests.processes import jobfleet

pytestmark = pytest.mark.slow

DRAWN = (
    "document.querySelectorAll('[data-figure]').length > 0 && "
    "document.querySelectorAll('[data-figure]:not([data-drawn])').length === 0"
)
SMALLEST_PLOT = """Math.min(...[...document.querySelectorAll("[data-figure]")].map(place => {
    const drawing = place.querySelector(".main-svg").getBoundingClientRect();
    const marks = place.querySelectorAll(".trace, .point").length;
    return marks ? Math.min(drawing.width, drawing.height) : 0;
}))"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("timeouts")
    done = jobfleet("rehearse", "scenarios/timeouts.yaml", "--things", "100", "--out", out)
    assert done.returncode == 0, done.stderr
    return out / "report.html"


def opened(page: Any, report: Path) -> None:
    page.goto(report.as_uri())
    page.wait_for_function(DRAWN)


def test_at_a_desk_every_chart_is_drawn(chromium: Any, report: Path) -> None:
    with looking(chromium, DESK) as page:
        opened(page, report)
        assert page.locator("[data-figure]").count() >= 8
        assert page.evaluate(SMALLEST_PLOT) > 80
        assert sideways(page) == 0
        assert page.locator("h1").inner_text() == "timeouts"
        assert page.locator("#undrawn").count() == 0


def test_tables_are_opened_by_keyboard(chromium: Any, report: Path) -> None:
    with looking(chromium, DESK) as page:
        opened(page, report)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
        page.keyboard.press("Enter")
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.localName") == "summary":
                break
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")  # into the table, which may be scrolled
        label = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert label == "Where did the rollout stand, and when?"
        assert page.locator("#funnel table").is_visible()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_on_a_phone_in_the_dark(chromium: Any, report: Path) -> None:
    with looking(chromium, PHONE, dark=True) as page:
        opened(page, report)
        assert sideways(page) == 0
        assert page.evaluate(SMALLEST_PLOT) > 80
        colours = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('.xtick text')).fill,"
            " getComputedStyle(document.querySelector('.infolayer .legendtext')).fill]"
        )
        assert colours == ["rgb(20, 23, 26)", "rgb(232, 234, 237)", "rgb(232, 234, 237)"]


def test_on_paper_tables_are_open_and_charts_as_wide_as_it(chromium: Any, report: Path) -> None:
    with looking(chromium, DESK, dark=True) as page:
        opened(page, report)
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.set_viewport_size({"width": 700, "height": 900})
        assert page.evaluate("[...document.querySelectorAll('details')].every(one => one.open)")
        assert sideways(page) == 0
        wide = page.evaluate(
            "[...document.querySelectorAll('.main-svg')].map(one => "
            "one.getBoundingClientRect().right - document.documentElement.clientWidth)"
        )
        assert max(wide) <= 0
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_scripts_it_says_the_same(chromium: Any, report: Path) -> None:
    with looking(chromium, DESK, scripts=False) as page:
        page.goto(report.as_uri())
        assert page.locator("#undrawn").is_visible()
        page.locator("#timeouts summary").click()
        assert page.locator("#timeouts table").is_visible()


def test_a_live_run_writes_one_with_its_executions(chromium: Any, tmp_path: Path) -> None:
    done = jobfleet("run", "scenarios/smoke.yaml", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    with looking(chromium, DESK) as page:
        opened(page, tmp_path / "report.html")
        for key in ("funnel", "release", "time-to-terminal", "latency", "hdr", "slip", "loops"):
            assert page.locator(f"#{key} .main-svg").count() > 0, key
    listed = jobfleet("export", tmp_path)
    assert len(json.loads(listed.stdout)["executionSummaries"]) == 10
    refused = jobfleet("export", tmp_path, "--format", "describe-job-execution")
    assert refused.returncode == 2
    assert "which a live run does not know" in refused.stderr


def test_the_command_writes_it_anew_or_says_why_not(report: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.html"
    done = jobfleet("report", report.parent, "--out", there)
    assert done.stdout == f"Report: {there}\n"
    assert there.read_bytes() == report.read_bytes()
    for arguments, why in (
        ([tmp_path / "gone"], "gone is no run directory: there is no such folder"),
        ([tmp_path], "is no run directory: it has no scenario.yaml"),
        ([report.parent, "--out", report.parent / "summary.json"], "not written by jobfleet"),
    ):
        done = jobfleet("report", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = jobfleet("rehearse", "scenarios/smoke.yaml", "--no-report", "--out", tmp_path / "n")
    assert done.returncode == 0
    assert not (tmp_path / "n" / "report.html").exists()
