"""Listening sockets, and how those who are connected are let go."""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from simulator.endpoints.http import HttpEndpoint
from simulator.endpoints.http11 import HttpConnection
from simulator.endpoints.mqtt import MqttEndpoint
from simulator.endpoints.mqtt_connection import Connection
from simulator.errors import UsageError

LOOPBACK: Final = "127.0.0.1"
GOODBYE_S: Final = 0.5
GOODBYE_LOOKS: Final = 50


def bind(host: str, port: int, option: str) -> socket.socket:
    """A listening socket.

    Raises:
        UsageError: the address cannot be had; ``option`` is how to choose another.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=4096)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error}; choose another port with {option} "
            "(0 picks a free one)"
        ) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on ``host``.

    Raises:
        UsageError: there is no such host.
    """
    if not host:
        return False  # every interface
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host}: {error}") from None
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


async def let_go(doors: Iterable[object]) -> None:
    """Give clients a moment to take what was sent last (over TLS, to say goodbye); then cut off."""
    ours = [door for door in doors if isinstance(door, MqttEndpoint | HttpEndpoint)]
    for _ in range(GOODBYE_LOOKS):
        if not any(door.connections for door in ours):
            return
        await asyncio.sleep(GOODBYE_S / GOODBYE_LOOKS)
    for door in ours:
        connections: list[Connection | HttpConnection] = [*door.connections]
        for connection in connections:
            connection.abort()
    await asyncio.sleep(0)  # their ends are told in the loop's next turn
