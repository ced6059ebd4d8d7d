"""stub"""
from pathlib import Path
from simulator.compare.verdict import Comparison
def write(comparison: Comparison, path: Path) -> None: ...
