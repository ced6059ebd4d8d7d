"""A fleet over real MQTT whose service goes away and comes back."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from simulator import results
from simulator.endpoints.mqtt import MqttEndpoint
from simulator.fleet import Fleet
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.wire import Wire
from simulator.ports import bind
from simulator.results import Recorder
from simulator.run import Resolved, create_job_request, register
from simulator.scenario import loads
from simulator.thing import Thing
from simulator.transports.mqtt import MqttLink, MqttNetwork
from simulator.world import Link

SCENARIO = """\
fleet:
  - cohort: g
    things: 30
    work: {duration: 60s, steps: 6}
network: {backoff: {base: 20ms, maximum: 100ms}}
job: {document: {}}
"""


async def reached(goal: Callable[[], bool]) -> None:
    for _ in range(2000):
        if goal():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not reached within 20 s")


def test_things_reconnect_and_resume_where_they_were() -> None:
    """The door closes on everyone in the middle of the work, and opens again on the same port."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        resolved = Resolved.of(loads(SCENARIO, str(Path("s.yaml"))), None, None)
        scenario, recorder = resolved.scenario, Recorder()
        host, wire = Host(JobsService(), loop, time_scale=60), Wire(scenario.epoch_s)
        listening = bind("127.0.0.1", 0, "--port")
        port = listening.getsockname()[1]
        door = MqttEndpoint(host, wire)
        await door.start(listening)
        world = resolved.world(loop, loop.time, recorder, time_scale=60)
        network = MqttNetwork("127.0.0.1", port, wire)

        def make_link(index: int, name: str, thing: Thing) -> Link:
            return MqttLink(network, name, thing)

        fleet = Fleet(world.work.names(), world, make_link)
        target = register(host.service.registry, scenario.job_id, fleet.names)
        host.service.create_job(scenario.job_id, create_job_request(scenario, target), host.now())
        host.publish()
        job = host.service.job(scenario.job_id)
        for index in range(30):
            fleet.start(index)
        await reached(lambda: job.counts["IN_PROGRESS"] == 30)
        await asyncio.sleep(0.3)
        await door.stop()
        await asyncio.sleep(0.1)
        door = MqttEndpoint(host, wire)
        await door.start(bind("127.0.0.1", port, "--port"))
        await reached(lambda: job.status == "COMPLETED")
        assert job.counts["SUCCEEDED"] == 30
        records = recorder.records()
        connects = records[records["operation"] == results.CONNECT]
        assert (connects["outcome"] == results.ACCEPTED).sum() == 60
        described = records[records["operation"] == results.DESCRIBE]
        assert len(described) == 30
        updates = records[records["operation"] == results.UPDATE]
        # Six each. Where a reply was under way when the door closed, the same is sent again: one
        # more, or none accepted for it where its version tells the thing that it had arrived.
        assert 150 <= (updates["outcome"] == results.ACCEPTED).sum() <= 210
        fleet.stop()
        await network.close()
        await door.stop()
        host.close()

    asyncio.run(run())
