"""The journal of a provisioned fleet: what was asked of AWS, and what is known to be there.

Rule 1: a line is written, whole and to the disk, before a call and after it. So whatever moment a
        run is killed at, at most one thing exists that is not known to, and the journal names it.
Rule 2: a journal belongs to one fleet. The same request resumes it; another is refused.
Rule 3: what is not in the journal does not exist, for us.

The first line says whose fleet it is, each other: ``step`` (the operation that makes it), ``of``
(whose), ``state`` (asked, made, failed, removing, removed) and the facts that AWS answered.
"""

import errno
import fcntl
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from simulator.errors import UsageError

NAME: Final = "provision.jsonl"

Key = tuple[str, str]
"""(step, of)."""

ASKED, MADE, FAILED, REMOVING, REMOVED = "asked", "made", "failed", "removing", "removed"
WORDS: Final = {
    "account": "account", "region": "region", "endpoint": "--endpoint-url", "things": "--things",
    "prefix": "--prefix", "group": "--group", "certificates": "certificates", "policy": "--policy",
}  # fmt: skip


class Ledger:
    """A fleet's directory, ours alone while it is open."""

    def __init__(self, directory: Path, about: Mapping[str, Any] | None) -> None:
        """Open it: ``about`` is what is asked for (with a fresh mark), None to take what is there.

        Raises:
            UsageError: it holds another fleet, files of others, or no fleet at all; it cannot be
                written; or another process is at work in it.
        """
        self.directory = directory
        self.path = directory / NAME
        self.rows: dict[Key, dict[str, Any]] = {}
        """The last line of each, with all facts of the lines before it."""
        try:
            _check_directory(directory, self.path, about is not None)
            flags = os.O_RDWR | os.O_APPEND | (0 if about is None else os.O_CREAT)
            self._file = os.open(self.path, flags, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._file)
                raise UsageError(f"another jobfleet is at work in {directory}") from None
            self.about = self._read()
        except OSError as error:
            raise UsageError(f"cannot use {directory}: {error.strerror}") from None
        try:
            self._begin(about)
        except UsageError:
            self.close()
            raise

    def _begin(self, about: Mapping[str, Any] | None) -> None:
        if self.about:
            if about is not None:
                _check_same(self.directory, self.about, about)
        elif about is None:
            raise UsageError(f"{self.path} is empty: nothing was made, nothing is to be removed")
        else:
            self.about = dict(about)
            self._append(self.about)

    def _read(self) -> dict[str, Any]:
        """The first line; the others into ``rows``. Half a line, of a kill, is cut off."""
        with open(self._file, "rb", closefd=False) as file:
            content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._file, whole)
        about: dict[str, Any] = {}
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                row = json.loads(line)
                if number == 1:
                    about = {**row, "mark": row["mark"]}
                else:
                    key = (row["step"], row["of"])
                    self.rows[key] = {**self.rows.get(key, {}), **row}
            except (ValueError, TypeError, KeyError):
                raise UsageError(
                    f"{self.path}:{number}: this is no line of a journal of jobfleet"
                ) from None
        return about

    @property
    def mark(self) -> str:
        """What everything of this fleet carries."""
        return str(self.about["mark"])

    @property
    def dismantled(self) -> bool:
        """Whether a cleanup has begun."""
        return any(row["state"] in (REMOVING, REMOVED) for row in self.rows.values())

    def state(self, step: str, of: str) -> str | None:
        """How far it is; None where it was never asked for."""
        row = self.rows.get((step, of))
        return None if row is None else str(row["state"])

    def fact(self, step: str, of: str, name: str) -> Any:
        """What AWS answered; None where it did not."""
        return self.rows.get((step, of), {}).get(name)

    def note(self, step: str, of: str, state: str, at: datetime, **facts: Any) -> None:
        """Write one line, to the disk.

        Raises:
            UsageError: it cannot be written.
        """
        row = {"step": step, "of": of, "state": state, "at": at.isoformat(), **facts}
        self._append(row)
        self.rows[step, of] = {**self.rows.get((step, of), {}), **row}

    def standing(self, step: str) -> list[str]:
        """Whose are there, or may be: asked for and not known to be gone or refused."""
        gone = (REMOVED, FAILED)
        return [of for (name, of), row in self.rows.items() if name == step and
                row["state"] not in gone]  # fmt: skip

    def _append(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            raise UsageError(f"cannot write {self.path}: {error.strerror}") from None

    def close(self) -> None:
        """Let others at it."""
        os.close(self._file)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_directory(directory: Path, path: Path, make: bool) -> None:
    if make and not path.exists():
        if directory.exists() and any(directory.iterdir()):
            raise UsageError(
                f"{directory} holds files that are not of a provisioned fleet; give an empty --out"
            )
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    elif not path.exists():
        raise UsageError(f"{path} is not there: {directory} holds no provisioned fleet")


def _check_same(directory: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differing = [
        f"{word} was {was.get(name)!r} and is {now.get(name)!r}"
        for name, word in WORDS.items()
        if was.get(name) != now.get(name)
    ]
    if differing:
        raise UsageError(
            f"{directory} holds another fleet: {'; '.join(differing)}. Give another --out, or ask "
            "for what it holds"
        )
