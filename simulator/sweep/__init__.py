"""Sweeps: a grid of settings, each rehearsed with many seeds, and which of them is best.

``sweep`` is all of it for a program; ``jobfleet sweep`` says what it does on a terminal.
In reading order: ``grid`` (the settings), ``statistics``, ``crews`` (who rehearses), ``journal``
(the folder, and how a sweep is resumed), ``table`` (what came of it), ``writers``.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from simulator.errors import UsageError
from simulator.run import DEFAULT_SEED, Rehearsal, Resolved
from simulator.scenario import dump
from simulator.scenario.job import as_request
from simulator.sweep.crews import Crew, Processes, Task, rehearse_all
from simulator.sweep.grid import Cell, Source, Vary, cells, create_requests, parse_vary, read_source
from simulator.sweep.journal import Journal, identity
from simulator.sweep.table import (
    DEFAULT_METRICS,
    DEFAULT_OBJECTIVE,
    Objective,
    Row,
    Table,
    row_of,
    tabulate,
)
from simulator.sweep.writers import as_csv, as_json, render

__all__ = ["Plan", "Progress", "Swept", "create_job", "sweep"]

PLACEHOLDER: Final = "arn:aws:iot:us-east-1:123456789012:thinggroup/REPLACE-ME"
"""A target that nobody has: AWS refuses it until somebody writes their own."""

MOST_SEEDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be swept, checked to the last setting."""

    source: Source
    varies: tuple[Vary, ...]
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    things: int | None
    metrics: tuple[str, ...]
    objective: Objective

    @classmethod
    def of(
        cls,
        scenario: Path,
        vary: Sequence[str],
        seeds: int = 5,
        seed: int | None = None,
        things: int | None = None,
        metrics: Sequence[str] = (),
        objective: str = DEFAULT_OBJECTIVE,
    ) -> "Plan":
        """Read and check everything.

        Args:
            scenario: the scenario file.
            vary: ``path=value,value,…`` each; none rehearses the scenario as it is.
            seeds: replications of each setting.
            seed: the first one's; the others count up from it. None: the scenario's, else 1.
            things: the fleet rescaled.
            metrics: numbers of summary.json by their dotted paths; none: a choice.
            objective: ``min:PATH`` or ``max:PATH``.

        Raises:
            ScenarioError: the scenario is wrong.
            UsageError: anything else is, or the scenario can only be run live.
        """
        if not 1 <= seeds <= MOST_SEEDS:
            raise UsageError(f"--seeds {seeds}: allowed are 1 to {MOST_SEEDS:,} replications")
        source = read_source(scenario)
        varies = tuple(parse_vary(text) for text in vary)
        grid = tuple(cells(source, varies))
        first = source.loaded.scenario.seed if seed is None else seed
        first = DEFAULT_SEED if first is None else first
        goal = Objective.parse(objective)
        for cell in grid:  # refused here, and not an hour later
            Rehearsal(Resolved.of(cell.loaded, first + seeds - 1, things))
        replications = tuple(range(first, first + seeds))
        return cls(source, varies, grid, replications, things, tuple(metrics), goal)

    def tasks(self, done: Sequence[tuple[int, int]]) -> list[Task]:
        """What is left to do, setting by setting."""
        name, folder = self.source.name, str(self.source.folder)
        there = set(done)
        return [
            Task(cell.number, seed, cell.text, name, folder, self.things)
            for cell in self.cells
            for seed in self.seeds
            if (cell.number, seed) not in there
        ]


@dataclass(frozen=True, slots=True)
class Progress:
    """A rehearsal came to its end; ``row`` is its setting's, if that was the last of it."""

    done: int
    of: int
    row: Row | None


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep at its end, or where it was stopped."""

    plan: Plan
    table: Table
    folder: Path
    stopped: bool
    create_jobs: tuple[Path, ...]
    """The best setting's jobs, ready for ``aws iot create-job --cli-input-json``."""


def sweep(
    plan: Plan,
    out: Path | None = None,
    crew: Crew | None = None,
    *,
    target_arn: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    began: Callable[[Path, int], None] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Swept:
    """Rehearse a plan's settings, and write what came of it.

    Args:
        plan: what to rehearse.
        out: the folder; an earlier, interrupted sweep of the same plan in it is resumed.
        crew: who rehearses; None: one process here.
        target_arn: what the best setting's job is for; None: the scenario's own targets, else a
            placeholder.
        progress: told of each rehearsal that comes to its end.
        began: told the folder, and how many results were in it.
        stopping: asked several times a second whether to stop.

    Raises:
        UsageError: the folder cannot be used, or a metric is no number of the summaries.
        TargetError: the Dask cluster was lost.
    """
    about = identity(plan.source, plan.varies, plan.things)
    with Journal(out, about) as journal, crew or Processes(1) as hands:
        wanted = {(cell.number, seed) for cell in plan.cells for seed in plan.seeds}
        results: dict[tuple[int, int], Any] = {
            key: row for key, row in journal.done.items() if key in wanted
        }
        if began is not None:
            began(journal.path, len(results))
        if results:  # a wrong metric is told before the rest is rehearsed
            _tabulate(plan, results)
        left = {cell.number: len(plan.seeds) for cell in plan.cells}
        for number, _ in results:
            left[number] -= 1
        for task, answer in rehearse_all(plan.tasks(list(results)), hands, stopping):
            cell = plan.cells[task.cell]
            row = {"cell": task.cell, "seed": task.seed, "settings": dict(cell.settings), **answer}
            journal.add(row)
            results[task.cell, task.seed] = row
            left[task.cell] -= 1
            if len(results) == 1:
                _tabulate(plan, results)
            if progress is not None:
                metrics = plan.metrics or DEFAULT_METRICS[:2]
                whole = (
                    None
                    if left[task.cell]
                    else row_of(cell, plan.seeds, results, metrics, plan.objective)
                )
                progress(Progress(len(results), len(wanted), whole))
        table = _tabulate(plan, results)
        created = _write(journal, plan, table, target_arn)
        return Swept(plan, table, journal.path, len(results) < len(wanted), created)


def _tabulate(plan: Plan, results: dict[tuple[int, int], Any]) -> Table:
    return tabulate(plan.cells, plan.seeds, results, plan.metrics, plan.objective)


def _write(journal: Journal, plan: Plan, table: Table, target_arn: str | None) -> tuple[Path, ...]:
    journal.write("table.txt", render(table))
    journal.write("table.csv", as_csv(table))
    journal.write("table.json", json.dumps(as_json(table), indent=2) + "\n")
    if table.best is None:
        return ()
    cell = plan.cells[table.best.cell]
    resolved = Resolved.of(cell.loaded, plan.seeds[0], plan.things)
    journal.write("best.yaml", dump(resolved.scenario))
    jobs = create_job(cell, target_arn)
    created = []
    for job in jobs:
        name = "create-job.json" if len(jobs) == 1 else f"create-job-{job['jobId']}.json"
        journal.write(name, json.dumps(job, indent=2, ensure_ascii=False) + "\n")
        created.append(journal.path / name)
    return tuple(created)


def create_job(cell: Cell, target_arn: str | None = None) -> list[dict[str, Any]]:
    """A setting's jobs as ``aws iot create-job --cli-input-json`` reads them.

    What a rehearsal does not need of a request, targets and tags, is as the scenario has it.
    """
    jobs, scenario = [], cell.loaded.scenario
    ids = scenario.job_ids
    if scenario.load.jobs is not None:  # they are all made of one
        ids = (str((scenario.job or {})["jobId"]),)
    for job_id, written in zip(ids, create_requests(cell.mapping), strict=True):
        given = {key: value for key, value in written.items() if value is not None}
        targets = given.pop("targets", None)
        if target_arn is not None:
            targets = [target_arn]
        request = as_request(given, PLACEHOLDER)
        jobs.append({"jobId": job_id, **request, "targets": targets or [PLACEHOLDER]})
    return jobs
