"""Which things are meant: by their attributes, and a seeded share of those."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Selection:
    """Things whose attributes all have these values (any of them), and a share of those.

    ``where`` is (attribute, values) pairs; the attribute ``cohort`` is the cohort's name.
    ``share`` picks a subset that is the same for the same seed and ``salt``.
    """

    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    share: float = 1.0
    salt: str = ""


EVERYTHING: Final = Selection()
