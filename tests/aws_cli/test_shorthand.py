"""Our shorthand parser beside the AWS CLI's own, as version 1 ships it."""

from collections.abc import Callable
from typing import Any

import pytest
from awscli import shorthand as theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.aws_cli.shorthand import ShorthandError, parse


class Theirs(theirs.ShorthandParser):  # type: ignore[misc]
    """Version 1's parser with version 2's quotes: a backslash before a backslash is one, too."""

    _SINGLE_QUOTED = theirs._NamedRegex("singled quoted", r"'(?:\\\\|\\'|[^'])*'")
    _DOUBLE_QUOTED = theirs._NamedRegex("double quoted", r'"(?:\\\\|\\"|[^"])*"')


SIGNS = st.sampled_from([*"ab=,[]{}\"'\\ \n@|~^-#\t/:.(_;!`%", "ä", "😀", "x=", "y=", "k=v,"])
TEXTS = st.lists(SIGNS, max_size=14).map("".join) | st.text(max_size=20)


def outcome(read: Callable[[str], Any], fault: type[Exception], text: str) -> tuple[bool, object]:
    """Whether it can be read, and what it says or why not."""
    try:
        return True, read(text)
    except fault as error:
        return False, str(error)


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
def test_it_reads_what_the_aws_cli_reads_and_says_the_same_of_faults(text: str) -> None:
    assert outcome(parse, ShorthandError, text) == outcome(
        Theirs().parse, theirs.ShorthandParseError, text
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=b,c=d", {"a": "b", "c": "d"}),
        ("a='x, y',b=\"z\"", {"a": "x, y", "b": "z"}),
        ("a='it\\'s',b=x\\,y", {"a": "it's", "b": "x,y"}),
        ('a="\\\\"', {"a": "\\"}),
        ("a=b,c,d=e", {"a": ["b", "c"], "d": "e"}),
        ("a=[b,{c=d}],e={f=[g]}", {"a": ["b", {"c": "d"}], "e": {"f": ["g"]}}),
        ("a=,b=", {"a": "", "b": ""}),
        ("a = b , c = d", {"a": "b", "c": "d"}),
    ],
)
def test_readings(text: str, value: object) -> None:
    assert parse(text) == value


def test_a_value_may_be_the_contents_of_what_it_names() -> None:
    def load(text: str) -> str | None:
        return text.upper() if text.startswith("file://") else None

    assert parse("a@=file://x,b=file://y,c@=z", load) == {
        "a": "FILE://X",
        "b": "file://y",
        "c": "z",
    }
