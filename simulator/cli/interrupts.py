"""How a command hears that it is to end."""

import signal
from collections.abc import Callable
from typing import Final

INTERRUPTED_CODE: Final = 130


def until_interrupted() -> Callable[[], bool]:
    """Whether somebody has asked to stop; who asks twice is heard at once."""
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    return lambda: asked
