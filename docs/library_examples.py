"""The programs of ``docs/library.md``, what they print, and the page with both.

Rule 1: what a program prints is recorded beside it (``NAME.out``); a test runs it and compares.
Rule 2: the page shows program and output as they are in these files.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "docs" / "examples"
PAGE: Final = ROOT / "docs" / "library.md"
NAMES: Final = ("rehearse_a_plan", "sweep_timeouts", "service_in_memory", "seven_days")


def printed(name: str) -> str:
    """What a program prints, in a process of its own.

    Raises:
        RuntimeError: it failed; the message is what it said.
    """
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py"],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{name}.py: {done.stderr}")
    return done.stdout


def recorded(name: str) -> Path:
    """Where its output is kept."""
    return FOLDER / f"{name}.out"


def shown(name: str) -> str:
    """Program and output, as the page has them."""
    program = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    said = recorded(name).read_text(encoding="utf-8")
    return f"```python\n{program}```\n\n```text\n{said}```\n"
