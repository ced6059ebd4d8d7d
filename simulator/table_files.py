"""A run's tables as files: Parquet, where pyarrow is installed (the extra ``parquet``), or CSV.

Rule 1: both forms hold the same values; what is null is an empty field in CSV.
Rule 2: all files are written aside, a part at a time, and get their names when the last one is
        whole: a full disk leaves what was there before.
Rule 3: in a folder that is not the run's own, no file is replaced.
"""

import csv
import io
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from simulator.errors import UsageError
from simulator.finished_run import FinishedRun
from simulator.run_directory import aside
from simulator.tables import Coded, Column, Table, Values, tables_of

FORMATS: Final = ("parquet", "csv")
_MANY: Final = 4_096
"""More words than this are no vocabulary: their texts are written themselves."""


def choose(form: str | None) -> str:
    """The form asked for; else Parquet, if it can be written.

    Raises:
        UsageError: there is no such form, or what writes it is not installed.
    """
    there = find_spec("pyarrow") is not None
    if form is None:
        return "parquet" if there else "csv"
    if form not in FORMATS:
        raise UsageError(f"--format {form}: allowed are {' and '.join(FORMATS)}")
    if form == "parquet" and not there:
        raise UsageError(
            "--format parquet needs pyarrow: pip install 'jobfleet[parquet]', or choose "
            "--format csv"
        )
    return form


def write(run: FinishedRun, form: str, out: Path | None) -> list[tuple[Path, int]]:
    """Write every table into a folder (default: the run's own); return paths and numbers of rows.

    Raises:
        UsageError: the run cannot be read, or the files cannot be written.
    """
    folder = run.folder if out is None else out
    tables = tables_of(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{table.name}.{form}" for table in tables]
        for path in paths:
            if path.exists() and not folder.samefile(run.folder):
                raise UsageError(
                    f"{path} exists and would be replaced; name another folder as --out"
                )
        with ExitStack() as files:  # each gets its name as the stack unwinds without an error
            for table, path in zip(tables, paths, strict=True):
                file = files.enter_context(aside(folder, path.name))
                _WRITERS[form](table, file, {"time_scale": f"{run.summary.time_scale:g}"})
                file.flush()
    except OSError as error:
        where = error.filename or folder
        raise UsageError(f"cannot write {where}: {error.strerror or error}") from None
    return [(path, table.rows) for path, table in zip(paths, tables, strict=True)]


# ------------------------------------------------------------------------------- CSV


def _as_csv(table: Table, file: IO[bytes], _: dict[str, str]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    for part in table.parts():
        writer.writerows(zip(*map(_plain, part), strict=True))
    text.detach()  # flushes, and leaves the file open


def _plain(values: Values) -> list[Any]:
    """Python's values, None where null: that is an empty field."""
    if isinstance(values, Coded):
        return values.texts()
    plain: list[Any] = values.tolist()
    return plain


# ------------------------------------------------------------------------------- Parquet


def _as_parquet(table: Table, file: IO[bytes], about: dict[str, str]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([_field(pa, column) for column in table.columns], metadata=about)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in table.parts():
            arrays = [
                _array(pa, values).cast(field.type)
                for values, field in zip(part, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _field(pa: Any, column: Column) -> Any:
    """A field of the schema, its meaning and its unit in its metadata."""
    about = {"description": column.what}
    if column.type == "seconds":
        about["unit"] = "s"
    if column.null:
        about["null"] = column.null
    kind = {"text": pa.string(), "integer": pa.int64(), "seconds": pa.float64()}[column.type]
    return pa.field(column.name, kind, nullable=bool(column.null), metadata=about)


def _array(pa: Any, values: Values) -> Any:
    if not isinstance(values, Coded):
        mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
        return pa.array(np.asarray(values), mask=mask)
    if len(values.words) > _MANY:  # names: a dictionary of them all would be in every row group
        return pa.array(values.texts(), pa.string())
    codes = pa.array(values.codes, pa.int32(), mask=values.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(values.words), pa.string()))


_WRITERS: Final = {"csv": _as_csv, "parquet": _as_parquet}
