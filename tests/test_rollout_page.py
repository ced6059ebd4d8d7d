"""Locust's web UI as a user meets it: the tab "Rollout" in a real browser, with two workers."""

import csv
import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.browser import PHONE, looking, sideways
from tests.processes import answering, free_port, started

pytestmark = pytest.mark.slow

HEADER = "jobfleet-rollout header"
SCENARIO = """\
fleet: [{cohort: lamps, things: 12, work: {duration: 60s, steps: 3}}]
job: {document: {}, jobExecutionsRolloutConfig: {maximumPerMinute: 6}}
load: {time_scale: 120, until: 10m}
expect: {succeeded: "== 100%"}
"""


@contextmanager
def web_ui(tmp_path: Path, scenario: str, *options: str) -> Iterator[tuple[str, Any]]:
    """Locust with its web UI: where it is, and its process."""
    (tmp_path / "s.yaml").write_text(scenario)
    port = free_port()
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/fleet.py", "--web-host",
               "127.0.0.1", "--web-port", str(port), "--scenario", str(tmp_path / "s.yaml"),
               "--out", str(tmp_path / "out"), *options]  # fmt: skip
    with started(command) as process:
        answering(port)
        yield f"http://127.0.0.1:{port}", process


def legend(page: Any, chart: str) -> list[str]:
    found = page.locator(f'[data-chart="{chart}"] .legendtext').all_text_contents()
    return [str(one).strip() for one in found]


def ink(page: Any) -> str:
    return str(page.locator('[data-chart="lag"] .legendtext').first.evaluate(
        "text => getComputedStyle(text).fill"
    ))  # fmt: skip


def test_a_run_is_started_seen_and_judged_in_the_browser(chromium: Any, tmp_path: Path) -> None:
    port = str(free_port())
    spread = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
    with web_ui(tmp_path, SCENARIO, *spread) as (url, process):
        with looking(chromium) as page:
            page.goto(url)
            page.wait_for_function(
                "async () => (await (await fetch('./worker-count')).json()).worker_count === 2"
            )
            assert page.get_by_label("Number of users").input_value() == "12"
            page.get_by_role("button", name="Start", exact=False).first.click()
            page.get_by_role("tab", name="Rollout").click()
            page.wait_for_selector(f"{HEADER}:has-text('Ended: job completed. Verdict: passed')")
            page.wait_for_selector('[data-chart="lag"] .legendtext')
            told = page.inner_text(HEADER)
            assert "12 executions released, 0 to come" in told
            assert "Workers: 2; things begun by each: 6 + 6" in told
            assert f"Exit code 0. Run directory: {tmp_path / 'out'}" in told
            assert "SUCCEEDED" in legend(page, "executions")
            assert legend(page, "conflicts") == ["none"]
            assert legend(page, "releases") == ["measured", "configured"]
            assert "load.max_slip, of the whole run" in legend(page, "lag")
            page.click("jobfleet-rollout summary")
            rows = page.locator("jobfleet-rollout table").first.locator("tbody tr")
            assert rows.first.locator("td").nth(2).inner_text() == "12"
            bright = ink(page)
            page.locator("header.MuiAppBar-root button").last.click()  # Locust's own dark mode
            page.wait_for_function(
                "before => getComputedStyle(document.querySelector("
                "'[data-chart=lag] .legendtext')).fill !== before", arg=bright,
            )  # fmt: skip
            page.get_by_role("tab", name="Download Data").click()
            assert page.get_by_text("Download rollout CSV").get_attribute("href") == "./rollout.csv"
        with looking(chromium, PHONE, dark=True) as page:
            page.goto(f"{url}/rollout")
            page.wait_for_selector('[data-chart="lag"] .legendtext')
            assert sideways(page) == 0
            page.click("jobfleet-rollout summary")
            assert sideways(page) == 0
        with urlopen(f"{url}/rollout.csv") as answer:
            *_, last = csv.DictReader(io.TextIOWrapper(answer))
        assert (last["SUCCEEDED"], last["released"]) == ("12", "12")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, out + err
    assert "Traceback" not in err
