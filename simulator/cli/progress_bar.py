"""A rehearsal's progress on a terminal: a bar, virtual time, executions by status, the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from simulator.progress import Progress

SHORT: Final = {
    "IN_PROGRESS": "in progress",
    "QUEUED": "queued",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timed out",
    "REJECTED": "rejected",
    "REMOVED": "removed",
    "CANCELED": "canceled",
}


class ProgressBar:
    """Shows one look after the other in the same place."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=1.0, said="")

    def show(self, progress: Progress) -> None:
        """Show how far it is now."""
        self._bar.update(self._task, completed=progress.done, said=describe(progress), refresh=True)


@contextmanager
def progress_bar(console: Console) -> Iterator[ProgressBar]:
    """A bar that is gone when the block ends."""
    columns = (BarColumn(bar_width=24), TaskProgressColumn(), TextColumn("{task.fields[said]}"))
    with Bar(*columns, console=console, transient=True, auto_refresh=False) as bar:  # no thread
        yield ProgressBar(bar)


def describe(progress: Progress) -> str:
    """One look in words: ``1d 02:03:04 of 2d 00:00:00 | … | about 12 s left``."""
    said = [f"{clock(progress.virtual_s)} of at most {clock(progress.until_s)}"]
    said += [f"{count:,} {SHORT[status]}" for status, count in progress.executions.items()]
    if progress.to_come:
        said.append(f"{progress.to_come:,} to come")
    left = progress.left_s
    if left is not None:
        said.append(f"about {left:,.0f} s left")
    return " | ".join(said)


def clock(seconds: float) -> str:
    """Seconds of virtual time as days and a clock."""
    days, rest = divmod(int(seconds), 86_400)
    return (f"{days}d " if days else "") + f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
