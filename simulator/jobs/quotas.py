"""AWS's request quotas as token buckets, and its limits on how much there may be.

A bucket holds one second's worth and fills at its rate; time is handed in, so the same requests at
the same times are throttled the same way. Off unless the service is made with ``quotas="aws"``.

Source: GR:dm (data plane: reads 200 and writes 200 requests per second for the account; each
control-plane operation of jobs 10 per second), GR:core (connects and publishes, which the doors
count), DG:job-limits.
"""

from typing import Final

from simulator.errors import ControlPlaneThrottled, RequestThrottled

DATA_PLANE_PER_S: Final = 200
CONTROL_PLANE_PER_S: Final = 10
CONNECTS_PER_S: Final = 3000
CONNECTS_PER_CLIENT_PER_S: Final = 1
PUBLISHES_PER_CONNECTION_PER_S: Final = 100
"""Each way."""
PUBLISHES_PER_S: Final = 20_000
"""Each way, over all connections of the account."""
ACTIVE_JOBS: Final = 100_000
"""Jobs IN_PROGRESS and SCHEDULED."""
CONCURRENT_JOBS: Final = 500
"""Jobs that are rolling out."""
TEMPLATES: Final = 100


class Bucket:
    """So many requests a second, a second's worth at once."""

    __slots__ = ("_at", "_left", "_per_s")

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._left = float(per_s)
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        if now > self._at:
            self._left = min(self._per_s, self._left + (now - self._at) * self._per_s)
            self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Quotas:
    """The buckets of one account in one region."""

    def __init__(self) -> None:
        self._reads = Bucket(DATA_PLANE_PER_S)
        self._writes = Bucket(DATA_PLANE_PER_S)
        self._operations: dict[str, Bucket] = {}

    def read(self, now: float) -> None:
        """One DescribeJobExecution or GetPendingJobExecutions; raises RequestThrottled."""
        if not self._reads.take(now):
            raise RequestThrottled(f"Rate exceeded: {DATA_PLANE_PER_S} reads per second")

    def write(self, now: float) -> None:
        """One StartNext or UpdateJobExecution; raises RequestThrottled."""
        if not self._writes.take(now):
            raise RequestThrottled(f"Rate exceeded: {DATA_PLANE_PER_S} writes per second")

    def operation(self, name: str, now: float) -> None:
        """One request to a control-plane operation; raises ControlPlaneThrottled."""
        bucket = self._operations.get(name)
        if bucket is None:
            bucket = self._operations[name] = Bucket(CONTROL_PLANE_PER_S)
        if not bucket.take(now):
            raise ControlPlaneThrottled(
                f"Rate exceeded: {CONTROL_PLANE_PER_S} {name} requests per second"
            )
