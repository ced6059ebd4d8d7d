"""The AWS CLI's shorthand: ``Key1=value,Key2=value`` → a dict, or a fault shown where it is.

Grammar, as version 2 reads it:

    parameter = pair *("," pair)
    pair      = key ["@"] "=" values        "@" lets a value name a file (``file://``)
    values    = list | map | word *("," word)      a word that "=" follows begins the next pair
    list      = "[" *(item ",") "]"
    map       = "{" *(key ["@"] "=" item ",") "}"
    item      = list | map | word
    word      = 'quoted' | "quoted" | bare

The subtlety: ``a=b,c=d`` and ``a=b,c`` part only at the third sign, so a word after a comma is read
as a further value first, and taken back when no comma follows it. And a first word may contain
``=`` where a further one may not. In quotes a backslash escapes the quote and itself; in a bare
word it escapes a comma.
"""

import re
import string
from collections.abc import Callable
from typing import Any, Final, NoReturn

KEY: Final = re.compile(r"[a-zA-Z0-9\-_.#/:]*")
SPACE: Final = re.compile(f"[{re.escape(string.whitespace)}]*")
START: Final = r"!#-&(-+\--<>-Z\\-z\x7c-\uffff"
FIRST: Final = re.compile(rf"(?:\\,|[{START}])(?:\\,|[\s!#-&(-+\--\\^-\x7c~-\uffff])*")
FURTHER: Final = re.compile(rf"(?:\\,|[{START}])(?:\\,|[\s!#-&(-+\--<>-\uffff])*")
QUOTED: Final = {
    "'": ("singled quoted", re.compile(r"'(?:\\\\|\\'|[^'])*'")),
    '"': ("double quoted", re.compile(r'"(?:\\\\|\\"|[^"])*"')),
}

Load = Callable[[str], str | bytes | None]
"""Gives the contents of what ``file://…`` names, None for any other text."""


class ShorthandError(ValueError):
    """The text is not shorthand; the message shows where."""


class _Unexpected(ShorthandError):
    """Something else was expected: a reason to take a word back."""


def parse(text: str, load: Load = lambda _: None) -> dict[str, Any]:
    """What a shorthand text says; values are str, list or dict.

    Raises:
        ShorthandError: it is none.
    """
    return _Reader(text, load).parameter()


class _Reader:
    def __init__(self, text: str, load: Load) -> None:
        self.text = text
        self.at = 0
        self.load = load
        self.from_file = False

    # --------------------------------------------------------------------------- grammar

    def parameter(self) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        key, value = self._pair(self._values)
        pairs[key] = value
        while self.at < len(self.text):
            before = self.at
            self._take(",")
            key, value = self._pair(self._values)
            if key in pairs:
                raise ShorthandError(
                    f'Second instance of key "{key}" encountered for input:\n'
                    f"{self._pointed(before + 1)}\n"
                    'This is often because there is a preceding "," instead of a space.'
                )
            pairs[key] = value
        return pairs

    def _pair(self, values: Callable[[], Any]) -> tuple[str, Any]:
        key = self._match(KEY) or ""
        self.from_file = False
        self._skip()
        if self._current == "@":
            self.at += 1
            self.from_file = True
        self._take("=")
        return key, values()

    def _values(self) -> Any:
        if self.at >= len(self.text):
            return ""
        return self._item() if self._current in "[{" else self._words()

    def _words(self) -> Any:
        first = self._word()
        self._skip()
        if self._current != ",":
            return first
        words = [first]
        self._take(",")
        while True:
            try:
                word = self._word(further=True)
                self._skip()
                at_end = self.at >= len(self.text)
                if not at_end:
                    self._take(",")
                words.append(word)
                if at_end:
                    break
            except _Unexpected:
                if self.at >= len(self.text):
                    raise
                # That word was the next pair's key: back to the comma before it.
                self.at = self.text.rindex(",", 0, self.at + 1)
                break
        return first if len(words) == 1 else words

    def _item(self) -> Any:
        if self._current == "[":
            return self._list()
        return self._map() if self._current == "{" else self._word()

    def _list(self) -> list[Any]:
        self._take("[")
        items = []
        while self._current != "]":
            items.append(self._item())
            self._separate("]")
        self.at += 1
        return items

    def _map(self) -> dict[str, Any]:
        self._take("{")
        pairs = {}
        while self._current != "}":
            key, value = self._pair(self._item)
            self._separate("}")
            pairs[key] = value
        self.at += 1
        return pairs

    def _separate(self, end: str) -> None:
        """After an item: its comma, or the end, which is left to be seen."""
        self._skip()
        if self._current != end:
            self._take(",")

    def _word(self, further: bool = False) -> Any:
        if self._current and self._current in QUOTED:
            quote = self._current
            name, pattern = QUOTED[quote]
            word = self._must(pattern, name)[1:-1]
            word = word.replace("\\" + quote, quote).replace("\\\\", "\\")
        else:
            bare = self._must(FURTHER, "second") if further else self._match(FIRST)
            if bare is None:
                return ""
            word = bare.replace("\\,", ",").rstrip()
        contents = self.load(word) if self.from_file else None
        return word if contents is None else contents

    # --------------------------------------------------------------------------- signs

    @property
    def _current(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip(self) -> None:
        self._match(SPACE)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    def _must(self, pattern: re.Pattern[str], name: str) -> str:
        found = self._match(pattern)
        return self._fail(f"<{name}>", "<none>") if found is None else found

    def _take(self, sign: str) -> None:
        """One sign, with the white space around it."""
        self._skip()
        if self._current != sign:
            self._fail(sign, self._current or "EOF")
        self.at += 1
        self._skip()

    def _fail(self, expected: str, received: str) -> NoReturn:
        raise _Unexpected(
            f"Expected: '{expected}', received: '{received}' for input:\n{self._pointed(self.at)}"
        )

    def _pointed(self, at: int) -> str:
        """The text with a caret under ``at``, in a line of its own below the line meant."""
        begin = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        return f"{self.text[:end]}\n{' ' * (at - begin)}^{self.text[end:]}"
