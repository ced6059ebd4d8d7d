"""Topic names and filters, and the routing table from filters to subscribers.

Rule 1: a filter that begins with a wildcard does not match topics that begin with ``$``
        [MQTT-4.7.2-1].
Rule 2: ``a/#`` does not match ``a``: here AWS differs from the specification (DG:mqtt), and we
        follow AWS.
Rule 3: nothing iterates over a set, so the order in which subscribers are served repeats.
Rule 4: what is granted is a number: QoS in its two lowest bits, No Local and Retain As Published
        above them. Where several filters of a subscriber match, it gets one copy, with the highest
        QoS; No Local holds only if all say so, Retain As Published if one does.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

from simulator.errors import MqttError

K = TypeVar("K", bound=Hashable)


def check_topic(topic: str) -> None:
    """Raise MqttError unless ``topic`` may be published to."""
    if not topic or "+" in topic or "#" in topic or "\0" in topic:
        raise MqttError(f"{topic!r} is no topic name: empty, or with a wildcard or U+0000")


def check_filter(name: str) -> None:
    """Raise MqttError unless ``name`` may be subscribed to [MQTT-4.7.1-2], [MQTT-4.7.1-3]."""
    levels = name.split("/")
    whole = all(level in ("+", "#") or not {"+", "#"} & set(level) for level in levels)
    if not name or "\0" in name or not whole or "#" in levels[:-1]:
        raise MqttError(
            f"{name!r} is no topic filter: + and # stand for whole levels, # only for the last"
        )


def matches(name: str, topic: str) -> bool:
    """Whether a filter matches a topic."""
    levels, parts = name.split("/"), topic.split("/")
    if topic.startswith("$") and levels[0] in ("+", "#"):
        return False
    for at, level in enumerate(levels):
        if level == "#":
            return len(parts) > at
        if at >= len(parts) or level not in ("+", parts[at]):
            return False
    return len(levels) == len(parts)


class _Node(Generic[K]):
    """One level of the wildcard filters."""

    __slots__ = ("children", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node[K]] = {}
        self.subscribers: dict[K, int] = {}


class Subscriptions(Generic[K]):
    """Who gets what, with which options. Filters without wildcards are one dict lookup."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[K, int]] = {}
        self._root: _Node[K] = _Node()
        self._own: dict[K, dict[str, int]] = {}

    def subscribe(self, name: str, key: K, options: int) -> None:
        """Add or replace one subscription; the filter is taken to be valid."""
        self._own.setdefault(key, {})[name] = options
        if _is_wild(name):
            node = self._root
            for level in name.split("/"):
                node = node.children.setdefault(level, _Node())
            node.subscribers[key] = options
        else:
            self._exact.setdefault(name, {})[key] = options

    def unsubscribe(self, name: str, key: K) -> bool:
        """Forget one subscription; return whether there was one."""
        own = self._own.get(key, {})
        if name not in own:
            return False
        del own[name]
        if not own:
            del self._own[key]
        self._forget(name, key)
        return True

    def drop(self, key: K) -> None:
        """Forget all of a subscriber's, at a cost that depends only on how many it has."""
        for name in self._own.pop(key, {}):
            self._forget(name, key)

    def of(self, key: K) -> dict[str, int]:
        """A subscriber's own filters and their options: to be read only."""
        return self._own.get(key, {})

    def match(self, topic: str) -> dict[K, int]:
        """Each subscriber once, with the options that its matching filters make together."""
        found = dict(self._exact.get(topic, {}))
        if self._root.children:
            self._walk(topic.split("/"), found)
        return found

    def granted(self, key: K, topic: str) -> int | None:
        """The highest QoS that this subscriber's own filters give a topic."""
        own = self._own.get(key, {})
        found = (options & 3 for name, options in own.items() if matches(name, topic))
        return max(found, default=None)

    def _walk(self, parts: list[str], found: dict[K, int]) -> None:
        """Not by recursion: a filter has as many levels as its sender likes."""
        last, dollar = len(parts), parts[0].startswith("$")
        ahead = [(self._root, 0)]
        while ahead:
            node, at = ahead.pop()
            if at == last:
                _merge(found, node.subscribers)
                continue
            children = node.children
            child = children.get(parts[at])
            if child is not None:
                ahead.append((child, at + 1))
            if at > 0 or not dollar:
                if "#" in children:
                    _merge(found, children["#"].subscribers)
                if "+" in children:
                    ahead.append((children["+"], at + 1))

    def _forget(self, name: str, key: K) -> None:
        if not _is_wild(name):
            subscribers = self._exact[name]
            del subscribers[key]
            if not subscribers:
                del self._exact[name]
            return
        levels = name.split("/")
        path = [self._root]
        for level in levels:
            path.append(path[-1].children[level])
        del path[-1].subscribers[key]
        for parent, level, node in zip(path[-2::-1], levels[::-1], path[:0:-1], strict=True):
            if node.children or node.subscribers:
                break
            del parent.children[level]


def _is_wild(name: str) -> bool:
    return "+" in name or "#" in name


def _merge(found: dict[K, int], more: dict[K, int]) -> None:
    for key, options in more.items():
        before = found.get(key, options)
        if before == options:
            found[key] = options
        else:
            found[key] = (
                max(before & 3, options & 3) | before & options & 4 | (before | options) & 8
            )
