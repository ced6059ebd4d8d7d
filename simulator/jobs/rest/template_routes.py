"""Job templates and managed job templates (botocore ``iot`` 2015-05-28)."""

from simulator.jobs.paging import page
from simulator.jobs.rest.call import Call, Members, members_of, with_token
from simulator.jobs.rest.routes import Route
from simulator.jobs.template_messages import CreateJobTemplateRequest


def _create(call: Call) -> Members:
    request = call.body(CreateJobTemplateRequest)
    reply = call.service.create_job_template(
        call.names[0], request, call.now, call.request.document
    )
    if request.tags:
        call.service.tags.tag(reply.job_template_arn, request.tags)
    return members_of(reply)


def _describe(call: Call) -> Members:
    return call.stamped(members_of(call.service.describe_job_template(call.names[0])))


def _delete(call: Call) -> Members:
    call.service.delete_job_template(call.names[0])
    call.service.tags.forget(call.service.registry.template_arn(call.names[0]))
    return {}


def _list(call: Call) -> Members:
    found = call.service.list_job_templates(call.max_results(), call.text("nextToken"))
    rows = [call.stamped(members_of(row)) for row in found.rows]
    return with_token({"jobTemplates": rows}, found.next_token)


def _describe_managed(call: Call) -> Members:
    version = call.text("templateVersion")
    return members_of(call.service.describe_managed_job_template(call.names[0], version))


def _list_managed(call: Call) -> Members:
    wanted, managed = call.text("templateName"), call.service.managed
    names = [name for name in managed if wanted in (None, name)]
    shown, more = page("managed-templates", names, call.max_results(), call.text("nextToken"))
    rows = []
    for name in shown:
        row = members_of(managed[name])
        del row["document"], row["documentParameters"]
        rows.append(row)
    return with_token({"managedJobTemplates": rows}, more)


TEMPLATE_ROUTES = (
    Route("CreateJobTemplate", "PUT", "/job-templates/{jobTemplateId}", _create, True),
    Route("DescribeJobTemplate", "GET", "/job-templates/{jobTemplateId}", _describe, True),
    Route("DeleteJobTemplate", "DELETE", "/job-templates/{jobTemplateId}", _delete, True),
    Route("ListJobTemplates", "GET", "/job-templates", _list, True),
    Route(
        "DescribeManagedJobTemplate",
        "GET",
        "/managed-job-templates/{templateName}",
        _describe_managed,
        True,
    ),
    Route("ListManagedJobTemplates", "GET", "/managed-job-templates", _list_managed, True),
)
