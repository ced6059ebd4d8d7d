"""Both doors of one service: what is done through one of them is told through the other."""

from simulator.mqtt import Connack, Pingreq, Pingresp, Publish, Suback, Subscribe, encode
from tests.conformance.doors import client
from tests.doors_in_thread import Raw, served

JOBS = "$aws/things/T/jobs"


def test_a_change_over_http_is_told_over_mqtt() -> None:
    with served() as up, Raw(up.addresses.mqtt) as raw:
        filters = ((f"{JOBS}/notify", 0), (f"{JOBS}/notify-next", 0), (f"{JOBS}/+/+/+", 0))
        greeted = raw.mqtt("listener", Subscribe(1, filters), answers=2)
        assert [type(packet) for packet in greeted] == [Connack, Suback]
        iot = client("iot", up.addresses.http)
        devices = client("iot-jobs-data", up.addresses.http)
        target = iot.describe_thing(thingName="T")["thingArn"]
        iot.create_job(jobId="J", targets=[target], document="{}")
        devices.start_next_pending_job_execution(thingName="T")
        devices.update_job_execution(thingName="T", jobId="J", status="SUCCEEDED")
        raw.send(encode(Pingreq()))
        *told, last = raw.packets(5)
        assert last == Pingresp()
        topics = [packet.topic for packet in told if isinstance(packet, Publish)]
        # joined, next; the start is silent; left, nothing next; and no reply to what came over HTTP
        assert topics == [f"{JOBS}/notify", f"{JOBS}/notify-next"] * 2
