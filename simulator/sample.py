"""The job of the AWS CLI page's example, so that the example can be tried at once.

``SampleJob`` waits on ``MotionSensor1`` at version 2, hence IN_PROGRESS: whatever the example
makes of it has version 3, as the page prints.
"""

from typing import Final

from simulator.jobs import JobsService
from simulator.jobs.messages import CreateJobRequest, StartNextPendingJobExecutionRequest

THING: Final = "MotionSensor1"
JOB: Final = "SampleJob"
DOCUMENT: Final = '{"operation":"sample"}'


def create_sample(service: JobsService, now: float = 0.0) -> None:
    """Register the thing, create the job and start its execution."""
    registry = service.registry
    registry.create_thing(THING)
    service.create_job(JOB, CreateJobRequest([registry.thing_arn(THING)], DOCUMENT), now)
    service.expire(now)
    service.start_next_pending_job_execution(THING, StartNextPendingJobExecutionRequest(), now)
