"""What a service says to a broker: at QoS 1, kept until it arrived, no more than it takes."""

from itertools import pairwise

import pytest

from simulator.endpoints import broker_intake, broker_outbox
from simulator.endpoints.broker import _check
from simulator.endpoints.broker_intake import REMEMBERED_S, Remembered
from simulator.endpoints.broker_outbox import BrokerOutbox
from simulator.errors import Disconnected
from simulator.mqtt import V5, V311, Connack, PacketReader, Properties, Publish, encode


class Peer:
    """Reads what is written."""

    def __init__(self, level: int = V311) -> None:
        self._reader = PacketReader("client", level=level)
        list(self._reader.feed(encode(Connack(), level)))
        self.got: list[Publish] = []

    def write(self, data: bytes) -> None:
        self.got += (packet for packet in self._reader.feed(data) if isinstance(packet, Publish))

    @property
    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.got]


def said(outbox: BrokerOutbox, *payloads: bytes) -> None:
    for payload in payloads:
        outbox.publish(b"t", payload)
    outbox.flush()


def test_what_is_said_without_a_connection_waits_for_one() -> None:
    outbox, peer = BrokerOutbox(), Peer()
    said(outbox, b"1", b"2")
    assert outbox.pending == 2
    outbox.attach(peer.write, V311, Connack())
    assert peer.payloads == [b"1", b"2"]
    for packet in peer.got:
        outbox.acknowledged(packet.packet_id)
    assert outbox.pending == 0


def test_no_more_is_on_its_way_than_the_broker_takes() -> None:
    outbox, peer = BrokerOutbox(), Peer(V5)
    outbox.attach(peer.write, V5, Connack(properties=Properties(receive_maximum=2)))
    said(outbox, b"1", b"2", b"3", b"4")
    assert peer.payloads == [b"1", b"2"]
    outbox.acknowledged(peer.got[1].packet_id)
    outbox.flush()
    assert peer.payloads == [b"1", b"2", b"3"]
    outbox.acknowledged(99)  # never sent
    outbox.flush()
    assert len(peer.got) == 3


@pytest.mark.parametrize("resumed", [True, False])
def test_what_did_not_arrive_is_sent_again_before_what_waits(resumed: bool) -> None:
    outbox, first, second = BrokerOutbox(), Peer(), Peer()
    outbox.attach(first.write, V311, Connack())
    said(outbox, b"1", b"2")
    outbox.acknowledged(first.got[0].packet_id)
    outbox.detach()
    said(outbox, b"3")
    outbox.attach(second.write, V311, Connack(0, resumed))
    assert second.payloads == [b"2", b"3"]
    assert second.got[0].packet_id == first.got[1].packet_id
    assert [packet.dup for packet in second.got] == [resumed, False]


def test_packet_ids_pass_over_those_in_use() -> None:
    outbox, peer = BrokerOutbox(), Peer()
    outbox.attach(peer.write, V311, Connack())
    said(outbox, b"stays")
    for _ in range(65_600):
        said(outbox, b"goes")
        outbox.acknowledged(peer.got[-1].packet_id)
    ids = [packet.packet_id for packet in peer.got]
    assert ids.count(ids[0]) == 1
    assert all(0 < b <= 65_535 and a != b for a, b in pairwise(ids))


def test_of_too_many_that_wait_the_oldest_go(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(broker_outbox, "MOST_WAITING", 2)
    outbox, peer = BrokerOutbox(), Peer()
    said(outbox, b"1", b"2", b"3", b"4")
    outbox.attach(peer.write, V311, Connack())
    assert peer.payloads == [b"3", b"4"]
    assert len(caplog.records) == 1


def test_what_is_larger_than_the_broker_takes_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    outbox, peer = BrokerOutbox(), Peer(V5)
    outbox.attach(peer.write, V5, Connack(properties=Properties(maximum_packet_size=30)))
    said(outbox, b"x" * 40, b"1")
    assert peer.payloads == [b"1"]
    assert outbox.pending == 1
    assert "more than the broker takes" in caplog.text


def test_answers_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = Remembered()
    remembered.keep("t", b"1", b"one", 0.0)
    assert remembered.look("t", b"1", REMEMBERED_S) == b"one"
    assert remembered.look("u", b"1", 0.0) is None
    assert remembered.look("t", b"1", REMEMBERED_S + 1) is None
    monkeypatch.setattr(broker_intake, "MOST_REMEMBERED", 1)
    for number in range(3):
        remembered.keep("t", b"%d" % number, b"", 20.0)
    assert remembered.look("t", b"0", 20.0) is None
    assert remembered.look("t", b"2", 20.0) == b""


@pytest.mark.parametrize("lack", [Properties(maximum_qos=0), Properties(retain_available=0)])
def test_a_broker_that_lacks_what_is_needed(lack: Properties) -> None:
    with pytest.raises(Disconnected, match="needed"):
        _check(Connack(properties=lack))
    _check(Connack(properties=Properties(maximum_qos=1)))
    _check(Connack())
