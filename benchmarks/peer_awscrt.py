"""The closed loop by the AWS IoT Device SDK's own client (awscrt, native code), from a script.

``python -m benchmarks.peer_awscrt PORT THINGS SECONDS``. Each reply's callback publishes the next
request. awsiot's layer for jobs, which lies on top of this, would only make it slower.
"""

import os
import sys
import threading
import time
from typing import Any

from awscrt import io, mqtt

from benchmarks.closed_loop import ClosedLoop, Window, asked
from benchmarks.served import thing_names

CONNECTING = 50


class Thing:
    """One thing's connection."""

    def __init__(self, client: mqtt.Client, name: str, port: int) -> None:
        self._loop = ClosedLoop(name)
        self._connection = mqtt.Connection(client, "127.0.0.1", port, name, keep_alive_secs=300)

    def connect(self) -> Any:
        """A future."""
        return self._connection.connect()

    def subscribe(self) -> list[Any]:
        """Futures."""
        at_least_once = mqtt.QoS.AT_LEAST_ONCE
        wanted = self._loop.filters
        return [self._connection.subscribe(name, at_least_once, self._heard)[0] for name in wanted]

    def start(self) -> None:
        """Begin to talk."""
        self._say(*self._loop.first)

    def _say(self, topic: str, payload: bytes) -> None:
        self._connection.publish(topic, payload, mqtt.QoS.AT_LEAST_ONCE)

    def _heard(self, topic: str, payload: bytes, **_more: object) -> None:
        answer = self._loop.heard(topic, payload)
        if answer is not None:
            self._say(*answer)


def main() -> None:
    """Connect all, let them talk, count."""
    port, things, seconds = asked(sys.argv[1:])
    group = io.EventLoopGroup(1)  # with two it is as fast: they wait for one interpreter
    client = mqtt.Client(io.ClientBootstrap(group, io.DefaultHostResolver(group)))
    all_of_them = [Thing(client, name, port) for name in thing_names(things)]
    for begin in range(0, things, CONNECTING):
        some = all_of_them[begin : begin + CONNECTING]
        for connecting in [thing.connect() for thing in some]:
            connecting.result(30)
        for subscribing in [future for thing in some for future in thing.subscribe()]:
            subscribing.result(30)
    for thing in all_of_them:
        thing.start()
    window, pause = Window(things, seconds), threading.Event()
    while not window.over:
        pause.wait(0.1)
        window.look(time.perf_counter())
    window.tell()
    os._exit(0)  # the SDK's threads call back until they are told of each connection's end


if __name__ == "__main__":
    main()
