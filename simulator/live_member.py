"""What a master knows of one of its workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Member:
    """One worker."""

    name: str
    connected: int = 0
    things: int = 0
    records: int = 0
    heard: float = 0.0
    """When its last records came, on the run's clock; ``lost`` likewise."""
    ready: bool = False
    settled: bool = False
    done: bool = False
    lost: float | None = None
    left: bool = False
    """It went by itself, and handed over all that it had."""
    passed_on: int = 0
    met: bool = False
    """Whether any of its things was ever answered."""
    refusal: str = ""
    """Why the last connection of its things did not come about."""
    oddities: Mapping[str, int] = field(default_factory=dict)
    """What came that none of its things could use, and how often."""

    @property
    def here(self) -> bool:
        """Whether it works for the run."""
        return self.lost is None and not self.done

    def told(self) -> dict[str, Any]:
        """For ``machine.json``."""
        return {
            "worker": self.name,
            "things": self.things,
            "records": self.records,
            "lost_at_s": None if self.lost is None else round(self.lost, 3),
            "last_records_at_s": round(self.heard, 3),
            "things_passed_on": self.passed_on,
            "left": self.left,
            "told_all": self.done,
            "met": self.met,
            "refusal": self.refusal,
        }
