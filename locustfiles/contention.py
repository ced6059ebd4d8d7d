r"""N writers on one execution: the measured conflict rate beside the theoretical one.

    locust -f locustfiles/contention.py --headless -u 10 -r 100 -t 15s

Each writer thinks (0.2 s on average, ``--think``), then updates with the version it knows. At the
end it says how many conflicted, and how many should have: 72.7 % for ten writers. Why it is that
much stands in ``simulator/contention.py``. ``--things 5`` spreads them over five executions.
"""

from locust import tag, task

from simulator.locust_contention import Writer


class ContendingWriter(Writer):
    """Knows a version, thinks, writes."""

    @tag("update")
    @task
    def write(self) -> None:
        """UpdateJobExecution; refused, it asks for the version and thinks again."""
        self.update()
