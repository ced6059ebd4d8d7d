"""MQTT 5 at the door, beside 3.1.1, over real sockets."""

import asyncio
import json

import pytest

from simulator.mqtt import (
    NO_LOCAL,
    RETAIN_AS_PUBLISHED,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Properties,
    Puback,
    Publish,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from tests.raw_mqtt import JOBS, RawService, closed, raw_service, served


@served
async def test_the_welcome_says_what_aws_allows(s: RawService) -> None:
    client = await s.connect("c", level=5)
    assert client.welcome.properties == Properties(
        receive_maximum=100,
        maximum_qos=1,
        maximum_packet_size=149_504,
        topic_alias_maximum=8,
        subscription_ids_available=0,
    )


@served
async def test_the_welcome_says_what_is_otherwise_than_asked(s: RawService) -> None:
    client = await s.connect("", 5, level=5, said=Properties(session_expiry=0xFFFF_FFFF))
    said = client.welcome.properties
    assert said is not None
    assert (said.session_expiry, said.server_keep_alive) == (3600, 30)
    assert said.assigned_client_id in s.endpoint.clients


@served
async def test_a_request_is_answered_with_its_correlation_data(s: RawService) -> None:
    client = await s.connect("c", level=5)
    said = Properties(correlation_data=b"\x00\xff", response_topic="mine", content_type="json")
    for _ in range(2):
        client.send(Publish(f"{JOBS}/get", b'{"clientToken":"t"}', 1, 7, properties=said))
        assert await client.receive() == Puback(7)
        answer = await client.published()
        assert answer.topic == f"{JOBS}/get/accepted"
        assert answer.properties == Properties(correlation_data=b"\x00\xff")
        assert json.loads(answer.payload)["clientToken"] == "t"
    client.send(Publish(f"{JOBS}/none/get", b"{}", 1, 7, properties=said))
    answer = await client.published()
    assert answer.topic == f"{JOBS}/none/get/rejected"
    assert answer.properties == Properties(correlation_data=b"\x00\xff")
    client.send(Publish(f"{JOBS}/what", b"{}", 1, 7, properties=said))
    answer = await client.published()
    assert (answer.topic, answer.properties) == (
        f"{JOBS}/what/rejected",
        Properties(correlation_data=b"\x00\xff"),
    )
    client.ask(f"{JOBS}/get", {})
    assert (await client.published()).properties is None


@served
async def test_what_is_said_of_a_message_is_passed_on(s: RawService) -> None:
    publisher = await s.connect("p", level=5)
    five, three = await s.connect("5", level=5), await s.connect("3")
    await five.subscribe("a")
    await three.subscribe("a")
    passed_on = Properties(
        payload_format=1,
        content_type="text/plain",
        response_topic="r",
        correlation_data=b"c",
        user=(("k", "1"), ("k", "2")),
    )
    publisher.send(Publish("a", b"x", 1, 3, properties=passed_on))
    assert await five.receive() == Publish("a", b"x", 1, 1, properties=passed_on)
    assert await three.receive() == Publish("a", b"x", 1, 1)
    expiring = Properties(message_expiry=4_000_000, user=(("k", "v"),))
    publisher.send(Publish("a", b"y", 1, 4, properties=expiring))
    said = (await five.published()).properties
    assert said is not None
    assert said.message_expiry in (604_800, 604_799)  # AWS's seven days, what is left of them
    assert said.user == (("k", "v"),)
    three.send(Publish("a", b"z", 1, 5))
    assert await five.receive() == Publish("a", b"z", 1, 3)


@served
async def test_topic_aliases_of_the_client(s: RawService) -> None:
    client, listener = await s.connect("c", level=5), await s.connect("l")
    await listener.subscribe("+")
    client.send(
        Publish("a", b"1", properties=Properties(topic_alias=8)),
        Publish("", b"2", properties=Properties(topic_alias=8)),
        Publish("b", b"3", properties=Properties(topic_alias=8)),
        Publish("", b"4", properties=Properties(topic_alias=8)),
    )
    heard = [await listener.published() for _ in range(4)]
    assert [(p.topic, p.payload) for p in heard] == [
        ("a", b"1"),
        ("a", b"2"),
        ("b", b"3"),
        ("b", b"4"),
    ]
    job = Properties(topic_alias=1, correlation_data=b"c")
    client.send(Publish(f"{JOBS}/get", b"", properties=job), Publish("", b"", properties=job))
    for _ in range(2):
        assert (await client.message())[0] == f"{JOBS}/get/accepted"


@pytest.mark.parametrize("alias", [9, 2])
def test_an_alias_that_is_too_high_or_unknown(alias: int) -> None:
    @served
    async def test(s: RawService) -> None:
        client = await s.connect("c", level=5)
        client.send(Publish("", b"", properties=Properties(topic_alias=alias)))
        assert await closed(client, 0x94)

    test()


@served
async def test_topic_aliases_to_the_client(s: RawService) -> None:
    client = await s.connect("c", level=5, said=Properties(topic_alias_maximum=2))
    await client.subscribe("#", qos=0)
    publisher = await s.connect("p")
    for topic in ("a", "b", "a", "c", "b"):
        publisher.send(Publish(topic, b""))
    heard = [await client.published() for _ in range(5)]
    assert [(p.topic, p.properties and p.properties.topic_alias) for p in heard] == [
        ("a", 1),
        ("b", 2),
        ("", 1),
        ("c", None),
        ("", 2),
    ]


@served
async def test_what_is_larger_than_the_client_takes_is_not_sent(s: RawService) -> None:
    said = Properties(maximum_packet_size=512, topic_alias_maximum=4)
    client = await s.connect("c", level=5, said=said)
    await client.subscribe("a")
    publisher = await s.connect("p")
    publisher.send(Publish("a", bytes(600), 1, 1), Publish("a", b"x", 1, 2))
    heard = await client.published()
    assert (heard.topic, heard.payload, heard.packet_id) == ("a", b"x", 2)
    assert heard.properties == Properties(topic_alias=1)
    client.ask(f"{JOBS}/{'x' * 64}/get", {"clientToken": "t" * 500})  # the answer echoes it
    assert await client.silent()


@served
async def test_no_more_is_on_its_way_than_the_receive_maximum(s: RawService) -> None:
    client = await s.connect("c", level=5, said=Properties(receive_maximum=2))
    await client.subscribe("a")
    publisher = await s.connect("p")
    for n in range(4):
        publisher.send(Publish("a", b"%d" % n, 1, n + 1))
    assert [(await client.published()).packet_id for _ in range(2)] == [1, 2]
    client.ask(f"{JOBS}/get", {})  # the reply waits with the rest
    assert await client.silent()
    client.send(Puback(2))
    assert (await client.published()).payload == b"2"
    assert await client.silent()
    client.send(Puback(1), Puback(3))
    assert (await client.published()).payload == b"3"
    assert (await client.published()).topic == f"{JOBS}/get/accepted"
    client.send(Puback(99))  # of nothing: no harm
    assert await client.silent()


@served
async def test_no_local_and_retain_as_published(s: RawService) -> None:
    client, other = await s.connect("c", level=5), await s.connect("o", level=5)
    await client.subscribe("a", qos=1 | NO_LOCAL)
    await other.subscribe("a", qos=1 | RETAIN_AS_PUBLISHED)
    client.send(Publish("a", b"x", 1, 3, retain=True))
    assert (await other.published()).retain
    assert await client.silent()
    other.send(Publish("a", b"y", 1, 3, retain=True))
    assert not (await client.published()).retain


@served
async def test_unsubscribe_says_whether_there_was_something(s: RawService) -> None:
    client = await s.connect("c", level=5)
    await client.subscribe("a")
    client.send(Unsubscribe(4, ("a", "b")))
    assert await client.receive() == Unsuback(4, (0, 0x11))


@served
async def test_a_taken_over_client_is_told(s: RawService) -> None:
    first = await s.connect("same", level=5)
    second = await s.connect("same")
    assert await closed(first, 0x8E)
    third = await s.connect("same", level=5)
    assert await closed(second)
    assert await third.silent()


def test_clients_are_told_that_the_service_ends() -> None:
    async def run() -> None:
        async with raw_service() as s:
            five, three = await s.connect("5", level=5), await s.connect("3")
            await s.endpoint.stop()
            assert await closed(five, 0x8B)
            assert await closed(three)

    asyncio.run(run())


@served(keep_alive=(1, 1200))
async def test_a_silent_client_is_told(s: RawService) -> None:
    assert await closed(await s.connect("c", keep_alive=1, level=5), 0x8D)


ENDS: dict[str, tuple[Packet, int]] = {
    "QoS 2": (Publish("a", b"", 2, 1), 0x9B),
    "SUBSCRIBE at QoS 2": (Subscribe(1, (("a", 2),)), 0x9B),
    "PUBREL": (Pubrel(1), 0x82),
    "AUTH": (Auth(), 0x82),
    "subscription identifier": (
        Subscribe(1, (("a", 1),), Properties(subscription_ids=(1,))),
        0xA1,
    ),
    "subscription identifier in PUBLISH": (
        Publish("a", b"", properties=Properties(subscription_ids=(1,))),
        0x82,
    ),
    "9 filters": (Subscribe(1, tuple((f"{n}", 0) for n in range(9))), 0x97),
    "filter of 8 slashes": (Subscribe(1, (("/" * 8, 0),)), 0x8F),
    "filter of 257 bytes": (Subscribe(1, (("ü" * 128 + "x", 0),)), 0x8F),
    "topic of 8 slashes": (Publish("/" * 8, b""), 0x90),
    "topic of 257 bytes": (Publish("ü" * 128 + "x", b""), 0x90),
    "payload above 128 KiB": (Publish("a", bytes(128 * 1024 + 1)), 0x95),
    "reserved topic": (Publish("$aws/events/job/J/completed", b""), 0x90),
    "other reserved topic": (Publish("$SYS/x", b"", 1, 1), 0x90),
    "retain on a reserved topic": (Publish(f"{JOBS}/get", b"", retain=True), 0x90),
    "retain on a reserved topic that nobody serves": (
        Publish("$aws/things/T/shadow/get", b"", retain=True),
        0x90,
    ),
    "content type": (Publish("a", b"", properties=Properties(content_type="x" * 257)), 0x97),
    "correlation data": (
        Publish("a", b"", properties=Properties(correlation_data=bytes(8193))),
        0x97,
    ),
    "user properties": (
        Publish("a", b"", properties=Properties(user=(("k", "v" * 8192),))),
        0x97,
    ),
    "response topic": (Publish("a", b"", properties=Properties(response_topic="/" * 8)), 0x90),
    "session expiry where there was none": (
        Disconnect(0, Properties(session_expiry=10)),
        0x82,
    ),
    "SUBACK": (Suback(1, (0,)), 0x82),
    "CONNECT again": (Connect("c", level=5), 0x82),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_ends_a_connection_is_told_and_harms_no_other(what: str) -> None:
    packet, reason = ENDS[what]

    @served
    async def test(s: RawService) -> None:
        other = await s.connect("other", level=5)
        client = await s.connect("c", level=5)
        client.send(packet)
        assert await closed(client, reason)
        assert await other.silent()

    test()


IN_BOTH = (
    "9 filters",
    "filter of 8 slashes",
    "filter of 257 bytes",
    "topic of 8 slashes",
    "topic of 257 bytes",
    "payload above 128 KiB",
    "reserved topic",
    "other reserved topic",
    "retain on a reserved topic",
    "retain on a reserved topic that nobody serves",
    "PUBREL",
)


@pytest.mark.parametrize("what", IN_BOTH)
def test_the_same_ends_a_connection_of_3_1_1(what: str) -> None:
    packet, _ = ENDS[what]

    @served
    async def test(s: RawService) -> None:
        client = await s.connect("c")
        client.send(packet)
        assert await closed(client)

    test()


REFUSED: dict[str, tuple[Connect, int]] = {
    "client id of 129 bytes": (Connect("ü" * 64 + "x", level=5), 0x85),
    "client id with $": (Connect("$c", level=5), 0x85),
    "authentication method": (
        Connect("c", level=5, properties=Properties(authentication_method="x")),
        0x8C,
    ),
    "maximum packet size": (
        Connect("c", level=5, properties=Properties(maximum_packet_size=511)),
        0x97,
    ),
    "user properties": (
        Connect("c", level=5, properties=Properties(user=(("k", "v" * 8192),))),
        0x97,
    ),
    "will at QoS 2": (Connect("c", level=5, will=Will("w", b"", 2)), 0x9B),
    "will on a reserved topic": (Connect("c", level=5, will=Will("$aws/x", b"")), 0x90),
    "will topic": (Connect("c", level=5, will=Will("/" * 8, b"")), 0x90),
    "will properties": (
        Connect(
            "c",
            level=5,
            will=Will("w", b"", properties=Properties(content_type="x" * 257)),
        ),
        0x97,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_connect_is_refused_with_the_reason(what: str) -> None:
    packet, reason = REFUSED[what]

    @served
    async def test(s: RawService) -> None:
        client = await s.open(level=5)
        client.send(packet)
        answer = await client.receive()
        assert isinstance(answer, Connack)
        assert answer.return_code == reason
        assert answer.properties is not None
        assert answer.properties.reason_string
        assert await client.receive() is None

    test()


@served
async def test_a_connect_of_3_1_1_is_refused_as_far_as_it_can(s: RawService) -> None:
    client = await s.open()
    client.send(Connect("x" * 129))
    assert await client.receive() == Connack(2)
    assert await client.receive() is None
    client = await s.open()
    client.send(Connect("c", will=Will("w", b"", 2)))
    assert await client.receive() is None


@served
async def test_the_reason_arrives_though_more_was_on_its_way(s: RawService) -> None:
    client = await s.connect("c", level=5)
    client.writer.write(b"\x30\xff\xff\xff\x7f" + bytes(4_000_000))
    assert await closed(client, 0x95)


@served
async def test_who_does_not_close_after_that_is_cut_off(s: RawService) -> None:
    client = await s.connect("c", level=5)
    client.writer.write(b"\x30\x00")
    assert await closed(client, 0x81)
    assert len(s.endpoint.connections) == 1
    for _ in range(500):
        if not s.endpoint.connections:
            break
        await asyncio.sleep(0.02)
    assert not s.endpoint.connections


@served
async def test_malformed_bytes_are_told(s: RawService) -> None:
    client = await s.connect("c", level=5)
    client.writer.write(b"\x30\x00")
    assert await closed(client, 0x81)
    client = await s.connect("c", level=5)
    client.writer.write(b"\x30\xff\xff\xff\x7f")  # too large: seen at its header
    assert await closed(client, 0x95)
    client = await s.open(level=5)
    client.writer.write(b"\x10\x0b\x00\x04MQTT\x05\x02\x00\x3c\x7f")
    answer = await client.receive()
    assert isinstance(answer, Connack)
    assert answer.return_code == 0x81
    client = await s.open(level=5)
    client.send(Pingreq())  # before any CONNECT: no version, so no answer
    assert await client.receive() is None
