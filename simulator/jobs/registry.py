"""The registry: things, thing types and thing groups, as far as jobs need them.

Rule 1: a thing's record never changes and may be shared: a million things that are alike cost a
        million names. A change gives the thing another record.
Rule 2: groups keep their members in order of joining, so that a rollout's order is the same each
        time; lists are told in order of name.
Rule 3: a target group stands for its own members and those of the groups below it, each once.
Rule 4: what a thing has pending is the ledger's business: whatever changes who belongs where while
        jobs are going on goes through ``enrolment.py``.

Source: botocore ``iot`` 2015-05-28, DG:thing-registry.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from simulator.errors import (
    InvalidRequest,
    ResourceAlreadyExists,
    ResourceNotFound,
    VersionConflict,
)
from simulator.jobs.paging import SortedNames
from simulator.jobs.thing_types import ThingTypes

THING_NAME: Final = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
JOB_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")

MAX_ATTRIBUTES: Final = {True: 50, False: 3}
"""How many attributes a thing has at most, with a thing type and without (GR:core)."""

MAX_GROUPS: Final = 10
"""How many groups a thing is directly in at most (GR:core)."""

MAX_DEPTH: Final = 7
"""How deep groups nest at most (GR:core)."""


def check_thing_name(name: str, member: str = "thingName") -> None:
    """Raise InvalidRequest unless ``name`` is 1 to 128 of ``a-z A-Z 0-9 : _ -``."""
    if not THING_NAME.fullmatch(name):
        raise InvalidRequest(
            f"Value {name!r} at {member!r} must be 1 to 128 characters of a-zA-Z0-9:_-"
        )


def check_job_id(job_id: str, member: str = "jobId") -> None:
    """Raise InvalidRequest unless ``job_id`` is 1 to 64 of ``a-z A-Z 0-9 _ -``."""
    if not JOB_ID.fullmatch(job_id):
        raise InvalidRequest(
            f"Value {job_id!r} at {member!r} must be 1 to 64 characters of a-zA-Z0-9_-"
        )


@dataclass(frozen=True, slots=True)
class Thing:
    """What is known of a thing beyond its name."""

    groups: tuple[str, ...] = ()
    """Those that it is directly in, in order of joining; one that is gone may still stand here."""
    type_name: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    version: int = 1


_PLAIN: Final = Thing()


@dataclass(slots=True, eq=False)
class Group:
    """A thing group."""

    name: str
    parent: "Group | None"
    created_at: float
    description: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    version: int = 1
    members: dict[str, None] = field(default_factory=dict)
    children: "dict[str, Group]" = field(default_factory=dict)
    in_order: list[str] | None = None
    """Its members by name, once somebody asked, until they change."""

    def sorted_members(self) -> list[str]:
        """Its members in order of name."""
        if self.in_order is None:
            self.in_order = sorted(self.members)
        return self.in_order

    def lineage(self) -> "list[Group]":
        """The groups above it from the root down, and itself."""
        above = [] if self.parent is None else self.parent.lineage()
        return [*above, self]

    def everybody(self) -> dict[str, None]:
        """Its members and those of the groups below it, each once, in order. Not to be changed."""
        if not self.children:
            return self.members
        found = dict(self.members)
        for child in self.children.values():
            found.update(child.everybody())
        return found


class Registry:
    """Things, types and groups of one account in one region."""

    def __init__(self, region: str = "us-east-1", account: str = "123456789012") -> None:
        self.region = region
        self.arn_prefix = f"arn:aws:iot:{region}:{account}:"
        self.things: dict[str, Thing] = {}
        self.names = SortedNames()
        self.groups: dict[str, Group] = {}
        self.types = ThingTypes()
        self._alike: dict[tuple[str, ...], Thing] = {(): _PLAIN}

    # --------------------------------------------------------------------------- names

    def thing_arn(self, name: str) -> str:
        """The ARN of a thing."""
        return f"{self.arn_prefix}thing/{name}"

    def group_arn(self, name: str) -> str:
        """The ARN of a thing group."""
        return f"{self.arn_prefix}thinggroup/{name}"

    def type_arn(self, name: str) -> str:
        """The ARN of a thing type."""
        return f"{self.arn_prefix}thingtype/{name}"

    def job_arn(self, job_id: str) -> str:
        """The ARN of a job."""
        return f"{self.arn_prefix}job/{job_id}"

    def template_arn(self, template_id: str) -> str:
        """The ARN of a job template of this account."""
        return f"{self.arn_prefix}jobtemplate/{template_id}"

    # --------------------------------------------------------------------------- things

    def create_thing(
        self,
        name: str,
        type_name: str | None = None,
        attributes: dict[str, str] | None = None,
    ) -> None:
        """Register a thing; doing it again changes nothing.

        Raises:
            ResourceAlreadyExists: it is there with another type or other attributes.
            ResourceNotFound: no such thing type.
        """
        check_thing_name(name)
        there = self.things.get(name)
        attributes = attributes or {}
        if there is not None:
            if (there.type_name, dict(there.attributes)) != (type_name, attributes):
                raise ResourceAlreadyExists(
                    f"Thing {name} already exists in account with different attributes"
                )
            return
        if type_name is not None:
            self.types.usable(type_name)
        if type_name is None and not attributes:
            self.things[name] = _PLAIN
        else:
            _check_count(attributes, type_name is not None)
            self.things[name] = Thing((), type_name, tuple(attributes.items()))
        self.names.add(name)

    def thing(self, name: str) -> Thing:
        """A thing's record; raise ResourceNotFound where there is none."""
        thing = self.things.get(name)
        if thing is None:
            check_thing_name(name)
            raise ResourceNotFound(f"Thing {name} not found")
        return thing

    def update_thing(
        self,
        name: str,
        type_name: str | None,
        attributes: dict[str, str] | None,
        merge: bool,
        remove_type: bool,
        expected_version: int | None,
    ) -> None:
        """Change a thing's type and attributes; an attribute merged with "" is removed.

        Raises:
            InvalidRequest: a type is given and to be removed, or there are too many attributes.
            ResourceNotFound: no such thing or type.
            VersionConflict: ``expected_version`` is not its version.
        """
        thing = self.thing(name)
        _check_version(expected_version, thing.version)
        if type_name is not None:
            if remove_type:
                raise InvalidRequest("Give thingTypeName or removeThingType, not both")
            self.types.usable(type_name)
        kept = dict(thing.attributes)
        if attributes is not None:
            kept = {k: v for k, v in ({**kept, **attributes} if merge else attributes).items() if v}
        named = None if remove_type else type_name or thing.type_name
        _check_count(kept, named is not None)
        self.things[name] = replace(
            thing, type_name=named, attributes=tuple(kept.items()), version=thing.version + 1
        )

    def delete_thing(self, name: str, expected_version: int | None = None) -> None:
        """Forget a thing; one that is not there is no error (as AWS).

        Raises:
            VersionConflict: ``expected_version`` is not its version.
        """
        check_thing_name(name)
        thing = self.things.get(name)
        if thing is None:
            return
        _check_version(expected_version, thing.version)
        for group in self.groups_of(name):
            del group.members[name]
            group.in_order = None
        del self.things[name]
        self.names.discard(name)

    # --------------------------------------------------------------------------- groups

    def create_thing_group(
        self,
        name: str,
        parent: str | None = None,
        description: str | None = None,
        attributes: dict[str, str] | None = None,
        now: float = 0.0,
    ) -> None:
        """Make an empty group.

        Raises:
            InvalidRequest: the parent is seven groups deep already.
            ResourceAlreadyExists: the name is taken.
            ResourceNotFound: no such parent.
        """
        check_thing_name(name, "thingGroupName")
        if name in self.groups:
            raise ResourceAlreadyExists(f"Thing Group {name} already exists in current account")
        above = None if parent is None else self.group(parent)
        if above is not None and len(above.lineage()) >= MAX_DEPTH:
            raise InvalidRequest(f"Thing groups nest at most {MAX_DEPTH} deep")
        group = Group(name, above, now, description, dict(attributes or {}))
        self.groups[name] = group
        if above is not None:
            above.children[name] = group

    def group(self, name: str) -> Group:
        """The group of that name; raise ResourceNotFound where there is none."""
        group = self.groups.get(name)
        if group is None:
            check_thing_name(name, "thingGroupName")
            raise ResourceNotFound(f"Thing group {name} not found")
        return group

    def update_thing_group(
        self,
        name: str,
        description: str | None,
        attributes: dict[str, str] | None,
        merge: bool,
        expected_version: int | None,
    ) -> int:
        """Change a group's description and attributes; return its new version."""
        group = self.group(name)
        _check_version(expected_version, group.version)
        if description is not None:
            group.description = description
        if attributes is not None:
            new = {**group.attributes, **attributes} if merge else attributes
            group.attributes = {k: v for k, v in new.items() if v}
        group.version += 1
        return group.version

    def delete_thing_group(self, name: str, expected_version: int | None = None) -> None:
        """Forget a group; its things stay. One that is not there is no error (as AWS).

        Raises:
            InvalidRequest: there are groups below it.
            VersionConflict: ``expected_version`` is not its version.
        """
        check_thing_name(name, "thingGroupName")
        group = self.groups.get(name)
        if group is None:
            return
        _check_version(expected_version, group.version)
        if group.children:
            raise InvalidRequest(f"Thing group {name} has child groups; delete those first")
        del self.groups[name]
        if group.parent is not None:
            del group.parent.children[name]

    def add_thing_to_thing_group(self, thing: str, group: str) -> None:
        """Let a thing join a group; it may be a member already.

        Raises:
            InvalidRequest: the thing is in ten groups already.
            ResourceNotFound: no such thing or group.
        """
        joined, record = self.group(group), self.thing(thing)
        if thing in joined.members:
            return
        groups = record.groups
        if groups:
            groups = tuple(g.name for g in self.groups_of(thing))
            if len(groups) >= MAX_GROUPS:
                raise InvalidRequest(f"Thing {thing} is in {MAX_GROUPS} groups already")
        joined.members[thing] = None
        joined.in_order = None
        self._regroup(thing, record, (*groups, group))

    def remove_thing_from_thing_group(self, thing: str, group: str) -> None:
        """Let a thing leave a group; it need not be a member.

        Raises:
            ResourceNotFound: no such thing or group.
        """
        left, record = self.group(group), self.thing(thing)
        if left.members.pop(thing, group) is None:
            left.in_order = None
            self._regroup(thing, record, tuple(g.name for g in self.groups_of(thing)))

    def groups_of(self, thing: str) -> list[Group]:
        """The groups that a thing is directly in."""
        named = (self.groups.get(name) for name in self.thing(thing).groups)
        return [group for group in named if group is not None and thing in group.members]

    def reached(self, thing: str) -> dict[str, None]:
        """The names of all groups that stand for a thing: its own and those above them."""
        if thing not in self.things:
            return {}
        return {g.name: None for group in self.groups_of(thing) for g in group.lineage()}

    def _regroup(self, thing: str, record: Thing, groups: tuple[str, ...]) -> None:
        """Give a thing the record with these groups, shared with all that are alike."""
        if record.type_name is None and not record.attributes and record.version == 1:
            alike = self._alike.get(groups)
            if alike is None:
                alike = self._alike[groups] = Thing(groups)
            self.things[thing] = alike
        else:
            self.things[thing] = replace(record, groups=groups)

    # --------------------------------------------------------------------------- job targets

    def target(self, arn: str) -> tuple[str, str]:
        """What a job target names: ``thing`` or ``thinggroup``, and its name.

        Raises:
            InvalidRequest: it is not the ARN of a thing or thing group of this account.
            ResourceNotFound: it names something that does not exist.
        """
        kind, _, name = arn.removeprefix(self.arn_prefix).partition("/")
        if not arn.startswith(self.arn_prefix) or kind not in ("thing", "thinggroup"):
            raise InvalidRequest(
                f"Target {arn!r} is not the ARN of a thing or thing group of this account "
                f"({self.arn_prefix}thing/NAME or {self.arn_prefix}thinggroup/NAME)"
            )
        if name not in (self.things if kind == "thing" else self.groups):
            raise ResourceNotFound(f"Target {arn} not found")
        return kind, name

    def resolve(self, targets: list[str]) -> list[str]:
        """The things that job targets name, each once, in order; raises as ``target``."""
        found: dict[str, None] = {}
        for kind, name in [self.target(arn) for arn in targets]:
            if kind == "thing":
                found[name] = None
            elif len(targets) == 1:  # once through a large group, instead of three times
                return list(self.groups[name].everybody())
            else:
                found.update(self.groups[name].everybody())
        return list(found)

    def is_target(self, thing: str, targets: list[str]) -> bool:
        """Whether a thing is among what job targets name, as things are now."""
        if self.thing_arn(thing) in targets:
            return thing in self.things
        return any(self.group_arn(name) in targets for name in self.reached(thing))


def _check_version(expected: int | None, version: int) -> None:
    if expected is not None and expected != version:
        raise VersionConflict(f"Expected version {expected} but found version {version}")


def _check_count(attributes: dict[str, str], typed: bool) -> None:
    most = MAX_ATTRIBUTES[typed]
    if len(attributes) > most:
        raise InvalidRequest(f"{len(attributes)} attributes are more than {most}")
