"""The options by which a live run is spread over processes and machines: Locust's own names."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated

import typer

from simulator.errors import UsageError

_PANEL = "Distribution"


def _option(words: str) -> object:
    return typer.Option(help=words, show_default=False, rich_help_panel=_PANEL)


Processes = Annotated[int | None, _option("Workers to fork here; -1: one for each processor.")]
Master = Annotated[bool, _option("Be the master of workers elsewhere.")]
MasterBindHost = Annotated[str | None, _option("Where a master listens (default: everywhere).")]
MasterBindPort = Annotated[int | None, _option("The port that it listens on (default: 5557).")]
ExpectWorkers = Annotated[int | None, _option("How many workers a master waits for.")]
ExpectWorkersMaxWait = Annotated[int | None, _option("For so many seconds (default: 60).")]
AsWorker = Annotated[bool, _option("Be a worker; the master knows the scenario.")]
MasterHost = Annotated[str | None, _option("A worker's master (default: 127.0.0.1).")]
MasterPort = Annotated[int | None, _option("The master's port (default: 5557).")]
ServiceHost = Annotated[
    str, _option("Where the embedded service listens, which workers must reach.")
]


@dataclass(frozen=True, slots=True)
class Distribution:
    """What was asked for; None where nothing was."""

    processes: int | None
    master: bool
    master_bind_host: str | None
    master_bind_port: int | None
    expect_workers: int | None
    expect_workers_max_wait: int | None
    worker: bool
    master_host: str | None
    master_port: int | None

    def options(self) -> list[str]:
        """As Locust's options.

        Raises:
            UsageError: they contradict each other.
        """
        if self.processes is not None and (self.processes == 0 or self.processes < -1):
            raise UsageError(f"--processes {self.processes}: at least 1, or -1 for all processors")
        if self.master and self.worker:
            raise UsageError("--master and --worker: a process is one or the other")
        if self.master and self.processes is not None:
            raise UsageError("--processes brings its own master; leave out --master")
        if self.expect_workers is not None and (not self.master or self.expect_workers < 1):
            raise UsageError("--expect-workers needs --master, and is at least 1")
        for name in ("master_host", "master_port"):
            if getattr(self, name) is not None and not self.worker:
                raise UsageError(f"--{name.replace('_', '-')} needs --worker")
        return [*self._told(), *self._own_port()]

    def _own_port(self) -> list[str]:
        """A port of this run's own, so that workers of another one do not come by mistake."""
        if self.processes is None or self.worker or self.master_bind_port is not None:
            return []
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        return ["--master-bind-host", "127.0.0.1", "--master-bind-port", port,
                "--master-port", port]  # fmt: skip

    def _told(self) -> Iterator[str]:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is None or value is False:
                continue
            yield f"--{one.name.replace('_', '-')}"
            if value is not True:
                yield str(value)
