"""Agents' policies over real MQTT: the same things, several jobs, second agents, lists."""

import asyncio
from collections import Counter
from pathlib import Path

from simulator import results
from simulator.endpoints.mqtt import MqttEndpoint
from simulator.fleet import Fleet
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.wire import Wire
from simulator.ports import bind
from simulator.results import Recorder
from simulator.run import Resolved, rehearse
from simulator.scenario import loads
from simulator.thing import Thing
from simulator.transports.mqtt import MqttLink, MqttNetwork
from simulator.world import Link

SCENARIO = """\
fleet:
  - {cohort: several, things: 4, work: {duration: 90s, steps: 3}, agent: {parallel: 2}}
  - {cohort: doubled, things: 3, work: {duration: 90s, steps: 3}, agent: {second: 100%}}
  - {cohort: polling, things: 3, work: {duration: 90s, steps: 3},
     agent: {start: polling, poll_every: 1m}}
  - {cohort: told, things: 3, work: {duration: 90s, steps: 3}, agent: {start: notify-next},
     outcome: {vanish: {share: 100%, away: 1m}}}
jobs:
  - create: {jobId: one, document: {}}
  - {create: {jobId: two, document: {}}, at: 60s, where: {cohort: [several, polling]}}
load: {until: 1h, time_scale: 120}
"""


def counts(records: results.Records) -> Counter[tuple[int, str]]:
    """Accepted updates by job and cohort."""
    updates = records[
        (records["operation"] == results.UPDATE) & (records["outcome"] == results.ACCEPTED)
    ]
    cohorts = ["several"] * 4 + ["doubled"] * 3 + ["polling"] * 3 + ["told"] * 3
    return Counter((int(row["job"]), cohorts[row["thing"]]) for row in updates)


def test_a_live_fleet_does_what_a_rehearsed_one_does() -> None:
    """But for two agents on one thing: who of them is first depends on the moment."""
    resolved = Resolved.of(loads(SCENARIO, str(Path("s.yaml"))), None, None)
    rehearsed = rehearse(resolved)
    assert rehearsed.summary.executions == {"SUCCEEDED": 20}

    async def run() -> results.Records:
        loop = asyncio.get_running_loop()
        scenario, recorder = resolved.scenario, Recorder()
        host, wire = Host(JobsService(), loop, time_scale=120), Wire(scenario.epoch_s)
        listening = bind("127.0.0.1", 0, "--port")
        door = MqttEndpoint(host, wire)
        port = listening.getsockname()[1]
        await door.start(listening)
        world = resolved.world(loop, loop.time, recorder, time_scale=120)
        network = MqttNetwork("127.0.0.1", port, wire)

        def make_link(_index: int, name: str, thing: Thing) -> Link:
            return MqttLink(network, name, thing, thing.ways)

        fleet = Fleet(world.work.names(), world, make_link)
        over: asyncio.Future[str] = loop.create_future()
        campaign = resolved.campaign(host, world.work, over.set_result)
        campaign.start(loop)
        for index in range(13):
            fleet.start(index)
        assert await asyncio.wait_for(over, 20) == "job completed"
        await fleet.settle(5.0, poll=0.05)  # the last reply is under way
        fleet.stop()
        await network.close()
        await door.stop()
        campaign.close()
        host.close()
        return recorder.records()

    lived = asyncio.run(run())
    seen, expected = counts(lived), counts(rehearsed.records)
    for key in [key for key in expected if key[1] != "doubled"]:
        assert seen[key] == expected[key], key
    causes = {int(row["cause"]) for row in lived if row["cause"]}
    assert causes == {results.SECOND_WRITER}
