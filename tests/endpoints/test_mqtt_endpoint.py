"""The MQTT door over real sockets: what breaks MQTT ends one connection, and no other."""

import asyncio

import pytest

from simulator.endpoints.mqtt import MAX_PAYLOAD
from simulator.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Subscribe,
    Unsuback,
    Unsubscribe,
    encode,
)
from tests.raw_mqtt import JOBS, RawService, closed, raw_service, served


@served
async def test_malformed_bytes_end_the_connection(s: RawService) -> None:
    client = await s.connect()
    client.writer.write(b"\xff\xff\xff\xff\xff")
    assert await closed(client)


@served
async def test_what_came_before_the_malformed_bytes_is_answered(s: RawService) -> None:
    client = await s.connect()
    client.writer.write(encode(Pingreq()) + b"\x00\x00")
    assert await client.receive() == Pingresp()
    assert await closed(client)


@served
async def test_a_payload_above_128_kib_ends_the_connection(s: RawService) -> None:
    client = await s.connect()
    client.ask("a", b"x" * (MAX_PAYLOAD + 1))
    assert await closed(client)
    client = await s.connect()
    client.ask("a", b"x" * MAX_PAYLOAD)
    assert await client.receive() == Puback(7)


@served
async def test_a_packet_far_too_large_ends_the_connection_at_its_header(s: RawService) -> None:
    client = await s.connect()
    client.writer.write(b"\x30\xff\xff\xff\x7f")
    assert await closed(client)


@served
async def test_connect_comes_first_and_once(s: RawService) -> None:
    client = await s.open()
    client.send(Pingreq())
    assert await closed(client)
    client = await s.connect()
    client.send(Connect("again"))
    assert await closed(client)


@served
async def test_an_unknown_protocol_level_is_told(s: RawService) -> None:
    client = await s.open()
    client.writer.write(b"\x10\x0d\x00\x04MQTT\x03\x02\x00\x3c\x00\x01c")
    assert await client.receive() == Connack(1)
    assert await client.receive() is None
    client = await s.open(level=5)  # a later version is answered in the latest that we speak
    client.writer.write(b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x01c")
    answer = await client.receive()
    assert isinstance(answer, Connack)
    assert answer.return_code == 0x84
    assert await client.receive() is None


@served
async def test_goodbye_ends_the_connection(s: RawService) -> None:
    client = await s.connect()
    client.send(Disconnect())
    assert await closed(client)


@served
async def test_the_newer_connection_wins_a_client_id(s: RawService) -> None:
    first, second = await s.connect("same"), await s.connect("same")
    assert await closed(first)
    assert await second.silent()
    assert list(s.endpoint.clients) == ["same"]


@served
async def test_clients_without_an_id_get_one_each(s: RawService) -> None:
    first, second = await s.connect(""), await s.connect("")
    assert await first.silent()
    assert await second.silent()
    assert len(s.endpoint.clients) == 2


@served
async def test_messages_are_relayed_by_filter_and_granted_qos(s: RawService) -> None:
    publisher, one, other = await s.connect("p"), await s.connect("1"), await s.connect("2")
    await one.subscribe("site/+/temperature")
    await other.subscribe("site/#", qos=0)
    publisher.send(Publish("site/a/temperature", b"21", 1, 3))
    assert await publisher.receive() == Puback(3)
    assert await one.published() == Publish("site/a/temperature", b"21", 1, 1)
    assert await other.published() == Publish("site/a/temperature", b"21", 0)
    one.send(Unsubscribe(4, ("site/+/temperature",)))
    assert await one.receive() == Unsuback(4)
    publisher.send(Publish("site/a/temperature", b"22"))
    assert (await other.published()).payload == b"22"
    assert await one.silent()


@served
async def test_reserved_topics_are_not_relayed_and_not_retained(s: RawService) -> None:
    publisher, listener = await s.connect("p"), await s.connect("l")
    await listener.subscribe("$aws/#", "#")
    publisher.send(Publish("$aws/things/T/shadow/update", b"{}", 1, 5))
    assert await publisher.receive() == Puback(5)
    assert await listener.silent()
    publisher.send(Publish(f"{JOBS}/get", b"{}", 1, 6, retain=True))
    assert await closed(publisher)


@served
async def test_qos_2_is_not_acknowledged(s: RawService) -> None:
    client = await s.connect()
    await client.subscribe("a")
    client.send(Publish("a", b"x", 2, 5), Subscribe(6, (("b", 2),)))
    assert await client.silent()


@served
async def test_a_reply_has_the_qos_that_its_subscription_was_granted(s: RawService) -> None:
    client = await s.connect()
    client.ask(f"{JOBS}/get", {})
    assert (await client.published()).qos == 1
    await client.subscribe(f"{JOBS}/get/accepted", qos=0)
    client.ask(f"{JOBS}/get", {})
    assert (await client.published()).qos == 0


@served
async def test_a_topic_that_was_asked_before_is_answered_alike(s: RawService) -> None:
    """What the endpoint remembers of a request topic changes nothing of the answers."""
    client = await s.connect()
    for _ in range(3):
        client.ask(f"{JOBS}/get", {"clientToken": "t"})
        assert await client.receive() == Puback(7)
        assert (await client.published()).topic == f"{JOBS}/get/accepted"
        client.ask(f"{JOBS}/get", b"[]")
        assert (await client.message())[1]["code"] == "InvalidJson"
        client.ask(f"{JOBS}/J/update", {"status": "IN_PROGRESS"})
        assert (await client.message())[1]["code"] == "ResourceNotFound"
        client.send(Publish(f"{JOBS}/get", b""))  # at QoS 0: not acknowledged
        assert isinstance(await client.receive(), Publish)
    await client.subscribe(f"{JOBS}/get/+", qos=0)
    client.ask(f"{JOBS}/get", {})
    assert (await client.published()).qos == 0
    await client.unsubscribe(f"{JOBS}/get/+")
    client.ask(f"{JOBS}/get", {})
    assert (await client.published()).qos == 1
    for n in range(200):
        client.ask(f"$aws/things/T{n}/jobs/get", {})
        answer = await client.published()
        assert answer.topic == f"$aws/things/T{n}/jobs/get/accepted"
        client.send(Puback(answer.packet_id))
    client.send(Publish(f"{JOBS}/get", b"", 2, 5))
    assert await client.silent()


@served
async def test_a_packet_id_on_its_way_is_not_used_again(s: RawService) -> None:
    client = await s.connect("c")
    session = s.endpoint.broker.sessions["c"]
    for _ in range(2):
        client.ask(f"{JOBS}/get", {})
        assert (await client.published()).packet_id in (1, 2)
    client.send(Puback(2))
    assert await client.silent()
    session.packet_id = 65_535  # once around: 1 was never acknowledged
    client.ask(f"{JOBS}/get", {})
    assert (await client.published()).packet_id == 2


@served
async def test_a_reply_goes_to_the_requesting_connection_only(s: RawService) -> None:
    asking, listening = await s.connect("asking"), await s.connect("listening")
    await listening.subscribe("$aws/things/T/jobs/#", f"{JOBS}/get/+", f"{JOBS}/+/get/rejected")
    asking.ask(f"{JOBS}/get", {})
    assert (await asking.message())[0] == f"{JOBS}/get/accepted"
    asking.ask(f"{JOBS}/none/get", {})
    assert (await asking.message())[0] == f"{JOBS}/none/get/rejected"
    assert await asking.silent()
    assert await listening.silent()


@served
async def test_a_filter_of_very_many_levels_harms_nobody_else(s: RawService) -> None:
    publisher, listener = await s.connect("p"), await s.connect("l")
    listener.send(Subscribe(1, (("/".join("+" * 1500), 1),)))
    assert await closed(listener)
    publisher.send(Publish("a/b", b"x", 1, 3))
    assert await publisher.receive() == Puback(3)


@served
async def test_a_fault_of_ours_is_an_internal_error(s: RawService) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    client = await s.connect()
    handle = s.host.handle
    s.host.handle = broken  # type: ignore[assignment,method-assign]
    client.ask(f"{JOBS}/get", {"clientToken": "t"})
    _, answer = await client.message()
    assert (answer["code"], answer["clientToken"]) == ("InternalError", "t")
    s.host.handle = handle  # type: ignore[method-assign]


async def _silent_client_is_dropped(s: RawService) -> None:
    quiet, lively = await s.connect("quiet", keep_alive=1), await s.connect("lively")
    assert await closed(quiet)
    assert await lively.silent()


test_keep_alive = served(keep_alive=(1, 1200))(_silent_client_is_dropped)


@pytest.mark.parametrize(("asked", "kept"), [(0, 1200), (5, 30), (60, 60), (5000, 1200)])
def test_keep_alive_is_bounded_as_at_aws(asked: int, kept: int) -> None:
    async def run() -> None:
        async with raw_service() as s:
            await s.connect("c", keep_alive=asked)
            assert s.endpoint.clients["c"].patience == kept * 1.5

    asyncio.run(run())


def test_a_client_that_does_not_read_is_cut_off() -> None:
    async def run() -> None:
        async with raw_service() as s:
            deaf, talker = await s.connect("deaf"), await s.connect("talker")
            await deaf.subscribe("a", qos=0)
            for _ in range(400):
                talker.send(Publish("a", b"x" * 100_000))
                await talker.writer.drain()
                if "deaf" not in s.endpoint.clients:
                    break
            assert "deaf" not in s.endpoint.clients
            assert await talker.silent()

    asyncio.run(run())
