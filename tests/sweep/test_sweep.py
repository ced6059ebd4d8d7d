"""Whole sweeps: equal whoever rehearses, interrupted and resumed; AWS takes the best setting."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import psutil
import pytest
from botocore.validate import ParamValidator

from simulator.errors import TargetError, UsageError
from simulator.sweep import Plan, Swept, sweep
from simulator.sweep.crews import Processes, Task, rehearse_all
from tests.processes import JOBFLEET, ROOT, aws, jobfleet, serving, started

TEXT = """\
# Question: which step timeout?
fleet:
  - cohort: gateways
    things: 30
    work: {duration: {distribution: lognormal, median: 5m, sigma: 0.8}, steps: 3, step_timeout: 5m}
    outcome: {fail: 3%, hang: 5%}
job:
  jobId: firmware-7
  description: Seven
  document: {operation: update}
  timeoutConfig: {inProgressTimeoutInMinutes: 30}
  tags: [{Key: team, Value: g}]
load: {until: 4h}
expect: {false_timeouts: "== 0"}
"""
VARY = "cohorts.gateways.work.step_timeout=1m,3m,20m"
RATE = "job.jobExecutionsRolloutConfig.maximumPerMinute=5,30"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    return path


def run(path: Path, name: str, seeds: int = 3, **more: Any) -> Swept:
    plan = Plan.of(path, [RATE, VARY], seeds)
    return sweep(plan, path.parent / name, **more)


def rows(folder: Path) -> list[Any]:
    found = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return sorted(found, key=lambda row: (row["cell"], row["seed"]))


WRITTEN = ("table.txt", "table.csv", "table.json", "best.yaml", "create-job.json", "sweep.json")


def test_one_process_and_two_give_the_same_numbers(path: Path) -> None:
    one = run(path, "one", crew=Processes(1))
    two = run(path, "two", crew=Processes(2))
    assert rows(one.folder) == rows(two.folder)
    assert len(rows(one.folder)) == 18
    for name in WRITTEN:
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    best = one.table.best
    assert best is not None
    assert dict(best.settings)["cohorts.gateways.work.step_timeout"] == "20m"
    assert best.passes
    assert not one.table.rows[0].passes, "a minute is too short for a step"
    done = jobfleet("rehearse", one.folder / "best.yaml", "--out", path.parent / "again")
    assert done.returncode == 0
    again = json.loads((path.parent / "again/summary.json").read_text())
    assert {**again, "scenario": "s"} == rows(one.folder)[best.cell * 3]["summary"]


def test_a_sweep_goes_on_where_it_stopped_and_comes_to_the_same(path: Path) -> None:
    done = 0

    def count(_: object) -> None:
        nonlocal done
        done += 1

    stopped = run(path, "parts", progress=count, stopping=lambda: done >= 7)
    assert stopped.stopped
    kept = len(rows(stopped.folder))
    assert 7 <= kept < 18
    # a kill in the middle of a line
    with (stopped.folder / "results.jsonl").open("a") as file:
        file.write('{"cell": 5, "se')
    resumed = run(path, "parts", progress=count)
    assert done == 18, "what was done is not done again"
    whole = run(path, "whole")
    assert rows(resumed.folder) == rows(whole.folder)
    assert (resumed.folder / "table.csv").read_bytes() == (whole.folder / "table.csv").read_bytes()
    more = run(path, "parts", seeds=4)
    assert len(rows(more.folder)) == 24, "more seeds may be asked of it"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda text, vary: (text.replace("3%", "4%"), vary),
            "the scenario has changed (- fail: 3%",
        ),
        (
            lambda text, vary: (text, [vary[0], f"{vary[1]},30m"]),
            "and is 1m,3m,20m,30m",
        ),
        (lambda text, vary: (text, vary[:1]), "step_timeout was 1m,3m,20m and is absent"),
        (lambda text, vary: (text, vary[::-1]), "the order of --vary was"),
    ],
)
def test_the_folder_of_another_sweep_is_refused_saying_how_it_differs(
    path: Path, change: Callable[[str, list[str]], tuple[str, list[str]]], words: str
) -> None:
    folder = path.parent / "out"
    sweep(Plan.of(path, [RATE, VARY], 1), folder, stopping=lambda: True)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    text, vary = change(TEXT, [RATE, VARY])
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        sweep(Plan.of(path, vary, 1), folder)
    assert words in str(raised.value)
    with pytest.raises(UsageError, match="--things was the scenario's and is 7"):
        sweep(Plan.of(path, vary, 1, things=7), folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_nothing_of_somebody_elses_is_replaced(path: Path) -> None:
    plan = Plan.of(path, [VARY], 1)
    folder = path.parent / "out"
    folder.mkdir()
    (folder / "table.csv").write_text("mine")
    with pytest.raises(UsageError, match="is not from a sweep of jobfleet"):
        sweep(plan, folder)
    assert [file.name for file in folder.iterdir()] == ["table.csv"]
    (folder / "table.csv").unlink()
    (folder / "sweep.json").write_text("[]")
    with pytest.raises(UsageError, match="is not from a sweep of jobfleet"):
        sweep(plan, folder)
    with pytest.raises(UsageError, match="cannot use the folder"):
        sweep(plan, path)


def test_a_rehearsal_that_fails_is_told_and_ends_nobody_elses(path: Path, tmp_path: Path) -> None:
    plan = Plan.of(path, [VARY], 2)
    good = plan.tasks([])[:3]
    wrong = Task(7, 1, "fleet: []\njob: {document: {}}\n", "s.yaml", str(tmp_path), None)
    with Processes(2) as crew:
        told = dict(rehearse_all([*good[:1], wrong, *good[1:]], crew, lambda: False))
    assert set(told) == {*good, wrong}
    assert "at least one entry is needed" in told[wrong]["error"]
    assert all("summary" in told[task] for task in good)


class _Deadly(Processes):
    """Its processes end when they get a task of cell 1."""

    def executor(self) -> Any:
        executor = super().executor()

        class Submitting:
            def submit(self, function: Any, task: Task) -> Any:
                return (
                    executor.submit(os._exit, 1)
                    if task.cell == 1
                    else executor.submit(function, task)
                )

        return Submitting()


def test_a_process_that_dies_takes_only_its_own_rehearsals_with_it(path: Path) -> None:
    swept = run(path, "deadly", seeds=2, crew=_Deadly(2))
    by_cell = {row.cell: row for row in swept.table.rows}
    assert [why for _, why in by_cell[1].errors] == ["its process died (out of memory?)"] * 2
    assert all(by_cell[cell].done == 2 for cell in (0, 2, 3, 4, 5))
    resumed = run(path, "deadly", seeds=2)
    assert all(row.done == 2 for row in resumed.table.rows), "what went wrong is tried again"


# ------------------------------------------------------------------------------- as a command

LONG = ["--vary", f"{RATE},29,28,27", "--vary", VARY, "--seeds", "200", "--workers", "2"]


def _until_some_are_done(folder: Path, count: int) -> None:
    for _ in range(1200):
        results = folder / "results.jsonl"
        if results.exists() and results.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.05)
    raise AssertionError("no results")


def test_an_interrupt_ends_it_with_the_table_of_what_is_done(path: Path) -> None:
    out = path.parent / "out"
    with started([*JOBFLEET, "sweep", str(path), *LONG, "--out", str(out)]) as process:
        _until_some_are_done(out, 5)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "rehearsals are not done yet" in stdout
    assert "goes on where it stopped" in stdout
    assert "Traceback" not in stderr
    assert (out / "table.json").exists()


def test_a_kill_leaves_no_process_behind_and_nothing_is_lost(path: Path) -> None:
    out = path.parent / "out"
    command = [*JOBFLEET, "sweep", str(path), *LONG, "--out", str(out)]
    with started(command) as process:
        _until_some_are_done(out, 5)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.kill()
        process.wait(10)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    kept = (out / "results.jsonl").read_bytes()
    whole = kept[: kept.rfind(b"\n") + 1]
    with started(command) as process:
        assert process.stderr is not None
        assert f"{len(whole.splitlines())} of them are here already" in process.stderr.readline()
        second = jobfleet("sweep", path, *LONG, "--out", out)
        assert second.returncode == 2
        assert "another sweep is at work in" in second.stderr
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out / "results.jsonl").read_bytes().startswith(whole)


def test_aws_takes_the_best_settings_job(path: Path) -> None:
    out = path.parent / "out"
    with serving() as (_, ports):
        port = ports["http"]
        made = aws(port, "iot", "create-thing-group", "--thing-group-name", "gateways")
        arn = json.loads(made.stdout)["thingGroupArn"]
        done = jobfleet(
            "sweep", path, "--vary", RATE, "--vary", VARY, "--seeds", "2", "--out", out, "--json",
            "--target-arn", arn,
            "--metric", "requests.UpdateJobExecution.sent", "--objective", "max:succeeded",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        (file,) = told["create_jobs"]
        created = aws(port, "iot", "create-job", "--cli-input-json", f"file://{file}")
        assert created.returncode == 0, created.stderr
        assert json.loads(created.stdout)["jobId"] == "firmware-7"
        described = aws(port, "iot", "describe-job", "--job-id", "firmware-7")
    job = json.loads(described.stdout)["job"]
    best = told["best"]["settings"]["job.jobExecutionsRolloutConfig.maximumPerMinute"]
    assert job["jobExecutionsRolloutConfig"]["maximumPerMinute"] == int(best)
    assert job["timeoutConfig"] == {"inProgressTimeoutInMinutes": 30}
    assert job["targets"] == [arn]


def test_without_a_target_the_job_has_a_placeholder_that_botocore_takes(path: Path) -> None:
    swept = run(path, "out", seeds=1)
    (file,) = swept.create_jobs
    request = json.loads(file.read_text())
    assert request["targets"] == ["arn:aws:iot:us-east-1:123456789012:thinggroup/REPLACE-ME"]
    assert request["tags"] == [{"Key": "team", "Value": "g"}]
    assert json.loads(request["document"]) == {"operation": "update"}
    model = botocore.session.get_session().get_service_model("iot")
    shape = model.operation_model("CreateJob").input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert set(request) <= set(shape.members)


def test_each_of_several_jobs_has_a_file_of_its_own(path: Path) -> None:
    path.write_text(
        "fleet: [{cohort: g, things: 3, work: {duration: 1s}}]\n"
        "jobs:\n  - {create: {jobId: a, document: {}}}\n"
        "  - {create: {jobId: b, document: {x: 1}}, at: 1m}\n"
    )
    vary = "jobs.b.create.jobExecutionsRolloutConfig.maximumPerMinute=7"
    swept = sweep(Plan.of(path, [vary], 1), path.parent / "out")
    assert [file.name for file in swept.create_jobs] == ["create-job-a.json", "create-job-b.json"]
    request = json.loads(swept.create_jobs[1].read_text())
    assert request["jobExecutionsRolloutConfig"] == {"maximumPerMinute": 7}
    assert "jobExecutionsRolloutConfig" not in json.loads(swept.create_jobs[0].read_text())


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--seeds", "0"], 2, "--seeds 0: allowed are 1 to 10,000"),
        (["--workers", "0"], 2, "at least one process is needed"),
        (["--things", "0"], 2, "a fleet has at least one thing"),
        (["--seed", "-1"], 2, "a seed is 0 to"),
        (["--dask", "tcp://127.0.0.1:1", "--workers", "2"], 2, "has its own workers"),
        (["--objective", "best:x"], 2, "write min: or max:"),
        (["--metric", "elapsed"], 2, "near it: elapsed_s"),
        (["--vary", "cohorts.gateway.things=1"], 2, "Did you mean 'gateways'?"),
        (["--vary", "cohorts.gateways.work.step_timeout=1m"], 1, "no setting passes"),
    ],
)
def test_bad_command_lines_are_told(path: Path, options: list[str], code: int, words: str) -> None:
    done = jobfleet("sweep", path, "--seeds", "1", "--out", path.parent / "out", *options)
    assert done.returncode == code, done.stderr
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_what_can_only_be_run_live_is_refused_before_anything_runs(tmp_path: Path) -> None:
    done = jobfleet("sweep", "scenarios/saturate.yaml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "can only be run live" in done.stderr
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------- Dask

CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
)


@needs_dask
@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_numbers(path: Path) -> None:
    script = path.parent / "cluster.py"
    script.write_text(CLUSTER)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=pipe, stdout=pipe, text=True, cwd=ROOT
    ) as cluster:
        assert cluster.stdout is not None
        assert cluster.stdin is not None
        address = cluster.stdout.readline().strip()
        done = jobfleet(
            "sweep", path, "--vary", RATE, "--vary", VARY, "--seeds", "3", "--dask", address,
            "--out", path.parent / "dask",
        )  # fmt: skip
        cluster.stdin.close()
    assert done.returncode == 0, done.stderr
    here = run(path, "here")
    assert rows(path.parent / "dask") == rows(here.folder)


@needs_dask
def test_nobody_at_the_address_is_told(path: Path) -> None:
    from simulator.sweep.crews import Dask

    with pytest.raises(TargetError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1"):
        Dask("tcp://127.0.0.1:1", connect_within_s=0.5)
