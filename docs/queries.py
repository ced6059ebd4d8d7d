"""The answers of ``docs/queries.md``: each query run, its answer written below it.

``python -m docs.queries`` rehearses the page's runs and writes the answers anew; a test does the
same, in both forms, and compares.
"""

import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "queries.md"
ROOT = PAGE.parents[1]

_QUERY = re.compile(r"```sql\n(?P<query>.*?)```\n(?:\n(?P<answer>\|.*?\n)(?=\n|\Z))?", re.DOTALL)


def rehearsals(text: str) -> list[tuple[Path, int | None, Path]]:
    """The page's runs: scenario, number of things, run directory."""
    found = []
    for line in re.findall(r"^\$ jobfleet rehearse (.*)$", text, re.MULTILINE):
        scenario, *options = shlex.split(line)
        given = dict(zip(options[::2], options[1::2], strict=True))
        things = given.get("--things")
        found.append((ROOT / scenario, int(things) if things else None, Path(given["--out"])))
    return found


def make_runs(text: str, root: Path) -> None:
    """Rehearse the page's runs into a folder, with tables of both forms beside each."""
    from simulator import table_files
    from simulator.finished_run import read
    from simulator.run import Rehearsal, Resolved, RunDirectory
    from simulator.scenario import load
    from simulator.today import utc_now

    for scenario, things, out in rehearsals(text):
        resolved = Resolved.of(load(scenario), None, things)
        directory = RunDirectory(root / out, resolved.name)
        directory.write(Rehearsal(resolved).run(), utc_now())
        for form in table_files.FORMATS:
            table_files.write(read(root / out), form, None)


def queries(text: str) -> Iterator[str]:
    """The page's queries, in order."""
    for found in _QUERY.finditer(text):
        yield found["query"]


def answered(text: str, root: Path, form: str) -> str:
    """The page with every answer as it is with the tables of one form under ``root``."""
    import duckdb

    def answer(found: re.Match[str]) -> str:
        query = found["query"]
        here = query.replace("'runs/", f"'{root}/runs/").replace(".parquet'", f".{form}'")
        rows = duckdb.sql(here)
        lines = [rows.columns, ["---"] * len(rows.columns), *map(_shown, rows.fetchall())]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        return f"```sql\n{query}```\n\n{table}"

    return _QUERY.sub(answer, text)


def _shown(row: tuple[Any, ...]) -> list[str]:
    return [f"{one:g}" if isinstance(one, float) else "" if one is None else str(one)
            for one in row]  # fmt: skip


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as made:
        make_runs(page, Path(made))
        PAGE.write_text(answered(page, Path(made), "parquet"), encoding="utf-8")
