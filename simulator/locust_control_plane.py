"""Locust users of the control plane: each creates jobs, looks at them and cancels them.

Importing this imports locust. A user's jobs are its own, so that users meet only in the service.

Rule 1: a user has at most ``OPEN`` jobs that are not canceled, and none when it stops.
"""

from collections import deque
from typing import Any, Final

from simulator.locust_http import JobsUser

OPEN: Final = 5


class JobOwner(JobsUser):
    """Somebody who owns jobs for the whole fleet."""

    abstract = True
    things = 100
    with_job = False

    def on_start(self) -> None:
        """Begin with one job."""
        super().on_start()
        self.jobs: deque[str] = deque()
        self.made = 0
        self.create()

    def on_stop(self) -> None:
        """Leave nothing behind that would still roll out.

        Locust may have broken off a request: then it is not known whether it was done.
        """
        while self.jobs:
            self.cancel(allow=(400, 404))

    def create(self) -> None:
        """CreateJob for the fleet's group; with ``OPEN`` open ones, the oldest is canceled."""
        if len(self.jobs) >= OPEN:
            self.cancel()
        self.made += 1
        job = f"{self.stage['job']}-{self.index}-{self.made}"
        body: dict[str, Any] = {
            "targets": [self.stage["target"]],
            "document": '{"operation": "control-plane-load"}',
        }
        self.jobs.append(job)
        if not self.ask("CreateJob", "PUT", f"/jobs/{job}", body):
            self.jobs.pop()

    def describe(self) -> None:
        """DescribeJob of the newest."""
        if self.jobs:
            self.ask("DescribeJob", "GET", f"/jobs/{self.jobs[-1]}")

    def list_executions(self) -> None:
        """ListJobExecutionsForJob of the newest: the first page."""
        if self.jobs:
            path = f"/jobs/{self.jobs[-1]}/things?maxResults=50"
            self.ask("ListJobExecutionsForJob", "GET", path)

    def cancel(self, allow: tuple[int, ...] = ()) -> None:
        """CancelJob of the oldest."""
        if self.jobs:
            self.ask("CancelJob", "PUT", f"/jobs/{self.jobs[0]}/cancel", {}, allow)
            self.jobs.popleft()
