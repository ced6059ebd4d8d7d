"""What a world of an account made, and how it is removed again: that, and nothing else."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

PATIENCE_S = 60.0
LOOKS_S = 0.5
GONE = ("ResourceNotFoundException",)
AGAIN = ("LimitExceededException", "ConflictException", "ThrottlingException")
KEYS = {"thing": "thingName", "thing_group": "thingGroupName", "job": "jobId"}

T = TypeVar("T")


def code_of(error: ClientError) -> str:
    """The name of an error."""
    code = error.response["Error"]["Code"]
    assert isinstance(code, str)
    return code


class Made:
    """The things, groups and jobs of one world, to be removed with it."""

    def __init__(self, iot: Any, counted: Counter[str]) -> None:
        """``counted`` is how many of each kind the whole run has made."""
        self.iot = iot
        self._counted = counted
        self.names: list[tuple[str, str]] = []

    def make(self, kind: str, name: str, **members: Any) -> dict[str, Any]:
        """Create a ``thing``, a ``thing_group`` or a ``job``, and remember it."""
        members[KEYS[kind]] = name
        try:
            reply: dict[str, Any] = getattr(self.iot, f"create_{kind}")(**members)
        except ClientError:
            raise  # refused: there is nothing to remove
        except BaseException:
            self.names.append((kind, name))  # who knows
            raise
        self.names.append((kind, name))
        self._counted[f"{kind}s".replace("_", " ")] += 1
        return reply

    def remove(self) -> list[str]:
        """Remove all of it, jobs first; return what could not be."""
        order = ("job", "thing_group", "thing")
        left = []
        for kind, name in sorted(self.names, key=lambda one: order.index(one[0])):
            force = {"force": True} if kind == "job" else {}
            try:
                why = within(lambda k=kind, n=name, f=force: self._remove(k, n, f))  # type: ignore[misc]
            except ClientError as error:
                why = str(error)  # one that stays does not keep the others
            if why is not None:
                left.append(f"{kind} {name} ({why})")
        return left

    def _remove(self, kind: str, name: str, force: dict[str, bool]) -> str | None:
        try:
            getattr(self.iot, f"delete_{kind}")(**{KEYS[kind]: name}, **force)
        except ClientError as error:
            code = code_of(error)
            if code in AGAIN:
                raise
            return None if code in GONE else str(error)
        except BotoCoreError as error:
            return str(error)
        return None


def within(do: Callable[[], T], codes: tuple[str, ...] = AGAIN) -> T:
    """Do something, again while it is refused so, as long as patience lasts."""
    until = time.perf_counter() + PATIENCE_S
    while True:
        try:
            return do()
        except ClientError as error:
            if code_of(error) not in codes or time.perf_counter() > until:
                raise
            time.sleep(LOOKS_S)
