"""``JobsService``: both planes of AWS IoT Jobs over one ledger, a pure state machine.

Commands in, effects out, time handed in: ``service.<operation>(…, now)`` answers and leaves in
``service.effects`` what must be told; ``service.next_deadline()`` says when the next timer or
rollout batch is due and ``service.expire(now, limit)`` does at most so many steps of it.
No IO, no clock, no chance.
"""

from simulator.jobs.control_plane import ControlPlane
from simulator.jobs.data_plane import DataPlane
from simulator.jobs.execution import AWS, Dialect
from simulator.jobs.registry import Registry


class JobsService(DataPlane, ControlPlane):
    """One account's Jobs service in one region.

    ``dialect`` says whom it believes where AWS's pages disagree (``execution.py``).
    """

    def __init__(
        self,
        region: str = "us-east-1",
        account: str = "123456789012",
        dialect: Dialect = AWS,
    ) -> None:
        super().__init__(Registry(region, account), dialect)
