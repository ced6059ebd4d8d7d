"""Registry requests as the wire carries them, constraints included (botocore ``iot``)."""

from typing import Annotated

from msgspec import Meta, Struct

from simulator.jobs.configuration import Tags

Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"\A[a-zA-Z0-9:_-]+\Z")]
AttributeName = Annotated[str, Meta(max_length=128, pattern=r"\A[a-zA-Z0-9_.,@/:#-]+\Z")]
AttributeValue = Annotated[str, Meta(max_length=800, pattern=r"\A[a-zA-Z0-9_.,@/:#=\[\]-]*\Z")]
Attributes = dict[AttributeName, AttributeValue]
Line = Annotated[str, Meta(max_length=2028)]
"""A description: printable characters and blanks."""


def _check_line(name: str, text: str | None) -> None:
    if text is not None and not text.isprintable():
        raise ValueError(f"{name} has characters that cannot be printed")


class AttributePayload(Struct, rename="camel", frozen=True):
    """Attributes, and whether they are added to those that are there."""

    attributes: Attributes = {}
    merge: bool = False


class CreateThingRequest(Struct, rename="camel"):
    """A new thing; its name is in the path."""

    thing_type_name: Name | None = None
    attribute_payload: AttributePayload = AttributePayload()
    billing_group_name: Name | None = None


class UpdateThingRequest(Struct, rename="camel"):
    """Change a thing's type or attributes."""

    thing_type_name: Name | None = None
    attribute_payload: AttributePayload | None = None
    expected_version: int | None = None
    remove_thing_type: bool = False


class ThingTypeProperties(Struct, rename="camel", frozen=True):
    """What a thing type has beyond its name."""

    thing_type_description: Line | None = None
    searchable_attributes: Annotated[list[AttributeName], Meta(max_length=3)] | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _check_line("thingTypeDescription", self.thing_type_description)


class CreateThingTypeRequest(Struct, rename="camel"):
    """A new thing type; its name is in the path."""

    thing_type_properties: ThingTypeProperties = ThingTypeProperties()
    tags: Tags | None = None


class DeprecateThingTypeRequest(Struct, rename="camel"):
    """Let no more things have a type, or let them again."""

    undo_deprecate: bool = False


class ThingGroupProperties(Struct, rename="camel", frozen=True):
    """What a thing group has beyond its name."""

    thing_group_description: Line | None = None
    attribute_payload: AttributePayload | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _check_line("thingGroupDescription", self.thing_group_description)


class CreateThingGroupRequest(Struct, rename="camel"):
    """A new thing group; its name is in the path."""

    parent_group_name: Name | None = None
    thing_group_properties: ThingGroupProperties = ThingGroupProperties()
    tags: Tags | None = None


class UpdateThingGroupRequest(Struct, rename="camel"):
    """Change a thing group's properties."""

    thing_group_properties: ThingGroupProperties
    expected_version: int | None = None


class GroupMembershipRequest(Struct, rename="camel"):
    """AddThingToThingGroup and RemoveThingFromThingGroup: each by name or by ARN."""

    thing_group_name: Name | None = None
    thing_group_arn: str | None = None
    thing_name: Name | None = None
    thing_arn: str | None = None


class UpdateThingGroupsForThingRequest(Struct, rename="camel"):
    """Groups that a thing joins and leaves."""

    thing_name: Name
    thing_groups_to_add: list[Name] = []
    thing_groups_to_remove: list[Name] = []
