import csv
import errno
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from docs import schema
from simulator import table_files, tables
from simulator.errors import UsageError
from simulator.finished_run import FinishedRun, read
from simulator.run import Rehearsal, Resolved, RunDirectory
from simulator.scenario import loads
from simulator.today import utc_now

SCENARIO = """\
fleet:
  - cohort: good
    things: 40
    attributes: {region: {eu: 50%, us: 50%}}
    work: {duration: 2m, steps: 3}
  - cohort: bad
    things: 40
    work: {duration: {distribution: uniform, low: 1m, high: 20m}, steps: 1, step_timeout: 10m}
    outcome: {hang: 20%}
network: {latency: 100ms, lost_replies: 10%}
job: {document: {}, timeoutConfig: {inProgressTimeoutInMinutes: 60}}
load: {until: 2h}
expect: {succeeded: ">= 10%"}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    resolved = Resolved.of(loads(SCENARIO), 3, None)
    directory = RunDirectory(tmp_path_factory.mktemp("run"), resolved.name)
    directory.write(Rehearsal(resolved).run(), utc_now())
    return read(directory.path)


def _rows(path: Path) -> list[dict[str, Any]]:
    """Rows as text, empty where null: of either form."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in parquet.read_table(path).to_pylist()
    ]


def test_both_forms_hold_the_same_and_what_the_summary_says(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PART", 50)  # so that there are several
    for form in table_files.FORMATS:
        table_files.write(run, form, tmp_path)
    found = {name: _rows(tmp_path / f"{name}.parquet") for name in tables.SCHEMAS}
    for name, rows in found.items():
        assert _rows(tmp_path / f"{name}.csv") == rows
        assert list(rows[0]) == [column.name for column in tables.SCHEMAS[name]]
    assert parquet.ParquetFile(tmp_path / "records.parquet").num_row_groups > 1
    summary = run.summary
    assert Counter(row["operation"] for row in found["records"]) == {
        name: numbers.sent for name, numbers in summary.requests.items()
    }
    causes = Counter(row["cause"] for row in found["records"] if row["cause"])
    assert causes == {cause: n for cause, n in summary.conflicts.by_cause.items() if n}
    assert Counter(row["fault"] for row in found["records"] if row["fault"]) == summary.faults
    assert Counter(row["status"] for row in found["executions"]) == summary.executions
    truths = Counter(row["truth"] for row in found["executions"])
    assert truths["true"] == summary.timeouts.true_ > 0
    assert truths["working"] == summary.timeouts.false_
    assert len(found["things"]) == summary.things
    assert {row["cohort"] for row in found["records"]} == set(summary.cohorts)
    assert all(row["thing"].startswith(row["cohort"]) for row in found["records"])
    assert {row["attributes"] for row in found["things"] if row["cohort"] == "good"} == {
        '{"cohort": "good", "region": "eu"}', '{"cohort": "good", "region": "us"}'
    }  # fmt: skip


def test_the_schema_is_in_the_file_and_null_is_where_it_says(
    run: FinishedRun, tmp_path: Path
) -> None:
    table_files.write(run, "parquet", tmp_path)
    for name, columns in tables.SCHEMAS.items():
        table = parquet.read_table(tmp_path / f"{name}.parquet")
        for column in columns:
            field = table.schema.field(column.name)
            assert field.metadata[b"description"].decode() == column.what
            assert field.metadata.get(b"unit") == (b"s" if column.type == "seconds" else None)
            assert column.null or not table[column.name].null_count
    records = parquet.read_table(tmp_path / "records.parquet")
    assert records["at_s"].equals(records["sent_s"])  # a rehearsal's clock is scenario time
    assert records.schema.metadata[b"time_scale"] == b"1"


def test_the_page_shows_the_schemas() -> None:
    text = schema.PAGE.read_text(encoding="utf-8")
    assert schema.page(text) == text, "stale: run `make docs`"


def test_no_file_of_others_is_replaced(run: FinishedRun, tmp_path: Path) -> None:
    (tmp_path / "things.csv").write_text("mine\n")
    with pytest.raises(UsageError, match=r"things\.csv exists and would be replaced"):
        table_files.write(run, "csv", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["things.csv"]
    for _ in range(2):  # its own folder is the run's
        table_files.write(run, "csv", None)


def test_a_full_disk_leaves_what_was_there(
    run: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    table_files.write(run, "csv", None)
    before = {path: path.read_bytes() for path in run.folder.iterdir()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def some(table: tables.Table, *rest: Any) -> None:
        (full if table.name == "things" else table_files._as_csv)(table, *rest)

    monkeypatch.setitem(table_files._WRITERS, "csv", some)
    with pytest.raises(UsageError, match=r"cannot write .*: No space left on device"):
        table_files.write(run, "csv", None)
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before


def test_without_pyarrow_it_is_csv_and_parquet_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert table_files.choose(None) == "parquet"
    monkeypatch.setattr(table_files, "find_spec", lambda _: None)
    assert table_files.choose(None) == "csv"
    with pytest.raises(UsageError, match=r"pip install 'jobfleet\[parquet\]'"):
        table_files.choose("parquet")
    with pytest.raises(UsageError, match="allowed are parquet and csv"):
        table_files.choose("orc")
