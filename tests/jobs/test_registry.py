"""The registry over REST: things, types, groups, membership; each operation's refusals too."""

import gzip
import json
from pathlib import Path
from typing import Any

import botocore
import pytest

from simulator.errors import ResourceNotFound
from simulator.jobs import JobsService
from simulator.jobs.registry import Registry
from simulator.jobs.rest.account_routes import ACCOUNT_ROUTES
from simulator.jobs.rest.data import DATA_ROUTES
from simulator.jobs.rest.job_routes import JOB_ROUTES
from simulator.jobs.rest.registry_routes import REGISTRY_ROUTES
from simulator.jobs.rest.routes import Route, Router, split_path
from simulator.jobs.rest.template_routes import TEMPLATE_ROUTES
from tests.jobs.test_rest import EPOCH, Client

PREFIX = "arn:aws:iot:us-east-1:123456789012:"


@pytest.fixture
def call() -> Client:
    return Client()


def names(answer: tuple[int, Any], rows: str, name: str) -> list[str]:
    status, members = answer
    assert status == 200
    return [row[name] if isinstance(row, dict) else row for row in members[rows]]


def walk(call: Client, path: str, rows: str) -> list[Any]:
    """Every row, two to a page."""
    found: list[Any] = []
    more = ""
    while True:
        status, page = call("GET", f"{path}maxResults=2{more}")
        assert status == 200
        assert len(page[rows]) <= 2
        found += page[rows]
        if "nextToken" not in page:
            return found
        more = f"&nextToken={page['nextToken']}"


def test_a_thing_and_its_attributes(call: Client) -> None:
    call("POST", "/thing-types/lamp", {})
    body = {"thingTypeName": "lamp", "attributePayload": {"attributes": {"a": "1", "b": "2"}}}
    status, created = call("POST", "/things/T", body)
    assert status == 200
    assert set(created) == {"thingName", "thingArn", "thingId"}
    assert call("POST", "/things/T", body)[0] == 200
    assert call("POST", "/things/T", {})[0] == 409
    _, described = call("GET", "/things/T")
    assert described == {
        "defaultClientId": "T",
        "thingName": "T",
        "thingId": created["thingId"],
        "thingArn": f"{PREFIX}thing/T",
        "thingTypeName": "lamp",
        "attributes": {"a": "1", "b": "2"},
        "version": 1,
    }
    merge = {"attributePayload": {"attributes": {"b": "", "c": "3"}, "merge": True}}
    assert call("PATCH", "/things/T", {**merge, "expectedVersion": 1}) == (200, {})
    assert call("PATCH", "/things/T", {**merge, "expectedVersion": 1})[0] == 409
    assert call("GET", "/things/T")[1]["attributes"] == {"a": "1", "c": "3"}
    call("PATCH", "/things/T", {"attributePayload": {"attributes": {"d": "4"}}})
    call("PATCH", "/things/T", {"removeThingType": True})
    _, described = call("GET", "/things/T")
    assert (described["attributes"], described["version"]) == ({"d": "4"}, 4)
    assert "thingTypeName" not in described
    assert call("DELETE", "/things/T?expectedVersion=1")[0] == 409
    assert call("DELETE", "/things/T?expectedVersion=4") == (200, {})
    assert call("GET", "/things/T")[0] == 404
    assert call("DELETE", "/things/T") == (200, {})


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/things/T", {"thingTypeName": "nowhere"}, 404),
        ("POST", "/things/T", {"attributePayload": {"attributes": {"a b": "1"}}}, 400),
        ("POST", "/things/T", {"attributePayload": {"attributes": {"a": "1 2"}}}, 400),
        ("POST", "/things/T", {"attributePayload": {"attributes": {"a": "x" * 801}}}, 400),
        ("POST", "/things/T", {"attributePayload": {"attributes": {"a": 1}}}, 400),
        (
            "POST",
            "/things/T",
            {"attributePayload": {"attributes": dict.fromkeys("abcd", "1")}},
            400,
        ),
        ("POST", "/things/" + "x" * 129, {}, 400),
        ("POST", "/things/T", b"[]", 400),
        ("POST", "/things/T", b"\xff", 400),
        ("PATCH", "/things/T", {}, 404),
        ("PATCH", "/things/there", {"thingTypeName": "lamp", "removeThingType": True}, 400),
        ("PATCH", "/things/there", {"expectedVersion": "1"}, 400),
        ("GET", "/things/a%20b", None, 400),
        ("DELETE", "/things/there?expectedVersion=one", None, 400),
        ("GET", "/things?attributeValue=1", None, 400),
        ("GET", "/things?maxResults=0", None, 400),
        ("GET", "/things?nextToken=groups%2Fa", None, 400),
        ("GET", "/things?usePrefixAttributeValue=maybe", None, 400),
        ("POST", "/thing-types/a%20b", {}, 400),
        ("POST", "/thing-types/x", {"thingTypeProperties": {"thingTypeDescription": "\n"}}, 400),
        (
            "POST",
            "/thing-types/x",
            {"thingTypeProperties": {"searchableAttributes": ["a"] * 4}},
            400,
        ),
        ("POST", "/thing-types/lamp", {"thingTypeProperties": {"thingTypeDescription": "x"}}, 409),
        ("GET", "/thing-types/x", None, 404),
        ("DELETE", "/thing-types/lamp", None, 400),
        ("POST", "/thing-types/lamp/deprecate", {"undoDeprecate": "no"}, 400),
        ("POST", "/thing-groups/a%20b", {}, 400),
        ("POST", "/thing-groups/x", {"parentGroupName": "nowhere"}, 404),
        ("POST", "/thing-groups/x", {"thingGroupProperties": {"thingGroupDescription": "\n"}}, 400),
        ("PATCH", "/thing-groups/nowhere", {"thingGroupProperties": {}}, 404),
        ("PATCH", "/thing-groups/g", {}, 400),
        ("PATCH", "/thing-groups/g", {"thingGroupProperties": {}, "expectedVersion": 9}, 409),
        ("GET", "/thing-groups/nowhere", None, 404),
        ("DELETE", "/thing-groups/g?expectedVersion=9", None, 409),
        ("DELETE", "/thing-groups/g", None, 400),  # it has a child
        ("GET", "/thing-groups?parentGroup=nowhere", None, 404),
        ("GET", "/thing-groups/nowhere/things", None, 404),
        ("GET", "/things/nobody/thing-groups", None, 404),
        ("PUT", "/thing-groups/removeThingFromThingGroup", {"thingName": "there"}, 400),
        (
            "PUT",
            "/thing-groups/removeThingFromThingGroup",
            {"thingName": "nobody", "thingGroupName": "g"},
            404,
        ),
        ("PUT", "/thing-groups/updateThingGroupsForThing", {"thingName": "nobody"}, 404),
        ("PUT", "/thing-groups/updateThingGroupsForThing", {}, 400),
    ],
)
def test_refusals(call: Client, method: str, path: str, body: Any, status: int) -> None:
    call("POST", "/things/there", {})
    call("POST", "/thing-types/lamp", {})
    call("POST", "/thing-groups/g", {})
    call("POST", "/thing-groups/child", {"parentGroupName": "g"})
    before = repr(call.rest.service.registry.things), len(call.rest.service.registry.groups)
    assert call(method, path, body)[0] == status
    after = repr(call.rest.service.registry.things), len(call.rest.service.registry.groups)
    assert before == after


def test_unknown_members_are_passed_over_as_by_aws(call: Client) -> None:
    assert call("POST", "/things/T", {"surprise": 1, "thingTypeName": None})[0] == 200


def test_things_are_listed_by_name_type_and_attribute(call: Client) -> None:
    call("POST", "/thing-types/lamp", {})
    for name, attributes in (("c", {"k": "va"}), ("a", {"k": "vb"}), ("b", {})):
        call("POST", f"/things/{name}", {"attributePayload": {"attributes": attributes}})
    call("POST", "/things/d", {"thingTypeName": "lamp"})
    assert [row["thingName"] for row in walk(call, "/things?", "things")] == ["a", "b", "c", "d"]
    found = [
        names(call("GET", f"/things?{query}"), "things", "thingName")
        for query in (
            "thingTypeName=lamp",
            "attributeName=k",
            "attributeName=k&attributeValue=va",
            "attributeName=k&attributeValue=v&usePrefixAttributeValue=true",
        )
    ]
    assert found == [["d"], ["a", "c"], ["c"], ["a", "c"]]
    _, first = call("GET", "/things?maxResults=2")
    call("DELETE", "/things/b")
    call("POST", "/things/aa", {})
    rest = call("GET", f"/things?nextToken={first['nextToken']}")
    assert names(rest, "things", "thingName") == ["c", "d"]


def test_thing_types(call: Client) -> None:
    properties = {"thingTypeDescription": "A lamp", "searchableAttributes": ["a"]}
    body = {"thingTypeProperties": properties, "tags": [{"Key": "k", "Value": "v"}]}
    status, created = call("POST", "/thing-types/lamp", body)
    assert (status, created["thingTypeArn"]) == (200, f"{PREFIX}thingtype/lamp")
    assert call("POST", "/thing-types/lamp", body)[0] == 200
    call("POST", "/thing-types/plain", {}, now=1.5)
    _, described = call("GET", "/thing-types/lamp")
    assert described["thingTypeProperties"] == properties
    assert described["thingTypeMetadata"] == {"deprecated": False, "creationDate": EPOCH + 0.5}
    assert described["thingTypeId"] == created["thingTypeId"]
    listed = call("GET", "/thing-types")
    assert names(listed, "thingTypes", "thingTypeName") == ["lamp", "plain"]
    one = call("GET", "/thing-types?thingTypeName=plain")
    assert names(one, "thingTypes", "thingTypeName") == ["plain"]
    call("POST", "/thing-types/lamp/deprecate", {}, now=10)
    assert call("POST", "/things/T", {"thingTypeName": "lamp"})[0] == 400
    _, described = call("GET", "/thing-types/lamp")
    assert described["thingTypeMetadata"]["deprecationDate"] == EPOCH + 10
    assert call("DELETE", "/thing-types/lamp", now=200)[0] == 400
    call("POST", "/thing-types/lamp/deprecate", {"undoDeprecate": True}, now=200)
    assert call("POST", "/things/T", {"thingTypeName": "lamp"})[0] == 200
    assert call("PATCH", "/things/T", {"thingTypeName": "plain"})[0] == 200
    call("POST", "/thing-types/lamp/deprecate", {}, now=300)
    assert call("DELETE", "/thing-types/lamp", now=600) == (200, {})
    assert call("GET", "/thing-types/lamp")[0] == 404
    arn = f"{PREFIX}thingtype/lamp"
    assert call.rest.service.tags.of(arn) == []


def test_thing_groups_nest(call: Client) -> None:
    properties = {
        "thingGroupDescription": "All of them",
        "attributePayload": {"attributes": {"a": "1"}},
    }
    body = {"thingGroupProperties": properties, "tags": [{"Key": "k", "Value": "v"}]}
    status, created = call("POST", "/thing-groups/root", body, now=2)
    assert (status, created["thingGroupArn"]) == (200, f"{PREFIX}thinggroup/root")
    call("POST", "/thing-groups/mid", {"parentGroupName": "root"})
    call("POST", "/thing-groups/leaf", {"parentGroupName": "mid"})
    call("POST", "/thing-groups/other", {})
    _, described = call("GET", "/thing-groups/root")
    assert described["thingGroupProperties"] == properties
    assert described["thingGroupMetadata"] == {"creationDate": EPOCH + 2}
    assert (described["thingGroupId"], described["version"]) == (created["thingGroupId"], 1)
    _, described = call("GET", "/thing-groups/leaf")
    metadata = described["thingGroupMetadata"]
    assert metadata["parentGroupName"] == "mid"
    above = [row["groupName"] for row in metadata["rootToParentThingGroups"]]
    assert above == ["root", "mid"]
    found = [
        names(call("GET", f"/thing-groups{query}"), "thingGroups", "groupName")
        for query in (
            "",
            "?recursive=false",
            "?parentGroup=root",
            "?parentGroup=root&recursive=false",
            "?namePrefixFilter=o",
        )
    ]
    assert found == [
        ["leaf", "mid", "other", "root"],
        ["other", "root"],
        ["leaf", "mid"],
        ["mid"],
        ["other"],
    ]
    assert len(walk(call, "/thing-groups?", "thingGroups")) == 4
    update = {"thingGroupProperties": {"thingGroupDescription": "Some"}, "expectedVersion": 1}
    assert call("PATCH", "/thing-groups/root", update) == (200, {"version": 2})
    payload = {"attributes": {"a": "", "b": "2"}, "merge": True}
    merge = {"thingGroupProperties": {"attributePayload": payload}}
    assert call("PATCH", "/thing-groups/root", merge) == (200, {"version": 3})
    _, described = call("GET", "/thing-groups/root")
    assert described["thingGroupProperties"] == {
        "thingGroupDescription": "Some",
        "attributePayload": {"attributes": {"b": "2"}},
    }
    replace: dict[str, Any] = {"thingGroupProperties": {"attributePayload": {"attributes": {}}}}
    call("PATCH", "/thing-groups/root", replace)
    for name in ("leaf", "mid", "root"):
        assert call("DELETE", f"/thing-groups/{name}") == (200, {})
    assert call("DELETE", "/thing-groups/root") == (200, {})
    assert names(call("GET", "/thing-groups"), "thingGroups", "groupName") == ["other"]


def test_groups_nest_seven_deep_and_a_thing_is_in_ten(call: Client) -> None:
    call("POST", "/thing-groups/g0", {})
    for depth in range(1, 7):
        assert (
            call("POST", f"/thing-groups/g{depth}", {"parentGroupName": f"g{depth - 1}"})[0] == 200
        )
    assert call("POST", "/thing-groups/g7", {"parentGroupName": "g6"})[0] == 400
    call("POST", "/things/T", {})
    for number in range(11):
        call("POST", f"/thing-groups/h{number}", {})
        member = {"thingName": "T", "thingGroupName": f"h{number}"}
        status, _ = call("PUT", "/thing-groups/addThingToThingGroup", member)
        assert status == (200 if number < 10 else 400)
    assert len(walk(call, "/things/T/thing-groups?", "thingGroups")) == 10


def test_membership(call: Client) -> None:
    call("POST", "/thing-groups/g", {})
    call("POST", "/thing-groups/child", {"parentGroupName": "g"})
    for name in "cab":
        call("POST", f"/things/{name}", {})
        member = {"thingName": name, "thingGroupArn": f"{PREFIX}thinggroup/g"}
        assert call("PUT", "/thing-groups/addThingToThingGroup", member) == (200, {})
        assert call("PUT", "/thing-groups/addThingToThingGroup", member) == (200, {})
    call("POST", "/things/d", {"attributePayload": {"attributes": {"k": "v"}}})
    both = {"thingName": "d", "thingGroupsToAdd": ["child"]}
    assert call("PUT", "/thing-groups/updateThingGroupsForThing", both) == (200, {})
    assert call("GET", "/things/d")[1]["attributes"] == {"k": "v"}
    assert walk(call, "/thing-groups/g/things?", "things") == ["a", "b", "c"]
    assert walk(call, "/thing-groups/g/things?recursive=true&", "things") == ["a", "b", "c", "d"]
    assert walk(call, "/thing-groups/child/things?recursive=true&", "things") == ["d"]
    leave = {"thingArn": f"{PREFIX}thing/b", "thingGroupName": "g"}
    assert call("PUT", "/thing-groups/removeThingFromThingGroup", leave) == (200, {})
    assert call("PUT", "/thing-groups/removeThingFromThingGroup", leave) == (200, {})
    assert walk(call, "/thing-groups/g/things?", "things") == ["a", "c"]
    call("DELETE", "/things/a")
    assert walk(call, "/thing-groups/g/things?", "things") == ["c"]
    groups = call("GET", "/things/c/thing-groups")
    assert names(groups, "thingGroups", "groupName") == ["g"]
    call("DELETE", "/thing-groups/child")
    call("POST", "/thing-groups/child", {})
    assert names(call("GET", "/things/d/thing-groups"), "thingGroups", "groupName") == []


def test_things_that_are_alike_share_a_record() -> None:
    registry = Registry()
    registry.create_thing_group("g")
    for number in range(3):
        registry.create_thing(f"t{number}")
        registry.add_thing_to_thing_group(f"t{number}", "g")
    assert registry.things["t0"] is registry.things["t2"]
    registry.update_thing("t0", None, {"a": "1"}, True, False, None)
    assert registry.thing("t0").version == 2
    assert registry.thing("t2").version == 1
    assert registry.reached("nobody") == {}
    with pytest.raises(ResourceNotFound):
        registry.thing("nobody")
    assert not registry.is_target("nobody", [registry.thing_arn("nobody")])


# ------------------------------------------------------------------------------- routes


MODELS = Path(botocore.__file__).parent / "data"


def model(service: str, version: str) -> dict[str, Any]:
    path = MODELS / service / version / "service-2.json.gz"
    loaded = json.loads(gzip.decompress(path.read_bytes()))
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize(
    ("service", "version", "routes"),
    [
        ("iot-jobs-data", "2017-09-29", DATA_ROUTES),
        ("iot", "2015-05-28", (*JOB_ROUTES, *REGISTRY_ROUTES, *TEMPLATE_ROUTES, *ACCOUNT_ROUTES)),
    ],
)
def test_every_route_is_botocores(service: str, version: str, routes: tuple[Route, ...]) -> None:
    operations = model(service, version)["operations"]
    for route in routes:
        http = operations[route.operation]["http"]
        assert (route.method, route.path) == (http["method"], http["requestUri"]), route.operation


def test_every_operation_of_jobs_has_a_route() -> None:
    served = {route.operation for route in (*JOB_ROUTES, *TEMPLATE_ROUTES, *ACCOUNT_ROUTES)}
    of_jobs = {
        name
        for name in model("iot", "2015-05-28")["operations"]
        if "Job" in name or "EventConfigurations" in name
    }
    assert of_jobs <= served


def test_a_literal_segment_wins_and_empty_ones_are_no_names() -> None:
    def nothing(_: Any) -> dict[str, Any]:
        return {}

    router = Router(
        Route(path, "GET", path, nothing) for path in ("/a/{x}", "/a/b", "/{x}/c", "/a/b/d")
    )
    found = {}
    for path in ("/a/b", "/a/c", "/z/c", "/a/b/d", "/a/z/d", "/a", "/a//d", "/{}/c", "/a/%2Fb"):
        match = router.find("GET", split_path(path))
        found[path] = None if match is None else (match[0].path, match[1])
    assert found == {
        "/a/b": ("/a/b", []),
        "/a/c": ("/a/{x}", ["c"]),
        "/z/c": ("/{x}/c", ["z"]),
        "/a/b/d": ("/a/b/d", []),
        "/a/z/d": None,
        "/a": None,
        "/a//d": None,
        "/{}/c": ("/{x}/c", ["{}"]),
        "/a/%2Fb": ("/a/{x}", ["/b"]),
    }
    assert router.find("PUT", ["a", "b"]) is None


def test_the_registry_is_the_services() -> None:
    assert (
        JobsService("eu-west-1", "1" * 12)
        .registry.thing_arn("T")
        .startswith("arn:aws:iot:eu-west-1:111111111111:")
    )
