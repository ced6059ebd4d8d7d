"""What HTTP load is played on: a service, a fleet that is registered, one job for it.

Locust's HTTP users are no simulated things, they only bear a thing's name: so there is neither a
run directory nor a verdict here. Of a scenario they take the things and the (first) job.

Rule 1: without a host the service is embedded, and ends with the test.
Rule 2: what the users of other processes need to know is in ``told``, as plain values.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

from simulator.behaviour import EVERYTHING
from simulator.embedded import EmbeddedService
from simulator.errors import UsageError
from simulator.owner import Owner
from simulator.ports import is_loopback
from simulator.run import Resolved, group_of
from simulator.scenario import dump, load, loads
from simulator.targets import Target
from simulator.today import utc_now

PLAIN: Final = """\
fleet:
  - cohort: http
    things: 10
    work: {duration: 0s}
job: {jobId: http-load, document: {operation: http-load}}
"""
"""A fleet without a story, where no scenario is asked for."""


def resolve(scenario: str | None, seed: int | None, things: int | None) -> Resolved:
    """A scenario file, or ``PLAIN``, with its size settled.

    Raises:
        JobfleetError: something is wrong with it.
    """
    loaded = loads(PLAIN, "http") if scenario is None else load(Path(scenario))
    first = loaded.scenario.jobs()[0]
    if first.targets != EVERYTHING:
        raise UsageError(
            f"{scenario}: job {first.job_id} is for a part of the things; load over HTTP needs a "
            "first job without where and share"
        )
    return Resolved.of(loaded, seed, things)


def check_host(host: str, owned: str | None, time_scale: float) -> tuple[str, int]:
    """Host and port of ``http://HOST:PORT``.

    Raises:
        UsageError: it is no such address, it is somebody else's, or its timers cannot be scaled.
    """
    try:
        url = urlsplit(host)
        name, port = url.hostname, url.port or 80
    except ValueError:
        name = None
    if not name or url.scheme != "http" or url.path.strip("/"):
        raise UsageError(
            f"--host {host}: write http://HOST:PORT; for TLS, AWS included, see jobfleet run"
        )
    if not is_loopback(name) and owned != name:
        raise UsageError(
            f"--host {host} is not this machine; say --i-own-this-target {name} if it is yours"
        )
    if time_scale != 1:
        raise UsageError(
            f"load.time_scale is {time_scale:g}: the timers of a target that is not embedded run "
            "in real time; set it to 1, or leave out --host"
        )
    return name, port


class Stage:
    """One test's service, fleet and job."""

    def __init__(
        self,
        resolved: Resolved,
        address: tuple[str, int] | None,
        *,
        users: int,
        workers: int,
        with_job: bool,
    ) -> None:
        """Start or find the service, register the things, create the job.

        ``workers`` is how many processes the users are spread over.

        Raises:
            JobfleetError: any of it is not possible.
        """
        scenario = resolved.scenario
        first = scenario.job_ids[0]
        job_id, embedded = first, address is None
        self.service: EmbeddedService | None = None
        if address is None:
            with TemporaryDirectory() as directory:
                file = Path(directory) / "scenario.yaml"
                file.write_text(dump(scenario), encoding="utf-8")
                self.service = EmbeddedService(file, scenario.load.time_scale, scenario.quotas)
            where = self.service.addresses
            address = where.host, where.http
        else:  # where other tests may have been before
            job_id = f"{first}-{int(utc_now().timestamp())}"
        self.host = f"http://{address[0]}:{address[1]}"
        names = resolved.work().names()
        try:
            owner = Owner(Target("http", *address))
            group = group_of(job_id)
            owner.register(group, names, ours=embedded)
            target = owner.group_arn(group, names[0])
            if with_job:
                owner.create_job(job_id, scenario.create_job_request(target, first))
            owner.close()
        except BaseException:
            self.close()
            raise
        fleet = [[part.name, part.things] for part in scenario.cohorts()]
        self.told: dict[str, Any] = {
            "job": job_id, "target": target, "fleet": fleet, "seed": resolved.seed,
            "users": users, "workers": workers,
        }  # fmt: skip

    def close(self) -> None:
        """End the service, if it is ours."""
        if self.service is not None:
            self.service.stop()


def size(fleet: Sequence[Sequence[Any]]) -> int:
    """How many things there are."""
    return sum(things for _, things in fleet)


def name_of(fleet: Sequence[Sequence[Any]], index: int) -> str:
    """A user's thing: where there are more users than things, several have the same."""
    index %= size(fleet)
    for cohort, things in fleet:
        if index < things:
            return f"{cohort}-{index:06d}"
        index -= things
    raise AssertionError
