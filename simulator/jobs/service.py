"""``JobsService``: both planes of AWS IoT Jobs over one ledger, a pure state machine.

Commands in, effects out, time handed in: ``service.<operation>(…, now)`` answers and leaves in
``service.effects`` what must be told; ``service.next_deadline()`` says when the next timer or
rollout batch is due and ``service.expire(now, limit)`` does at most so many steps of it.
No IO, no clock, no chance. The house from the ground up: ``board`` (what waits for each thing),
``ledger`` (what follows when an execution changes), ``lifecycle`` (what a job does as time passes),
``enrolment`` (what a registry change means for jobs), ``templates``, ``control_plane``,
``listings``; beside them, on the ledger, ``data_plane``.
"""

from typing import Literal

from simulator.jobs.data_plane import DataPlane
from simulator.jobs.execution import AWS, Dialect
from simulator.jobs.listings import Listings
from simulator.jobs.quotas import Quotas
from simulator.jobs.registry import Registry
from simulator.jobs.settings import Documents, Settings


class JobsService(DataPlane, Listings):
    """One account's Jobs service in one region."""

    def __init__(
        self,
        region: str = "us-east-1",
        account: str = "123456789012",
        *,
        dialect: Dialect = AWS,
        epoch: float = 0.0,
        documents: Documents | None = None,
        quotas: Literal["aws"] | None = None,
        notify: bool = True,
    ) -> None:
        """A service without things and jobs.

        Args:
            region: stands in every ARN.
            account: stands in every ARN.
            dialect: whom it believes where AWS's pages disagree (``execution.py``).
            epoch: the Unix time at which elapsed time is 0: schedules and signatures need it.
            documents: reads the text behind a ``documentSource`` and raises InvalidRequest where
                it cannot; without it every documentSource is refused.
            quotas: ``"aws"`` throttles and limits as AWS does by default.
            notify: False where nobody hears ``jobs/notify``: then it is not told at all.
        """
        limits = Quotas() if quotas == "aws" else None
        settings = Settings(dialect, epoch, documents, limits, notify)
        super().__init__(Registry(region, account), settings)
