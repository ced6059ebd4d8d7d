"""The folder of a sweep: what is swept, and each rehearsal's result as it came.

Rule 1: a result is one line, written in one piece: after a kill, the lines that are whole stand.
Rule 2: a folder holds one sweep. It is resumed by the same scenario, grid and size; more seeds may
        be asked of it, since each result is of one setting and one seed.
Rule 3: nothing that is not ours is replaced.
"""

import contextlib
import difflib
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from simulator.errors import UsageError
from simulator.sweep.grid import Source, Vary, write

IDENTITY: Final = "sweep.json"
RESULTS: Final = "results.jsonl"
MOST: Final = 100_000

Key = tuple[int, int]
"""(cell, seed)."""


def identity(source: Source, varies: Sequence[Vary], things: int | None) -> dict[str, Any]:
    """What makes two sweeps the same."""
    return {
        "jobfleet": metadata.version("jobfleet"),
        "scenario": Path(source.name).stem,
        "things": things,
        "vary": {vary.path: list(vary.texts) for vary in varies},
        "text": write(source.mapping),
    }


class Journal:
    """A sweep's folder, ours alone while it is open."""

    def __init__(self, path: Path | None, about: dict[str, Any]) -> None:
        """Make or resume it: ``path``, or a fresh one under ``runs/``.

        Raises:
            UsageError: it cannot be made or written to, holds another sweep or files of others, or
                another process sweeps in it.
        """
        self.done: dict[Key, dict[str, Any]] = {}
        """Results so far."""
        try:
            self.path = _fresh(f"{about['scenario']}-sweep") if path is None else path
            self.path.mkdir(parents=True, exist_ok=True)
            _check_same(self.path, about)
            self._file = os.open(self.path / RESULTS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._file)
                raise UsageError(f"another sweep is at work in {self.path}") from None
            self._resume()
            self.write(IDENTITY, json.dumps(about, indent=2) + "\n")
        except OSError as error:
            where = path or error.filename
            raise UsageError(f"cannot use the folder {where}: {error.strerror}") from None

    def _resume(self) -> None:
        """Read what is whole; cut off a line that a kill left in the middle."""
        with open(self._file, "rb", closefd=False) as file:
            content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._file, whole)
        for line in content[:whole].splitlines():
            row = json.loads(line)
            # What went wrong is tried again: its cause may be gone.
            if "summary" in row:
                self.done[row["cell"], row["seed"]] = row

    def add(self, row: dict[str, Any]) -> None:
        """Keep one result.

        Raises:
            UsageError: it cannot be written (a full disk, say).
        """
        line = json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            raise UsageError(f"cannot write {self.path / RESULTS}: {error.strerror}") from None
        self.done[row["cell"], row["seed"]] = row

    def write(self, name: str, text: str) -> None:
        """A file, all of it or nothing.

        Raises:
            UsageError: it cannot be written.
        """
        aside = self.path / f".{name}.{os.getpid()}"
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(self.path / name)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise UsageError(f"cannot write {self.path / name}: {error.strerror}") from None

    def close(self) -> None:
        """Let others at it."""
        os.close(self._file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _fresh(name: str) -> Path:
    """A folder that was not there."""
    runs = Path("runs")
    runs.mkdir(exist_ok=True)
    for at in range(1, MOST):
        path = runs / f"{name}-{at:03d}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise UsageError(f"{runs} holds {MOST - 1} sweeps of {name}; move some away, or give --out")


def _check_same(folder: Path, about: Mapping[str, Any]) -> None:
    """Refuse the folder of another sweep, saying what differs, and one that is none."""
    try:
        earlier = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
        texts = str(earlier["text"])
    except FileNotFoundError:
        names = [name for name in OURS if (folder / name).exists()]
        if names:
            raise UsageError(
                f"{folder / names[0]} is not from a sweep of jobfleet and would be replaced; "
                "give a folder of its own as --out"
            ) from None
        return
    except (ValueError, TypeError, KeyError):
        raise UsageError(
            f"{folder / IDENTITY} is not from a sweep of jobfleet; give another --out"
        ) from None
    differences = list(_differences(earlier, about, texts))
    if differences:
        raise UsageError(
            f"{folder} holds another sweep: {'; '.join(differences)}. Give another --out, or "
            "sweep what it holds"
        )


OURS: Final = (RESULTS, "table.txt", "table.csv", "table.json", "best.yaml", "create-job.json")


def _differences(earlier: Mapping[str, Any], now: Mapping[str, Any], text: str) -> Iterator[str]:
    for name, what in (("jobfleet", "jobfleet"), ("scenario", "the scenario's name")):
        if earlier.get(name) != now[name]:
            yield f"{what} was {earlier.get(name)!r} and is {now[name]!r}"
    if earlier.get("things") != now["things"]:
        was, is_ = (value or "the scenario's" for value in (earlier.get("things"), now["things"]))
        yield f"--things was {was} and is {is_}"
    was_varied, is_varied = earlier.get("vary", {}), now["vary"]
    for path in [*was_varied, *(path for path in is_varied if path not in was_varied)]:
        was, is_ = (_list(varied.get(path)) for varied in (was_varied, is_varied))
        if was != is_:
            yield f"--vary {path} was {was} and is {is_}"
    if list(was_varied) != list(is_varied) and set(was_varied) == set(is_varied):
        yield f"the order of --vary was {', '.join(was_varied)}"
    if text != now["text"]:
        lines = difflib.unified_diff(text.splitlines(), now["text"].splitlines(), n=0, lineterm="")
        changed = [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]
        shown = ", ".join(f"{line[0]} {line[1:].strip()}" for line in changed[:4])
        yield f"the scenario has changed ({shown}{', …' if len(changed) > 4 else ''})"


def _list(values: Sequence[str] | None) -> str:
    return "absent" if values is None else ",".join(values)
