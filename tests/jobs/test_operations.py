"""The table of operations is botocore's."""

import botocore.session
import pytest

from simulator.jobs.operations import OPERATIONS, Plane, operation_of
from simulator.jobs.rest import named_operation

PLANES: tuple[Plane, ...] = ("iot-jobs-data", "iot")


@pytest.mark.parametrize("plane", PLANES)
def test_every_route_is_as_botocore_publishes_it(plane: Plane) -> None:
    model = botocore.session.Session().get_service_model(plane)
    for name, route in OPERATIONS[plane].items():
        http = model.operation_model(name).http
        assert route == f"{http['method']} {http['requestUri'].partition('?')[0]}"


@pytest.mark.parametrize(
    ("plane", "method", "path", "name"),
    [
        ("iot-jobs-data", "PUT", "things/T/jobs/$next", "StartNextPendingJobExecution"),
        ("iot-jobs-data", "GET", "things/T/jobs/$next", "DescribeJobExecution"),
        ("iot-jobs-data", "PUT", "things/T/jobs/J", None),
        ("iot", "PUT", "thing-groups/addThingToThingGroup", "AddThingToThingGroup"),
        ("iot", "GET", "things/T/jobs", "ListJobExecutionsForThing"),
        ("iot", "GET", "", None),
    ],
)
def test_a_request_names_an_operation(
    plane: Plane, method: str, path: str, name: str | None
) -> None:
    assert operation_of(plane, method, path.split("/")) == name


@pytest.mark.parametrize("reverse", [False, True])
def test_a_spelled_out_segment_wins_whatever_the_order(
    reverse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = [("Label", "GET", ("a", None)), ("Spelled", "GET", ("a", "b"))]
    if reverse:
        routes.reverse()
    monkeypatch.setattr("simulator.jobs.operations._ROUTES", {"iot": routes})
    assert operation_of("iot", "GET", ["a", "b"]) == "Spelled"
    assert operation_of("iot", "GET", ["a", "c"]) == "Label"


@pytest.mark.parametrize(
    ("signed_for", "path", "name"),
    [
        (None, "things/T/jobs", "GetPendingJobExecutions"),
        ("iot", "things/T/jobs", "ListJobExecutionsForThing"),
        (None, "jobs", "ListJobs"),
        ("iot-jobs-data", "jobs", "ListJobs"),
        (None, "nothing", "Unknown"),
    ],
)
def test_what_both_planes_own_is_data_plane_unless_signed_so(
    signed_for: str | None, path: str, name: str
) -> None:
    assert named_operation(signed_for, "GET", path.split("/")) == name
