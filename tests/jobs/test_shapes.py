"""The control plane's shapes are botocore's: each member's name, and which are required."""

from typing import Any

import msgspec
import pytest

from simulator.jobs import configuration as c
from simulator.jobs import descriptions as d
from simulator.jobs import messages as m
from simulator.jobs import registry_messages as r
from simulator.jobs import template_messages as t
from simulator.jobs.managed_templates import DocumentParameter, ManagedJobTemplate
from tests.jobs.test_registry import model

SHAPES = model("iot", "2015-05-28")["shapes"]

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
    (r.AttributePayload, "AttributePayload"),
    (r.ThingGroupProperties, "ThingGroupProperties"),
]
"""Requests and configurations: every member in the body, and only those."""

PART: list[tuple[type[msgspec.Struct], str, set[str]]] = [
    (d.JobDescription, "Job", {"processingTargets", "documentSource"}),
    (d.JobSummary, "JobSummary", set()),
    (d.ControlExecution, "JobExecution", set()),
    (d.ScheduledJobRollout, "ScheduledJobRollout", set()),
    (m.CreateJobReply, "CreateJobResponse", set()),
    (t.JobTemplate, "DescribeJobTemplateResponse", set()),
    (t.JobTemplateSummary, "JobTemplateSummary", set()),
    (t.CreateJobTemplateReply, "CreateJobTemplateResponse", set()),
    (ManagedJobTemplate, "DescribeManagedJobTemplateResponse", set()),
    (DocumentParameter, "DocumentParameter", set()),
    (r.ThingTypeProperties, "ThingTypeProperties", set()),
]
"""What is told: members that botocore reads (but for those that stand elsewhere)."""


def body(shape: str) -> dict[str, Any]:
    """The members of a shape that are in the body."""
    members = SHAPES[shape]["members"]
    return {name: inner for name, inner in members.items() if "location" not in inner}


@pytest.mark.parametrize(("kind", "shape"), EXACT, ids=lambda value: getattr(value, "__name__", ""))
def test_a_request_has_botocores_members(kind: type[msgspec.Struct], shape: str) -> None:
    fields = msgspec.structs.fields(kind)
    assert {field.encode_name for field in fields} == set(body(shape))
    required = set(SHAPES[shape].get("required", ())) & set(body(shape))
    assert {field.encode_name for field in fields if field.required} == required


@pytest.mark.parametrize(
    ("kind", "shape", "beside"), PART, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_description_has_botocores_members(
    kind: type[msgspec.Struct], shape: str, beside: set[str]
) -> None:
    names = {field.encode_name for field in msgspec.structs.fields(kind)}
    assert names - beside <= set(SHAPES[shape]["members"])


def test_what_jobs_are_told_with_is_all_there() -> None:
    told = {field.encode_name for field in msgspec.structs.fields(d.JobDescription)}
    assert set(SHAPES["Job"]["members"]) <= told
