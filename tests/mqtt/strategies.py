"""What packets there are, of both versions, as Hypothesis strategies."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from simulator.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from simulator.mqtt import properties as kinds
from simulator.mqtt.reasons import (
    OF_AUTH,
    OF_CONNACK,
    OF_DISCONNECT,
    OF_PUBACK,
    OF_PUBREL,
    OF_SUBACK,
    OF_UNSUBACK,
)

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the packets."""

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
names = st.text(st.sampled_from("ab/$ü "), min_size=1, max_size=20)
filters = st.sampled_from(["a", "a/b", "+", "#", "a/+/b", "a/#", "/", "$aws/things/+/jobs/#"])
ids = st.integers(1, 65535)
qos = st.integers(0, 2)
payloads = st.binary(max_size=300)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "topic": names,
    "binary": payloads,
    "pair": st.lists(st.tuples(texts, texts), min_size=1, max_size=3).map(tuple),
    "flag": st.integers(0, 1),
}


@st.composite
def said(draw: st.DrawFn, kind: int, level: int) -> Properties | None:
    """Properties that a packet of this type may have; none in 3.1.1."""
    if level == 4 or draw(st.booleans()):
        return None
    members = {}
    for row in kinds.TABLE:
        if kind not in row.packets or draw(st.booleans()):
            continue
        if row.kind == "id":
            most = 1 if kind == kinds.SUBSCRIBE else 3
            drawn: Any = st.lists(st.integers(1, 2**28 - 1), min_size=1, max_size=most).map(tuple)
        elif row.kind in ("number", "positive"):
            drawn = st.integers(row.kind == "positive", 256**row.size - 1)
        else:
            drawn = VALUES[row.kind]
        members[row.name] = draw(drawn)
    if "authentication_method" not in members:
        members.pop("authentication_data", None)
    return Properties(**members) if members else None


@st.composite
def connects(draw: st.DrawFn, level: int) -> Connect:
    clean = draw(st.booleans())
    username = draw(st.none() | texts)
    bare = username is None and level == 4
    password = None if bare else draw(st.none() | payloads)
    client_id = draw(texts if clean or level == 5 else texts.filter(bool))
    made = st.builds(Will, names, payloads, qos, st.booleans(), said(kinds.WILL, level))
    return Connect(
        client_id,
        clean,
        draw(st.integers(0, 65535)),
        username,
        password,
        draw(st.none() | made),
        level,
        draw(said(kinds.CONNECT, level)),
    )


@st.composite
def publishes(draw: st.DrawFn, level: int) -> Publish:
    asked = draw(qos)
    properties = draw(said(kinds.PUBLISH, level))
    aliased = properties is not None and properties.topic_alias is not None
    return Publish(
        draw(st.just("") | names if aliased else names),
        draw(payloads),
        asked,
        draw(ids) if asked else 0,
        draw(st.booleans()),
        draw(st.booleans()) if asked else False,
        properties,
    )


def acknowledged(make: Any, kind: int, allowed: frozenset[int], level: int) -> Any:
    if level == 4:
        return st.builds(make, ids)
    return st.builds(make, ids, st.sampled_from(sorted(allowed)), said(kind, level))


def listed(codes: frozenset[int]) -> Any:
    return st.lists(st.sampled_from(sorted(codes)), min_size=1).map(tuple)


def both(level: int) -> list[st.SearchStrategy[Packet]]:
    return [
        publishes(level),
        acknowledged(Puback, kinds.PUBACK, OF_PUBACK, level),
        acknowledged(Pubrec, kinds.PUBREC, OF_PUBACK, level),
        acknowledged(Pubrel, kinds.PUBREL, OF_PUBREL, level),
        acknowledged(Pubcomp, kinds.PUBCOMP, OF_PUBREL, level),
    ]


def auths() -> Any:
    return st.builds(Auth, st.sampled_from(sorted(OF_AUTH)), said(kinds.AUTH, 5))


def disconnects(level: int) -> Any:
    if level == 4:
        return st.just(Disconnect())
    reasons = st.sampled_from(sorted(OF_DISCONNECT))
    return st.builds(Disconnect, reasons, said(kinds.DISCONNECT, level))


def to_server(level: int) -> st.SearchStrategy[Packet]:
    options = qos
    if level == 5:
        options = st.builds(
            lambda asked, flags, handling: asked | flags << 2 | handling << 4, qos, qos, qos
        )
    asked = st.lists(st.tuples(filters, options), min_size=1).map(tuple)
    some = st.lists(filters, min_size=1).map(tuple)
    return st.one_of(
        *both(level),
        st.builds(Subscribe, ids, asked, said(kinds.SUBSCRIBE, level)),
        st.builds(Unsubscribe, ids, some, said(kinds.UNSUBSCRIBE, level)),
        st.just(Pingreq()),
        *([auths()] if level == 5 else []),
    )


def to_client(level: int) -> st.SearchStrategy[Packet]:
    granted = listed(frozenset({0, 1, 2, 128}) if level == 4 else OF_SUBACK)
    gone = st.just(()) if level == 4 else listed(OF_UNSUBACK)
    return st.one_of(
        *both(level),
        st.builds(Suback, ids, granted, said(kinds.SUBACK, level)),
        st.builds(Unsuback, ids, gone, said(kinds.UNSUBACK, level)),
        st.just(Pingresp()),
        *([auths()] if level == 5 else []),
    )


@st.composite
def welcomes(draw: st.DrawFn, level: int) -> Connack:
    code = draw(st.sampled_from([0, 5] if level == 4 else sorted(OF_CONNACK)))
    present = draw(st.booleans()) if not code else False
    return Connack(code, present, draw(said(kinds.CONNACK, level)))


@st.composite
def streams(draw: st.DrawFn) -> tuple[Any, int, list[Packet]]:
    """One side's input from beginning to end: the side, the level, the packets."""
    level = draw(st.sampled_from([4, 5]))
    if draw(st.booleans()):
        packets = [draw(connects(level)), *draw(st.lists(to_server(level), max_size=5))]
        return "server", level, [*packets, draw(disconnects(level))]
    packets = [draw(welcomes(level)), *draw(st.lists(to_client(level), max_size=5))]
    return "client", level, packets + ([draw(disconnects(level))] if level == 5 else [])
