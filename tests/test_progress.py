"""How far a rehearsal is: the share that is done, the end that is expected, the bar."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from simulator.cli.progress_bar import clock, describe, progress_bar
from simulator.progress import Progress
from simulator.run import Rehearsal, Resolved
from simulator.scenario import loads

SCENARIO = """\
fleet: [{cohort: g, things: 500, work: {duration: 60s, steps: 2}, outcome: {hang: 10%}}]
job:
  document: {}
  jobExecutionsRolloutConfig: {maximumPerMinute: 100}
  timeoutConfig: {inProgressTimeoutInMinutes: 5}
load: {until: 1h}
"""


def test_a_rehearsal_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look adds up to the fleet; the share only grows, and what is told changes nothing."""
    monkeypatch.setattr("simulator.run.SAY_S", -1.0)
    silent = Rehearsal(Resolved.of(loads(SCENARIO), None, None)).run()
    rehearsal = Rehearsal(Resolved.of(loads(SCENARIO), None, None))
    looks: list[Progress] = []
    rehearsal.progress = looks.append
    finished = rehearsal.run()
    assert len(looks) > 10
    assert all(sum(look.executions.values()) + look.to_come == 500 for look in looks)
    shares = [look.done for look in looks]
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] > 0.9
    assert finished.records.tobytes() == silent.records.tobytes()
    assert finished.summary == silent.summary


def look(**changes: Any) -> Progress:
    values: dict[str, Any] = {
        "virtual_s": 93_784.0,
        "until_s": 172_800.0,
        "wall_s": 20.0,
        "executions": {"IN_PROGRESS": 1_500, "SUCCEEDED": 598_500},
        "to_come": 150_000,
    }
    return Progress(**{**values, **changes})


def test_the_end_is_expected_at_the_pace_so_far() -> None:
    assert look().done == 598_500 / 750_000
    assert look().left_s == pytest.approx(20 * (1 / 0.798 - 1))
    assert look(wall_s=0.5).left_s is None  # too early to say
    assert look(executions={}, to_come=0).done == 93_784 / 172_800  # nothing but time
    assert look(virtual_s=0.0, executions={}).left_s is None


def test_the_bar_says_it_in_one_line_and_leaves_nothing_behind() -> None:
    assert describe(look()) == (
        "1d 02:03:04 of at most 2d 00:00:00 | 1,500 in progress | 598,500 succeeded | "
        "150,000 to come | about 5 s left"
    )
    assert clock(59) == "00:00:59"
    shown = StringIO()
    console = Console(file=shown, force_terminal=True, width=200)
    with progress_bar(console) as bar:
        bar.show(look())
    assert "79%" in shown.getvalue() or "80%" in shown.getvalue()
    assert "598,500 succeeded" in shown.getvalue()
    assert shown.getvalue().endswith("\x1b[2K")  # the line is wiped
