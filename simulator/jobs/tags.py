"""Tags of jobs, templates and whatever else has an ARN here."""

from typing import Final

from simulator.errors import InvalidRequest
from simulator.jobs.configuration import Tag

MOST: Final = 50
"""Tags that a resource has at most (AWS's tagging rules)."""


class TagStore:
    """ARN → its tags, in the order in which they came."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}

    def tag(self, arn: str, tags: list[Tag]) -> None:
        """Add tags, or change the values of those that are there.

        Raises:
            InvalidRequest: the resource would have more than 50.
        """
        new = {**self._tags.get(arn, {}), **{tag.key: tag.value for tag in tags}}
        if len(new) > MOST:
            raise InvalidRequest(f"{len(new)} tags are more than {MOST}")
        self._tags[arn] = new

    def untag(self, arn: str, keys: list[str]) -> None:
        """Take tags away; those that are not there need not be."""
        there = self._tags.get(arn, {})
        for key in keys:
            there.pop(key, None)

    def of(self, arn: str) -> list[Tag]:
        """A resource's tags."""
        return [Tag(key, value) for key, value in self._tags.get(arn, {}).items()]

    def forget(self, arn: str) -> None:
        """The resource is gone."""
        self._tags.pop(arn, None)
