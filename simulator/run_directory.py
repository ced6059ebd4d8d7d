"""The folder that a run leaves behind: found writable before the run, filled at its end.

Rule 1: whatever stands in the way is told before the run, not after it.
Rule 2: a file is written aside and renamed, so that a reader meets all of it or nothing.
Rule 3: nothing that is not ours is replaced. An existing folder may be empty, hold other things, or
        hold an earlier run, whose files are then replaced: those of the names below, and no other.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from simulator.errors import UsageError
from simulator.scenario.file import HEADER

SCENARIO: Final = "scenario.yaml"
RESULTS: Final = (
    "summary.json", "machine.json", "records.npz", "executions.npz", "timeline.csv", "junit.xml",
)  # fmt: skip
OF_LIVE_RUNS: Final = ("latency.hlog",)
REPORT: Final = "report.html"
TABLES: Final = tuple(
    f"{name}.{form}" for name in ("records", "executions", "things") for form in ("parquet", "csv")
)
"""What ``jobfleet records`` makes of a run, by default beside it."""
MOST: Final = 100_000
"""Runs of one name under ``runs/``."""


class Folder:
    """A folder that is ours to write in."""

    def __init__(self, path: Path | None, name: str) -> None:
        """Make the folder: ``path``, or a fresh one under ``runs/``, of this run alone.

        The results of an earlier run in it are removed, so that never two runs are mixed.

        Raises:
            UsageError: it cannot be made or written to, or holds files that we would replace and
                did not write.
        """
        try:
            self.path = _fresh(Path("runs"), name) if path is None else path
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass  # so it can be written to
            _check_ours(self.path)
            for earlier in (*RESULTS, *OF_LIVE_RUNS, *TABLES, REPORT):
                (self.path / earlier).unlink(missing_ok=True)
        except OSError as error:
            where = error.filename if path is None else path
            raise UsageError(f"cannot make the run directory {where}: {error.strerror}") from None

    def write(self, name: str, fill: Callable[[IO[bytes]], object]) -> None:
        """Make file ``name``, whose bytes ``fill`` writes.

        Raises:
            UsageError: it cannot be written (a full disk, say); an earlier one is as it was.
        """
        try:
            with aside(self.path, name) as file:
                fill(file)
        except OSError as error:
            raise UsageError(f"cannot write {self.path / name}: {error.strerror}") from None


@contextlib.contextmanager
def aside(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """A file under another name, which gets its own when all is in it."""
    path = folder / f".{name}.{os.getpid()}"
    try:
        with path.open("wb") as file:
            yield file
        path.replace(folder / name)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _fresh(runs: Path, name: str) -> Path:
    """A folder that was not there: two runs that begin at once get two."""
    runs.mkdir(parents=True, exist_ok=True)
    for at in range(1, MOST):
        path = runs / f"{name}-{at:03d}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise UsageError(f"{runs} holds {MOST - 1} runs of {name}; move some away, or give --out")


def _check_ours(folder: Path) -> None:
    """Refuse a folder in which something has our names and is not from a run of ours."""
    scenario = folder / SCENARIO
    if scenario.exists():
        with scenario.open("rb") as file:
            ours = file.read(len(HEADER)) == HEADER.encode()
        found = [] if ours else [SCENARIO]
    else:
        found = [name for name in (*RESULTS, REPORT) if (folder / name).exists()]
    if found:
        raise UsageError(
            f"{folder / found[0]} is not from a run of jobfleet and would be replaced; "
            "give a folder of its own as --out"
        )


def replace(path: Path, make: Callable[[], bytes], mark: bytes) -> None:
    """Write a file wherever it is asked for; what is there is replaced if it begins with ``mark``.

    Raises:
        UsageError: it is a folder, or somebody else's, or cannot be written; it is as it was.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file in it")
        if path.exists():
            with path.open("rb") as file:
                ours = file.read(len(mark)) == mark
            if not ours:
                raise UsageError(f"{path} exists and was not written by jobfleet; name another")
        content = make()
        with aside(path.parent, path.name) as file:
            file.write(content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
