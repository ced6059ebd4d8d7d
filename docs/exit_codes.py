"""``docs/reference/exit-codes.md`` from the table in ``simulator/exit_codes.py``."""

from simulator.exit_codes import DEEDS, MEANING


def table() -> str:
    """The rows, as README has them."""
    rows = [f"| {code} | {meaning} |" for code, meaning in MEANING.items()]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows, ""])


def page() -> str:
    """The whole page."""
    deeds = [f"- **{code}**: {deed}" for code, deed in DEEDS.items()]
    return "\n".join(
        [
            "# Exit codes",
            "",
            "Drawn from `simulator/exit_codes.py`. Every command of `jobfleet` ends with one of "
            "these, but for `iot-jobs-data`, which has the AWS CLI's "
            "([aws-cli.md](../aws-cli.md)).",
            "",
            table(),
            "## What to do",
            "",
            *deeds,
            "",
        ]
    )
