"""The data plane of an account over MQTT: AWS's own client, WebSocket, signed by SigV4."""

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec
from awscrt import auth, mqtt
from awsiot import mqtt_connection_builder

from simulator.jobs.messages import DataReply, DataRequest, JobExecutionSummary, Notify
from simulator.jobs.wire import Wire, encode_request, reply_filters, request_topic
from tests.conformance.doors import THING

if TYPE_CHECKING:
    from tests.conformance.account import AccountWorld

WAIT_S = 30.0
WIRE = Wire(0)


class MqttDoor:
    """One connection, of the world's thing."""

    def __init__(self, world: "AccountWorld") -> None:
        account = world.account
        where = account.mqtt
        if where is None:
            told = account.clients["iot"].describe_endpoint(endpointType="iot:Data-ATS")
            where = (told["endpointAddress"], 443)
        self._world = world
        self._thing = world.name(THING)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, tuple[type[DataRequest], asyncio.Future[DataReply]]] = {}
        self._asked = 0
        self._connection = mqtt_connection_builder.websockets_with_default_aws_signing(
            endpoint=where[0],
            port=where[1],
            region=account.region,
            credentials_provider=auth.AwsCredentialsProvider.new_default_chain(),
            ca_filepath=account.ca_file,
            client_id=self._thing,
        )

    async def open(self) -> None:
        """Connect, and subscribe to all that the thing hears."""
        await self._done(self._connection.connect())
        notify = f"$aws/things/{self._thing}/jobs/notify"
        for topic in (*reply_filters(self._thing), notify):
            future, _ = self._connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, self._came)
            await self._done(future)

    async def close(self) -> None:
        """Say goodbye."""
        await self._done(self._connection.disconnect())

    async def call(self, job_id: str | None, request: DataRequest) -> DataReply:
        """Ask, and wait for the answer with our token."""
        self._asked += 1
        token = f"{self._thing}-{self._asked}"
        answer: asyncio.Future[DataReply] = self._loop.create_future()
        self._waiting[token] = (type(request), answer)
        asked = msgspec.structs.replace(request, client_token=token)
        topic = request_topic(self._thing, job_id, type(request))
        sent, _ = self._connection.publish(topic, encode_request(asked), mqtt.QoS.AT_LEAST_ONCE)
        await self._done(sent)
        try:
            async with asyncio.timeout(WAIT_S):
                return await answer
        finally:
            del self._waiting[token]

    async def _done(self, future: "Future[Any]") -> None:
        async with asyncio.timeout(WAIT_S):
            await asyncio.wrap_future(future)

    def _came(self, topic: str, payload: bytes, **_: Any) -> None:
        """A message, on a thread of the client's."""
        self._loop.call_soon_threadsafe(self._message, topic, payload)

    def _message(self, topic: str, payload: bytes) -> None:
        last = topic.rpartition("/")[2]
        if last == "notify-next":
            notice = WIRE.decode_notify_next(self._thing, payload)
            short = self._world._short(msgspec.to_builtins(notice))
            self._world.listener.notified(msgspec.convert(short, type(notice)))
        elif last == "notify":
            jobs = msgspec.json.decode(payload)["jobs"]
            lists = [
                msgspec.convert(jobs.get(status, []), list[JobExecutionSummary])
                for status in ("IN_PROGRESS", "QUEUED")
            ]
            self._world.noticed(Notify(self._thing, *lists))
        else:
            self._answered(last, payload)

    def _answered(self, last: str, payload: bytes) -> None:
        token = msgspec.json.decode(payload).get("clientToken")
        kind, answer = self._waiting.get(token, (None, None))
        if kind is None or answer is None or answer.done():
            return
        if last == "accepted":
            answer.set_result(WIRE.decode_accepted(kind, self._thing, payload)[1])
        else:
            answer.set_exception(WIRE.decode_rejected(payload))
