"""A service with a few things in groups, and short words for what tests ask of it."""

from simulator.jobs import JobsService
from simulator.jobs.configuration import (
    AbortConfig,
    AbortCriteria,
    ExponentialRate,
    JobExecutionsRetryConfig,
    RateIncreaseCriteria,
    RetryCriteria,
)
from simulator.jobs.messages import (
    CreateJobRequest,
    UpdateJobExecutionRequest,
)

EPOCH = 1_767_225_600.0
HOUR = 3600.0


def service_with(things: int, groups: str = "g", **settings: object) -> JobsService:
    service = JobsService(epoch=EPOCH, **settings)  # type: ignore[arg-type]
    for group in groups:
        service.registry.create_thing_group(group)
    for number in range(things):
        service.registry.create_thing(f"t{number}")
        service.registry.add_thing_to_thing_group(f"t{number}", groups[0])
    return service


def create(service: JobsService, job_id: str = "J", groups: str = "g", **members: object) -> None:
    members = {"document": "{}", **members}
    targets = [service.registry.group_arn(name) for name in groups]
    service.create_job(job_id, CreateJobRequest(targets, **members), 0.0)  # type: ignore[arg-type]


def continuous(service: JobsService, job_id: str = "J", groups: str = "g", **more: object) -> None:
    create(service, job_id, groups, target_selection="CONTINUOUS", **more)


def report(service: JobsService, thing: str, status: str, now: float = 0.0) -> None:
    request = UpdateJobExecutionRequest(status)  # type: ignore[arg-type]
    service.update_job_execution(thing, "J", request, now)


def drain(service: JobsService, now: float = 0.0) -> None:
    while service.expire(now, 100):
        pass


def statuses(service: JobsService, job_id: str = "J") -> dict[str, int]:
    return {status: n for status, n in service.job(job_id).counts.items() if n}


def retry(*pairs: tuple[str, int]) -> JobExecutionsRetryConfig:
    return JobExecutionsRetryConfig(tuple(RetryCriteria(k, n) for k, n in pairs))  # type: ignore[arg-type]


def abort(*criteria: tuple[str, float, int]) -> AbortConfig:
    return AbortConfig(tuple(AbortCriteria(k, "CANCEL", p, n) for k, p, n in criteria))  # type: ignore[arg-type]


def rate(base: int, factor: float, notified: int | None, succeeded: int | None) -> ExponentialRate:
    return ExponentialRate(base, factor, RateIncreaseCriteria(notified, succeeded))
