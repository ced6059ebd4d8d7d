"""A thing has one worker at most, whatever workers come, ask and go."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.allotment import Allotment

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["give", "lose", "pass on", "all"]), st.integers(0, 4), st.integers(0, 9)
    ),
    max_size=40,
)


@given(st.integers(1, 60), STEPS)
def test_ranges_never_overlap_and_no_thing_is_forgotten(
    things: int, steps: list[tuple[str, int, int]]
) -> None:
    allotment, names = Allotment(things), [f"w{at}" for at in range(5)]
    for what, who, count in steps:
        if what == "give":
            given_now = sum(map(len, allotment.give(names[who], count)))
            assert given_now == count or not allotment.left
        elif what == "lose":
            had = sum(map(len, allotment.owned(names[who])))
            assert allotment.lose(names[who]) == had
        else:
            allotment.pass_on(names[: who + 1], everything=what == "all")
            assert not allotment.waiting
            assert what != "all" or not allotment.left
        owned = [one for name in names for part in allotment.owned(name) for one in part]
        assert len(owned) == len(set(owned)) == things - allotment.left
        assert set(owned) <= set(range(things))


def test_what_a_lost_worker_had_is_shared_equally_and_nothing_else_is() -> None:
    allotment = Allotment(100)
    allotment.give("a", 30)
    allotment.give("b", 10)
    assert allotment.lose("a") == 30
    assert allotment.pass_on(["b", "c"]) == {"b": [range(15)], "c": [range(15, 30)]}
    assert allotment.left == 60
