"""How far a run is: the share that is done, the end that is expected, what a terminal shows."""

import io
import os
import pty
import re
import subprocess
from typing import Any

import pytest
from rich.console import Console

from simulator.live_view import About, Lines, Recent, as_line, clock, picture, view_for
from simulator.run import Rehearsal, Resolved
from simulator.scenario import loads
from simulator.snapshots import Lag, Snapshot
from simulator.terminal import has_colours, is_drawable
from tests.processes import JOBFLEET, ROOT

SCENARIO = """\
fleet: [{cohort: g, things: 500, work: {duration: 60s, steps: 2}, outcome: {hang: 10%}}]
job:
  document: {}
  jobExecutionsRolloutConfig: {maximumPerMinute: 100}
  timeoutConfig: {inProgressTimeoutInMinutes: 5}
network: {lost_replies: 5%}
load: {until: 1h}
"""
ABOUT = About("rollout", 7, 200)


def test_a_rehearsal_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look adds up to the fleet; the share only grows, and what is told changes nothing."""
    monkeypatch.setattr("simulator.run.SAY_S", -1.0)
    silent = Rehearsal(Resolved.of(loads(SCENARIO), None, None)).run()
    rehearsal = Rehearsal(Resolved.of(loads(SCENARIO), None, None))
    looks: list[Snapshot] = []
    rehearsal.progress = looks.append
    finished = rehearsal.run()
    assert len(looks) > 10
    assert all(sum(look.executions.values()) + look.to_come == 500 for look in looks)
    shares = [look.done for look in looks]
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] > 0.9
    assert 0 < looks[-1].requests <= len(finished.records)
    assert looks[-1].conflicts["lost_reply"] <= finished.summary.conflicts.by_cause["lost_reply"]
    assert finished.records.tobytes() == silent.records.tobytes()
    assert finished.summary == silent.summary


def look(**changes: Any) -> Snapshot:
    values: dict[str, Any] = {
        "wall_s": 20.0,
        "scenario_s": 93_784.0,
        "until_s": 172_800.0,
        "things": 750_000,
        "connected": 749_000,
        "executions": {"SUCCEEDED": 598_500, "IN_PROGRESS": 1_500},
        "released": 600_000,
        "to_come": 150_000,
        "requests": 3_000_000,
        "updates": 2_000_000,
        "failures": 21,
        "no_reply": 4,
        "conflicts": {"lost_reply": 17},
        "lag": Lag(3.5, 2.0, 0.8),
    }
    return Snapshot(**{**values, **changes})


def test_the_end_is_expected_at_the_pace_so_far() -> None:
    assert look().done == 598_500 / 750_000
    assert look().left_s == pytest.approx(20 * (1 / 0.798 - 1))
    assert look(wall_s=0.5).left_s is None  # too early to say
    assert look(executions={}, to_come=0).done == 93_784 / 172_800  # nothing but time
    assert look(scenario_s=0.0, executions={}).left_s is None


def test_rates_are_of_the_last_second_and_the_last_scenario_minute() -> None:
    recent = Recent()
    for at in range(10):  # a scenario second each
        now = look(wall_s=float(at), scenario_s=float(at * 30), requests=at * at, released=at * 50)
        rates = recent.rates(now)
    assert rates.requests_per_s == 81 - 64
    assert rates.released_per_minute == 100


def shown(snapshot: Snapshot, width: int, **console: Any) -> list[str]:
    file = io.StringIO()
    made = Console(file=file, width=width, **console)
    made.print(picture(snapshot, Recent().rates(snapshot), ABOUT, made))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_the_picture_fits_and_says_everything(width: int) -> None:
    lines = shown(look(), width)
    assert {len(line) for line in lines} == {width}
    text = " ".join(" ".join(line.strip("│╭╮╰╯─ ").split()) for line in lines)
    for word in (
        "80%", "1d 02:03:04", "598,500", "to come", "17 conflicts", "lost_reply 17",
        "of 200 configured", "749,000 of 750,000 connected", "p99 slip 3.5 ms",
    ):  # fmt: skip
        assert word in text
    if width >= 40:
        assert sum("━" in line for line in lines) == 4  # the progress, and three bars
    assert "connected" not in " ".join(shown(look(virtual=True), width))


def test_without_a_terminal_there_are_lines() -> None:
    file = io.StringIO()
    view = view_for(ABOUT, file)
    assert isinstance(view, Lines)
    for wall_s in (0.5, 1.0, 1.2, 2.0):
        view.show(look(wall_s=wall_s))
    view.close()
    assert [line[:6] for line in file.getvalue().splitlines()] == ["    1s", "    2s"]
    assert "IN_PROGRESS=1500" in file.getvalue()
    assert "749000/750000 connected" in file.getvalue()
    assert "\x1b" not in file.getvalue()
    assert clock(59) == "00:00:59"
    assert "of at most" in as_line(look(virtual=True), Recent().rates(look()))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "coloured", "drawn"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "CLICOLOR_FORCE": "1"}, True, False),
        ({}, False, False),
    ],
)
def test_what_a_terminal_shows(environ: dict[str, str], coloured: bool, drawn: bool) -> None:
    assert has_colours(Terminal(), environ) is coloured
    assert is_drawable(Terminal(), environ) is drawn
    # and no terminal: only who insists has colours, and nobody has pictures
    forced = not environ.get("NO_COLOR") and "CLICOLOR_FORCE" in environ
    assert has_colours(io.StringIO(), environ) is forced
    assert not is_drawable(io.StringIO(), environ)


def on_a_terminal(*arguments: str, **environ: str) -> str:
    """What a command's stderr looks like on a terminal."""
    here, there = pty.openpty()
    kept = {name: v for name, v in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    try:
        subprocess.run(
            [*JOBFLEET, *arguments],
            cwd=ROOT,
            env={**kept, "TERM": "xterm", "COLUMNS": "60", **environ},
            stderr=there,
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    finally:
        os.close(there)
    with os.fdopen(here, "rb") as file:
        text = b""
        try:
            while data := file.read1(65536):
                text += data
        except OSError:
            pass  # the other end is closed
    return text.decode()


def test_an_error_is_red_on_a_terminal_and_nowhere_else() -> None:
    assert on_a_terminal("check").startswith("Usage")  # click's own
    assert on_a_terminal("rehearse", "nowhere.yaml").startswith("\x1b[31mError:\x1b[0m nowhere")
    plain = on_a_terminal("rehearse", "nowhere.yaml", NO_COLOR="1")
    assert re.match(r"Error: nowhere\.yaml: cannot be read", plain)
