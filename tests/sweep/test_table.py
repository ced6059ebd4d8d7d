"""Statistics of replications against known values, and which setting is the best."""

from typing import Any

import pytest

from simulator.errors import UsageError
from simulator.scenario import loads
from simulator.sweep.grid import Cell
from simulator.sweep.statistics import estimate, t_quantile
from simulator.sweep.table import Objective, Table, number_at, short_names, tabulate
from simulator.sweep.writers import as_csv, as_json, render

LOADED = loads("fleet: [{cohort: g, things: 1, work: {duration: 1s}}]\njob: {document: {}}\n")


@pytest.mark.parametrize(
    ("p", "freedom", "known"),
    [
        (0.95, 1, 6.313752), (0.95, 2, 2.919986), (0.95, 4, 2.131847), (0.95, 19, 1.729133),
        (0.95, 120, 1.657651), (0.975, 10, 2.228139), (0.5, 3, 0.0),
    ],
)  # fmt: skip
def test_quantiles_of_t_are_those_of_the_tables(p: float, freedom: int, known: float) -> None:
    assert t_quantile(p, freedom) == pytest.approx(known, abs=1e-6)


def test_an_interval_is_the_textbooks() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found is not None
    assert found.half is not None
    assert (found.mean, found.n) == (3.0, 5)
    assert found.half == pytest.approx(2.131847 * (2.5 / 5) ** 0.5, abs=1e-6)
    assert estimate([7.0]) is not None
    assert estimate([7.0]).half is None  # type: ignore[union-attr]  # just seen
    assert estimate([]) is None


def summary(elapsed: float, passed: bool = True, ended: str = "job completed") -> dict[str, Any]:
    return {
        "things": 4,
        "targets": 4,
        "elapsed_s": elapsed,
        "ended": ended,
        "executions": {"SUCCEEDED": 3, "FAILED": 1},
        "requests": {"UpdateJobExecution": {"rejected": {}, "latency_ms": {"p99": 2.5}}},
        "verdict": {"passed": passed},
    }


def table(*rows: list[dict[str, Any]], objective: str = "min:elapsed_s", **more: Any) -> Table:
    """A table of one key with values 0, 1, …; each row a list of summaries or errors by seed."""
    cells = [Cell(at, (("a.rate", str(at)),), {}, "", LOADED) for at in range(len(rows))]
    results = {
        (at, seed): one if "error" in one else {"summary": one}
        for at, row in enumerate(rows)
        for seed, one in enumerate(row)
    }
    seeds = range(max(map(len, rows)))
    return tabulate(cells, seeds, results, more.get("metrics", ()), Objective.parse(objective))


def best(found: Table) -> int | None:
    return None if found.best is None else found.best.cell


def test_verdicts_come_before_completion_and_completion_before_the_objective() -> None:
    quick_and_wrong = [summary(1, passed=False)] * 2
    quick_and_canceled = [summary(2, ended="job canceled")] * 2
    slow = [summary(9)] * 2
    slower = [summary(10)] * 2
    assert best(table(quick_and_wrong, slower, slow)) == 2
    assert best(table(quick_and_canceled, slow)) == 1
    assert best(table(slow, slower, objective="max:elapsed_s")) == 1
    assert best(table([summary(1, False)] * 2, [summary(5, False), summary(5)])) == 1


def test_of_equals_the_first_is_best_and_the_others_are_named() -> None:
    found = table([summary(5), summary(7)], [summary(5), summary(7)])
    assert best(found) == 0
    assert "rate=1" in found.remarks[-1]
    assert "rate=1" in render(found)


def test_settings_are_told_apart_seed_for_seed() -> None:
    """Seeds differ by hundreds, settings by one: the same seed is the same fleet."""
    faster = [summary(x) for x in (100, 900, 400)]
    slower = [summary(x + 1) for x in (100, 900, 400)]
    assert not any("as good" in remark for remark in table(slower, faster).remarks)
    mixed = [summary(x) for x in (102, 899, 401)]
    assert any("as good" in remark for remark in table(faster, mixed).remarks)


def test_how_much_passing_with_every_seed_says() -> None:
    """If it passed with 80 % of seeds, twenty of twenty would be seen once in a hundred times."""
    assert "with at least 89% of all seeds" in table([summary(5)] * 20).remarks[0]
    assert "with at least 10% of all seeds" in table([summary(5)]).remarks[0]


def test_a_setting_without_all_its_results_is_not_the_best() -> None:
    unfinished = [summary(1)]
    assert best(table(unfinished, [summary(5)] * 2)) == 1
    found = table(unfinished, [{"error": "it broke"}, {"error": "it broke"}])
    assert best(found) is None
    text = render(found)
    assert "No result: rate=1, seed 0: it broke (2 seeds)" in text
    assert "1 of 4 rehearsals are not done yet" in text


def test_an_error_is_no_passed_verdict() -> None:
    found = table([summary(1), {"error": "it broke"}], [summary(5)] * 2)
    assert best(found) == 1
    assert (found.rows[0].passed, found.rows[0].asked, found.rows[0].done) == (1, 2, 1)


def test_any_number_of_the_summary_can_be_a_column() -> None:
    one = summary(5)
    assert number_at(one, "succeeded") == 0.75
    assert number_at(one, "timed_out") == 0
    assert number_at(one, "executions.TIMED_OUT") == 0
    assert number_at(one, "requests.UpdateJobExecution.rejected.VersionMismatch") == 0
    assert number_at(one, "requests.UpdateJobExecution.latency_ms.p99") == 2.5
    assert number_at(one, "verdict.passed") == one["verdict"]["passed"]  # 1 or 0
    found = table([one, one], metrics=("requests.UpdateJobExecution.latency_ms.p99",))
    assert as_csv(found).splitlines() == [
        "a.rate,asked,done,passed,completed,errors,"
        + ",".join(
            f"requests.UpdateJobExecution.latency_ms.p99 {e}" for e in ("mean", "low", "high")
        ),
        "0,2,2,2,2,0,2.5,2.5,2.5",
    ]
    assert as_json(found)["best"]["metrics"]["elapsed_s"]["mean"] == 5


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("elapsed", "near it: elapsed_s"),
        ("executions.DONE.x", "is no number of any summary.json here"),
        ("verdict", "is no number"),
    ],
)
def test_what_no_summary_has_is_told_with_what_is_near(path: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        table([summary(1)], metrics=(path,))
    with pytest.raises(UsageError, match=words):
        table([summary(1)], objective=f"max:{path}")


@pytest.mark.parametrize("text", ["least:elapsed_s", "min:"])
def test_an_objective_is_the_least_or_the_most(text: str) -> None:
    with pytest.raises(UsageError, match="write min: or max:"):
        Objective.parse(text)


def test_names_are_as_long_as_it_takes_to_tell_them_apart() -> None:
    assert short_names(["job.rate", "fleet[0].work.steps", "fleet[1].work.steps"]) == [
        "rate", "fleet[0].work.steps", "fleet[1].work.steps",
    ]  # fmt: skip
