"""A raw MQTT client for tests: packets in and out, nothing hidden."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, overload

from simulator.endpoints.mqtt import KEEP_ALIVE, MqttEndpoint
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.messages import CreateJobRequest
from simulator.jobs.wire import Wire
from simulator.mqtt import (
    V311,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
    encode,
)
from simulator.ports import bind

EPOCH = 1_767_225_600
JOBS = "$aws/things/T/jobs"


class RawClient:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, level: int = V311
    ) -> None:
        self.stream = reader
        self.writer = writer
        self.level = level
        self.packets = PacketReader("client", level=level)
        self.inbox: list[Packet] = []
        self.welcome = Connack()

    def send(self, *packets: Packet) -> None:
        self.writer.write(b"".join(encode(packet, self.level) for packet in packets))

    async def receive(self) -> Packet | None:
        """The next packet, or None at the end of the stream."""
        async with asyncio.timeout(5):
            while not self.inbox:
                data = await self.stream.read(65536)
                if not data:
                    return None
                self.inbox += self.packets.feed(data)
        return self.inbox.pop(0)

    async def published(self) -> Publish:
        """The next PUBLISH; acknowledgements on the way are passed over."""
        while True:
            packet = await self.receive()
            assert packet is not None, "the connection was closed"
            if isinstance(packet, Publish):
                return packet

    async def message(self) -> tuple[str, Any]:
        """Topic and JSON of the next message."""
        packet = await self.published()
        return packet.topic, json.loads(packet.payload)

    async def silent(self) -> bool:
        """Whether nothing but acknowledgements lies before the answer to a ping."""
        self.send(Pingreq())
        while True:
            packet = await self.receive()
            if isinstance(packet, Pingresp):
                return True
            if not isinstance(packet, Puback):
                return False

    async def subscribe(self, *filters: str, qos: int = 1) -> None:
        """Subscribe; ``qos`` may carry the options of MQTT 5."""
        assert await self.granted(*((name, qos) for name in filters)) == (qos & 3,) * len(filters)

    async def granted(self, *filters: tuple[str, int]) -> tuple[int, ...]:
        """What a SUBSCRIBE is answered."""
        self.send(Subscribe(9, filters))
        answer = await self.receive()
        assert isinstance(answer, Suback)
        return answer.return_codes

    async def unsubscribe(self, *filters: str) -> None:
        self.send(Unsubscribe(9, filters))
        assert isinstance(await self.receive(), Unsuback)

    def ask(self, topic: str, members: Any) -> None:
        payload = members if isinstance(members, bytes) else json.dumps(members).encode()
        self.send(Publish(topic, payload, 1, 7))

    def close(self) -> None:
        self.writer.close()


class HandClock:
    """Stands where a loop is asked for the time: the test moves it."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._later: list[tuple[float, Callable[..., object], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        self._later.append((self.now + delay, callback, args))

    def advance(self, seconds: float) -> None:
        """Move the time, and call what is due by then."""
        self.now += seconds
        due = [item for item in self._later if item[0] <= self.now]
        self._later = [item for item in self._later if item[0] > self.now]
        for _, callback, args in due:
            callback(*args)


class RawService:
    """An endpoint on a free port, and clients to it."""

    def __init__(self, endpoint: MqttEndpoint, host: Host, port: int) -> None:
        self.endpoint = endpoint
        self.host = host
        self.port = port
        self._clients: list[RawClient] = []

    def create_job(self, job_id: str = "J", document: str = '{"a":1}') -> None:
        """A job for thing ``T``."""
        jobs = self.host.service
        jobs.create_job(job_id, CreateJobRequest([jobs.registry.thing_arn("T")], document), 0.0)
        self.host.publish()

    def is_now(self, timestamp: object) -> bool:
        """Whether it is whole seconds, and about when the service began."""
        return isinstance(timestamp, int) and EPOCH <= timestamp <= EPOCH + 60

    def hand_clock(self) -> HandClock:
        """From now on the endpoint, and connections made from now on, have the time from us."""
        clock = HandClock(asyncio.get_running_loop().time())
        self.endpoint._loop = clock  # type: ignore[assignment]
        return clock

    async def open(self, level: int = V311) -> RawClient:
        """A TCP connection on which nothing was said."""
        client = RawClient(*await asyncio.open_connection("127.0.0.1", self.port), level)
        self._clients.append(client)
        return client

    async def connect(
        self,
        client_id: str = "raw",
        keep_alive: int = 60,
        level: int = V311,
        clean: bool = True,
        said: Properties | None = None,
        will: Will | None = None,
    ) -> RawClient:
        """A connection that was welcomed; ``welcome`` is what it was answered."""
        client = await self.open(level)
        client.send(Connect(client_id, clean, keep_alive, will=will, level=level, properties=said))
        answer = await client.receive()
        assert isinstance(answer, Connack)
        assert answer.return_code == 0
        client.welcome = answer
        return client

    async def cut(self, client: RawClient, client_id: str = "c") -> None:
        """End a connection without a word, and wait until the service knows."""
        client.writer.transport.abort()
        for _ in range(1000):
            if client_id not in self.endpoint.clients:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"the service did not notice that {client_id} is gone")

    def close(self) -> None:
        for client in self._clients:
            client.close()


@asynccontextmanager
async def raw_service(
    keep_alive: tuple[int, int] = KEEP_ALIVE, **options: Any
) -> AsyncIterator[RawService]:
    """A fresh service with thing ``T``; ``options`` are the endpoint's."""
    host = Host(JobsService(), asyncio.get_running_loop())
    host.service.registry.create_thing("T")
    endpoint = MqttEndpoint(host, Wire(EPOCH), keep_alive, **options)
    listening = bind("127.0.0.1", 0, "--port")
    await endpoint.start(listening)
    service = RawService(endpoint, host, listening.getsockname()[1])
    try:
        yield service
    finally:
        service.close()
        await endpoint.stop()
        host.close()


Body = Callable[[RawService], Awaitable[None]]


@overload
def served(body: Body, /) -> Callable[[], None]: ...
@overload
def served(**options: Any) -> Callable[[Body], Callable[[], None]]: ...
def served(body: Body | None = None, /, **options: Any) -> Any:
    """Run a body against a fresh endpoint, and see afterwards that it still serves."""

    def decorate(body: Body) -> Callable[[], None]:
        def test() -> None:
            async def run() -> None:
                async with raw_service(**options) as service:
                    await body(service)
                    client = await service.connect("afterwards")
                    client.ask(f"{JOBS}/get", {})
                    assert (await client.message())[0] == f"{JOBS}/get/accepted"

            asyncio.run(run())

        return test

    return decorate if body is None else decorate(body)


async def closed(client: RawClient, reason: int | None = None) -> bool:
    """Whether the connection ends, nothing but acknowledgements before; in MQTT 5 with a reason."""
    said = None
    while (packet := await client.receive()) is not None:
        assert isinstance(packet, Puback | Disconnect)
        said = packet.reason if isinstance(packet, Disconnect) else said
    return said == reason
