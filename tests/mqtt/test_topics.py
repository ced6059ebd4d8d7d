"""Topic filters and the routing table, against their definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import MqttError
from simulator.mqtt import Subscriptions, check_filter, check_topic, matches


@pytest.mark.parametrize(
    ("name", "topic", "expected"),
    [
        ("sport/tennis/#", "sport/tennis/player1", True),
        ("sport/tennis/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", False),  # AWS: the specification says it matches
        ("#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/monitor", False),
        ("+/monitor", "$SYS/monitor", False),
        ("$SYS/#", "$SYS/monitor", True),
        ("$SYS/monitor/+", "$SYS/monitor/clients", True),
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/b", "a/b/c", False),
    ],
)
def test_filters_match(name: str, topic: str, expected: bool) -> None:
    assert matches(name, topic) == expected
    table: Subscriptions[str] = Subscriptions()
    table.subscribe(name, "k", 1)
    assert table.match(topic) == ({"k": 1} if expected else {})


levels = st.sampled_from(["a", "b", "$x", ""])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = (
    st.tuples(st.lists(st.sampled_from(["a", "b", "+", "$x", ""]), max_size=3), st.booleans())
    .map(lambda t: "/".join([*t[0], *(["#"] if t[1] else [])]))
    .filter(bool)
)
keys = st.sampled_from(["k1", "k2", "k3"])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), filters, keys, st.integers(0, 1)),
        st.tuples(st.just("unsubscribe"), filters, keys, st.just(0)),
        st.tuples(st.just("drop"), st.just(""), keys, st.just(0)),
    )
)


@given(operations, topics)
def test_the_table_equals_its_definition(done: list[tuple[str, str, str, int]], topic: str) -> None:
    table: Subscriptions[str] = Subscriptions()
    model: dict[tuple[str, str], int] = {}
    for what, name, key, qos in done:
        if what == "subscribe":
            table.subscribe(name, key, qos)
            model[key, name] = qos
        elif what == "unsubscribe":
            assert table.unsubscribe(name, key) == ((key, name) in model)
            model.pop((key, name), None)
        else:
            table.drop(key)
            model = {pair: q for pair, q in model.items() if pair[0] != key}
    expected: dict[str, int] = {}
    for (key, name), qos in model.items():
        if matches(name, topic):
            expected[key] = max(qos, expected.get(key, 0))
    assert table.match(topic) == expected
    for key in ("k1", "k2", "k3"):
        assert table.granted(key, topic) == expected.get(key)
    for key in ("k1", "k2", "k3"):
        table.drop(key)
    assert not table._exact
    assert not table._root.children


@pytest.mark.parametrize("name", ["", "a#", "#/a", "a/+b", "a\0"])
def test_bad_filters(name: str) -> None:
    with pytest.raises(MqttError):
        check_filter(name)


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0"])
def test_bad_topics(topic: str) -> None:
    with pytest.raises(MqttError):
        check_topic(topic)
