"""The registry's operations (botocore ``iot`` 2015-05-28)."""

from simulator.errors import InvalidRequest
from simulator.jobs.identity import identity
from simulator.jobs.paging import page
from simulator.jobs.registry import Group, check_thing_name
from simulator.jobs.registry_messages import (
    CreateThingGroupRequest,
    CreateThingRequest,
    CreateThingTypeRequest,
    DeprecateThingTypeRequest,
    GroupMembershipRequest,
    UpdateThingGroupRequest,
    UpdateThingGroupsForThingRequest,
    UpdateThingRequest,
)
from simulator.jobs.rest.call import Call, Members, with_token
from simulator.jobs.rest.routes import Route
from simulator.jobs.thing_types import ThingType

_DATES = ("creationDate", "deprecationDate")


# ------------------------------------------------------------------------------- things


def _create_thing(call: Call) -> Members:
    name, request, registry = call.names[0], call.body(CreateThingRequest), call.service.registry
    registry.create_thing(name, request.thing_type_name, request.attribute_payload.attributes)
    arn = registry.thing_arn(name)
    return {"thingName": name, "thingArn": arn, "thingId": identity(arn)}


def _thing(call: Call, name: str) -> Members:
    thing = call.service.registry.thing(name)
    arn = call.service.registry.thing_arn(name)
    members: Members = {"thingName": name, "thingArn": arn}
    if thing.type_name is not None:
        members["thingTypeName"] = thing.type_name
    return {**members, "attributes": dict(thing.attributes), "version": thing.version}


def _describe_thing(call: Call) -> Members:
    members = _thing(call, call.names[0])
    beside = {"defaultClientId": call.names[0], "thingId": identity(members["thingArn"])}
    return {**beside, **members}


def _update_thing(call: Call) -> Members:
    request = call.body(UpdateThingRequest)
    payload = request.attribute_payload
    call.service.registry.update_thing(
        call.names[0],
        request.thing_type_name,
        None if payload is None else payload.attributes,
        payload is not None and payload.merge,
        request.remove_thing_type,
        request.expected_version,
    )
    return {}


def _delete_thing(call: Call) -> Members:
    call.service.delete_thing(call.names[0], call.number("expectedVersion"), call.now)
    return {}


def _list_things(call: Call) -> Members:
    registry = call.service.registry
    type_name, attribute = call.text("thingTypeName"), call.text("attributeName")
    value, prefix = call.text("attributeValue"), call.flag("usePrefixAttributeValue")
    names = registry.names.after(None)
    if type_name is not None or attribute is not None:
        names = [n for n in names if _has(call, n, type_name, attribute, value, prefix)]
    elif value is not None:
        raise InvalidRequest("attributeValue needs attributeName")
    shown, more = page("things", names, call.max_results(), call.text("nextToken"))
    return with_token({"things": [_thing(call, name) for name in shown]}, more)


def _has(
    call: Call,
    name: str,
    type_name: str | None,
    attribute: str | None,
    value: str | None,
    prefix: bool,
) -> bool:
    thing = call.service.registry.thing(name)
    if type_name is not None and thing.type_name != type_name:
        return False
    if attribute is None:
        return True
    stored = dict(thing.attributes).get(attribute)
    if stored is None or value is None:
        return stored is not None
    return stored.startswith(value) if prefix else stored == value


# ------------------------------------------------------------------------------- thing types


def _create_type(call: Call) -> Members:
    name, request, registry = (
        call.names[0],
        call.body(CreateThingTypeRequest),
        call.service.registry,
    )
    check_thing_name(name, "thingTypeName")
    properties = request.thing_type_properties
    registry.types.create(
        name, properties.thing_type_description, properties.searchable_attributes, call.now
    )
    arn = registry.type_arn(name)
    if request.tags:
        call.service.tags.tag(arn, request.tags)
    return {"thingTypeName": name, "thingTypeArn": arn, "thingTypeId": identity(arn)}


def _type(call: Call, found: ThingType) -> Members:
    properties: Members = {}
    if found.description is not None:
        properties["thingTypeDescription"] = found.description
    if found.searchable is not None:
        properties["searchableAttributes"] = found.searchable
    deprecated = found.deprecated_at is not None
    metadata: Members = {"deprecated": deprecated, "creationDate": found.created_at}
    if deprecated:
        metadata["deprecationDate"] = found.deprecated_at
    return {
        "thingTypeName": found.name,
        "thingTypeArn": call.service.registry.type_arn(found.name),
        "thingTypeProperties": properties,
        "thingTypeMetadata": call.stamped(metadata, _DATES),
    }


def _describe_type(call: Call) -> Members:
    members = _type(call, call.service.registry.types.get(call.names[0]))
    return {**members, "thingTypeId": identity(members["thingTypeArn"])}


def _list_types(call: Call) -> Members:
    wanted, types = call.text("thingTypeName"), call.service.registry.types.types
    names = [name for name in sorted(types) if wanted in (None, name)]
    shown, more = page("thing-types", names, call.max_results(), call.text("nextToken"))
    return with_token({"thingTypes": [_type(call, types[name]) for name in shown]}, more)


def _deprecate_type(call: Call) -> Members:
    undo = call.body(DeprecateThingTypeRequest).undo_deprecate
    call.service.registry.types.deprecate(call.names[0], undo, call.now)
    return {}


def _delete_type(call: Call) -> Members:
    registry = call.service.registry
    registry.types.delete(call.names[0], call.now)
    call.service.tags.forget(registry.type_arn(call.names[0]))
    return {}


# ------------------------------------------------------------------------------- thing groups


def _create_group(call: Call) -> Members:
    name, request = call.names[0], call.body(CreateThingGroupRequest)
    registry, properties = call.service.registry, request.thing_group_properties
    payload = properties.attribute_payload
    registry.create_thing_group(
        name,
        request.parent_group_name,
        properties.thing_group_description,
        None if payload is None else payload.attributes,
        call.now,
    )
    arn = registry.group_arn(name)
    if request.tags:
        call.service.tags.tag(arn, request.tags)
    return {"thingGroupName": name, "thingGroupArn": arn, "thingGroupId": identity(arn)}


def _named(call: Call, group: Group) -> Members:
    return {"groupName": group.name, "groupArn": call.service.registry.group_arn(group.name)}


def _describe_group(call: Call) -> Members:
    group = call.service.registry.group(call.names[0])
    arn = call.service.registry.group_arn(group.name)
    properties: Members = {}
    if group.description is not None:
        properties["thingGroupDescription"] = group.description
    if group.attributes:
        properties["attributePayload"] = {"attributes": group.attributes}
    metadata: Members = {"creationDate": group.created_at}
    if group.parent is not None:
        metadata["parentGroupName"] = group.parent.name
        above = group.parent.lineage()
        metadata["rootToParentThingGroups"] = [_named(call, one) for one in above]
    return {
        "thingGroupName": group.name,
        "thingGroupId": identity(arn),
        "thingGroupArn": arn,
        "version": group.version,
        "thingGroupProperties": properties,
        "thingGroupMetadata": call.stamped(metadata, _DATES),
    }


def _update_group(call: Call) -> Members:
    request = call.body(UpdateThingGroupRequest)
    properties = request.thing_group_properties
    payload = properties.attribute_payload
    version = call.service.registry.update_thing_group(
        call.names[0],
        properties.thing_group_description,
        None if payload is None else payload.attributes,
        payload is not None and payload.merge,
        request.expected_version,
    )
    return {"version": version}


def _delete_group(call: Call) -> Members:
    call.service.delete_thing_group(call.names[0], call.number("expectedVersion"), call.now)
    call.service.tags.forget(call.service.registry.group_arn(call.names[0]))
    return {}


def _list_groups(call: Call) -> Members:
    registry = call.service.registry
    parent, recursive = call.text("parentGroup"), call.flag("recursive", default=True)
    prefix = call.text("namePrefixFilter") or ""
    groups = (
        registry.groups.values() if parent is None else _below(registry.group(parent), recursive)
    )
    if parent is None and not recursive:
        groups = [group for group in groups if group.parent is None]
    names = sorted(group.name for group in groups if group.name.startswith(prefix))
    shown, more = page("thing-groups", names, call.max_results(), call.text("nextToken"))
    rows = [_named(call, registry.groups[name]) for name in shown]
    return with_token({"thingGroups": rows}, more)


def _below(group: Group, recursive: bool) -> list[Group]:
    found = list(group.children.values())
    if recursive:
        for child in group.children.values():
            found += _below(child, recursive)
    return found


# ------------------------------------------------------------------------------- membership


def _member(call: Call) -> tuple[str, str]:
    """The thing and the group that a membership request names."""
    request = call.body(GroupMembershipRequest)
    thing = request.thing_name or (request.thing_arn or "").rpartition("/")[2]
    group = request.thing_group_name or (request.thing_group_arn or "").rpartition("/")[2]
    if not thing or not group:
        raise InvalidRequest("Name a thing and a thing group, each by name or by ARN")
    return thing, group


def _join(call: Call) -> Members:
    call.service.add_thing_to_thing_group(*_member(call), call.now)
    return {}


def _leave(call: Call) -> Members:
    call.service.remove_thing_from_thing_group(*_member(call), call.now)
    return {}


def _regroup(call: Call) -> Members:
    request = call.body(UpdateThingGroupsForThingRequest)
    call.service.update_thing_groups_for_thing(
        request.thing_name, request.thing_groups_to_add, request.thing_groups_to_remove, call.now
    )
    return {}


def _things_in_group(call: Call) -> Members:
    group = call.service.registry.group(call.names[0])
    recursive = call.flag("recursive") and group.children
    members = sorted(group.everybody()) if recursive else group.sorted_members()
    shown, more = page("members", members, call.max_results(), call.text("nextToken"))
    return with_token({"things": shown}, more)


def _groups_of_thing(call: Call) -> Members:
    registry = call.service.registry
    names = sorted(group.name for group in registry.groups_of(call.names[0]))
    shown, more = page("groups-of-thing", names, call.max_results(), call.text("nextToken"))
    rows = [_named(call, registry.groups[name]) for name in shown]
    return with_token({"thingGroups": rows}, more)


_THING, _TYPE, _GROUP = (
    "/things/{thingName}",
    "/thing-types/{thingTypeName}",
    "/thing-groups/{thingGroupName}",
)

REGISTRY_ROUTES = (
    Route("CreateThing", "POST", _THING, _create_thing),
    Route("DescribeThing", "GET", _THING, _describe_thing),
    Route("UpdateThing", "PATCH", _THING, _update_thing),
    Route("DeleteThing", "DELETE", _THING, _delete_thing),
    Route("ListThings", "GET", "/things", _list_things),
    Route("ListThingGroupsForThing", "GET", f"{_THING}/thing-groups", _groups_of_thing),
    Route("CreateThingType", "POST", _TYPE, _create_type),
    Route("DescribeThingType", "GET", _TYPE, _describe_type),
    Route("ListThingTypes", "GET", "/thing-types", _list_types),
    Route("DeprecateThingType", "POST", f"{_TYPE}/deprecate", _deprecate_type),
    Route("DeleteThingType", "DELETE", _TYPE, _delete_type),
    Route("CreateThingGroup", "POST", _GROUP, _create_group),
    Route("DescribeThingGroup", "GET", _GROUP, _describe_group),
    Route("UpdateThingGroup", "PATCH", _GROUP, _update_group),
    Route("DeleteThingGroup", "DELETE", _GROUP, _delete_group),
    Route("ListThingGroups", "GET", "/thing-groups", _list_groups),
    Route("ListThingsInThingGroup", "GET", f"{_GROUP}/things", _things_in_group),
    Route("AddThingToThingGroup", "PUT", "/thing-groups/addThingToThingGroup", _join),
    Route("RemoveThingFromThingGroup", "PUT", "/thing-groups/removeThingFromThingGroup", _leave),
    Route("UpdateThingGroupsForThing", "PUT", "/thing-groups/updateThingGroupsForThing", _regroup),
)
