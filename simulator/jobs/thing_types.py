"""Thing types: a name, a description, and whether new things may still have it."""

from dataclasses import dataclass

from simulator.errors import InvalidRequest, ResourceAlreadyExists, ResourceNotFound

DELETABLE_AFTER = 300.0
"""Seconds after its deprecation at which a type may be deleted (DG:delete-thing-types)."""


@dataclass(slots=True, eq=False)
class ThingType:
    """A thing type."""

    name: str
    created_at: float
    description: str | None
    searchable: list[str] | None
    deprecated_at: float | None = None


class ThingTypes:
    """All thing types of an account."""

    def __init__(self) -> None:
        self.types: dict[str, ThingType] = {}

    def create(
        self, name: str, description: str | None, searchable: list[str] | None, now: float
    ) -> None:
        """Make a type; doing it again with the same properties changes nothing.

        Raises:
            ResourceAlreadyExists: it is there with other properties.
        """
        there = self.types.get(name)
        if there is None:
            self.types[name] = ThingType(name, now, description, searchable)
        elif (there.description, there.searchable) != (description, searchable):
            raise ResourceAlreadyExists(f"Thing type {name} already exists with other properties")

    def get(self, name: str) -> ThingType:
        """The type of that name; raise ResourceNotFound where there is none."""
        found = self.types.get(name)
        if found is None:
            raise ResourceNotFound(f"Thing type {name} not found")
        return found

    def usable(self, name: str) -> None:
        """Raise unless new things may have the type."""
        if self.get(name).deprecated_at is not None:
            raise InvalidRequest(f"Thing type {name} is deprecated: no more things may have it")

    def deprecate(self, name: str, undo: bool, now: float) -> None:
        """Let no more things have a type, or let them again."""
        self.get(name).deprecated_at = None if undo else now

    def delete(self, name: str, now: float) -> None:
        """Forget a type, five minutes after its deprecation at the earliest.

        Raises:
            InvalidRequest: it is not deprecated, or was so only just now.
        """
        deprecated_at = self.get(name).deprecated_at
        if deprecated_at is None or now - deprecated_at < DELETABLE_AFTER:
            raise InvalidRequest(
                f"Thing type {name} cannot be deleted: deprecate it and wait five minutes"
            )
        del self.types[name]
