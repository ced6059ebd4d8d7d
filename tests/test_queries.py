"""The queries of ``docs/queries.md`` are run as they stand, and answer what the page says."""

import difflib
from pathlib import Path

import pytest

from docs import queries
from simulator import table_files

PAGE = queries.PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("queries")
    queries.make_runs(PAGE, made)
    return made


def test_there_are_ten_and_each_has_an_answer() -> None:
    assert len(list(queries.queries(PAGE))) == 10
    assert PAGE.count("\n| --- |") == 10


@pytest.mark.parametrize("form", table_files.FORMATS)
def test_every_query_answers_what_the_page_says(root: Path, form: str) -> None:
    found = queries.answered(PAGE, root, form)
    changed = "\n".join(difflib.unified_diff(PAGE.split("\n"), found.split("\n"), lineterm=""))
    assert not changed, f"stale: run `python -m docs.queries`\n{changed}"
