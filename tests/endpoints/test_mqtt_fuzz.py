"""Whatever a client sends: the door answers in MQTT or ends that connection, and fails not."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simulator.endpoints.mqtt import MqttEndpoint
from simulator.host import Host
from simulator.jobs import JobsService
from simulator.jobs.wire import Wire
from simulator.mqtt import Connect, Packet, PacketReader, Properties, Publish, encode
from tests.mqtt.strategies import connects, ids, streams, to_server, unhurried
from tests.raw_mqtt import JOBS


class Stream:
    """Reads what the door writes, as its client would."""

    def __init__(self, level: int) -> None:
        self.reader = PacketReader("client", level=level)
        self.got: list[Packet] = []
        self.closed = False

    def write(self, data: bytes, /) -> None:
        assert not self.closed
        self.got += self.reader.feed(data)

    def close(self) -> None:
        self.closed = True

    abort = close


requests = st.builds(
    Publish,
    st.sampled_from([f"{JOBS}/get", f"{JOBS}/J/update", f"{JOBS}/x", "$aws/rules/r", "a", "a/b"]),
    st.sampled_from([b"", b"{}", b"[", b'{"status":"SUCCEEDED"}', b"\xff"]),
    st.just(1),
    ids,
    st.booleans(),
)


@st.composite
def talks(draw: st.DrawFn) -> tuple[int, list[Packet]]:
    """A CONNECT that is likely to be welcome, and what may follow."""
    level = draw(st.sampled_from([4, 5]))
    said = Properties(session_expiry=60) if level == 5 and draw(st.booleans()) else None
    hello = draw(
        st.just(Connect("c", draw(st.booleans()), level=level, properties=said)) | connects(level)
    )
    return level, [hello, *draw(st.lists(to_server(level) | requests, max_size=12))]


def run(conversations: list[tuple[int, bytes]]) -> None:
    async def body() -> None:
        host = Host(JobsService(), asyncio.get_running_loop())
        host.service.registry.create_thing("T")
        endpoint = MqttEndpoint(host, Wire(0))
        others, other = endpoint.connection(), Stream(4)
        others.connection_made(other)  # type: ignore[arg-type]
        others.data_received(encode(Connect("other")))
        for level, data in conversations:
            connection, stream = endpoint.connection(), Stream(level)
            connection.connection_made(stream)  # type: ignore[arg-type]
            connection.data_received(data)
            connection.connection_lost(None)
        others.data_received(encode(Publish(f"{JOBS}/get", b"", 1, 9)))
        answer: Any = other.got[-1]
        assert answer.topic == f"{JOBS}/get/accepted"
        endpoint.broker.expire(float("inf"))
        assert endpoint.broker.sessions.keys() == {"other"}
        assert endpoint.clients.keys() == {"other"}
        host.close()

    asyncio.run(body())


@unhurried
@given(st.lists(talks(), min_size=1, max_size=3))
def test_whole_packets(conversations: list[tuple[int, list[Packet]]]) -> None:
    run([(level, b"".join(encode(p, level) for p in packets)) for level, packets in conversations])


@unhurried
@given(streams().filter(lambda stream: stream[0] == "server"), st.data())
def test_broken_packets(stream: Any, data: st.DataObject) -> None:
    _, level, packets = stream
    broken = bytearray(b"".join(encode(packet, level) for packet in packets))
    at = data.draw(st.integers(10, len(broken) - 1))  # before that lies the version
    broken[at] = data.draw(st.integers(0, 255))
    run([(level, bytes(broken))])
