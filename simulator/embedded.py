"""A Jobs service in a process of its own, for a live run.

It ends with whoever started it: when its standard input closes.
"""

import json
import subprocess
import sys
from pathlib import Path

from simulator.errors import TargetError
from simulator.serve import Addresses


class EmbeddedService:
    """A service in a process of its own, on free ports of the loopback, with a fleet registered."""

    def __init__(
        self, scenario: Path, time_scale: float, quotas: str = "none", host: str = "127.0.0.1"
    ) -> None:
        """Start it; ``scenario`` is a resolved scenario file, ``quotas`` none or aws.

        ``host`` is where it listens; workers on other machines must reach it there.

        Raises:
            TargetError: it did not come up.
        """
        command = [sys.executable, "-P", "-m", "simulator.cli", "serve", "--mqtt-port", "0"]
        command += ["--http-port", "0", "--time-scale", str(time_scale), "--json", "--with-parent"]
        command += ["--quotas", quotas, "--host", host]
        self.process = subprocess.Popen(
            [*command, "--scenario", str(scenario), "--no-jobs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the run, which then ends its service
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        try:
            said = json.loads(line)
        except ValueError:
            code = self.process.wait()
            raise TargetError(f"the embedded service did not start (exit code {code})") from None
        self.addresses = Addresses(said["host"], said["mqtt"], said["http"])

    @property
    def lost(self) -> bool:
        """Whether its process has ended."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
