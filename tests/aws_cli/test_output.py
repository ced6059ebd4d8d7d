"""Our formats beside the AWS CLI's own, as version 1 ships them, on whatever JSON can say."""

import io
from types import SimpleNamespace
from typing import Any

from awscli import formatter as theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.aws_cli.output import FORMATS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-9, 10**12)
    | st.floats(0, 9)
    | st.text("aä漢 '|", max_size=40)
)
NAMES = st.sampled_from(["jobId", "executionNumber", "queuedAt", "a", "漢", "long " * 8])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=5)
        | st.lists(st.dictionaries(NAMES, inner, max_size=4), max_size=3)
    ),
    max_leaves=16,
)  # fmt: skip
FORMATTERS = {
    "table": theirs.TableFormatter,
    "text": theirs.TextFormatter,
    "json": theirs.JSONFormatter,
}


def outcome(name: str, value: Any, ours: bool) -> str:
    """What is printed, or that nothing can be: Python has other words for the same fault."""
    try:
        if ours:
            return FORMATS[name]("Title", value, False)
        text = io.StringIO()
        options = SimpleNamespace(query=SimpleNamespace(search=lambda _: value), color="off")
        FORMATTERS[name](options)("Title", {}, text)
        return text.getvalue()
    except (AttributeError, IndexError, TypeError, ValueError):
        return "fault"


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_they_print_what_the_aws_cli_prints(value: Any) -> None:
    for name in FORMATTERS:
        assert outcome(name, value, ours=True) == outcome(name, value, ours=False)
