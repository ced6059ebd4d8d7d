"""What the exit code of a command means: one table, behind README and ``docs/reference``."""

from typing import Final

PASSED: Final = 0
FAILED: Final = 1
WRONG: Final = 2
LOST: Final = 3
LATE: Final = 4
UNDONE: Final = 5
INTERRUPTED: Final = 130

MEANING: Final = {
    PASSED: "all expectations met",
    FAILED: "an expectation failed",
    WRONG: "the scenario or the command line is wrong (or a port is in use, too few open files, or "
    "virtual time stands still, or another service owns these things on the broker, or the journal "
    "cannot be used or written)",
    LOST: "the target could not be reached, or was lost",
    LATE: "the generator could not keep its own schedule (p99 slip above `load.max_slip`)",
    UNDONE: "`jobfleet ci`: the budget was used up before all scenarios were done",
    INTERRUPTED: "interrupted: everything was drained and written, the verdict is of what was seen",
}

DEEDS: Final = {
    PASSED: "Nothing. Commands that judge nothing (`check`, `schema`, `serve`, …) end with it too.",
    FAILED: "Read the verdict: the line with `FAILED` names the expectation, what was observed and "
    "by how much it missed. `sweep`: no setting passes with every seed; `try-agent`: the agent did "
    "not keep the rules. A full disk under the output is 1 as well.",
    WRONG: "Read the one line on stderr: what came, where, what is allowed. Nothing was changed.",
    LOST: "See whether the target is up and takes the credentials; what was seen until then is in "
    "the run directory.",
    LATE: "Do not trust the numbers. Give the generator more processes (`--processes`), a slower "
    "ramp or fewer things; or allow more by `load.max_slip`.",
    UNDONE: "Give `--budget` more, or `--max-things`; what was done has passed.",
    INTERRUPTED: "Nothing; `jobfleet sweep` with the same `--out` goes on where it was.",
}
"""What to do then."""
