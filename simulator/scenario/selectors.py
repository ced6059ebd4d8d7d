"""Which things are meant: ``where`` names attributes, ``share`` takes a part of those.

``cohort`` is an attribute of every thing.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from simulator import behaviour
from simulator.scenario.quantities import OrShort, Part, Share


def _values(value: object) -> object:
    return [value] if isinstance(value, str) else value


Values = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_values),
    PlainSerializer(lambda values: values[0] if len(values) == 1 else list(values)),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]

Where = dict[str, Values]
"""Attribute → the value, or any of several."""


class Selector(Part):
    """Things by their attributes, and a share of those; all of the fleet where nothing is said."""

    where: Where | None = Field(
        None, description="Attribute: value, or a list of values; all must fit."
    )
    share: Share | None = Field(None, description="A part of these things, the same for a seed.")

    def selection(self, salt: str) -> behaviour.Selection:
        """As a plain value; ``salt`` tells one selector's share from another's."""
        if not self.where and self.share in (None, 1.0):
            return behaviour.EVERYTHING
        where = tuple((name, tuple(values)) for name, values in (self.where or {}).items())
        return behaviour.Selection(where, 1.0 if self.share is None else self.share, salt)


def _everything(value: object) -> object:
    """``true`` is short for the whole fleet."""
    return {} if value is True else value


Selected = Annotated[Selector, BeforeValidator(_everything), OrShort({"const": True})]
