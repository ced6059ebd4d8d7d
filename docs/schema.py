"""The tables of ``docs/records.md``, drawn from the columns that ``tables.py`` declares."""

from pathlib import Path

from simulator.tables import SCHEMAS

PAGE = Path(__file__).parent / "records.md"


def drawn(name: str) -> str:
    """One table's columns."""
    lines = ["| column | type | what it is | null when |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {one.type} | {one.what} | {one.null} |" for one in SCHEMAS[name]]
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with every schema drawn anew between its marks."""
    for name in SCHEMAS:
        begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->\n"
        head, rest = text.split(begin)
        text = head + begin + drawn(name) + end + rest.split(end)[1]
    return text
