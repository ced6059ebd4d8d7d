"""``--output table`` as the AWS CLI draws it: boxes of rows, one inside the other.

Each structure of a reply is a section: a title, maybe a line of headers, rows. All sections are as
wide as the widest needs; where that is wider than the terminal, a section of one row is turned
into a list of header and value. Columns are stretched in proportion, and the rounding is made up
for from the left (too wide) or from the right (too narrow).
"""

import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, Final

PADDING: Final = 4

Write = Callable[[str], object]


class Colors:
    """What colours an element and the bars that show how deep a section is."""

    def __init__(self, on: bool) -> None:
        self.element = "\x1b[1m\x1b[34m{}\x1b[0m" if on else "{}"
        self.bar = "\x1b[2m\x1b[33m|\x1b[0m" if on else "|"


def width_of(text: str) -> int:
    """Columns that a text takes: wide characters, and ambiguous ones, count twice."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WFA" else 1 for sign in text)


def _scalar(value: Any) -> bool:
    return not isinstance(value, (list, dict))


class Section:
    """One box."""

    def __init__(self, title: str | None, depth: int) -> None:
        self.title = title
        self.depth = depth
        self.headers: list[str] = []
        self.rows: list[list[str]] = []
        self._columns: int | None = None
        self._widest: list[int] = []

    def head(self, headers: list[str]) -> None:
        """Name the columns."""
        self.headers = headers
        self._widen(headers)
        if self._columns is None:
            self._columns = len(headers)

    def add(self, row: Iterable[Any]) -> None:
        """One more row; raise ValueError where it has another length than those before."""
        cells = [str(cell) for cell in row]
        if self._columns is None:
            self._columns = len(cells)
        if len(cells) != self._columns:
            raise ValueError(
                f"Row should have {self._columns} elements, instead it has {len(cells)}"
            )
        self.rows.append(cells)
        self._widen(cells)

    def _widen(self, cells: list[str]) -> None:
        widths = [width_of(cell) for cell in cells]
        if not self._widest:
            self._widest = widths
        elif len(widths) > len(self._widest):
            raise ValueError("list index out of range")  # the AWS CLI's words
        else:
            known = self._widest
            known[: len(widths)] = map(max, known, widths)

    @property
    def width(self) -> int:
        """What it needs, borders included."""
        outside = 2 + 2 * self.depth
        return max(width_of(str(self.title)), sum(w + PADDING for w in self._widest)) + outside

    def widths(self, whole: int) -> list[int]:
        """Its columns, stretched to fill ``whole``."""
        wanted = [w + PADDING for w in self._widest]
        if not wanted:
            return []
        scale = whole / float(sum(wanted))
        scaled = [round(scale * w) for w in wanted]
        over = sum(scaled) - whole
        step = 1 if over > 0 else -1
        places = range(len(scaled)) if over > 0 else range(len(scaled) - 1, -1, -1)
        for nth in range(abs(over)):
            scaled[places[nth % len(scaled)]] -= step
        return scaled

    def upright(self) -> "Section":
        """The same as a list of header and value, where it is one row with headers."""
        if len(self.rows) != 1 or not self.headers:
            return self
        turned = Section(self.title, self.depth)
        for pair in zip(self.headers, self.rows[0], strict=True):
            turned.add(pair)
        return turned


class Table:
    """Sections, in the order in which a reply's structures are met."""

    def __init__(self, colors: Colors, terminal_width: int = 80) -> None:
        self._colors = colors
        self._terminal_width = terminal_width
        self._sections: list[Section] = []

    def build(self, title: str | None, value: Any, depth: int = 0) -> bool:
        """Add what a value holds; return whether there is anything to draw."""
        if not value:
            return False
        if title is not None:
            self._sections.append(Section(title, depth))
        if isinstance(value, dict):
            self._structure(value, depth)
        elif isinstance(value, list):
            if isinstance(value[0], dict):
                self._structures(value, depth, title)
            else:
                self._items(value)
        return True

    def _items(self, items: list[Any]) -> None:
        for item in items:
            if _scalar(item):
                self._sections[-1].add([item])
            elif all(_scalar(part) for part in item):
                self._sections[-1].add(item)
            else:
                self.build(None, item)

    def _structure(self, members: dict[str, Any], depth: int) -> None:
        headers, deeper = _split(members)
        section = self._sections[-1]
        if len(headers) == 1:
            section.add([headers[0], members[headers[0]]])
        elif headers:
            section.head(headers)
            section.add(members[name] for name in headers)
        for name in deeper:
            self.build(name, members[name], depth + 1)

    def _structures(self, rows: list[Any], depth: int, title: str | None) -> None:
        split = [_split(row) for row in rows]
        headers = sorted({name for names, _ in split for name in names})
        deeper = sorted({name for _, names in split for name in names})
        self._sections[-1].head(headers)
        for nth, row in enumerate(rows):
            if nth and deeper:
                self._sections.append(Section(title, depth))
                self._sections[-1].head(headers)
            self._sections[-1].add(row.get(name, "") for name in headers)
            for name in deeper:
                if name in row:
                    self.build(name, row[name], depth + 1)

    # --------------------------------------------------------------------------- drawing

    def draw(self, write: Write) -> None:
        """Write the table."""
        sections = self._sections
        whole = max(section.width for section in sections)
        if whole > self._terminal_width:
            sections = [section.upright() for section in sections]
            whole = max(section.width for section in sections)
        write("-" * whole + "\n")
        for section in sections:
            self._draw(section, whole - 2 * section.depth, write)

    def _draw(self, section: Section, whole: int, write: Write) -> None:
        bars = self._colors.bar * section.depth

        def line(text: str) -> None:
            write(f"{bars}{text}{bars}\n")

        if section.title:
            line(_center(section.title, whole, "|"))
            if not section.headers and not section.rows:
                line(f"+{'-' * (whole - 2)}+")
        widths = section.widths(whole)
        if not widths:
            return
        rule = "".join("-" * (width - 1) + "+" for width in widths)
        rule = "+" + rule[1:]
        if section.headers:
            line(rule)
            line(_cells(section.headers, widths, _center))
        if section.rows:
            line(rule)
            for row in section.rows:
                line(_cells(row, widths, self._left))
            line(rule)

    def _left(self, text: str, whole: int, edge: str) -> str:
        taken = width_of(text)
        padding = 2 if whole >= taken + 2 + len(edge) + 1 else 0
        after = " " * (whole - len(edge) - padding - taken - 1)
        return f"{edge}{' ' * padding}{self._colors.element.format(text)}{after}|"


def _split(members: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Names of plain members, and of those that hold more."""
    plain = sorted(name for name in members if _scalar(members[name]))
    return plain, sorted(name for name in members if not _scalar(members[name]))


def _center(text: str, whole: int, edge: str) -> str:
    before = whole // 2 - width_of(text) // 2 - 1
    after = whole - 1 - len(edge) - before - width_of(text)
    return f"{edge}{' ' * before}{text}{' ' * after}|"


def _cells(row: list[str], widths: list[int], align: Callable[[str, int, str], str]) -> str:
    edges = ["|"] + [""] * (len(row) - 1)  # the first cell brings the left edge too
    return "".join(map(align, row, widths, edges))
