"""Tags, event configurations and the endpoint (botocore ``iot`` 2015-05-28)."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from simulator.errors import InvalidRequest, ResourceNotFound
from simulator.jobs.configuration import Tags
from simulator.jobs.rest.call import Call, Members, members_of
from simulator.jobs.rest.routes import Route

DEFAULT_ENDPOINT_TYPE = "iot:Data"


class _TagResource(Struct, rename="camel"):
    resource_arn: str
    tags: Tags


class _UntagResource(Struct, rename="camel"):
    resource_arn: str
    tag_keys: list[Annotated[str, Meta(min_length=1, max_length=128)]]


class _Enabled(Struct, rename="pascal"):
    enabled: bool = False


class _UpdateEventConfigurations(Struct, rename="camel"):
    event_configurations: dict[str, _Enabled] | None = None


# ------------------------------------------------------------------------------- tags


def _known(call: Call, arn: str) -> str:
    """The ARN of something that can be tagged; raises ResourceNotFound."""
    service, registry = call.service, call.service.registry
    kind, _, name = arn.removeprefix(registry.arn_prefix).partition("/")
    things: dict[str, Any] = {
        "job": service.jobs,
        "jobtemplate": service.templates,
        "thinggroup": registry.groups,
        "thingtype": registry.types.types,
    }
    if not arn.startswith(registry.arn_prefix) or kind not in things:
        raise InvalidRequest(f"{arn!r} is not the ARN of anything that has tags here")
    if name not in things[kind]:
        raise ResourceNotFound(f"{arn} not found")
    return arn


def _tag(call: Call) -> Members:
    request = call.body(_TagResource)
    call.service.tags.tag(_known(call, request.resource_arn), request.tags)
    return {}


def _untag(call: Call) -> Members:
    request = call.body(_UntagResource)
    call.service.tags.untag(_known(call, request.resource_arn), request.tag_keys)
    return {}


def _tags(call: Call) -> Members:
    arn = call.text("resourceArn")
    if arn is None:
        raise InvalidRequest("resourceArn is missing")
    return {"tags": [members_of(tag) for tag in call.service.tags.of(_known(call, arn))]}


# ------------------------------------------------------------------------------- the account


def _endpoint(call: Call) -> Members:
    kind = call.text("endpointType") or DEFAULT_ENDPOINT_TYPE
    address = call.endpoints.get(kind)
    if address is None:
        known = ", ".join(call.endpoints)
        raise InvalidRequest(f"endpointType {kind!r} is not served here; allowed: {known}")
    return {"endpointAddress": address}


def _event_configurations(call: Call) -> Members:
    events = call.service.events
    members: Members = {
        "eventConfigurations": {name: {"Enabled": on} for name, on in events.enabled.items()},
        "creationDate": events.created_at,
        "lastModifiedDate": events.modified_at,
    }
    shown = {name: value for name, value in members.items() if value is not None}
    return call.stamped(shown, ("creationDate", "lastModifiedDate"))


def _update_event_configurations(call: Call) -> Members:
    asked = call.body(_UpdateEventConfigurations).event_configurations or {}
    call.service.events.update({name: one.enabled for name, one in asked.items()}, call.now)
    return {}


ACCOUNT_ROUTES = (
    Route("TagResource", "POST", "/tags", _tag),
    Route("UntagResource", "POST", "/untag", _untag),
    Route("ListTagsForResource", "GET", "/tags", _tags),
    Route("DescribeEndpoint", "GET", "/endpoint", _endpoint),
    Route("DescribeEventConfigurations", "GET", "/event-configurations", _event_configurations),
    Route(
        "UpdateEventConfigurations",
        "PATCH",
        "/event-configurations",
        _update_event_configurations,
    ),
)
