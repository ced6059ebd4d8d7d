"""AWS's longest in-progress timeout, seven days, waited for in no time.

``next_deadline`` says when something is due and ``expire`` does it; between the two nothing
happens, so a program may jump from one to the next.
"""

from simulator.jobs import JobsService
from simulator.jobs.configuration import TimeoutConfig
from simulator.jobs.messages import CreateJobRequest, StartNextPendingJobExecutionRequest

DAY = 86_400.0
service = JobsService()
service.registry.create_thing("probe")
service.create_job(
    "patience",
    CreateJobRequest(
        ["arn:aws:iot:us-east-1:123456789012:thing/probe"],
        document="{}",
        timeout_config=TimeoutConfig(7 * 24 * 60),
    ),
    now=0.0,
)
service.expire(now=0.0)
service.start_next_pending_job_execution("probe", StartNextPendingJobExecutionRequest(), now=60.0)

for now in (60.0 + 7 * DAY - 1, 60.0 + 7 * DAY):
    service.expire(now)
    execution = service.execution("probe", "patience")
    print(f"after {now - 60:,.0f} s at work: {execution.status}")
print("next deadline:", service.next_deadline())
print("job:", service.describe_job("patience").status)
