"""``python -m simulator.cli``."""

from simulator.cli.app import main

main()
