"""The worked rehearsals behind docs/guides: their numbers, tables and pictures.

``python -m docs.worked`` rehearses them all anew (about a minute), and writes ``worked.json``, the
tables between the guides' markers and the pictures. A test rehearses the first setting of each and
holds the guides to what came of it.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from simulator.sweep import Plan, sweep
from simulator.sweep.crews import Processes, rehearse_task
from simulator.sweep.table import number_at

DOCS: Final = Path(__file__).parent
GUIDES: Final = DOCS / "guides"
PICTURES: Final = DOCS / "pictures"
NUMBERS: Final = GUIDES / "worked.json"

Rows = list[dict[str, Any]]
"""One per setting: ``settings`` by key, and the mean of each metric over the seeds."""


@dataclass(frozen=True)
class Worked:
    """One guide's sweep, and how it is shown."""

    guide: str
    scenario: str
    vary: tuple[str, ...]
    seeds: int
    metrics: tuple[str, ...]
    table: Callable[[Rows], str]
    draw: Callable[[Any, Rows], None]
    """Draws rows on matplotlib's axes."""

    def plan(self) -> Plan:
        """The sweep."""
        path = GUIDES / self.scenario
        return Plan.of(path, self.vary, seeds=self.seeds, metrics=self.metrics)

    def first(self) -> dict[str, float | None]:
        """The metrics of the first setting with the first seed."""
        answer = rehearse_task(self.plan().tasks([])[0])
        return {path: number_at(answer["summary"], path) for path in self.metrics}

    def rows(self) -> Rows:
        """Rehearse all of it."""
        with tempfile.TemporaryDirectory() as folder, Processes(2) as crew:
            table = sweep(self.plan(), Path(folder) / "sweep", crew).table
        return [
            {
                "settings": {_short(key): value for key, value in row.settings},
                "passed": row.passed,
                **{path: round(found.mean, 3) for path, found in row.metrics.items() if found},
            }
            for row in table.rows
        ]


def _short(path: str) -> str:
    return path.rpartition(".")[2]


# ------------------------------------------------------------------------------- tables


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---:|" * len(heads)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _minutes(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _rates(rows: Rows) -> str:
    return _table(
        ["executions per minute", "the last one ends after", "peak writes/s",
         "AWS would throttle", "in seconds"],
        [
            [row["settings"]["maximumPerMinute"], _minutes(row["elapsed_s"]),
             f"{row['budget.writes.peak_per_s']:,.0f}", f"{row['budget.writes.over']:,.0f}",
             f"{row['budget.writes.seconds_over']:.0f}"]
            for row in rows
        ],
    )  # fmt: skip


def _timeouts(rows: Rows) -> str:
    return _table(
        ["step timeout", "cut off while at work", "hung ones caught", "missed",
         "slowest 1 % end after"],
        [
            [row["settings"]["step_timeout"], f"{row['timeouts.false']:.0f}",
             f"{row['timeouts.true']:.0f}", f"{row['timeouts.missed']:.0f}",
             _minutes(row["time_to_terminal_s.p99"])]
            for row in rows
        ],
    )  # fmt: skip


def _by_threshold(rows: Rows) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
    """By threshold and minimum, then by the firmware's share of failures."""
    found: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        settings = row["settings"]
        key = settings["thresholdPercentage"], settings["minNumberOfExecutedThings"]
        found.setdefault(key, {})[settings["fail"]] = row
    return found


def _aborts(rows: Rows) -> str:
    return _table(
        ["threshold", "at least ended", "good firmware given up",
         "bad firmware: had failed when it stopped", "were reached by then"],
        [
            [f"{threshold} %", least, f"{both['3%']['aborted']:.0%}".replace("%", " %"),
             f"{both['30%']['executions.FAILED']:.0f}",
             f"{1000 - both['30%']['not_rolled_out']:.0f}"]
            for (threshold, least), both in _by_threshold(rows).items()
        ],
    )  # fmt: skip


# ------------------------------------------------------------------------------- pictures


def _draw_rates(axes: Any, rows: Rows) -> None:
    rate = [int(row["settings"]["maximumPerMinute"]) for row in rows]
    axes.plot(
        rate, [row["elapsed_s"] / 60 for row in rows], "o-", label="minutes until the last ends"
    )
    axes.plot(rate, [row["budget.writes.peak_per_s"] for row in rows], "s--", label="peak writes/s")
    axes.axhline(200, linestyle=":", color="grey")
    axes.annotate("AWS: 200 writes/s", (rate[0], 200), xytext=(0, 4), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlabel="executions released per minute")
    axes.set_xticks(rate, [str(one) for one in rate])
    axes.set_yticks([50, 100, 200, 500, 1000], ["50", "100", "200", "500", "1 000"])
    axes.minorticks_off()


def _draw_timeouts(axes: Any, rows: Rows) -> None:
    minutes = [int(row["settings"]["step_timeout"].rstrip("m")) for row in rows]
    axes.plot(minutes, [row["timeouts.false"] for row in rows], "o-", label="cut off while at work")
    axes.plot(minutes, [row["timeouts.true"] for row in rows], "s--", label="hung ones caught")
    axes.set(xlabel="step timeout, minutes", ylabel="things of 2 000", yscale="symlog", ylim=0)
    axes.set_yticks([0, 1, 10, 100, 600], ["0", "1", "10", "100", "600"])
    axes.set_xticks(minutes, [str(one) for one in minutes])


def _draw_aborts(axes: Any, rows: Rows) -> None:
    found = _by_threshold(rows)
    reached = {least: 1000 - both["30%"]["not_rolled_out"] for (_, least), both in found.items()}
    places = range(len(reached))
    for threshold, marker in (("5", "o"), ("10", "s"), ("20", "^"), ("30", "d")):
        shares = [found[threshold, least]["3%"]["aborted"] * 100 for least in reached]
        axes.plot(places, shares, f"{marker}-", label=f"threshold {threshold} %")
    labels = [f"{least} ended\n(bad firmware reaches {n:.0f})" for least, n in reached.items()]
    axes.set_xticks(places, labels)
    axes.set(ylabel="good firmware given up, % of runs")


# ------------------------------------------------------------------------------- all of it

FAIL: Final = "cohorts.gateways.outcome.fail"
CRITERION: Final = "job.abortConfig.criteriaList[0]"

ALL: Final = (
    Worked(
        "rollout-rate", "rate.yaml",
        ("job.jobExecutionsRolloutConfig.maximumPerMinute=25,50,100,150,200,300,500,1000",), 3,
        ("elapsed_s", "budget.writes.peak_per_s", "budget.writes.over",
         "budget.writes.seconds_over"),
        _rates, _draw_rates,
    ),
    Worked(
        "timeout", "timeout.yaml",
        ("cohorts.gateways.work.step_timeout=4m,6m,8m,10m,15m,20m,30m",), 5,
        ("timeouts.false", "timeouts.true", "timeouts.missed", "time_to_terminal_s.p99"),
        _timeouts, _draw_timeouts,
    ),
    Worked(
        "abort-threshold", "abort.yaml",
        (f"{CRITERION}.thresholdPercentage=5,10,20,30",
         f"{CRITERION}.minNumberOfExecutedThings=20,50,100", f"{FAIL}=3%,30%"), 20,
        ("aborted", "executions.FAILED", "not_rolled_out"),
        _aborts, _draw_aborts,
    ),
)  # fmt: skip


def with_table(text: str, worked: Worked, rows: Rows) -> str:
    """A guide with its table written anew."""
    begin, end = f"<!-- begin: {worked.guide} -->\n", f"<!-- end: {worked.guide} -->\n"
    head, rest = text.split(begin)
    return head + begin + worked.table(rows) + end + rest.split(end)[1]


def page(worked: Worked) -> Path:
    """Where a guide stands."""
    return GUIDES / f"{worked.guide}.md"


def draw(worked: Worked, rows: Rows) -> None:
    """Draw a guide's picture."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({"svg.hashsalt": worked.guide, "font.size": 9})
    figure = Figure(figsize=(6.4, 3.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    worked.draw(axes, rows)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8, ncols=2 if len(axes.lines) > 4 else 1)
    figure.savefig(PICTURES / f"{worked.guide}.svg", metadata={"Date": None})


def main() -> None:
    """Rehearse and write everything."""
    numbers: dict[str, Mapping[str, Any]] = {}
    for worked in ALL:
        rows = worked.rows()
        numbers[worked.guide] = {"first": worked.first(), "rows": rows}
        path = page(worked)
        path.write_text(
            with_table(path.read_text(encoding="utf-8"), worked, rows), encoding="utf-8"
        )
        draw(worked, rows)
        print(f"{path.name}: {len(rows)} settings")
    NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
