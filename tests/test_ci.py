"""``jobfleet ci``: many scenarios, one verdict, and what CI systems are told of it."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from simulator.cli.gates import ci as command
from simulator.errors import ScenarioError, UsageError
from simulator.gate import Entry, Gate, Outcome, Result, code_of, entries
from simulator.report.github import Reported, annotation, as_markdown, of_error, of_run
from simulator.report.tap import as_tap
from simulator.scenario.expecting import parse_expectation
from tests.processes import JOBFLEET, ROOT
from tests.report.made import execution, summary

PASSES = """\
fleet: [{cohort: a, things: 4, work: {duration: 10s}}]
job: {document: {}}
expect: {succeeded: "== 100%"}
"""
FAILS = """\
fleet: [{cohort: a, things: 4, work: {duration: 10s}}]
job: {document: {}}
expect:
  succeeded: "== 100%"
  failed: ">= 1"
"""
ENDLESS = """\
fleet: [{cohort: a, things: 9, work: {duration: 1s, steps: 1000000000}}]
job: {document: {}}
load: {until: 9000d}
"""
LIVE = """\
fleet: [{cohort: a, things: 4, work: {duration: 0s, steps: 1000000000}}]
job: {document: {}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (
        ("passes", PASSES), ("fails", FAILS), ("endless", ENDLESS), ("live", LIVE),
    ):  # fmt: skip
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def ci(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*JOBFLEET, "ci", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_github_is_shown_what_failed_and_where(folder: Path) -> None:
    step = folder / "step.md"
    step.write_text("before\n")
    done = ci(
        folder, "fails.yaml", "passes.yaml", "live.yaml", "--out", "out", "--tap",
        GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(step), GITHUB_WORKSPACE=str(folder),
    )  # fmt: skip
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("::")] == [
        "::error file=fails.yaml,line=5,title=fails%3A expectation failed"
        "::failed >= 1: observed 0 (margin -1)"
    ]
    assert step.read_text().startswith("before\n### jobfleet\n")
    assert "| fails.yaml | ❌ failed | 4 | 1 of 2 | 1 |  |" in step.read_text()
    assert done.stdout.splitlines() == [
        "TAP version 14", "1..3",
        "# Subtest: fails.yaml", "    1..2", "    ok 1 - succeeded == 100%",
        "    not ok 2 - failed >= 1", "      ---", '      observed: "0"',
        '      expected: ">= 1"', '      margin: "-1"', "      ...",
        "not ok 1 - fails.yaml", "  ---", '  outcome: "failed"', '  message: ""', "  ...",
        "# Subtest: passes.yaml", "    1..1", "    ok 1 - succeeded == 100%",
        "ok 2 - passes.yaml", "ok 3 - live.yaml # SKIP can only be run live",
    ]  # fmt: skip
    suites = ET.parse(folder / "out/junit.xml").getroot()
    found = [(s.get("name"), s.get("failures"), s.find("testcase/skipped")) for s in suites]
    assert [(name, failures, skipped is not None) for name, failures, skipped in found] == [
        ("fails", "1", False), ("passes", "0", False), ("live", "0", True),
    ]  # fmt: skip
    assert (folder / "out/passes/summary.json").exists()


def test_what_does_not_fit_the_budget_is_told(folder: Path) -> None:
    done = ci(folder, "endless.yaml", "passes.yaml", "--jobs", "1", "--budget", "1s", "--json",
              "--out", "out", "--junit", "all.xml")  # fmt: skip
    assert done.returncode == 5, done.stderr
    outcomes = {one["scenario"]: one["outcome"] for one in json.loads(done.stdout)}
    # the smaller one goes first; on a machine too slow for it neither is a pass
    assert outcomes["endless.yaml"] in ("cut off", "not run")
    case = ET.parse(folder / "all.xml").getroot().find("testsuite/testcase/error")
    assert case is not None
    assert "budget" in case.get("message", "")


def test_an_empty_budget_runs_nothing_and_fails(folder: Path) -> None:
    listed = entries([folder / "passes.yaml", folder / "passes.yaml"], None, None)
    assert [entry.name for entry in listed] == ["passes", "passes-2"]
    results = list(Gate(listed, folder / "out", 0.0, 1).results(lambda: False))
    assert [result.outcome for result in results] == ["not run", "not run"]
    assert code_of(results) == 5


def test_wrong_files_are_told_before_anything_is_rehearsed(folder: Path) -> None:
    (folder / "wrong.yaml").write_text(PASSES.replace("things: 4", "thing: 4"))
    done = ci(folder, "passes.yaml", "wrong.yaml", "--out", "out", GITHUB_ACTIONS="true")
    assert done.returncode == 2
    assert "::error file=wrong.yaml,line=1,title=scenario::fleet[0]" in done.stderr
    assert not (folder / "out").exists()
    assert list(of_error(UsageError("100% wrong"))) == ["::error title=jobfleet::100%25 wrong"]
    assert len(list(of_error(ScenarioError("a.yaml:1: x\nb.yaml:2: y")))) == 2
    for wrong in ({"budget": "soon"}, {"tap": True, "as_json": True}, {"jobs": 0}):
        with pytest.raises(UsageError):
            command([folder / "passes.yaml"], out=folder / "other", **wrong)


def result(outcome: Outcome) -> Result:
    return Result(Entry(Path("s.yaml"), "s", 1, 1, None), outcome)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["passed", "skipped"], 0),
        (["passed", "not run"], 5),
        (["cut off", "failed", "passed"], 1),
        (["died"], 1),
        (["failed", "not run", "wrong"], 2),
    ],
)
def test_the_exit_code_that_wins(outcomes: list[Outcome], code: int) -> None:
    assert code_of([result(outcome) for outcome in outcomes]) == code


def test_nothing_breaks_out_of_its_line() -> None:
    assert annotation("a%\nb", "t: x, y", "p,q.yaml", 3) == (
        "::error file=p%2Cq.yaml,line=3,title=t%3A x%2C y::a%25%0Ab"
    )
    rows = [execution(0, "SUCCEEDED", 0, 1, 5), execution(1, "FAILED", 0, 1, 5)]
    seen = summary((), rows, expectations=[parse_expectation("failed[a]", "0")])
    reported = Reported(Path("x|y#.yaml"), "failed", "a\nb", seen)
    assert "x\\|y#.yaml" in as_markdown([reported])
    assert all(line.count(" | ") < 7 for line in as_markdown([reported]).splitlines())
    assert "not ok 1 - x|y\\#.yaml" in as_tap([reported])
    # a file that has gone meanwhile: the annotation stays, without a line
    assert next(of_run(reported)).startswith("::error file=x|y#.yaml,title=s")


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/ci.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_examples_are_read_and_their_commands_run(folder: Path) -> None:
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    steps = action["runs"]["steps"]
    assert all(step.get("shell") == "bash" for step in steps if "run" in step)
    assert "${{" not in "".join(step.get("run", "") for step in steps), "an input read as a command"
    with_action, with_commands, gitlab = map(yaml.safe_load, blocks("yaml"))
    used = with_action["jobs"]["rehearse"]["steps"][1]["with"]
    assert set(used) <= set(action["inputs"])
    commands = [step["run"] for step in with_commands["jobs"]["rehearse"]["steps"] if "run" in step]
    commands += gitlab["rehearse"]["script"]
    commands += re.findall(r"sh '(.*?)'", blocks("groovy")[0])
    ours = {one.removeprefix(".venv/bin/") for one in commands if "jobfleet ci" in one}
    (folder / "scenarios").mkdir()
    (folder / "scenarios/smoke.yaml").write_text((ROOT / "scenarios/smoke.yaml").read_text())
    bin_ = folder / "bin"
    bin_.mkdir()
    (bin_ / "jobfleet").write_text(f'#!/bin/sh\nexec {shlex.join(JOBFLEET)} "$@"\n')
    (bin_ / "jobfleet").chmod(0o755)
    environ = {
        **os.environ, "PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "SCENARIOS": used["scenarios"], "BUDGET": used["budget"], "MOST": "5", "OUT": "x y",
    }  # fmt: skip
    for line in [*sorted(ours), steps[-1]["run"]]:
        done = subprocess.run(
            ["bash", "-euc", line], cwd=folder, env=environ, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "1 scenario: 1 passed" in done.stdout
    assert (folder / "build/rehearsals/junit.xml").exists()
    assert (folder / "x y/junit.xml").exists()
    assert len(ours) == 1
