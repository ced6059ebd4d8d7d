"""The command line: ``jobfleet COMMAND``. Each command imports what it needs when it is called."""

from simulator.cli.app import main

__all__ = ["main"]
