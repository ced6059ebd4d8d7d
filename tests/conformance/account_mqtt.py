"""The data plane of an account over MQTT: AWS's own client, WebSocket, signed by SigV4.

``MqttDoor`` is a thing's link, as the other doors; ``RawAccount`` and ``RawAccountClient`` stand
where ``tests/raw_mqtt.py`` has a service and its clients: payloads as they are.
"""

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec
from awscrt import auth, mqtt
from awsiot import mqtt_connection_builder

from simulator.jobs.messages import DataReply, DataRequest, JobExecutionSummary, Notify
from simulator.jobs.topics import reply_filters, request_topic
from simulator.jobs.wire import Wire, encode_request
from simulator.run import utc_now
from tests.conformance.doors import THING

if TYPE_CHECKING:
    from tests.conformance.account import AccountWorld

WAIT_S = 30.0
WIRE = Wire(0)


def connection(world: "AccountWorld", client_id: str) -> mqtt.Connection:
    """A connection that is not open yet."""
    account = world.account
    where = account.mqtt
    if where is None:
        told = account.clients["iot"].describe_endpoint(endpointType="iot:Data-ATS")
        where = (told["endpointAddress"], 443)
    return mqtt_connection_builder.websockets_with_default_aws_signing(
        endpoint=where[0],
        port=where[1],
        region=account.region,
        credentials_provider=auth.AwsCredentialsProvider.new_default_chain(),
        ca_filepath=account.ca_file,
        client_id=client_id,
    )


async def done(future: "Future[Any]") -> Any:
    """What AWS's client promised."""
    async with asyncio.timeout(WAIT_S):
        return await asyncio.wrap_future(future)


class MqttDoor:
    """One connection, of the world's thing."""

    def __init__(self, world: "AccountWorld") -> None:
        self._world = world
        self._thing = world.name(THING)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, tuple[type[DataRequest], asyncio.Future[DataReply]]] = {}
        self._asked = 0
        self._connection = connection(world, self._thing)

    async def open(self) -> None:
        """Connect, and subscribe to all that the thing hears."""
        await done(self._connection.connect())
        notify = f"$aws/things/{self._thing}/jobs/notify"
        for topic in (*reply_filters(self._thing), notify):
            future, _ = self._connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, self._came)
            await done(future)

    async def close(self) -> None:
        """Say goodbye."""
        await done(self._connection.disconnect())

    async def call(self, job_id: str | None, request: DataRequest) -> DataReply:
        """Ask, and wait for the answer with our token."""
        self._asked += 1
        token = f"{self._thing}-{self._asked}"
        answer: asyncio.Future[DataReply] = self._loop.create_future()
        self._waiting[token] = (type(request), answer)
        asked = msgspec.structs.replace(request, client_token=token)
        topic = request_topic(self._thing, job_id, type(request))
        sent, _ = self._connection.publish(topic, encode_request(asked), mqtt.QoS.AT_LEAST_ONCE)
        await done(sent)
        try:
            async with asyncio.timeout(WAIT_S):
                return await answer
        finally:
            del self._waiting[token]

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


class RawAccountClient:
    """One connection: JSON out, topic and JSON in."""

    def __init__(self, world: "AccountWorld", client_id: str) -> None:
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.connection = connection(world, world.name(client_id))
        self.connection.on_message(self._came)

    def _came(self, topic: str, payload: bytes, **_: Any) -> None:
        self._loop.call_soon_threadsafe(self._inbox.put_nowait, (topic, payload))

    def _topic(self, short: str) -> str:
        """A topic with the names that thing and job really have."""
        parts = short.split("/")
        parts[2] = self._world.name(parts[2])
        if len(parts) > 4 and ("job", self._world.name(parts[4])) in self._world.made.names:
            parts[4] = self._world.name(parts[4])
        return "/".join(parts)

    async def subscribe(self, *filters: str) -> None:
        """Subscribe at QoS 1."""
        for name in filters:
            future, _ = self.connection.subscribe(self._topic(name), mqtt.QoS.AT_LEAST_ONCE)
            await done(future)

    def ask(self, topic: str, members: Any) -> None:
        """Publish."""
        payload = members if isinstance(members, bytes) else msgspec.json.encode(members)
        self.connection.publish(self._topic(topic), payload, mqtt.QoS.AT_LEAST_ONCE)

    async def message(self) -> tuple[str, Any]:
        """Topic and JSON of the next message."""
        async with asyncio.timeout(WAIT_S):
            topic, payload = await self._inbox.get()
        prefix = self._world.prefix
        return topic.replace(prefix, ""), msgspec.json.decode(payload.replace(prefix.encode(), b""))

    async def silent(self) -> bool:
        """Whether nothing comes for a while."""
        await self._world.quiet()
        return self._inbox.empty()


class RawAccount:
    """A thing of the account, and clients as many as a body wants."""

    def __init__(self, world: "AccountWorld") -> None:
        self._world = world
        self._clients: list[RawAccountClient] = []

    def create_job(self, job_id: str = "J", document: str = '{"a":1}') -> None:
        """A job for the thing, rolled out."""
        self._world.create_job(job_id, document=document)

    def is_now(self, timestamp: object) -> bool:
        """Whether it is whole seconds, and this very time."""
        about = utc_now().timestamp()
        return isinstance(timestamp, int) and abs(timestamp - about) < 2 * WAIT_S

    async def connect(self, client_id: str = "raw") -> RawAccountClient:
        """Another client."""
        client = RawAccountClient(self._world, client_id)
        self._clients.append(client)
        await done(client.connection.connect())
        return client

    async def close(self) -> None:
        """Say goodbye."""
        for client in self._clients:
            await done(client.connection.disconnect())
