"""A run read back from the directory that it left behind: what reports and comparisons are made of.

Rule 1: reading changes nothing, and what cannot be read whole is refused in one sentence that says
        which it is: missing, foreign, half written, of another version, or damaged.
Rule 2: the summary is read at once; records and executions, which may be large, when asked for.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import msgspec
import numpy as np

from simulator import executions
from simulator.errors import ScenarioError, UsageError
from simulator.executions import Executions
from simulator.machine import FORMAT
from simulator.report.summary import Summary
from simulator.results import DTYPE, Records
from simulator.run_directory import SCENARIO
from simulator.scenario import load
from simulator.scenario.file import HEADER, Loaded

SUMMARY: Final = "summary.json"
MACHINE: Final = "machine.json"
RECORDS: Final = "records.npz"


@dataclass(frozen=True)
class FinishedRun:
    """A run directory, read."""

    folder: Path
    loaded: Loaded
    """The scenario as resolved."""
    summary: Summary
    machine: dict[str, Any]
    """Facts of the machine and the wall clock."""

    @property
    def live(self) -> bool:
        """Whether it ran on the wall clock."""
        return self.summary.clock == "wall"

    @functools.cached_property
    def records(self) -> Records:
        """One row per exchange (``results.DTYPE``).

        Raises:
            UsageError: the file is missing, of another version, or damaged.
        """
        path = self.folder / RECORDS
        try:
            # our own file: numpy leaves its open where it holds no archive
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found: Records = arrays["records"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise _unreadable(path, error) from None
        if found.dtype != DTYPE:
            raise UsageError(f"{path} has other columns: {_of_another(self.machine)}")
        return found

    @functools.cached_property
    def executions(self) -> Executions | None:
        """One row per execution, where the run wrote them."""
        if not (self.folder / executions.FILE).exists():
            return None
        return executions.load(self.folder)


def read(folder: Path) -> FinishedRun:
    """Read a run directory.

    Raises:
        UsageError: there is none, it is not from a run of ours, the run has not ended, or another
            version wrote it.
    """
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise UsageError(f"{folder} is no run directory: {what}")
    _check_ours(folder)
    if not (folder / SUMMARY).exists():
        raise UsageError(
            f"{folder} is half written: it has no {SUMMARY}, so its run goes on or was killed"
        )
    machine = _members(folder / MACHINE)
    if machine.get("format") != FORMAT:
        raise UsageError(f"{folder} cannot be read: {_of_another(machine)}")
    try:
        summary = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=Summary)
    except (OSError, msgspec.MsgspecError) as error:
        raise _unreadable(folder / SUMMARY, error) from None
    try:
        loaded = load(folder / SCENARIO)
    except ScenarioError as error:
        raise UsageError(f"{folder} cannot be read: {error}") from None
    return FinishedRun(folder, loaded, summary, machine)


def _check_ours(folder: Path) -> None:
    """A folder of ours has the scenario as resolved, which says so in its first line."""
    try:
        with (folder / SCENARIO).open("rb") as file:
            ours = file.read(len(HEADER)) == HEADER.encode()
    except FileNotFoundError:
        raise UsageError(f"{folder} is no run directory: it has no {SCENARIO}") from None
    except OSError as error:
        raise _unreadable(folder / SCENARIO, error) from None
    if not ours:
        raise UsageError(f"{folder} is not from a run of jobfleet: {SCENARIO} is somebody else's")


def _members(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} cannot be read: it is no object")
    return found


def _of_another(machine: dict[str, Any]) -> str:
    by = machine.get("versions", {}).get("jobfleet", "an earlier version")
    return f"it was written by jobfleet {by}, whose files have another form; run it anew"


def _unreadable(path: Path, error: Exception) -> UsageError:
    if isinstance(error, FileNotFoundError):
        return UsageError(f"{path.parent} is half written: it has no {path.name}")
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UsageError(f"{path} cannot be read: {why}")
