"""Who owns which things: the rules, without a broker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.endpoints.shards import ALIVE, TALK, Claims, Saying, Shard
from simulator.errors import UsageError


class Talk:
    """A broker: all hear everything in one order; what is retained is told to newcomers."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.members: list[Claims] = []
        self.said: list[Saying] = []

    def join(self, claims: Claims) -> None:
        opening = claims.begin()
        for topic, payload in self.kept.items():
            assert claims.heard(topic, payload) == []
        self.members.append(claims)
        self.say(opening)

    def say(self, *sayings: Saying) -> None:
        self.said += sayings
        while self.said:
            topic, payload, retain = self.said.pop(0)
            if retain:
                self.kept.pop(topic, None)
                if payload:
                    self.kept[topic] = payload
            for member in self.members:
                self.said += member.heard(topic, payload)

    def own(self, claims: Claims) -> bool:
        """Claim where nobody has said that it is there; whether it is ours now."""
        if claims.rival is None:
            self.say(claims.claim())
            if claims.owner:
                self.say(*claims.record())
        return claims.owner

    def die(self, claims: Claims) -> None:
        self.members.remove(claims)
        self.say(claims.last_breath())


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "a/b", "1/2/3", "1/1025"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="write K/N"):
        Shard.parse(text)


@given(st.text(min_size=1), st.integers(1, 40))
def test_each_thing_has_one_owner_of_a_number_of_shards(name: str, count: int) -> None:
    if name.encode(errors="replace").decode() != name:
        return  # no name of a thing: half a surrogate pair
    assert sum(Shard(place, count).owns(name) for place in range(1, count + 1)) == 1


def test_which_thing_is_whose_does_not_change() -> None:
    """Documented, so that others can compute it: CRC-32 of the name, modulo N, plus 1."""
    assert [Shard(k, 3).owns("lamps-000007") for k in (1, 2, 3)] == [
        k - 1 == 0x89381DC2 % 3 for k in (1, 2, 3)
    ]


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_shards_overlap_where_a_thing_could_be_of_both(a: int, b: int, data: st.DataObject) -> None:
    one = Shard(data.draw(st.integers(1, a)), a)
    other = Shard(data.draw(st.integers(1, b)), b)
    both = any(h % a == one.place - 1 and h % b == other.place - 1 for h in range(a * b))
    assert one.overlaps(other) == other.overlaps(one) == both


def test_the_second_hears_of_the_first() -> None:
    talk, first, second = Talk(), Claims(Shard(), "a", "1"), Claims(Shard(1, 2), "b", "2")
    talk.join(first)
    assert talk.own(first)
    talk.join(second)
    assert second.rival is not None
    assert second.rival.service == "a"
    assert not talk.own(second)
    assert first.owner


def test_shards_that_do_not_overlap_live_together() -> None:
    talk = Talk()
    claims = [Claims(Shard(k, 3), f"s{k}", str(k)) for k in (1, 2, 3)]
    for one in claims:
        talk.join(one)
        assert talk.own(one)
    assert all(one.owner for one in claims)


def test_one_client_id_is_for_one_service_alone() -> None:
    talk, first, second = Talk(), Claims(Shard(1, 2), "a", "1"), Claims(Shard(2, 2), "a", "2")
    talk.join(first)
    assert talk.own(first)
    talk.join(second)
    assert second.rival is not None


def test_of_two_at_the_same_time_the_first_in_the_brokers_order_wins() -> None:
    talk, first, second = Talk(), Claims(Shard(), "a", "1"), Claims(Shard(), "b", "2")
    talk.join(first)
    talk.join(second)
    assert first.rival is second.rival is None
    talk.say(first.claim(), second.claim())
    assert (first.owner, second.owner) == (True, False)
    assert first.rival is None
    assert second.rival is not None


def test_the_dead_are_succeeded_and_their_last_will_comes_late() -> None:
    talk, first, second = Talk(), Claims(Shard(), "a", "1"), Claims(Shard(), "b", "2")
    talk.join(first)
    assert talk.own(first)
    talk.members.remove(first)  # its connection hangs; the broker has not noticed
    talk.join(second)
    assert [claim.instance for claim in second.in_the_way()] == ["1"]
    assert second.rival is None
    assert not second.owned_last()
    assert talk.own(second)
    talk.say(first.last_breath())
    assert talk.kept[Shard().topic + ALIVE] == b"2"


def test_whom_the_broker_knows_to_be_gone_is_not_in_the_way() -> None:
    talk, first, second = Talk(), Claims(Shard(1, 2), "a", "1"), Claims(Shard(), "b", "2")
    talk.join(first)
    assert talk.own(first)
    talk.die(first)
    talk.join(second)
    assert second.in_the_way() == []
    assert talk.own(second)


def test_a_claim_void_by_another_is_struck_out() -> None:
    talk, first, second = Talk(), Claims(Shard(1, 2), "a", "1"), Claims(Shard(), "b", "2")
    talk.join(first)
    assert talk.own(first)
    talk.members.remove(first)
    talk.join(second)
    assert talk.own(second)
    assert Shard(1, 2).topic + ALIVE not in talk.kept


def test_an_owner_given_up_for_dead_steps_down_when_it_wakes() -> None:
    talk, first, second = Talk(), Claims(Shard(), "a", "1"), Claims(Shard(), "b", "2")
    talk.join(first)
    assert talk.own(first)
    talk.members.remove(first)
    missed: list[Saying] = []
    talk.join(second)
    missed.append(second.begin())
    for topic, payload in talk.kept.items():
        second.heard(topic, payload)
    missed.append(second.claim())
    talk.say(missed[-1])
    assert second.owner
    late = [answer for topic, payload, _ in missed for answer in first.heard(topic, payload)]
    assert not first.owner
    for topic, payload, _ in late:  # "owns", of a term that is over
        assert second.heard(topic, payload) == []
    assert second.owner


def test_who_owned_the_things_last_is_known_after_its_end() -> None:
    talk, first, second = Talk(), Claims(Shard(), "a", "1"), Claims(Shard(), "b", "2")
    talk.join(first)
    assert first.owned_last()  # nobody did
    assert talk.own(first)
    talk.die(first)
    again = Claims(Shard(), "a", "3")
    talk.join(again)
    assert again.owned_last()
    assert talk.own(again)
    talk.die(again)
    talk.join(second)
    assert not second.owned_last()
    assert talk.own(second)
    talk.die(second)
    talk.join(again)
    assert not again.owned_last()


@pytest.mark.parametrize(
    "payload", [b"", b"hello", b"[]", b'{"state":"owns"}',
                b'{"state":"owns","shard":[0,0],"service":"x","instance":"y","term":9}'],
)  # fmt: skip
def test_what_others_write_there_is_passed_over(payload: bytes) -> None:
    claims = Claims(Shard(), "a", "1")
    claims.begin()
    for topic in (TALK, Shard().topic):
        assert claims.heard(topic, payload) == []
    assert claims.rival is None
    assert claims.in_the_way() == []
