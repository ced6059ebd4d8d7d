"""Real pairs of runs: what is found of them, how it is written, and how the command ends."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from simulator.cli.app import app
from simulator.compare import page, text
from simulator.compare.limits import Limits, parse
from simulator.compare.samples import Things
from simulator.compare.verdict import Comparison, compare
from simulator.errors import UsageError
from simulator.finished_run import FinishedRun, read
from simulator.run import Rehearsal, Resolved, RunDirectory
from simulator.scenario import loads
from simulator.today import utc_now
from tests.processes import ROOT, jobfleet

TIMEOUTS = (ROOT / "scenarios" / "timeouts.yaml").read_text(encoding="utf-8")
TWO_COHORTS = """\
fleet:
  - {cohort: old, things: 150, work: {duration: {distribution: lognormal, median: 2m, sigma: 0.5}}}
  - {cohort: new, things: 150, work: {duration: {distribution: lognormal, median: 2m, sigma: 0.5}}}
network: {latency: 100ms, lost_replies: 2%}
job: {jobId: J, document: {}}
load: {until: 30m}
expect: {succeeded: ">= 50%"}
"""

Runs = Callable[..., FinishedRun]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Rehearse a scenario with some words replaced; each once."""
    made: dict[object, FinishedRun] = {}
    root = tmp_path_factory.mktemp("runs")

    def rehearsed(
        source: str = TIMEOUTS, seed: int = 1, *, again: bool = False, **words: str
    ) -> FinishedRun:
        key = (source, seed, again, *words.items())
        if key not in made:
            changed = source
            for old, new in words.items():
                before, _, after = new.partition(" to ")
                assert before in changed, old
                changed = changed.replace(before, after)
            resolved = Resolved.of(loads(changed, "timeouts.yaml"), seed, None)
            directory = RunDirectory(root / f"run-{len(made)}", resolved.name)
            directory.write(Rehearsal(resolved).run(), utc_now())
            made[key] = read(directory.path)
        return made[key]

    return rehearsed


def _finding(comparison: Comparison, group: str, name: str) -> str:
    (row,) = [
        row
        for row in comparison.rows
        if row.measure.group.startswith(group) and row.measure.name == name
    ]
    return row.finding


def test_the_same_scenario_and_seed_is_identical(runs: Runs) -> None:
    found = compare(runs(), runs(again=True), Limits())
    assert found.identical
    assert not found.regressions
    assert "Identical: the same scenario, seed and outcome, to the byte." in text.render(found)
    assert "Identical" in page.render(found)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_two_seeds_of_the_same_scenario_are_no_regression(runs: Runs, seed: int) -> None:
    found = compare(runs(), runs(seed=seed), Limits())
    assert not found.identical
    assert not found.paired
    assert found.regressions == ()
    assert f"the same scenario with two seeds (1, {seed})" in found.remarks


def test_a_slower_rollout_takes_longer_and_nothing_else_gets_worse(runs: Runs) -> None:
    slower = runs(rate="maximumPerMinute: 200 to maximumPerMinute: 100")
    found = compare(runs(), slower, Limits())
    assert found.paired
    assert found.changed == (("job.jobExecutionsRolloutConfig.maximumPerMinute", "200", "100"),)
    assert found.regressions == ()
    judged = compare(runs(), slower, Limits(elapsed=0.05, peak=0.05))
    assert judged.regressions == ("Of the whole run (no test): duration",)
    assert _finding(judged, "Of the whole run", "peak writes/s (of 200)") == "improvement"


def test_a_worse_agent_is_caught(runs: Runs) -> None:
    worse = runs(hang="hang: 2% to hang: 9%", net="median: 40ms to median: 60ms")
    found = compare(runs(), worse, Limits())
    assert _finding(found, "Executions", "SUCCEEDED") == "regression"
    assert _finding(found, "Executions", "TIMED_OUT") == "regression"
    assert _finding(found, "Executions", "FAILED") == "same"
    assert _finding(found, "UpdateJobExecution, service time", "p99") == "regression"
    assert any(name.startswith("succeeded") for name in found.regressions)  # a broken promise
    back = compare(worse, runs(), Limits())
    assert back.regressions == ()
    assert _finding(back, "Executions", "SUCCEEDED") == "improvement"
    # a limit that is wide enough lets it pass
    loose = compare(runs(), worse, Limits(share=0.5, latency=5.0, time=100.0, conflicts=1.0))
    assert loose.regressions == tuple(
        one.name for one in loose.promises if one.finding == "regression"
    )


def test_a_small_change_is_seen_in_pairs_and_not_without(runs: Runs) -> None:
    """A tenth slower: plain where each thing is held against itself, and within limits."""
    slower = runs(net="median: 40ms to median: 44ms")
    paired = compare(runs(), slower, Limits(latency=0.05))
    assert _finding(paired, "UpdateJobExecution, service time", "p50") == "regression"
    assert _finding(compare(runs(), slower, Limits()), "UpdateJob", "p50") in ("slight", "same")
    others = compare(runs(), runs(seed=5, net="median: 40ms to median: 41ms"), Limits(latency=0.0))
    assert not others.paired
    assert _finding(others, "UpdateJobExecution, service time", "p50") == "same"


def test_cohorts_are_held_against_their_like(runs: Runs) -> None:
    new = "{cohort: new, things: 150, work: {duration: {distribution: lognormal, median: "
    a, b = runs(TWO_COHORTS), runs(TWO_COHORTS, slow=f"{new}2m to {new}3m")
    found = compare(a, b, Limits())
    assert found.changed == (("fleet[new].work.duration.median", "2m", "3m"),)
    assert _finding(found, "Cohort new", "p50") == "regression"
    assert _finding(found, "Cohort old", "p50") == "same"


def test_times_are_those_of_the_summary(runs: Runs) -> None:
    run = runs(TWO_COHORTS)
    spread = Things(run).times
    assert spread is not None
    for name, percent in (("p50", 50), ("p90", 90), ("p99", 99)):
        value = run.summary.time_to_terminal_s[name]
        assert np.percentile(spread.values, percent) == pytest.approx(value, abs=1e-3)
    conflicts = run.summary.conflicts
    assert Things(run).conflicts().value == pytest.approx(conflicts.rate, abs=1e-6)
    assert Things(run).targets.sum() == run.summary.targets


def test_a_rehearsal_beside_a_live_run_leaves_latencies_out(runs: Runs) -> None:
    live = replace(runs(seed=2), summary=runs(seed=2).summary.__class__(
        **{name: getattr(runs(seed=2).summary, name) for name in runs().summary.__struct_fields__}
        | {"clock": "wall", "transport": "mqtt", "time_scale": 60.0}
    ))  # fmt: skip
    found = compare(runs(), live, Limits())
    assert not any("service time" in row.measure.group for row in found.rows)
    assert any("latencies are not compared" in remark for remark in found.remarks)
    assert any("time scales differ" in remark for remark in found.remarks)


def test_a_job_that_no_longer_completes_is_a_broken_promise(runs: Runs) -> None:
    short = runs(TWO_COHORTS, until="until: 30m to until: 4m")
    found = compare(runs(TWO_COHORTS), short, Limits())
    assert "ended" in found.regressions
    assert _finding(found, "Executions", "IN_PROGRESS") == "regression"
    assert _finding(found, "Time from queued", "p99") != "improvement"  # the slow ones are missing


# ------------------------------------------------------------------------------- writers


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "path", "circle", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "circle", "polyline"):
            assert self.open.pop() == tag


def test_the_page_is_whole_and_escapes_what_comes_from_files(runs: Runs, tmp_path: Path) -> None:
    evil = TWO_COHORTS.replace("jobId: J", "jobId: J, description: '<script>x</script>&'")
    hostile = tmp_path / "a<b>&"
    shutil.copytree(runs(evil).folder, hostile)
    html = page.render(compare(runs(TWO_COHORTS), read(hostile), Limits()))
    tags = _Tags()
    tags.feed(html)
    assert tags.open == []
    assert "script" not in [tag for tag, _ in tags.seen]
    assert "&lt;script&gt;x&lt;/script&gt;&amp;" in html
    assert "a&lt;b&gt;&amp;" in html
    assert not [
        value for _, attrs in tags.seen for value in attrs.values() if "//" in (value or "")
    ]
    assert html.count("<polyline") == 4  # two curves of two runs


def test_a_page_of_others_is_not_replaced_and_a_full_disk_leaves_the_old(
    runs: Runs, tmp_path: Path
) -> None:
    found = compare(runs(), runs(seed=2), Limits())
    foreign = tmp_path / "mine.html"
    foreign.write_text("<html>mine</html>")
    with pytest.raises(UsageError, match="is no page of `jobfleet compare`"):
        page.write(found, foreign)
    with pytest.raises(UsageError, match="cannot write"):
        page.write(found, tmp_path / "nowhere" / "x.html")
    page.write(found, tmp_path / "ours.html")
    page.write(found, tmp_path / "ours.html")  # one of ours is
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.html", "ours.html"]


def test_json_has_every_number_and_none_that_is_not_one(runs: Runs) -> None:
    found = compare(runs(), runs(hang="hang: 2% to hang: 9%"), Limits())
    members = json.loads(json.dumps(text.as_json(found), allow_nan=False))
    assert members["regressions"] == list(found.regressions)
    row = next(row for row in members["rows"] if row["name"] == "TIMED_OUT")
    assert row["difference"] == pytest.approx(row["b"] - row["a"])
    assert row["interval"][0] < row["difference"] < row["interval"][1]
    assert row["p"] <= row["p_holm"] < 0.01
    assert row["method"].startswith("McNemar")


# ------------------------------------------------------------------------------- the command


def test_exit_codes(runs: Runs, tmp_path: Path) -> None:
    good, worse = runs(), runs(hang="hang: 2% to hang: 9%")
    done = jobfleet("compare", good.folder, worse.folder, "--html", tmp_path / "c.html")
    assert done.returncode == 1, done.stderr
    assert re.search(r"SUCCEEDED .* REGRESSION\n", done.stdout)
    assert done.stdout.endswith(f"Page: {tmp_path / 'c.html'}\n")
    done = jobfleet("compare", good.folder, runs(seed=2).folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["regressions"] == []


def test_a_wrong_option_is_one_error() -> None:
    with pytest.raises(UsageError, match="--alpha 0: more than 0"):
        Limits(alpha=0)
    for wrong in ("some", "-1%", "", "1e3"):
        with pytest.raises(UsageError, match=r"--max-share .*: write a number of per cent"):
            parse("--max-share", wrong)


def test_a_folder_that_cannot_be_read_is_named(runs: Runs, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(runs().folder, broken)
    (broken / "records.npz").write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"broken/records\.npz cannot be read"):
        compare(runs(), read(broken), Limits())
    done = jobfleet("compare", runs().folder, tmp_path / "gone")
    assert (done.returncode, done.stdout) == (2, "")
    assert "gone is no run directory: there is no such folder" in done.stderr


def test_limits_are_per_cent() -> None:
    assert [parse("--x", one) for one in ("10%", "1pp", "2.5", None)] == [0.1, 0.01, 0.025, None]
    assert {"compare", "records"} <= {
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
    }
