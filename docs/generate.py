"""Writes the generated parts of the documentation: ``python -m docs.generate``.

Rule 1: a page or a marked part is drawn from the code itself (the state table, the imports, the
commands, the schema), and a test fails when one is stale.
Rule 2: a writer only says what should stand there; nothing is touched by asking.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from docs import commands, exit_codes, fidelity, house, library_examples, scenario_keys, schema
from simulator.jobs.execution import TRANSITIONS

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
DESIGN: Final = ROOT / "docs" / "design.md"
REFERENCE: Final = ROOT / "docs" / "reference"


def state_diagram() -> str:
    """The life of a job execution as a mermaid diagram; each arrow says who may ask for it."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> QUEUED: rollout"]
    for (before, after), actors in TRANSITIONS.items():
        lines.append(f"    {before} --> {after}: {', '.join(actors)}")
    return "\n".join([*lines, "```", ""])


def between(text: str, name: str, part: str) -> str:
    """A text with the part between its markers ``<!-- begin: NAME -->`` and ``end`` anew."""
    begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->\n"
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    return head + begin + part + end + tail


def _readme() -> str:
    text = between(README.read_text(encoding="utf-8"), "states", state_diagram())
    return between(text, "house", house.small())


def _design() -> str:
    text = between(DESIGN.read_text(encoding="utf-8"), "states", state_diagram())
    return between(text, "house", house.picture())


def _library() -> str:
    text = library_examples.PAGE.read_text(encoding="utf-8")
    for name in library_examples.NAMES:
        text = between(text, f"example {name}", library_examples.shown(name))
    return text


WRITERS: Final[dict[Path, Callable[[], str]]] = {
    README: _readme,
    DESIGN: _design,
    fidelity.PAGE: lambda: fidelity.page(fidelity.load()),
    schema.PAGE: lambda: schema.page(schema.PAGE.read_text(encoding="utf-8")),
    library_examples.PAGE: _library,
    REFERENCE / "commands.md": commands.page,
    REFERENCE / "scenario.md": scenario_keys.page,
    REFERENCE / "exit-codes.md": exit_codes.page,
}
"""Each file that has something generated in it, and what says how it should be."""


if __name__ == "__main__":
    for name in library_examples.NAMES:
        said = library_examples.printed(name)
        library_examples.recorded(name).write_text(said, encoding="utf-8")
    for path, writer in WRITERS.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(writer(), encoding="utf-8")
