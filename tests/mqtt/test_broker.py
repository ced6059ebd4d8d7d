"""What a broker keeps of its clients, in time that is handed in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.mqtt import (
    NO_LOCAL,
    RETAIN_AS_PUBLISHED,
    RETAIN_IF_NEW,
    RETAIN_NEVER,
    V5,
    V311,
    Broker,
    Message,
    Outgoing,
    Properties,
    Session,
    Will,
)
from simulator.mqtt.session import QUEUE, WINDOW
from tests.mqtt.strategies import unhurried


class Client:
    """Stands where a connection would: it keeps what it is given."""

    def __init__(self, broker: Broker, client_id: str) -> None:
        self.broker = broker
        self.client_id = client_id
        self.got: list[bytes] = []
        self.flags: list[tuple[int, bool]] = []
        self._present = False

    def deliver(self, session: Session, message: Message, qos: int, retain: bool) -> None:
        self.got.append(message.payload)
        self.flags.append((qos, retain))

    def was_present(self) -> bool:
        """Whether the session was there when the client connected last."""
        return self._present

    def attach(
        self, now: float = 0, level: int = V311, clean: bool = False, expiry: float = 3600
    ) -> Session:
        session, self._present = self.broker.attach(self.client_id, self, level, clean, expiry, now)
        return session


def message(payload: bytes = b"x", topic: str = "a", qos: int = 1, **rest: Any) -> Message:
    return Message(topic, payload, qos, **rest)


def waiting(session: Session, now: float = 0) -> list[bytes]:
    found = []
    while (outgoing := session.next_waiting(now)) is not None:
        found.append(outgoing.message.payload)
    return found


def test_a_session_outlives_its_connection_and_no_longer_than_its_expiry() -> None:
    broker = Broker()
    client = Client(broker, "c")
    session = client.attach(now=0, expiry=100)
    assert not client.was_present()
    broker.subscribe(session, "a", 1, 0)
    broker.detach(session, 10, None)
    broker.expire(109.9)
    assert client.attach(109.9, expiry=100) is session
    assert client.was_present()
    broker.detach(session, 110, None)
    broker.expire(1000)
    assert broker.sessions == {}
    assert broker.subscriptions.match("a") == {}
    assert client.attach(1000) is not session
    assert not client.was_present()


def test_a_session_that_nobody_expired_yet_is_over_all_the_same() -> None:
    broker = Broker()
    client = Client(broker, "c")
    broker.detach(client.attach(expiry=10), 0, None)
    client.attach(now=10)
    assert not client.was_present()


@pytest.mark.parametrize(("clean", "level"), [(True, V311), (False, V5)])
def test_a_clean_start_or_another_version_begins_anew(clean: bool, level: int) -> None:
    broker = Broker()
    client = Client(broker, "c")
    session = client.attach()
    broker.subscribe(session, "a", 1, 0)
    broker.detach(session, 0, None)
    again = client.attach(clean=clean, level=level)
    assert again is not session
    assert not client.was_present()
    assert broker.subscriptions.match("a") == {}


def test_the_expiry_is_bounded() -> None:
    assert Client(Broker(50), "c").attach(expiry=1e9).expiry == 50


def test_what_is_published_meanwhile_waits_at_qos_1_only() -> None:
    broker = Broker()
    session = Client(broker, "c").attach()
    broker.subscribe(session, "a", 1, 0)
    broker.detach(session, 0, None)
    broker.publish(message(b"1"), 1)
    broker.publish(message(b"0", qos=0), 1)
    broker.publish(message(b"2", expires=5.0), 1)
    broker.publish(message(b"3"), 1)
    assert waiting(session, 5.0) == [b"1", b"3"]


def test_the_queue_is_bounded_and_drops_the_newest() -> None:
    session = Session("c")
    for n in range(QUEUE + 1):
        session.keep(Outgoing(message(b"%d" % n)))
    first = session.next_waiting(0)
    assert first is not None
    assert first.message.payload == b"0"
    assert waiting(session)[-1] == b"%d" % (QUEUE - 1)


def test_no_more_waits_to_go_than_the_window_has_room() -> None:
    session = Session("c")
    session.keep(Outgoing(message()))
    for _ in range(WINDOW):
        session.unacked[session.next_id()] = b""
    assert waiting(session) == []
    del session.unacked[1]
    assert waiting(session) == [b"x"]


def test_a_packet_id_on_its_way_is_not_given_out() -> None:
    session = Session("c")
    session.unacked = {1: b"", 2: b""}
    session.packet_id = 65_534
    assert [session.next_id(), session.next_id()] == [65_535, 3]


def test_a_narrower_window_lets_messages_wait_again_and_replies_go() -> None:
    session = Session("c")
    for n in range(5):
        session.unacked[n + 1] = b"reply" if n == 3 else Outgoing(message(b"%d" % n))
    session.keep(Outgoing(message(b"later")))
    session.window = 2
    session.narrow()
    assert list(session.unacked) == [1, 2]
    session.window = 10
    assert waiting(session) == [b"2", b"4", b"later"]
    other = Session("d")
    other.unacked[1] = Outgoing(message(b"only"))
    other.window = 0
    other.narrow()
    other.window = 1
    assert waiting(other) == [b"only"]


# ------------------------------------------------------------------------------- wills


def heard(broker: Broker, name: str = "w") -> Client:
    listener = Client(broker, "listener")
    broker.subscribe(listener.attach(clean=True, expiry=0), name, 1, 0)
    return listener


WILL = Will("w", b"bye", 1)


def delayed(seconds: int) -> Will:
    return Will("w", b"bye", 1, properties=Properties(will_delay=seconds))


def test_a_will_is_published_when_its_client_is_gone() -> None:
    broker = Broker()
    listener = heard(broker)
    broker.detach(Client(broker, "c").attach(expiry=0), 0, WILL)
    broker.detach(Client(broker, "d").attach(expiry=60), 0, WILL)
    broker.detach(Client(broker, "e").attach(expiry=60), 0, None)
    assert listener.got == [b"bye", b"bye"]


def test_a_will_waits_for_its_delay() -> None:
    broker = Broker()
    listener = heard(broker)
    broker.detach(Client(broker, "c").attach(expiry=60), 0, delayed(10))
    broker.expire(9.9)
    assert listener.got == []
    broker.expire(10)
    assert listener.got == [b"bye"]
    broker.expire(60)
    assert broker.sessions.keys() == {"listener"}
    assert listener.got == [b"bye"]


def test_a_will_does_not_wait_longer_than_its_session() -> None:
    broker = Broker()
    listener = heard(broker)
    broker.detach(Client(broker, "c").attach(expiry=5), 0, delayed(10))
    broker.expire(5)
    assert listener.got == [b"bye"]
    broker.detach(Client(broker, "d").attach(expiry=0), 6, delayed(10))
    assert listener.got == [b"bye", b"bye"]


def test_a_client_that_is_back_in_time_has_left_no_will() -> None:
    broker = Broker()
    listener = heard(broker)
    client = Client(broker, "c")
    broker.detach(client.attach(expiry=60), 0, delayed(10))
    session = client.attach(now=5, expiry=60)
    broker.expire(100)
    assert listener.got == []
    broker.detach(session, 100, delayed(10))
    client.attach(now=101, clean=True)  # the session ends: so does the delay
    assert listener.got == [b"bye"]


def test_a_retained_will_is_retained() -> None:
    broker = Broker()
    broker.detach(Client(broker, "c").attach(expiry=0), 3, Will("w", b"bye", 1, retain=True))
    assert broker.retained["w"].payload == b"bye"


# ------------------------------------------------------------------------------- retained


def test_retained_messages_are_for_new_subscriptions_to_exactly_the_topic() -> None:
    broker = Broker()
    session = Client(broker, "c").attach()
    broker.publish(message(b"r", retain=True), 0)
    found = broker.subscribe(session, "a", 1, 0)
    assert found is not None
    assert found.payload == b"r"
    assert broker.subscribe(session, "+", 1, 0) is None  # DG:mqtt
    assert broker.subscribe(session, "$share/g/a", 1, 0) is None
    assert broker.subscribe(session, "a", 1 | RETAIN_IF_NEW, 0) is None
    assert broker.subscribe(session, "a", 1, 0) is found
    assert broker.subscribe(session, "a", 1 | RETAIN_NEVER, 0) is None
    broker.unsubscribe(session, "a")
    assert broker.subscribe(session, "a", 1 | RETAIN_IF_NEW, 0) is found


def test_an_empty_payload_deletes_and_an_expired_one_is_not_sent() -> None:
    broker = Broker()
    session = Client(broker, "c").attach()
    broker.publish(message(b"r", retain=True), 0)
    broker.publish(message(b"", retain=True), 0)
    assert broker.subscribe(session, "a", 1, 0) is None
    broker.publish(message(b"r", retain=True, expires=5.0), 0)
    assert broker.subscribe(session, "a", 1, 4.9) is not None
    assert broker.subscribe(session, "a", 1, 5.0) is None
    assert broker.retained == {}


def test_there_is_room_for_so_many_retained_messages() -> None:
    broker = Broker(max_retained=1)
    listener = heard(broker, "+")
    broker.publish(message(b"1", "a", retain=True), 0)
    broker.publish(message(b"2", "b", retain=True), 0)
    broker.publish(message(b"3", "a", retain=True), 0)
    broker.publish(message(b"", "b", retain=True), 0)
    assert {topic: kept.payload for topic, kept in broker.retained.items()} == {"a": b"3"}
    assert listener.got == [b"1", b"3", b""]


# ------------------------------------------------------------------------------- options


def test_no_local_and_retain_as_published() -> None:
    broker = Broker()
    one, other = Client(broker, "1"), Client(broker, "2")
    first, second = one.attach(), other.attach()
    broker.subscribe(first, "a", 1 | NO_LOCAL, 0)
    broker.subscribe(second, "a", 0 | RETAIN_AS_PUBLISHED, 0)
    broker.publish(message(retain=True), 0, first)
    assert one.got == []
    assert other.flags == [(0, True)]
    broker.publish(message(retain=True), 0, second)
    assert one.flags == [(1, False)]


def test_overlapping_filters_make_one_copy() -> None:
    broker = Broker()
    client = Client(broker, "c")
    session = client.attach()
    broker.subscribe(session, "a", 0 | NO_LOCAL | RETAIN_AS_PUBLISHED, 0)
    broker.subscribe(session, "+", 1, 0)
    broker.publish(message(retain=True), 0, session)
    assert client.flags == [(1, True)]


# ------------------------------------------------------------------------------- shared


def test_a_shared_subscription_is_served_in_turn() -> None:
    broker = Broker()
    clients = [Client(broker, name) for name in "abc"]
    for client in clients:
        broker.subscribe(client.attach(clean=True, expiry=0), "$share/g/+", 1, 0)
    alone = heard(broker, "a")
    for n in range(7):
        broker.publish(message(b"%d" % n), 0)
    assert [client.got for client in clients] == [[b"0", b"3", b"6"], [b"1", b"4"], [b"2", b"5"]]
    assert len(alone.got) == 7


def test_who_is_gone_is_passed_over_and_the_group_waits_only_for_all() -> None:
    broker = Broker()
    one, other = Client(broker, "1"), Client(broker, "2")
    first, second = one.attach(), other.attach()
    for session in (first, second):
        broker.subscribe(session, "$share/g/a", 1, 0)
    broker.detach(first, 0, None)
    broker.publish(message(b"1"), 0)
    broker.publish(message(b"2"), 0)
    assert other.got == [b"1", b"2"]
    broker.detach(second, 0, None)
    broker.publish(message(b"3"), 0)
    broker.publish(message(b"0", qos=0), 0)
    broker.publish(message(b"4", expires=5.0), 0)
    one.attach(now=6)
    broker.resumed(first, 6)
    assert one.got == [b"3"]
    for n in range(QUEUE + 5):
        broker.detach(first, 7, None) if not n else None
        broker.publish(message(b"%d" % n), 7)
    third = Client(broker, "3")
    broker.subscribe(third.attach(), "$share/g/a", 1, 7)
    assert len(third.got) == QUEUE


def test_a_group_ends_with_its_last_member() -> None:
    broker = Broker()
    one, other = Client(broker, "1"), Client(broker, "2")
    first, second = one.attach(), other.attach(expiry=0)
    for session in (first, second):
        broker.subscribe(session, "$share/g/a", 1, 0)
        broker.subscribe(session, "$share/h/a", 1, 0)
    assert broker.count(first) == 2
    assert broker.subscribed(first, "$share/g/a")
    assert broker.unsubscribe(first, "$share/g/a")
    assert broker.unsubscribe(first, "$share/h/a")
    assert not broker.unsubscribe(first, "$share/g/a")
    assert broker.count(first) == 0
    broker.detach(second, 0, None)
    assert broker.subscriptions.match("a") == {}


def test_groups_and_their_members_are_counted() -> None:
    broker = Broker()
    sessions = [Client(broker, f"{n}").attach() for n in range(100)]
    assert broker.has_place("a")
    for session in sessions:
        assert broker.has_place("$share/g/a")
        broker.subscribe(session, "$share/g/a", 1, 0)
    assert not broker.has_place("$share/g/a")
    for n in range(99):
        assert broker.has_place(f"$share/{n}/a")
        broker.subscribe(sessions[n], f"$share/{n}/a", 1, 0)
    assert not broker.has_place("$share/h/a")
    broker.unsubscribe(sessions[0], "$share/0/a")
    assert broker.has_place("$share/h/a")


# ------------------------------------------------------------------------------- a model

events = st.lists(
    st.one_of(
        st.tuples(st.just("connect"), st.sampled_from("ab"), st.booleans(), st.integers(0, 20)),
        st.tuples(st.just("leave"), st.sampled_from("ab"), st.booleans(), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.just("a"), st.just(False), st.integers(1, 15)),
        st.tuples(st.just("publish"), st.just("a"), st.just(False), st.integers(0, 1)),
    ),
    max_size=30,
)


class Modelled:
    """A session, plainly; ``until`` is None while its client is connected."""

    def __init__(self) -> None:
        self.due: list[bytes] = []
        self.until: float | None = None
        self.expiry = 0


@unhurried
@given(events)
def test_sessions_against_a_plain_model(done: list[tuple[str, str, bool, int]]) -> None:
    """Who is there and for how long; and while a session is, nothing at QoS 1 is lost to it."""
    broker, now, count = Broker(), 0.0, 0
    clients = {name: Client(broker, name) for name in "ab"}
    model: dict[str, Modelled] = {}
    for what, name, clean, number in done:
        broker.expire(now)
        model = {n: m for n, m in model.items() if m.until is None or m.until > now}
        assert set(broker.sessions) == set(model)
        connected = name in model and model[name].until is None
        client = clients[name]
        if what == "wait":
            now += number
        elif what == "publish":
            count += 1
            broker.publish(message(b"%d" % count, qos=number), now)
            for kept in model.values():
                if kept.until is None or number:
                    kept.due.append(b"%d" % count)
        elif what == "connect" and not connected:
            session = client.attach(now, clean=clean, expiry=number)
            assert client.was_present() == (name in model and not clean)
            if not client.was_present():
                model[name] = Modelled()
            broker.subscribe(session, "a", 1, now)
            client.got = waiting(session, now)
            model[name].until, model[name].expiry = None, number
        elif what == "leave" and connected:
            broker.detach(broker.sessions[name], now, None)
            assert client.got == model[name].due
            model[name].due, model[name].until = [], now + model[name].expiry
    for name, kept in model.items():
        assert kept.until is not None or clients[name].got == kept.due
