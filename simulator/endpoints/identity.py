"""Who a connection is: the device that a certificate names, and the things it may act for.

Rule 1: a certificate stands for the thing that its common name names, unless the policy file lists
        it: by SHA-256 fingerprint, or by common name. A listed one may act for what is listed, and
        for nothing else.
Rule 2: a device may connect, publish and subscribe within ``$aws/things/THING/`` of those things,
        and nowhere else among the ``$`` topics; topics of its own are free to it. A filter with a
        wildcard where the thing's name stands reaches further than any thing, hence is refused.

As the IoT policies of AWS, reduced to the question that jobs ask (DG:iot-data-plane-jobs).
"""

import json
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from simulator.errors import UsageError

Action = Literal["connect", "publish", "subscribe", "receive"]

_PATTERN: Final = re.compile(r"[a-zA-Z0-9:_*?-]{1,128}")
_RESERVED: Final = "$aws/things/"


class Device:
    """The owner of a certificate; ``name`` is how log lines call it."""

    def __init__(self, name: str, things: Iterable[str]) -> None:
        """``things`` are names, in which ``*`` and ``?`` stand for any characters, or any one."""
        self.name = name
        patterns = list(things)
        self._names = {pattern for pattern in patterns if not set(pattern) & set("*?")}
        wild = [p for p in patterns if p not in self._names]
        expression = "|".join(re.escape(p).replace(r"\*", ".*").replace(r"\?", ".") for p in wild)
        self._wild = re.compile(expression) if wild else None

    def may_act_for(self, thing_name: str) -> bool:
        """Whether it may ask and report as that thing."""
        if thing_name in self._names:
            return True
        return self._wild is not None and self._wild.fullmatch(thing_name) is not None

    def authorize(self, action: Action, resource: str) -> bool:
        """Whether it may: connect as a client id, publish to or receive from a topic, subscribe to
        a filter.
        """
        if action == "connect":
            return bool(self._names) or self._wild is not None
        if resource.startswith("$share/"):
            resource = resource.split("/", 2)[-1]
        if not resource.startswith("$"):
            return True
        thing_name = resource.removeprefix(_RESERVED).split("/", 1)[0]
        if not resource.startswith(_RESERVED) or set(thing_name) & set("+#"):
            return False
        return self.may_act_for(thing_name)


class Policies:
    """Which certificate may act for which things."""

    def __init__(self, listed: dict[str, list[str]] | None = None) -> None:
        self._listed = listed or {}
        self._devices: dict[tuple[str, str], Device] = {}
        """By entry and name: a fleet of thousands with one certificate is one device."""

    @classmethod
    def load(cls, path: Path) -> "Policies":
        """Read a policy file: a JSON object, common name or fingerprint → list of thing names.

        Raises:
            UsageError: it is not that.
        """
        try:
            members = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: cannot be read as a policy: {error}") from None
        if not isinstance(members, dict):
            raise UsageError(f"{path}: a policy is a JSON object: common name or fingerprint → "
                             "list of thing names")  # fmt: skip
        for name, things in members.items():
            if not isinstance(things, list):
                raise UsageError(f"{path}: {name}: a list of thing names is wanted")
            for thing in things:
                if not isinstance(thing, str) or not _PATTERN.fullmatch(thing):
                    raise UsageError(
                        f"{path}: {name}: {thing!r} is no thing name: 1 to 128 characters of "
                        "a-zA-Z0-9:_- with * and ? for any"
                    )
        return cls({_key(name): things for name, things in members.items()})

    def device(self, subject: dict[str, Any], der: bytes) -> Device:
        """The owner of a certificate: its ``getpeercert()`` and its bytes."""
        parts = [pair for group in subject.get("subject", ()) for pair in group]
        name = next((value for key, value in parts if key == "commonName"), "")
        fingerprint = sha256(der).hexdigest()
        entry = fingerprint if fingerprint in self._listed else name
        things = self._listed.get(entry)
        if things is None:
            things = [name] if _PATTERN.fullmatch(name) and not set(name) & set("*?") else []
            return Device(name or fingerprint, things)
        known = self._devices.get((entry, name))
        if known is None:
            known = self._devices[entry, name] = Device(name or fingerprint, things)
        return known


def _key(name: str) -> str:
    """A fingerprint as OpenSSL prints it (AB:CD:…) in the form that is compared."""
    bare = name.replace(":", "").lower()
    return bare if len(bare) == 64 and set(bare) <= set("0123456789abcdef") else name
