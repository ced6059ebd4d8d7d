"""The same link over aiomqtt: a client written by others, as a second opinion.

Slower than our own (a task and paho's loop per client), and the one to use where a fleet needs
something that ours lacks.
"""

import asyncio
from typing import Final

import aiomqtt

from simulator.errors import Disconnected, InvalidTopic, NoReply, UsageError
from simulator.jobs.messages import DataReply, DataRequest
from simulator.jobs.topics import parse_topic, reply_filters, request_topic
from simulator.jobs.wire import UNREADABLE, Wire, encode_request
from simulator.refusals import in_words
from simulator.targets import Target
from simulator.world import Listener, Ways

CONNECT_WITHIN_S: Final = 20.0
CONNECTING: Final = 64


class AiomqttNetwork:
    """What the links of one loop share."""

    def __init__(
        self,
        host: str,
        port: int,
        wire: Wire,
        reply_timeout: float = 10.0,
        keep_alive: int = 300,
        target: Target | None = None,
    ) -> None:
        """``target`` says how, where it is not plain MQTT 3.1.1."""
        self.address = (host, port)
        self.target = target or Target("mqtt", host, port)
        self.unreadable = self.strays = 0
        self.refusal = ""
        self.wire = wire
        self.reply_timeout = reply_timeout
        self.keep_alive = keep_alive
        self.gate = asyncio.Semaphore(CONNECTING)
        self.readers: dict[asyncio.Task[None], None] = {}

    async def close(self) -> None:
        """Wait until every link has said goodbye."""
        await asyncio.gather(*self.readers, return_exceptions=True)


class AiomqttLink:
    """One thing's connection."""

    def __init__(
        self, network: AiomqttNetwork, name: str, thing: Listener, ways: Ways | None = None
    ) -> None:
        self._network = network
        self._ways = ways or Ways()
        self._tokens = 0
        self._name = name
        self._thing = thing
        self._client: aiomqtt.Client | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[str | None, tuple[asyncio.Future[DataReply], asyncio.Timeout]] = {}
        self.connected = False
        self.fault = 0

    async def connect(self) -> None:
        """Connect, then subscribe to replies and notify-next; raise Disconnected."""
        network = self._network
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with network.gate:
            reader = asyncio.create_task(self._read(ready), name=f"aiomqtt {self._name}")
            network.readers[reader] = None
            reader.add_done_callback(network.readers.pop)
            self._reader = reader
            await ready
        if not self.connected:  # lost again while we waited for our turn
            raise Disconnected("the connection was closed")

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Publish a request and wait for its reply."""
        client = self._client
        if client is None or not self.connected:
            raise Disconnected("not connected")
        topic = request_topic(self._name, job_id, type(request))
        if request.client_token is None:  # sent again, it keeps its token
            self._tokens += 1
            request.client_token = f"{self._name}{self._ways.suffix}-{self._tokens}"
        timeout = self._ways.reply_timeout or self._network.reply_timeout
        future: asyncio.Future[DataReply] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout) as within:
                self._waiting[request.client_token] = (future, within)
                await client.publish(topic, encode_request(request), qos=1)
                return await future
        except TimeoutError:
            if self._client is not client:
                raise Disconnected("the connection was lost") from None
            raise NoReply("no reply in time") from None
        except aiomqtt.MqttError as error:
            del self._waiting[request.client_token]
            self._lost(client)  # its reader may not have had its turn yet
            raise Disconnected(str(error)) from None
        finally:
            self._waiting.pop(request.client_token, None)
            if future.done() and not future.cancelled():
                future.exception()  # a rejection may have come while its PUBACK was waited for

    def close(self) -> None:
        """End the connection."""
        self.connected = False
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self, ready: asyncio.Future[None]) -> None:
        """Own the client from its first byte to its last: aiomqtt wants one task for both."""
        host, port = self._network.address
        filters = reply_filters(self._name, lists=self._ways.reader is not None)
        target = self._network.target
        try:
            client = aiomqtt.Client(
                host,
                port,
                identifier=self._name + self._ways.suffix,
                keepalive=self._network.keep_alive,
                timeout=CONNECT_WITHIN_S,
                username=target.username,
                password=target.password,
                protocol=aiomqtt.ProtocolVersion(target.level),
                transport="websockets" if target.websocket else "tcp",
                websocket_path=target.path or None,
                tls_context=target.tls(self._name),
            )
        except UsageError as error:
            self._network.refusal = str(error)
            ready.set_exception(Disconnected(str(error)))
            return
        try:
            async with client:
                await client.subscribe([(name, 1) for name in filters])
                self._client, self.connected = client, True
                ready.set_result(None)
                async for message in client.messages:
                    payload = message.payload
                    self._heard(message.topic.value, bytes(payload) if payload else b"")
        except aiomqtt.MqttError as error:
            if not ready.done():
                beneath = error.__cause__ or error.__context__
                why = in_words(beneath) if isinstance(beneath, OSError) else str(error)
                self._network.refusal = f"cannot connect to {host}:{port}: {why}"
                ready.set_exception(Disconnected(self._network.refusal))
        finally:
            self._lost(client)

    def _lost(self, client: aiomqtt.Client) -> None:
        """The connection ended; whoever notices first says so."""
        if self._client is not client:
            return
        was_connected, self.connected, self._client = self.connected, False, None
        now = asyncio.get_running_loop().time()
        for _, within in self._waiting.values():
            if not within.expired():
                within.reschedule(now)  # it waits for a PUBACK or a reply that will not come
        if was_connected:
            self._thing.disconnected()

    def _heard(self, topic: str, payload: bytes) -> None:
        wire = self._network.wire
        try:
            if topic.endswith("/accepted"):
                kind = parse_topic(topic.removesuffix("/accepted"))[2]
                token, reply = wire.decode_accepted(kind, self._name, payload)
                waiting = self._waiting.get(token)
                self._network.strays += waiting is None
                if waiting is not None and not waiting[0].done():
                    waiting[0].set_result(reply)
            elif topic.endswith("/rejected"):
                rejection = wire.decode_rejected(payload)
                waiting = self._waiting.get(rejection.client_token)
                self._network.strays += waiting is None
                if waiting is not None and not waiting[0].done():
                    waiting[0].set_exception(rejection)
            elif topic.endswith("/jobs/notify-next"):
                self._thing.notified(wire.decode_notify_next(self._name, payload))
            elif topic.endswith("/jobs/notify") and self._ways.reader is not None:
                self._ways.reader(wire.decode_notify(self._name, payload))
        except (InvalidTopic, *UNREADABLE):
            self._network.unreadable += 1
            return  # not what the Jobs service says: not for us
