"""The Jobs service without network or clock: a job, its execution, and a version conflict.

Time is handed in as seconds since the service began; what is to be told to things and to whoever
listens to job events lies in ``service.effects`` afterwards.
"""

from simulator.errors import VersionMismatch
from simulator.jobs import JobsService
from simulator.jobs.messages import (
    CreateJobRequest,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)

service = JobsService(epoch=1_767_225_600)  # the wire's time: 2026-01-01T00:00:00Z
service.registry.create_thing("gateway-1")
request = CreateJobRequest(
    ["arn:aws:iot:us-east-1:123456789012:thing/gateway-1"], document='{"operation": "blink"}'
)
print("created:", service.create_job("blink", request, now=0.0).job_arn)
while service.expire(now=0.0):  # what is due: the rollout to its targets
    pass

started = service.start_next_pending_job_execution(
    "gateway-1", StartNextPendingJobExecutionRequest(), now=2.0
).execution
assert started is not None
print(f"started: {started.status}, version {started.version_number}: {started.job_document}")

half = UpdateJobExecutionRequest("IN_PROGRESS", {"done": "half"}, expected_version=2)
service.update_job_execution("gateway-1", "blink", half, now=5.0)
try:
    service.update_job_execution("gateway-1", "blink", half, now=6.0)
except VersionMismatch as refused:
    print("refused:", refused.message)
    print("it stands at:", refused.execution_state)

done = UpdateJobExecutionRequest("SUCCEEDED", expected_version=3)
service.update_job_execution("gateway-1", "blink", done, now=9.0)
print("job:", service.describe_job("blink").status)
for effect in service.effects:
    print("effect:", type(effect).__name__)
