"""Writes the generated parts of the documentation: ``python -m docs.generate``.

The README's state diagram is drawn from ``TRANSITIONS`` itself, ``docs/fidelity.md`` from its
table, the schemas of ``docs/records.md`` from theirs, and a test fails when one of them is stale.
"""

from pathlib import Path

from docs import fidelity, schema
from simulator.jobs.execution import TRANSITIONS

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- begin: states -->\n", "<!-- end: states -->\n"


def state_diagram() -> str:
    """The life of a job execution as a mermaid diagram; each arrow says who may ask for it."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> QUEUED: rollout"]
    for (before, after), actors in TRANSITIONS.items():
        lines.append(f"    {before} --> {after}: {', '.join(actors)}")
    return "\n".join([*lines, "```", ""])


def with_diagram(text: str) -> str:
    """A README with its diagram drawn anew."""
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    return head + BEGIN + state_diagram() + END + tail


if __name__ == "__main__":
    README.write_text(with_diagram(README.read_text(encoding="utf-8")), encoding="utf-8")
    fidelity.PAGE.write_text(fidelity.page(fidelity.load()), encoding="utf-8")
    schema.PAGE.write_text(schema.page(schema.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
