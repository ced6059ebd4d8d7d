r"""The control plane: CreateJob, DescribeJob, ListJobExecutionsForJob and CancelJob, mixed.

    locust -f locustfiles/control_plane.py --headless -u 10 -r 10 -t 15s

Each job targets a group of 100 things (``--things``). ``--tags read`` only looks, at the one job
that each user makes; ``--tags write`` only creates and cancels. All are canceled at the end.
"""

from locust import tag, task

from simulator.locust_control_plane import JobOwner


class FleetOwner(JobOwner):
    """Looks more often than it writes."""

    @tag("write")
    @task(2)
    def new(self) -> None:
        """CreateJob."""
        self.create()

    @tag("read")
    @task(10)
    def look(self) -> None:
        """DescribeJob."""
        self.describe()

    @tag("read")
    @task(5)
    def page(self) -> None:
        """ListJobExecutionsForJob."""
        self.list_executions()

    @tag("write")
    @task(1)
    def call_off(self) -> None:
        """CancelJob."""
        self.cancel()
