"""What a thing's own clock says, in its reports and nowhere else."""

import asyncio

from simulator.behaviour import Distribution
from simulator.clock import VirtualLoop
from simulator.jobs.messages import UpdateJobExecutionRequest
from simulator.transports.stamped import REPORTED_AT, StampedLink
from tests.transports.test_lossy import Door, Silent, begun, virtually
from tests.transports.test_weather import Told, under

EPOCH = 1_000_000.0


def test_reports_carry_the_time_that_the_thing_believes_it_is() -> None:
    async def main(loop: VirtualLoop) -> None:
        door = Door(loop)
        await begun(door)
        skewed = under(loop, EPOCH, clock_skew=Distribution("constant", 90.0))
        link = skewed.around(0, Told(), door.link)
        await link.connect()
        await asyncio.sleep(10.0 - loop.time())
        request = UpdateJobExecutionRequest("IN_PROGRESS", {"step": "1"})
        await link.call("j", request, 20.0)
        execution = door.host.service.job("j").executions[0]
        details = execution.status_details or {}
        assert abs(int(details[REPORTED_AT]) - (EPOCH + 30)) == 90
        assert details["step"] == "1"
        assert execution.last_updated_at == 30.2  # the service's clock is its own
        await link.call("j", request)  # the same report again: it was made when it was made
        assert execution.status_details == details

    virtually(main)


def test_a_thing_whose_clock_is_right_reports_no_time() -> None:
    async def main(loop: VirtualLoop) -> None:
        assert not isinstance(under(loop).around(0, Told(), Door(loop).link), StampedLink)
        link = StampedLink(Door(loop).link(Silent()), loop.time, 1.0)
        await link.connect()
        link.fault = 3
        assert (link.connected, link.fault) == (True, 3)
        link.close()
        assert not link.connected

    virtually(main)
