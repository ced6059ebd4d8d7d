"""The worked rehearsals of docs/guides are what comes of rehearsing them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs import worked
from docs.worked import ALL, GUIDES, NUMBERS, PICTURES, Worked, page, with_table
from tests.processes import ROOT, jobfleet

KNOWN = json.loads(NUMBERS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.guide)
def test_a_guide_shows_what_is_rehearsed(one: Worked) -> None:
    assert one.first() == KNOWN[one.guide]["first"], "python -m docs.worked writes it anew"
    assert len(KNOWN[one.guide]["rows"]) == len(one.plan().cells)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.guide)
def test_a_guides_table_and_scenario_are_its_own(one: Worked) -> None:
    text = page(one).read_text(encoding="utf-8")
    assert text == with_table(text, one, KNOWN[one.guide]["rows"])
    shown = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    assert shown[1] == (GUIDES / one.scenario).read_text(encoding="utf-8")
    for command in one.vary:
        assert command in text
    assert (PICTURES / f"{one.guide}.svg").stat().st_size > 5_000


def test_pictures_are_drawn_from_the_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(worked, "PICTURES", tmp_path)
    for one in ALL:
        worked.draw(one, KNOWN[one.guide]["rows"])
        drawn = (tmp_path / f"{one.guide}.svg").read_text(encoding="utf-8")
        assert drawn.count('<use xlink:href="#m') >= len(KNOWN[one.guide]["rows"])


@pytest.mark.slow
def test_the_embedded_agent_survives(tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    if shutil.which("cc") is None or not Path("/usr/include/mosquitto.h").exists():
        pytest.skip("no C compiler, or no libmosquitto-dev and libcjson-dev")
    source = "docs/examples/embedded_agent.c"
    subprocess.run(
        ["cc", "-Wall", "-Wextra", "-Werror", "-o", agent, source, "-lmosquitto", "-lcjson"],
        cwd=ROOT, check=True, timeout=60,
    )  # fmt: skip
    places = ["{endpoint}", "{port}", "{thing}", "{ca}", "{cert}", "{key}"]
    done = jobfleet(
        "try-agent", "docs/examples/trouble.yaml", "--tls", "--json", "--timeout", "60",
        "--out", tmp_path / "out", "--", agent, *places,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(copy["conflicts"] for copy in json.loads(done.stdout)["copies"]) > 0


@pytest.mark.slow
def test_the_shell_agent_survives(tmp_path: Path) -> None:
    command = f"{Path(sys.executable).parent / 'jobfleet'} iot-jobs-data"
    done = jobfleet(
        "try-agent", "docs/examples/slow-trouble.yaml", "--json", "--timeout", "90",
        "--out", tmp_path / "out", "--",
        "env", f"AWS={command}",
        "docs/examples/cli_agent.sh", "http://{endpoint}:{http}", "{thing}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
