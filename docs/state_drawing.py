"""The life of a job execution as SVG, from the same table as the README's diagram.

Rule 1: colours are those of the text around it, so it is legible in the dark and in print.
Rule 2: where a status stands is said here; which arrows there are, and who may ask for one, is
``TRANSITIONS``'s to say.
"""

from typing import Final

from simulator.jobs.execution import TRANSITIONS

WIDTH: Final = 760
BOX: Final = (132, 34)
ENDED: Final = ("SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT", "CANCELED", "REMOVED")
PLACES: Final = {
    "QUEUED": (90, 40),
    "IN_PROGRESS": (90, 250),
    **{status: (600, 40 + 84 * at) for at, status in enumerate(ENDED)},
}
"""Middles of the boxes: what goes on at the left, what has ended at the right."""


def svg() -> str:
    """The diagram, and for who does not see it a title with every arrow."""
    arrows = [_arrow(*pair, ", ".join(actors)) for pair, actors in TRANSITIONS.items()]
    said = "; ".join(f"{a} to {b} by {', '.join(by)}" for (a, b), by in TRANSITIONS.items())
    boxes = [_box(status, *place) for status, place in PLACES.items()]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 500" role="img" '
        f'style="max-width: {WIDTH}px; width: 100%" font-size="13" fill="none" '
        f'stroke="currentColor"><title>Life of a job execution: {said}</title>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor" '
        'stroke="none"/></marker></defs>'
    )
    return "\n".join([head, *arrows, *boxes, "</svg>", ""])


def _box(status: str, x: float, y: float) -> str:
    width, height = BOX
    dash = ' stroke-dasharray="5 3"' if status not in ENDED else ""
    return (
        f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width}" height="{height}" '
        f'rx="6"{dash}/>{_text(status, x, y + 4)}'
    )


def _arrow(before: str, after: str, actors: str) -> str:
    (x, y), (to_x, to_y) = PLACES[before], PLACES[after]
    wide, high = BOX[0] / 2, BOX[1] / 2
    if before == after:
        path = f"M{x - 30} {y + high} C{x - 40} {y + 70} {x + 40} {y + 70} {x + 30} {y + high}"
        return _path(path) + _text(actors, x, y + 74)
    if x == to_x:
        return _path(f"M{x} {y + high} L{x} {to_y - high}") + _text(actors, x + 32, (y + to_y) / 2)
    # one that comes from further down arrives a little lower, so that no two lie on each other
    end = to_y + (5 if before == "IN_PROGRESS" else -5)
    lower = 5.0 * (list(PLACES).index(after) - 4)
    start = y + min(max(lower, 3 - high), high - 3)
    path = f"M{x + wide} {start} L{to_x - wide} {end}"
    part = 0.80 if before == "IN_PROGRESS" else 0.62
    at = (x + wide + part * (to_x - x - 2 * wide), start + part * (end - start) - 4)
    return _path(path) + _text(actors, *at)


def _path(path: str) -> str:
    return f'<path d="{path}" marker-end="url(#tip)" opacity="0.65"/>'


def _text(text: str, x: float, y: float) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="currentColor" stroke="none">'
        f"{text}</text>"
    )
