"""Sessions that outlive their connection, wills, retained and shared messages, over sockets."""

import asyncio

import pytest

from simulator.endpoints.mqtt import Limits
from simulator.endpoints.mqtt_rules import Flow
from simulator.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Will,
)
from tests.raw_mqtt import JOBS, RawClient, RawService, closed, raw_service, served


async def persistent(s: RawService, level: int, client_id: str = "c") -> RawClient:
    said = Properties(session_expiry=100) if level == 5 else None
    return await s.connect(client_id, level=level, clean=False, said=said)


@pytest.mark.parametrize("level", [4, 5])
def test_a_session_keeps_subscriptions_and_messages(level: int) -> None:
    @served
    async def test(s: RawService) -> None:
        client, publisher = await persistent(s, level), await s.connect("p")
        assert not client.welcome.session_present
        await client.subscribe("a")
        await s.cut(client)
        publisher.send(Publish("a", b"1", 1, 1), Publish("a", b"0"), Publish("a", b"2", 1, 2))
        assert await publisher.silent()
        client = await persistent(s, level)
        assert client.welcome.session_present
        assert [(await client.published()).payload for _ in range(2)] == [b"1", b"2"]
        client.send(Puback(1), Puback(2))
        publisher.send(Publish("a", b"3", 1, 3))
        assert (await client.published()).payload == b"3"

    test()


@pytest.mark.parametrize("level", [4, 5])
def test_what_was_not_acknowledged_is_sent_again_as_a_duplicate(level: int) -> None:
    @served
    async def test(s: RawService) -> None:
        client, publisher = await persistent(s, level), await s.connect("p")
        await client.subscribe("a", f"{JOBS}/get/+")
        publisher.send(Publish("a", b"1", 1, 1), Publish("a", b"2", 1, 2))
        sent = [await client.published() for _ in range(2)]
        client.ask(f"{JOBS}/get", {})
        sent.append(await client.published())
        client.send(Puback(1))
        assert await client.silent()
        await s.cut(client)
        client = await persistent(s, level)
        again = [await client.published() for _ in range(2)]
        assert [(p.packet_id, p.payload, p.dup) for p in again] == [
            (p.packet_id, p.payload, True) for p in sent[1:]
        ]
        client.send(Puback(2), Puback(3))
        assert await client.silent()
        await s.cut(client)
        assert await (await persistent(s, level)).silent()

    test()


@served
async def test_a_resumed_session_minds_the_new_receive_maximum_and_expiry(s: RawService) -> None:
    clock = s.hand_clock()
    client = await persistent(s, 5)
    await client.subscribe("a")
    publisher = await s.connect("p", level=5)
    publisher.send(
        Publish("a", b"1", 1, 1, properties=Properties(message_expiry=1)),
        Publish("a", b"2", 1, 2, properties=Properties(message_expiry=5)),
        Publish("a", b"3", 1, 3),
    )
    for _ in range(3):
        await client.published()
    await s.cut(client)
    clock.now += 2
    said = Properties(session_expiry=100, receive_maximum=2)
    client = await s.connect("c", level=5, clean=False, said=said)
    again = await client.published()  # what was sent first has expired: there is room for two
    assert (again.payload, again.dup, again.properties) == (
        b"2",
        True,
        Properties(message_expiry=3),
    )
    assert (await client.published()).payload == b"3"
    assert await client.silent()


@served
async def test_a_message_that_expired_meanwhile_is_not_sent(s: RawService) -> None:
    clock = s.hand_clock()
    client = await persistent(s, 5)
    await client.subscribe("a")
    publisher = await s.connect("p", level=5)
    short = Properties(message_expiry=0)  # AWS makes it 1
    publisher.send(Publish("a", b"sent", 1, 1, properties=short))
    assert (await client.published()).properties == Properties(message_expiry=1)
    await s.cut(client)
    publisher.send(Publish("a", b"queued", 1, 2, properties=short), Publish("a", b"x", 1, 3))
    assert await publisher.silent()
    clock.now += 1
    client = await persistent(s, 5)
    assert (await client.published()).payload == b"x"
    assert await client.silent()


@served
async def test_a_clean_start_and_the_other_version_find_nothing(s: RawService) -> None:
    for level, clean, other in ((4, True, 4), (5, True, 5), (4, False, 5), (5, False, 4)):
        client = await persistent(s, level)
        await client.subscribe("a")
        await s.cut(client)
        said = Properties(session_expiry=100) if other == 5 else None
        client = await s.connect("c", level=other, clean=clean, said=said)
        assert not client.welcome.session_present
        client.send(Disconnect())
        assert await closed(client)
        s.endpoint.broker.expire(float("inf"))


@served
async def test_a_goodbye_may_end_or_bound_the_session(s: RawService) -> None:
    client = await persistent(s, 5)
    client.send(Disconnect(0, Properties(session_expiry=0)))
    assert await closed(client)
    assert "c" not in s.endpoint.broker.sessions
    client = await persistent(s, 5)
    client.send(Disconnect(0, Properties(session_expiry=50_000)))
    assert await closed(client)
    assert s.endpoint.broker.sessions["c"].expiry == 3600


@served(session_expiry=0.5)
async def test_sessions_end_by_themselves(s: RawService) -> None:
    client = await persistent(s, 4)
    await s.cut(client)
    assert "c" in s.endpoint.broker.sessions
    for _ in range(100):
        if "c" not in s.endpoint.broker.sessions:
            break
        await asyncio.sleep(0.05)
    assert "c" not in s.endpoint.broker.sessions


@served
async def test_a_client_that_does_not_acknowledge_gets_a_hundred(s: RawService) -> None:
    client, publisher = await s.connect("c"), await s.connect("p")
    await client.subscribe("a")
    for n in range(1200):
        publisher.send(Publish("a", b"%d" % n, 1, n + 1))
    assert await publisher.silent()
    got = [(await client.published()).packet_id for _ in range(100)]
    assert got == list(range(1, 101))
    assert await client.silent()
    client.send(*(Puback(n) for n in got))
    assert [(await client.published()).payload for _ in range(100)][-1] == b"199"
    session = s.endpoint.broker.sessions["c"]
    assert session.queue is not None
    assert len(session.queue) == 900  # a thousand waited, the newest hundred were dropped


# ------------------------------------------------------------------------------- wills


@pytest.mark.parametrize("level", [4, 5])
def test_a_will_is_published_unless_its_client_said_goodbye(level: int) -> None:
    @served
    async def test(s: RawService) -> None:
        listener = await s.connect("l")
        await listener.subscribe("w")
        will = Will("w", b"bye", 1)
        client = await s.connect("c", level=level, will=will)
        client.send(Disconnect())
        assert await closed(client)
        assert await listener.silent()
        await s.cut(await s.connect("c", level=level, will=will))
        assert (await listener.published()).payload == b"bye"
        client = await s.connect("c", level=level, will=will)
        client.writer.write(b"\x00\x00")
        assert await closed(client, 0x81 if level == 5 else None)
        assert (await listener.published()).payload == b"bye"
        await s.connect("c", level=level, will=will)
        await s.connect("c", level=level)  # taken over
        assert (await listener.published()).payload == b"bye"

    test()


@served
async def test_a_goodbye_with_will(s: RawService) -> None:
    listener = await s.connect("l", level=5)
    await listener.subscribe("w")
    said = Properties(content_type="x")
    client = await s.connect("c", level=5, will=Will("w", b"bye", 1, properties=said))
    client.send(Disconnect(4))
    assert await closed(client)
    assert (await listener.published()).properties == said


@served
async def test_a_delayed_will_waits_for_a_client_to_come_back(s: RawService) -> None:
    clock = s.hand_clock()
    listener = await s.connect("l", keep_alive=1200)
    await listener.subscribe("w")
    will = Will("w", b"bye", 1, properties=Properties(will_delay=10))
    said = Properties(session_expiry=100)
    await s.cut(await s.connect("c", level=5, said=said, will=will))
    clock.now += 9
    back = await s.connect("c", level=5, clean=False, said=said, will=will)
    clock.now += 9
    assert await listener.silent()
    await s.cut(back)
    clock.now += 10
    assert (await listener.published()).payload == b"bye"  # at the next sweep


# ------------------------------------------------------------------------------- retained, shared


@served
async def test_retained_messages_greet_an_exact_subscription(s: RawService) -> None:
    publisher, client = await s.connect("p"), await s.connect("c")
    publisher.send(Publish("a", b"r", 1, 1, retain=True))
    assert await publisher.silent()
    await client.subscribe("+")
    assert await client.silent()
    client.send(Subscribe(2, (("a", 0),)))
    assert await client.receive() == Suback(2, (0,))
    assert await client.receive() == Publish("a", b"r", retain=True)
    publisher.send(Publish("a", b"", 1, 2, retain=True))
    assert (await client.published()).payload == b""
    await client.subscribe("a")
    assert await client.silent()


@served
async def test_retained_messages_have_a_limit(s: RawService) -> None:
    s.endpoint.broker.max_retained = 0
    five, three = await s.connect("5", level=5), await s.connect("3")
    for client in (five, three):
        client.send(Publish("a", b"r", 1, 1, retain=True))
    assert await five.receive() == Puback(1, 0x97)
    assert await three.silent()


@served
async def test_shared_subscriptions_take_turns(s: RawService) -> None:
    clients = [await s.connect("1"), await s.connect("2", level=5)]
    for client in clients:
        await client.subscribe("$share/g/a/+")
    publisher = await s.connect("p")
    for n in range(4):
        publisher.send(Publish("a/b", b"%d" % n, 1, n + 1))
    for start, client in enumerate(clients):
        assert [(await client.published()).payload for _ in range(2)] == [
            b"%d" % start,
            b"%d" % (start + 2),
        ]
    s.endpoint.publish("a/c", b"4")  # of the service's own
    assert (await clients[0].published()).payload == b"4"


# ------------------------------------------------------------------------------- rules


@served
async def test_what_may_be_subscribed_to(s: RawService) -> None:
    for level, refused in ((4, 0x80), (5, 0x8F)):
        client = await s.connect("c", level=level)
        allowed = ("$aws/events/#", "$share/g/a", "$share/g/$aws/events/#")
        others = ("$SYS/#", "$share/g", "$share//a", "$share/g/$x")
        codes = await client.granted(*((name, 1) for name in (*allowed, *others)))
        assert codes == (1, 1, 1, refused, refused, refused, refused)
        await client.unsubscribe("$share/g/$aws/events/#")
    s.endpoint.publish("$aws/events/job/J/completed", b"{}")
    assert (await client.published()).topic == "$aws/events/job/J/completed"


@served
async def test_a_connection_has_fifty_subscriptions(s: RawService) -> None:
    for level, refused in ((4, 0x80), (5, 0x97)):
        client = await s.connect("c", level=level)
        for n in range(0, 48, 8):
            await client.subscribe(*(f"{n + m}" for m in range(8)))
        asked = ("48", "$share/g/a", "50", "48", "$share/g/a")
        assert await client.granted(*((name, 1) for name in asked)) == (1, 1, refused, 1, 1)


@served
async def test_reserved_topics_that_nobody_serves_here_are_taken(s: RawService) -> None:
    client = await s.connect("c")
    for n, topic in enumerate(
        (
            "$aws/things/T/shadow/update",
            "$aws/things/T/shadow/name/n/get",
            "$aws/things/T/defender/metrics/json",
            "$aws/things/T/streams/s/get/cbor",
            "$aws/rules/r/a/b/c/d/e/f/g",  # three levels do not count
            "$aws/certificates/create-from-csr/json",
            "$aws/provisioning-templates/t/provision/json",
        ),
        1,
    ):
        client.send(Publish(topic, b"{}", 1, n))
        assert await client.receive() == Puback(n)
    client.send(Publish("$aws/rules/r", b"{}"))
    assert await client.silent()


@served(limits=Limits(publishes_per_s=3, connects_per_s=1000))
async def test_aws_rates_discard_what_is_too_much(s: RawService) -> None:
    clock = s.hand_clock()
    five, three = await s.connect("5", level=5), await s.connect("3")
    for client in (five, three):
        for n in range(5):
            client.send(Publish("a", b"x", 1, n + 1))
    answers = [await five.receive() for _ in range(5)]
    assert [a.reason for a in answers if isinstance(a, Puback)] == [0, 0, 0, 0x97, 0x97]
    assert [await three.receive() for _ in range(3)] == [Puback(1), Puback(2), Puback(3)]
    assert await three.silent()
    clock.now += 0.5
    five.send(Publish("a", b"x", 1, 6), Publish("a", b"x", 1, 7))
    assert [await five.receive(), await five.receive()] == [Puback(6), Puback(7, 0x97)]
    listener = await s.connect("l")
    await listener.subscribe("b", qos=0)
    for _ in range(5):
        s.endpoint.publish("b", b"x")
    assert [(await listener.published()).topic for _ in range(3)] == ["b"] * 3
    listener.ask(f"{JOBS}/get", {})  # taken, but the answer would be one message too many
    assert await listener.receive() == Puback(7)
    assert await listener.silent()


def test_aws_rate_of_connects() -> None:
    async def run() -> None:
        async with raw_service(limits=Limits(connects_per_s=1)) as s:
            s.hand_clock()
            await s.connect("first")
            for level, code in ((4, 3), (5, 0x97)):
                client = await s.open(level)
                client.send(Connect("c", level=level))
                answer = await client.receive()
                assert isinstance(answer, Connack)
                assert answer.return_code == code

    asyncio.run(run())


@served(limits=Limits())
async def test_aws_rate_of_connects_of_one_client(s: RawService) -> None:
    clock = s.hand_clock()
    await s.connect("c")
    again = await s.open(5)
    again.send(Connect("c", level=5))
    answer = await again.receive()
    assert isinstance(answer, Connack)
    assert answer.return_code == 0x97
    clock.now += 1
    await s.connect("c")


@served(limits=Limits(messages_per_s=4))
async def test_aws_rate_of_the_messages_of_all_connections(s: RawService) -> None:
    clock = s.hand_clock()
    one, other = await s.connect("1", level=5), await s.connect("2", level=5)
    for client in (one, other):
        for n in range(3):
            client.send(Publish("a", b"x", 1, n + 1))
        answers = [await client.receive() for _ in range(3)]
        reasons = [a.reason for a in answers if isinstance(a, Puback)]
        assert reasons == ([0, 0, 0] if client is one else [0, 0x97, 0x97])
    clock.now += 1


@served(limits=Limits(subscriptions_per_s=2))
async def test_aws_rate_of_subscriptions(s: RawService) -> None:
    s.hand_clock()
    client = await s.connect("c", level=5)
    client.send(Subscribe(1, (("a", 1), ("b", 1), ("c", 1))))
    answer = await client.receive()
    assert isinstance(answer, Suback)
    assert answer.return_codes == (1, 1, 0x97)


@served(limits=Limits(stored_per_s=5))
async def test_stored_messages_come_at_aws_rate(s: RawService) -> None:
    """Five at once, a second's worth; the others as time passes."""
    clock = s.hand_clock()
    sleeper = await s.connect("c", clean=False)
    await sleeper.subscribe("a")
    await s.cut(sleeper)
    for n in range(8):
        s.endpoint.publish("a", b"%d" % n)
    clock.advance(1)
    back = await s.connect("c", clean=False)
    assert [(await back.published()).payload for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
    assert await back.silent()
    clock.advance(1)
    assert [(await back.published()).payload for _ in range(3)] == [b"5", b"6", b"7"]


@served(limits=Limits(bytes_per_s=20_000, publishes_per_s=1e6, messages_per_s=1e6))
async def test_what_comes_too_fast_waits(s: RawService) -> None:
    """30 000 bytes at 20 000 a second with a second's allowance: the last ones come, but later."""
    client = await s.connect("c")
    for n in range(30):
        client.send(Publish("a", b"x" * 990, 1, n + 1))
    assert [await client.receive() for _ in range(30)] == [Puback(n + 1) for n in range(30)]
    client.send(Pingreq())
    assert await client.receive() == Pingresp()


def test_a_flow_says_how_long_to_wait() -> None:
    flow = Flow(1000.0, now=10.0)
    assert flow.wait(1000, 10.0) == 0
    assert flow.wait(500, 10.0) == pytest.approx(0.5)
    assert flow.wait(100, 10.5) == pytest.approx(0.1)
    assert flow.wait(1000, 60.0) == 0
