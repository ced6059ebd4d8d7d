"""Our shapes are botocore's, of both planes: members, what is required, bounds, patterns, enums,
and the statuses of errors. Each deviation that is meant stands here by name, with its reason.
"""

import re
from typing import Any

import msgspec
import pytest

from simulator import errors
from simulator.jobs import configuration as c
from simulator.jobs import descriptions as d
from simulator.jobs import messages as m
from simulator.jobs import registry_messages as r
from simulator.jobs import template_messages as t
from simulator.jobs.events import EVENT_TYPES
from simulator.jobs.managed_templates import DocumentParameter, ManagedJobTemplate
from simulator.jobs.model import JOB_STATUSES, STATUSES
from simulator.jobs.paging import MAX_RESULTS
from simulator.jobs.registry import JOB_ID, THING_NAME
from simulator.jobs.rest import account_routes as a
from tests.jobs.shape_differences import Difference, Model, differences
from tests.jobs.test_registry import model

CONTROL: Model = model("iot", "2015-05-28")
DATA: Model = model("iot-jobs-data", "2017-09-29")
SHAPES = CONTROL["shapes"]

EXACT: list[tuple[type[msgspec.Struct], str]] = [
    (c.TimeoutConfig, "TimeoutConfig"),
    (c.RateIncreaseCriteria, "RateIncreaseCriteria"),
    (c.ExponentialRate, "ExponentialRolloutRate"),
    (c.JobExecutionsRolloutConfig, "JobExecutionsRolloutConfig"),
    (c.AbortCriteria, "AbortCriteria"),
    (c.AbortConfig, "AbortConfig"),
    (c.RetryCriteria, "RetryCriteria"),
    (c.JobExecutionsRetryConfig, "JobExecutionsRetryConfig"),
    (c.MaintenanceWindow, "MaintenanceWindow"),
    (c.SchedulingConfig, "SchedulingConfig"),
    (c.PresignedUrlConfig, "PresignedUrlConfig"),
    (c.Tag, "Tag"),
    (m.CreateJobRequest, "CreateJobRequest"),
    (m.UpdateJobRequest, "UpdateJobRequest"),
    (m.CancelJobRequest, "CancelJobRequest"),
    (m.AssociateTargetsWithJobRequest, "AssociateTargetsWithJobRequest"),
    (m.CancelJobExecutionRequest, "CancelJobExecutionRequest"),
    (t.CreateJobTemplateRequest, "CreateJobTemplateRequest"),
    (r.CreateThingRequest, "CreateThingRequest"),
    (r.UpdateThingRequest, "UpdateThingRequest"),
    (r.CreateThingTypeRequest, "CreateThingTypeRequest"),
    (r.DeprecateThingTypeRequest, "DeprecateThingTypeRequest"),
    (r.CreateThingGroupRequest, "CreateThingGroupRequest"),
    (r.UpdateThingGroupRequest, "UpdateThingGroupRequest"),
    (r.GroupMembershipRequest, "RemoveThingFromThingGroupRequest"),
    (r.GroupMembershipRequest, "AddThingToThingGroupRequest"),
    (r.UpdateThingGroupsForThingRequest, "UpdateThingGroupsForThingRequest"),
    (a._TagResource, "TagResourceRequest"),
    (a._UntagResource, "UntagResourceRequest"),
    (a._UpdateEventConfigurations, "UpdateEventConfigurationsRequest"),
    (r.AttributePayload, "AttributePayload"),
    (r.ThingGroupProperties, "ThingGroupProperties"),
]
"""Requests and configurations of the control plane."""

ASKED: list[tuple[type[msgspec.Struct], str]] = [
    (m.GetPendingJobExecutionsRequest, "GetPendingJobExecutionsRequest"),
    (m.StartNextPendingJobExecutionRequest, "StartNextPendingJobExecutionRequest"),
    (m.DescribeJobExecutionRequest, "DescribeJobExecutionRequest"),
    (m.UpdateJobExecutionRequest, "UpdateJobExecutionRequest"),
]
"""Requests of the data plane."""

TOLD: list[tuple[type[msgspec.Struct], str]] = [
    (d.JobDescription, "Job"),
    (d.JobSummary, "JobSummary"),
    (d.ControlExecution, "JobExecution"),
    (d.ScheduledJobRollout, "ScheduledJobRollout"),
    (m.CreateJobReply, "CreateJobResponse"),
    (t.JobTemplate, "DescribeJobTemplateResponse"),
    (t.JobTemplateSummary, "JobTemplateSummary"),
    (t.CreateJobTemplateReply, "CreateJobTemplateResponse"),
    (ManagedJobTemplate, "DescribeManagedJobTemplateResponse"),
    (DocumentParameter, "DocumentParameter"),
]
"""What the control plane tells."""

ANSWERED: list[tuple[type[msgspec.Struct], str]] = [
    (m.JobExecutionSummary, "JobExecutionSummary"),
    (m.JobExecutionData, "JobExecution"),
    (m.JobExecutionState, "JobExecutionState"),
]
"""What the data plane tells."""

_QUOTA = "a quota (GR:dm), which AWS's model leaves out"
_REGISTRY_QUOTA = "a quota (GR:core), which AWS's model leaves out"
_C = "re has no \\p{C}: checked after decoding"
_QUERY = "stands in the query, and is read there"
_NAMESPACE = "Greengrass's own; passed over in a query"
_TOKEN = "MQTT has it in the payload (DG:jobs-mqtt-api)"
_LONG = "a long has 64 bits, which the model need not say"

DEVIATIONS: dict[tuple[str, str], str] = {
    # bounds
    ("InProgressTimeoutInMinutes", "min"): _QUOTA,
    ("InProgressTimeoutInMinutes", "max"): _QUOTA,
    ("StepTimeoutInMinutes", "min"): "1, and -1 to discard the timer: said in the member's text",
    ("StepTimeoutInMinutes", "max"): _QUOTA,
    ("MaxJobExecutionsPerMin", "max"): _QUOTA,
    ("AbortThresholdPercentage", "min"): "of 0 % every job would abort: said in the guide",
    ("JobTargets", "max"): _QUOTA,
    ("DetailsMap", "max"): _QUOTA,
    ("DetailsValue", "max"): _QUOTA,
    ("DestinationPackageVersions", "max"): "25, said in the member's text",
    ("TagList", "max"): "50 tags of a resource: AWS's tagging rules",
    ("SearchableAttributes", "max"): _REGISTRY_QUOTA,
    ("ExpectedVersion", "min"): _LONG,
    ("ExpectedVersion", "max"): _LONG,
    ("ExecutionNumber", "min"): _LONG,
    ("ExecutionNumber", "max"): _LONG,
    # patterns and enums
    ("DetailsValue", "pattern"): _C,
    ("JobDescription", "pattern"): _C,
    ("Comment", "pattern"): _C,
    ("ParameterValue", "pattern"): _C,
    ("TagKey", "pattern"): "re has no \\p{L}, \\p{Z}, \\p{N}: checked after decoding",
    ("ThingTypeDescription", "pattern"): "re has no \\p{Graph}: checked after decoding",
    ("ThingGroupDescription", "pattern"): "re has no \\p{Graph}: checked after decoding",
    ("ReasonCode", "pattern"): "\\p{Upper} and \\p{Digit} are ASCII (POSIX classes)",
    ("EventType", "enum"): "checked by events.py, against EVENT_TYPES",
    # members
    ("CancelJobRequest.force", "member"): _QUERY,
    ("CancelJobExecutionRequest.force", "member"): _QUERY,
    ("UpdateJobRequest.namespaceId", "member"): _NAMESPACE,
    ("AssociateTargetsWithJobRequest.namespaceId", "member"): _NAMESPACE,
    ("AddThingToThingGroupRequest.overrideDynamicGroups", "member"): "no dynamic groups here",
    ("UpdateThingGroupsForThingRequest.overrideDynamicGroups", "member"): "no dynamic groups here",
    ("UpdateThingGroupsForThingRequest.thingName", "required"): "without a thing nothing is asked",
    ("ThingTypeProperties.mqtt5Configuration", "member"): "no business of jobs",
    ("GetPendingJobExecutionsRequest.clientToken", "member"): _TOKEN,
    ("StartNextPendingJobExecutionRequest.clientToken", "member"): _TOKEN,
    ("DescribeJobExecutionRequest.clientToken", "member"): _TOKEN,
    ("UpdateJobExecutionRequest.clientToken", "member"): _TOKEN,
    # what is told
    ("Job.documentSource", "member"): "rest puts it beside the job, as DescribeJobResponse has it",
    ("Job.processingTargets", "member"): "rest puts it into jobProcessDetails",
    ("JobProcessDetails.processingTargets", "member"): "rest puts it there",
    ("JobExecutionStatusDetails", "type"): "a map whose one key is detailsMap",
}
"""(botocore's shape, what) → why we differ."""

OWN_ERRORS: dict[str, str] = {
    "UnknownOperationException": "what AWS's REST-JSON services answer before any operation",
    "InternalFailureException": "modelled on the control plane only; 500 on both",
}
"""Errors that a model does not have."""


def found() -> set[Difference]:
    """Every difference there is."""
    told = [differences(kind, shape, SHAPES, told=True) for kind, shape in TOLD]
    told += [differences(kind, shape, DATA["shapes"], told=True) for kind, shape in ANSWERED]
    asked = [differences(kind, shape, SHAPES) for kind, shape in EXACT]
    asked += [differences(kind, shape, DATA["shapes"]) for kind, shape in ASKED]
    return set().union(*told, *asked)


def meant(difference: Difference) -> bool:
    return (difference.shape, difference.kind) in DEVIATIONS


def unmeant(kinds: set[str], differing: set[Difference]) -> list[Difference]:
    return [one for one in differing if one.kind in kinds and not meant(one)]


def name(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("kind", "shape"), EXACT + ASKED, ids=name)
def test_a_request_has_botocores_members(kind: type[msgspec.Struct], shape: str) -> None:
    shapes = DATA["shapes"] if (kind, shape) in ASKED else SHAPES
    assert unmeant({"member", "required", "type"}, differences(kind, shape, shapes)) == []


@pytest.mark.parametrize(("kind", "shape"), EXACT + ASKED, ids=name)
def test_bounds_patterns_and_enums_are_botocores(kind: type[msgspec.Struct], shape: str) -> None:
    shapes = DATA["shapes"] if (kind, shape) in ASKED else SHAPES
    assert unmeant({"min", "max", "pattern", "enum"}, differences(kind, shape, shapes)) == []


@pytest.mark.parametrize(("kind", "shape"), TOLD, ids=name)
def test_a_description_has_botocores_members(kind: type[msgspec.Struct], shape: str) -> None:
    differing = differences(kind, shape, SHAPES, told=True)
    assert [one for one in differing if not meant(one)] == []


@pytest.mark.parametrize(("kind", "shape"), ANSWERED, ids=name)
def test_what_the_data_plane_answers_is_botocores(kind: type[msgspec.Struct], shape: str) -> None:
    assert differences(kind, shape, DATA["shapes"], told=True) == set()


def test_what_jobs_are_told_with_is_all_there() -> None:
    told = {field.encode_name for field in msgspec.structs.fields(d.JobDescription)}
    assert set(SHAPES["Job"]["members"]) <= told


def test_no_deviation_is_listed_that_is_none() -> None:
    assert set(DEVIATIONS) == {(one.shape, one.kind) for one in found()} & set(DEVIATIONS)


def test_what_re_cannot_say_is_checked_all_the_same() -> None:
    """Each member whose pattern we do not have refuses what that pattern refuses."""
    control: list[tuple[type[msgspec.Struct], dict[str, Any]]] = [
        (m.UpdateJobExecutionRequest, {"status": "FAILED", "statusDetails": {"k": "\u0007"}}),
        (m.StartNextPendingJobExecutionRequest, {"statusDetails": {"k": "\u200b"}}),
        (m.CancelJobExecutionRequest, {"statusDetails": {"k": "\ue000"}}),
        (m.CreateJobRequest, {"targets": ["x"], "description": "\u0007"}),
        (m.CreateJobRequest, {"targets": ["x"], "documentParameters": {"k": "\u0007"}}),
        (m.CreateJobRequest, {"targets": ["x"], "tags": [{"Key": "a*b"}]}),
        (m.UpdateJobRequest, {"description": "\u0007"}),
        (m.CancelJobRequest, {"comment": "\u0007"}),
        (m.CancelJobRequest, {"reasonCode": "\u00c4"}),
        (m.AssociateTargetsWithJobRequest, {"targets": ["x"], "comment": "\u0007"}),
        (t.CreateJobTemplateRequest, {"description": "\u0007"}),
        (r.ThingTypeProperties, {"thingTypeDescription": "\u0007"}),
        (r.ThingGroupProperties, {"thingGroupDescription": "\u0007"}),
    ]
    for kind, members in control:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(members, kind)


def test_names_are_checked_as_botocore_says() -> None:
    for shapes, things in ((SHAPES, "ThingName"), (DATA["shapes"], "ThingName")):
        for shape, ours in ((things, THING_NAME), ("JobId", JOB_ID)):
            theirs = shapes[shape]
            alphabet = theirs["pattern"].removesuffix("+")
            assert ours.pattern == f"{alphabet}{{{theirs['min']},{theirs['max']}}}"
    assert DATA["shapes"]["DescribeJobExecutionJobId"]["pattern"].endswith("|^\\$next")
    for longer in ("a" * 129, "a" * 65):
        assert not (THING_NAME if len(longer) > 128 else JOB_ID).fullmatch(longer)
    assert not re.fullmatch(JOB_ID, "a\n")


def test_words_are_botocores() -> None:
    assert set(STATUSES) == set(SHAPES["JobExecutionStatus"]["enum"])
    assert set(STATUSES) == set(DATA["shapes"]["JobExecutionStatus"]["enum"])
    assert set(JOB_STATUSES) == set(SHAPES["JobStatus"]["enum"])
    assert set(EVENT_TYPES) == set(SHAPES["EventType"]["enum"])
    limit = SHAPES["LaserMaxResults"]
    assert (limit["min"], limit["max"]) == (1, MAX_RESULTS)


def rejections(kind: type[errors.Rejection] = errors.Rejection) -> list[type[errors.Rejection]]:
    return [kind, *(more for child in kind.__subclasses__() for more in rejections(child))]


def statuses(name: str, of: Model) -> set[int]:
    shape = of["shapes"].get(name)
    return set() if shape is None else {shape["error"]["httpStatusCode"]}


def test_error_codes_are_botocores() -> None:
    """What is raised on one plane only is held to its model, all else to both."""
    for kind in rejections():
        modelled = {
            "data": statuses(kind.http_error, DATA),
            "iot": statuses(kind.http_error, CONTROL),
        }
        if kind is errors.RequestThrottled:
            assert modelled["data"] == {kind.http_status}
        elif kind is errors.ControlPlaneThrottled:
            assert modelled["iot"] == {kind.http_status}
        elif kind.http_error in OWN_ERRORS and not modelled["iot"]:
            assert not modelled["data"]
        else:
            assert modelled["data"] | modelled["iot"] == {kind.http_status}, kind
    ours = {kind.http_error for kind in rejections()}
    assert set(OWN_ERRORS) <= ours


def test_the_errors_of_the_data_plane_are_all_there() -> None:
    """Every error that a jobs operation of the data plane has is raised, or absent by name."""
    absent = {"ServiceUnavailableException", "CertificateValidationException"}
    modelled = {
        error["shape"]
        for operation, inner in DATA["operations"].items()
        if "JobExecution" in operation
        for error in inner["errors"]
    }
    assert modelled - {kind.http_error for kind in rejections()} == absent
